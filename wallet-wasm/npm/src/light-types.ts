// What people see of the light client: options, events, answers.

import type { ErrorCode } from './errors.js';
import type { LoadOptions } from './guard.js';
import type { BlockMark, Coin, DecodedOutput, FeeRate, Level, Proven, Quanta, Txid } from './types.js';

/** What a light client is asked to do. */
export interface LightClientOptions extends LoadOptions {
  /** The chain: a built-in one, a spec as bytes, or a `Chain` of `@qbtc/wallet`. */
  readonly chain: 'main' | 'test' | 'local' | 'dev' | Uint8Array | { toBytes(): Uint8Array };
  /** Nodes to begin with, as multiaddrs: `/ip4/…/udp/…/webrtc-direct/…` or `/ip4/…/tcp/…/ws/…`. Three or more, of different people. */
  readonly nodes: readonly string[];
  /** The addresses to watch: of `AddressBook.addresses`, or anybody's. */
  readonly addresses?: readonly string[];
  /** No coin of theirs is older than this height; 0 if left out. The higher, the less is looked through. */
  readonly birthday?: number;
  /** The name of a database (IndexedDB) that keeps what the client knows; without one, each client begins anew. */
  readonly store?: string;
  /** In a worker: the other end of a port that a page has handed to {@link serveConnections}. */
  readonly port?: MessagePort;
  /** How long it may take from the call until the chain's work is proven, in milliseconds; 60,000 if left out. */
  readonly timeoutMs?: number;
  /** Ends the client: before it is connected, and after. */
  readonly signal?: AbortSignal;
}

/** How a client stands. */
export interface LightStatus {
  /**
   * `connecting`: no node has named its tip; `proving`: the work of a chain is being shown; `syncing-headers`; `scanning`: blocks are looked
   * through for the watched addresses; `live`: all is known up to the tip.
   */
  readonly phase: 'connecting' | 'proving' | 'syncing-headers' | 'scanning' | 'live' | 'closed';
  /** How many nodes have named their tips. */
  readonly nodes: number;
  /** Why all nodes may be one person's, who keeps the best chain away; `null` where nothing looks like it. */
  readonly eclipse: 'few-peers' | 'one-group' | 'less-work' | null;
  /** The tip is so old that newer blocks are likely being missed. What is shown must not be called current. */
  readonly isStale: boolean;
  /** The height of a block that no node gives, so that what lies above is not looked through. */
  readonly withheld: number | null;
  readonly tip: Tip;
  /** What was asked of nodes so far, and the bytes of that. */
  readonly traffic: { readonly questions: bigint; readonly bytes: bigint };
}

/** The best block that the client knows, by work. */
export interface Tip extends BlockMark {
  /** Seconds since 1970, as the miner says. */
  readonly time: number;
  /** The work of the chain up to it, in expected hashes: shown, not claimed. */
  readonly work: bigint;
}

/** Money, told apart by when it can be spent. */
export interface Balance {
  /** Can be spent now. */
  readonly confirmed: Quanta;
  /** Made by transactions that were sent here and are in no block. What others have sent is seen once it is mined. */
  readonly pending: Quanta;
  /** Of coinbases that are too young. */
  readonly immature: Quanta;
}

/** What a value rests on that was found by filters: every block of a range was held against the filter that it commits to. */
export interface FilterProof {
  /** The first height that was looked at. */
  readonly from: number;
  /** The last block; `null` while none was. */
  readonly to: BlockMark | null;
}

/** A coin of a watched address; one of `coins` of `AddressBook.pay`. */
export interface WatchedCoin extends Coin {
  /** Whether a transaction in the next block can spend it. */
  readonly isSpendable: boolean;
  readonly isCoinbase: boolean;
}

/** A line of the history. */
export interface HistoryEntry {
  readonly txid: Txid;
  /** The block that holds it; `null` while none does. */
  readonly block: BlockMark | null;
  readonly state: 'pending' | 'confirmed';
  readonly received: Quanta;
  readonly spent: Quanta;
  /** `null` where others paid in, too. */
  readonly fee: Quanta | null;
  readonly isCoinbase: boolean;
  readonly expiryHeight: number | null;
}

/** A line of the history with what it rests on: `none`, for what was sent here and waits, since no block shows it yet. */
export type FoundEntry = Proven<HistoryEntry, FilterProof, Level | 'none'>;

/** A transaction as the chain commits to it: without witnesses. */
export interface TransactionBody {
  readonly txid: Txid;
  readonly version: number;
  readonly inputs: readonly { readonly txid: Txid; readonly index: number }[];
  readonly outputs: readonly DecodedOutput[];
  readonly lockHeight: number;
  readonly expiryHeight: number | null;
  /** What `verifyPlace` takes. */
  readonly bytes: Uint8Array;
}

/** What is known of a transaction: its place in the chain with a proof, or only a node's word that it waits. */
export type FoundTransaction =
  | (Proven<TransactionBody, Uint8Array> & { readonly state: 'confirmed'; readonly block: BlockMark })
  | { readonly state: 'waiting'; readonly value: TransactionBody };

/** A node that the client is connected with. */
export interface LightNode {
  readonly address: string;
  /** What it runs, in its own words. */
  readonly userAgent: string;
  readonly pingMs: number | null;
  /** The connection may be gone. */
  readonly isSuspect: boolean;
  /** How the keys were agreed on under which questions and answers go: a node with which none were agreed on is not asked. */
  readonly keyExchange: 'X25519MLKEM768';
  /** Which keys these are, 16 hex digits: the node shows the same (`seal` in `getpeerinfo`). */
  readonly seal: string;
}

