// The extension in a Chromium with a profile of its own, the windows that it opens, and sites that ask it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { until } from '../app/harness.mjs'
import { serve } from '../support/browser.mjs'
import { judge } from '../support/judge.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const TARGET = process.env.CARGO_TARGET_DIR ?? resolve(HERE, '../../../target')
const EXTENSION = process.env.EXTENSION ?? join(TARGET, 'extension')
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const WAIT_MS = 120_000
/** The window of a question; and the popup as narrow as it gets, with the bar to scroll beside it, for which the browser makes room. */
const POPUP = { width: 440, height: 700 }
const NARROW = { width: 415, height: 592 }

/** Notes in a page when each of its main buttons was there, and when it could be pressed, in milliseconds. */
function noteArming () {
  window.arming = {}
  const look = () => {
    for (const button of document.querySelectorAll('button.primary')) {
      const noted = window.arming[button.textContent] ??= { shown: performance.now() }
      if (!button.disabled) noted.armed ??= performance.now()
    }
  }
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['disabled'] })
}

export class Extension {
  faults = []

  static async start () {
    const extension = new Extension()
    extension.profile = mkdtempSync(join(tmpdir(), 'qbtc-extension-'))
    extension.shots = process.env.SHOTS
    if (extension.shots) mkdirSync(extension.shots, { recursive: true })
    await extension.run()
    return extension
  }

  async run () {
    this.context = await chromium.launchPersistentContext(this.profile, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      headless: false,
      viewport: POPUP,
      reducedMotion: 'reduce',
      // Playwright would switch extensions off, field trials, and that pages are kept when the user goes on.
      ignoreDefaultArgs: ['--disable-extensions', '--disable-field-trial-config', '--disable-back-forward-cache'],
      args: [
        '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--force-fieldtrials=WebRTC-NoSdpMangleUfrag/Enabled/',
        `--disable-extensions-except=${EXTENSION}`, `--load-extension=${EXTENSION}`
      ]
    })
    await this.context.addInitScript(noteArming)
    this.context.on('page', (page) => this.watch(page))
    const worker = this.context.serviceWorkers()[0] ?? await this.context.waitForEvent('serviceworker', { timeout: WAIT_MS })
    // Node does not know origins of this kind.
    this.origin = worker.url().split('/').slice(0, 3).join('/')
  }

  watch (page) {
    page.setDefaultTimeout(WAIT_MS)
    page.on('pageerror', (error) => this.faults.push(`${page.url()}: ${error.message}`))
    page.on('console', (message) => {
      // The policy's violations are among these. A site's own are its own.
      if (message.type() === 'error' && page.url().startsWith(this.origin)) this.faults.push(`${page.url()}: ${message.text()}`)
    })
  }

  /** The popup, in a tab. */
  async popup () {
    const page = await this.context.newPage()
    await page.goto(`${this.origin}/popup.html`)
    return page
  }

  /** A site of its own origin, open in a tab. */
  async site () {
    const server = await serve(HERE)
    const page = await this.context.newPage()
    await page.goto(server.url)
    await page.waitForFunction(() => window.isReady)
    return new Site(this, server, page)
  }

  /** The windows in which the user decides, that are open. */
  questions () {
    return this.context.pages().filter((page) => page.url().startsWith(this.origin) && page.url().includes('/approve/'))
  }

  /** The window that opens next. */
  async question () {
    const page = await until('a window asks the user', () => this.questions()[0])
    await page.waitForLoadState()
    return page
  }

  /** What is wrong with a page as it is now: faults, barriers for people, what does not fit into the popup. */
  async check (page, name) {
    judge(`${name}: no error`, this.faults.length === 0, this.faults.splice(0))
    await page.evaluate(readFileSync(AXE, 'utf8'))
    const { violations } = await page.evaluate(() => window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
    }))
    const told = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`)
    judge(`${name}: no barrier`, told.length === 0, told)
    await page.setViewportSize(NARROW)
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    judge(`${name}: nothing is wider than the popup`, beyond <= 0, beyond)
    await page.setViewportSize(POPUP)
    await this.shoot(page, name)
  }

  async shoot (page, name) {
    if (!this.shots) return
    for (const scheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme: scheme })
      await page.screenshot({ path: join(this.shots, `${name}-${scheme}.png`), fullPage: true })
    }
  }

  /** Ends the browser and starts it again, as on another day. */
  async restart () {
    await this.context.close()
    await this.run()
  }

  async stop () {
    await this.context.close()
    rmSync(this.profile, { recursive: true, force: true })
  }
}

/** A site that asks the wallet. */
export class Site {
  constructor (extension, server, page) {
    Object.assign(this, { extension, server, page, origin: new URL(server.url).origin })
  }

  /** Calls a method; what came of it: `{ result }` or `{ code, message }`. */
  ask (method, params) {
    return this.page.evaluate(([method, params]) => window.parts.ask(method, params), [method, params])
  }

  /** Calls a method about which the user is asked; `decide` does in the window what the user does. */
  async askUser (method, params, decide) {
    const asked = this.ask(method, params)
    const window = await this.extension.question()
    await decide(window)
    const told = await asked
    await until('the window closes', () => this.extension.questions().length === 0)
    return told
  }

  /** Opens it again, as after the browser was restarted. */
  async reopen () {
    this.page = await this.extension.context.newPage()
    await this.page.goto(this.server.url)
    await this.page.waitForFunction(() => window.isReady)
  }

  stop () {
    this.server.close()
  }
}

/** Clicks a button of the window, which may close by it. */
export const click = (name) => (window) => window.getByRole('button', { name, exact: true }).click().catch((error) => {
  if (!window.isClosed()) throw error
})
