import type { Account, Chain } from './sign-api.js';
import type { AddressBook } from './api.js';
import type { QbtcError } from './errors.js';
import type { Address, BlockId, FeeRate, Proven, Quanta, Txid } from './types.js';

/** What a light client is asked to do. */
export interface LightClientOptions {
  readonly chain: Chain;
  /** Nodes to begin with: webrtc-direct or WebSocket multiaddrs. Three or more, of different people. */
  readonly peers: readonly string[];
  /** The addresses to watch. */
  readonly book: AddressBook;
  /** No coin of theirs is older than this height. */
  readonly birthday: number;
  /** Where the client keeps what it knows; in memory if left out. */
  readonly store?: { readonly kind: 'indexeddb'; readonly name: string } | { readonly kind: 'memory' };
  /** Ends the client. */
  readonly signal?: AbortSignal;
}

/** How a client stands. */
export type LightState =
  | { readonly kind: 'connecting' }
  /** Proving the work of the chain, or fetching headers. */
  | { readonly kind: 'syncing'; readonly height: number; readonly target: number }
  /** Matching filters. */
  | { readonly kind: 'scanning'; readonly height: number; readonly target: number }
  | { readonly kind: 'ready' }
  /** What is shown is old: no peer can be reached, or none knows a new block. */
  | { readonly kind: 'stale'; readonly since: number }
  | { readonly kind: 'closed' };

/** The best block that the client knows, by work. */
export interface Tip {
  readonly height: number;
  readonly id: BlockId;
  /** Seconds since 1970, as the miner says. */
  readonly time: number;
  readonly work: bigint;
}

/** Money, told apart by when it can be spent. */
export interface Balance {
  readonly confirmed: Quanta;
  readonly pending: Quanta;
  readonly immature: Quanta;
}

/** A line of the history. */
export interface HistoryEntry {
  readonly txid: Txid;
  /** The block that holds it; `null` while none does. */
  readonly block: { readonly id: BlockId; readonly height: number } | null;
  readonly received: Quanta;
  readonly spent: Quanta;
  /** Missing where others paid in, too. */
  readonly fee?: Quanta;
  readonly expiryHeight: number | null;
  readonly state: 'pending' | 'confirmed' | 'expired' | 'replaced';
}

/** What a client tells by itself. */
export type LightEvent =
  | { readonly kind: 'state'; readonly state: LightState }
  | { readonly kind: 'tip'; readonly tip: Tip }
  | { readonly kind: 'balance'; readonly balance: Proven<Balance> }
  | { readonly kind: 'transaction'; readonly entry: Proven<HistoryEntry> }
  | { readonly kind: 'reorg'; readonly from: Tip; readonly to: Tip; readonly depth: number }
  | { readonly kind: 'peer'; readonly id: string; readonly address: string; readonly isConnected: boolean; readonly keyExchange?: string }
  | { readonly kind: 'warning'; readonly warning: LightWarning };

/** What a person should know, while the client goes on. */
export type LightWarning =
  /** All peers agree, but too few or too alike ones were reached to rule out that one person runs them all. */
  | { readonly kind: 'possible-eclipse'; readonly peers: number }
  /** A peer was caught lying, and left. */
  | { readonly kind: 'liar'; readonly peer: string; readonly error: QbtcError }
  /** What the client knows could not be kept. */
  | { readonly kind: 'storage'; readonly error: QbtcError };

/**
 * A light client: it believes no peer, and shows what it has proven.
 *
 * This is the contract of the client; which builds of the package have one says the README.
 */
export interface LightClient extends AsyncDisposable {
  readonly state: LightState;
  readonly tip: Tip | null;
  /** Each call gives a stream of its own, from now on. A reader that is too slow misses events but the last of each kind. */
  events(options?: { readonly signal?: AbortSignal }): AsyncIterable<LightEvent>;
  /** Connects, and resolves once the client is ready. */
  connect(options?: { readonly signal?: AbortSignal }): Promise<void>;
  close(): Promise<void>;
  balance(): Promise<Proven<Balance>>;
  history(options?: { readonly limit?: number }): Promise<readonly Proven<HistoryEntry>[]>;
  /** A fee rate at which a transaction should be mined within so many blocks: the peers' word. */
  feeRate(blocks: number, options?: { readonly signal?: AbortSignal }): Promise<FeeRate>;
  /** Builds, signs and sends a payment; resolves once a peer has taken it. */
  send(
    account: Account,
    payment: { readonly to: readonly { readonly address: Address; readonly amount: Quanta }[]; readonly feeRate: FeeRate },
    options?: { readonly signal?: AbortSignal },
  ): Promise<Txid>;
  /** Hands a signed transaction to the peers. */
  broadcast(transaction: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<Txid>;
  /** Proves a transaction that is in a block: an offline receipt. */
  prove(txid: Txid, options?: { readonly signal?: AbortSignal }): Promise<Proven<Txid, Uint8Array>>;
}
