// A site that asks: refused, allowed, told the balance, given a signature, paid from; then one that floods.
import { until } from '../app/harness.mjs'
import { judge } from '../support/judge.mjs'
import { click } from './harness.mjs'

const REFUSED = 4001
const UNAUTHORIZED = 4100
const LIMIT = -32005
const MESSAGE = 'I am the one who asks.\nNothing is \u202ehidden.'

export async function ask (scene, site) {
  const { node, extension, other } = scene
  const found = await site.page.evaluate(() => window.parts.found())
  judge('site: it finds the wallet by event', found.length === 1 && found[0].name === 'qBTC wallet' && found[0].isQbtc && found[0].isGlobal, found.map(({ rdns }) => rdns))
  judge('site: a frame in it finds none', (await site.page.evaluate(() => window.parts.frame())) === false)
  await connect(scene, site)

  const { result: balance } = await site.ask('qbtc_getBalance')
  judge('site: it is told the balance, and how sure it is', balance?.confirmed === '8' && balance.level === 'filter' && balance.height === balance.tip, balance)

  const signed = await site.askUser('qbtc_signMessage', { message: MESSAGE }, async (window) => {
    const text = await window.getByTestId('message').innerText()
    judge('sign: the window shows the text, with nothing in it hidden', text.includes('I am the one who asks.') && text.includes('⟨U+202E⟩'), text)
    await extension.check(window, 'approve-sign')
    await click('Sign')(window)
  })
  const { address, signature } = signed.result ?? {}
  judge('sign: the site gets a signature of the address that it sees', address === scene.account && signature?.length > 100, address)
  const verified = await node.rpc('verifymessage', address, signature, MESSAGE)
  judge('sign: the node finds that it holds', verified === 'true', verified)
  const foreign = await site.askUser('qbtc_signMessage', { message: 'x', address: other }, async (window) => {
    await click('Sign')(window)
    await window.getByText('This is not an address of the account').waitFor()
    await click('Close and tell the site')(window)
  })
  judge('sign: not as somebody else', foreign.code === -32000, foreign)

  await pay(scene, site)
  await flood(extension, site)
}

async function connect (scene, site) {
  const { node, extension, address } = scene
  const { chain_id: chainId } = await node.get('/api/v1/chain')
  judge('site: it learns the chain before it is connected', (await site.ask('qbtc_chainId')).result === chainId, chainId)
  judge('site: and no account', (await site.ask('qbtc_accounts')).result?.length === 0)
  for (const [method, params] of [['qbtc_getBalance'], ['qbtc_signMessage', { message: 'x' }], ['qbtc_sendTransaction', { outputs: [{ address, amount: '1' }] }]]) {
    const { code } = await site.ask(method, params)
    judge(`site: not connected, ${method} is refused without a question`, code === UNAUTHORIZED && extension.questions().length === 0, code)
  }
  const refused = await site.askUser('qbtc_requestAccounts', undefined, async (window) => {
    const shown = await window.getByTestId('origin').innerText()
    judge('connect: the window shows who asks', shown === site.origin, shown)
    judge('connect: and on which chain', (await window.getByTestId('chain').innerText()) === 'dev')
    await extension.check(window, 'approve-connect')
    await click('Refuse')(window)
  })
  judge('connect: a no is 4001', refused.code === REFUSED, refused)
  judge('connect: and leaves nothing', (await site.ask('qbtc_accounts')).result?.length === 0)
  const closed = await site.askUser('qbtc_requestAccounts', undefined, (window) => window.close())
  judge('connect: a closed window is a no', closed.code === REFUSED, closed)
  const allowed = await site.askUser('qbtc_requestAccounts', undefined, async (window) => {
    scene.account = (await window.locator('.address-groups').innerText()).replace(/\s/g, '')
    const pressed = await window.waitForFunction(() => window.arming.Connect?.armed && window.arming.Connect)
    const { shown, armed } = await pressed.jsonValue()
    judge('connect: a yes can be said only once the window has been there for a while', armed - shown > 600, { shown, armed })
    await click('Connect')(window)
  })
  judge('connect: a yes gives the address that the window shows', allowed.result?.[0] === scene.account && scene.account.startsWith('dbqs1'), allowed)
  judge('connect: and is remembered', (await site.ask('qbtc_requestAccounts')).result?.[0] === scene.account && extension.questions().length === 0)
}

async function pay ({ node, extension, other }, site) {
  const outputs = [{ address: other, amount: '1.5' }]
  const refused = await site.askUser('qbtc_sendTransaction', { outputs }, click('Refuse'))
  judge('pay: a no is 4001', refused.code === REFUSED, refused)
  const beyond = await site.askUser('qbtc_sendTransaction', { outputs: [{ address: other, amount: '1000' }] }, async (window) => {
    await window.getByText('more than you have').waitFor()
    await extension.check(window, 'approve-beyond')
    await click('Close and tell the site')(window)
  })
  judge('pay: more than there is, is told to both', beyond.code === -32000, beyond)
  const sent = await site.askUser('qbtc_sendTransaction', { outputs }, async (window) => {
    const effect = await window.getByTestId('effect').innerText()
    const shown = (await window.getByTestId('effect').locator('.address-groups').innerText()).replace(/\s/g, '')
    judge('pay: the window shows the whole address', shown === other, shown)
    judge('pay: the amount, the fee and what leaves the wallet', /1\.50 QBTC/.test(effect) && /Fee/.test(effect) && /Leaves your wallet\s+1\.50\d+ QBTC/.test(effect), effect)
    await extension.check(window, 'approve-pay')
    await click('Sign and send')(window)
  })
  const txid = sent.result?.txid
  judge('pay: a yes gives the id, and says that a node has it', /^[0-9a-f]{64}$/.test(txid) && sent.result.isTaken === true, sent)
  const waiting = JSON.parse(await node.rpc('getrawmempool'))
  judge('pay: the node has it', waiting.includes(txid), waiting)
  await node.mine(1, other)
  const popup = await extension.popup()
  await popup.locator('.tabs').getByRole('link', { name: 'History' }).click()
  const newest = popup.getByTestId('payment').first()
  await newest.locator('.badge[data-level="filter"]').waitFor()
  judge('pay: mined, the popup shows it proven', (await newest.innerText()).includes('1.50'))
  await extension.check(popup, 'history')
  await popup.close()
  const { result } = await site.ask('qbtc_getBalance')
  judge('pay: the site is told the new balance', Number(result?.confirmed) < 6.5 && Number(result?.confirmed) > 6.4, result)
}

async function flood (extension, site) {
  const calls = await site.page.evaluate(() => window.parts.flood('qbtc_getBalance', 2000))
  judge('flood: most of two thousand calls at once are turned away', calls[LIMIT] > 1900 && calls[0] > 0 && calls[0] + calls[LIMIT] === 2000, calls)
  await until('the site is served again', async () => (await site.ask('qbtc_accounts')).result?.length === 1)
  judge('flood: a moment later the site is served again', true)
  const many = site.page.evaluate(() => Promise.all(Array.from({ length: 20 }, () => window.parts.ask('qbtc_signMessage', { message: 'again' }))))
  const window = await extension.question()
  judge('flood: twenty questions open one window', extension.questions().length === 1)
  await click('Refuse')(window)
  const codes = (await many).map(({ code }) => code)
  judge('flood: the others are turned away', codes.filter((code) => code === REFUSED).length === 1 && codes.filter((code) => code === LIMIT).length === 19, codes)
  await until('the window closes', () => extension.questions().length === 0)
}
