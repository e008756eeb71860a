// Which page gets what, without a browser: `node --test tests/browser/extension/requests.test.mjs`.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { METHODS, MESSAGE_CHARS_MAX, OUTPUTS_MAX, checkCall } from '../../../www/extension/methods.js'
import { BURST, COOL_DOWN_MS, Pace, RATE_PER_S, REFUSALS_MAX } from '../../../www/extension/pace.js'
import { ORIGINS_MAX, Permissions, isEligible } from '../../../www/extension/permissions.js'
import { QUESTIONS_MAX, Requests } from '../../../www/extension/requests.js'

const PAGE = 'https://shop.example'

/** Storage as the extension's: everything is copied, and takes a turn. */
function storage() {
  let items = {}
  return {
    get: async key => structuredClone(key in items ? { [key]: items[key] } : {}),
    set: async changed => {
      await null
      items = { ...items, ...structuredClone(changed) }
    },
  }
}

function scene(overrides = {}) {
  const scene = { now: 0, calls: [], asked: [], changed: [] }
  scene.permissions = new Permissions(storage())
  scene.requests = new Requests({
    permissions: scene.permissions,
    wallet: {
      call: async method => {
        scene.calls.push(method)
        if (method !== 'accounts') return { method }
        return scene.isLocked ? [] : ['dbqs1account']
      },
    },
    ask: async id => void scene.asked.push(id),
    now: () => scene.now,
    changed: origin => scene.changed.push(origin),
    ...overrides,
  })
  scene.call = (method, params, origin = PAGE) => scene.requests.handle(origin, method, params)
  scene.asking = async count => {
    while (scene.asked.length < count) await new Promise(resolve => setImmediate(resolve))
    return scene.asked[count - 1]
  }
  scene.connect = async (origin = PAGE) => {
    const before = scene.asked.length
    const accounts = scene.call('qbtc_requestAccounts', undefined, origin)
    scene.requests.decide(await scene.asking(before + 1), { result: ['dbqs1account'] })
    return accounts
  }
  return scene
}

const code = number => error => error.code === number

test('a page sees nothing before the user has said yes', async () => {
  const { call, calls, permissions } = scene()
  assert.deepEqual(await call('qbtc_accounts'), [])
  assert.deepEqual(await call('wallet_getPermissions'), [])
  for (const [method, params] of [
    ['qbtc_getBalance'],
    ['qbtc_signMessage', { message: 'hello' }],
    ['qbtc_sendTransaction', { outputs: [{ address: 'dbqs1x', amount: '1' }] }],
  ]) {
    await assert.rejects(call(method, params), code(4100), method)
  }
  assert.deepEqual(calls, [])
  assert.equal(await permissions.has(PAGE), false)
})

test('a yes connects one origin, and no other', async () => {
  const { call, connect, changed } = scene()
  assert.deepEqual(await connect(), ['dbqs1account'])
  assert.deepEqual(await call('qbtc_accounts'), ['dbqs1account'])
  assert.deepEqual(await call('qbtc_accounts', undefined, 'https://other.example'), [])
  assert.deepEqual(await call('wallet_getPermissions'), [{ parentCapability: 'qbtc_accounts', invoker: PAGE }])
  assert.deepEqual(changed, [PAGE])
  // Asked again, it is connected already.
  assert.deepEqual(await call('qbtc_requestAccounts'), ['dbqs1account'])
})

test('a page that is connected finds a locked wallet empty, and may ask to have it unlocked', async () => {
  const stage = scene()
  await stage.connect()
  stage.isLocked = true
  assert.deepEqual(await stage.call('qbtc_accounts'), [])
  const asked = stage.call('qbtc_requestAccounts')
  stage.requests.decide(await stage.asking(2), { refused: true })
  await assert.rejects(asked, code(4001))
  // A no to that takes nothing back.
  assert.equal(await stage.permissions.has(PAGE), true)
})

