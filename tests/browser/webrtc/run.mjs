// Starts the peer and Chromium, lets the page do its part, and judges. See README.md.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import puppeteer from 'puppeteer-core'

const HERE = dirname(fileURLToPath(import.meta.url))
const TARGET = process.env.CARGO_TARGET_DIR ?? resolve(HERE, '../../../target')
const PEER = process.env.PEER ?? join(TARGET, 'debug/examples/webrtc_peer')
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const ROUNDS = Number(process.env.ROUNDS ?? 10)
// ICE notices a browser that says no goodbye after some 15 s.
const FREED_MS_MAX = 30000

let failures = 0
function judge (what, holds, found) {
  if (!holds) failures++
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}${found === undefined ? '' : `: ${JSON.stringify(found)}`}`)
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]

class Peer {
  seen = {}

  static async start (certificate) {
    const peer = new Peer()
    peer.process = spawn(PEER, [certificate], { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: peer.process.stdout })
    lines.on('line', (line) => peer.hear(JSON.parse(line)))
    while (peer.address === undefined) await once(lines, 'line')
    return peer
  }

  hear (event) {
    for (const [name, value] of Object.entries(event)) {
      this[name] = value
      this.seen[name] = (this.seen[name] ?? 0) + 1
    }
  }

  async freed () {
    const begin = Date.now()
    while (this.tasks > 1 && Date.now() - begin < FREED_MS_MAX) await new Promise((resolve) => setTimeout(resolve, 100))
    return { tasks: this.tasks, ms: Date.now() - begin }
  }

  async stop () {
    this.process.stdin.end()
    await once(this.process, 'exit')
  }
}

async function servePage () {
  const bundle = await build({ entryPoints: [join(HERE, 'page.js')], bundle: true, format: 'iife', write: false, logLevel: 'error' })
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? bundle.outputFiles[0].contents : '<!doctype html><script src="/page.js"></script>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function visit (url, peer, version, flags) {
  const browser = await puppeteer.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', ...flags], protocolTimeout: 300000 })
  const reports = {}
  try {
    const page = await browser.newPage()
    page.on('pageerror', (error) => console.log(`the page: ${error.message}`))
    await page.exposeFunction('report', (name, value) => { reports[name] = value })
    await page.goto(url)
    await page.evaluate((...args) => window.run(...args), peer.address, version, { rounds: ROUNDS })
  } catch (error) {
    judge('the page got to its end', false, error.message)
  } finally {
    await browser.close()
  }
  return reports
}

async function test (url, certificate, version, flags) {
  console.log(`version ${version} ${flags.join(' ')}`)
  const peer = await Peer.start(certificate)
  const { connect, ping, sizes, large, sequential, parallel, pushes, others, goodbye } = await visit(url, peer, version, flags)
  judge('connects, and knows whom to', connect && peer.address.endsWith(connect.remote), connect && { median_ms: median(connect.ms) })
  judge('ping from the browser', ping?.ms < 1000, ping)
  judge('pings and identify from the node', peer.seen.ping_ms > 0 && peer.seen.identified > 0)
  judge('echoes of all sizes', sizes !== undefined, sizes?.sizes)
  const stalls = large?.ms.filter((ms) => ms > 1000 + median(large.ms)).length
  judge('echoes of 4 MiB', large, large && { median_ms: median(large.ms), mb_per_s: 8.4e3 / median(large.ms), stalls })
  judge('500 streams, one after the other', sequential?.failed === 0, sequential)
  judge('64 streams at once', parallel?.failed === 0, parallel)
  judge('100 pushes', pushes?.pushed === 100 && peer.seen.answered === 100 && peer.seen.push_failed === undefined, pushes)
  judge('20 other connections', others?.failed === 0, others)
  // js-libp2p does not look at channel 0, which closes at once; it waits for ICE, which takes some 6 s.
  judge('a goodbye of the node is noticed', goodbye && goodbye.status !== 'open' && goodbye.ms < 15000, goodbye)
  judge('nothing was reset or lost', / malformed: 0, handshakes_failed: 0, streams_reset: 0/.test(peer.counters), peer.counters)
  const freed = await peer.freed()
  judge('every task is freed', freed.tasks === 1, freed)
  await peer.stop()
  return peer.address.match(/certhash\/[^/]+/)[0]
}

const folder = mkdtempSync(join(tmpdir(), 'qbtc-webrtc-'))
const server = await servePage()
try {
  const url = `http://127.0.0.1:${server.address().port}/`
  const certificate = join(folder, 'webrtc.der')
  const first = await test(url, certificate, 1, [])
  const second = await test(url, certificate, 2, ['--force-fieldtrials=WebRTC-NoSdpMangleUfrag/Enabled/'])
  judge('the certificate is kept over a restart', first === second && readFileSync(certificate).length > 100)
} finally {
  server.close()
  rmSync(folder, { recursive: true })
}
process.exitCode = failures === 0 ? 0 : 1
