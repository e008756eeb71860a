// What connections of a page go through, in whatever browser. See README.md.
import { figure, judge, median, pause, round } from '../support/judge.mjs'
import { Node, Peer } from '../support/programs.mjs'

const ROUNDS = Number(process.env.ROUNDS ?? 100)

// A light client's hello: docs/protocol.md, "Messages of nodes".
function helloOf (chainId, tip) {
  const agent = Buffer.from('/browser-test/')
  const time = Math.floor(Date.now() / 1000)
  const varint = (number) => number < 128 ? [number] : [number % 128 + 128, ...varint(Math.floor(number / 128))]
  return [1, ...chainId, ...tip, 0, 0, 0, 0, ...varint(time), agent.length, ...agent]
}

/** Dials a peer that echoes; `then` does more with it. */
export async function withPeer (run, then = () => {}) {
  const peer = await Peer.echoing()
  try {
    const connects = await run('connects', peer.address, 20)
    figure('connects, median ≤ 250 ms', median(connects) <= 250, { median_ms: round(median(connects)), most_ms: round(Math.max(...connects)) })
    const echoes = await run('echoes', peer.address, 1500, ROUNDS)
    judge('ping', echoes.ping > 0, { ms: round(echoes.ping) })
    judge('echoes of all sizes', echoes.sizes === 8)
    judge('1,500 questions, one after the other', echoes.sequential === 1500, echoes.sequential)
    judge('64 questions at once', echoes.parallel === 64, echoes.parallel)
    const stalls = echoes.ms.filter((ms) => ms > 1000 + median(echoes.ms)).length
    const rate = 2 * 4.194304e3 / median(echoes.ms)
    figure(`${ROUNDS} times 4 MiB there and back, ≥ 5 MB/s, few stalls`, rate >= 5 && stalls * 50 <= ROUNDS,
      { mb_per_s: round(rate), median_ms: round(median(echoes.ms)), most_ms: round(Math.max(...echoes.ms)), stalls })
    judge('a goodbye of the peer is noticed at once', echoes.goodbye_ms < 2000 && /node has closed/.test(echoes.reason), { ms: round(echoes.goodbye_ms), reason: echoes.reason })
    judge('nothing can be asked then', echoes.after === 'closed', echoes.after)
    judge('the peer has pinged the page', peer.ping_ms > 0, peer.ping_ms)
    const { closed, still, ...refusals } = await run('refusals', peer.address)
    const expected = { aborted_dial: 'aborted', aborted_ask: 'aborted' }
    const isRight = ([name, code]) => code === (expected[name] ?? name.replace('_', '-'))
    judge('refusals have their names', Object.keys(refusals).length === 8 && Object.entries(refusals).every(isRight), refusals)
    judge('the connection outlives them', still && closed === 'closed', closed)
    const late = await run('late', peer.address, 20)
    judge('a dial through a page that is given up too late leaves nothing open', late.codes.join() === 'aborted' && late.last === 'none' && late.closes, late)
    await then(peer)
  } finally {
    await peer.stop()
  }
}

/** Dials a node, which is killed in the end; the browser misses it within so long. */
export async function withNode (run, missed_ms = 30_000) {
  const node = await new Node().start()
  try {
    await useNode(run, node, missed_ms)
  } catch (error) {
    judge('the node stays', false, { error: error.message, log: node.log })
  } finally {
    await node.remove()
  }
}

async function useNode (run, node, missed_ms) {
  const info = node.rpc('getblockchaininfo')
  const bytes = (id) => [...Buffer.from(id, 'hex').reverse()]
  const chainId = bytes(info.chainid)
  const chain = Buffer.from(chainId.slice(0, 4)).toString('hex')
  await run('hold', node.address, chain, helloOf(chainId, bytes(info.bestblockhash)))
  const tips = await run('tips', chain, 1500)
  judge('a node answers a hello and tells its tip', tips.greeting > 80 && tips.tip > 80, { greeting: tips.greeting, tip: tips.tip })
  judge('1,500 questions to a node, one after the other', tips.same === 1500, { same: tips.same, median_ms: round(median(tips.ms)) })
  judge('64 questions to a node, eight at once', tips.parallel === 64, { answered: tips.parallel, refused: tips.refused })
  const peers = node.rpc('getpeerinfo')
  judge('the node sees a browser', peers.length === 1 && peers[0].transport_protocol_type === 'webrtc', peers.map(({ transport_protocol_type: type, key_exchange: keys }) => ({ type, keys })))
  const mourning = run('mourn')
  await pause(300)
  await node.kill()
  const { silent, closed } = await mourning
  judge('a killed node is seen dead', silent.ms < 6000 && closed.ms < missed_ms, { silent, closed })
}
