import { QbtcError } from './errors.js';
import { type Glue, type Source, loadInto } from './guard.js';
import type {
  Asking, Balance, ConnectionServer, FilterProof, FoundTransaction, HistoryEntry, LightClient, LightClientOptions, LightEvent,
  LightNode, LightStatus, LightWarning, Sent, Tip, TransactionBody, WatchedCoin,
} from './light-types.js';
import type { Address, BlockMark, FeeRate, Level, Proven, Quanta, Txid } from './types.js';

/** The most events that wait for one reader. */
const EVENTS_MAX = 1_024;
const TIMEOUT_MS = 60_000;

interface RawMark { height: number; id: string }
interface RawTip extends RawMark { time: number; work: string }
interface RawStatus {
  phase: Exclude<LightStatus['phase'], 'closed'>; peers: number; eclipse?: Exclude<LightStatus['eclipse'], null>; stale: boolean; withheld?: number;
  tip: RawTip; questions: bigint; bytes: bigint;
}
interface RawFiltered<T> { value: T; level: Level; height?: number; confirmations: number; from: number; block?: string }
interface RawEntry {
  txid: Txid; state: HistoryEntry['state']; received: Quanta; spent: Quanta; fee: Quanta | null; coinbase: boolean; expiryHeight: number | null;
  block: RawMark | null;
}
interface RawCoin {
  txid: Txid; index: number; amount: Quanta; address: Address; spendable: boolean; coinbase: boolean; height: number; confirmations: number;
}
interface RawProven { level: Level; height: number; block: string; confirmations: number; proof: Uint8Array; value: Uint8Array }
type RawBody = Omit<TransactionBody, 'bytes'>;
interface RawNode { address: string; userAgent: string; pingMs?: number; suspect: boolean; keyExchange: string }
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
  coins(): RawCoin[];
  history(limit: number): RawFiltered<RawEntry>[];
  transaction(txid: Txid, signal?: AbortSignal): Promise<(RawProven & { type: 'transaction'; body: RawBody }) | { type: 'waiting'; value: Uint8Array; body: RawBody }>;
  header(height: number, signal?: AbortSignal): Promise<RawProven>;
  submit(bytes: Uint8Array, signal?: AbortSignal): Promise<Sent>;
  fees(blocks: Uint32Array, signal?: AbortSignal): Promise<{ rates: FeeRate[]; nodes: number }>;
  addNode(address: string): void;
  wake(): void;
  close(): Promise<void>;
}

/** What the program exports. */
interface Program {
  readonly Chain: { named(name: string): unknown; fromBytes(bytes: Uint8Array): unknown };
  readonly LightClient: { start(chain: unknown, nodes: readonly string[], store?: string, port?: MessagePort): Promise<RawClient> };
  readonly ConnectionServer: new (port: MessagePort) => { free(): void };
}

const mark = ({ height, id }: RawMark): BlockMark => ({ height, id });
const shownTip = ({ height, id, time, work }: RawTip): Tip => ({ height, id, time, work: BigInt(`0x${work}`) });

function shownStatus({ phase, peers, eclipse, stale, withheld, tip, questions, bytes }: RawStatus): LightStatus {
  const traffic = { questions: BigInt(questions), bytes: BigInt(bytes) };
  return { phase, nodes: peers, eclipse: eclipse ?? null, isStale: stale, withheld: withheld ?? null, tip: shownTip(tip), traffic };
}

function filtered<T, U>(raw: RawFiltered<T>, value: (raw: T) => U, scanned: number | undefined): Proven<U, FilterProof> {
  const to = raw.block === undefined || scanned === undefined ? null : { height: scanned, id: raw.block };
  return { value: value(raw.value), level: raw.level, height: raw.height ?? 0, confirmations: raw.confirmations, proof: { from: raw.from, to } };
}

function shownEntry({ txid, block, state, received, spent, fee, coinbase, expiryHeight }: RawEntry): HistoryEntry {
  return { txid, block: block && mark(block), state, received, spent, fee, isCoinbase: coinbase, expiryHeight };
}

function shownCoin({ spendable, coinbase, ...coin }: RawCoin): WatchedCoin {
  return { ...coin, isSpendable: spendable, isCoinbase: coinbase };
}

/** What waits for one reader of events. */
class Reader implements AsyncIterator<LightEvent> {
  private readonly waiting: LightEvent[] = [];
  private wanted: { done(result: IteratorResult<LightEvent>): void; failed(error: QbtcError): void }[] = [];
  private isOver = false;
  private fault: QbtcError | undefined;

  constructor(private readonly leave: (reader: Reader) => void) {}

  tell(event: LightEvent): void {
    const wanted = this.wanted.shift();
    if (wanted) return wanted.done({ done: false, value: event });
    // A later word on the same thing takes the place of the one before.
    const last = this.waiting.at(-1);
    const isRenewed = last?.kind === event.kind
      && (event.kind === 'status' || event.kind === 'balance' || (event.kind === 'tip' && event.fork === null));
    if (isRenewed) this.waiting.pop();
    if (this.waiting.length >= EVENTS_MAX) this.waiting.shift();
    this.waiting.push(event);
  }

