// Packs the npm package, lets a page follow real nodes with it, pay and prove, and judges. See README.md.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { finish, judge, pause, until } from '../support/judge.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const TARGET = process.env.CARGO_TARGET_DIR ?? resolve(HERE, '../../../target')
const PACKAGE = process.env.PACKAGE ?? join(TARGET, 'npm/out/package')
const BLOCKS = 20
const WEBSOCKET = '/ip4/127.0.0.1/tcp/0/ws'
const QUANTA = 100_000_000n

// What is tried is what is published: the tarball's content.
const unpacked = mkdtempSync(join(tmpdir(), 'qbtc-npm-light-'))
const packed = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', unpacked, PACKAGE], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
execFileSync('tar', ['-xzf', join(unpacked, Object.values(packed)[0].filename), '-C', unpacked])
process.env.PKG = join(unpacked, 'package')
const { FORBIDS_ALTERED_OFFERS, launch, open, serve } = await import('../support/browser.mjs')
const { Node } = await import('../support/programs.mjs')

async function follow (run, nodes) {
  const ms = await run('connect', nodes.map(({ address }) => address), 'qbtc-npm')
  const status = await until('the client is live', 30, async () => (await run('status')).phase === 'live' && run('status'))
  judge('it connects, and proves the tip', status.tip.height === BLOCKS && BigInt(status.tip.work) > 0n, { ms: Math.round(ms), ...status })
  const links = await until('three nodes', 30, async () => (await run('nodes')).length === 3 && run('nodes'))
  judge('three nodes, each under a seal', links.every(({ keyExchange, isSuspect }) => keyExchange === 'X25519MLKEM768' && !isSuspect), links.map(({ userAgent }) => userAgent))
  judge('one address for all nodes looks like one person\'s', ['one-group', 'few-peers'].includes((await run('status')).eclipse), (await run('status')).eclipse)
  const { value, level, proof } = await run('balance')
  judge('a fresh wallet has nothing', level === 'filter' && Object.values(value).every((amount) => amount === '0'), { value, proof })
}

/** The balance once it is known up to the tip. */
async function settled (run, height) {
  return until(`the balance at ${height}`, 30, async () => {
    const balance = await run('balance')
    return balance.height === height && balance
  })
}

async function receive (run, node, to) {
  node.rpc('generatetoaddress', '3', to)
  const height = BLOCKS + 3
  const { value, level, confirmations } = await settled(run, height)
  const whole = Object.values(value).reduce((sum, amount) => sum + BigInt(amount), 0n)
  judge('what the miner pays is found', whole > 0n && level === 'filter' && confirmations === 1, value)
  const heard = await run('heard')
  const mined = heard.filter(({ kind }) => kind === 'transaction').map(({ entry }) => entry)
  judge('each payment is told once, with its level', mined.length === 3 && mined.every(({ level, value: { isCoinbase, received } }) => level === 'filter' && isCoinbase && BigInt(received) > 0n), mined.length)
  const coins = await run('coins')
  const isPlaced = ({ value, level, height: made, confirmations, proof }) => value.isCoinbase && !value.isSpendable && level === 'filter' &&
    made > BLOCKS && confirmations === height - made + 1 && proof.to.height === height
  judge('each coin says what it rests on', coins.length === 3 && coins.every(isPlaced), coins[0])
  judge('tips and balances are told', ['status', 'tip', 'balance'].every((kind) => heard.some((event) => event.kind === kind)))
  return whole
}

