// Puts on the classes of the program what is easier in JavaScript.

import type { Receipt, Wallet } from './api.js';
import type { Sign } from './sign-api.js';
import type { Effect, Quanta, Txid } from './types.js';

type Raw = Record<string, (...args: unknown[]) => unknown>;
type Class = { prototype: Raw };

/** What a transaction will do, in English, one line for each thing that happens. */
function effectText(effect: Omit<Effect, 'text'>, qbtc: (quanta: Quanta) => string): string {
  const { outputs, fee, feeRate, sizeBytes, inputs, ownInputs, leaves, arrives, expiryHeight } = effect;
  const lines = outputs.map((output) => {
    if (output.kind === 'data') return `writes ${output.data.length} bytes of data for everybody to read`;
    const what = `${qbtc(output.amount)} QBTC`;
    return output.isOwn ? `keeps ${what} at ${output.address} (your own)` : `pays ${what} to ${output.address}`;
  });
  const rate = feeRate === undefined ? '' : `, for ${sizeBytes} bytes: ${feeRate} quanta per 1000 bytes`;
  lines.push(`fee ${qbtc(fee)} QBTC${rate}`);
  if (ownInputs < inputs) lines.push(`${inputs - ownInputs} of the ${inputs} coins spent are not yours`);
  lines.push(arrives > 0n ? `${qbtc(arrives)} QBTC arrive in your wallet in all` : `${qbtc(leaves)} QBTC leave your wallet in all`);
  lines.push(expiryHeight === null ? 'never expires' : `expires if no block up to height ${expiryHeight} holds it`);
  return lines.join('\n');
}

/** Puts effects that a method gives into words, too. */
function withText(raw: Sign, owner: Class, name: string): void {
  const effect = owner.prototype[name]!;
  owner.prototype[name] = function (...args: unknown[]): unknown {
    const shown = effect.apply(this, args) as Omit<Effect, 'text'>;
    return { ...shown, text: effectText(shown, raw.formatAmount) };
  };
}

/** What JavaScript may leave out, filled in, and results in their final form. */
export function shapeSign<T extends Sign>(raw: T): T {
  const { Mnemonic, Partial } = raw as unknown as Record<string, Class>;
  const toSeed = Mnemonic!.prototype['toSeed']!;
  Mnemonic!.prototype['toSeed'] = function (passphrase: unknown = ''): unknown {
    return toSeed.call(this, passphrase);
  };
  withText(raw, Partial!, 'effect');
  return raw;
}

/** {@link shapeSign}, for all of the package. */
export function shapeWallet(raw: Wallet): Wallet {
  const verifyPayment = (raw as unknown as Raw)['verifyPayment']!;
  const { Partial, Unsigned } = raw as unknown as Record<string, Class>;
  withText(raw, Partial!, 'effectFor');
  withText(raw, Unsigned!, 'effect');
  const shaped = shapeSign(raw) as unknown as Record<string, unknown>;
  shaped['verifyPayment'] = (chain: unknown, txid: Txid, receipt: Receipt): unknown => {
    const { block, tip, height, confirmations } = verifyPayment(
      chain, txid, receipt.history, receipt.block, receipt.transaction,
    ) as { block: unknown; tip: unknown; height: number; confirmations: number };
    return { value: txid, level: 'header', height, confirmations, proof: { block, tip } };
  };
  return Object.freeze(shaped) as unknown as Wallet;
}
