// The wallet of wallet.mjs, open in a tab, when what is around it goes and comes back: the node, the web server, another tab. And a node that no
// browser can reach.
import { Node, provenUpTo, until } from './harness.mjs'
import { judge } from '../support/judge.mjs'
import { UNKEPT, fill } from './storage.mjs'
import { PASSPHRASE, go, send } from './wallet.mjs'

export async function light (node, browser) {
  const other = (await node.get('/api/v1/blocks/0/transactions')).transactions[0].outputs[0].address
  const height = async () => Number(await node.rpc('getblockcount'))
  await comeBack(node, browser, other, height)
  await twoTabs(node, browser, other, height)
  await withoutWebServer(node, browser, other, height)
  await wordOnly(browser)
}

async function unlock (page) {
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Unlock' }).click()
}

/** The newest payment has a confirmation, and is proven. */
async function proven (page, amount) {
  const newest = page.getByTestId('payment').first()
  await until(`the payment of ${amount} is confirmed`, async () => (await newest.getByTestId('confirmations').count()) === 1 && (await newest.innerText()).includes(amount))
  await newest.locator('.badge[data-level="filter"]').waitFor()
}

async function comeBack (node, browser, other, height) {
  const { page } = browser
  await go(page, 'Settings')
  await until('the node is in the list', async () => (await page.getByTestId('nodes').innerText()).includes('/webrtc-direct/'))
  judge('settings: the node is listed with its address', true)
  await browser.check('wallet-nodes')
  await go(page, 'Overview')
  await node.kill()
  await until('the node is missed', async () => (await page.getByTestId('proven').innerText()).includes('has no node'))
  await until('the balance is said to be old', async () => (await page.getByTestId('doubts').innerText()).includes('No node can be asked now'))
  judge('a killed node is missed, and the balance is said to be old', true)
  await browser.shoot('wallet-alone')
  await node.run()
  await node.mine(1, other)
  await provenUpTo(page, await height())
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  await until('the balance is at the tip', async () => (await page.getByTestId('as-of').innerText()).startsWith(`As of block ${await height()}`))
  judge('when it runs again, the tab comes back by itself', true)
  browser.faults.splice(0)
}

async function twoTabs (node, browser, other, height) {
  const first = browser.page
  const second = await browser.tab()
  await second.goto(`${node.url}/wallet`)
  await unlock(second)
  await provenUpTo(second, await height())
  await go(second, 'Settings')
  await second.getByText('Another tab of this app. When that one').waitFor()
  await go(first, 'Settings')
  await first.getByText('This tab. When it closes').waitFor()
  judge('two tabs: one runs the light client, both see what it proves', true)

  await spendOnce(node, first, second, other, height)
  await send(second, other, '0.25')
  await go(first, 'History')
  await until('the first tab shows the payment', async () => (await first.getByTestId('payment').first().innerText()).includes('0.25'))
  judge('two tabs: what one pays, the other shows', true)
  await node.mine(1, other)
  await proven(first, '0.25')
  await proven(second, '0.25')
  judge('two tabs: both see it proven', true)

  for (const [leading, next] of [[first, second], [second, first]]) {
    await leading.evaluate(() => document.dispatchEvent(new Event('freeze')))
    await go(next, 'Settings')
    await next.getByText('This tab. When it closes').waitFor()
    await leading.evaluate(() => document.dispatchEvent(new Event('resume')))
  }
  await node.mine(1, other)
  for (const tab of [first, second]) await provenUpTo(tab, await height())
  judge('two tabs: one that is about to be frozen lets the other lead, and follows when it goes on', true)

  await hanging(node, browser, { first, second, other, height })

  await first.close()
  await node.mine(1, other)
  await provenUpTo(second, await height())
  await go(second, 'Settings')
  await second.getByText('This tab. When it closes').waitFor()
  judge('two tabs: when the leading one closes, the other goes on', true)
  await send(second, other, '0.5')
  await node.mine(1, other)
  await proven(second, '0.5')
  judge('two tabs: the one that is left pays, and sees it proven', true)
  await browser.check('wallet-after-hand-over')
}

/** A payment that was looked at in one tab while the other sent one of the same coins does not take its place. */
async function spendOnce (node, first, second, other, height) {
  await go(first, 'Receive')
  const own = await first.getByTestId('address').getAttribute('data-address')
  await go(first, 'Overview')
  // Two of these cannot both be paid.
  const most = (Number((await first.getByTestId('balance').innerText()).split(' ')[0]) * 0.6).toFixed(4)
  await go(first, 'Send')
  await first.getByLabel('To', { exact: true }).fill(other)
  await first.getByLabel('Amount in QBTC').fill(most)
  await first.getByRole('button', { name: 'Review' }).click()
  await first.getByText('This will happen').waitFor()
  await send(second, own, most)
  const waiting = () => node.get('/api/v1/mempool/transactions').then(({ transactions }) => transactions.map(({ txid }) => txid))
  const [sent] = await until('the payment waits', async () => (await waiting()).length === 1 && waiting())
  await first.getByRole('button', { name: 'Sign and send' }).click()
  await first.getByText('Another payment has spent the same coins').waitFor()
  judge('two tabs: what one has shown does not replace what the other has sent since', (await waiting()).join() === sent)
  await node.mine(1, other)
  await provenUpTo(first, await height())
  await until('nothing waits', async () => (await waiting()).length === 0)
}