/** What nodes said to a transaction. */
export interface Sent {
  readonly txid: Txid;
  /** How many took it. */
  readonly nodes: number;
  /** What the others said. */
  readonly refusals: readonly string[];
}

/** What a client tells by itself. */
export type LightEvent =
  | { readonly kind: 'status'; readonly status: LightStatus }
  /** The chain has another tip. `fork` is the last block that both have, where the one before is not in this chain. */
  | { readonly kind: 'tip'; readonly tip: Tip; readonly fork: BlockMark | null }
  /** What the watched addresses have, or up to where that is known, has changed. */
  | { readonly kind: 'balance'; readonly balance: Proven<Balance, FilterProof> }
  /** A transaction of a watched address was mined. */
  | { readonly kind: 'transaction'; readonly entry: Proven<HistoryEntry, FilterProof> }
  /** What was told about blocks above this one does not hold any more, or will come again. */
  | { readonly kind: 'rolled-back'; readonly to: BlockMark | null }
  | { readonly kind: 'warning'; readonly warning: LightWarning };

/** What a person may want to know, while the client goes on. */
export type LightWarning =
  /** A node cannot be reached, or was left: another one is tried. */
  | { readonly kind: 'node-failed'; readonly address: string; readonly message: string }
  /** What the client knows could not be kept, or not be read. */
  | { readonly kind: 'storage'; readonly message: string }
  /** Of a shared client alone: the tab that was to run it cannot, and another one will, or this one some seconds later. */
  | { readonly kind: 'client-failed'; readonly code: ErrorCode; readonly message: string };

/** What one question may be given. */
export interface Asking {
  /** Ends the question; one that has ended already asks nothing. */
  readonly signal?: AbortSignal;
}

/**
 * A light client: it believes no node, and shows what it has proven.
 *
 * Every question ends, by an answer, a {@link QbtcError}, its signal or the client's end. After `fatal` the client is gone, and nothing else is.
 */
export interface LightClient extends AsyncDisposable {
  readonly status: LightStatus;
  /**
   * Each loop over it has a stream of its own, which begins with how things stand. Who reads too slowly misses what was renewed since, and, beyond 1,024
   * events, the oldest. It ends when the client is closed, and throws where a fault has ended it.
   */
  readonly events: AsyncIterable<LightEvent>;
  /** What the watched addresses have: as far as it was looked through, see `height` and `confirmations`. */
  balance(): Proven<Balance, FilterProof>;
  /** Their coins that are in blocks: `height` is that of the block. */
  coins(): readonly Proven<WatchedCoin, FilterProof>[];
  /** Their transactions, newest first. */
  history(limit?: number): readonly FoundEntry[];
  /** Watches more addresses, of which no coin is older than a height; 0 if left out. */
  watch(addresses: readonly string[], birthday?: number): void;
  /** Proves a transaction. What it proves can be checked by anybody, by `verifyPlace`. */
  transaction(txid: Txid, asking?: Asking): Promise<FoundTransaction>;
  /** The header at a height: its 80 bytes, proven. */
  header(height: number, asking?: Asking): Promise<Proven<Uint8Array, Uint8Array> & { readonly block: BlockMark }>;
  /** For each number of blocks the rate at which a transaction should be mined within them: the median of what nodes say. */
  fees(blocks: readonly number[], asking?: Asking): Promise<{ readonly rates: readonly FeeRate[]; readonly nodes: number }>;
  /**
   * Gives a signed transaction to several nodes. Once it has begun, its signal ends the waiting only: what a node was given is not called back, and
   * may be mined.
   */
  send(transaction: Uint8Array, asking?: Asking): Promise<Sent>;
  nodes(): readonly LightNode[];
  /** Tries one more node. */
  addNode(address: string): void;
  /**
   * Tells that the machine may have slept or changed networks: every node is asked whether it is there. Pages and workers see most of it by
   * themselves.
   */
  wake(): void;
  /** Keeps what is to be kept, and ends every connection. */
  close(): Promise<void>;
}

/** What a light client that tabs share is asked to do. */
export interface SharedLightClientOptions extends Omit<LightClientOptions, 'port'> {
  /** Tabs share one client where chain and name are the same; the name of the store if left out. One store, one name. */
  readonly name?: string;
}

/**
 * A light client that all tabs of an origin share: one of them runs it, and when that one closes, is frozen or falls silent, another goes on from what was
 * stored. It watches what any of them watches, and {@link LightClient.balance} and the rest are of all of that.
 *
 * A question that waits meanwhile is asked again of the next one. A `rolled-back` says from where on the next one looks through blocks again, and a
 * `status` of the phase `connecting` that nobody runs it yet. `close` leaves: the client ends with the last tab.
 */
export interface SharedLightClient extends LightClient {
  /** Whether this tab runs the client. */
  readonly isLeader: boolean;
  /** Resolves once they are watched. */
  watch(addresses: readonly string[], birthday?: number): Promise<void>;
  addNode(address: string): Promise<void>;
}

/** Where shared light clients come from. */
export interface SharedLightClientClass {
  /**
   * Joins the other tabs, and resolves once the work of the best chain is proven, in whatever tab. Nodes, store and program are used where this tab comes
   * to run the client; so name the same in each. Without Web Locks (pages need a secure context, Node is too old before 24) it is refused with `unsupported`.
   */
  connect(options: SharedLightClientOptions): Promise<SharedLightClient>;
}

/** Where light clients come from. */
export interface LightClientClass {
  /** Connects, and resolves once the work of the best chain is proven. */
  connect(options: LightClientOptions): Promise<LightClient>;
}

/** Connections that a page holds for a worker. */
export interface ConnectionServer {
  /** Closes them. */
  close(): void;
}
