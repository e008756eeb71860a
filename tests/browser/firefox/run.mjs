// Starts Firefox, and has it go through the stories of transport and light, and use the web app. See README.md.
import { join } from 'node:path'
import { open, serve } from '../support/browser.mjs'
import { finish, judge } from '../support/judge.mjs'
import { FROM_LOOPBACK, launchFirefox } from '../support/firefox.mjs'
import { tell } from '../light/stories.mjs'
import { withNode, withPeer } from '../transport/stories.mjs'
import { app } from './app.mjs'

/** Something in a Firefox of its own. */
async function inFirefox (preferences, work) {
  const browser = await launchFirefox(preferences)
  try {
    await work(browser)
  } finally {
    await browser.close()
  }
}

/** The same with a page of another suite, which is served. */
async function withPage (suite, work) {
  const server = await serve(join(import.meta.dirname, '..', suite))
  try {
    await inFirefox(FROM_LOOPBACK, (browser) => work(browser, server.url))
  } finally {
    server.close()
  }
}

async function connections (browser, url) {
  judge('it is Firefox', /^firefox/i.test(await browser.version()), await browser.version())
  const { page, run } = await open(browser, url)
  await withPeer(run)
  await withNode(run, 60_000)
  await page.close()
}

await withPage('transport', connections)
await withPage('light', (browser, url) => tell(browser, url))
await inFirefox({}, app)
finish()
