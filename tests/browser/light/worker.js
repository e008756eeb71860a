// The same client in a worker: the page holds its connections.
import init, { LightClient } from '/pkg/qbtc_wallet_wasm.js'
import { named } from '/chain.js'

self.onmessage = async ({ data: { port, chain, addresses, start, address } }) => {
  await init()
  const begin = performance.now()
  const client = await LightClient.start(named(chain), addresses, undefined, port)
  const status = () => client.status()
  while (status().phase !== 'live') await new Promise((resolve) => setTimeout(resolve, 5))
  const live = performance.now() - begin
  const scanBegin = performance.now()
  client.scan(start, [address])
  const found = []
  for (;;) {
    const event = await client.next()
    if (event.type !== 'scanned') continue
    if (event.block !== undefined) {
      found.push(event.height)
      client.taken(event.id, [])
    }
    if (event.height === status().tip.height) break
  }
  const scan = performance.now() - scanBegin
  const nodes = client.nodes().length
  await client.close()
  self.postMessage({ live, scan, found, nodes, height: status().tip.height })
}
