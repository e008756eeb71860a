/**
 * Keys, addresses, payments and proofs of qBTC, checked by the code that its nodes run.
 *
 * @packageDocumentation
 */
import type { Wallet } from './api.js';
import { createGlue } from './glue/wallet.js';
import { type LoadOptions, type Source, loadInto } from './guard.js';
import { shapeWallet } from './shape.js';

export type * from './api.js';
export * from './errors.js';
export type { LoadOptions, Source } from './guard.js';
export type * from './sign-api.js';
export type * from './types.js';

/** Loads the program. Every call gives one of its own memory. */
export async function load(options: LoadOptions = {}): Promise<Wallet> {
  const { wasm, signal } = options;
  const source = async (): Promise<Source> => (await wasm) ?? new URL('../wasm/wallet.wasm', import.meta.url);
  return shapeWallet(await loadInto<Wallet>(createGlue, source, signal));
}
