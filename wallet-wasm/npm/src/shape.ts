import type { Receipt, Wallet } from './api.js';
import type { Sign } from './sign-api.js';
import type { Txid } from './types.js';

type Raw = Record<string, (...args: unknown[]) => unknown>;

/** What JavaScript may leave out, filled in, and results in their final form. */
export function shapeSign<T extends Sign>(raw: T): T {
  const Mnemonic = raw.Mnemonic as unknown as { prototype: Record<string, (...args: unknown[]) => unknown> };
  const toSeed = Mnemonic.prototype['toSeed']!;
  Mnemonic.prototype['toSeed'] = function (passphrase: unknown = ''): unknown {
    return toSeed.call(this, passphrase);
  };
  return raw;
}

/** {@link shapeSign}, for all of the package. */
export function shapeWallet(raw: Wallet): Wallet {
  const verifyPayment = (raw as unknown as Raw)['verifyPayment']!;
  const shaped = shapeSign(raw) as unknown as Record<string, unknown>;
  shaped['verifyPayment'] = (chain: unknown, txid: Txid, receipt: Receipt): unknown => {
    const { block, tip, height, confirmations } = verifyPayment(
      chain, txid, receipt.history, receipt.block, receipt.transaction,
    ) as { block: unknown; tip: unknown; height: number; confirmations: number };
    return { value: txid, level: 'header', height, confirmations, proof: { block, tip } };
  };
  return Object.freeze(shaped) as unknown as Wallet;
}
