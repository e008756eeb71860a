// A browser that keeps nothing, and one whose disk is full: what the wallet says, and that nothing is lost.
import { until } from './harness.mjs'
import { judge } from '../support/judge.mjs'
import { PASSPHRASE, go, restore } from './wallet.mjs'

export const UNKEPT = 'The browser could not keep what the wallet knows'
const WAY_ON = 'free some space, or allow it, and try again'

/** With a wallet that has these words, and coins on the chain of this node. */
export async function storage (node, browser, words) {
  await refused(node, browser)
  await full(node, browser)
  await fullWhilePaying(node, browser, words)
}

/** From now on each write of the page fails as on a full disk, or none does. */
export const fill = (page, isFull) => page.evaluate((isFull) => {
  window.honestPut ??= IDBObjectStore.prototype.put
  const put = () => { throw new DOMException('no room', 'QuotaExceededError') }
  Object.defineProperty(IDBObjectStore.prototype, 'put', { value: isFull ? put : window.honestPut, configurable: true })
}, isFull)

async function refused (node, browser) {
  const page = await browser.fresh()
  await page.addInitScript(() => {
    Object.defineProperty(IDBFactory.prototype, 'open', { value: () => { throw new DOMException('refused', 'SecurityError') } })
  })
  await page.goto(`${node.url}/wallet`)
  await page.getByText('This browser keeps nothing for this page').waitFor()
  const told = await page.locator('main').innerText()
  judge('storage: where it is refused, that is said with a way on, and no wallet is made', told.includes('Leave the private window') && await page.getByRole('button', { name: 'Create a wallet' }).count() === 0, told.slice(0, 200))
  await browser.check('wallet-no-storage')
  await page.goto(`${node.url}/block/0`)
  await page.locator('main h1').waitFor()
  judge('storage: and the explorer works', true)
}

async function full (node, browser) {
  const page = await browser.fresh()
  await page.goto(`${node.url}/wallet`)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByLabel('The same again').fill(PASSPHRASE)
  await fill(page, true)
  const create = page.getByRole('button', { name: 'Create a wallet' })
  await create.click()
  await page.getByText(WAY_ON).waitFor()
  judge('storage: on a full disk no wallet is made, and it is said what helps', await page.getByTestId('address').count() === 0)
  await browser.check('wallet-full-disk')
  await fill(page, false)
  await create.click()
  await page.getByTestId('address').waitFor()
  judge('storage: and once there is room, one is', true)
}

async function fullWhilePaying (node, browser, words) {
  const page = await browser.fresh()
  await restore(page, node.url, words)
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  const balance = await page.getByTestId('balance').innerText()
  const other = (await node.get('/api/v1/blocks/0/transactions')).transactions[0].outputs[0].address
  const waiting = async () => (await node.get('/api/v1/mempool')).transactions
  const before = await waiting()
  await go(page, 'Send')
  await page.getByLabel('To', { exact: true }).fill(other)
  await page.getByLabel('Amount in QBTC').fill('0.1')
  await page.getByRole('button', { name: 'Review' }).click()
  await fill(page, true)
  await page.getByRole('button', { name: 'Sign and send' }).click()
  await page.locator('.summary').getByText(WAY_ON).waitFor()
  await page.getByText(UNKEPT).waitFor()
  judge('storage: a payment that cannot be noted is not sent, which is said', await waiting() === before)
  await browser.check('wallet-full-disk-payment')
  await go(page, 'Overview')
  judge('storage: and its coins are as they were', (await page.getByTestId('balance').innerText()) === balance)
  await fill(page, false)
  await go(page, 'Send')
  await page.getByLabel('To', { exact: true }).fill(other)
  await page.getByLabel('Amount in QBTC').fill('0.1')
  await page.getByRole('button', { name: 'Review' }).click()
  await page.getByRole('button', { name: 'Sign and send' }).click()
  await page.waitForURL('**/wallet/history')
  await until('the payment waits', async () => await waiting() === before + 1)
  await until('nothing is said to be unkept', async () => await page.getByText(UNKEPT).count() === 0)
  judge('storage: once there is room, it is sent', true)
  await node.mine(1, other)
}
