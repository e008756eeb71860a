/**
 * Keys, addresses and signatures of qBTC alone: a third of what the whole package loads.
 *
 * @packageDocumentation
 */
import { readFile } from 'node:fs/promises';
import { createGlue } from './glue/sign.js';
import { type LoadOptions, type Source, loadInto } from './guard.js';
import { sentence } from './sentences.js';
import { shapeSign } from './shape.js';
import type { Sign } from './sign-api.js';

export * from './errors.js';
export type { LoadOptions, Source } from './guard.js';
export type * from './sign-api.js';
export type * from './types.js';

/** Loads the program. Every call gives one of its own memory. */
export async function load(options: LoadOptions = {}): Promise<Sign> {
  const { wasm, signal } = options;
  const source = async (): Promise<Source> => (await wasm) ?? readFile(new URL('../wasm/sign.wasm', import.meta.url), { signal });
  return Object.freeze(shapeSign(await loadInto<Sign>(createGlue, source, signal, sentence)));
}
