// A node on a chain of its own, a browser that notices everything that goes wrong, and a judge that counts.
import { execFile, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'
import { figure, judge } from '../support/judge.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const TARGET = process.env.CARGO_TARGET_DIR ?? resolve(HERE, '../../../target')
const QBTC = process.env.QBTC ?? join(TARGET, 'debug/qbtc')
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--force-fieldtrials=WebRTC-NoSdpMangleUfrag/Enabled/'
]
const WAIT_MS = 120_000

/** Asks until it holds, or says what was found last. */
export async function until (what, ask, timeout = WAIT_MS) {
  const begin = Date.now()
  for (;;) {
    const found = await ask()
    if (found) return found
    if (Date.now() - begin > timeout) throw new Error(`${what}: not within ${timeout} ms`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** Waits until the light client of the page has proven the chain up to a height. */
export function provenUpTo (page, height) {
  return until(`block ${height} is proven`, async () => (await page.getByTestId('proven').getAttribute('data-height')) === String(height))
}

/** What stands between browser and node on the way of HTTP, so that the web server can go while the node stays, and come back at the same address. */
class Front {
  #sockets = new Set()

  async start (port = 0) {
    this.server = createServer((socket) => {
      const onward = connect(this.target, '127.0.0.1')
      for (const end of [socket, onward]) {
        this.#sockets.add(end)
        end.on('error', () => {}).on('close', () => { this.#sockets.delete(end); socket.destroy(); onward.destroy() })
      }
      socket.pipe(onward).pipe(socket)
    })
    this.server.listen(port, '127.0.0.1')
    await once(this.server, 'listening')
    this.port = this.server.address().port
  }

  async stop () {
    const closed = once(this.server, 'close')
    this.server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

/** What carries datagrams between browsers and a node on the way of WebRTC, as a router does. While it is cut it carries none, and tells nobody. */
export class Wire {
  isCut = false
  #ends = new Map()

  static async to (address) {
    const wire = new Wire()
    const target = Number(/\/udp\/(\d+)\//.exec(address)[1])
    wire.front = createSocket('udp4', (data, { port }) => wire.isCut || wire.#end(port).send(data, target, '127.0.0.1'))
    wire.front.bind(0, '127.0.0.1')
    await once(wire.front, 'listening')
    wire.address = address.replace(`/udp/${target}/`, `/udp/${wire.front.address().port}/`)
    return wire
  }

  /** By which the node sees who sends from this port. */
  #end (port) {
    const known = this.#ends.get(port)
    if (known) return known
    const end = createSocket('udp4', (data) => this.isCut || this.front.send(data, port, '127.0.0.1'))
    this.#ends.set(port, end)
    return end
  }

  cut () {
    for (const socket of [this.front, ...this.#ends.values()]) socket.close()
  }
}

export class Node {
  front = new Front()

  /** A node that browsers can reach over WebRTC, or one without any network. */
  static async start ({ isReachable = true } = {}) {
    const node = new Node()
    node.folder = mkdtempSync(join(tmpdir(), 'qbtc-app-'))
    node.p2p = isReachable ? '/ip4/127.0.0.1/udp/0/webrtc-direct' : 'off'
    await node.front.start()
    node.url = `http://127.0.0.1:${node.front.port}`
    await node.run()
    return node
  }

  async run () {
    const file = join(this.folder, 'dev/node.json')
    rmSync(file, { force: true })
    this.process = spawn(QBTC, [
      '--data-dir', this.folder, '--chain', 'dev', 'node', '--http', '127.0.0.1:0', '--rpc', '127.0.0.1:0', '--p2p', this.p2p, '--discover=false',
      ...(this.p2p === 'off' ? [] : ['--p2p', '/ip4/127.0.0.1/tcp/0']), '--txindex', '--addressindex', '--log', 'error'
    ], { stdio: ['ignore', 'ignore', 'inherit'] })
    const listens = () => existsSync(file) && JSON.parse(readFileSync(file, 'utf8') || '{}').http
    this.front.target = Number((await until('the node listens', listens)).split(':').at(-1))
    await until('the node answers', () => fetch(`${this.url}/health`).catch(() => undefined))
    if (this.p2p === 'off') return
    const address = await until('the node can be reached over WebRTC', async () => (await this.get('/api/v1/network')).dials[0])
    this.address = address
    this.peer = JSON.parse(readFileSync(file, 'utf8')).p2p.find((address) => /\/tcp\/\d+\/p2p/.test(address))
    // The next run listens where this one did.
    this.p2p = address.slice(0, address.indexOf('/certhash'))
  }

  async kill () {
    this.process.kill('SIGKILL')
    await once(this.process, 'exit')
  }

  async rpc (...words) {
    const { stdout } = await promisify(execFile)(QBTC, ['--data-dir', this.folder, '--chain', 'dev', 'rpc', ...words.map(String)])
    return stdout.trim()
  }

  mine (blocks, address) {
    return this.rpc('generatetoaddress', blocks, address)
  }

  async get (path) {
    return (await fetch(`${this.url}${path}`)).json()
  }

  async stop () {
    this.process.kill('SIGTERM')
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit')
    await this.front.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export class Browser {
  static async start (options = {}) {
    const browser = new Browser()
    browser.browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
    browser.shots = process.env.SHOTS
    if (browser.shots) mkdirSync(browser.shots, { recursive: true })
    await browser.fresh(options)
    return browser
  }

  /** A profile that knows nothing, and a page in it. */
  async fresh (options = {}) {
    await this.context?.close()
    this.context = await this.browser.newContext({ acceptDownloads: true, viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...options })
    this.faults = []
    await this.context.addInitScript(() => {
      window.violations = []
      document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`))
      window.standstills = []
      new PerformanceObserver((list) => window.standstills.push(...list.getEntries().map(({ duration }) => Math.round(duration)))).observe({ type: 'longtask' })
    })
    return this.tab()
  }

  /** One more tab of the same profile, which is then the one that is looked at. */
  async tab () {
    const page = await this.context.newPage()
    page.setDefaultTimeout(WAIT_MS)
    page.on('pageerror', (error) => this.faults.push(`error: ${error.message}`))
    page.on('console', (message) => {
      // What the network answers is the app's to show; that it was no 200 is no fault of the page.
      const isOfNetwork = /^Failed to load resource|^WebSocket connection to .* failed/.test(message.text())
      if (message.type() === 'error' && !isOfNetwork) this.faults.push(`console: ${message.text()}`)
    })
    this.page = page
    return page
  }

  /** What sets a permission of this profile for the pages of an origin: `granted`, `denied` or `prompt`. */
  async permissions (origin) {
    const session = await this.context.newCDPSession(this.page)
    const { targetInfo: { browserContextId } } = await session.send('Target.getTargetInfo')
    await session.detach()
    const whole = await this.browser.newBrowserCDPSession()
    return (name, setting) => whole.send('Browser.setPermission', { permission: { name }, setting, origin, browserContextId })
  }

  /** Whether the page could be used all the while since this was asked last: the tasks of its thread that took longer than 50 ms, in milliseconds. */
  async neverStoodStill (doing) {
    const standstills = await this.page.evaluate(() => window.standstills.splice(0))
    figure(`the page never stands still for 50 ms: ${doing}`, standstills.length === 0, standstills)
  }

  /** What is wrong with the page as it is now: faults, violations of its policy, barriers for people. */
  async check (name) {
    const violations = await this.page.evaluate(() => window.violations)
    judge(`${name}: no error`, this.faults.length === 0, this.faults.splice(0))
    judge(`${name}: the policy holds`, violations.length === 0, violations)
    // By the protocol of the browser's tools: the page's own policy would keep a script from elsewhere out.
    await this.page.evaluate(readFileSync(AXE, 'utf8'))
    const light = await this.barriers(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    await this.page.emulateMedia({ colorScheme: 'dark' })
    const dark = (await this.barriers(['wcag2aa'])).map((barrier) => `dark: ${barrier}`)
    await this.page.emulateMedia({ colorScheme: null })
    const told = [...light, ...dark]
    judge(`${name}: no barrier`, told.length === 0, told)
    const beyond = await this.beyond(390, 844)
    judge(`${name}: it fits a phone`, beyond.length === 0, beyond)
    await this.shoot(name)
    await this.page.evaluate(() => window.standstills.splice(0))
  }

  async barriers (rules) {
    const { violations } = await this.page.evaluate((runOnly) => window.axe.run(document, { runOnly }), rules)
    return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`)
  }

  /** What makes the page wider than a window of this size. */
  async beyond (width, height) {
    const before = this.page.viewportSize()
    await this.page.setViewportSize({ width, height })
    const beyond = await this.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement
      if (scrollWidth <= clientWidth) return []
      const wide = [...document.body.querySelectorAll('*')].filter((element) => element.getBoundingClientRect().right > clientWidth + 1)
      return [`${scrollWidth} px`, ...wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 160))]
    })
    await this.page.setViewportSize(before)
    return beyond
  }

  async shoot (name) {
    if (!this.shots) return
    for (const [form, width, height] of [['desktop', 1280, 900], ['phone', 390, 844]]) {
      await this.page.setViewportSize({ width, height })
      for (const scheme of ['dark', 'light']) {
        await this.page.emulateMedia({ colorScheme: scheme })
        await this.page.screenshot({ path: join(this.shots, `${name}-${form}-${scheme}.png`), fullPage: true })
      }
    }
    await this.page.setViewportSize({ width: 1280, height: 900 })
  }

  stop () {
    return this.browser.close()
  }
}
