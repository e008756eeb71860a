/**
 * One light client for all tabs of an origin: the tab that holds a lock of the browser runs it, the others hear it and ask it over a `BroadcastChannel`.
 *
 * A leader that is about to be frozen gives the lock back. One that says nothing, as one that was stopped without a word, has it taken away; when it
 * goes on, it hears so and ends its client, which until then can store nothing: who has begun last has claimed the store (`client/store.rs`).
 */
import { QbtcError } from './errors.js';
import { type Deadline, Telling, addEvent } from './light-events.js';
import type { RunningClient } from './light-client.js';
import type {
  Asking, Balance, FilterProof, FoundEntry, FoundTransaction, LightEvent, LightNode, LightStatus, Sent, SharedLightClient, WatchedCoin,
} from './light-types.js';
import { type Call, Calls, asError, errorOf, perform, refusalOf, tooMany } from './shared-calls.js';
import { type Refusal, type View, type Word, wordOf } from './shared-words.js';
import type { BlockMark, FeeRate, Proven, Txid } from './types.js';

/** How often a tab looks whether the leader is there, and after how many looks in vain it takes its place. */
const LOOK_MS = 2_000;
const LOOKS_MAX = 2;
/** After so long without a timer, a leader is silent: its page is frozen, or asleep, though some browsers still let it hear. */
const ASLEEP_MS = 5_000;
/** How often the others are told at most. */
const TELL_MS = 250;
/** How long a tab waits that could not lead before it tries again. */
const AGAIN_MS = 5_000;
/** How long a leader's client may take until it has begun: the others wait for it. */
const START_MS = 90_000;
/** The most questions of other tabs that wait. */
const ASKED_MAX = 1_024;

/** Starts a client here. It watches all these addresses, and ends with the signal if that comes before it has begun. */
export type Start = (addresses: readonly string[], birthday: number, signal: AbortSignal) => Promise<RunningClient>;

type Words<T> = T extends unknown ? Omit<T, 'from'> : never;

/** One try of this tab to lead: it waits for the lock, then holds it. */
interface Turn {
  readonly stop: AbortController;
  /** Gives the lock back; there is none before it is held. */
  release?: () => void;
  client?: RunningClient;
  /** What is to be told to the others, and when they were told last. */
  events: LightEvent[];
  isDue: boolean;
  toldMs: number;
  readonly asked: Map<string, AbortController>;
}

/** A client that some tab runs. */
export class SharingClient extends Telling implements SharedLightClient {
  private readonly own = Math.random().toString(36).slice(2);
  private readonly channel: BroadcastChannel;
  private readonly timer: ReturnType<typeof setInterval>;
  private turn: Turn | undefined;
  /** The tab that leads: since when, and how it stands there. */
  private term = 0;
  private view: View | undefined;
  /** The addresses that this tab has named, and those that the leader watches, which are those of all tabs; with their birthdays. */
  private readonly mine = new Map<string, number>();
  private watched = new Map<string, number>();
  private readonly others = new Set<string>();
  private readonly calls = new Calls((number, call) => this.put(number, call), (number) => {
    this.turn?.asked.get(String(number))?.abort();
    this.say({ kind: 'stop', number });
  });
  private isHeard = true;
  /** Whether the leader is taken to be gone: then an earlier term holds too, whatever the clock said before. */
  private isLost = false;
  private looks = 0;
  private lookedMs = Date.now();
  private isPaused = false;
  private closing: Promise<void> | undefined;
  private isJoined = false;

  constructor(private readonly name: string, private readonly start: Start, addresses: readonly string[], private readonly birthday: number) {
    super();
    if (!globalThis.navigator?.locks || !globalThis.BroadcastChannel) {
      throw new QbtcError('unsupported', 'no Web Locks or no BroadcastChannel here, without which tabs cannot share a client: pages need a secure context');
    }
    note(this.mine, addresses, birthday);
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = ({ data }: MessageEvent) => {
      const word = wordOf(data);
      if (word) this.hear(word);
    };
    this.timer = setInterval(() => this.look(), LOOK_MS);
    // Workers have neither event: a worker that is frozen with its page is silent, and replaced.
    globalThis.document?.addEventListener('freeze', this.pause);
    globalThis.document?.addEventListener('resume', this.resume);
    globalThis.addEventListener?.('pagehide', this.pause);
    globalThis.addEventListener?.('pageshow', this.resume);
    this.say({ kind: 'hello', isWhole: true });
    this.seek();
  }

  /** Waits until the chain is proven, in whatever tab, and the addresses of this one are watched. */
  async join(deadline: Deadline, signal?: AbortSignal): Promise<void> {
    await this.proven(deadline, signal);
    this.checkBirthday(this.birthday);
    this.isJoined = true;
    await this.cover();
  }

