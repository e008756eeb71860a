// Starts Chromium, has it go through all stories, and looks at what stays. See README.md.
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FORBIDS_ALTERED_OFFERS, launch, open, serve } from '../support/browser.mjs'
import { finish, judge, pause, until } from '../support/judge.mjs'
import { withNode, withPeer } from './stories.mjs'

// A hundred connections, after some that warm everything up.
async function leaks (page, run, peer) {
  await run('connects', peer.address, 10)
  const before = await run('memory')
  await run('connects', peer.address, 100)
  const after = await run('memory')
  judge('100 connections: all closed, no memory kept', after.opened === after.closed && after.wasm === before.wasm, { before, after })
  await page.evaluate(() => window.gc())
  await pause(500)
  await page.evaluate(() => window.gc())
  const count = await living(page, 'RTCDataChannel')
  judge('no data channel is held', count <= 2, count)
  const freed = await until('every task is freed', 40, () => peer.tasks === 1 && { tasks: peer.tasks })
  judge('the peer has freed every task', freed.tasks === 1, { ...freed, counters: peer.counters })
}

// How many objects of this class the page still holds.
async function living (page, name) {
  const tools = await page.context().newCDPSession(page)
  const { result } = await tools.send('Runtime.evaluate', { expression: `${name}.prototype` })
  const { objects } = await tools.send('Runtime.queryObjects', { prototypeObjectId: result.objectId })
  const count = { objectId: objects.objectId, functionDeclaration: 'function () { return this.length }' }
  return (await tools.send('Runtime.callFunctionOn', count)).result.value
}

const server = await serve(dirname(fileURLToPath(import.meta.url)))
const browser = await launch('--js-flags=--expose-gc', FORBIDS_ALTERED_OFFERS)
try {
  const { page, run } = await open(browser, server.url)
  await withPeer(run, (peer) => leaks(page, run, peer))
  await withNode(run)
} finally {
  await browser.close()
  server.close()
}
finish()
