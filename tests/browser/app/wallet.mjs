// A wallet: made, paid, paying, looked at, and back from its words in a browser that knows nothing.
import { readFile } from 'node:fs/promises'
import { until } from './harness.mjs'
import { judge } from '../support/judge.mjs'

export const PASSPHRASE = 'correct horse battery'

/** Leaves the wallet open, and returns its words. */
export async function wallet (node, browser) {
  let page = await browser.fresh()
  const begin = Date.now()
  await page.goto(`${node.url}/wallet`)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await browser.check('wallet-create')
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByLabel('The same again').fill('something else')
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await page.getByText('The two passphrases differ').waitFor()
  await page.getByLabel('The same again').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  const shown = page.getByTestId('address')
  await shown.waitFor()
  const address = await shown.getAttribute('data-address')
  judge('wallet: an address within a minute', Date.now() - begin < 60_000, Date.now() - begin)
  await browser.check('wallet-receive')

  // The miner pays: two coinbases, then blocks of others until they can be spent.
  const other = (await node.get('/api/v1/blocks/0/transactions')).transactions[0].outputs[0].address
  await node.mine(2, address)
  await node.mine(12, other)
  await page.getByText('First write down your words').waitFor()
  judge('wallet: the words come before the next address', true)
  await go(page, 'Overview')
  await until('the balance is there', async () => (await page.getByTestId('balance').innerText()).startsWith('8.00'))
  judge('wallet: the balance', true)
  // With each block that is not looked through yet, the badge changes for a moment.
  await page.locator('.balance .badge[data-level="filter"]', { hasText: /^Proven by this tab$/ }).waitFor()
  judge('wallet: the balance is proven by the tab', true)
  const doubts = await page.getByTestId('doubts').innerText()
  judge('wallet: that only one node was asked is said', doubts.includes('Only 1 node could be asked'), doubts)
  await browser.check('wallet-overview')

  const words = await backUp(page)
  judge('wallet: 24 words', words.length === 24, words.length)

  await pay(page, other, browser)
  await node.mine(1, other)
  await until('the payment is confirmed', async () => (await page.getByTestId('confirmations').first().innerText()).includes('1 confirmation'))
  judge('wallet: the payment is confirmed', true)
  await page.getByTestId('payment').first().locator('.badge[data-level="filter"]').waitFor()
  judge('wallet: the payment is proven by the tab', true)
  const [download] = await Promise.all([
    page.waitForEvent('download'), page.getByTestId('payment').first().getByRole('button', { name: 'Save proof' }).click()
  ])
  judge('wallet: the proof is saved', (await download.suggestedFilename()).endsWith('.hex'))
  await go(page, 'Overview')
  const left = (await page.getByTestId('balance').innerText()).split(' ')[0]
  judge('wallet: the fee and the payment are gone', Number(left) < 6.5 && Number(left) > 6.4, left)

  await takeBack(page, node, other)
  await messages(page, browser)
  await go(page, 'Settings')
  await browser.check('wallet-settings')
  const [keystore] = await Promise.all([
    page.waitForEvent('download'), page.getByRole('button', { name: 'Save keystore file' }).click()
  ])
  const file = await readFile(await keystore.path())
  await go(page, 'Contacts')
  await browser.check('wallet-contacts')
  await lockAndUnlock(page, browser)
  await go(page, 'Overview')
  const last = await page.getByTestId('balance').innerText()

  page = await browser.fresh()
  await page.goto(`${node.url}/wallet`)
  await page.getByRole('button', { name: 'Restore from words' }).click()
  await page.getByLabel('Words').fill(words.slice(1).concat('zooo').join(' '))
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByLabel('The same again').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Restore from words' }).click()
  await page.getByText('Word 24, “zooo”').waitFor()
  judge('wallet: a misspelt word is named', true)
  await page.getByLabel('Words').fill(words.join(' '))
  await page.getByRole('button', { name: 'Restore from words' }).click()
  await page.getByTestId('balance').waitFor()
  await until('the restored balance', async () => (await page.getByTestId('balance').innerText()) === last)
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  judge('wallet: everything is back from the words, and proven by the tab', true)
  await browser.check('wallet-restored')
  await fromFile(node, await browser.fresh(), file, last, browser)
  return words
}

/** Back from the file that the app has saved. */
async function fromFile (node, page, file, balance, browser) {
  await page.goto(`${node.url}/wallet`)
  await page.getByRole('button', { name: 'Restore from a file' }).click()
  await browser.check('wallet-file')
  const restore = page.getByRole('button', { name: 'Restore from a file' })
  const choose = async (buffer, passphrase) => {
    await page.getByLabel('Keystore file').setInputFiles({ name: 'wallet.keystore', mimeType: 'application/octet-stream', buffer })
    await page.getByLabel('Passphrase').fill(passphrase)
    await restore.click()
  }
  await choose(Buffer.from('something else'), PASSPHRASE)
  await page.getByText('not a keystore').waitFor()
  await choose(file, 'not the passphrase')
  await page.getByText('This is not the passphrase').waitFor()
  judge('wallet: what is wrong with a keystore file is said', true)
  await choose(file, PASSPHRASE)
  await page.getByTestId('balance').waitFor()
  await until('the balance from the file', async () => (await page.getByTestId('balance').innerText()) === balance)
  judge('wallet: everything is back from the file', true)
}

