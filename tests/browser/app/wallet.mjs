// A wallet: made, paid, paying, looked at, and back from its words in a browser that knows nothing.
import { readFile } from 'node:fs/promises'
import { until } from './harness.mjs'
import { figure, judge } from '../support/judge.mjs'

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
  figure('wallet: money is seen within a minute of opening the page', Date.now() - begin < 60_000, Date.now() - begin)
  await browser.neverStoodStill('it receives')
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
  await minedFirst(page)
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
  await payMore(page, node, other, browser)
  await expire(page, node, other, browser)
  await contact(page, browser, node, other)
  await byKeyboard(page, node, other)
  await messages(page, browser)
  await go(page, 'Settings')
  await browser.check('wallet-settings')
  const [keystore] = await Promise.all([
    page.waitForEvent('download'), page.getByRole('button', { name: 'Save keystore file' }).click()
  ])
  const file = await readFile(await keystore.path())
  await lockAndUnlock(page, browser)
  await go(page, 'Overview')
  const last = await page.getByTestId('balance').innerText()

  page = await browser.fresh()
  await restore(page, node.url, words.slice(1).concat('zooo'))
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
  await page.getByLabel('To', { exact: true }).fill(`qbtc:${to}?amount=1&req-receipt=1`)
  await review.click()
  await page.getByText('“req-receipt”').waitFor()
  await page.getByLabel('To', { exact: true }).fill(`QBTC:${to.toUpperCase()}?amount=1.25&label=Coffee`)
  await page.keyboard.press('Tab')
  await until('the request fills the form', async () => (await page.getByLabel('Amount in QBTC').inputValue()) === '1.25')
  judge('wallet: a request for a payment fills the form', (await page.getByLabel('To', { exact: true }).inputValue()) === to)
  await browser.check('wallet-send')
  await page.getByLabel('Amount in QBTC').fill('1.5')
  await review.click()
  await page.getByText('This will happen').waitFor()
  await browser.check('wallet-review')
  await page.getByRole('button', { name: 'Sign and send' }).click()
  await page.waitForURL('**/wallet/history')
  await browser.neverStoodStill('it signs and sends')
  await page.getByText('Waiting', { exact: true }).first().waitFor()
  await browser.check('wallet-history')
}

/** Waits until the newest payment has its first confirmation: others may have had theirs long before. */
function minedFirst (page) {
  const newest = page.getByTestId('payment').first().getByTestId('confirmations')
  return until('the newest payment is mined', async () => await newest.count() === 1 && (await newest.innerText()) === '1 confirmation')
}

/** A profile that knows nothing gets a wallet from its words. */
export async function restore (page, url, words) {
  await page.goto(`${url}/wallet`)
  await page.getByRole('button', { name: 'Restore from words' }).click()
  await page.getByLabel('Words').fill(words.join(' '))
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByLabel('The same again').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Restore from words' }).click()
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
  await minedFirst(page)
  judge('wallet: a payment is taken back', !(await page.getByTestId('payment').first().innerText()).includes('2.00'))
}

/** A payment that waits is replaced by one that pays more; what it replaced stays in the history, with what took its place. */
async function payMore (page, node, to, browser) {
  await send(page, to, '0.75')
  await until('it waits', async () => (await node.get('/api/v1/mempool')).transactions === 1)
  const fee = async () => (await node.get('/api/v1/mempool/transactions')).transactions[0].fee
  const before = await fee()
  await page.getByRole('button', { name: 'Pay more' }).click()
  await page.getByRole('button', { name: 'Sign and send' }).click()
  await until('it pays more', async () => JSON.stringify(await fee()) !== JSON.stringify(before))
  const ended = page.getByTestId('payment').filter({ has: page.getByTestId('ended') }).first()
  await ended.waitFor()
  const told = await ended.innerText()
  judge('wallet: what pays more replaces a payment, and the history says which', told.includes('Replaced') && told.includes('another payment spends the same coins') && told.includes('0.75'), told)
  await browser.check('wallet-replaced')
  await node.mine(1, to)
  await minedFirst(page)
}

