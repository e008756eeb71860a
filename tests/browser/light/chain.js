// The chain that a suite is about.
import { Chain } from '/pkg/qbtc_wallet_wasm.js'

/** A built-in chain by its name, another by the hex of its spec. */
export function named (chain) {
  return chain.length < 100 ? Chain.named(chain) : Chain.fromBytes(Uint8Array.from(chain.match(/../g), (byte) => parseInt(byte, 16)))
}
