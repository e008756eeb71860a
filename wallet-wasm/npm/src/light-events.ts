// Events of a light client: from one source to every reader, bounded.

import { QbtcError } from './errors.js';
import type { Balance, FilterProof, LightEvent, LightStatus, LightWarning } from './light-types.js';
import type { Proven } from './types.js';

/** The most events that wait for one reader. */
const EVENTS_MAX = 1_024;
const TIMEOUT_MS = 60_000;
/** The longest time that hosts wait for: a longer one would end at once. */
const LONGEST_MS = 2 ** 31 - 1;
/** How far above the tip a birthday may be: nodes may be behind, but a time is no height. */
const BIRTHDAY_AHEAD = 1_000;

/** Puts an event at the end of those that wait. A later word on the same thing takes the place of the one before. */
export function addEvent(waiting: LightEvent[], event: LightEvent): void {
  const last = waiting.at(-1);
  const isRenewed = last?.kind === event.kind
    && (event.kind === 'status' || event.kind === 'balance' || (event.kind === 'tip' && event.fork === null));
  if (isRenewed) waiting.pop();
  if (waiting.length >= EVENTS_MAX) waiting.shift();
  waiting.push(event);
}

/** Until when something must have happened. */
export class Deadline {
  readonly ms: number;
  private readonly endMs: number;

  constructor(timeoutMs: number = TIMEOUT_MS) {
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      throw new QbtcError('argument', `timeoutMs is ${String(timeoutMs)}: expected a number of milliseconds`, { found: String(timeoutMs) });
    }
    this.ms = Math.min(timeoutMs, LONGEST_MS);
    this.endMs = Date.now() + this.ms;
  }

  /** Calls this when it is too late. */
  onLate(late: () => void): ReturnType<typeof setTimeout> {
    return setTimeout(late, Math.max(0, this.endMs - Date.now()));
  }

  error(what: string): QbtcError {
    return new QbtcError('timeout', `${what} (within ${this.ms} ms)`, { expected: String(this.ms) });
  }

  /** What comes in time. */
  async during<T>(coming: Promise<T>, what: string): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, failed) => (timer = this.onLate(() => failed(this.error(what)))));
    try {
      return await Promise.race([coming, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Who is told events. */
export interface Listener {
  tell(event: LightEvent): void;
  end(fault?: QbtcError): void;
}

/** What waits for one reader of events. */
class Reader implements AsyncIterator<LightEvent>, Listener {
  private readonly waiting: LightEvent[] = [];
  private wanted: { done(result: IteratorResult<LightEvent>): void; failed(error: QbtcError): void }[] = [];
  private isOver = false;
  private fault: QbtcError | undefined;

  constructor(private readonly leave: (reader: Reader) => void) {}

  tell(event: LightEvent): void {
    const wanted = this.wanted.shift();
    if (wanted) wanted.done({ done: false, value: event });
    else addEvent(this.waiting, event);
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

/** What tells events until it ends: a client that runs here, and one that runs in some tab. */
export abstract class Telling {
  private readonly listeners = new Set<Listener>();
  protected isClosed = false;
  protected fault: QbtcError | undefined;
  /** The last that was heard of nodes that cannot be reached. */
  private trouble = '';
  private waiting: ((error?: QbtcError) => void) | undefined;
  /** What is to be done once it has ended. */
  private atEnd: (() => void) | undefined;

  abstract get status(): LightStatus;
  abstract balance(): Proven<Balance, FilterProof>;
  abstract close(): Promise<void>;

  /** This, once it has connected; then the signal ends it. What cannot connect is closed. */
  async ready(connecting: () => Promise<void>, signal?: AbortSignal): Promise<this> {
    const stop = (): void => void this.close().catch(() => undefined);
    try {
      await connecting();
      if (signal?.aborted) throw new QbtcError('aborted', 'connecting was stopped', {}, { cause: signal.reason });
    } catch (error) {
      await this.close().catch(() => undefined);
      throw error;
    }
    signal?.addEventListener('abort', stop);
    this.atEnd = () => signal?.removeEventListener('abort', stop);
    return this;
  }

  /** Waits until the work of the best chain is proven. */
  async proven(deadline: Deadline, signal?: AbortSignal): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const aborted = (): void => this.waiting?.(new QbtcError('aborted', 'connecting was stopped', {}, { cause: signal?.reason }));
    try {
      await new Promise<void>((done, failed) => {
        this.waiting = (error) => (error ? failed(error) : done());
        const late = (): void => this.waiting?.(deadline.error(`no node has proven a chain${this.trouble && `; the last one: ${this.trouble}`}`));
        timer = deadline.onLate(late);
        signal?.addEventListener('abort', aborted);
        if (signal?.aborted) aborted();
        this.checkReady();
      });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      this.waiting = undefined;
    }
  }

  /** Refuses a birthday that the chain will not reach for long: what is paid before it would not be found. */
  checkBirthday(birthday: number): void {
    const { phase, tip: { height } } = this.status;
    if (['scanning', 'live'].includes(phase) && birthday > height + BIRTHDAY_AHEAD) {
      const message = `the birthday is ${birthday}, and the chain ends at ${height}: expected the height below which nothing was paid`;
      throw new QbtcError('argument', message, { found: String(birthday), expected: String(height) });
    }
  }

  protected checkReady(): void {
    if (this.fault) this.waiting?.(this.fault);
    else if (['scanning', 'live'].includes(this.status.phase)) this.waiting?.();
  }

  /** Refuses whoever waits for the chain; whether somebody does. */
  protected refuse(error: QbtcError): boolean {
    this.waiting?.(error);
    return this.waiting !== undefined;
  }

  /** Tells a listener all from now on. */
  listen(listener: Listener): void {
    this.listeners.add(listener);
  }

  protected tell(event: LightEvent): void {
    for (const listener of this.listeners) listener.tell(event);
    if (event.kind === 'status') this.checkReady();
  }

  protected warn(warning: LightWarning): void {
    if (warning.kind === 'node-failed') this.trouble = `${warning.address}: ${warning.message}`;
    this.tell({ kind: 'warning', warning });
  }

  protected end(fault?: QbtcError): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.fault = fault;
    this.refuse(fault ?? new QbtcError('closed', 'the client was closed'));
    for (const listener of this.listeners) listener.end(fault);
    this.listeners.clear();
    this.atEnd?.();
  }

  protected checkOpen(): void {
    if (this.fault) throw this.fault;
    if (this.isClosed) throw new QbtcError('closed', 'the client was closed');
  }

  get events(): AsyncIterable<LightEvent> {
    return { [Symbol.asyncIterator]: () => this.read() };
  }

  /** How things stand, as events. */
  protected standing(): LightEvent[] {
    const { status } = this;
    return [{ kind: 'status', status }, { kind: 'tip', tip: status.tip, fork: null }, { kind: 'balance', balance: this.balance() }];
  }

  private read(): Reader {
    const reader = new Reader((gone) => this.listeners.delete(gone));
    if (this.isClosed) {
      reader.end(this.fault);
      return reader;
    }
    for (const event of this.standing()) reader.tell(event);
    this.listeners.add(reader);
    return reader;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
