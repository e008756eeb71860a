// Loads a program into a memory of its own, and keeps a fault of it from the page.

import { QbtcError, type ErrorCode, type ErrorDetails } from './errors.js';

/** What the glue of wasm-bindgen gives: functions and classes by name, and the way in for the instance. */
export type Glue = Record<string, unknown> & { __wbg_set_wasm(exports: unknown): void };

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
/** The instance's exports, of which only one is called here. */
type Exports = WebAssembly.Exports & { __wbindgen_start(): void };

/** The name under which the module imports its glue. */
const IMPORTS = './qbtc_bg.js';
const FATAL = 'this instance ended by a fault of the program and refuses every call: load another one';

/** Where the compiled program comes from. */
export type Source = BufferSource | WebAssembly.Module | URL | string | Request | Response;

/** What `load` is asked for. */
export interface LoadOptions {
  /** The program, where the default (the file beside the module) cannot be had: esbuild, for one, does not copy it. */
  readonly wasm?: Source | Promise<Source>;
  /** Stops the download. */
  readonly signal?: AbortSignal;
}

/** Says what an error means, for a program that gives only codes: of the code, what it is about, and the details. */
export type Say = (code: string, about: string, details: ErrorDetails) => string;

/** Loads a program of its own memory: what ends one does not touch another. */
export async function loadInto<T>(
  createGlue: () => Glue,
  source: () => Promise<Source>,
  signal?: AbortSignal,
  say: Say = (_, message) => message,
): Promise<T> {
  const glue = createGlue();
  try {
    signal?.throwIfAborted();
    const instance = await instantiate(await open(await source(), signal), { [IMPORTS]: glue as WebAssembly.ModuleImports });
    signal?.throwIfAborted();
    return start<T>(glue, instance, say);
  } catch (error) {
    if (signal?.aborted) throw new QbtcError('aborted', 'loading was stopped', {}, { cause: signal.reason });
    if (error instanceof QbtcError) throw error;
    throw new QbtcError('load', `the program cannot be loaded: ${error instanceof Error ? error.message : error}`, {}, { cause: error });
  }
}

async function open(source: Source, signal?: AbortSignal): Promise<Response | BufferSource | WebAssembly.Module> {
  const isAddress = typeof source === 'string' || source instanceof URL
    || (typeof Request !== 'undefined' && source instanceof Request);
  const opened = isAddress ? await fetch(source as RequestInfo | URL, signal ? { signal } : {}) : source;
  if (typeof Response !== 'undefined' && opened instanceof Response && !opened.ok) {
    throw new QbtcError('load', `${opened.url} answered ${opened.status}: expected the program`, { found: String(opened.status) });
  }
  return opened as Response | BufferSource | WebAssembly.Module;
}

async function instantiate(
  source: Response | BufferSource | WebAssembly.Module,
  imports: WebAssembly.Imports,
): Promise<WebAssembly.Instance> {
  if (source instanceof WebAssembly.Module) return WebAssembly.instantiate(source, imports);
  if (typeof Response === 'undefined' || !(source instanceof Response)) {
    return (await WebAssembly.instantiate(source as BufferSource, imports)).instance;
  }
  // Streaming demands this type, and some servers do not know it.
  const isTyped = source.headers.get('content-type')?.split(';')[0]?.trim() === 'application/wasm';
  if (isTyped) return (await WebAssembly.instantiateStreaming(source, imports)).instance;
  return (await WebAssembly.instantiate(await source.arrayBuffer(), imports)).instance;
}

function start<T>(glue: Glue, instance: WebAssembly.Instance, say: Say): T {
  const life = new Life(glue, say);
  glue.__wbg_set_wasm(life.watched(instance.exports));
  (instance.exports as Exports).__wbindgen_start();
  return guard<T>(glue, life);
}

/** What the host calls by itself: timers, messages, promises that are settled. */
const CALLBACK = /closures?_+invoke/;

/** Whether the program of an instance is still in order. A fault ends it, and everything that waits for it. */
class Life {
  private isDead = false;
  private depth = 0;
  private readonly waiting = new Set<(error: QbtcError) => void>();

  constructor(private readonly glue: Glue, private readonly say: Say) {}

  /** The exports, with each way in that the host takes by itself watched: no fault may reach the page, or end Node. */
  watched(exports: WebAssembly.Exports): WebAssembly.Exports {
    const all = Object.entries(exports).map(([name, value]) => {
      if (typeof value !== 'function' || !CALLBACK.test(name)) return [name, value];
      return [name, (...args: unknown[]): unknown => {
        const isOutermost = this.depth === 0;
        this.depth += 1;
        try {
          return (value as AnyFunction)(...args);
        } catch (error) {
          // Whatever it is has left the program's functions half done.
          const shown = toQbtcError(error, this.say);
          const why = error instanceof Error ? error.message : String(error);
          this.end(shown.code === 'fatal' ? shown : new QbtcError('fatal', `a fault of the program: ${why}`, {}, { cause: error }));
          // A callback that another call waits for must not seem to have worked.
          if (!isOutermost) throw error;
          return undefined;
        } finally {
          this.depth -= 1;
        }
      }];
    });
    return Object.fromEntries(all) as WebAssembly.Exports;
  }

