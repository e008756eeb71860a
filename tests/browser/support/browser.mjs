// Chromium, and pages for it from folders of this machine.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { chromium } from 'playwright-core'
import { judge } from './judge.mjs'
import { PACKAGE, PKG } from './programs.mjs'

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync']
/** Chromium as it will be: offers that a page has altered are refused. */
export const FORBIDS_ALTERED_OFFERS = '--force-fieldtrials=WebRTC-NoSdpMangleUfrag/Enabled/'
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' }
// Firefox reports a node that cannot be reached, and a socket that is closed early, as errors of the page.
const FAILS_ALOUD = /^WebRTC: ICE failed|^The connection to ws:/
const PAGE = '<!doctype html><script type="module" src="/page.js"></script>'

export function launch (...flags) {
  // Playwright would switch field trials off altogether.
  const ignoreDefaultArgs = ['--disable-field-trial-config']
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: [...FLAGS, ...flags], ignoreDefaultArgs })
}

/**
 * Chromium as people have it: Playwright lets each page believe that somebody looks at it, and such a page is never frozen. `context` opens pages without that;
 * `setState` makes one `frozen` or `active`.
 */
export async function launchPlain (...flags) {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  const browser = await launch(...flags, `--remote-debugging-port=${port}`)
  const plain = await chromium.connectOverCDP(`http://127.0.0.1:${port}`, { noDefaults: true })
  const [context] = plain.contexts()
  const setState = async (page, state) => {
    const session = await context.newCDPSession(page)
    await session.send('Page.setWebLifecycleState', { state })
    await session.detach()
  }
  const close = async () => {
    await plain.close()
    await browser.close()
  }
  return { context, setState, close }
}

/** Serves a page with the script `page.js`, the other files of a folder, under /pkg what wasm-bindgen made, and under /npm the npm package. `made` are files
 * that lie nowhere. */
export async function serve (folder, made = {}) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const [, place, rest] = pathname.match(/^\/(pkg|npm)\/(.*)/) ?? [undefined, undefined, pathname]
    const read = () => readFileSync(join({ pkg: PKG, npm: PACKAGE }[place] ?? folder, rest))
    try {
      const body = pathname === '/' ? PAGE : made[pathname] ?? read()
      response.setHeader('content-type', pathname === '/' ? 'text/html' : TYPES[extname(pathname)] ?? 'text/plain')
      response.end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() }
}

/** Opens a page whose script puts its parts into `window.parts` and then sets `window.isReady`; `run` calls one of them. */
export async function open (browser, url) {
  return within(await browser.newPage(), url)
}

/** The same in a page that is there already. */
export async function within (page, url) {
  page.on('pageerror', (error) => FAILS_ALOUD.test(error.message) || judge('no error in the page', false, error.message))
  page.on('requestfailed', (request) => judge('every file loads', false, request.url()))
  page.on('console', (message) => console.log(`the page: ${message.text()}`))
  await page.goto(url)
  await page.waitForFunction(() => window.isReady)
  const run = (part, ...args) => page.evaluate(([part, args]) => window.parts[part](...args), [part, args])
  return { page, run }
}
