// The web app's wallet in Firefox as its users have it: made, paid, paying, and proven by the tab. WebRTC does not get to a node of the same machine: the page's own address
// does.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { judge } from '../support/judge.mjs'
import { Node, until } from '../app/harness.mjs'
import { PASSPHRASE } from '../app/wallet.mjs'

export async function app (browser) {
  const node = await Node.start()
  const page = await browser.newPage()
  try {
    await play(page, node)
  } catch (error) {
    judge('the app: the story got to its end', false, error.stack)
    await shoot(page, 'failed')
  } finally {
    await page.close()
    await node.stop()
  }
}

async function play (page, node) {
  const faults = []
  page.on('pageerror', (error) => faults.push(error.message))
  await page.evaluateOnNewDocument(() => {
    window.violations = []
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`))
  })
  await page.setViewport({ width: 1280, height: 900 })
  await page.goto(`${node.url}/wallet`)
  const press = (name) => page.locator(`::-p-aria([name="${name}"][role="button"])`).click()
  const go = (name) => page.locator(`::-p-aria([name="${name}"][role="link"])`).click()
  const fill = async (name, text) => {
    const idOf = (name) => [...document.querySelectorAll('label')].find((label) => label.textContent.trim() === name)?.htmlFor
    const id = await until(`a field called ${name}`, () => page.evaluate(idOf, name))
    await page.locator(`#${id}`).fill(text)
  }
  const text = (id) => page.locator(`[data-testid="${id}"]`).map((found) => found.innerText).wait()

  await press('Create a wallet')
  await fill('Passphrase', PASSPHRASE)
  await fill('The same again', PASSPHRASE)
  await press('Create a wallet')
  const address = await page.locator('[data-testid="address"]').map((found) => found.dataset.address).wait()
  await shoot(page, 'receive')
  const other = (await node.get('/api/v1/blocks/0/transactions')).transactions[0].outputs[0].address
  await node.mine(2, address)
  await node.mine(12, other)
  await go('Overview')
  await until('the balance is there', async () => (await text('balance')).startsWith('8.00'))
  await page.locator('.balance .badge[data-level="filter"]').wait()
  judge('the app: a balance, proven by the tab', true)
  await shoot(page, 'overview')

  const { transports } = await node.get('/api/v1/network')
  judge('the app: it reaches its node by WebSocket, at the page\'s own address', transports.some(({ name }) => name === 'websocket'), transports)

  await go('Send')
  await fill('To', other)
  await fill('Amount in QBTC', '1.5')
  await press('Review')
  await press('Sign and send')
  await until('the node has the payment', async () => (await node.get('/api/v1/mempool')).transactions === 1)
  await node.mine(1, other)
  await go('History')
  await page.locator('[data-testid="payment"] .badge[data-level="filter"]').wait()
  const left = await text('payment')
  judge('the app: a payment, proven by the tab', left.includes('1.5'), left.split('\n')[0])
  await shoot(page, 'history')
  judge('the app: no error', faults.length === 0, faults)
  const violations = await page.evaluate(() => window.violations)
  judge('the app: the policy holds', violations.length === 0, violations)
}

async function shoot (page, name) {
  const folder = process.env.SHOTS
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}
