// A js-libp2p node in a page. `run.mjs` calls `window.run` and reads what `window.report` is given.
import { noise } from '@chainsafe/libp2p-noise'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { webRTCDirect } from '@libp2p/webrtc'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const ECHO = '/echo/1'
const CHUNK = 16000
const SIZES = [0, 1, 1000, 16 << 10, 64 << 10, 1 << 20, 4 << 20]

// js-libp2p alters the browser's offer (version 1). This gives the browser its own offer back, and puts the password that it
// chose into the answer (version 2).
function useVersion2 () {
  const { createOffer, setLocalDescription, setRemoteDescription } = RTCPeerConnection.prototype
  Object.assign(RTCPeerConnection.prototype, {
    async createOffer (...args) {
      const offer = await createOffer.apply(this, args)
      this.unaltered = offer.sdp
      return { type: offer.type, sdp: offer.sdp }
    },
    setLocalDescription () {
      return setLocalDescription.call(this, { type: 'offer', sdp: this.unaltered })
    },
    setRemoteDescription ({ type, sdp }) {
      const [, password] = this.localDescription.sdp.match(/^a=ice-pwd:(.*?)\r?$/m)
      const name = `libp2p+webrtc+v2/${password}`
      return setRemoteDescription.call(this, {
        type,
        sdp: sdp.replace(/a=ice-ufrag:.*/, `a=ice-ufrag:${name}`).replace(/a=ice-pwd:.*/, `a=ice-pwd:${name}`)
      })
    }
  })
}

const startNode = () => createLibp2p({
  // Twenty connections at once, of which each echoes a megabyte, take longer on a busy machine than the ten seconds that it waits for the acknowledged end.
  transports: [webRTCDirect({ dataChannel: { openTimeout: 60_000, closeTimeout: 60_000, drainTimeout: 60_000, finAckTimeout: 60_000 } })],
  connectionEncrypters: [noise()],
  streamMuxers: [],
  connectionGater: { denyDialMultiaddr: () => false },
  connectionMonitor: { enabled: false },
  // Likewise than its six seconds until they are open, and its ten for a stream.
  connectionManager: {
    dialTimeout: 60_000, addressDialTimeout: 60_000,
    inboundStreamProtocolNegotiationTimeout: 60_000, outboundStreamProtocolNegotiationTimeout: 60_000
  },
  services: { ping: ping(), identify: identify() }
})

const bytes = (text) => new TextEncoder().encode(text)
const pattern = (length) => Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 255)
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function readAll (stream) {
  const parts = []
  for await (const part of stream) parts.push(part.subarray())
  return new Uint8Array(await new Blob(parts).arrayBuffer())
}

// Sends all and takes all that comes back. Returns how long that took, and throws if anything is missing or wrong.
async function echo (connection, data) {
  const begin = performance.now()
  const stream = await connection.newStream(ECHO)
  const reading = readAll(stream)
  for (let start = 0; start < data.length; start += CHUNK) {
    if (!stream.send(data.subarray(start, start + CHUNK))) await stream.onDrain()
  }
  await stream.close()
  const back = await reading
  if (back.length !== data.length || !back.every((byte, index) => byte === data[index])) {
    throw new Error(`${back.length} of ${data.length} bytes came back, or others`)
  }
  return performance.now() - begin
}

// How many of the promises failed, and why the first did.
async function failures (promises) {
  const failed = (await Promise.allSettled(promises)).filter(({ status }) => status === 'rejected')
  // libp2p tries several ways, and tells of all.
  const why = failed.slice(0, 1).flatMap(({ reason }) => [reason, ...(reason.errors ?? [])]).join('; ')
  return { failed: failed.length, why: why || undefined }
}

window.run = async (address, version, { rounds }) => {
  const report = (name, value) => window.report(name, value)
  if (version === 2) useVersion2()
  const target = multiaddr(address)
  const pushed = []
  const node = await startNode()
  await node.handle(ECHO, async (stream) => {
    const data = await readAll(stream)
    pushed.push(new TextDecoder().decode(data))
    stream.send(data)
    await stream.close()
  }, { maxInboundStreams: 500 })

  const connectMs = []
  for (let round = 0; round < 5; round++) {
    await Promise.all(node.getConnections().map((connection) => connection.close()))
    const begin = performance.now()
    await node.dial(target)
    connectMs.push(performance.now() - begin)
  }
  const [connection] = node.getConnections()
  await report('connect', { ms: connectMs, remote: connection.remotePeer.toString() })
  await report('ping', { ms: await node.services.ping.ping(target) })

  for (const size of SIZES) await echo(connection, pattern(size))
  await report('sizes', { sizes: SIZES })
  const largeMs = []
  for (let round = 0; round < rounds; round++) largeMs.push(await echo(connection, pattern(4 << 20)))
  await report('large', { ms: largeMs })

  const one = async (index) => echo(connection, bytes(`hello ${index}`))
  let begin = performance.now()
  let failed = 0
  for (let index = 0; index < 500; index++) await one(index).catch(() => failed++)
  await report('sequential', { failed, ms: performance.now() - begin })
  await report('parallel', await failures(Array.from({ length: 64 }, (_, index) => echo(connection, pattern(1000 * index)))))

  for (let round = 0; round < 4; round++) await echo(connection, bytes('push 25'))
  for (begin = performance.now(); pushed.length < 100 && performance.now() - begin < 10000;) await sleep(10)
  await report('pushes', { pushed: pushed.length })

  await report('others', await failures(Array.from({ length: 20 }, async () => {
    const other = await startNode()
    await echo(await other.dial(target), pattern(1 << 20))
  })))

  const third = await (await startNode()).dial(target)
  const closed = new Promise((resolve) => third.addEventListener('close', resolve))
  begin = performance.now()
  // The answer may be lost with the connection.
  echo(third, bytes('goodbye')).catch(() => {})
  await Promise.race([closed, sleep(15000)])
  await report('goodbye', { status: third.status, ms: performance.now() - begin })
}
