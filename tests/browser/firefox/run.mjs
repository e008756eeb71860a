// Starts Firefox, and has it go through the stories of transport and light, and use the web app. See README.md.
import { join } from 'node:path'
import { open, serve } from '../support/browser.mjs'
import { finish, judge } from '../support/judge.mjs'
import { FROM_LOOPBACK, launchFirefox } from '../support/firefox.mjs'
import { tell } from '../light/stories.mjs'
import { withNode, withPeer } from '../transport/stories.mjs'
import { app } from './app.mjs'

/** Something in a Firefox of its own, with a suite's page served. */
async function inFirefox (preferences, suite, work) {
  const server = await serve(join(import.meta.dirname, '..', suite))
  const browser = await launchFirefox(preferences)
  try {
    await work(browser, server.url)
  } finally {
    await browser.close()
    server.close()
  }
}

async function connections (browser, url) {
  judge('it is Firefox', /^firefox/i.test(await browser.version()), await browser.version())
  const { page, run } = await open(browser, url)
  await withPeer(run)
  await withNode(run)
  await page.close()
}

await inFirefox(FROM_LOOPBACK, 'transport', connections)
await inFirefox(FROM_LOOPBACK, 'light', tell)
await inFirefox({}, 'light', app)
finish()