  /** Calls the program. Throws {@link QbtcError} and nothing else. */
  call(body: () => unknown): unknown {
    if (this.isDead) throw new QbtcError('fatal', FATAL);
    this.depth += 1;
    try {
      const result = body();
      return result instanceof Promise ? this.settled(result) : result;
    } catch (error) {
      const shown = toQbtcError(error, this.say);
      if (shown.code === 'fatal') this.end(shown);
      throw shown;
    } finally {
      this.depth -= 1;
    }
  }

  get isOver(): boolean {
    return this.isDead;
  }

  /** The same promise, but one that also ends with the program. */
  private settled(promise: Promise<unknown>): Promise<unknown> {
    return new Promise((done, failed) => {
      this.waiting.add(failed);
      const forget = (): void => void this.waiting.delete(failed);
      promise.then((value) => {
        forget();
        done(value);
      }, (error) => {
        forget();
        failed(toQbtcError(error, this.say));
      });
    });
  }

  private end(fault: QbtcError): void {
    if (this.isDead) return;
    this.isDead = true;
    // What the host still calls, or collects as garbage later, must not run in a program that is in disorder.
    this.glue.__wbg_set_wasm(new Proxy({}, { get: () => () => 0 }));
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const failed of waiting) failed(new QbtcError('fatal', fault.message, {}, { cause: fault }));
  }
}

/** Makes every call of the glue throw {@link QbtcError} and nothing else, and refuse to run after a fault. */
function guard<T>(glue: Glue, life: Life): T {
  const guarded = (call: AnyFunction): AnyFunction =>
    function (this: unknown, ...args: unknown[]): unknown {
      return life.call(() => call.apply(this, args));
    };

  const guardProperties = (owner: object): void => {
    for (const key of Object.getOwnPropertyNames(owner)) {
      if (key === 'constructor' || key.startsWith('__')) continue;
      const property = Object.getOwnPropertyDescriptor(owner, key);
      if (!property?.configurable) continue;
      if (key === 'free') {
        const free = property.value as AnyFunction;
        property.value = function (this: { __wbg_ptr: number }): void {
          // A second time, or after a fault, there is nothing to do.
          if (!life.isOver && this.__wbg_ptr !== 0) free.call(this);
        };
      } else if (typeof property.value === 'function') {
        property.value = guarded(property.value as AnyFunction);
      } else if (property.get) {
        property.get = guarded(property.get as AnyFunction) as () => unknown;
      } else {
        continue;
      }
      Object.defineProperty(owner, key, property);
    }
  };

  const api: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(glue)) {
    // `start` has run.
    if (name.startsWith('__') || name === 'start' || typeof value !== 'function') continue;
    const prototype = (value as { prototype?: object }).prototype;
    if (prototype && '__destroy_into_raw' in prototype) {
      guardProperties(value);
      guardProperties(prototype);
      const { free } = prototype as { free?: unknown };
      if (Symbol.dispose) Object.defineProperty(prototype, Symbol.dispose, { value: free, configurable: true });
      api[name] = value;
    } else {
      api[name] = guarded(value as AnyFunction);
    }
  }
  return api as T;
}

function toQbtcError(error: unknown, say: Say): QbtcError {
  if (error instanceof QbtcError) return error;
  if (!(error instanceof Error)) return new QbtcError('fatal', `a fault of the program: ${String(error)}`);
  const { code, found, expected, position } = error as Error & { code?: unknown } & ErrorDetails;
  if (typeof code === 'string') {
    const details: ErrorDetails = {
      ...(found !== undefined && { found }),
      ...(expected !== undefined && { expected }),
      ...(position !== undefined && { position }),
    };
    return new QbtcError(code as ErrorCode, say(code, error.message, details), details, { cause: error });
  }
  if (error.message.includes('null pointer passed to rust')) {
    return new QbtcError('freed', 'the object was freed, or given away, before', {}, { cause: error });
  }
  // A trap, or the end of the stack: the program's memory is in disorder.
  if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) {
    return new QbtcError('fatal', `a fault of the program: ${error.message}`, {}, { cause: error });
  }
  return new QbtcError('argument', `an argument is not of its type: ${error.message}`, {}, { cause: error });
}
