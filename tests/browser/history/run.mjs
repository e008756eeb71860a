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
const STARTS = 5

/** Lets the first node take in the chain, and gives the others what it then has on its disk. */
async function load (nodes, chain) {
  const [first, ...others] = nodes
  const begin = Date.now()
  await first.start('--load-blocks', chain.first)
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

async function warm (page, run, chain, nodes) {
  const [first, ...others] = nodes
  await first.stop()
  await first.start('--load-blocks', chain.second, ...others.flatMap(({ peer }) => ['--connect', peer]))
  for (const node of nodes) await until('the next hour', 120, () => node.rpc('getblockcount') === BLOCKS + LATER)
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

const folder = mkdtempSync(join(tmpdir(), 'qbtc-history-'))
const server = await serve(join(dirname(fileURLToPath(import.meta.url)), '../light'))
const chain = longChain(folder, BLOCKS, LATER)
const nodes = [chain, chain, chain].map(({ spec }) => new Node(spec))
let browser
try {
  await load(nodes, chain)
  browser = await launch(FORBIDS_ALTERED_OFFERS)
  const { page, run } = await open(await browser.newContext(), server.url)
  await cold(run, chain, nodes)
  await warm(page, run, chain, nodes)
  await look(run, chain, nodes)
} finally {
  await browser?.close()
  server.close()
  for (const node of nodes) await node.remove()
  rmSync(folder, { recursive: true, force: true })
}
finish()
