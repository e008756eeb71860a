// The light client of the packed package in a worker: first without a port, then with the page's.
import { LightClient } from '/pkg/esm/light.js'

self.onmessage = async ({ data: { port, nodes, addresses } }) => {
  const alone = await LightClient.connect({ chain: 'dev', nodes }).then(() => 'connected', ({ code, message }) => ({ code, message }))
  await using client = await LightClient.connect({ chain: 'dev', nodes, addresses, port })
  for await (const event of client.events) {
    if (event.kind === 'balance' && event.balance.height === client.status.tip.height) {
      const { confirmed, immature, pending } = event.balance.value
      self.postMessage({ alone, whole: String(confirmed + immature + pending), height: event.balance.height, nodes: client.nodes().length })
      return
    }
  }
}