  get isLeader(): boolean {
    return this.turn?.client !== undefined;
  }

  get status(): LightStatus {
    const status = this.turn?.client?.status ?? this.view?.status;
    return (this.isClosed ? { ...status, phase: 'closed' } : status ?? { phase: 'connecting' }) as LightStatus;
  }

  balance(): Proven<Balance, FilterProof> {
    return this.seen((client) => client.balance(), (view) => view.balance!);
  }

  coins(): readonly Proven<WatchedCoin, FilterProof>[] {
    return this.seen((client) => client.coins(), (view) => view.coins!);
  }

  history(limit?: number): readonly FoundEntry[] {
    return this.seen((client) => client.history(limit), (view) => view.history!.slice(0, limit));
  }

  nodes(): readonly LightNode[] {
    return this.seen((client) => client.nodes(), (view) => view.nodes);
  }

  async watch(addresses: readonly string[], birthday = 0): Promise<void> {
    await this.ask('watch', [[...addresses], birthday]);
    note(this.mine, addresses, birthday);
  }

  transaction(txid: Txid, { signal }: Asking = {}): Promise<FoundTransaction> {
    return this.ask('transaction', [txid], signal);
  }

  header(height: number, { signal }: Asking = {}): Promise<Proven<Uint8Array, Uint8Array> & { readonly block: BlockMark }> {
    return this.ask('header', [height], signal);
  }

  fees(blocks: readonly number[], { signal }: Asking = {}): Promise<{ readonly rates: readonly FeeRate[]; readonly nodes: number }> {
    return this.ask('fees', [[...blocks]], signal);
  }

  send(transaction: Uint8Array, { signal }: Asking = {}): Promise<Sent> {
    // As it is now: it may be sent again later.
    return this.ask('send', [transaction instanceof Uint8Array ? transaction.slice() : transaction], signal);
  }

  addNode(address: string): Promise<void> {
    return this.ask('addNode', [address]);
  }

  wake(): void {
    this.checkOpen();
    this.ask('wake', []).catch(() => undefined);
  }

  close(): Promise<void> {
    return (this.closing ??= this.leave());
  }

  private async leave(): Promise<void> {
    if (this.isClosed) return;
    const { turn, status } = this;
    this.turn = undefined;
    this.view &&= { ...this.view, status };
    this.end();
    turn?.stop.abort();
    try {
      await turn?.client?.close();
    } finally {
      // The next tab goes on from what this one has stored.
      turn?.release?.();
    }
  }

  protected override end(fault?: QbtcError): void {
    super.end(fault);
    this.calls.refuseAll(new QbtcError('closed', 'the client was closed'));
    clearInterval(this.timer);
    globalThis.document?.removeEventListener('freeze', this.pause);
    globalThis.document?.removeEventListener('resume', this.resume);
    globalThis.removeEventListener?.('pagehide', this.pause);
    globalThis.removeEventListener?.('pageshow', this.resume);
    this.say({ kind: 'bye' });
    this.channel.close();
  }

  private seen<T>(here: (client: RunningClient) => T, there: (view: View) => T): T {
    this.checkOpen();
    const client = this.turn?.client;
    return client ? here(client) : there(this.view!);
  }

  private say(word: Words<Word>): void {
    this.channel.postMessage({ ...word, from: this.own });
  }

  // Leading.

  /** Waits for the lock, or takes it away from a leader that does not speak. */
  private seek(steal = false): void {
    this.turn?.stop.abort();
    const turn: Turn = { stop: new AbortController(), events: [], isDue: false, toldMs: 0, asked: new Map() };
    this.turn = turn;
    const hold = (): Promise<void> | undefined => {
      if (this.turn !== turn) return undefined;
      return new Promise((release) => {
        turn.release = release;
        void this.lead(turn);
      });
    };
    navigator.locks.request(this.name, steal ? { steal } : { signal: turn.stop.signal }, hold).catch((error: unknown) => {
      if (this.turn !== turn) return;
      if (!turn.release) return void this.refuse(new QbtcError('unsupported', `no lock is given out here: ${error}`, {}, { cause: error }));
      // Another tab has taken it.
      this.quit();
      this.seek();
    });
  }

  /** Leads no more, and waits no more to. */
  private quit(): void {
    const { turn } = this;
    if (!turn) return;
    this.turn = undefined;
    turn.stop.abort();
    for (const stop of turn.asked.values()) stop.abort();
    if (turn.client) {
      this.view = this.viewOf(turn.client, true);
      turn.client.halt();
    }
    turn.release?.();
    if (turn.client) this.lose();
  }