/** A payment of so much, from the form to the list. */
export async function send (page, to, amount) {
  await go(page, 'Send')
  await page.getByLabel('To', { exact: true }).fill(to)
  await page.getByLabel('Amount in QBTC').fill(amount)
  await page.getByRole('button', { name: 'Review' }).click()
  await page.getByRole('button', { name: 'Sign and send' }).click()
  await page.waitForURL('**/wallet/history')
}

export const go = (page, name) => page.locator('.tabs').getByRole('link', { name }).click()

async function backUp (page) {
  await page.getByRole('link', { name: 'Show the words' }).first().click()
  await page.getByLabel('Passphrase').fill('not the passphrase')
  await page.getByRole('button', { name: 'Show the words' }).click()
  await page.getByText('This is not the passphrase').waitFor()
  judge('wallet: a wrong passphrase is said and nothing is lost', true)
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Show the words' }).click()
  await page.locator('.words li').first().waitFor()
  const words = await page.locator('.words li').allInnerTexts()
  await page.getByRole('button', { name: 'I have written them down' }).click()
  await page.waitForURL('**/wallet')
  return words.map((word) => word.trim())
}

async function pay (page, to, browser) {
  await go(page, 'Send')
  const review = page.getByRole('button', { name: 'Review' })
  const wrong = to.slice(0, 30) + (to[30] === 'q' ? 'p' : 'q') + to.slice(31)
  await page.getByLabel('To', { exact: true }).fill(wrong)
  await page.getByLabel('Amount in QBTC').fill('1.123456789')
  await review.click()
  await page.getByText('look at character 31').waitFor()
  await page.getByText('9 decimals are too many').waitFor()
  await page.getByLabel('To', { exact: true }).fill(to)
  for (const [amount, sentence] of [['1000', 'more than you have'], ['0.00000001', 'Too little'], ['ten', 'not a number']]) {
    await page.getByLabel('Amount in QBTC').fill(amount)
    await review.click()
    await page.getByText(sentence).waitFor()
  }
  judge('wallet: what is wrong with a payment is said beside its field', true)
  await browser.check('wallet-send')
  await page.getByLabel('Amount in QBTC').fill('1.5')
  await review.click()
  await page.getByText('This will happen').waitFor()
  await browser.check('wallet-review')
  await page.getByRole('button', { name: 'Sign and send' }).click()
  await page.waitForURL('**/wallet/history')
  await page.getByText('Waiting', { exact: true }).first().waitFor()
  await browser.check('wallet-history')
}

/** A payment that is taken back before it is mined pays nobody, nor do those that were made of its change. */
async function takeBack (page, node, to) {
  await send(page, to, '2')
  await send(page, to, '4.2')
  await until('both wait', async () => (await node.get('/api/v1/mempool')).transactions === 2)
  await page.getByRole('button', { name: 'Take back' }).nth(1).click()
  await page.getByText('A later payment that was made of its change goes with it: 4.20').waitFor()
  judge('wallet: taking back says which payments go with it', true)
  await page.getByRole('button', { name: 'Sign and send' }).click()
  await until('only the replacement waits', async () => (await node.get('/api/v1/mempool')).transactions === 1)
  await page.getByText('To yourself').first().waitFor()
  await node.mine(1, to)
  await until('the replacement is mined', async () => (await page.getByTestId('confirmations').first().innerText()).includes('1 confirmation'))
  judge('wallet: a payment is taken back', !(await page.getByTestId('payment').first().innerText()).includes('2.00'))
}

async function messages (page, browser) {
  await go(page, 'Messages')
  const own = await page.getByLabel('Address of yours').inputValue()
  const [text, said] = [page.locator('#text'), page.locator('#said')]
  await text.fill('I was here')
  await page.getByRole('button', { name: 'Sign a message' }).click()
  const proof = await page.locator('#proof').inputValue()
  await page.locator('#of').fill(own)
  await said.fill('I was here')
  await page.locator('#given').fill(proof)
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await page.getByText('The signature holds').waitFor()
  await said.fill('I was there')
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await page.getByText('The signature does not hold').waitFor()
  judge('wallet: messages are signed and checked', true)
  await browser.check('wallet-messages')
}

async function lockAndUnlock (page, browser) {
  await page.reload()
  await page.getByLabel('Passphrase').waitFor()
  await browser.check('wallet-locked')
  await page.getByLabel('Passphrase').fill('wrong passphrase')
  await page.getByRole('button', { name: 'Unlock' }).click()
  await page.getByText('This is not the passphrase').waitFor()
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Unlock' }).click()
  await page.locator('.tabs').waitFor()
  judge('wallet: locked after a reload, and opened again', true)
}
