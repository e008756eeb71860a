/** What an entry of the light client makes of the place of its program, which each kind of host finds in another way. */
import { QbtcError } from './errors.js';
import { createGlue } from './glue/light.js';
import type { LoadOptions } from './guard.js';
import { Deadline } from './light-events.js';
import { type LightProgram, connectLight, servePort, startLight } from './light-client.js';
import type {
  ConnectionServer, LightClientClass, LightClientOptions, SharedLightClient, SharedLightClientClass, SharedLightClientOptions,
} from './light-types.js';
import { SharingClient, type Start } from './shared-client.js';

/** The functions of an entry. */
export interface LightEntry {
  readonly LightClient: LightClientClass;
  readonly SharedLightClient: SharedLightClientClass;
  readonly serveConnections: (port: MessagePort, options?: LoadOptions) => Promise<ConnectionServer>;
}

/** Makes them. */
export function lightEntry(source: LightProgram['source']): LightEntry {
  const program: LightProgram = { createGlue, source };
  return {
    LightClient: Object.freeze({ connect: (options) => connectLight(program, options) } satisfies LightClientClass),
    SharedLightClient: Object.freeze({ connect: (options) => shareLight(program, options) } satisfies SharedLightClientClass),
    serveConnections: (port, options = {}) => servePort(program, port, options),
  };
}

/** {@link SharedLightClientClass.connect}. */
async function shareLight(light: LightProgram, options: SharedLightClientOptions): Promise<SharedLightClient> {
  const { chain, store = '', name = store, addresses = [], birthday = 0, timeoutMs, signal, wasm } = options;
  if ((options as LightClientOptions).port) {
    throw new QbtcError('argument', 'a shared client takes no port: it starts anew in each tab that leads, and a port serves one client');
  }
  // A response is read once, and a client starts as often as this tab leads.
  const program = async () => {
    const source = await wasm;
    return source instanceof Response ? source.clone() : source!;
  };
  // As it is now: whoever has made the object may free it.
  const spec = typeof chain === 'string' ? chain : chain instanceof Uint8Array ? chain.slice() : chain.toBytes();
  const deadline = new Deadline(timeoutMs);
  // A release that speaks otherwise takes another number.
  const start: Start = (all, from, stop) => startLight(light, { ...options, chain: spec, ...(wasm && { wasm: program() }), addresses: all, birthday: from, signal: stop });
  const client = new SharingClient(`qbtc-light-1/${spec}/${name}`, start, addresses, birthday);
  return client.ready(() => client.join(deadline, signal), signal);
}
