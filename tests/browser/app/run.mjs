// The web app in Chromium: the explorer, and a wallet from its making to its return from words. See README.md.
import { Browser, Node, failed } from './harness.mjs'
import { explorer } from './explorer.mjs'
import { wallet } from './wallet.mjs'

const node = await Node.start()
const browser = await Browser.start()
try {
  await explorer(node, browser)
  await wallet(node, browser)
} catch (error) {
  console.log(`FAILED ${error.stack}`)
  await browser.shoot('failed').catch(() => {})
  process.exitCode = 1
} finally {
  await browser.stop()
  await node.stop()
}
if (failed() > 0) process.exitCode = 1
console.log(process.exitCode ? 'failed' : 'all passed')