/** A payment that no miner takes says how long it can still be mined, then that it has expired; its coins are there again. */
async function expire (page, node, to, browser) {
  await go(page, 'Overview')
  const balance = async () => (await page.getByTestId('balance').innerText()).split(' ')[0]
  const before = await balance()
  await send(page, to, '0.35')
  const [waiting] = await until('it waits', async () => {
    const { transactions } = await node.get('/api/v1/mempool/transactions')
    return transactions.length === 1 && transactions
  })
  await node.rpc('prioritisetransaction', waiting.txid, 0, -100_000_000)
  const newest = page.getByTestId('payment').first()
  const left = async () => Number(/expires in (\d+) block/.exec(await newest.innerText())?.[1])
  const first = await until('how long it can still be mined is said', left)
  await node.mine(5, to)
  await until('that is less with each block', async () => await left() === first - 5)
  judge('wallet: a payment that waits counts the blocks down that it has left', true, first)
  for (let rest = first - 5; rest > 0; rest -= 50) await node.mine(Math.min(rest, 50), to)
  const ended = page.getByTestId('payment').filter({ has: page.getByTestId('ended'), hasText: '0.35' })
  await ended.getByText('its coins are yours again').waitFor()
  judge('wallet: a payment that was never mined is said to have expired', (await ended.innerText()).includes('Expired'))
  await browser.check('wallet-expired')
  await go(page, 'Overview')
  await until('the coins are there again', async () => await balance() === before)
  judge('wallet: and its coins are there again', true)
}

/** Somebody is in the address book, and is paid from there. */
async function contact (page, browser, node, address) {
  await go(page, 'Contacts')
  await browser.check('wallet-no-contacts')
  await page.locator('#name').fill('Zoë')
  await page.locator('#address').fill(address.slice(1))
  await page.getByRole('button', { name: 'Add a contact' }).click()
  await page.locator('form .notice').waitFor()
  await page.locator('#address').fill(address)
  await page.getByRole('button', { name: 'Add a contact' }).click()
  await page.getByRole('cell', { name: 'Zoë' }).waitFor()
  await browser.check('wallet-contacts')
  await go(page, 'Send')
  await page.locator('#contact').selectOption({ label: 'Zoë' })
  judge('wallet: somebody from the address book is paid', (await page.getByLabel('To', { exact: true }).inputValue()) === address)
  await page.getByLabel('Amount in QBTC').fill('0.01')
  await page.getByRole('button', { name: 'Review' }).click()
  await page.locator('.summary').getByText('Zoë').waitFor()
  await page.getByRole('button', { name: 'Back' }).click()
}

/** A payment with the keyboard alone: from a page that was just opened to the list. */
async function byKeyboard (page, node, to) {
  await go(page, 'Overview')
  // A page that was just opened gives its title the focus: who types faster than that would type into the page before.
  const titled = () => page.waitForFunction(() => document.activeElement?.matches('main h1'))
  await titled()
  const isAt = (name) => page.evaluate((name) => {
    const at = document.activeElement
    return [at?.labels?.[0]?.textContent, at?.getAttribute('aria-label'), at?.textContent].some((text) => text?.trim() === name)
  }, name)
  const tabTo = async (name) => {
    for (let step = 0; step < 80; step++) {
      if (await isAt(name)) return
      await page.keyboard.press('Tab')
    }
    throw new Error(`the keyboard does not get to ${name}`)
  }
  await tabTo('Send')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/wallet/send')
  await page.getByLabel('Amount in QBTC').waitFor()
  await titled()
  await tabTo('To')
  await page.keyboard.type(to)
  await tabTo('Amount in QBTC')
  await page.keyboard.type('0.02')
  await tabTo('Review')
  await page.keyboard.press('Enter')
  await page.getByText('This will happen').waitFor()
  await tabTo('Sign and send')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/wallet/history')
  await until('it waits', async () => (await node.get('/api/v1/mempool')).transactions === 1)
  judge('wallet: a payment needs no mouse', true)
  await node.mine(1, to)
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
  await browser.neverStoodStill('it unlocks')
  judge('wallet: locked after a reload, and opened again', true)
}