  end(fault?: QbtcError): void {
    this.isOver = true;
    this.fault = fault;
    const wanted = this.wanted;
    this.wanted = [];
    for (const { done, failed } of wanted) fault ? failed(fault) : done({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<LightEvent>> {
    const event = this.waiting.shift();
    if (event) return Promise.resolve({ done: false, value: event });
    if (this.fault) return Promise.reject(this.fault);
    if (this.isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise((done, failed) => this.wanted.push({ done, failed }));
  }

  return(): Promise<IteratorResult<LightEvent>> {
    this.waiting.length = 0;
    this.end();
    this.leave(this);
    return Promise.resolve({ done: true, value: undefined });
  }
}

class Client implements LightClient {
  private readonly readers = new Set<Reader>();
  private lastStatus: LightStatus | undefined;
  private isClosed = false;
  private fault: QbtcError | undefined;
  private ready: ((error?: QbtcError) => void) | undefined;
  /** What is to be done once it has ended. */
  atEnd: (() => void) | undefined;
  /** The last that was heard of nodes that cannot be reached. */
  private trouble = '';

  constructor(private readonly raw: RawClient) {}

  /** Hands on what the program tells, until it is closed. */
  async run(): Promise<void> {
    try {
      for (let event = await this.raw.next(); event !== undefined; event = await this.raw.next()) this.take(event);
      this.end();
    } catch (error) {
      this.end(error as QbtcError);
    }
  }

  /** Waits until the work of the best chain is proven. */
  async proven(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const aborted = (): void => this.ready?.(new QbtcError('aborted', 'connecting was stopped', {}, { cause: signal?.reason }));
    try {
      await new Promise<void>((done, failed) => {
        this.ready = (error) => (error ? failed(error) : done());
        const late = (): void => {
          const message = `no node has proven a chain within ${timeoutMs} ms${this.trouble && `; the last one: ${this.trouble}`}`;
          this.ready?.(new QbtcError('timeout', message, { expected: String(timeoutMs) }));
        };
        timer = setTimeout(late, timeoutMs);
        signal?.addEventListener('abort', aborted);
        if (signal?.aborted) aborted();
        this.checkReady();
      });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      this.ready = undefined;
    }
  }

  private checkReady(): void {
    if (this.fault) this.ready?.(this.fault);
    else if (['scanning', 'live'].includes(this.status.phase)) this.ready?.();
  }

  private take(event: RawEvent): void {
    switch (event.type) {
      case 'status':
        this.tell({ kind: 'status', status: this.status });
        this.checkReady();
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
      case 'node-failed': {
        const { address, message } = event;
        this.trouble = `${address}: ${message}`;
        this.warn({ kind: 'node-failed', address, message });
        break;
      }
      case 'store-failed': case 'state-refused':
        this.warn({ kind: 'storage', message: event.message });
        break;
    }
  }

  private tell(event: LightEvent): void {
    for (const reader of this.readers) reader.tell(event);
  }

  private warn(warning: LightWarning): void {
    this.tell({ kind: 'warning', warning });
  }

  private end(fault?: QbtcError): void {
    this.isClosed = true;
    this.fault = fault;
    this.ready?.(fault ?? new QbtcError('closed', 'the client was closed'));
    for (const reader of this.readers) reader.end(fault);
    this.readers.clear();
    this.atEnd?.();
  }

  get status(): LightStatus {
    // After its end there is nobody to ask.
    if (!this.isClosed) this.lastStatus = shownStatus(this.raw.status());
    else this.lastStatus = { ...this.lastStatus!, phase: 'closed' };
    return this.lastStatus;
  }

  get events(): AsyncIterable<LightEvent> {
    return { [Symbol.asyncIterator]: () => this.read() };
  }

  private read(): Reader {
    const reader = new Reader((gone) => this.readers.delete(gone));
    if (this.isClosed) {
      reader.end(this.fault);
      return reader;
    }
    const { status } = this;
    reader.tell({ kind: 'status', status });
    reader.tell({ kind: 'tip', tip: status.tip, fork: null });
    reader.tell({ kind: 'balance', balance: this.balance() });
    this.readers.add(reader);
    return reader;
  }

  balance(): Proven<Balance, FilterProof> {
    const raw = this.open().balance();
    return filtered(raw, (value) => value, raw.height);
  }

  coins(): readonly WatchedCoin[] {
    return this.open().coins().map(shownCoin);
  }

  history(limit = 0xffff_ffff): readonly Proven<HistoryEntry, FilterProof>[] {
    const { height } = this.open().balance();
    return this.raw.history(limit).map((entry) => filtered(entry, shownEntry, height));
  }

  watch(addresses: readonly string[], birthday = 0): void {
    this.open().followMore(birthday, addresses);
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
    const { rates, nodes } = await this.open().fees(Uint32Array.from(blocks), signal);
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private open(): RawClient {
    if (this.fault) throw this.fault;
    if (this.isClosed) throw new QbtcError('closed', 'the client was closed');
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

/** {@link LightClientClass.connect}, for an entry of the package. */
export async function connectLight(program: LightProgram, options: LightClientOptions): Promise<LightClient> {
  const { chain, nodes, addresses = [], birthday = 0, store, port, timeoutMs = TIMEOUT_MS, signal } = options;
  const { Chain, LightClient } = await load(program, options);
  const spec = typeof chain === 'string' ? Chain.named(chain) : Chain.fromBytes(chain instanceof Uint8Array ? chain : chain.toBytes());
  const raw = await LightClient.start(spec, nodes, store, port);
  const client = new Client(raw);
  const stop = (): void => void client.close().catch(() => undefined);
  try {
    await raw.follow(birthday, addresses);
    void client.run();
    await client.proven(timeoutMs, signal);
  } catch (error) {
    await client.close().catch(() => undefined);
    throw error;
  }
  signal?.addEventListener('abort', stop);
  client.atEnd = () => signal?.removeEventListener('abort', stop);
  return client;
}

/** {@link serveConnections}, for an entry of the package. */
export async function servePort(program: LightProgram, port: MessagePort, options: { wasm?: Source | Promise<Source>; signal?: AbortSignal }): Promise<ConnectionServer> {
  const { ConnectionServer } = await load(program, options);
  const server = new ConnectionServer(port);
  const close = (): void => server.free();
  options.signal?.addEventListener('abort', close, { once: true });
  return { close };
}
