// The light client: the program's words made into the interface that people call.

import { QbtcError } from './errors.js';
import { type Glue, type Source, loadInto } from './guard.js';
import { Deadline, Telling } from './light-events.js';
import type {
  Asking, Balance, ConnectionServer, FilterProof, FoundEntry, FoundTransaction, HistoryEntry, LightClient, LightClientOptions, LightNode, LightStatus,
  Sent, Tip, TransactionBody, WatchedCoin,
} from './light-types.js';
import type { Address, BlockMark, FeeRate, Level, Proven, Quanta, Txid } from './types.js';

interface RawMark { height: number; id: string }
interface RawTip extends RawMark { time: number; work: string }
interface RawStatus {
  phase: Exclude<LightStatus['phase'], 'closed'>; peers: number; eclipse?: Exclude<LightStatus['eclipse'], null>; stale: boolean; withheld?: number;
  tip: RawTip; questions: bigint; bytes: bigint;
}
interface RawFiltered<T, L extends string = Level> { value: T; level: L; height?: number; confirmations: number; from: number; block?: string }
interface RawEntry {
  txid: Txid; state: HistoryEntry['state']; received: Quanta; spent: Quanta; fee: Quanta | null; coinbase: boolean; expiryHeight: number | null;
  block: RawMark | null;
}
interface RawCoin { txid: Txid; index: number; amount: Quanta; address: Address; spendable: boolean; coinbase: boolean }
interface RawProven { level: Level; height: number; block: string; confirmations: number; proof: Uint8Array; value: Uint8Array }
type RawBody = Omit<TransactionBody, 'bytes'>;
interface RawNode { address: string; userAgent: string; pingMs?: number; suspect: boolean; keyExchange: 'X25519MLKEM768'; seal: string }
type RawEvent =
  | { type: 'status' }
  | (RawTip & { type: 'tip'; fork?: RawMark })
  | (RawMark & { type: 'scanned'; touched?: RawFiltered<RawEntry>[] })
  | { type: 'rolled-back'; to?: RawMark }
  | { type: 'node-failed'; address: string; message: string }
  | { type: 'store-failed' | 'state-refused'; message: string };

interface RawClient {
  next(): Promise<RawEvent | undefined>;
  status(): RawStatus;
  nodes(): RawNode[];
  follow(birthday: number, addresses: readonly string[]): Promise<void>;
  followMore(from: number, addresses: readonly string[]): void;
  balance(): RawFiltered<Balance>;
  coins(): RawFiltered<RawCoin>[];
  history(limit?: number): RawFiltered<RawEntry, FoundEntry['level']>[];
  transaction(txid: Txid, signal?: AbortSignal): Promise<(RawProven & { type: 'transaction'; body: RawBody }) | { type: 'waiting'; value: Uint8Array; body: RawBody }>;
  header(height: number, signal?: AbortSignal): Promise<RawProven>;
  submit(bytes: Uint8Array, signal?: AbortSignal): Promise<Sent>;
  fees(blocks: readonly number[], signal?: AbortSignal): Promise<{ rates: FeeRate[]; nodes: number }>;
  addNode(address: string): void;
  wake(): void;
  close(): Promise<void>;
  halt(): void;
}

/** What the program exports. */
interface Program {
  readonly Chain: { named(name: string): unknown; fromBytes(bytes: Uint8Array): unknown };
  readonly LightClient: { start(chain: unknown, nodes: readonly string[], store?: string, port?: MessagePort, signal?: AbortSignal): Promise<RawClient> };
  readonly ConnectionServer: new (port: MessagePort) => { free(): void };
}

const mark = ({ height, id }: RawMark): BlockMark => ({ height, id });
const shownTip = ({ height, id, time, work }: RawTip): Tip => ({ height, id, time, work: BigInt(`0x${work}`) });

function shownStatus({ phase, peers, eclipse, stale, withheld, tip, questions, bytes }: RawStatus): LightStatus {
  const traffic = { questions: BigInt(questions), bytes: BigInt(bytes) };
  return { phase, nodes: peers, eclipse: eclipse ?? null, isStale: stale, withheld: withheld ?? null, tip: shownTip(tip), traffic };
}