  private async lead(turn: Turn): Promise<void> {
    this.term = Math.max(Date.now(), this.term + 1) + Math.random();
    this.isLost = false;
    this.say({ kind: 'here', term: this.term });
    this.lose();
    for (const [address, from] of this.mine) note(this.watched, [address], from);
    let { birthday } = this;
    for (const from of this.watched.values()) birthday = Math.min(birthday, from);
    const late = setTimeout(() => {
      this.failed(turn, new QbtcError('timeout', `the client has not begun within ${START_MS / 1_000} s: its program or its store does not come`));
    }, START_MS);
    try {
      const client = await this.start([...this.watched.keys()], birthday, turn.stop.signal);
      if (this.turn !== turn) return client.halt();
      turn.client = client;
      client.listen({ tell: (event) => this.told(turn, event), end: (fault) => this.failed(turn, fault) });
      this.begin(this.viewOf(client, true));
      this.flush(turn, true);
      void client.run();
    } catch (error) {
      this.failed(turn, asError(error));
    } finally {
      clearTimeout(late);
    }
  }

  /** The client has ended by itself, or not even begun. */
  private failed(turn: Turn, error = new QbtcError('closed', 'the client was closed')): void {
    if (this.turn !== turn) return;
    if (turn.client) {
      // A question that has brought down one client would bring down the next.
      this.say({ kind: 'fault', error: refusalOf(error) });
      this.calls.refuseAll(error);
    }
    this.turn = undefined;
    turn.stop.abort();
    turn.release?.();
    if (this.refuse(error) || this.isClosed) return;
    this.warn({ kind: 'client-failed', code: error.code, message: error.message });
    this.lose();
    setTimeout(() => {
      if (!this.turn && !this.isClosed && !this.isPaused) this.seek();
    }, AGAIN_MS);
  }

  /** The client of this tab tells something. */
  private told(turn: Turn, event: LightEvent): void {
    if (this.turn !== turn) return;
    // Against which the next client is held, should this one end by a fault.
    if (event.kind === 'balance') this.view = { ...this.view!, balance: event.balance };
    if (event.kind === 'warning') this.warn(event.warning);
    else this.tell(event);
    if (this.others.size === 0) return;
    addEvent(turn.events, event);
    if (turn.isDue) return;
    turn.isDue = true;
    const wait = turn.toldMs + TELL_MS - Date.now();
    if (wait > 0) setTimeout(() => this.flush(turn), wait);
    else queueMicrotask(() => this.flush(turn));
  }

  /** Tells the others what has happened. */
  private flush(turn: Turn, isWhole = false): void {
    const { client, events } = turn;
    if (this.turn !== turn || !client || this.isAsleep) return;
    turn.events = [];
    turn.isDue = false;
    turn.toldMs = Date.now();
    const isMoved = isWhole || events.some(({ kind }) => kind !== 'status' && kind !== 'warning');
    this.say({ kind: 'state', term: this.term, view: this.viewOf(client, isMoved), events, watched: isWhole ? [...this.watched] : undefined });
  }

  private viewOf(client: RunningClient, isWhole: boolean): View {
    const view = { status: client.status, nodes: client.nodes() };
    return isWhole ? { ...view, balance: client.balance(), coins: client.coins(), history: client.history() } : view;
  }

  private get isAsleep(): boolean {
    return Date.now() - this.lookedMs > ASLEEP_MS;
  }

  /** Does what a tab asks. */
  private async perform(turn: Turn, method: string, args: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const value = await perform(turn.client!, method, args, signal);
    if (method === 'watch') {
      note(this.watched, args[0] as string[], Number(args[1]) || 0);
      this.flush(turn, true);
    }
    return value;
  }

  private async answer(turn: Turn, { from, number, method, args }: Extract<Word, { kind: 'ask' }>): Promise<void> {
    const key = `${from} ${number}`;
    if (turn.asked.has(key)) return;
    const stop = new AbortController();
    let answer: { value?: unknown; error?: Refusal };
    try {
      if (turn.asked.size >= ASKED_MAX) throw tooMany(ASKED_MAX);
      turn.asked.set(key, stop);
      answer = { value: await this.perform(turn, method, args, stop.signal) };
    } catch (error) {
      answer = { error: refusalOf(asError(error)) };
    }
    turn.asked.delete(key);
    // The next leader is asked again.
    if (this.turn !== turn) return;
    // What came of it is told first.
    if (turn.events.length > 0) this.flush(turn);
    this.say({ kind: 'answer', to: from, number, ...answer });
  }

  // Following.

