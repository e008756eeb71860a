// A day of a page that follows the chain, in minutes. See README.md.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FORBIDS_ALTERED_OFFERS, launch, serve, within } from '../support/browser.mjs'
import { finish, judge, pause, until } from '../support/judge.mjs'
import { Node } from '../support/programs.mjs'

const HOURS = Number(process.env.HOURS ?? 24)
const HOUR_MS = 3_600_000
// Shorter than anything in the client that has a limit of time, so that answers, which take as long as ever, come within it.
const STEP_MS = 2_000
const SLEEP_MS = 1_800_000
const BLOCKS_AN_HOUR = 6

/** The page's time goes on by so much, a step at a time; between them the network has a moment. */
async function go (page, ms) {
  for (let gone = 0; gone < ms; gone += STEP_MS) {
    await page.clock.runFor(STEP_MS)
    await pause(3)
  }
}

/** Waits for something that takes the page's time to come. */
async function wait (page, what, is) {
  for (let step = 0; step < 900; step++) {
    if (await is()) return
    await go(page, STEP_MS)
    await pause(20)
  }
  throw new Error(`not within half an hour of the page's: ${what}`)
}

/** What the page holds, once all that nobody needs is collected. */
async function held (page, run, session) {
  await session.send('HeapProfiler.collectGarbage')
  const { metrics } = await session.send('Performance.getMetrics')
  const heap = metrics.find((found) => found.name === 'JSHeapUsedSize').value
  return { heap, connections: await states(session), wasm: await run('memory') }
}

/** In which states the peer connections are that the page holds. */
async function states (session) {
  const { result: prototype } = await session.send('Runtime.evaluate', { expression: 'RTCPeerConnection.prototype', objectGroup: 'states' })
  const { objects } = await session.send('Runtime.queryObjects', { prototypeObjectId: prototype.objectId, objectGroup: 'states' })
  const read = 'function () { return this.map((each) => each.connectionState) }'
  const { result } = await session.send('Runtime.callFunctionOn', { objectId: objects.objectId, functionDeclaration: read, returnByValue: true })
  await session.send('Runtime.releaseObjectGroup', { objectGroup: 'states' })
  return result.value
}

/** What happens in an hour: blocks, and by turns a node that is killed and comes back, a lid that is closed, a network that was away. */
async function hour (number, page, run, nodes, mine) {
  const [first, second] = nodes
  await go(page, HOUR_MS / 2)
  mine(BLOCKS_AN_HOUR)
  if (number % 3 === 0) {
    await second.kill()
    await go(page, HOUR_MS / 12)
    await second.start('--connect', first.peer)
  }
  if (number % 3 === 1) await page.clock.fastForward(SLEEP_MS)
  if (number % 3 === 2) await run('online')
  await go(page, HOUR_MS / 3)
  const height = first.rpc('getblockcount')
  await until('the nodes agree', 60, () => second.rpc('getblockcount') === height)
  await wait(page, `height ${height}, and both nodes`, async () => {
    const { tip, phase } = await run('status')
    return tip.height === height && phase === 'live' && (await run('nodes')).length === nodes.length
  })
  await run('forget')
}

const server = await serve(join(dirname(fileURLToPath(import.meta.url)), '../light'))
const nodes = [new Node(), new Node()]
let browser
try {
  await nodes[0].start()
  await nodes[1].start('--connect', nodes[0].peer)
  const reward = nodes[0].newAddress()
  const mine = (count) => nodes[0].rpc('generatetoaddress', String(count), reward)
  mine(BLOCKS_AN_HOUR)
  browser = await launch(FORBIDS_ALTERED_OFFERS)
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.clock.install()
  const { run } = await within(page, server.url)
  const session = await context.newCDPSession(page)
  await session.send('Performance.enable')
  await run('begin', 'dev', nodes.map((node) => node.address), 'qbtc-day')
  await run('scan', 0, [reward])
  const each = []
  for (let number = 0; number < HOURS; number++) {
    await hour(number, page, run, nodes, mine)
    const resident = nodes[0].rpc('getmemoryinfo').resident
    each.push({ ...await held(page, run, session), resident, peers: nodes[0].rpc('getpeerinfo').length })
    console.log(`hour ${number + 1}: ${JSON.stringify(each.at(-1))}`)
  }
  const [early, last] = [each[Math.ceil(HOURS / 4) - 1], each.at(-1)]
  judge('every hour ends at the tip, with both nodes', each.length === HOURS, { hours: HOURS })
  const isEnough = ({ connections }) => connections.length === nodes.length && connections.every((state) => state === 'connected')
  judge('no connection is left over', each.every(isEnough), last.connections)
  judge('nor at the node: the page and the other node', each.every(({ peers }) => peers === 2), last.peers)
  const grows = (of) => last[of] / early[of]
  judge('the page holds no more at the end', grows('heap') < 1.25 && grows('wasm') < 1.1, { heap: [early.heap, last.heap], wasm: [early.wasm, last.wasm] })
  judge('nor does the node', grows('resident') < 1.25, [early.resident, last.resident])
  await run('close')
} finally {
  await browser?.close()
  server.close()
  for (const node of nodes) await node.remove()
}
finish()
