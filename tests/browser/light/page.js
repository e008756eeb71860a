// The light client in a page. run.mjs calls the parts and judges.
import init, { ConnectionServer, LightClient, persistStorage } from '/pkg/qbtc_wallet_wasm.js'
import { named } from '/chain.js'

const events = []
let client
let listening
// What tabs share is of the npm package.
let shared
const told = []

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
    listening = listen()
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

  // A second client on the same store, while the first one runs.
  async takeOver (chain, addresses, database) {
    const other = await LightClient.start(named(chain), addresses, database, undefined)
    while (other.status().phase !== 'live') await new Promise((resolve) => setTimeout(resolve, 5))
    return async () => other.close()
  },

  // One client for several tabs. One that is deaf does not hear that it is about to be frozen.
  async join (chain, nodes, watched, isDeaf) {
    if (isDeaf) for (const name of ['freeze', 'resume']) document.addEventListener(name, (event) => event.stopImmediatePropagation())
    const { SharedLightClient } = await import('/npm/esm/light.js')
    const begin = performance.now()
    let isFreed = false
    const spec = {
      toBytes () {
        if (isFreed) throw new Error('it was freed')
        return Uint8Array.from(chain.match(/../g), (byte) => parseInt(byte, 16))
      },
    }
    shared = await SharedLightClient.connect({ chain: spec, nodes, addresses: [watched], birthday: 1, store: 'qbtc-tabs', timeoutMs: 30_000 })
    const ms = performance.now() - begin
    // This tab may come to lead much later.
    isFreed = true
    const listen = async () => {
      for await (const event of shared.events) told.push(event)
    }
    listen()
    return Math.round(ms)
  },
  isLeader: () => shared.isLeader,
  sharedStatus: () => ({ phase: shared.status.phase, height: shared.status.tip.height, nodes: shared.nodes().length }),
  sharedBalance () {
    const { value: { confirmed, immature, pending }, height, level } = shared.balance()
    return { whole: String(confirmed + immature + pending), height, level, coins: shared.coins().length, history: shared.history().length }
  },
  // The heights of the transactions that were told and not taken back, and the warnings about storage.
  sharedTold () {
    let heights = []
    for (const { kind, entry, to } of told) {
      if (kind === 'transaction') heights.push(entry.value.block.height)
      if (kind === 'rolled-back') heights = heights.filter((height) => to !== null && height <= to.height)
    }
    return { heights, storage: told.filter(({ warning }) => warning?.kind === 'storage').map(({ warning }) => warning.message) }
  },
  async sharedHeader (height) {
    const { confirmations, proof } = await shared.header(height)
    return { confirmations, proof: proof.length }
  },
  sharedError: () => shared.transaction('no id').then(() => 'none', (error) => error.code),
  leave: () => shared.close(),

  async close () {
    await client.close()
    await listening
    client.free()
    client = undefined
  }
}

const { memory } = await init()
window.isReady = true