function filtered<T, U, L extends string>(raw: RawFiltered<T, L>, value: (raw: T) => U, scanned: number | undefined): Proven<U, FilterProof, L> {
  const to = raw.block === undefined || scanned === undefined ? null : { height: scanned, id: raw.block };
  return { value: value(raw.value), level: raw.level, height: raw.height ?? 0, confirmations: raw.confirmations, proof: { from: raw.from, to } };
}

function shownEntry({ txid, block, state, received, spent, fee, coinbase, expiryHeight }: RawEntry): HistoryEntry {
  return { txid, block: block && mark(block), state, received, spent, fee, isCoinbase: coinbase, expiryHeight };
}

function shownCoin({ spendable, coinbase, ...coin }: RawCoin): WatchedCoin {
  return { ...coin, isSpendable: spendable, isCoinbase: coinbase };
}

/** A client whose program runs here. */
export class RunningClient extends Telling implements LightClient {
  private lastStatus: LightStatus | undefined;

  constructor(private readonly raw: RawClient) {
    super();
  }

  /** Hands on what the program tells, until it is closed. */
  async run(): Promise<void> {
    try {
      for (let event = await this.raw.next(); event !== undefined; event = await this.raw.next()) this.take(event);
      this.end();
    } catch (error) {
      this.end(error as QbtcError);
    }
  }

  private take(event: RawEvent): void {
    switch (event.type) {
      case 'status':
        this.tell({ kind: 'status', status: this.status });
        break;
      case 'tip':
        this.tell({ kind: 'tip', tip: shownTip(event), fork: event.fork ? mark(event.fork) : null });
        break;
      case 'scanned': {
        const balance = this.balance();
        for (const entry of event.touched ?? []) this.tell({ kind: 'transaction', entry: filtered(entry, shownEntry, event.height) });
        this.tell({ kind: 'balance', balance });
        break;
      }
      case 'rolled-back':
        this.tell({ kind: 'rolled-back', to: event.to ? mark(event.to) : null });
        this.tell({ kind: 'balance', balance: this.balance() });
        break;
      case 'node-failed':
        this.warn({ kind: 'node-failed', address: event.address, message: event.message });
        break;
      case 'store-failed': case 'state-refused':
        this.warn({ kind: 'storage', message: event.message });
        break;
    }
  }

  get status(): LightStatus {
    // After its end there is nobody to ask.
    if (!this.isClosed) this.lastStatus = shownStatus(this.raw.status());
    else this.lastStatus = { ...this.lastStatus!, phase: 'closed' };
    return this.lastStatus;
  }

  balance(): Proven<Balance, FilterProof> {
    const raw = this.open().balance();
    return filtered(raw, (value) => value, raw.height);
  }

  coins(): readonly Proven<WatchedCoin, FilterProof>[] {
    const { height } = this.open().balance();
    return this.raw.coins().map((coin) => filtered(coin, shownCoin, height));
  }

  history(limit?: number): readonly FoundEntry[] {
    const { height } = this.open().balance();
    return this.raw.history(limit).map((entry) => filtered(entry, shownEntry, height));
  }

  watch(addresses: readonly string[], birthday = 0): void {
    this.open();
    this.checkBirthday(birthday);
    this.raw.followMore(birthday, addresses);
  }

  async transaction(txid: Txid, { signal }: Asking = {}): Promise<FoundTransaction> {
    const found = await this.open().transaction(txid, signal);
    const value = { ...found.body, bytes: found.value };
    if (found.type === 'waiting') return { state: 'waiting', value };
    const { level, height, confirmations, proof, block } = found;
    return { state: 'confirmed', value, level, height, confirmations, proof, block: { height, id: block } };
  }

  async header(height: number, { signal }: Asking = {}): Promise<Proven<Uint8Array, Uint8Array> & { readonly block: BlockMark }> {
    const { value, level, confirmations, proof, block } = await this.open().header(height, signal);
    return { value, level, height, confirmations, proof, block: { height, id: block } };
  }

