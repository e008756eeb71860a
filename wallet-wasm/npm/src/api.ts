import type { Account, Chain, Freeable, Partial, PartialClass, Sign } from './sign-api.js';
import type {
  Address, AddressKeys, Branch, Coin, DecodedOutput, Effect, FeeRate, Header, Layout, Output, Place, Proven, ProvenBlock,
  ProvenChain, ProvenPlace, Quanta, SignedTransaction, Txid,
} from './types.js';

/** An account's addresses: which there are, which were given away. Holds nothing secret. */
export interface AddressBook extends Freeable {
  readonly path: string;
  readonly layout: Required<Layout>;
  /** How many addresses the gaps lack; see {@link AddressBook.extend}. */
  readonly missing: number;
  /** To be kept; nothing secret. */
  toBytes(): Uint8Array;
  /** Every address of a branch, by index. */
  addresses(branch: Branch): readonly Address[];
  /** The first address that nobody was given. */
  nextUnused(branch: Branch): Place & { readonly address: Address };
  pathOf(address: string): Place | undefined;
  keysOf(address: string): AddressKeys | undefined;
  /** Notes that an address was given away or seen on the chain; whether it is the account's. */
  markUsed(address: string): boolean;
  /** Fills the gaps from the account's secret; how many addresses were added. */
  extend(account: Account): number;
  /** Signs a text for one of its addresses; base64. */
  signMessage(account: Account, address: string, text: string): string;

  /** Builds a payment: chooses coins, knows the exact size and fee before anything is signed. */
  pay(payment: Payment): Unsigned;
  /** Builds a replacement of one's own transaction that pays a higher fee. */
  bumpFee(bump: Bump): Unsigned;
  /** Builds a replacement that pays everything back. */
  cancel(cancellation: Cancellation): Unsigned;
}

export interface AddressBookClass {
  /** The first addresses of an account: some 40 of them, or twice the gap limit. */
  create(account: Account, layout?: Layout, gapLimit?: number): AddressBook;
  fromBytes(chain: Chain, bytes: Uint8Array): AddressBook;
}

interface Spending {
  /** The coins that may be spent, all on addresses of the book. */
  readonly coins?: readonly Coin[];
  /** Quanta for each 1,000 bytes. */
  readonly feeRate: FeeRate;
  /** The greatest height of a block that may hold it; `null` for none; about an hour if left out. */
  readonly expiryHeight?: number | null;
  /** Signs with the dormant key. */
  readonly useFallbackKey?: boolean;
}

/** A payment. */
export type Payment = Spending & {
  readonly coins: readonly Coin[];
  readonly outputs: readonly Output[];
  /** The height of the best block that you know. */
  readonly tip: number;
  /** The lowest height of a block that may hold it; the tip if left out. */
  readonly lockHeight?: number;
} & (
  /** Where the change goes. */
  | { readonly change: Address; readonly sweepTo?: undefined }
  /** Where all that is left goes. */
  | { readonly sweepTo: Address; readonly change?: undefined }
);

interface Replacing extends Spending {
  /** The transaction to be replaced. */
  readonly transaction: Uint8Array;
  /** The coins that it spends, all of them. */
  readonly spent: readonly Coin[];
  /** The fees of pending transactions that spend what it makes. */
  readonly dependentFees?: Quanta;
}

/** A higher fee: from the change (or, where there is none, from added coins), or from an output. */
export type Bump = Replacing & (
  | { readonly change: Address; readonly feeFromOutput?: undefined }
  | { readonly feeFromOutput: number; readonly change?: undefined }
);

/** Everything back. */
export interface Cancellation extends Replacing {
  readonly backTo: Address;
}

/** A payment that needs only be signed. */
export interface Unsigned extends Freeable {
  readonly fee: Quanta;
  /** Exactly what it will have once it is signed. */
  readonly sizeBytes: number;
  /** The output that goes back. */
  readonly change: DecodedOutput | undefined;
  effect(book: AddressBook): Effect;
  /** For signers elsewhere. */
  toPartial(): BookPartial;
  sign(account: Account): SignedTransaction;
}

/** {@link Partial}, for whoever has a book. */
export interface BookPartial extends Partial {
  effectFor(book: AddressBook): Effect;
  /** Signs wherever one of the account's keys is wanted; how many places that filled. */
  signFor(account: Account, book: AddressBook): number;
}

/** The proof of a payment. */
export interface PaymentProof {
  /** The block that holds it. */
  readonly block: ProvenBlock;
  /** The chain that the block is part of. */
  readonly tip: ProvenChain;
}

/** The parts of an offline receipt, as bytes. */
export interface Receipt {
  /** How much work lies in the chain. */
  readonly history: Uint8Array;
  /** That the block is part of it. */
  readonly block: Uint8Array;
  /** That the transaction is in the block. */
  readonly transaction: Uint8Array;
}

/** What `load` of `@qbtc/wallet` gives: all of {@link Sign}, payments and proofs. */
export interface Wallet extends Sign {
  readonly AddressBook: AddressBookClass;
  readonly Partial: PartialClass<BookPartial>;

  /** Checks that transactions are in a block (`gettxoutproof`). That the block is in the chain it does not say. */
  verifyTxOutProof(proof: Uint8Array): { readonly header: Header; readonly txids: readonly Txid[] };
  /** Checks what a block commits to. */
  verifyCommitmentsProof(
    header: Uint8Array,
    proof: Uint8Array,
  ): { readonly header: Header; readonly witnessRoot: string; readonly filterHash: string; readonly historyRoot: string };
  /** Checks that a block is part of the history with this root. */
  verifyBlockProof(proof: Uint8Array, historyRoot: string, blocks: number): ProvenBlock;
  /** Checks a receipt of a chain's work, which anybody can check at any time. Compare the tip's time with your clock. */
  verifyReceipt(chain: Chain, receipt: Uint8Array): ProvenChain;
  /** Checks a proof of a chain's work that was made for your own seed, drawn after the prover had named its tip. */
  verifyHistoryProof(chain: Chain, proof: Uint8Array, seed: Uint8Array, tip: string): ProvenChain;
  /** Checks what a light client gave as `proof`: of a block, or of the transaction of these bytes in that block. */
  verifyPlace(chain: Chain, proof: Uint8Array, transaction?: Uint8Array): ProvenPlace;
  /** Checks an offline receipt of a payment: the transaction in its block, the block in the history, the history's work. */
  verifyPayment(chain: Chain, txid: Txid, receipt: Receipt): Proven<Txid, PaymentProof>;
}