async function pay (run, all, to, other) {
  const [node] = all
  const maturity = 100
  node.rpc('generatetoaddress', String(maturity), other)
  await settled(run, BLOCKS + 3 + maturity)
  const { value } = await run('balance')
  judge('coinbases ripen', BigInt(value.confirmed) > 0n && value.immature === '0', value)
  const { rates, nodes } = await run('fees')
  judge('nodes say what to pay', rates.length === 2 && rates.every((rate) => BigInt(rate) > 0n) && nodes > 0, { rates, nodes })
  const givenUp = await run('pay', to, '0.5', true)
  await pause(1_000)
  const waiting = all.map((node) => node.rpc('getrawmempool')).flat()
  judge('a payment that is given up before it begins is not sent', givenUp === 'aborted' && waiting.length === 0, { givenUp, waiting })
  const sent = await run('pay', to, '1.5')
  judge('nodes take a payment', sent.nodes > 0 && sent.same, sent)
  const pending = await run('balance')
  judge('what comes back is pending', BigInt(pending.value.pending) > 0n && (await run('history'))[0].value.state === 'pending', pending.value)
  judge('what waits is shown by nothing', (await run('history'))[0].level === 'none')
  // Not before it has gone to everybody: whoever knows it earlier is where it began.
  const isWaiting = () => run('prove', sent.txid).then(({ state }) => state === 'waiting', () => false)
  judge('a node says that it waits', await until('it has gone to everybody', 120, isWaiting))
  await until('the node has it', 10, () => node.rpc('getrawmempool').includes(sent.txid))
  node.rpc('generatetoaddress', '2', other)
  const after = await settled(run, BLOCKS + 5 + maturity)
  const left = BigInt(value.confirmed) - 3n * QUANTA / 2n - BigInt(sent.fee)
  judge('it is mined: exactly the payment and its fee are gone', BigInt(after.value.confirmed) === left && after.value.pending === '0', after.value)
  const proof = await run('prove', sent.txid)
  judge('its place is proven', proof.state === 'confirmed' && proof.level === 'header' && proof.confirmations === 2 && proof.outputs.includes(String(3n * QUANTA / 2n)), proof)
  judge('another program checks the proof', proof.place.txid === sent.txid && proof.place.block.id === node.rpc('getblockhash', String(proof.height)), proof.place)
  judge('and refuses a forged one', proof.otherProof !== 'nothing' && proof.otherProof !== 'fatal' && proof.otherTransaction !== 'nothing', [proof.otherProof, proof.otherTransaction])
  const [entry] = await run('history')
  judge('the history says so', entry.value.txid === sent.txid && entry.value.state === 'confirmed' && entry.value.fee === sent.fee && entry.confirmations === 2, entry)
  const header = await run('header', 5)
  judge('a header is proven', header.bytes === 80 && header.place.id === header.block.id && header.block.id === node.rpc('getblockhash', '5'), header)
  return after.value.confirmed
}

async function refuse (run, nodes) {
  const found = await run('refusals', nodes.map(({ address }) => address))
  const expected = {
    aborted: 'aborted', stopped: 'aborted', late: 'timeout', address: 'bad-address', watched: 'address-character', chain: 'bytes-malformed',
    question: 'aborted', ended: 'closed', txid: 'hash-format', none: 'query-not-found', above: 'query-above-tip', times: 'query-too-many-times', bytes: 'bytes-trailing'
  }
  const wrong = Object.entries(expected).filter(([name, code]) => found[name].code !== code).map(([name]) => [name, found[name]])
  judge('each refusal has its code', wrong.length === 0, wrong)
  judge('which address is wrong is said', found.address.position === 2, found.address)
  const { told, after, other } = await run('fault', nodes.map(({ address }) => address))
  judge('a fault ends its client, and says so', told.code === 'fatal' && after.code === 'fatal', { told, after })
  judge('and no other', other === 'live', other)
}

// Without WebRTC, and where it fails: WebSocket.
async function fallBack (run, nodes, confirmed, addresses) {
  const sockets = nodes.map(({ socket }) => socket)
  const plain = await run('reach', sockets)
  judge('by WebSocket alone it gets as far', plain.confirmed === confirmed && plain.links.length > 0 && plain.proof > 100, plain)
  judge('under the same seal', plain.links.every(({ kind, keyExchange }) => kind === 'ws' && keyExchange === 'X25519MLKEM768'))
  // Nobody is at these ports of UDP, as if the network let none through.
  const dead = nodes.map(({ address }) => address.replace(/udp\/\d+/, 'udp/9'))
  const other = await run('reach', [...dead, ...sockets])
  judge('where WebRTC fails, WebSocket is tried', other.confirmed === confirmed && other.links.every(({ kind }) => kind === 'ws') && other.ms < 9_000, other)
  const both = await run('reach', [...sockets, ...nodes.map(({ address }) => address)])
  judge('where both work, it is WebRTC', both.links.length > 0 && both.links.every(({ kind }) => kind === 'webrtc'), both.links)
  const hosts = { node: [process.execPath, ['--no-warnings', '--experimental-websocket']] }
  if (process.env.DENO) hosts.deno = [process.execPath, [process.env.DENO, 'run', '--allow-all', '--no-remote']]
  for (const [name, [program, args]] of Object.entries(hosts)) {
    const script = [join(HERE, 'host.mjs'), process.env.PKG, addresses.join(','), ...sockets]
    const env = { ...process.env, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }
    const told = JSON.parse(execFileSync(program, [...args, ...script], { encoding: 'utf8', env, timeout: 60_000 }))
    judge(`the same in ${name}`, told.confirmed === confirmed && told.level === 'header' && told.proof > 100, told)
  }
}

