// What the page does with the package's NodeConnection. Each function is one part; run.mjs calls them and judges.
import init, { ConnectionServer, NodeConnection, PortDialer } from '/pkg/qbtc_wallet_wasm.js'

const LIMIT_MS = 30000
const MIB = 1 << 20

// How many peer connections the page has made and closed: what stays open is a leak.
const made = { opened: 0, closed: 0 }
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor (...args) {
    super(...args)
    made.opened++
  }

  close () {
    if (this.signalingState !== 'closed') made.closed++
    super.close()
  }
}

const bytesOf = (length) => {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(length, at + 65536)))
  return bytes
}
const isSame = (one, other) => one.length === other.length && one.every((byte, index) => byte === other[index])
const isAnswer = async (connection, question) => isSame(question, await connection.askWhole('/echo/1', question, question.length, LIMIT_MS))
const timed = async (work) => {
  const begin = performance.now()
  const result = await work()
  return [performance.now() - begin, result]
}
const codeOf = async (work) => {
  try {
    await work()
    return 'none'
  } catch (error) {
    return error.code ?? String(error)
  }
}

let memory
const ready = init().then((wasm) => { memory = wasm.memory })

window.parts = {
  async memory () {
    return { wasm: memory.buffer.byteLength, ...made }
  },

  async connects (address, count) {
    const ms = []
    for (let round = 0; round < count; round++) {
      const [took, connection] = await timed(() => NodeConnection.dial(address))
      ms.push(took)
      if (!address.endsWith(connection.node)) throw new Error(`it is ${connection.node}`)
      connection.close()
      connection.free()
    }
    return ms
  },

  // As a worker, which gives each dial up at the moment in which the page is done; in the end one that stays. More dials than a page may hold.
  async late (address, count) {
    const { port1, port2 } = new MessageChannel()
    let stop
    port1.postMessage = (message, moved) => {
      if (message[1] === true) stop?.abort()
      MessagePort.prototype.postMessage.call(port1, message, moved)
    }
    const [server, dialer, codes] = [new ConnectionServer(port1), new PortDialer(port2), []]
    for (let round = 0; round < count; round++) {
      stop = new AbortController()
      codes.push(await codeOf(() => dialer.dial(address, stop.signal)))
    }
    stop = undefined
    const last = await codeOf(async () => (await dialer.dial(address)).free())
    const closes = () => made.opened === made.closed
    for (let round = 0; round < 50 && !closes(); round++) await new Promise((resolve) => setTimeout(resolve, 100))
    const found = { codes: [...new Set(codes)], last, closes: closes() }
    dialer.free()
    server.free()
    return found
  },

  // Many streams one after the other, many at once, of all sizes; then large ones, whose times are told.
  async echoes (address, sequential, rounds) {
    const connection = await NodeConnection.dial(address)
    const found = { ping: await connection.ping(5000), sequential: 0, parallel: 0, sizes: 0, ms: [] }
    for (const size of [0, 1, 100, 16374, 16375, 16384, 100000, MIB]) found.sizes += await isAnswer(connection, bytesOf(size))
    for (let round = 0; round < sequential; round++) found.sequential += await isAnswer(connection, bytesOf(100))
    const all = await Promise.all(Array.from({ length: 64 }, () => isAnswer(connection, bytesOf(10000))))
    found.parallel = all.filter((holds) => holds).length
    const large = bytesOf(4 * MIB)
    for (let round = 0; round < rounds; round++) {
      const [took, holds] = await timed(() => isAnswer(connection, large))
      if (!holds) throw new Error('4 MiB came back otherwise')
      found.ms.push(took)
    }
    // The peer's own pings have come in meanwhile; it says so in its lines.
    found.health = connection.health
    const [ms] = await timed(async () => {
      await connection.askWhole('/echo/1', new TextEncoder().encode('goodbye'), 100, LIMIT_MS).catch(() => {})
      found.reason = await connection.closed()
    })
    found.goodbye_ms = ms
    found.after = await codeOf(() => connection.ping(1000))
    connection.free()
    return found
  },

  // What must fail, and how it is called.
  async refusals (address) {
    const [, port] = address.match(/udp\/(\d+)/)
    const otherHash = address.replace(/certhash\/(uEi.)(.)/, (_, head, letter) => `certhash/${head}${letter === 'A' ? 'B' : 'A'}`)
    const otherPeer = address.replace(/p2p\/.*/, 'p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5')
    const aborted = new AbortController()
    setTimeout(() => aborted.abort(), 50)
    const connection = await NodeConnection.dial(address)
    const stopped = new AbortController()
    setTimeout(() => stopped.abort(), 50)
    const found = {
      bad_address: await codeOf(() => NodeConnection.dial('/ip4/127.0.0.1/tcp/1')),
      wrong_certificate: await codeOf(() => NodeConnection.dial(otherHash)),
      wrong_peer: await codeOf(() => NodeConnection.dial(otherPeer)),
      aborted_dial: await codeOf(() => NodeConnection.dial(address.replace(port, '9'), undefined, aborted.signal)),
      aborted_ask: await codeOf(() => connection.askWhole('/echo/1', bytesOf(16 * MIB), 16 * MIB, LIMIT_MS, stopped.signal)),
      not_spoken: await codeOf(() => connection.ask('/none/1', bytesOf(1), 1, LIMIT_MS)),
      too_long: await codeOf(() => connection.askWhole('/echo/1', bytesOf(200000), 100000, LIMIT_MS)),
      timeout: await codeOf(() => connection.askWhole('/echo/1', bytesOf(4 * MIB), 4 * MIB, 1)),
      still: await isAnswer(connection, bytesOf(1000))
    }
    connection.close()
    found.closed = await codeOf(() => connection.ping(1000))
    connection.free()
    return found
  },

  async hold (address, chain, hello) {
    window.hello = Uint8Array.from(hello)
    window.held = await NodeConnection.dial(address, new Map([[`/qbtc/${chain}/hello/1`, window.hello]]))
    return window.held.node
  },

  // Greets a node, and asks it for its tip: the answer's bytes.
  async tips (chain, sequential) {
    const greet = `/qbtc/${chain}/hello/1`
    const greeting = await window.held.ask(greet, window.hello, 512, LIMIT_MS)
    const light = `/qbtc/${chain}/light/1`
    const ask = () => window.held.ask(light, Uint8Array.of(0), 4 * MIB, LIMIT_MS)
    const [first, ms] = [await ask(), []]
    let same = 0
    for (let round = 0; round < sequential; round++) {
      const [took, answer] = await timed(ask)
      ms.push(took)
      same += isSame(first, answer)
    }
    // A node answers eight at a time, and turns down what comes in greater numbers.
    const parallel = []
    for (let round = 0; round < 8; round++) parallel.push(...await Promise.allSettled(Array.from({ length: 8 }, ask)))
    const refused = parallel.filter(({ status }) => status !== 'fulfilled').map(({ reason }) => reason.code)
    return { greeting: greeting.length, tip: first.length, same, ms, parallel: parallel.length - refused.length, refused }
  },

  // How long after the node's end the page knows, with a ping every two seconds as the light client has it.
  async mourn () {
    const begin = performance.now()
    const closed = window.held.closed().then((reason) => ({ reason, ms: performance.now() - begin }))
    let silent
    while (silent === undefined) {
      const code = await codeOf(() => window.held.ping(2000))
      if (code !== 'none') silent = { code, ms: performance.now() - begin }
    }
    return { silent, closed: await closed }
  }
}

await ready
window.isReady = true