  async fees(blocks: readonly number[], { signal }: Asking = {}): Promise<{ readonly rates: readonly FeeRate[]; readonly nodes: number }> {
    const { rates, nodes } = await this.open().fees(blocks, signal);
    return { rates, nodes };
  }

  async send(transaction: Uint8Array, { signal }: Asking = {}): Promise<Sent> {
    const { txid, nodes, refusals } = await this.open().submit(transaction, signal);
    this.tell({ kind: 'balance', balance: this.balance() });
    return { txid, nodes, refusals };
  }

  nodes(): readonly LightNode[] {
    return this.open().nodes().map(({ pingMs, suspect, ...node }) => ({ ...node, pingMs: pingMs ?? null, isSuspect: suspect }));
  }

  addNode(address: string): void {
    this.open().addNode(address);
  }

  wake(): void {
    this.open().wake();
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.lastStatus = this.status;
    await this.raw.close();
    this.end();
  }

  /** Ends it at once, and keeps nothing any more: another tab has it now, or this one is about to be frozen. */
  halt(): void {
    if (this.isClosed) return;
    this.lastStatus = this.status;
    this.raw.halt();
    this.end();
  }

  private open(): RawClient {
    this.checkOpen();
    return this.raw;
  }
}

/** How an entry of the package gets at the program. */
export interface LightProgram {
  readonly createGlue: () => Glue;
  readonly source: (signal?: AbortSignal) => Promise<Source>;
}

function load({ createGlue, source }: LightProgram, options: { wasm?: Source | Promise<Source>; signal?: AbortSignal }): Promise<Program> {
  const { wasm, signal } = options;
  return loadInto<Program>(createGlue, async () => (await wasm) ?? source(signal), signal);
}

/** Starts a client that watches these addresses. It tells nothing before it is run. */
export async function startLight(program: LightProgram, options: LightClientOptions): Promise<RunningClient> {
  const { chain, nodes, addresses = [], birthday = 0, store, port, signal } = options;
  const { Chain, LightClient } = await load(program, options);
  const spec = typeof chain === 'string' ? Chain.named(chain) : Chain.fromBytes(chain instanceof Uint8Array ? chain : chain.toBytes());
  const raw = await LightClient.start(spec, nodes, store, port, signal);
  try {
    await raw.follow(birthday, addresses);
  } catch (error) {
    await raw.close().catch(() => undefined);
    throw error;
  }
  return new RunningClient(raw);
}

/** {@link LightClientClass.connect}, for an entry of the package. */
export async function connectLight(program: LightProgram, options: LightClientOptions): Promise<LightClient> {
  const { birthday = 0, timeoutMs, signal } = options;
  const deadline = new Deadline(timeoutMs);
  const client = await startBefore(deadline, program, options);
  void client.run();
  return client.ready(() => client.proven(deadline, signal).then(() => client.checkBirthday(birthday)), signal);
}

/** Starts a client in time, or not at all. */
async function startBefore(deadline: Deadline, program: LightProgram, options: LightClientOptions): Promise<RunningClient> {
  const stop = new AbortController();
  const { signal } = options;
  const aborted = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', aborted);
  if (signal?.aborted) aborted();
  const starting = startLight(program, { ...options, signal: stop.signal });
  try {
    return await deadline.during(starting, 'the client has not begun: its program or its store does not come');
  } catch (error) {
    stop.abort();
    starting.then((client) => client.halt(), () => undefined);
    throw error;
  } finally {
    signal?.removeEventListener('abort', aborted);
  }
}

/** {@link serveConnections}, for an entry of the package. */
export async function servePort(program: LightProgram, port: MessagePort, options: { wasm?: Source | Promise<Source>; signal?: AbortSignal }): Promise<ConnectionServer> {
  const { ConnectionServer } = await load(program, options);
  const server = new ConnectionServer(port);
  const close = (): void => server.free();
  options.signal?.addEventListener('abort', close, { once: true });
  return { close };
}
