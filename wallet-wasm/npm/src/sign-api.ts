// What `load` of `@qbtc/wallet/sign` gives: the interfaces of words, keys, addresses, partial transactions.

import type {
  Address, AddressKeys, Branch, Coin, Condition, Effect, Layout, Missing, Output, Place, PublicKey, Quanta, Scheme,
  SignedTransaction, Txid,
} from './types.js';

/**
 * Something in the program's own memory. Free what you no longer need: secrets are wiped then. What is forgotten is freed when the
 * host collects garbage, at a time that nobody knows. `using` works, too.
 */
export interface Freeable {
  free(): void;
  [Symbol.dispose](): void;
}

/** A chain, as signatures know it: its id, and addresses as it writes them. */
export interface Chain extends Freeable {
  readonly name: string;
  /** The id of its first block. */
  readonly id: string;
  readonly addressPrefix: string;
  /** Reads what somebody typed or scanned. An error's `position` is the character to look at. */
  parseAddress(text: string): Address;
  /** The 32 bytes of an address. */
  addressToBytes(address: string): Uint8Array;
  addressFromBytes(bytes: Uint8Array): Address;
}

export interface ChainClass<C extends Chain = Chain> {
  /** A built-in chain. */
  named(name: 'main' | 'test' | 'local' | 'dev'): C;
}

/** The words of a wallet (BIP 39). A secret. */
export interface Mnemonic extends Freeable {
  /** The words themselves, to be shown once and written down. */
  phrase(): string;
  entropy(): Uint8Array;
  /** The seed of the words and a passphrase. Every passphrase gives a wallet: none is wrong. */
  toSeed(passphrase?: string): Seed;
}

export interface MnemonicClass {
  /** New words from the host's `crypto.getRandomValues`: 12, 15, 18, 21 or 24, which is the default. */
  generate(words?: number): Mnemonic;
  /** Reads words. An error's `position` is the first word that is wrong. */
  parse(phrase: string): Mnemonic;
  /** The words of 16, 20, 24, 28 or 32 bytes. */
  fromEntropy(entropy: Uint8Array): Mnemonic;
}

/** The root of all keys. A secret. */
export interface Seed extends Freeable {
  /** An account of a chain, from 0. */
  account(chain: Chain, index?: number): Account;
}

export interface SeedClass {
  /** The seed of 64 bytes. */
  fromBytes(bytes: Uint8Array): Seed;
}

/** The secret of an account, from which all its keys are derived. */
export interface Account extends Freeable {
  /** Where it is, such as `m/360'/1'/0'`. */
  readonly path: string;
  /** One of its addresses, with its public keys. */
  address(branch: Branch, index: number, layout?: Layout): AddressKeys & { readonly address: Address };
  /** One of its keys. */
  secretKey(branch: Branch, index: number, scheme?: Scheme): SecretKey;
  /** Signs a text for one of its addresses; base64. Say in the text for whom and when. */
  signMessage(place: Place & { readonly layout?: Layout }, text: string): string;
}

/** The secret of one key. */
export interface SecretKey extends Freeable {
  readonly publicKey: PublicKey;
}

export interface SecretKeyClass {
  /** The key pair of a seed of 32 bytes that was made elsewhere. */
  fromSeed(scheme: Scheme, seed: Uint8Array): SecretKey;
}

/** An address by what unlocks it: several keys, a preimage, a height. */
export interface AddressTree extends Freeable {
  address(chain: Chain): Address;
  alternatives(): readonly (readonly Condition[])[];
}

export interface AddressTreeClass {
  /** The address of one key. */
  single(publicKey: PublicKey): AddressTree;
  /** The address of alternatives; the conditions of one must all hold. */
  of(alternatives: readonly (readonly Condition[])[]): AddressTree;
}

/** A transaction on its way through several signers. Bytes from anybody are safe: what is signed covers the coins that are spent. */
export interface Partial extends Freeable {
  readonly txid: Txid;
  toBytes(): Uint8Array;
  /** What it will do, seen by whoever owns these addresses: show it before you sign. */
  effect(own?: readonly Address[]): Effect;
  /** Chooses by which alternative an address is unlocked. */
  choose(tree: AddressTree, alternative: number): void;
  /** Signs wherever this key is wanted; how many places that filled. */
  sign(key: SecretKey): number;
  addPreimage(preimage: Uint8Array): number;
  missing(): readonly Missing[];
  /**
   * The complete transaction. In `@qbtc/wallet`, every signature is verified. In `@qbtc/wallet/sign`, which has no verifier, those are not that came
   * with the bytes of {@link PartialClass.fromBytes}: if one is false, no node takes the transaction.
   */
  finalize(): SignedTransaction;
}

export interface PartialClass<P extends Partial = Partial> {
  create(
    chain: Chain,
    order: {
      readonly coins: readonly Coin[];
      readonly outputs: readonly Output[];
      readonly lockHeight?: number;
      readonly expiryHeight?: number | null;
    },
  ): P;
  /** Reads what somebody sent. */
  fromBytes(chain: Chain, bytes: Uint8Array): P;
}

/**
 * What `load` of `@qbtc/wallet/sign` gives: keys, addresses, signatures. Of SLH-DSA as of ML-DSA. What it lacks, `@qbtc/wallet` has: verifying, taking
 * in what other signers signed, keystores, chains of one's own, payments, proofs.
 */
export interface Sign {
  readonly Chain: ChainClass;
  readonly Mnemonic: MnemonicClass;
  readonly Seed: SeedClass;
  readonly SecretKey: SecretKeyClass;
  readonly AddressTree: AddressTreeClass;
  readonly Partial: PartialClass;

  /** The version of this package. */
  version(): string;
  /** Reads decimal coins, such as `12.5`: exact, at most 8 places. */
  parseAmount(text: string): Quanta;
  /** Writes quanta as decimal coins. */
  formatAmount(quanta: Quanta): string;

  /** Signs a text with the keys that an alternative of an address asks for. Takes the keys: they are freed. */
  signMessageWith(chain: Chain, tree: AddressTree, alternative: number, text: string, keys: SecretKey[]): string;
}
