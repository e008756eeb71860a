// The programs that the suites start: the node, and the peer that echoes.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { until } from './judge.mjs'

const TARGET = process.env.CARGO_TARGET_DIR ?? resolve(dirname(fileURLToPath(import.meta.url)), '../../../target')
const QBTC = process.env.QBTC ?? join(TARGET, 'debug/qbtc')
const PEER = process.env.PEER ?? join(TARGET, 'debug/examples/webrtc_peer')
const LONG_CHAIN = process.env.LONG_CHAIN ?? join(TARGET, 'debug/examples/long_chain')
const LIAR = process.env.LIAR ?? join(TARGET, 'debug/examples/light_liar')
/** What wasm-bindgen made of wallet-wasm. */
export const PKG = process.env.PKG ?? join(TARGET, 'browser-pkg')
/** The npm package as it was built. */
export const PACKAGE = process.env.PACKAGE ?? join(TARGET, 'npm/out/package')

/** A node of a chain of its own that browsers can connect with. */
export class Node {
  folder = mkdtempSync(join(tmpdir(), 'qbtc-browser-'))
  port = 0
  log = ''

  /** The chain is a name or a spec's file; `host` is where browsers connect with it, `within` what runs its programs elsewhere. */
  constructor (chain = 'dev', { host = '127.0.0.1', within = [] } = {}) {
    Object.assign(this, { chain, host, within })
  }

  /** A command that is run where the node is. */
  #command (...args) {
    const [program, ...rest] = [...this.within, QBTC, ...args]
    return [program, rest]
  }

  /** Starts it, or starts it again where it was. */
  async start (...more) {
    const args = ['node', '--chain', this.chain, '--data-dir', this.folder, '--rpc', '127.0.0.1:0', '--http', 'off', '--discover=false',
      '--p2p', `/ip4/${this.host}/udp/${this.port}/webrtc-direct`, '--p2p', '/ip4/127.0.0.1/tcp/0', ...more]
    this.process = spawn(...this.#command(...args), { stdio: ['ignore', 'pipe', 'pipe'] })
    this.log = ''
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (data) => { this.log += data })
    const found = (pattern) => {
      if (this.process.exitCode !== null) throw new Error(`the node has stopped:\n${this.log}`)
      return this.log.match(pattern)?.[1]
    }
    this.address = await until('the node listens for browsers', 60, () => found(/address=(\/ip4\S+webrtc-direct\S+)/))
    this.peer = await until('the node listens for nodes', 60, () => found(/address=(\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\S+)/))
    this.socket = found(/address=(\/ip4\/127\.0\.0\.1\/tcp\/\d+\/ws\/p2p\S+)/)
    this.port = this.address.match(/udp\/(\d+)/)[1]
    return this
  }

  /** What `qbtc rpc` prints: as JSON where it is JSON, as text where it is not. */
  rpc (...args) {
    const told = execFileSync(...this.#command('rpc', '--chain', this.chain, '--data-dir', this.folder, ...args), { encoding: 'utf8' })
    try {
      return JSON.parse(told)
    } catch {
      return told.trim()
    }
  }

  /** What a command of the wallet beside the node prints. */
  #wallet (...args) {
    const options = { input: 'correct horse battery staple\n', encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }
    const [program, all] = this.#command('wallet', ...args, '--chain', this.chain, '--data-dir', this.folder, '--json', '--passphrase-stdin')
    return JSON.parse(execFileSync(program, all, options))
  }

  /** An address of a fresh wallet beside the node. */
  newAddress (wallet = 'default') {
    return this.#wallet('create', wallet, '--offline').address
  }

  /** Pays so many QBTC from such a wallet. */
  pay (address, amount, wallet = 'default') {
    return this.#wallet('send', `${address}=${amount}`, '--wallet', wallet, '--yes')
  }

  /** Ends it as its operator would. */
  stop () {
    return this.end('SIGTERM')
  }

  /** Ends it as a power cut would. */
  kill () {
    return this.end('SIGKILL')
  }

  async end (signal) {
    if (this.process === undefined || this.process.exitCode !== null || this.process.signalCode !== null) return
    this.process.kill(signal)
    await once(this.process, 'exit')
  }

  async remove () {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A chain's spec as hex: a built-in one's by its name, another by its file. */
export const specHex = (chain) => execFileSync(QBTC, ['chain', 'show', '--chain', chain, '--hex'], { encoding: 'utf8' }).trim()

/** A chain without payments that ends about now: the spec's file, the same as hex, and files of so many blocks each, all of one chain. `blocks` may say how many addresses
 * each pays, as in `20x1000`. */
export function longChain (folder, ...blocks) {
  const spec = join(folder, 'spec.toml')
  const files = blocks.map((_, number) => join(folder, `blocks-${number}`))
  const spacing = 60
  const time = Math.floor(Date.now() / 1000) - blocks.reduce((sum, part) => sum + parseInt(part), 0) * spacing
  const numbers = ['--spacing', spacing, '--time', time, '--bits', '207fffff', '--bits-limit', '207fffff'].map(String)
  execFileSync(QBTC, ['chain', 'new', '--name', 'long', '--like', 'main', ...numbers, '--out', spec])
  execFileSync(LONG_CHAIN, [spec, ...files.map((file, number) => `${file}=${blocks[number]}`)], { stdio: ['ignore', 'ignore', 'inherit'] })
  return { spec, hex: specHex(spec), files }
}

/** An example that prints what it sees as lines of JSON: the newest of each is here, and how often each came. */
export class Peer {
  seen = {}

  /** `webrtc_peer`, which echoes. */
  static echoing (...args) {
    return Peer.start(PEER, args)
  }

  /** `light_liar`, which asks an honest node and alters its answers. */
  static lying (node, lie) {
    return Peer.start(LIAR, ['dev', node.peer, lie])
  }

  static async start (program, args) {
    const peer = new Peer()
    peer.process = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: peer.process.stdout }).on('line', (line) => peer.hear(JSON.parse(line)))
    await until('the peer tells its address', 20, () => peer.address)
    return peer
  }

  hear (event) {
    for (const [name, value] of Object.entries(event)) {
      this[name] = value
      this.seen[name] = (this.seen[name] ?? 0) + 1
    }
  }

  async stop () {
    this.process.stdin.end()
    await once(this.process, 'exit')
  }
}
