/** What every entry of the light client exports beside the program that it loads. */
export * from './errors.js';
export type { LoadOptions, Source } from './guard.js';
export type {
  Asking, Balance, ConnectionServer, FilterProof, FoundEntry, FoundTransaction, HistoryEntry, LightClientClass, LightClientOptions, LightEvent,
  LightNode, LightStatus, LightWarning, Sent, SharedLightClientClass, SharedLightClientOptions, Tip, TransactionBody, WatchedCoin,
} from './light-types.js';
export type * from './types.js';
