/** What tabs that share a light client say to each other. All of it is of one origin; its shape is checked all the same: a tab may run another release. */
import type { ErrorCode, ErrorDetails } from './errors.js';
import type { Balance, FilterProof, FoundEntry, LightEvent, LightNode, LightStatus, WatchedCoin } from './light-types.js';
import type { Proven } from './types.js';

/** How things stand where the client runs. What a balance rests on is left out where it is as before. */
export interface View {
  readonly status: LightStatus;
  readonly nodes: readonly LightNode[];
  readonly balance?: Proven<Balance, FilterProof>;
  readonly coins?: readonly Proven<WatchedCoin, FilterProof>[];
  readonly history?: readonly FoundEntry[];
}

/** An error, of which a channel would keep the sentence alone. */
export interface Refusal extends ErrorDetails {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Every word. `from` is who says it, `term` the time for which that one leads: the later one holds. */
export type Word = { readonly from: string } & (
  /** A tab is there, and wants to hear the leader: all, or that it is there. */
  | { readonly kind: 'hello'; readonly isWhole: boolean }
  /** The leader is there, but has no client yet. */
  | { readonly kind: 'here'; readonly term: number }
  /** What happened, and how things stand now. `watched` are addresses with their birthdays. */
  | { readonly kind: 'state'; readonly term: number; readonly view: View; readonly events: LightEvent[]; readonly watched?: [string, number][] }
  | { readonly kind: 'ask'; readonly number: number; readonly method: string; readonly args: readonly unknown[] }
  | { readonly kind: 'stop'; readonly number: number }
  | { readonly kind: 'answer'; readonly to: string; readonly number: number; readonly value?: unknown; readonly error?: Refusal }
  /** The client was ended by a fault, and all that waited for it. */
  | { readonly kind: 'fault'; readonly error: Refusal }
  | { readonly kind: 'bye' }
);

type Fields = Readonly<Record<string, string>>;

const FIELDS: Readonly<Record<Word['kind'], Fields>> = {
  hello: { isWhole: 'boolean' },
  here: { term: 'number' },
  state: { term: 'number', view: 'object', events: 'array', watched: 'array?' },
  ask: { number: 'number', method: 'string', args: 'array' },
  stop: { number: 'number' },
  answer: { to: 'string', number: 'number', error: 'object?' },
  fault: { error: 'object' },
  bye: {},
};
const VIEW: Fields = { status: 'object', nodes: 'array', balance: 'object?', coins: 'array?', history: 'array?' };
const STATUS: Fields = { phase: 'string', tip: 'object', traffic: 'object' };
const BALANCE: Fields = { value: 'object', height: 'number', proof: 'object' };
const REFUSAL: Fields = { code: 'string', message: 'string' };

function has(value: unknown, fields: Fields): boolean {
  return typeof value === 'object' && value !== null && Object.entries(fields).every(([name, type]) => {
    const field = (value as Record<string, unknown>)[name];
    if (field === undefined && type.endsWith('?')) return true;
    const found = Array.isArray(field) ? 'array' : field === null ? 'null' : typeof field;
    return type.startsWith(found) && found !== 'null';
  });
}

/** The word that a message is, if it is one. */
export function wordOf(message: unknown): Word | undefined {
  if (!has(message, { from: 'string', kind: 'string' })) return undefined;
  const word = message as Word;
  if (!Object.hasOwn(FIELDS, word.kind) || !has(word, FIELDS[word.kind])) return undefined;
  const isWord = ((): boolean => {
    switch (word.kind) {
      case 'state': {
        const { view, events, watched = [] } = word;
        const isWatched = watched.every((pair) => Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'number');
        return has(view, VIEW) && has(view.status, STATUS) && (!view.balance || has(view.balance, BALANCE)) && !view.balance === !view.coins && !view.coins === !view.history && isWatched
          && events.every((event) => has(event, { kind: 'string' }));
      }
      case 'answer': return !word.error || has(word.error, REFUSAL);
      case 'fault': return has(word.error, REFUSAL);
      default: return true;
    }
  })();
  return isWord ? word : undefined;
}
