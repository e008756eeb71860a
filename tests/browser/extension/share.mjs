// Documents of the extension share one client and one wallet: two tabs and the document that stays; what is taken back, and what locks itself.
import { PASSPHRASE, go, send } from '../app/wallet.mjs'
import { provenUpTo, until } from '../app/harness.mjs'
import { judge } from '../support/judge.mjs'
import { click } from './harness.mjs'

const UNAUTHORIZED = 4100
const DISCONNECTED = 4900
/** A minute without a touch, the shortest that can be chosen, and a little. */
const LOCK_MS = 100_000

export async function share (scene, site, second) {
  const { node, extension, other } = scene
  const [one, two] = [await extension.popup(), await extension.popup()]
  await one.getByTestId('balance').waitFor()
  await two.getByTestId('balance').waitFor()
  const { inbound } = await node.get('/api/v1/network')
  judge('two tabs and the extension: one client, with one connection to the node', inbound === 1, inbound)
  await send(one, other, '0.25')
  await go(two, 'History')
  await until('the other tab shows it', async () => (await two.getByTestId('payment').first().innerText()).includes('0.25'))
  await node.mine(1, other)
  const { tip } = await node.get('/api/v1/chain')
  for (const page of [one, two]) {
    await provenUpTo(page, tip.height)
    await page.getByTestId('payment').first().locator('.badge[data-level="filter"]').waitFor()
  }
  judge('two tabs and the extension: what one pays, all show, and all see it proven', true)

  await payAndClose(scene)
  await stopScripts(scene, site, one)
  await hearStill(extension, site, one)
  await comeBack(site, second, one)
  await revoke(extension, site, one)
  await lock(scene, site, one, two)
  await leave(scene, second)
  await lockItself(site, second, one, two)
  await another(scene, second)
  await loseDocument(scene, second)
  await otherNodes(scene, site)
  await otherChain(scene, second)
}

/** A popup closes whenever something else is clicked: what it has just signed is out, and is noted. */
async function payAndClose ({ node, extension, other }) {
  const page = await extension.popup()
  await page.getByTestId('balance').waitFor()
  await go(page, 'Send')
  await page.getByLabel('To', { exact: true }).fill(other)
  await page.getByLabel('Amount in QBTC').fill('0.125')
  await page.getByRole('button', { name: 'Review' }).click()
  await page.getByRole('button', { name: 'Sign and send' }).click()
  await page.close()
  const again = await extension.popup()
  await again.getByTestId('balance').waitFor()
  await go(again, 'History')
  await until('the payment is noted', async () => (await again.getByTestId('payment').first().innerText()).includes('0.125'))
  await until('the node has it', async () => (await node.get('/api/v1/mempool')).transactions === 1)
  judge('a popup that closes while it pays: the payment is out, and noted', true)
  await node.mine(1, other)
  await again.getByTestId('payment').first().locator('.badge[data-level="filter"]').waitFor()
  await again.close()
}

/** The browser stops the service worker whenever it likes. */
async function stopScripts ({ node, extension, other }, site, page) {
  const tools = await extension.context.newCDPSession(page)
  await tools.send('ServiceWorker.enable')
  const outputs = [{ address: other, amount: '0.1' }]
  for (const [yes, method, params] of [['Sign', 'qbtc_signMessage', { message: 'x' }], ['Sign and send', 'qbtc_sendTransaction', { outputs }]]) {
    const waits = site.ask(method, params)
    const window = await extension.question()
    await window.getByRole('button', { name: yes, exact: true }).waitFor()
    await tools.send('ServiceWorker.stopAllWorkers')
    const { code } = await waits
    judge('scripts stopped: a site that waits is told', code === DISCONNECTED, code)
    await click(yes)(window)
    await window.getByText('This question is over').waitFor()
    await window.close()
    const waiting = await node.rpc('getrawmempool')
    judge(`scripts stopped: “${yes}” says that the question is over, and does nothing`, JSON.parse(waiting).length === 0, waiting)
  }
  const { result } = await site.ask('qbtc_accounts')
  judge('scripts stopped: the site is still connected, and the wallet still open', result?.length === 1, result)
}

/** Ends the ports of all sites. */
async function stopAll (extension, page) {
  const tools = await extension.context.newCDPSession(page)
  await tools.send('ServiceWorker.enable')
  await tools.send('ServiceWorker.stopAllWorkers')
  await tools.detach()
}

