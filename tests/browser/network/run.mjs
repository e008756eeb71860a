// A page whose network goes, falls silent and changes. See README.md.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FORBIDS_ALTERED_OFFERS, launch, open, serve } from '../support/browser.mjs'
import { finish, judge, until } from '../support/judge.mjs'
import { Node } from '../support/programs.mjs'
import { Network, alone } from './machines.mjs'

const BLOCKS = 20
/** How long a page may take to see that a node is gone, and to have it back, in seconds. */
const PATIENCE_S = 120

if (process.env.IS_ALONE === undefined) process.exit(alone(fileURLToPath(import.meta.url)) ?? 1)

/** The page has the node, and its tip. */
function live (what, run, height) {
  return until(what, PATIENCE_S, async () => {
    const { phase, tip } = await run('status')
    return phase === 'live' && tip.height === height && (await run('nodes')).length === 1
  })
}

const missed = (run) => until('the node is missed', PATIENCE_S, async () => (await run('nodes')).every(({ suspect }) => suspect))
const seconds = (begin) => ({ s: Math.round((Date.now() - begin) / 100) / 10 })

async function tell (page, run, node, network, mine) {
  let height = BLOCKS
  const goesOn = async (what) => {
    mine(3)
    height += 3
    const begin = Date.now()
    await live(what, run, height)
    judge(what, true, seconds(begin))
  }
  await run('begin', 'dev', [node.address], 'qbtc-network')
  await live('the page gets to the tip', run, height)
  judge('a page follows a node on another machine, over WebRTC', node.address.includes(network.there), (await run('nodes')).map(({ address }) => address))
  await page.evaluate(() => {
    window.heard = []
    for (const kind of ['offline', 'online']) window.addEventListener(kind, () => window.heard.push(kind))
  })
  const heard = () => page.evaluate(() => window.heard.splice(0))

  let begin = Date.now()
  network.pull()
  await missed(run)
  judge('offline: the node is missed', (await heard()).includes('offline'), seconds(begin))
  mine(2)
  height += 2
  network.plug()
  await goesOn('back: the page has the node and the newest block again')
  judge('back: the browser had said so', (await heard()).includes('online'))

  begin = Date.now()
  network.silence(true)
  await missed(run)
  judge('silence: the node is missed, though the cable is there', (await heard()).length === 0, seconds(begin))
  network.silence(false)
  await goesOn('silence: once it ends, the page goes on')

  network.move('10.83.0.77')
  await goesOn('another address: the page goes on from there')
  const peers = node.rpc('getpeerinfo').map(({ addr }) => addr)
  judge('another address: the node sees it', peers.some((addr) => addr.includes('10.83.0.77')), peers)
  await run('close')
  const events = await run('events')
  judge('the events end', events.at(-1).type === 'end', [...new Set(events.map(({ type }) => type))])
}

const network = new Network()
let server, browser, node
try {
  await network.lay()
  server = await serve(join(dirname(fileURLToPath(import.meta.url)), '../light'))
  node = new Node('dev', { host: network.there, within: network.within })
  await node.start()
  const reward = node.newAddress()
  const mine = (count) => node.rpc('generatetoaddress', String(count), reward)
  mine(BLOCKS)
  browser = await launch(FORBIDS_ALTERED_OFFERS)
  const { page, run } = await open(await browser.newContext(), server.url)
  await tell(page, run, node, network, mine)
} catch (error) {
  judge('the suite got to its end', false, error.stack)
} finally {
  await browser?.close()
  await node?.remove()
  server?.close()
  await network.cut()
}
finish()
