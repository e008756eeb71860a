// Three nodes of which two lie: the tab shows the truth. And a liar alone: it says that it cannot.
import { until } from './harness.mjs'
import { judge } from '../support/judge.mjs'
import { Peer } from '../support/programs.mjs'
import { go, restore } from './wallet.mjs'

const LIES = ['work', 'filters', 'blocks', 'hidden', 'proof']
/** From so many blocks on, work is shown by a proof, and not by all headers. */
const PROOF_FROM = 1_100

/** With a wallet that has these words, and coins on the chain of this node. */
export async function liars (node, browser, words) {
  const other = (await node.get('/api/v1/blocks/0/transactions')).transactions[0].outputs[0].address
  for (let height = Number(await node.rpc('getblockcount')); height < PROOF_FROM; height += 100) await node.mine(100, other)
  const page = await restored(node, browser, [node.address], words)
  await page.locator('.balance .badge[data-level="filter"]').waitFor()
  const balance = await page.getByTestId('balance').innerText()
  for (const lie of LIES) {
    await beside(lie, node, browser, words, balance)
    await alone(lie, node, browser, words, balance)
  }
}

/** A profile that knows nothing, and that is told these nodes and no other way to the one that serves it, gets a wallet from its words. */
export async function restored (node, browser, addresses, words) {
  const page = await browser.fresh()
  await browser.context.route('**/api/v1/network', async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: { ...await answer.json(), dials: addresses, peer_id: null } })
  })
  await restore(page, node.url, words)
  await page.getByTestId('balance').waitFor()
  return page
}

async function beside (lie, node, browser, words, balance) {
  const liars = [await Peer.lying(node, lie), await Peer.lying(node, lie)]
  try {
    const page = await restored(node, browser, [...liars, node].map(({ address }) => address), words)
    await until('the true balance', async () => (await page.getByTestId('balance').innerText()) === balance)
    await page.locator('.balance .badge[data-level="filter"]').waitFor()
    const told = () => liars.map(({ lies = 0 }) => lies)
    // Whoever names most work is heard first. Whether the others were asked for what they lie about is chance here; `alone` leaves no choice.
    if (lie === 'work') await until('both liars are asked', () => told().every((lies) => lies > 0))
    judge(`two of three nodes lie about ${lie}: the tab proves the truth`, true, { lies: told() })
  } finally {
    for (const liar of liars) await liar.stop()
  }
}

/** The only node lies, and is asked for what it lies about. Then the user names an honest one. */
async function alone (lie, node, browser, words, balance) {
  const liar = await Peer.lying(node, lie)
  try {
    const page = await restored(node, browser, [liar.address], words)
    const doubts = await until('that nothing more is known is said', async () => {
      const told = await page.getByTestId('doubts').allInnerTexts()
      return told.find((text) => /No node can be asked now|No node gives what is needed/.test(text))
    })
    const isProven = await page.locator('.balance .badge[data-level="filter"]').count() > 0
    judge(`the only node lies about ${lie}: nothing is called proven`, liar.lies > 0 && !isProven, doubts)
    await browser.shoot(`wallet-liar-${lie}`)
    await go(page, 'Settings')
    await page.getByLabel('Address of a node').fill(node.address)
    await page.getByRole('button', { name: 'Add a node' }).click()
    await page.getByText('It is asked as soon as a node is wanted').waitFor()
    await go(page, 'Overview')
    await page.locator('.balance .badge[data-level="filter"]').waitFor()
    await until('the true balance', async () => (await page.getByTestId('balance').innerText()) === balance)
    judge(`and once an honest node is named beside the one that has lied about ${lie}, the truth is proven`, true)
  } finally {
    await liar.stop()
  }
}
