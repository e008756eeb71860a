/** What a tab asks of a client that tabs share: the questions there are, and those that wait for an answer. */
import { QbtcError } from './errors.js';
import type { RunningClient } from './light-client.js';
import type { Refusal } from './shared-words.js';

/** How long a question may wait for a leader and its answer: longer than any takes with a client that runs. */
const ANSWER_MS = 90_000;
/** The most questions of one tab that wait. */
const CALLS_MAX = 256;

type Method = (client: RunningClient, args: any[], signal: AbortSignal) => unknown;

/** What can be asked. The program refuses arguments that are not of their type. */
const METHODS: Readonly<Record<string, Method>> = {
  transaction: (client, [txid], signal) => client.transaction(txid, { signal }),
  header: (client, [height], signal) => client.header(height, { signal }),
  fees: (client, [blocks], signal) => client.fees(blocks, { signal }),
  send: (client, [bytes], signal) => client.send(bytes, { signal }),
  watch: (client, [addresses, birthday]) => client.watch(addresses, birthday),
  addNode: (client, [address]) => client.addNode(address),
  wake: (client) => client.wake(),
};

export const refusalOf = ({ code, message, found, expected, position }: QbtcError): Refusal => ({ code, message, found, expected, position });
export const errorOf = ({ code, message, ...details }: Refusal): QbtcError => new QbtcError(code, message, details);
export const asError = (error: unknown): QbtcError => (error instanceof QbtcError ? error : new QbtcError('fatal', String(error)));
export const tooMany = (limit: number): QbtcError =>
  new QbtcError('query-too-many', `${limit} questions wait already`, { expected: String(limit) });

/** Nodes refuse a transaction that is in a block by now, and one that may be out is not to be paid a second time. */
const unsureOf = (method: string, error: QbtcError): QbtcError =>
  method === 'send' && ['query-refused', 'timeout'].includes(error.code)
    ? new QbtcError('query-unsure', `the transaction may have been sent: ${error.message}`, {}, { cause: error })
    : error;

/** Asks a client that runs here. */
export async function perform(client: RunningClient, method: string, args: readonly unknown[], signal: AbortSignal): Promise<unknown> {
  if (!Object.hasOwn(METHODS, method)) throw new QbtcError('not-spoken', `no question is called ${method}`);
  return METHODS[method]!(client, [...args], signal);
}

/** A question that waits. */
export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
  /** Whether it was put before: what that came to is not known. */
  isAgain: boolean;
  done(value: any): void;
  failed(error: QbtcError): void;
}

/** The questions of a tab that wait. `put` has one answered, and `stop` ends it where it is being answered. */
export class Calls {
  private readonly waiting = new Map<number, Call>();
  private last = 0;

  constructor(private readonly put: (number: number, call: Call) => void, private readonly stop: (number: number) => void) {}

  add(method: string, args: readonly unknown[], signal?: AbortSignal): Promise<any> {
    return new Promise((done, failed) => {
      if (this.waiting.size >= CALLS_MAX) throw tooMany(CALLS_MAX);
      const number = ++this.last;
      const settle = (settled: () => void): void => {
        if (!this.waiting.delete(number)) return;
        clearTimeout(timer);
        signal?.removeEventListener('abort', stop);
        settled();
      };
      const call: Call = {
        method, args, isAgain: false,
        done: (value) => settle(() => done(value)),
        failed: (error) => settle(() => failed(call.isAgain ? unsureOf(method, error) : error)),
      };
      const stop = (): void => {
        this.stop(number);
        call.failed(new QbtcError('aborted', 'the question was stopped', {}, { cause: signal?.reason }));
      };
      const timer = setTimeout(() => call.failed(unsureOf(method, new QbtcError('timeout', 'no tab has answered'))), ANSWER_MS);
      this.waiting.set(number, call);
      signal?.addEventListener('abort', stop);
      if (signal?.aborted) stop();
      else this.put(number, call);
    });
  }

  get(number: number): Call | undefined {
    return this.waiting.get(number);
  }

  /** Another client is there, and is asked again. */
  putAll(): void {
    for (const [number, call] of this.waiting) {
      call.isAgain = true;
      this.put(number, call);
    }
  }

  refuseAll(error: QbtcError): void {
    for (const call of [...this.waiting.values()]) call.failed(error);
  }
}
