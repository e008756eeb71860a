// The web app in Chromium: the explorer, and a wallet from its making to its return from words. See README.md.
import { Browser, Node } from './harness.mjs'
import { finish, judge } from '../support/judge.mjs'
import { choices } from './choices.mjs'
import { chunks } from './chunks.mjs'
import { explorer } from './explorer.mjs'
import { liars } from './liars.mjs'
import { light } from './light.mjs'
import { making } from './making.mjs'
import { nodes } from './nodes.mjs'
import { offline } from './offline.mjs'
import { storage } from './storage.mjs'
import { wallet } from './wallet.mjs'

const node = await Node.start()
const browser = await Browser.start()
try {
  await explorer(node, browser)
  await chunks(node, browser)
  await making(node, browser)
  const words = await wallet(node, browser)
  await light(node, browser)
  await storage(node, browser, words)
  await nodes(node, browser)
  await choices(node, browser, words)
  await offline(node, browser, words)
  await liars(node, browser, words)
} catch (error) {
  judge('the suite got to its end', false, error.stack)
  await browser.shoot('failed').catch(() => {})
} finally {
  await browser.stop()
  await node.stop()
}
finish()