test('a no is 4001, and leaves nothing', async () => {
  const { call, asking, requests, permissions } = scene()
  const asked = call('qbtc_requestAccounts')
  requests.decide(await asking(1))
  await assert.rejects(asked, code(4001))
  assert.equal(await permissions.has(PAGE), false)
})

test('a window that is closed is a no, unless the yes is being done', async () => {
  const { call, connect, asking, requests } = scene()
  await connect()
  const payment = { outputs: [{ address: 'dbqs1x', amount: '1' }] }
  const refused = call('qbtc_sendTransaction', payment)
  requests.closed(await asking(2))
  await assert.rejects(refused, code(4001))
  const begun = call('qbtc_sendTransaction', payment)
  const id = await asking(3)
  assert.equal(requests.begin(id), true)
  requests.closed(id)
  // It may be on its way: a page that heard of a no would ask again.
  await assert.rejects(begun, code(-32000))
  assert.equal(requests.begin(id), false)
  assert.equal(requests.closed(id), false)
})

test('what could not be done is told to the page that asked, should the window be closed', async () => {
  const { call, connect, asking, requests } = scene()
  await connect()
  const asked = call('qbtc_sendTransaction', { outputs: [{ address: 'dbqs1x', amount: '1' }] })
  const id = await asking(2)
  requests.begin(id)
  assert.equal(requests.failed(id, 'No node took it.'), true)
  requests.closed(id)
  await assert.rejects(asked, error => code(-32000)(error) && error.message === 'No node took it.')
  assert.equal(requests.failed(id, 'late'), false)
})

test('what is done on a second try is not told as the failure of the first, and is not asked about again', async () => {
  const { call, connect, asking, requests } = scene()
  await connect()
  const asked = call('qbtc_sendTransaction', { outputs: [{ address: 'dbqs1x', amount: '1' }] })
  const id = await asking(2)
  requests.begin(id)
  requests.failed(id, 'No node took it.')
  assert.equal(requests.question(id).id, id)
  requests.begin(id)
  assert.equal(requests.question(id), undefined)
  await assert.rejects(asked, error => code(-32000)(error) && error.message.startsWith('The window was closed while'))
})

test('each signature and each payment is asked about, with what the page gave and nothing more', async () => {
  const { call, connect, asking, requests, calls } = scene()
  await connect()
  const before = calls.length
  const signed = call('qbtc_signMessage', [{ message: 'hello' }])
  const id = await asking(2)
  assert.deepEqual(requests.question(id), { id, origin: PAGE, method: 'qbtc_signMessage', params: { message: 'hello' } })
  requests.decide(id, { result: { signature: 'x' } })
  assert.deepEqual(await signed, { signature: 'x' })
  assert.equal(requests.question(id), undefined)
  assert.equal(requests.decide(id, { result: 1 }), false)
  // The window did it; the wallet was not called behind its back.
  assert.equal(calls.length, before)
})

test('a window that is closed after a yes takes nothing back', async () => {
  const { call, connect, asking, requests } = scene()
  await connect()
  const sent = call('qbtc_sendTransaction', { outputs: [{ address: 'dbqs1x', amount: '1' }] })
  const id = await asking(2)
  let isReady
  const ready = new Promise(resolve => { isReady = resolve })
  assert.equal(requests.decide(id, { result: { txid: 'x' } }, ready), true)
  const early = await Promise.race([sent, new Promise(resolve => setImmediate(resolve, 'waits'))])
  assert.equal(early, 'waits')
  // The window, and then the page itself.
  assert.equal(requests.decide(id), false)
  assert.deepEqual(requests.gone(PAGE), [])
  isReady()
  assert.deepEqual(await sent, { txid: 'x' })
})

test('a window that is left over answers nothing that is asked later', async () => {
  const [before, after] = [scene(), scene()]
  before.call('qbtc_requestAccounts').catch(() => {})
  const left = await before.asking(1)
  const asked = after.call('qbtc_requestAccounts', undefined, 'https://other.example')
  const id = await after.asking(1)
  assert.notEqual(left, id)
  assert.equal(after.requests.question(left), undefined)
  assert.equal(after.requests.decide(left, { result: [] }), false)
  after.requests.decide(id)
  await assert.rejects(asked, code(4001))
})

