// Starts the peer and Chromium, lets the page do its part, and judges. See README.md.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { FORBIDS_ALTERED_OFFERS, launch, serve } from '../support/browser.mjs'
import { finish, judge, median, pause } from '../support/judge.mjs'
import { Peer } from '../support/programs.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const ROUNDS = Number(process.env.ROUNDS ?? 10)
// ICE notices a browser that says no goodbye after some 15 s.
const FREED_MS_MAX = 30000

async function freed (peer) {
  const begin = Date.now()
  while (peer.tasks > 1 && Date.now() - begin < FREED_MS_MAX) await pause(100)
  return { tasks: peer.tasks, ms: Date.now() - begin }
}

async function servePage () {
  const bundle = await build({ entryPoints: [join(HERE, 'page.js')], bundle: true, format: 'iife', write: false, logLevel: 'error' })
  return serve(HERE, { '/page.js': Buffer.from(bundle.outputFiles[0].contents) })
}

async function visit (url, peer, version, flags) {
  const browser = await launch(...flags)
  const reports = {}
  try {
    const page = await browser.newPage()
    page.on('pageerror', (error) => console.log(`the page: ${error.message}`))
    await page.exposeFunction('report', (name, value) => { reports[name] = value })
    await page.goto(url)
    await page.waitForFunction(() => window.run)
    await page.evaluate((args) => window.run(...args), [peer.address, version, { rounds: ROUNDS }])
  } catch (error) {
    judge('the page got to its end', false, error.message)
  } finally {
    await browser.close()
  }
  return reports
}

async function test (url, certificate, version, flags) {
  console.log(`version ${version} ${flags.join(' ')}`)
  const peer = await Peer.echoing(certificate)
  const { connect, ping, sizes, large, sequential, parallel, pushes, others, goodbye } = await visit(url, peer, version, flags)
  judge('connects, and knows whom to', connect && peer.address.endsWith(connect.remote), connect && { median_ms: median(connect.ms) })
  judge('ping from the browser', ping?.ms >= 0, ping)
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
  const left = await freed(peer)
  judge('every task is freed', left.tasks === 1, left)
  await peer.stop()
  return peer.address.match(/certhash\/[^/]+/)[0]
}

const folder = mkdtempSync(join(tmpdir(), 'qbtc-webrtc-'))
const server = await servePage()
try {
  const certificate = join(folder, 'webrtc.der')
  const first = await test(server.url, certificate, 1, [])
  const second = await test(server.url, certificate, 2, [FORBIDS_ALTERED_OFFERS])
  judge('the certificate is kept over a restart', first === second && readFileSync(certificate).length > 100)
} finally {
  server.close()
  rmSync(folder, { recursive: true })
}
finish()