const heard = (site) => site.page.evaluate(() => window.parts.accounts())

/** A site that does not call, while its port has ended, is told all the same, and once. */
async function hearStill (extension, site, page) {
  const { length } = await heard(site)
  await stopAll(extension, page)
  await go(page, 'Overview')
  await click('Lock')(page)
  await until('the site is told', async () => (await heard(site)).length > length)
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await stopAll(extension, page)
  await click('Unlock')(page)
  await until('the site is told again', async () => (await heard(site)).at(-1)?.length === 1)
  const [locked, open, ...more] = (await heard(site)).slice(length)
  judge('scripts stopped: a quiet site hears that the wallet is locked, and open', locked?.length === 0 && open?.length === 1, [locked, open])
  // Another change that is none for it: it comes again, and is told nothing.
  await stopAll(extension, page)
  await page.evaluate(() => chrome.runtime.sendMessage({ to: 'background', what: 'accounts' }))
  const { result } = await site.ask('qbtc_accounts')
  const last = (await heard(site)).slice(length)
  judge('scripts stopped: and nothing twice', more.length === 0 && last.length === 2 && result?.length === 1, last)
}

/** A page that the browser keeps while the user is on another one, and that then goes on as it was. */
async function comeBack (site, second, page) {
  const { length } = await heard(site)
  await site.page.goto(second.server.url)
  await page.getByRole('link', { name: 'Wallet' }).click()
  await go(page, 'Overview')
  await click('Lock')(page)
  await page.getByLabel('Passphrase').waitFor()
  await site.page.evaluate(() => setTimeout(() => history.back()))
  await site.page.waitForFunction(() => window.hasReturned)
  await until('the site is told', async () => (await heard(site)).length > length)
  judge('a page that comes back hears what it has missed', (await heard(site)).at(-1).length === 0)
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await click('Unlock')(page)
  await until('the site is told again', async () => (await heard(site)).at(-1)?.length === 1)
  judge('a page that comes back is served', (await site.ask('qbtc_accounts')).result?.length === 1)
}

async function revoke (extension, site, page) {
  await page.getByRole('link', { name: 'Sites' }).click()
  await page.getByTestId('sites').getByText(site.origin).waitFor()
  await extension.check(page, 'sites')
  await click('Disconnect')(page)
  await page.getByText('No site is connected').waitFor()
  await until('the site is told', () => site.page.evaluate(() => window.parts.accounts().at(-1)?.length === 0))
  const { code } = await site.ask('qbtc_getBalance')
  judge('revoke: the site is told, and sees nothing any more', code === UNAUTHORIZED && (await site.ask('qbtc_accounts')).result.length === 0, code)
}

async function lock ({ extension }, site, one, two) {
  await one.getByRole('link', { name: 'Wallet' }).click()
  await go(one, 'Overview')
  await click('Lock')(one)
  await two.getByLabel('Passphrase').waitFor()
  judge('lock: it locks all documents', true)
  await extension.check(two, 'locked')
  const allowed = await site.askUser('qbtc_requestAccounts', undefined, async (window) => {
    await window.getByLabel('Passphrase').waitFor()
    await extension.check(window, 'approve-locked')
    await window.getByLabel('Passphrase').fill('not the passphrase')
    await click('Unlock')(window)
    await window.getByText('This is not the passphrase').waitFor()
    await window.getByLabel('Passphrase').fill(PASSPHRASE)
    await click('Unlock')(window)
    await click('Connect')(window)
  })
  judge('lock: a window that asks unlocks first', allowed.result?.length === 1, allowed)
  await two.getByTestId('balance').or(two.getByTestId('payment')).first().waitFor()
  judge('lock: and then all documents are open', true)
  const { result } = await site.ask('qbtc_getBalance')
  judge('lock: and the site is served at once', result?.level !== undefined, result)
}

/** A page that goes takes its question along. */
async function leave ({ extension }, second) {
  const asked = second.ask('qbtc_requestAccounts').catch(() => 'gone')
  await extension.question()
  await second.page.close()
  await asked
  await until('the window closes', () => extension.questions().length === 0)
  judge('leave: a page that goes takes its question along', true)
  await second.reopen()
}

