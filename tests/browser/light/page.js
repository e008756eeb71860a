// The light client in a page. run.mjs calls the parts and judges.
import init, { ConnectionServer, LightClient, SharedLightClient, persistStorage } from '/pkg/qbtc_wallet_wasm.js'
import { named } from '/chain.js'

const events = []
let client

async function listen () {
  const mine = client
  for (let event = await mine.next(); event !== undefined; event = await mine.next()) {
    events.push(event)
    if (event.block !== undefined) mine.taken(event.id, [])
  }
  events.push({ type: 'end' })
}

window.parts = {
  // Starts and does not wait for anything.
  async begin (chain, addresses, database) {
    events.length = 0
    client = await LightClient.start(named(chain), addresses, database, undefined)
    listen()
  },
  add: (address) => client.addNode(address),

  async start (chain, addresses, database) {
    const begin = performance.now()
    await window.parts.begin(chain, addresses, database)
    while (client.status().phase !== 'live') await new Promise((resolve) => setTimeout(resolve, 5))
    return performance.now() - begin
  },

  status: () => {
    const { questions, bytes, ...status } = client.status()
    return { ...status, questions: Number(questions), bytes: Number(bytes) }
  },
  nodes: () => client.nodes(),
  events: () => events.map(({ block, ...event }) => ({ ...event, hasBlock: block !== undefined })),
  forget: () => { events.length = 0 },
  memory: () => memory.buffer.byteLength,
  wake: () => client.wake(),
  online: () => window.dispatchEvent(new Event('online')),
  persist: async () => String(await persistStorage()),

  scan (start, addresses) {
    client.scan(start, addresses)
  },

  async header (height) {
    const { value, proof, ...header } = await client.header(height)
    return { ...header, bytes: value.length, proof: proof.length }
  },

  async fees () {
    const { rates, nodes } = await client.fees([1, 6])
    return { rates: rates.map(Number), nodes }
  },

  // The client in a worker, and the longest time for which the page could do nothing meanwhile.
  async work (chain, addresses, start, address) {
    const { port1, port2 } = new MessageChannel()
    const server = new ConnectionServer(port1)
    const worker = new Worker('/worker.js', { type: 'module' })
    let [last, longest, isOver] = [performance.now(), 0, false]
    const beat = () => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
      if (!isOver) setTimeout(beat)
    }
    beat()
    const told = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data)
      worker.onerror = ({ message }) => reject(new Error(message))
    })
    worker.postMessage({ port: port2, chain, addresses, start, address }, [port2])
    const result = await told
    isOver = true
    worker.terminate()
    server.free()
    return { ...result, longest }
  },

  // One client for several tabs.
  join (chain, addresses) {
    window.shared = new SharedLightClient('qbtc-tabs', () => LightClient.start(named(chain), addresses, 'qbtc-tabs', undefined))
  },
  isLeader: () => window.shared.isLeader,
  async sharedStatus () {
    const { phase, tip } = await window.shared.call('status', [])
    return { phase, height: tip.height }
  },
  async sharedHeader (height) {
    const { confirmations, proof } = await window.shared.call('header', [height])
    return { confirmations, proof: proof.length }
  },
  sharedError: () => window.shared.call('transaction', ['no id']).then(() => 'none', (error) => error.code),

  async close () {
    await client.close()
    client.free()
    client = undefined
  }
}

const { memory } = await init()
window.isReady = true
