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

/** Loads a program of its own memory: what ends one does not touch another. */
export async function loadInto<T>(
  createGlue: () => Glue,
  source: () => Promise<Source>,
  signal?: AbortSignal,
): Promise<T> {
  const glue = createGlue();
  try {
    signal?.throwIfAborted();
    const instance = await instantiate(await open(await source(), signal), { [IMPORTS]: glue as WebAssembly.ModuleImports });
    signal?.throwIfAborted();
    return start<T>(glue, instance);
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

function start<T>(glue: Glue, instance: WebAssembly.Instance): T {
  glue.__wbg_set_wasm(instance.exports);
  (instance.exports as Exports).__wbindgen_start();
  return guard<T>(glue);
}

/** Makes every call of the glue throw {@link QbtcError} and nothing else, and refuse to run after a fault. */
function guard<T>(glue: Glue): T {
  let isDead = false;

  const end = (): void => {
    isDead = true;
    // What is collected as garbage later must not run in a program that is in disorder.
    glue.__wbg_set_wasm(new Proxy({}, { get: () => () => 0 }));
  };

  const guarded = (call: AnyFunction): AnyFunction =>
    function (this: unknown, ...args: unknown[]): unknown {
      if (isDead) throw new QbtcError('fatal', FATAL);
      try {
        return call.apply(this, args);
      } catch (error) {
        const shown = toQbtcError(error);
        if (shown.code === 'fatal') end();
        throw shown;
      }
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
          if (!isDead && this.__wbg_ptr !== 0) free.call(this);
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

function toQbtcError(error: unknown): QbtcError {
  if (error instanceof QbtcError) return error;
  if (!(error instanceof Error)) return new QbtcError('fatal', `a fault of the program: ${String(error)}`);
  const { code, found, expected, position } = error as Error & { code?: unknown } & ErrorDetails;
  if (typeof code === 'string') {
    const details: ErrorDetails = {
      ...(found !== undefined && { found }),
      ...(expected !== undefined && { expected }),
      ...(position !== undefined && { position }),
    };
    return new QbtcError(code as ErrorCode, error.message, details, { cause: error });
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
