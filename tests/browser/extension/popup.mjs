// The popup: where to begin, a wallet, and a balance that the extension has proven by itself.
import { go, PASSPHRASE } from '../app/wallet.mjs'
import { provenUpTo, until } from '../app/harness.mjs'
import { judge } from '../support/judge.mjs'

export async function begin (scene) {
  const { node, extension, other } = scene
  const page = await extension.popup()
  await page.getByRole('heading', { name: 'Where to begin', level: 1 }).waitFor()
  await extension.check(page, 'begin')
  await page.getByLabel('Chain').selectOption('dev')
  await page.getByRole('button', { name: 'Begin' }).click()
  await page.getByText('name at least one').waitFor()
  const nodes = page.getByLabel('Nodes, one address a line')
  await nodes.fill('/ip4/127.0.0.1/udp/1')
  await page.getByRole('button', { name: 'Begin' }).click()
  await page.getByText('Line 1 is no address of a node').waitFor()
  judge('begin: what is wrong with an address is said', true)
  await nodes.fill((await node.get('/api/v1/network')).dials[0])
  await page.getByRole('button', { name: 'Begin' }).click()

  await page.getByRole('button', { name: 'Create a wallet' }).click()
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByLabel('The same again').fill(PASSPHRASE)
  await page.getByRole('button', { name: 'Create a wallet' }).click()
  const shown = page.getByTestId('address')
  await shown.waitFor()
  scene.address = await shown.getAttribute('data-address')
  await extension.check(page, 'receive')
  // Below what wants the words written down.
  await node.mine(2, scene.address)
  await node.mine(12, other)
  await provenUpTo(page, 14)
  await go(page, 'Overview')
  await until('the balance is there', async () => (await page.getByTestId('balance').innerText()).startsWith('8.00'))
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  judge('popup: the balance is there, and proven', true)
  await extension.check(page, 'overview')
  await go(page, 'Settings')
  await page.getByText('A document of the extension that stays').waitFor()
  judge('popup: the light client runs in the document that stays', true)
  await page.getByText('The browser keeps this wallet until the extension is removed').waitFor()
  judge('popup: it is said how long the browser keeps the wallet', true)
  await extension.check(page, 'settings')
  await page.reload()
  await page.getByRole('heading', { name: 'Settings' }).waitFor()
  judge('popup: loaded anew, it is where it was, and still open', true)
  await page.close()

  await node.mine(1, other)
  const again = await extension.popup()
  await again.getByTestId('balance').waitFor()
  judge('popup: closed and opened again, it wants no passphrase', true)
  await until('what was mined meanwhile is proven', async () => (await again.getByTestId('as-of').innerText()).startsWith('As of block 15'))
  judge('popup: while it was closed, the extension went on', true)
  await again.close()
  await button(extension)
}

/** The popup that the browser itself opens, at the extension's button. Playwright does not show it as a page. */
async function button (extension) {
  const worker = extension.context.serviceWorkers()[0]
  await worker.evaluate(() => chrome.action.openPopup())
  const documents = () => worker.evaluate(async () => (await chrome.runtime.getContexts({})).map(({ contextType, documentUrl }) => `${contextType} ${documentUrl}`))
  await until('the popup is at the wallet', async () => (await documents()).includes(`POPUP ${extension.origin}/wallet`))
  const hidden = (await documents()).filter((document) => document.startsWith('OFFSCREEN_DOCUMENT'))
  judge('popup: the extension’s button opens the wallet, and there is one hidden document', hidden.length === 1, hidden)
}
