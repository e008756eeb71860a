// Chromium, and pages for it from folders of this machine.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { chromium } from 'playwright-core'
import { judge } from './judge.mjs'
import { PKG } from './programs.mjs'

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

/** Serves a page with the script `page.js`, the other files of a folder, and under /pkg what wasm-bindgen made. `made` are files that lie nowhere. */
export async function serve (folder, made = {}) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const read = () => pathname.startsWith('/pkg/') ? readFileSync(join(PKG, pathname.slice(5))) : readFileSync(join(folder, pathname))
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