/** The README's light client, as it stands there: it is paid, pays, and proves. What it prints to standard error is this suite's. */
async function example ([node], sockets, other) {
  const readme = readFileSync(join(process.env.PKG, 'README.md'), 'utf8')
  const code = [...readme.matchAll(/```js\n([^]*?)```/g)].map(([, code]) => code).find((code) => code.includes('LightClient.connect'))
  mkdirSync(join(unpacked, 'node_modules/@qbtc'), { recursive: true })
  symlinkSync(process.env.PKG, join(unpacked, 'node_modules/@qbtc/wallet'))
  // Between the two stands what tells which address to pay, and has the payment mined before it is asked for.
  writeFileSync(join(unpacked, 'example.mjs'), code.replace("'@qbtc/wallet/light'", "'./between.mjs'"))
  writeFileSync(join(unpacked, 'between.mjs'), `
    import { LightClient as Honest } from '@qbtc/wallet/light'
    export { QbtcError } from '@qbtc/wallet/light'
    globalThis.NODES = ${JSON.stringify(sockets)}
    async function connect (options) {
      console.error('address', options.addresses[0])
      const client = await Honest.connect({ ...options, timeoutMs: 60_000 })
      const send = async (bytes) => {
        // What one node alone is given goes its way in the dark for a while.
        while (client.nodes().length < 3) await new Promise((resolve) => setTimeout(resolve, 100))
        const sent = await client.send(bytes)
        console.error('sent', sent.txid)
        // A node that has not heard of it yet says so.
        const state = () => client.transaction(sent.txid).then((found) => found.state, (error) => error.code)
        while (!['confirmed', 'closed'].includes(await state())) await new Promise((resolve) => setTimeout(resolve, 100))
        return sent
      }
      const own = (value) => typeof value === 'function' ? value.bind(client) : value
      return new Proxy({}, { get: (_, name) => name === 'send' ? send : own(client[name]) })
    }
    export const LightClient = { connect }`)
  const program = spawn(process.execPath, ['--no-warnings', '--experimental-websocket', join(unpacked, 'example.mjs')])
  const told = { out: '', err: '' }
  program.stdout.on('data', (data) => { told.out += data })
  program.stderr.on('data', (data) => { told.err += data })
  const ended = once(program, 'exit')
  try {
    const said = (what) => until(`the example's ${what}`, 60, () => program.exitCode !== null || told.err.match(new RegExp(`^${what} (\\S+)$`, 'm'))?.[1])
    const address = await said('address')
    if (address !== true) node.rpc('generatetoaddress', '1', address)
    // Until the coin is ripe, and the payment mined.
    const isOver = () => program.exitCode !== null
    await until('the example ends', 60, async () => isOver() || (node.rpc('generatetoaddress', '2', other), await pause(500), isOver())).catch(() => {})
    program.kill()
    const [code] = await ended
    const lines = told.out.trim().split('\n')
    judge('the README\'s light client is paid, pays and proves, as it stands there', code === 0 && /^[0-9a-f]{64}$/.test(lines.at(-1)) && told.out.includes('QBTC, by filter'), { code, ...told })
  } finally {
    program.kill()
  }
}

async function resume (page, run, nodes) {
  const closed = await run('close')
  judge('it closes, once', closed.phase === 'closed' && closed.after === 'closed', closed)
  judge('its events end', (await run('heard')).at(-1).kind === 'end')
  judge('nothing was told that went wrong', (await run('heard')).every(({ kind, warning }) => kind !== 'warning' || warning.kind !== 'storage'))
  const before = await run('connect', nodes.map(({ address }) => address), 'qbtc-npm')
  const { traffic } = await run('status')
  judge('a second one goes on from what was kept', BigInt((await run('balance')).value.confirmed) > 0n, { ms: Math.round(before), ...traffic })
  await run('close')
}

const server = await serve(HERE)
const nodes = [new Node(), new Node(), new Node()]
let browser
try {
  await nodes[0].start('--p2p', WEBSOCKET)
  for (const node of nodes.slice(1)) await node.start('--p2p', WEBSOCKET, '--connect', nodes[0].peer)
  const other = nodes[0].newAddress()
  nodes[0].rpc('generatetoaddress', String(BLOCKS), other)
  for (const node of nodes) await until('all nodes have the blocks', 60, () => node.rpc('getblockcount') === BLOCKS)
  browser = await launch(FORBIDS_ALTERED_OFFERS)
  const { page, run } = await open(await browser.newContext(), server.url)
  const [address] = await run('addresses')
  await follow(run, nodes)
  await receive(run, nodes[0], address)
  const confirmed = await pay(run, nodes, other, other)
  await refuse(run, nodes)
  await fallBack(run, nodes, confirmed, await run('addresses'))
  await example(nodes, nodes.map(({ socket }) => socket), other)
  const worked = await run('work', nodes.map(({ address }) => address), nodes.map(({ socket }) => socket))
  judge('the same in a worker', worked.whole === confirmed && worked.nodes > 0, worked)
  judge('which says what it lacks without a port', worked.alone.code === 'unsupported' && worked.alone.message.includes('port'), worked.alone)
  judge('and needs none by WebSocket', worked.reached === worked.height, worked.reached)
  await resume(page, run, nodes)
} finally {
  await browser?.close()
  server.close()
  for (const node of nodes) await node.remove()
  rmSync(unpacked, { recursive: true, force: true })
}
finish()
