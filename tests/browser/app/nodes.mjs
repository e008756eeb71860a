// A node that the user names, in the settings of an open wallet.
import { Node, until } from './harness.mjs'
import { judge } from '../support/judge.mjs'
import { go } from './wallet.mjs'

export async function nodes (node, browser) {
  const { page } = browser
  const other = await Node.start()
  try {
    await go(page, 'Settings')
    const field = page.getByLabel('Address of a node')
    const add = async (address) => {
      await field.fill(address)
      await page.getByRole('button', { name: 'Add a node' }).click()
    }
    await add('somewhere')
    await page.getByText('This is no address of a node').waitFor()
    await add(`/ip4/127.0.0.1/tcp/8333/ws${node.address.slice(node.address.indexOf('/p2p/'))}`)
    await page.getByText('This is an address of WebSocket').waitFor()
    judge('settings: what is no address of a node is said', true)
    await add(other.address)
    await page.getByText('It is asked as soon as a node is wanted').waitFor()
    const id = other.address.slice(other.address.indexOf('/p2p/'))
    await until('the node is listed', async () => (await page.getByTestId('nodes').innerText()).includes(id))
    judge('settings: a node that is named is asked', true)
    await browser.check('wallet-node-added')
  } finally {
    await other.stop()
  }
}
