/**
 * A light client of qBTC: it connects straight with full nodes, believes none of them, and shows what it has proven.
 *
 * @packageDocumentation
 */
import { readFile } from 'node:fs/promises';
import type { LoadOptions } from './guard.js';
import { lightEntry } from './light-entry.js';
import type { ConnectionServer, LightClient as Client, LightClientClass, SharedLightClient as Shared, SharedLightClientClass } from './light-types.js';

export * from './light-exports.js';

const entry = lightEntry((signal) => readFile(new URL('../wasm/light.wasm', import.meta.url), { signal }));

/** A light client. {@link LightClientClass.connect} makes one. */
export type LightClient = Client;
/** Makes light clients. */
export const LightClient: LightClientClass = entry.LightClient;

/** A light client that all tabs of an origin share. {@link SharedLightClientClass.connect} joins them. */
export type SharedLightClient = Shared;
/** Makes shared light clients. */
export const SharedLightClient: SharedLightClientClass = entry.SharedLightClient;

/**
 * In a page: holds the connections of a client that runs in a worker, which has no WebRTC. One end of a `MessageChannel` comes here, the other
 * goes to the worker, as `port` of {@link LightClientOptions}.
 */
export function serveConnections(port: MessagePort, options: LoadOptions = {}): Promise<ConnectionServer> {
  return entry.serveConnections(port, options);
}
