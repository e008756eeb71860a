// What a user may choose, and what a browser may refuse: from which block on a wallet is looked for, removing it, the colours; copying, keeping, and a light
// client that can store nothing.
import { provenUpTo, until } from './harness.mjs'
import { judge } from '../support/judge.mjs'
import { PASSPHRASE, go, restore } from './wallet.mjs'

/** With a wallet that has these words, and coins on the chain of this node. Leaves the browser with a profile that knows nothing. */
export async function choices (node, browser, words) {
  await birthday(node, browser, words)
  await colours(node, browser)
  await refusals(node, browser)
  await unkept(node, browser, words)
}

/** A wallet is looked for from the block that is named on; too late a block finds nothing, and the wallet can be removed and brought back. */
async function birthday (node, browser, words) {
  const page = await browser.fresh()
  const height = Number(await node.rpc('getblockcount'))
  await page.goto(`${node.url}/wallet`)
  const bringBack = async (first) => {
    await page.getByRole('button', { name: 'Restore from words' }).click()
    await page.getByLabel('Words').fill(words.join(' '))
    await page.getByLabel('First block (optional)').fill(first)
    await page.getByLabel('Passphrase').fill(PASSPHRASE)
    await page.getByLabel('The same again').fill(PASSPHRASE)
    await page.getByRole('button', { name: 'Restore from words' }).click()
  }
  await bringBack('yesterday')
  await page.getByText('This is not a height').waitFor()
  judge('restore: what is no height is said', true)
  await page.getByRole('button', { name: 'Back' }).click()
  await bringBack(String(height + 1))
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  judge('restore: from too late a block on, nothing is found', (await page.getByTestId('balance').innerText()).startsWith('0.00'))

  await go(page, 'Settings')
  await remove(page, 'no')
  await page.getByRole('alert').filter({ hasText: 'Type “remove” to do it' }).waitFor()
  await remove(page, 'remove')
  await page.getByRole('button', { name: 'Restore from words' }).waitFor()
  await page.reload()
  await page.getByRole('button', { name: 'Restore from words' }).waitFor()
  judge('wallet: it is removed once that was typed, and not before', true)
  await browser.check('wallet-removed')

  await bringBack('1')
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  judge('restore: from its first block on, all is there', Number((await page.getByTestId('balance').innerText()).split(' ')[0]) > 0)
}

async function remove (page, word) {
  const form = page.locator('details').filter({ hasText: 'Remove this wallet from the browser' })
  if (await form.getAttribute('open') === null) await form.locator('summary').click()
  await form.getByLabel('Type “remove” to do it').fill(word)
  await form.getByRole('button', { name: 'Remove this wallet from the browser' }).click()
}

/** The colours stay as they were chosen. */
async function colours (node, browser) {
  const { page } = browser
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const toggle = page.getByRole('button', { name: 'Dark colours' })
  const before = await ground()
  await toggle.click()
  await until('the colours are others', async () => await ground() !== before)
  const after = await ground()
  judge('colours: a button changes them, and says which there are', await toggle.getAttribute('aria-pressed') === 'true')
  await page.reload()
  await toggle.waitFor()
  judge('colours: they stay when the page comes again', await ground() === after && await toggle.getAttribute('aria-pressed') === 'true')
  await toggle.click()
  await until('the colours are as before', async () => await ground() === before)
}

/** Copying and keeping are not allowed, by the browser's own permissions. */
async function refusals (node, browser) {
  const { page } = browser
  const permit = await browser.permissions(node.url)
  await permit('clipboard-write', 'denied')
  await permit('persistent-storage', 'denied')
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Unlock' }).click()
  await go(page, 'Receive')
  await page.getByRole('button', { name: 'Copy' }).first().click()
  await page.getByText('The browser did not allow copying').waitFor()
  judge('refused: that nothing was copied is said, and the address can be read', (await page.getByTestId('address').innerText()).length > 20)
  await go(page, 'Settings')
  await page.getByText('The browser has not promised to keep this wallet').waitFor()
  await browser.check('wallet-may-go')
  await permit('persistent-storage', 'granted')
  await page.getByRole('button', { name: 'Ask again' }).click()
  await page.getByText('The browser has promised to keep this wallet').waitFor()
  judge('refused: that the browser may delete the wallet is said, until it has promised otherwise', true)
}

/** The light client's worker is refused storage: it works, begins anew each time, and says so. */
async function unkept (node, browser, words) {
  const page = await browser.fresh()
  await browser.context.route('**/worker.js', async (route) => {
    const answer = await route.fetch()
    const refuse = "IDBFactory.prototype.open = () => { throw new DOMException('refused here', 'SecurityError') }\n"
    await route.fulfill({ response: answer, body: refuse + await answer.text() })
  })
  await restore(page, node.url, words)
  await provenUpTo(page, Number(await node.rpc('getblockcount')))
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  await go(page, 'Settings')
  await page.getByText('The light client cannot keep what it knows').waitFor()
  judge('refused: a light client that can store nothing proves all the same, and says so', (await page.locator('main').innerText()).includes('refused here'))
  await browser.check('wallet-unkept')
}
