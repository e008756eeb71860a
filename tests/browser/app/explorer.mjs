// The explorer shows what the node says, as it happens, and what it has checked itself.
import { provenUpTo, until } from './harness.mjs'
import { judge } from '../support/judge.mjs'

export async function explorer (node, browser) {
  const { page } = browser
  const sink = await someAddress(node)
  await node.mine(14, sink)

  await page.goto(node.url)
  await page.locator('.block-strip li').first().waitFor()
  const height = () => page.locator('.figures dd').first().innerText()
  await until('the tip is shown', async () => (await height()) === '14')
  judge('home: the newest block comes first', (await page.locator('.block-strip .height').first().innerText()) === '14')
  await node.mine(1, sink)
  await until('a new block comes by itself', async () => (await page.locator('.block-strip .height').first().innerText()) === '15', 10_000)
  judge('home: a new block comes by itself', true)
  await provenUpTo(page, 15)
  judge('home: the tip is proven over WebRTC', true)
  await browser.check('home')

  const search = page.getByRole('searchbox')
  await search.fill('7')
  await search.press('Enter')
  await page.waitForURL('**/block/7')
  await page.getByRole('heading', { level: 1, name: 'Block 7' }).waitFor()
  await page.locator('.badge[data-level="header"]').waitFor()
  judge('block: its header is proven by the tab', (await page.locator('.badge').first().innerText()) === 'Proven by this tab')
  await browser.check('block')

  const coinbase = page.locator('.tx-line a').first()
  await coinbase.click()
  await page.waitForURL('**/tx/*')
  await page.locator('.badge[data-level="header"]').waitFor()
  judge('transaction: its place in the chain is proven by the tab', true)
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save proof' }).click()])
  const proof = await download.path()
  await browser.check('transaction')
  await otherPage(node, page)

  await page.goto(`${node.url}/verify`)
  await page.locator('input[type=file]').setInputFiles(proof)
  await page.getByText('The proof holds').waitFor()
  judge('verify: the saved proof holds', true)
  const text = await page.locator('textarea').inputValue()
  const altered = text.slice(0, 80) + (text[80] === '0' ? '1' : '0') + text.slice(81)
  await page.locator('textarea').fill(altered)
  await page.getByRole('button', { name: 'Check' }).click()
  await page.getByText('This proves nothing').waitFor()
  judge('verify: an altered proof is refused', true)
  await browser.check('verify')

  const wrong = sink.slice(0, 20) + (sink[20] === 'q' ? 'p' : 'q') + sink.slice(21)
  await search.fill(wrong)
  await search.press('Enter')
  await page.locator('.search mark').waitFor()
  const marked = await page.locator('.search .answer').innerText()
  judge('search: the mistyped character is pointed at', marked.includes('character 21'), marked)
  await search.fill(sink)
  await search.press('Enter')
  await page.waitForURL('**/address/*')
  await page.getByText('60.00').first().waitFor()
  judge('address: what it holds', true)
  await browser.check('address')

  for (const [name, path, sign] of [['mempool', '/mempool', 'What to pay'], ['charts', '/charts', 'Hash rate'], ['node', '/node', 'All well'], ['blocks', '/blocks', 'All blocks']]) {
    await page.goto(`${node.url}${path}`)
    await page.getByText(sign).first().waitFor()
    await browser.check(name)
  }

  await page.goto(`${node.url}/charts`)
  const fees = await page.getByRole('img', { name: /^Fees paid/ }).getAttribute('aria-label')
  judge('charts: what miners took in fees is drawn', /0\.00/.test(fees), fees)

  await page.goto(`${node.url}/about.html`)
  await browser.check('about')
  await page.getByRole('navigation').getByRole('link', { name: 'Documents' }).click()
  await page.getByRole('link', { name: 'Mine, pay, prove, in ten minutes' }).waitFor()
  await browser.check('documents')
  await page.getByRole('link', { name: 'Running a node' }).click()
  await page.getByRole('heading', { level: 1, name: 'Running a node' }).waitFor()
  await browser.check('document')
  await page.goto(`${node.url}/docs/downloads.html`)
  const downloads = await page.locator('main').innerText()
  judge('downloads: a node without any says how to have them', downloads.includes('cargo xtask web --downloads'), downloads)
  const missing = await fetch(`${node.url}/nothing.js`)
  judge('a file that is not there is 404', missing.status === 404, missing.status)
  await page.goto(`${node.url}/block/99999`)
  await page.locator('.notice.bad').waitFor()
  judge('block: one that is not there says so', true)
  browser.faults.splice(0)
}

/** From the page of one transaction to that of another, before the check of the first has ended. Of the second nothing can be checked. */
async function otherPage (node, page) {
  const coinbase = async (height) => (await node.get(`/api/v1/blocks/${height}/transactions`)).transactions[0].txid
  const [one, two] = [await coinbase(3), await coinbase(4)]
  let release
  const held = new Promise((resolve) => { release = resolve })
  await page.route(`**/${one}/proof`, async (route) => { await held; await route.continue() })
  await page.route(`**/${two}/proof`, (route) => route.fulfill({ status: 404, json: {} }))
  await page.goto(`${node.url}/tx/${one}`)
  await provenUpTo(page, 15)
  const search = page.getByRole('searchbox')
  await search.fill(two)
  await search.press('Enter')
  await page.waitForURL(`**/tx/${two}`)
  await page.locator('.badge[data-level="word"]').waitFor()
  const checked = page.waitForResponse((response) => response.url().endsWith(`${one}/raw`))
  release()
  await checked
  await page.waitForTimeout(1_000)
  const level = await page.locator('.badge').first().getAttribute('data-level')
  judge('transaction: what was checked for another one does not count', level === 'word', level)
  await page.unrouteAll()
}

/** The address of the block that pays whoever it likes. */
async function someAddress (node) {
  const { address_prefix: prefix } = await node.get('/api/v1/chain')
  const blocks = await node.get('/api/v1/blocks/0/transactions')
  const address = blocks.transactions[0].outputs[0].address
  judge('the chain says where the first coins went', address.startsWith(prefix), address)
  return address
}
