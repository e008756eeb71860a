// Starts Firefox, and has it go through the stories of transport and light, and use the web app. See README.md.
import { join } from 'node:path'
import { open, serve } from '../support/browser.mjs'
import { finish, judge, until } from '../support/judge.mjs'
import { FROM_LOOPBACK, launchFirefox } from '../support/firefox.mjs'
import { Node } from '../support/programs.mjs'
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

// As its users have it, Firefox does not get to a node of the same machine over WebRTC. It takes the other way then.
async function otherWay (browser, url) {
  const node = new Node()
  try {
    await node.start('--p2p', '/ip4/127.0.0.1/tcp/0/ws')
    const { run } = await open(browser, url)
    const begin = Date.now()
    await run('begin', 'dev', [node.address, node.socket])
    const [{ address }] = await until('a node', 30, async () => { const nodes = await run('nodes'); return nodes.length === 1 && nodes })
    judge('where WebRTC does not get through, a WebSocket does', address === node.socket, { ms: Date.now() - begin, address })
    await run('close')
  } finally {
    await node.remove()
  }
}

await inFirefox(FROM_LOOPBACK, 'transport', connections)
await inFirefox(FROM_LOOPBACK, 'light', tell)
await inFirefox(FROM_LOOPBACK, 'light', app)
await inFirefox({}, 'light', otherWay)
finish()
