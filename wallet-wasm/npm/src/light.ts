/**
 * A light client of qBTC: it connects straight with full nodes, believes none of them, and shows what it has proven.
 *
 * @packageDocumentation
 */
import { createGlue } from './glue/light.js';
import type { LoadOptions } from './guard.js';
import { type LightProgram, connectLight, servePort } from './light-client.js';
import type { ConnectionServer, LightClient as Client, LightClientClass, LightClientOptions } from './light-types.js';

export * from './errors.js';
export type { LoadOptions, Source } from './guard.js';
export type {
  Asking, Balance, ConnectionServer, FilterProof, FoundTransaction, HistoryEntry, LightClientClass, LightClientOptions, LightEvent,
  LightNode, LightStatus, LightWarning, Sent, Tip, TransactionBody, WatchedCoin,
} from './light-types.js';
export type * from './types.js';

const program: LightProgram = {
  createGlue,
  source: async () => new URL('../wasm/light.wasm', import.meta.url),
};

/** A light client. {@link LightClientClass.connect} makes one. */
export type LightClient = Client;
/** Makes light clients. */
export const LightClient: LightClientClass = Object.freeze({
  connect: (options: LightClientOptions): Promise<Client> => connectLight(program, options),
});

/**
 * In a page: holds the connections of a client that runs in a worker, which has no WebRTC. One end of a `MessageChannel` comes here, the other
 * goes to the worker, as `port` of {@link LightClientOptions}.
 */
export function serveConnections(port: MessagePort, options: LoadOptions = {}): Promise<ConnectionServer> {
  return servePort(program, port, options);
}