  private hear(word: Word): void {
    if (word.kind === 'bye') return void this.others.delete(word.from);
    const isNew = !this.others.has(word.from);
    this.others.add(word.from);
    // Also if this tab leads meanwhile.
    if (word.kind === 'fault') return this.calls.refuseAll(errorOf(word.error));
    const { turn } = this;
    if ('term' in word) {
      if (word.term < this.term) {
        if (!this.isLost) return;
        this.term = 0;
      }
      this.isLost = false;
      // Another tab leads since.
      if (turn?.release && word.term > this.term) {
        this.quit();
        this.seek();
      }
      this.isHeard = true;
      if (word.kind === 'here' && word.term > this.term) this.lose();
    }
    switch (word.kind) {
      case 'hello':
        if (!turn?.release || this.isAsleep) break;
        if (turn.client) this.flush(turn, isNew || word.isWhole);
        else this.say({ kind: 'here', term: this.term });
        break;
      case 'state':
        this.follow(word);
        break;
      case 'ask':
        if (turn?.client) void this.answer(turn, word);
        break;
      case 'stop':
        turn?.asked.get(`${word.from} ${word.number}`)?.abort();
        break;
      case 'answer': {
        const call = word.to === this.own && this.calls.get(word.number);
        if (call) word.error ? call.failed(errorOf(word.error)) : call.done(word.value);
        break;
      }
    }
  }

  private follow({ term, view, events, watched }: Extract<Word, { kind: 'state' }>): void {
    if (watched) this.watched = new Map(watched);
    if (term === this.term && this.view?.balance) {
      const isBack = this.view.status.phase === 'connecting';
      this.view = { ...this.view, ...view };
      if (isBack) this.tell({ kind: 'status', status: this.status });
      for (const event of events) event.kind === 'warning' ? this.warn(event.warning) : this.tell(event);
    } else if (view.balance) {
      this.term = term;
      this.begin(view);
    } else {
      this.say({ kind: 'hello', isWhole: true });
    }
    if (watched && this.isJoined) this.cover().catch(() => undefined);
  }

  /** Another client is there: it may stand at an earlier block than the one before. */
  private begin(view: View): void {
    const known = this.view?.balance;
    this.view = view;
    const { height, proof } = view.balance!;
    if (known && height < known.height) this.tell({ kind: 'rolled-back', to: proof.to });
    for (const event of this.standing()) this.tell(event);
    this.calls.putAll();
  }

  /** Nobody runs the client, as far as is known. */
  private lose(): void {
    if (!this.view || this.view.status.phase === 'connecting') return;
    this.view = { ...this.view, status: { ...this.view.status, phase: 'connecting', nodes: 0 }, nodes: [] };
    this.tell({ kind: 'status', status: this.status });
  }

  /** Has the leader watch what this tab was asked to, where it does not. */
  private async cover(): Promise<void> {
    const lacking = [...this.mine].filter(([address]) => !this.watched.has(address));
    if (lacking.length > 0) await this.watch(lacking.map(([address]) => address), Math.min(...new Set(lacking.map(([, birthday]) => birthday))));
  }

  private async ask(method: string, args: readonly unknown[], signal?: AbortSignal): Promise<any> {
    this.checkOpen();
    return this.calls.add(method, args, signal);
  }

  /** Has a question answered: here, or by whoever leads. */
  private put(number: number, { method, args, done, failed }: Call): void {
    const { turn } = this;
    if (!turn?.client) {
      try {
        return this.say({ kind: 'ask', number, method, args });
      } catch (error) {
        return failed(new QbtcError('argument', `an argument is not of its type: ${error}`, {}, { cause: error }));
      }
    }
    const stop = new AbortController();
    turn.asked.set(String(number), stop);
    const isOurs = (): boolean => turn.asked.delete(String(number)) && this.turn === turn;
    this.perform(turn, method, args, stop.signal).then((value) => isOurs() && done(value), (error) => isOurs() && failed(asError(error)));
  }

  private look(): void {
    const nowMs = Date.now();
    // This tab itself has slept, or its timers are held back.
    const isLate = nowMs - this.lookedMs > 2 * LOOK_MS;
    this.lookedMs = nowMs;
    const { turn } = this;
    if (turn?.release) {
      if (turn.client && this.others.size > 0) this.flush(turn);
      return;
    }
    this.looks = this.isHeard || isLate || !turn ? 0 : this.looks + 1;
    // It may have spoken just before the last look: one in vain says nothing.
    if (this.looks >= LOOKS_MAX) {
      this.isLost = true;
      this.lose();
    }
    if (this.looks > LOOKS_MAX) {
      this.looks = 0;
      this.seek(true);
    } else if (!this.isHeard) {
      this.say({ kind: 'hello', isWhole: false });
    }
    this.isHeard = false;
  }

  private readonly pause = (): void => {
    this.isPaused = true;
    this.quit();
    this.say({ kind: 'bye' });
  };

  private readonly resume = (): void => {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.isHeard = true;
    // Words may have been lost: how things stand is asked anew.
    this.isLost = true;
    this.say({ kind: 'hello', isWhole: true });
    this.seek();
  };
}

function note(watched: Map<string, number>, addresses: readonly string[], birthday: number): void {
  for (const address of addresses) watched.set(address, Math.min(birthday, watched.get(address) ?? birthday));
}