/** With everything closed, the document that nobody sees counts the minutes. */
async function lockItself (site, second, one, two) {
  await go(one, 'Settings')
  await one.getByLabel('Without a touch, lock after').selectOption('1')
  const refused = await second.askUser('qbtc_requestAccounts', undefined, click('Refuse'))
  judge('another site is asked about by itself', refused.code === 4001, refused)
  judge('lock: until then the site sees the account', (await site.ask('qbtc_accounts')).result?.length === 1)
  await one.close()
  await two.close()
  await until('the site is told', () => site.page.evaluate(() => window.parts.accounts().at(-1)?.length === 0), LOCK_MS)
  const { code } = await site.ask('qbtc_getBalance')
  judge('lock: untouched, with every window closed, the wallet locks itself, and sites see nothing', code === UNAUTHORIZED, code)
}

/** Another day: the browser was closed. */
async function another ({ extension, node, other }, second) {
  await extension.restart()
  await second.reopen()
  const page = await extension.popup()
  await page.getByLabel('Passphrase').waitFor()
  judge('restart: the wallet is there, and locked', true)
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await click('Unlock')(page)
  await page.getByTestId('balance').waitFor()
  await node.mine(1, other)
  const { tip } = await node.get('/api/v1/chain')
  await provenUpTo(page, tip.height)
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  judge('restart: unlocked, it goes on where it was, and proves', true)
  const accounts = (await second.ask('qbtc_accounts')).result
  judge('restart: a site that was never connected still sees nothing', accounts?.length === 0, accounts)
  // A document that stays open would open the wallet again for those that are made anew.
  await page.close()
}

/** The document that holds the connections is gone, as the browser may have it: the next that needs it makes it anew. */
async function loseDocument ({ extension, node, other }, site) {
  const chain = (await site.ask('qbtc_chainId')).result
  const page = await extension.popup()
  await page.getByTestId('balance').waitFor()
  const [worker] = extension.context.serviceWorkers()
  await worker.evaluate(() => chrome.offscreen.closeDocument())
  judge('document lost: a site is answered all the same', (await site.ask('qbtc_chainId')).result === chain)
  await node.mine(1, other)
  const { tip } = await node.get('/api/v1/chain')
  await provenUpTo(page, tip.height)
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  judge('document lost: the wallet goes on where it was, open, and proves', true)
  await page.close()
}

/** The user begins anew on the same chain. */
async function otherNodes ({ extension }, site) {
  const [page, beside] = [await extension.popup(), await extension.popup()]
  for (const each of [page, beside]) await each.getByTestId('balance').waitFor()
  await site.reopen()
  const before = (await site.ask('qbtc_accounts')).result
  await go(page, 'Settings')
  await choose(page, 'dev')
  await page.getByLabel('Passphrase').waitFor()
  await until('the site is told', async () => (await heard(site)).at(-1)?.length === 0)
  const chains = await site.page.evaluate(() => window.parts.chains())
  judge('nodes: a site is told that the wallet is locked, and of no other chain', before?.length === 1 && chains.length === 0, { before, chains })
  await beside.getByLabel('Passphrase').waitFor()
  judge('nodes: another popup that was open is locked too', true)
  await beside.close()
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await click('Unlock')(page)
  await page.getByTestId('balance').waitFor()
  await page.close()
}

/** The user chooses another chain, and comes back. Meanwhile the site's port has ended. */
async function otherChain ({ extension }, site) {
  const first = (await site.ask('qbtc_chainId')).result
  const page = await extension.popup()
  await page.getByTestId('balance').waitFor()
  await go(page, 'Settings')
  await stopAll(extension, page)
  await choose(page, 'local')
  await page.getByRole('button', { name: 'Create a wallet' }).waitFor()
  judge('chain: another has another wallet', true)
  const told = await until('the site is told', () => site.page.evaluate(() => window.parts.chains().at(-1)))
  judge('chain: a site is told of another', told !== first && told === (await site.ask('qbtc_chainId')).result, told)
  await page.getByText('Another chain, or other nodes').click()
  await extension.check(page, 'another-chain')
  await choose(page, 'dev')
  await page.getByLabel('Passphrase').waitFor()
  judge('chain: back on the first, its wallet is there', true)
  await until('the site is told', () => site.page.evaluate((id) => window.parts.chains().at(-1) === id, first))
  judge('chain: and the site is told', true)
  await page.close()
}

async function choose (page, chain) {
  await page.getByLabel('Chain').selectOption(chain)
  await click('Begin anew with these')(page)
}
