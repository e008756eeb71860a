// The network is gone: no datagram gets to the node or back, the web server is not there, and the browser says that it is offline. Then it is back.
import { Wire, until } from './harness.mjs'
import { restored } from './liars.mjs'
import { judge } from '../support/judge.mjs'
import { go, send } from './wallet.mjs'

/** With a wallet that has these words, and coins on the chain of this node. */
export async function offline (node, browser, words) {
  const other = (await node.get('/api/v1/blocks/0/transactions')).transactions[0].outputs[0].address
  const wire = await Wire.to(node.address)
  try {
    const page = await restored(node, browser, [wire.address], words)
    await page.locator('.balance .badge[data-level="filter"]').waitFor()
    const asOf = async () => (await page.getByTestId('as-of').innerText()).split('.')[0]
    const before = await asOf()

    wire.isCut = true
    await node.front.stop()
    await browser.context.setOffline(true)
    await until('the node is missed', async () => (await page.getByTestId('proven').innerText()).includes('has no node'))
    await until('the balance is said to be old', async () => (await page.getByTestId('doubts').innerText()).includes('No node can be asked now'))
    judge('offline: that no node can be asked is said, and the balance stays as of its block', await asOf() === before, await asOf())
    await send(page, other, '0.15')
    const newest = page.getByTestId('payment').first()
    await newest.getByText('Waiting', { exact: true }).waitFor()
    await page.getByTestId('doubts').getByText('handed in once a node answers').waitFor()
    judge('offline: a payment is signed and kept, and nobody has it', (await newest.innerText()).includes('0.15') && (await waiting(node)).length === 0)
    await browser.check('wallet-offline')

    wire.isCut = false
    await node.front.start(node.front.port)
    await browser.context.setOffline(false)
    await until('the payment is handed in', async () => (await waiting(node)).length === 1)
    judge('back: what was paid meanwhile is handed in by itself', true)
    await node.mine(1, other)
    await newest.locator('.badge[data-level="filter"]').waitFor()
    await go(page, 'Overview')
    await page.locator('.balance .badge[data-level="filter"]').waitFor()
    judge('back: it is mined, and proven by the tab', await asOf() !== before, await asOf())
    browser.faults.splice(0)
  } finally {
    await browser.context.setOffline(false)
    wire.cut()
  }
}

const waiting = async (node) => JSON.parse(await node.rpc('getrawmempool'))