test('a page has one question at a time, and all together a few', async () => {
  const { call, asking } = scene()
  const pending = []
  for (let page = 0; page < QUESTIONS_MAX; page += 1) {
    pending.push(call('qbtc_requestAccounts', undefined, `https://p${page}.example`))
  }
  await asking(QUESTIONS_MAX)
  await assert.rejects(call('qbtc_requestAccounts', undefined, 'https://p0.example'), code(-32005))
  await assert.rejects(call('qbtc_requestAccounts', undefined, 'https://late.example'), code(-32005))
})

test('who goes on asking after several noes has to wait', async () => {
  const stage = scene()
  for (let no = 1; no <= REFUSALS_MAX; no += 1) {
    const asked = stage.call('qbtc_requestAccounts')
    stage.requests.decide(await stage.asking(no))
    await assert.rejects(asked, code(4001))
  }
  await assert.rejects(stage.call('qbtc_requestAccounts'), code(-32005))
  stage.now += COOL_DOWN_MS
  const asked = stage.call('qbtc_requestAccounts')
  stage.requests.decide(await stage.asking(REFUSALS_MAX + 1), { result: ['dbqs1account'] })
  assert.deepEqual(await asked, ['dbqs1account'])
})

test('a yes between noes counts', async () => {
  const stage = scene()
  for (let round = 1; round <= 2 * REFUSALS_MAX; round += 1) {
    const asked = stage.call('qbtc_requestAccounts')
    stage.requests.decide(await stage.asking(round), round === REFUSALS_MAX - 1 ? { result: [] } : { refused: true })
    await asked.catch(() => {})
    if (round === 2 * REFUSALS_MAX - 1) break
    await stage.requests.disconnect(PAGE)
  }
  await assert.rejects(stage.call('qbtc_requestAccounts'), code(-32005))
})

test('a flood is turned away, and the page is served again later', async () => {
  const stage = scene()
  for (let call = 0; call < BURST; call += 1) await stage.call('qbtc_accounts')
  await assert.rejects(stage.call('qbtc_accounts'), code(-32005))
  // Another page is not the worse for it.
  await stage.call('qbtc_accounts', undefined, 'https://other.example')
  stage.now += 1000 / RATE_PER_S
  await stage.call('qbtc_accounts')
})

test('a page that goes takes its questions along', async () => {
  const { call, asking, requests } = scene()
  const asked = call('qbtc_requestAccounts')
  const id = await asking(1)
  assert.deepEqual(requests.gone(PAGE), [id])
  await assert.rejects(asked, code(-32000))
  assert.equal(requests.question(id), undefined)
})

test('a page that reloads again and again cannot open windows without end', async () => {
  const { call, asking, requests } = scene()
  for (let round = 1; round <= REFUSALS_MAX; round += 1) {
    const asked = call('qbtc_requestAccounts')
    await asking(round)
    requests.gone(PAGE)
    await assert.rejects(asked, code(-32000))
  }
  await assert.rejects(call('qbtc_requestAccounts'), code(-32005))
})

test('a connected page may ask again after what the wallet could not do, but not by reloading', async () => {
  const { call, asking, connect, requests } = scene()
  await connect()
  const ask = () => call('qbtc_sendTransaction', { outputs: [{ address: 'dbqs1other', amount: '1' }] })
  let asked = 1
  for (let round = 0; round <= REFUSALS_MAX; round += 1) {
    const paid = ask()
    requests.decide(await asking(++asked), { error: 'More than there is.' })
    await assert.rejects(paid, code(-32000))
  }
  for (let round = 0; round < REFUSALS_MAX; round += 1) {
    const paid = ask()
    await asking(++asked)
    requests.gone(PAGE)
    await assert.rejects(paid, code(-32000))
  }
  await assert.rejects(ask(), code(-32005))
})

