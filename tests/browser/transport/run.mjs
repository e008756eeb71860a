// Starts a peer, a node and Chromium, lets the page do its part, and judges. See README.md.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, extname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import puppeteer from 'puppeteer-core'

const HERE = dirname(fileURLToPath(import.meta.url))
const TARGET = process.env.CARGO_TARGET_DIR ?? resolve(HERE, '../../../target')
const PEER = process.env.PEER ?? join(TARGET, 'debug/examples/webrtc_peer')
const NODE = process.env.QBTC ?? join(TARGET, 'debug/qbtc')
const PKG = process.env.PKG ?? join(TARGET, 'browser-pkg')
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const ROUNDS = Number(process.env.ROUNDS ?? 100)
const FLAGS = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--js-flags=--expose-gc', '--force-fieldtrials=WebRTC-NoSdpMangleUfrag/Enabled/']
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm' }

let failures = 0
function judge (what, holds, found) {
  if (!holds) failures++
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}${found === undefined ? '' : `: ${JSON.stringify(found)}`}`)
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]
const round = (number) => Math.round(number * 10) / 10
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function until (what, seconds, look) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await pause(100)) {
    const found = await look()
    if (found) return found
  }
  throw new Error(`${what} within ${seconds} s`)
}

// The example that echoes. It prints what it sees as lines of JSON.
class Peer {
  static async start () {
    const peer = new Peer()
    peer.process = spawn(PEER, [], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: peer.process.stdout }).on('line', (line) => Object.assign(peer, JSON.parse(line)))
    await until('the peer tells its address', 20, () => peer.address)
    return peer
  }

  async stop () {
    this.process.stdin.end()
    await once(this.process, 'exit')
  }
}

class Node {
  static async start () {
    const node = new Node()
    node.folder = mkdtempSync(join(tmpdir(), 'qbtc-transport-'))
    const args = ['node', '--chain', 'dev', '--data-dir', node.folder, '--rpc', '127.0.0.1:0', '--http', 'off', '--discover=false',
      '--p2p', '/ip4/127.0.0.1/udp/0/webrtc-direct']
    node.process = spawn(NODE, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    node.log = ''
    for (const stream of [node.process.stdout, node.process.stderr]) stream.on('data', (data) => { node.log += data })
    node.address = await until('the node listens', 30, () => node.log.match(/address=(\/ip4\S+webrtc-direct\S+)/)?.[1])
    return node
  }

  rpc (...args) {
    return JSON.parse(execFileSync(NODE, ['rpc', '--json', '--chain', 'dev', '--data-dir', this.folder, ...args], { encoding: 'utf8' }))
  }

  async kill () {
    this.process.kill('SIGKILL')
    await once(this.process, 'exit')
    rmSync(this.folder, { recursive: true })
  }
}

// A light client's hello: docs/protocol.md, "Messages of nodes".
function helloOf (chainId, tip) {
  const agent = Buffer.from('/browser-test/')
  const time = Math.floor(Date.now() / 1000)
  const varint = (number) => number < 128 ? [number] : [number % 128 + 128, ...varint(Math.floor(number / 128))]
  return [1, ...chainId, ...tip, 0, 0, 0, 0, ...varint(time), agent.length, ...agent]
}

async function serve () {
  const server = createServer((request, response) => {
    const path = request.url === '/' ? null : request.url.startsWith('/pkg/') ? join(PKG, request.url.slice(5)) : join(HERE, 'page.js')
    response.setHeader('content-type', path ? TYPES[extname(path)] ?? 'text/plain' : 'text/html')
    try {
      response.end(path ? readFileSync(path) : '<!doctype html><script type="module" src="/page.js"></script>')
    } catch {
      response.writeHead(404).end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function withPeer (page, run) {
  const peer = await Peer.start()
  try {
    const connects = await run('connects', peer.address, 20)
    judge('connects, median ≤ 250 ms', median(connects) <= 250, { median_ms: round(median(connects)), most_ms: round(Math.max(...connects)) })
    const echoes = await run('echoes', peer.address, 1500, ROUNDS)
    judge('ping', echoes.ping < 1000, { ms: round(echoes.ping) })
    judge('echoes of all sizes', echoes.sizes === 8)
    judge('1,500 questions, one after the other', echoes.sequential === 1500, echoes.sequential)
    judge('64 questions at once', echoes.parallel === 64, echoes.parallel)
    const stalls = echoes.ms.filter((ms) => ms > 1000 + median(echoes.ms)).length
    const rate = 2 * 4.194304e3 / median(echoes.ms)
    judge(`${ROUNDS} times 4 MiB there and back, ≥ 5 MB/s, few stalls`, rate >= 5 && stalls * 50 <= ROUNDS,
      { mb_per_s: round(rate), median_ms: round(median(echoes.ms)), most_ms: round(Math.max(...echoes.ms)), stalls })
    judge('a goodbye of the peer is noticed at once', echoes.goodbye_ms < 2000 && /node has closed/.test(echoes.reason), { ms: round(echoes.goodbye_ms), reason: echoes.reason })
    judge('nothing can be asked then', echoes.after === 'closed', echoes.after)
    judge('the peer has pinged the page', peer.ping_ms > 0, peer.ping_ms)
    const { closed, still, ...refusals } = await run('refusals', peer.address)
    const expected = { aborted_dial: 'aborted', aborted_ask: 'aborted' }
    const isRight = ([name, code]) => code === (expected[name] ?? name.replace('_', '-'))
    judge('refusals have their names', Object.keys(refusals).length === 8 && Object.entries(refusals).every(isRight), refusals)
    judge('the connection outlives them', still && closed === 'closed', closed)
    await leaks(page, run, peer)
  } finally {
    await peer.stop()
  }
}

// A hundred connections, after some that warm everything up.
async function leaks (page, run, peer) {
  await run('connects', peer.address, 10)
  const before = await run('memory')
  await run('connects', peer.address, 100)
  const after = await run('memory')
  judge('100 connections: all closed, no memory kept', after.opened === after.closed && after.wasm === before.wasm, { before, after })
  await page.evaluate(() => window.gc())
  await pause(500)
  await page.evaluate(() => window.gc())
  const prototype = await page.evaluateHandle(() => RTCDataChannel.prototype)
  const living = await page.queryObjects(prototype)
  const count = await page.evaluate((all) => all.length, living)
  judge('no data channel is held', count <= 2, count)
  const freed = await until('every task is freed', 40, () => peer.tasks === 1 && { tasks: peer.tasks })
  judge('the peer has freed every task', freed.tasks === 1, { ...freed, counters: peer.counters })
}

async function withNode (run) {
  const node = await Node.start()
  try {
    await useNode(run, node)
  } catch (error) {
    judge('the node stays', false, { error: error.message, log: node.log })
    await node.kill()
  }
}

async function useNode (run, node) {
  const info = node.rpc('getblockchaininfo')
  const bytes = (id) => [...Buffer.from(id, 'hex').reverse()]
  const chainId = bytes(info.chainid)
  const chain = Buffer.from(chainId.slice(0, 4)).toString('hex')
  await run('hold', node.address, chain, helloOf(chainId, bytes(info.bestblockhash)))
  const tips = await run('tips', chain, 1500)
  judge('a node answers a hello and tells its tip', tips.greeting > 80 && tips.tip > 80, { greeting: tips.greeting, tip: tips.tip })
  judge('1,500 questions to a node, one after the other', tips.same === 1500, { same: tips.same, median_ms: round(median(tips.ms)) })
  judge('64 questions to a node, eight at once', tips.parallel === 64, { answered: tips.parallel, refused: tips.refused })
  const peers = node.rpc('getpeerinfo')
  judge('the node sees a browser', peers.length === 1 && peers[0].transport_protocol_type === 'webrtc', peers.map(({ transport_protocol_type: type, key_exchange: keys }) => ({ type, keys })))
  const mourning = run('mourn')
  await pause(300)
  await node.kill()
  const { silent, closed } = await mourning
  judge('a killed node is seen dead', silent.ms < 6000 && closed.ms < 30000, { silent, closed })
}

const server = await serve()
const browser = await puppeteer.launch({ executablePath: CHROMIUM, args: FLAGS, protocolTimeout: 600000 })
try {
  const page = await browser.newPage()
  page.on('pageerror', (error) => judge('no error in the page', false, error.message))
  page.on('requestfailed', (request) => judge('every file loads', false, request.url()))
  page.on('console', (message) => console.log(`the page: ${message.text()}`))
  await page.goto(`http://127.0.0.1:${server.address().port}/`)
  await page.waitForFunction(() => window.isReady)
  const run = (part, ...args) => page.evaluate((part, args) => window.parts[part](...args), part, args)
  if (!process.env.NODE_ONLY) await withPeer(page, run)
  await withNode(run)
} finally {
  await browser.close()
  server.close()
}
process.exitCode = failures === 0 ? 0 : 1
