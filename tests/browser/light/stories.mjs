// What a light client in a page goes through, in whatever browser. See README.md.
import { open } from '../support/browser.mjs'
import { figure, judge, until } from '../support/judge.mjs'
import { Node, Peer } from '../support/programs.mjs'
import { freeze, share } from './share.mjs'

const BLOCKS = 30

async function follow (run, nodes) {
  const cold = await run('start', 'dev', nodes.map((node) => node.address), 'qbtc-test')
  const status = await run('status')
  judge('a cold start gets to the tip', status.tip.height === BLOCKS && status.phase === 'live', { ms: Math.round(cold), ...status })
  const links = await until('three nodes', 30, async () => (await run('nodes')).length >= 3 && run('nodes'))
  judge('three nodes, each under a seal', links.every(({ keyExchange }) => keyExchange === 'X25519MLKEM768'), links.map(({ userAgent, pingMs }) => ({ userAgent, pingMs })))
  const ofNodes = nodes.flatMap((node) => node.rpc('getpeerinfo').filter(({ transport_protocol_type: type, sealed }) => type === 'webrtc' && sealed).map(({ seal }) => seal))
  judge('the nodes have agreed on the same seals', new Set(ofNodes).size === 3 && links.every(({ seal }) => ofNodes.includes(seal)), ofNodes)
  await run('online')
  const asked = await until('every node is asked', 10, async () => (await run('nodes')).every(({ pingMs }) => pingMs > 0) && run('nodes'))
  judge('when the network is back, every node is asked whether it is there', asked.length === 3, asked.map(({ pingMs }) => Math.round(pingMs)))
  judge('the browser says whether it keeps what is stored', ['true', 'false'].includes(await run('persist')), await run('persist'))
  const header = await run('header', BLOCKS - 5)
  judge('a header comes with its proof', header.height === BLOCKS - 5 && header.confirmations === 6 && header.proof > 100, header)
}

async function scan (run, address) {
  await run('scan', 0, [address])
  const found = await until('the scan', 60, async () => {
    const events = await run('events')
    return events.some(({ type, height }) => type === 'scanned' && height === BLOCKS) && events
  })
  const blocks = found.filter(({ type, hasBlock }) => type === 'scanned' && hasBlock).map(({ height }) => height)
  judge('every block that pays the wallet is found, in order', blocks.length === BLOCKS && blocks.every((height, index) => height === index + 1), blocks.length)
}

async function work (run, nodes, address) {
  const found = await run('work', 'dev', nodes.map((node) => node.address), 0, address)
  const holds = found.height === BLOCKS + 3 && found.found.length === BLOCKS + 3
  judge('the client runs in a worker', holds, { ...found, found: found.found.length })
  figure('the page with its connections is never held up', found.longest < 50, { ms: found.longest })
}

async function grow (run, mine, nodes) {
  mine(3)
  const tip = await until('the new tip', 60, async () => (await run('status')).tip.height === BLOCKS + 3 && run('status'))
  judge('new blocks are followed', tip.tip.id === nodes[0].rpc('getbestblockhash'))
}

async function survive (page, run, nodes, mine) {
  const [first, ...others] = nodes
  await first.kill()
  const left = await until('the killed node is missed', 40, async () => (await run('nodes')).length === others.length && run('nodes'))
  judge('a killed node is missed, the others stay', left.length === others.length)
  await first.start('--connect', others[0].peer)
  await until('the node is back', 60, async () => (await run('nodes')).length === nodes.length)
  judge('a node that is back is dialled again', true)
  await run('close')
  const events = await run('events')
  judge('the events end', events.at(-1).type === 'end' && !events.some(({ type }) => type === 'store-failed'), [...new Set(events.map(({ type }) => type))])
  await page.reload()
  await page.waitForFunction(() => window.isReady)
  const warm = await run('start', 'dev', nodes.map((node) => node.address), 'qbtc-test')
  const status = await run('status')
  judge('a warm start goes on from what was kept', status.tip.height === BLOCKS + 3, { ms: Math.round(warm), questions: status.questions, bytes: status.bytes })
  await page.evaluate(async (addresses) => { window.leave = await window.parts.takeOver('dev', addresses, 'qbtc-test') }, nodes.map((node) => node.address))
  mine(1)
  const refused = await until('the first stores nothing any more', 20, async () => (await run('events')).find(({ type }) => type === 'store-failed'))
  judge('what a second client has taken over, the first does not write any more', refused.message.includes('taken over'), refused)
  await page.evaluate(() => window.leave())
  await run('close')
  judge('storage that is refused is told', await page.evaluate(async () => {
    Object.defineProperty(IDBFactory.prototype, 'open', { value: () => { throw new DOMException('refused', 'SecurityError') } })
    return window.parts.start('dev', [], 'other').then(() => 'started', (error) => error.code)
  }) === 'storage')
}

// A liar alone is found out and left; with honest nodes beside it, all is found.
async function mistrust (run, nodes, address) {
  for (const lie of ['work', 'filters', 'blocks']) {
    const liar = await Peer.lying(nodes[0], lie)
    try {
      await run('begin', 'dev', [liar.address])
      await run('scan', 0, [address])
      const isLeft = async () => (await run('events')).find(({ type, message }) => type === 'node-failed' && /Liar/.test(message))
      const left = await until(`the liar about ${lie} is found out`, 30, isLeft)
      const before = (await run('events')).filter(({ type, hasBlock }) => type === 'scanned' && hasBlock).length
      for (const node of nodes) await run('add', node.address)
      const found = await until('honest nodes', 60, async () => {
        const events = (await run('events')).filter(({ type }) => type === 'scanned')
        return events.some(({ height }) => height === BLOCKS + 4) && events.filter(({ hasBlock }) => hasBlock).map(({ height }) => height)
      })
      const holds = left.address === liar.address && before === 0 && found.length === BLOCKS + 4
      judge(`a node that lies about ${lie} is left, nothing it said is believed, and honest nodes are`, holds, { before, found: found.length })
      await run('close')
    } finally {
      await liar.stop()
    }
  }
}

/**
 * All of it, against nodes of its own. `browser` opens pages that share what they keep; the page is at `url`. `plain` is of `launchPlain`, where pages can be
 * frozen.
 */
export async function tell (browser, url, plain) {
  const nodes = [new Node(), new Node(), new Node()]
  try {
    await nodes[0].start()
    for (const node of nodes.slice(1)) await node.start('--connect', nodes[0].peer)
    const reward = nodes[0].newAddress()
    const mine = (count) => nodes[0].rpc('generatetoaddress', String(count), reward)
    mine(BLOCKS)
    for (const node of nodes) await until('all nodes have the blocks', 60, () => node.rpc('getblockcount') === BLOCKS)
    const { page, run } = await open(browser, url)
    await follow(run, nodes)
    await scan(run, reward)
    await grow(run, mine, nodes)
    await work(run, nodes, reward)
    await survive(page, run, nodes, mine)
    await page.close()
    const other = await open(browser, url)
    await mistrust(other.run, nodes, reward)
    await other.page.close()
    await share(browser, url, nodes, mine, reward)
    if (plain) await freeze(plain, url, nodes, mine, reward)
  } finally {
    for (const node of nodes) await node.remove()
  }
}
