// The light client of the package against a real node, in every host: by WebRTC where the host has it, by WebSocket elsewhere.

/** Whether the client sees what the node has mined for it, and proves it. */
async function seen(client, { height, paid }) {
  for await (const event of client.events) {
    if (event.kind === 'balance' && event.balance.height === height) break;
  }
  const { value, level } = client.balance();
  const whole = Object.values(value).reduce((sum, amount) => sum + BigInt(amount), 0n);
  const [newest] = client.history();
  const found = await client.transaction(newest.value.txid);
  const [{ keyExchange }] = client.nodes();
  const told = `${whole} ${level}, paid at ${found.height} by ${found.level}, ${client.status.phase} at ${client.status.tip.height}, ${keyExchange}`;
  const expected = `${paid} filter, paid at ${height} by header, live at ${height}, X25519MLKEM768`;
  if (told !== expected) throw new Error(`the light client: found ${told}, expected ${expected}`);
}

/** Follows the node with the package's light client. `live` is what run.mjs has written: how to reach the node, whom it has paid, and up to which height. */
export async function follow({ LightClient }, live, port) {
  const nodes = typeof RTCPeerConnection === 'undefined' && !port ? live.sockets : live.nodes;
  const client = await LightClient.connect({ chain: 'dev', nodes, addresses: [live.address], birthday: 1, timeoutMs: 30_000, port });
  try {
    await seen(client, live);
  } finally {
    await client.close();
  }
}

/** The same in a worker, whose connections the page holds. It does {@link serve}. */
export async function followInWorker({ serveConnections }, live, worker) {
  const { port1, port2 } = new MessageChannel();
  const server = await serveConnections(port1);
  try {
    const told = new Promise((done, failed) => {
      worker.onmessage = ({ data }) => (data === 'followed' ? done() : failed(new Error(`in a worker: ${data}`)));
      worker.onerror = ({ message }) => failed(new Error(`the worker: ${message}`));
    });
    worker.postMessage({ live, port: port2 }, [port2]);
    await told;
  } finally {
    worker.terminate();
    server.close();
  }
}

/** In that worker: does what the page asks for. */
export function serve(light) {
  globalThis.onmessage = async ({ data: { live, port } }) => {
    globalThis.postMessage(await follow(light, live, port).then(() => 'followed', (error) => `${error.stack ?? error}`));
  };
}