/** The tab that leads and keeps the wallet stands still without a word, as one that a debugger holds, and goes on much later. The other's disk is full meanwhile. */
async function hanging (node, browser, { first, second, other, height }) {
  const leads = (tab) => tab.getByText('This tab. When it closes').isVisible()
  const [hung, next] = await until('one of the tabs leads', async () => (await leads(first) && [first, second]) || (await leads(second) && [second, first]))
  // Whoever has it open all along keeps the wallet.
  await go(next, 'Overview')
  await next.getByRole('button', { name: 'Lock' }).click()
  await unlock(next)
  await go(next, 'Settings')
  const debug = await browser.context.newCDPSession(hung)
  await debug.send('Debugger.enable')
  const paused = new Promise((resolve) => debug.once('Debugger.paused', resolve))
  await debug.send('Debugger.pause')
  await paused
  await fill(next, true)
  await next.getByText('This tab. When it closes').waitFor()
  await next.getByText(UNKEPT).waitFor()
  judge('two tabs: one that hangs is overtaken', true)
  await fill(next, false)
  await node.mine(1, other)
  await provenUpTo(next, await height())
  await send(next, other, '0.35')
  await node.mine(1, other)
  await proven(next, '0.35')
  judge('two tabs: whoever has overtaken it pays, and sees it proven', true)
  await debug.send('Debugger.resume')
  await debug.detach()
  await hung.getByText('Another tab of this app. When that one').waitFor()
  await go(hung, 'History')
  await proven(hung, '0.35')
  judge('two tabs: when it goes on, it follows, and shows what was done meanwhile', true)
  await node.mine(1, other)
  await go(next, 'Overview')
  await until('the balance is at the tip', async () => (await next.getByTestId('as-of').innerText()).startsWith(`As of block ${await height()}`))
  judge('two tabs: and the one that has overtaken it goes on', true)
  await next.reload()
  await unlock(next)
  await go(next, 'History')
  await proven(next, '0.35')
  judge('two tabs: and has written nothing over it', true)
}

async function withoutWebServer (node, browser, other, height) {
  const { page } = browser
  await node.front.stop()
  await send(page, other, '0.75')
  await node.mine(1, other)
  await proven(page, '0.75')
  await provenUpTo(page, await height())
  judge('with the web server stopped, a payment is sent and proven over WebRTC', true)
  const [download] = await Promise.all([
    page.waitForEvent('download'), page.getByTestId('payment').first().getByRole('button', { name: 'Save proof' }).click()
  ])
  judge('with the web server stopped, its proof is saved', (await download.suggestedFilename()).endsWith('.hex'))
  await page.getByRole('link', { name: 'Check a proof' }).click()
  await page.locator('input[type=file]').setInputFiles(await download.path())
  await page.getByText('The proof holds').waitFor()
  judge('with the web server stopped, the saved proof is checked', true)
  await page.getByRole('navigation').getByRole('link', { name: 'Wallet', exact: true }).click()
  await go(page, 'Overview')
  await page.getByRole('button', { name: 'Lock' }).click()
  await unlock(page)
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  judge('with the web server stopped, the wallet is locked and opened', true)
  await node.front.start(node.front.port)
  browser.faults.splice(0)
}

/** A node without WebRTC: what it says is its word, and is said to be. */
async function wordOnly (browser) {
  const node = await Node.start({ isReachable: false })
  try {
    const other = (await node.get('/api/v1/blocks/0/transactions')).transactions[0].outputs[0].address
    const page = await browser.fresh()
    await page.goto(`${node.url}/wallet`)
    await page.getByRole('button', { name: 'Create a wallet' }).click()
    await page.getByLabel('Passphrase').fill(PASSPHRASE)
    await page.getByLabel('The same again').fill(PASSPHRASE)
    await page.getByRole('button', { name: 'Create a wallet' }).click()
    const address = await page.getByTestId('address').getAttribute('data-address')
    await node.mine(1, address)
    await node.mine(12, other)
    await go(page, 'Overview')
    await until('the balance is there', async () => (await page.getByTestId('balance').innerText()).startsWith('4.00'))
    await page.locator('.balance .badge[data-level="word"]').waitFor()
    await page.getByText('No node can be reached over WebRTC').waitFor()
    judge('without WebRTC: the balance is the node’s word, and is said to be', true)
    await browser.check('wallet-word')
    await page.goto(`${node.url}/block/1`)
    await page.locator('.badge[data-level="block"]').waitFor()
    judge('without WebRTC: a block is checked, but not proven', true)
  } finally {
    await node.stop()
  }
}
