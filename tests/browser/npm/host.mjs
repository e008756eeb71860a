// The light client of the packed package where there is no browser, by WebSocket: run by Node and by Deno.
//
//   host.mjs PACKAGE ADDRESSES NODE…
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, watched, ...nodes] = process.argv.slice(2)
const { LightClient } = await import(pathToFileURL(join(resolve(folder), 'esm/light.node.js')).href)
const client = await LightClient.connect({ chain: 'dev', nodes, addresses: watched.split(','), birthday: 1, timeoutMs: 30_000 })
for await (const event of client.events) {
  if (event.kind === 'balance' && event.balance.height === client.status.tip.height) break
}
const { value, height } = client.balance()
const mined = client.history().find(({ value }) => !value.isCoinbase && value.state === 'confirmed')
const found = await client.transaction(mined.value.txid)
const told = { height, confirmed: String(value.confirmed), nodes: client.nodes().length, txid: mined.value.txid, level: found.level, proof: found.proof.length }
await client.close()
console.log(JSON.stringify(told))
