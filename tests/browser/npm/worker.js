// The light client of the packed package in a worker: first without a port, by WebRTC (which a worker has not) and by WebSocket, then with the page's port.
import { LightClient } from '/pkg/esm/light.js'

self.onmessage = async ({ data: { port, nodes, sockets, addresses } }) => {
  const alone = await LightClient.connect({ chain: 'dev', nodes }).then(() => 'connected', ({ code, message }) => ({ code, message }))
  const itself = await LightClient.connect({ chain: 'dev', nodes: sockets })
  const { height: reached } = itself.status.tip
  await itself.close()
  await using client = await LightClient.connect({ chain: 'dev', nodes, addresses, port })
  for await (const event of client.events) {
    if (event.kind === 'balance' && event.balance.height === client.status.tip.height) {
      const { confirmed, immature, pending } = event.balance.value
      self.postMessage({ alone, reached, whole: String(confirmed + immature + pending), height: event.balance.height, nodes: client.nodes().length })
      return
    }
  }
}
