// Tabs that share one client, by the npm package. See README.md.
import { open } from '../support/browser.mjs'
import { judge, pause, until } from '../support/judge.mjs'
import { specHex } from '../support/programs.mjs'

/** Opens a tab that joins the others. It hands over the spec, and takes it back. */
async function join (browser, url, nodes, watched, isDeaf = false) {
  const tab = await open(browser, url)
  tab.ms = await tab.run('join', specHex('dev'), nodes.map((node) => node.address), watched, isDeaf)
  return tab
}

/** Waits until a tab knows the coins up to the tip of a node. */
function settle (tab, node) {
  const height = node.rpc('getblockcount')
  return until(`the balance at ${height}`, 30, async () => {
    const [status, balance] = [await tab.run('sharedStatus'), await tab.run('sharedBalance')]
    return status.phase === 'live' && balance.height === height && balance
  })
}

/** Waits until a tab leads and knows all; how long that took. */
async function lead (tab, node, begin) {
  await until('the next tab leads', 20, () => tab.run('isLeader'))
  await settle(tab, node)
  return { ms: Date.now() - begin }
}

/** Two tabs share one client; the second goes on when the first is closed. */
export async function share (browser, url, nodes, mine, watched) {
  const [node] = nodes
  const first = await join(browser, url, nodes, watched)
  const second = await join(browser, url, nodes, watched)
  const alike = [await settle(first, node), await settle(second, node)].map((balance) => JSON.stringify(balance))
  judge('two tabs, one client', await first.run('isLeader') && !(await second.run('isLeader')), { ms: [first.ms, second.ms] })
  judge('both see the same', alike[0] === alike[1] && JSON.parse(alike[1]).coins > 0, JSON.parse(alike[1]))
  const header = await second.run('sharedHeader', node.rpc('getblockcount') - 3)
  judge('the other tab gets proofs', header.confirmations === 4 && header.proof > 100, header)
  judge('and errors with their codes', await second.run('sharedError') === 'hash-format' && await first.run('sharedError') === 'hash-format')
  mine(2)
  await settle(second, node)
  const height = node.rpc('getblockcount')
  const isTold = async (tab) => JSON.stringify((await tab.run('sharedTold')).heights.slice(-2)) === JSON.stringify([height - 1, height])
  judge('both are told each payment once', await isTold(first) && await isTold(second), (await second.run('sharedTold')).heights.slice(-2))
  const begin = Date.now()
  await first.page.close()
  judge('when the first closes, the second goes on', true, await lead(second, node, begin))
  mine(1)
  await settle(second, node)
  const { heights, storage } = await second.run('sharedTold')
  judge('and is told what comes, once', heights.at(-1) === height + 1 && new Set(heights).size === heights.length && storage.length === 0, { heights: heights.slice(-4), storage })
  await second.run('leave')
  await second.page.close()
}

/** A leading tab that is frozen, with a word and without. */
export async function freeze ({ context, setState }, url, nodes, mine, watched) {
  const [node] = nodes
  const first = await join(context, url, nodes, watched)
  const second = await join(context, url, nodes, watched, true)
  let begin = Date.now()
  await setState(first.page, 'frozen')
  const atOnce = await lead(second, node, begin)
  judge('a leading tab that is frozen is followed at once', atOnce.ms < 4_000, atOnce)
  mine(1)
  await settle(second, node)
  await setState(first.page, 'active')
  await settle(first, node)
  judge('and follows when it goes on', !(await first.run('isLeader')) && (await first.run('sharedHeader', 7)).proof > 100)
  // The second does not hear that it is frozen, and keeps the lock.
  begin = Date.now()
  await setState(second.page, 'frozen')
  const silent = await lead(first, node, begin)
  judge('one that is frozen without a word is followed within seconds', silent.ms < 17_000, silent)
  mine(1)
  await settle(first, node)
  await setState(second.page, 'active')
  await settle(second, node)
  judge('and follows when it goes on, too', await first.run('isLeader') && !(await second.run('isLeader')))
  mine(1)
  await settle(second, node)
  // It stores every five seconds.
  await pause(6_000)
  const told = [await first.run('sharedTold'), await second.run('sharedTold')]
  judge('nobody misses a payment, and the store has one writer', told.every(({ heights, storage }) =>
    heights.at(-1) === node.rpc('getblockcount') && new Set(heights).size === heights.length && storage.length === 0), told)
  for (const { page } of [first, second]) await page.close()
}
