// A long chain, three nodes that have it, and a page that knows nothing, then an hour less than all. See README.md.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FORBIDS_ALTERED_OFFERS, launch, open, serve } from '../support/browser.mjs'
import { figure, finish, judge, median, until } from '../support/judge.mjs'
import { Node, longChain } from '../support/programs.mjs'

const BLOCKS = Number(process.env.BLOCKS ?? 1_000_000)
const LATER = 60
// Full blocks, as many as take a second at the speed that is asked for, and how many addresses each pays.
const FULL = Math.ceil(BLOCKS / 500)
const ADDRESSES = 1000
const STARTS = 5

/** Lets the first node take in the chain, and gives the others what it then has on its disk. */
async function load (nodes, chain) {
  const [first, ...others] = nodes
  const begin = Date.now()
  await first.start('--load-blocks', chain.files[0])
  await until('the chain is loaded', 1200, () => first.log.includes('blocks loaded') && first.rpc('getblockcount') === BLOCKS)
  console.log(`${BLOCKS} blocks are loaded in ${((Date.now() - begin) / 1000).toFixed(1)} s`)
  await first.stop()
  for (const other of others) {
    // One that has begun has its folder, and keeps who it is.
    await other.start()
    await other.stop()
    copyFileSync(join(first.folder, 'long/chain.redb'), join(other.folder, 'long/chain.redb'))
  }
  for (const node of nodes) await node.start(...(node === first ? [] : ['--connect', first.peer]))
  judge('every node has the chain', nodes.every((node) => node.rpc('getblockcount') === BLOCKS))
}

/** Starts a client and waits for the tip. */
async function start (run, chain, nodes, database, height) {
  const ms = await run('start', chain.hex, nodes.map((node) => node.address), database)
  await until('the tip', 20, async () => (await run('status')).tip.height === height)
  return { ms, ...await run('status') }
}

/** Starts as many clients, one after the other, as there are databases: the median time, and the most bytes of answers. */
async function startEach (run, chain, nodes, height) {
  const starts = []
  for (let round = 0; round < STARTS; round++) {
    starts.push(await start(run, chain, nodes, `qbtc-history-${round}`, height))
    await run('close')
  }
  const tip = nodes[0].rpc('getbestblockhash')
  judge('every start gets to the tip', starts.every((status) => status.tip.id === tip && status.phase === 'live'), { height })
  const each = starts.map(({ ms }) => Math.round(ms))
  return { ms: median(each), each, bytes: Math.max(...starts.map(({ bytes }) => bytes)), questions: starts[0].questions }
}

async function cold (run, chain, nodes) {
  const { ms, each, bytes, questions } = await startEach(run, chain, nodes, BLOCKS)
  figure('a cold start takes a second at most', ms <= 1000, { ms, each })
  judge('and 500 kB of answers at most', bytes <= 500_000, { bytes, questions })
}

/** Lets the first node load more blocks, which the others then fetch. */
async function grow ([first, ...others], file, height) {
  await first.stop()
  await first.start('--load-blocks', file, ...others.flatMap(({ peer }) => ['--connect', peer]))
  for (const node of [first, ...others]) await until(`height ${height}`, 300, () => node.rpc('getblockcount') === height)
}

async function warm (page, run, chain, nodes) {
  await grow(nodes, chain.files[1], BLOCKS + LATER)
  await page.reload()
  await page.waitForFunction(() => window.isReady)
  const { ms, each, bytes, questions } = await startEach(run, chain, nodes, BLOCKS + LATER)
  figure('a warm start an hour later takes 0.3 s at most', ms <= 300, { ms, each })
  judge('and 50 kB of answers at most', bytes <= 50_000, { bytes, questions })
}

/** What no start has looked at. */
async function look (run, chain, nodes) {
  await start(run, chain, nodes, 'qbtc-history-0', BLOCKS + LATER)
  const header = await run('header', BLOCKS >> 1)
  judge('any header comes with its proof', header.height === BLOCKS >> 1 && header.confirmations === BLOCKS + LATER + 1 - header.height, header)
  await run('close')
}

/** A wallet's look at full blocks, with the client in a worker. */
async function scan (run, chain, nodes) {
  const height = BLOCKS + LATER + FULL
  await grow(nodes, chain.files[2], height)
  const paid = nodes[0].rpc('getblock', nodes[0].rpc('getblockhash', String(height - 7)), '2').tx[0].vout[400].scriptPubKey.address
  const { scan, found, longest } = await run('work', chain.hex, nodes.map((node) => node.address), BLOCKS + LATER + 1, paid)
  judge('of full blocks, the one that pays the wallet is found', found.length === 1 && found[0] === height - 7, { blocks: FULL, addresses: ADDRESSES })
  const rate = Math.round(FULL / scan * 1000)
  figure('2,000 full blocks a second are looked through', rate >= 2000, { 'blocks/s': rate, ms: Math.round(scan) })
  figure('and the page with its connections is never held up for 50 ms', longest < 50, { ms: Math.round(longest) })
}

const folder = mkdtempSync(join(tmpdir(), 'qbtc-history-'))
const server = await serve(join(dirname(fileURLToPath(import.meta.url)), '../light'))
const chain = longChain(folder, BLOCKS, LATER, `${FULL}x${ADDRESSES}`)
const nodes = [chain, chain, chain].map(({ spec }) => new Node(spec))
let browser
try {
  await load(nodes, chain)
  browser = await launch(FORBIDS_ALTERED_OFFERS)
  const { page, run } = await open(await browser.newContext(), server.url)
  await cold(run, chain, nodes)
  await warm(page, run, chain, nodes)
  await look(run, chain, nodes)
  await scan(run, chain, nodes)
} finally {
  await browser?.close()
  server.close()
  for (const node of nodes) await node.remove()
  rmSync(folder, { recursive: true, force: true })
}
finish()
