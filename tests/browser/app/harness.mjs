// A node on a chain of its own, a browser that notices everything that goes wrong, and a judge that counts.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'
import { judge } from '../support/judge.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const TARGET = process.env.CARGO_TARGET_DIR ?? resolve(HERE, '../../../target')
const QBTC = process.env.QBTC ?? join(TARGET, 'debug/qbtc')
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'
]
const WAIT_MS = 60_000

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

export class Node {
  static async start () {
    const node = new Node()
    node.folder = mkdtempSync(join(tmpdir(), 'qbtc-app-'))
    node.process = spawn(QBTC, [
      '--data-dir', node.folder, '--chain', 'dev', 'node', '--http', '127.0.0.1:0', '--rpc', '127.0.0.1:0', '--p2p', 'off',
      '--txindex', '--addressindex', '--log', 'error'
    ], { stdio: ['ignore', 'ignore', 'inherit'] })
    const file = join(node.folder, 'dev/node.json')
    const listens = () => existsSync(file) && JSON.parse(readFileSync(file, 'utf8') || '{}').http
    node.url = `http://${await until('the node listens', listens)}`
    await until('the node answers', () => fetch(`${node.url}/health`).catch(() => undefined))
    return node
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
    if (this.process.exitCode === null) await once(this.process, 'exit')
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
    this.page = await this.context.newPage()
    this.page.setDefaultTimeout(WAIT_MS)
    this.faults = []
    this.page.on('pageerror', (error) => this.faults.push(`error: ${error.message}`))
    this.page.on('console', (message) => {
      // What the network answers is the app's to show; that it was no 200 is no fault of the page.
      const isStatus = message.text().startsWith('Failed to load resource: the server responded with a status')
      if (message.type() === 'error' && !isStatus) this.faults.push(`console: ${message.text()}`)
    })
    await this.context.addInitScript(() => {
      window.violations = []
      document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`))
    })
    return this.page
  }

  /** What is wrong with the page as it is now: faults, violations of its policy, barriers for people. */
  async check (name) {
    const violations = await this.page.evaluate(() => window.violations)
    judge(`${name}: no error`, this.faults.length === 0, this.faults.splice(0))
    judge(`${name}: the policy holds`, violations.length === 0, violations)
    // By the protocol of the browser's tools: the page's own policy would keep a script from elsewhere out.
    await this.page.evaluate(readFileSync(AXE, 'utf8'))
    const { violations: barriers } = await this.page.evaluate(() => window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
    }))
    const told = barriers.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`)
    judge(`${name}: no barrier`, told.length === 0, told)
    await this.shoot(name)
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
