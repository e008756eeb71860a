// Tabs of one browser that make wallets at the same time: one has its wallet, the other is told that it has none, and no key is lost. And an account that
// is asked for twice, and then used.
import { until } from './harness.mjs'
import { judge } from '../support/judge.mjs'
import { PASSPHRASE, go, send } from './wallet.mjs'

const OTHER = 'another horse battery'
const REFUSED = 'Another tab has put a wallet into this browser'

export async function making (node, browser) {
  await atOnce(node, browser)
  const page = await unheard(node, browser)
  await twice(node, page)
  await useSecond(node, page)
}

/** Both are at it; whichever is second hears of the first while it makes its keys. */
async function atOnce (node, browser) {
  const pages = [await browser.fresh(), await browser.tab()]
  await form(pages[0], node, PASSPHRASE)
  await form(pages[1], node, OTHER)
  // Not by clicks, which wait until the page is at rest: by then the other may be done.
  await Promise.all(pages.map(submit))
  const has = async (page) => (await page.getByTestId('address').count()) === 1
  await until('one of the tabs has a wallet', async () => (await Promise.all(pages.map(has))).includes(true))
  const first = (await has(pages[0])) ? 0 : 1
  const second = pages[1 - first]
  await second.getByText(REFUSED).waitFor()
  judge('making: of two tabs at once, one has a wallet, and the other says that it has none', true)
  await open(second, [PASSPHRASE, OTHER][first])
  judge('making: both then have the wallet of the first', (await address(second)) === (await address(pages[first])))
}

/** One does not hear the other: it finds the wallet where it would put its own. Returns the first tab, with its wallet open. */
async function unheard (node, browser) {
  const first = await browser.fresh()
  const second = await browser.tab()
  await second.addInitScript(() => {
    window.BroadcastChannel = class { postMessage () {} close () {} }
  })
  await form(first, node, PASSPHRASE)
  await form(second, node, OTHER)
  await submit(first)
  const kept = await address(first)
  judge('making: while keys are made, there is no way back', await submit(second))
  await second.getByText(REFUSED).waitFor()
  await second.getByRole('heading', { name: 'Unlock' }).waitFor()
  await browser.check('wallet-unmade')
  await second.getByLabel('Passphrase').fill(OTHER)
  await second.getByRole('button', { name: 'Unlock' }).click()
  await second.getByText('This is not the passphrase').waitFor()
  await open(second, PASSPHRASE)
  judge('making: the wallet that was there is as it was, for a tab that has not heard of it', (await address(second)) === kept)
  await second.close()
  await first.reload()
  await open(first, PASSPHRASE)
  judge('making: and for the tab that has made it', (await address(first)) === kept)
  return first
}

/** A form that is submitted twice adds one account, and the wallet goes on. */
async function twice (node, page) {
  await go(page, 'Settings')
  await page.getByLabel('Name of a further account').fill('Savings')
  await page.locator('section[aria-labelledby=accounts] form').evaluate((form) => { form.requestSubmit(); form.requestSubmit() })
  const accounts = page.getByTestId('accounts').locator('li')
  await until('the account is there', async () => (await accounts.count()) > 1)
  const other = (await node.get('/api/v1/blocks/0/transactions')).transactions[0].outputs[0].address
  await node.mine(1, other)
  const { tip } = await node.get('/api/v1/chain')
  judge('making: an account that is asked for twice is there once', (await accounts.count()) === 2, await accounts.allInnerTexts())
  await go(page, 'Overview')
  await until('the balance is at the tip', async () => (await page.getByTestId('as-of').innerText()).startsWith(`As of block ${tip.height}`))
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  judge('making: and the wallet goes on, and proves', true)
}

/** The second account has addresses, money and payments of its own, of which the first knows nothing. */
async function useSecond (node, page) {
  const balance = async () => (await page.getByTestId('balance').innerText()).split(' ')[0]
  const choose = async (index) => {
    await go(page, 'Overview')
    await page.locator('#account').selectOption(String(index))
  }
  const other = (await node.get('/api/v1/blocks/0/transactions')).transactions[0].outputs[0].address
  // Whoever adds an account is shown that one.
  await choose(0)
  const [before, kept] = [await balance(), await address(page)]
  await choose(1)
  const own = await address(page)
  await node.mine(1, own)
  await node.mine(12, other)
  await go(page, 'Overview')
  const received = await until('the second account has money', async () => Number(await balance()) > 0 && Number(await balance()))
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  await send(page, other, '0.5')
  await until('it waits', async () => (await node.get('/api/v1/mempool')).transactions === 1)
  await node.mine(1, other)
  await page.getByTestId('payment').first().locator('.badge[data-level="filter"]').waitFor()
  await go(page, 'Overview')
  await until('the payment and its fee are gone', async () => Number(await balance()) < received - 0.5 && Number(await balance()) > received - 0.51)
  judge('accounts: the second receives and pays, and proves it', own !== kept)
  await everything(node, page, other, balance)
  await choose(0)
  await until('the first account is shown', async () => (await balance()) === before)
  judge('accounts: the first has what it had, and none of those payments', (await page.getByTestId('payment').filter({ hasText: '0.5' }).count()) === 0)
}

/** All that an account has goes to somebody else, less the fee. */
async function everything (node, page, to, balance) {
  await go(page, 'Send')
  await page.getByLabel('To', { exact: true }).fill(to)
  await page.getByLabel('Send everything').check()
  judge('send everything: no amount is asked for', await page.getByLabel('Amount in QBTC').isDisabled())
  await page.getByRole('button', { name: 'Review' }).click()
  await page.getByText('This will happen').waitFor()
  await page.getByRole('button', { name: 'Sign and send' }).click()
  await page.waitForURL('**/wallet/history')
  await until('it waits', async () => (await node.get('/api/v1/mempool')).transactions === 1)
  await node.mine(1, to)
  await page.getByTestId('payment').first().locator('.badge[data-level="filter"]').waitFor()
  await go(page, 'Overview')
  await until('nothing is left', async () => Number(await balance()) === 0)
  judge('send everything: nothing is left', true)
}

async function form (page, node, passphrase) {
  await page.goto(`${node.url}/wallet`)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await page.getByLabel('Passphrase').fill(passphrase)
  await page.getByLabel('The same again').fill(passphrase)
}

/** Submits the form, and says whether there is no way back then. */
const submit = (page) => page.getByRole('button', { name: 'Create a wallet' }).evaluate(async (button) => {
  const { form } = button
  const back = [...form.querySelectorAll('button')].find(({ textContent }) => textContent === 'Back')
  form.requestSubmit()
  await new Promise((resolve) => setTimeout(resolve, 50))
  return back.disabled
})

async function open (page, passphrase) {
  await page.getByLabel('Passphrase').fill(passphrase)
  await page.getByRole('button', { name: 'Unlock' }).click()
  await page.locator('.tabs').waitFor()
}

/** The address that the wallet shows next. */
async function address (page) {
  await page.locator('.tabs').waitFor()
  await go(page, 'Receive')
  return page.getByTestId('address').getAttribute('data-address')
}
