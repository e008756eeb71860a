// Plain values that all programs give and take.

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** An address as its chain writes it, checked: what {@link Chain.parseAddress} returns. */
export type Address = Branded<string, 'Address'>;
/** The id of a transaction: 64 hex digits, as people read it. */
export type Txid = string;
/** The id of a block: 64 hex digits, as people read it. */
export type BlockId = string;
/** An amount in quanta; 1 QBTC is 100,000,000n. */
export type Quanta = bigint;
/** What a transaction pays for its size: quanta for each 1,000 bytes. */
export type FeeRate = bigint;

/** A signature scheme. ML-DSA is FIPS 204, SLH-DSA is FIPS 205. */
export type Scheme = 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87' | 'SLH-DSA-SHA2-128s';
/** Addresses given to payers, or those that take change. */
export type Branch = 'receive' | 'change';

/** A public key. */
export interface PublicKey {
  readonly scheme: Scheme;
  readonly bytes: Uint8Array;
}

/** What addresses are made of: one key, and perhaps a dormant hash-based one beside it. */
export interface Layout {
  /** The scheme that signs; ML-DSA-87 if left out. */
  readonly scheme?: Scheme;
  /** Whether a dormant key of SLH-DSA-SHA2-128s stands beside it. Making it takes some tens of milliseconds an address. */
  readonly fallback?: boolean;
}

/** One of the conditions that must all hold for an alternative of an address. */
export type Condition =
  | { readonly kind: 'key'; readonly key: PublicKey }
  | { readonly kind: 'threshold'; readonly required: number; readonly keys: readonly PublicKey[] }
  | { readonly kind: 'preimage'; readonly sha256: Uint8Array }
  | { readonly kind: 'after'; readonly height: number };

/** A coin: an output that can be spent. */
export interface Coin {
  readonly txid: Txid;
  readonly index: number;
  readonly amount: Quanta;
  readonly address: Address;
}

/** What a payment does: money to an address, or data for everybody to read. */
export type Output =
  | { readonly address: Address; readonly amount: Quanta }
  | { readonly data: Uint8Array };

/** An output as it stands in a transaction. */
export type DecodedOutput =
  | { readonly kind: 'address'; readonly address: Address; readonly amount: Quanta }
  | { readonly kind: 'data'; readonly data: Uint8Array; readonly amount: Quanta };

/** What shows that a condition holds. */
export type DecodedProof =
  | { readonly kind: 'signature'; readonly signature: Uint8Array }
  | { readonly kind: 'signatures'; readonly signatures: readonly { readonly key: number; readonly signature: Uint8Array }[] }
  | { readonly kind: 'preimage'; readonly preimage: Uint8Array };

/** A transaction, decoded. */
export interface DecodedTransaction {
  readonly txid: Txid;
  readonly wtxid: string;
  readonly version: number;
  readonly sizeBytes: number;
  readonly inputs: readonly { readonly txid: Txid; readonly index: number }[];
  readonly outputs: readonly DecodedOutput[];
  /** The lowest height of a block that may hold it. */
  readonly lockHeight: number;
  /** The greatest height of a block that may hold it; `null` for none. */
  readonly expiryHeight: number | null;
  readonly witnesses: readonly {
    readonly address: Address;
    readonly conditions: readonly Condition[];
    readonly proofs: readonly DecodedProof[];
  }[];
}

/** What a transaction will do, made from the very bytes that are signed: show this before anybody signs. */
export interface Effect {
  readonly txid: Txid;
  readonly chainId: string;
  readonly outputs: readonly (DecodedOutput & { readonly isOwn: boolean })[];
  readonly fee: Quanta;
  /** Missing while not every alternative is chosen, as is the size. */
  readonly feeRate?: FeeRate;
  readonly sizeBytes?: number;
  /** How many coins are spent, and how many of them are one's own. */
  readonly inputs: number;
  readonly ownInputs: number;
  /** What one has less afterwards; zero where it is more. */
  readonly leaves: Quanta;
  /** What one has more afterwards; zero where it is less. */
  readonly arrives: Quanta;
  readonly lockHeight: number;
  readonly expiryHeight: number | null;
  /** The same in English, one line for each thing that happens. */
  readonly text: string;
}

/** A complete transaction, ready to be sent. */
export interface SignedTransaction {
  readonly txid: Txid;
  readonly wtxid: string;
  readonly bytes: Uint8Array;
}

/** What a partial transaction still lacks. */
export type Missing =
  | { readonly kind: 'alternative'; readonly address: Address }
  | { readonly kind: 'signatures'; readonly address: Address; readonly count: number; readonly keys: readonly PublicKey[] }
  | { readonly kind: 'preimage'; readonly address: Address; readonly sha256: Uint8Array };

/** The public keys of an address. */
export interface AddressKeys {
  readonly signing: PublicKey;
  readonly fallback?: PublicKey;
}

/** A place among an account's addresses. */
export interface Place {
  readonly branch: Branch;
  readonly index: number;
}

/** What one guess at a keystore's passphrase costs (Argon2id). */
export interface KeystoreCosts {
  /** Memory in KiB; 65,536 if left out. */
  readonly memoryKib: number;
  /** Passes over it; 3 if left out. */
  readonly passes: number;
  /** Lanes; 1 if left out. */
  readonly lanes?: number;
}

/** What somebody wrote beside an address or a transaction. */
export interface Label {
  readonly subject: string;
  readonly text: string;
}

/** A block's header. */
export interface Header {
  readonly id: BlockId;
  readonly parent: BlockId;
  readonly merkleRoot: string;
  /** Seconds since 1970. */
  readonly time: number;
  readonly bits: number;
  /** The 80 bytes. */
  readonly bytes: Uint8Array;
}

/** A block whose place in a history is proven. */
export interface ProvenBlock {
  readonly header: Header;
  readonly height: number;
  /** The work of all blocks before it, in expected hashes. */
  readonly workBefore: bigint;
}

/** A chain whose work is proven. */
export interface ProvenChain {
  /** That of the tip. */
  readonly header: Header;
  readonly height: number;
  /** The work of all blocks, in expected hashes. */
  readonly work: bigint;
  /** The root over all blocks, the tip's included, and how many there are. */
  readonly historyRoot: string;
  readonly blocks: number;
}

/** How much was checked of a value. */
export type Level =
  /** A header with work and a merkle proof show it. That all rules were kept is for the miners to know. */
  | 'header'
  /** Filters that blocks commit to show that nothing was left out, too. */
  | 'filter'
  /** The blocks were validated. */
  | 'validated';

/** A value together with what it rests on. */
export interface Proven<T, P = unknown, L extends string = Level> {
  readonly value: T;
  readonly level: L;
  /** The height that it is true at. */
  readonly height: number;
  /** Blocks on top, its own included; 0 where it is in none. */
  readonly confirmations: number;
  readonly proof: P;
}

/** A block by its place and its name. */
export interface BlockMark {
  readonly height: number;
  readonly id: BlockId;
}

/** What `verifyPlace` has checked. */
export interface ProvenPlace {
  /** The block. */
  readonly block: BlockMark;
  /** The transaction, if one was given. */
  readonly txid?: Txid;
  /** The end of the history that it is proven to be part of. */
  readonly tip: BlockMark;
  /** The root of that history. It has to be that of the best chain, which a receipt of its work shows: `ProvenChain.historyRoot`. */
  readonly historyRoot: string;
}