test('a window that cannot be opened is an error and not a no', async () => {
  const { call } = scene({ ask: async () => Promise.reject(new Error('no windows')) })
  await assert.rejects(call('qbtc_requestAccounts'), code(-32000))
})

test('what was granted can be taken back, by the page and by the user', async () => {
  const { call, connect, changed, requests } = scene()
  await connect()
  assert.equal(await call('wallet_revokePermissions'), null)
  await assert.rejects(call('qbtc_getBalance'), code(4100))
  await requests.disconnect(PAGE)
  assert.deepEqual(changed, [PAGE, PAGE])
})

test('changes of permissions do not overwrite each other', async () => {
  const permissions = new Permissions(storage())
  const origins = Array.from({ length: ORIGINS_MAX }, (_, number) => `https://p${number}.example`)
  await Promise.all(origins.map(origin => permissions.grant(origin, 1)))
  assert.deepEqual(Object.keys(await permissions.all()), origins)
  await assert.rejects(permissions.grant('https://one-more.example', 1), code(-32005))
  // Its failure does not stop what follows.
  assert.equal(await permissions.revoke(origins[0]), true)
  assert.equal(await permissions.revoke(origins[0]), false)
  assert.equal(await permissions.has('__proto__'), false)
})

test('only pages that nobody on the way can have written may ask', () => {
  for (const origin of ['https://a.example', 'https://a.example:8443', 'http://localhost:3000', 'http://127.0.0.1']) {
    assert.equal(isEligible(origin), true, origin)
  }
  for (const origin of ['http://a.example', 'null', '', undefined, 'file://', 'https://a.example/', 'https://a.example/x', 'data:,x', 7]) {
    assert.equal(isEligible(origin), false, String(origin))
  }
})

test('calls that are none are told what is wrong', () => {
  const address = 'dbqs1x'
  const good = { outputs: [{ address, amount: '1.5' }], feeRate: 1000 }
  assert.deepEqual(checkCall('qbtc_sendTransaction', good).params, good)
  assert.deepEqual(checkCall('qbtc_chainId', []).params, {})
  for (const method of ['eth_accounts', 'constructor', '__proto__', '', 7, null, undefined, {}]) {
    assert.throws(() => checkCall(method), code(4200))
  }
  for (const [method, params] of [
    ['qbtc_accounts', { odd: 1 }],
    ['qbtc_signMessage', undefined],
    ['qbtc_signMessage', { message: '' }],
    ['qbtc_signMessage', { message: 7 }],
    ['qbtc_signMessage', { message: 'x'.repeat(MESSAGE_CHARS_MAX + 1) }],
    ['qbtc_signMessage', [{ message: 'x' }, 1]],
    ['qbtc_signMessage', { message: 'x', odd: 1 }],
    ['qbtc_sendTransaction', { outputs: [] }],
    ['qbtc_sendTransaction', { outputs: Array(OUTPUTS_MAX + 1).fill({ address, amount: '1' }) }],
    ['qbtc_sendTransaction', { outputs: [{ address, amount: 1 }] }],
    ['qbtc_sendTransaction', { outputs: [{ address: 'x'.repeat(200), amount: '1' }] }],
    ['qbtc_sendTransaction', { outputs: [null] }],
    ['qbtc_sendTransaction', { ...good, feeRate: 0.5 }],
    ['qbtc_sendTransaction', { ...good, feeRate: -1 }],
  ]) {
    assert.throws(() => checkCall(method, params), code(-32602), `${method} ${JSON.stringify(params)?.slice(0, 80)}`)
  }
  // Every method says what it needs.
  for (const { needs } of Object.values(METHODS)) assert.ok(['nothing', 'connection', 'approval'].includes(needs))
})

test('a bucket never holds more than its size, and a clock that goes back fills nothing', () => {
  const pace = new Pace(1_000_000)
  let taken = 0
  while (pace.take(0)) taken += 1
  assert.equal(taken, BURST)
  taken = 0
  while (pace.take(10_000_000)) taken += 1
  assert.equal(taken, BURST)
})
