// The demo's story in a browser: a wallet is made in a tab, is paid, pays back, and goes on proving the chain while a node is killed.
//
// `cargo xtask demo --check` starts it with PAGES, all that a node shows, WALLET among them, and BACK, whom to pay. It reads what is printed: `address: …`
// is to be paid 2 QBTC, and after `paid: …` a node may be killed.
import { Browser, until } from '../app/harness.mjs'
import { PASSPHRASE, go, send } from '../app/wallet.mjs'
import { finish, judge } from '../support/judge.mjs'

/** What comes with the next blocks, and how many of these the tab proves after the payment. */
const PATIENCE_MS = 180_000
const BLOCKS_AFTER = 3

const browser = await Browser.start()
const { page } = browser
page.setDefaultTimeout(PATIENCE_MS)
try {
  const answers = await Promise.all(process.env.PAGES.split(' ').map(async (address) => [address, (await fetch(address)).status]))
  const missing = answers.filter(([, status]) => status !== 200)
  judge('every page that the demo names is there', missing.length === 0, missing)
  await page.goto(process.env.WALLET)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByLabel('The same again').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  const shown = page.getByTestId('address')
  await shown.waitFor()
  judge('a wallet is made in Chromium', true)
  console.log(`address: ${await shown.getAttribute('data-address')}`)

  await go(page, 'Overview')
  const balance = page.getByTestId('balance')
  await until('the payment arrives', async () => (await balance.innerText()).startsWith('2.00'), PATIENCE_MS)
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  judge('it is paid, which the tab has proven by itself', true)

  await send(page, process.env.BACK, '0.5')
  const payment = page.getByTestId('payment').first()
  await payment.locator('.badge[data-level="filter"]').waitFor()
  judge('it pays, and the tab has proven that the payment is in the chain', true)
  await go(page, 'Settings')
  await until('the nodes are listed', async () => (await page.getByTestId('nodes').innerText()).includes('/webrtc-direct/'))
  judge('the tab is connected to nodes over WebRTC', true)
  const proven = async () => Number(await page.getByTestId('proven').getAttribute('data-height'))
  await go(page, 'Overview')
  const height = await proven()
  console.log(`paid: ${height}`)

  await until('the chain goes on', async () => await proven() >= height + BLOCKS_AFTER, PATIENCE_MS)
  judge('the tab follows the chain while a node is killed', true)
} catch (error) {
  judge('the story got to its end', false, error.stack)
} finally {
  await browser.stop()
}
finish()
