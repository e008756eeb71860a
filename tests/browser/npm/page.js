// The packed package in a page: a wallet of `@qbtc/wallet` and a light client of `@qbtc/wallet/light`. run.mjs calls the parts and judges.
import { load } from '/pkg/esm/wallet.js'
import { LightClient, QbtcError, serveConnections } from '/pkg/esm/light.js'

const qbtc = await load()
const chain = qbtc.Chain.named('dev')
const account = qbtc.Mnemonic.generate().toSeed().account(chain)
const book = qbtc.AddressBook.create(account, {}, 3)
const addresses = [...book.addresses('receive'), ...book.addresses('change')]
const heard = []
let client

const text = (value) => typeof value === 'bigint' ? value.toString() : value
const plain = (value) => JSON.parse(JSON.stringify(value, (_, item) => item instanceof Uint8Array ? item.length : text(item)))
/** What a promise or a call is refused with. */
const refusal = async (call) => {
  try {
    await call()
  } catch (error) {
    return error instanceof QbtcError ? { code: error.code, message: error.message, position: error.position } : { code: `no QbtcError: ${error}` }
  }
  return { code: 'nothing' }
}

async function listen () {
  try {
    for await (const event of client.events) heard.push(plain(event))
    heard.push({ kind: 'end' })
  } catch (error) {
    heard.push({ kind: 'thrown', code: error.code })
  }
}

window.parts = {
  addresses: () => addresses,
  async connect (nodes, store) {
    heard.length = 0
    const begin = performance.now()
    client = await LightClient.connect({ chain, nodes, addresses, birthday: 1, store })
    const ms = performance.now() - begin
    listen()
    return ms
  },
  status: () => plain(client.status),
  nodes: () => plain(client.nodes()),
  heard: () => heard,
  balance: () => plain(client.balance()),
  coins: () => plain(client.coins()),
  history: () => plain(client.history()),
  fees: async () => plain(await client.fees([1, 6])),

  // Builds with the wallet, from coins that the light client has found, and sends; or gives up before it begins, with the code of that.
  async pay (to, amount, isGivenUp) {
    const unsigned = book.pay({
      coins: client.coins().map(({ value }) => value).filter(({ isSpendable }) => isSpendable),
      outputs: [{ address: to, amount: qbtc.parseAmount(amount) }],
      change: book.nextUnused('change').address,
      feeRate: 2_000n,
      tip: client.status.tip.height
    })
    const { bytes, txid } = unsigned.sign(account)
    if (isGivenUp) return (await refusal(() => client.send(bytes, { signal: AbortSignal.abort() }))).code
    const sent = await client.send(bytes)
    return { ...plain(sent), same: sent.txid === txid, fee: text(unsigned.fee) }
  },

  async prove (txid) {
    const found = await client.transaction(txid)
    if (found.state === 'waiting') return { state: 'waiting', txid: found.value.txid }
    const { value, level, height, confirmations, proof } = found
    const place = qbtc.verifyPlace(chain, proof, value.bytes)
    const forged = proof.slice()
    forged[forged.length >> 1] ^= 1
    const outputs = value.outputs.map(({ amount }) => text(amount))
    const [otherProof, otherTransaction] = [await refusal(() => qbtc.verifyPlace(chain, forged, value.bytes)),
      await refusal(() => qbtc.verifyPlace(chain, proof, value.bytes.map((byte, index) => index === 12 ? byte ^ 1 : byte)))]
    return { state: 'confirmed', level, height, confirmations, outputs, place, otherProof: otherProof.code, otherTransaction: otherTransaction.code }
  },
  async header (height) {
    const { value, level, confirmations, proof, block } = await client.header(height)
    return { bytes: value.length, level, confirmations, block, place: qbtc.verifyPlace(chain, proof).block }
  },

  // What is refused, and how.
  async refusals (nodes) {
    const options = { chain: 'dev', nodes }
    const stop = new AbortController()
    const question = refusal(() => client.transaction('ab'.repeat(32), { signal: stop.signal }))
    stop.abort()
    const ended = await LightClient.connect(options)
    const pending = refusal(() => ended.header(1))
    await ended.close()
    return {
      aborted: await refusal(() => LightClient.connect({ ...options, signal: AbortSignal.abort() })),
      stopped: await refusal(() => LightClient.connect({ chain: 'dev', nodes: [], signal: AbortSignal.timeout(300) })),
      late: await refusal(() => LightClient.connect({ chain: 'dev', nodes: [], timeoutMs: 200 })),
      address: await refusal(() => LightClient.connect({ ...options, nodes: [nodes[0], '/ip4/127.0.0.1/tcp/1'] })),
      watched: await refusal(() => LightClient.connect({ ...options, addresses: ['bqs1oops'] })),
      chain: await refusal(() => LightClient.connect({ ...options, chain: new Uint8Array(3) })),
      question: await question,
      ended: await pending,
      txid: await refusal(() => client.transaction('no id')),
      none: await refusal(() => client.transaction('ab'.repeat(32))),
      above: await refusal(() => client.header(1_000_000)),
      times: await refusal(() => client.fees(Array(1_000).fill(1))),
      bytes: await refusal(() => client.send(new Uint8Array(9)))
    }
  },

  // A fault of the host inside the program, as a bug would be: it ends this client, and nothing else.
  async fault (nodes) {
    const dying = await LightClient.connect({ chain: 'dev', nodes })
    const reading = (async () => {
      for await (const event of dying.events) plain(event)
    })()
    const asking = dying.header(1_000_000_000).catch(() => undefined)
    await asking
    const { now } = performance
    performance.now = () => { throw new Error('a clock that fails') }
    const told = await refusal(() => reading)
    performance.now = now
    return { told, after: await refusal(() => dying.fees([1])), other: client.status.phase }
  },

  async close () {
    await client.close()
    return { phase: client.status.phase, after: (await refusal(() => client.balance())).code, again: await client.close() }
  },

  // Connects by these addresses, and tells how: which nodes answered, and up to where the balance is known.
  async reach (nodes) {
    const begin = performance.now()
    const other = await LightClient.connect({ chain, nodes, addresses, birthday: 1, timeoutMs: 40_000 })
    const ms = Math.round(performance.now() - begin)
    for await (const event of other.events) if (event.kind === 'balance' && event.balance.height === other.status.tip.height) break
    const { value, height } = other.balance()
    const links = other.nodes().map(({ address, keyExchange }) => ({ kind: address.includes('/ws/') ? 'ws' : 'webrtc', keyExchange }))
    const { proof } = await other.header(2)
    await other.close()
    return { ms, height, confirmed: text(value.confirmed), links, proof: proof.length }
  },

  // The same client in a worker, whose connections this page holds.
  async work (nodes, sockets) {
    const { port1, port2 } = new MessageChannel()
    const server = await serveConnections(port1)
    const worker = new Worker('/worker.js', { type: 'module' })
    const told = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data)
      worker.onerror = ({ message }) => reject(new Error(message))
    })
    worker.postMessage({ port: port2, nodes, sockets, addresses }, [port2])
    const result = await told
    worker.terminate()
    server.close()
    return result
  }
}

window.isReady = true
