// What `load` of `@qbtc/wallet` gives: the interfaces of keystores, payments, proofs and messages.

import type { Account, Chain, ChainClass, Freeable, Mnemonic, Partial, PartialClass, Sign } from './sign-api.js';
import type {
  Address, AddressKeys, Branch, Coin, DecodedOutput, DecodedTransaction, Effect, FeeRate, Header, KeystoreCosts, Label, Layout, Output, Place, Proven,
  ProvenBlock, ProvenChain, ProvenPlace, PublicKey, Quanta, SignedTransaction, Txid,
} from './types.js';

/** {@link Chain}, with all of its rules. */
export interface SpecChain extends Chain {
  /** Seconds between blocks. */
  readonly spacingSeconds: number;
  /** How many blocks above a coinbase its coins can be spent first. */
  readonly coinbaseMaturity: number;
  /** The least amount of an output that nodes relay. */
  readonly dustLimit: Quanta;
  /** The least fee rate that nodes relay. */
  readonly feeRateMin: FeeRate;
  /** Its whole spec. */
  toBytes(): Uint8Array;
  /** Until when a payment made on top of this height should be mined: about an hour. */
  expiryHeight(tip: number): number;
}

export interface SpecChainClass extends ChainClass<SpecChain> {
  /** A chain by its spec: what `qbtc chain show --hex` prints, as bytes. */
  fromBytes(bytes: Uint8Array): SpecChain;
}

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
  /** The highest fee, against mistakes and nodes that lie about what is usual: 0.1 QBTC if left out. Beyond it, `payment-fee-too-high`. */
  readonly maxFee?: Quanta;
  /** The greatest height of a block that may hold it; `null` for none. If left out, about an hour for a payment, and that of the original for what replaces one. */
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

/** {@link Partial}, where signatures can be verified, and for whoever has a book. */
export interface BookPartial extends Partial {
  /** Takes in a signature made elsewhere, after verifying it; how many places that filled. */
  addSignature(publicKey: PublicKey, signature: Uint8Array): number;
  /** Takes over what another copy has. */
  combine(other: Partial): void;
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

/** What `load` of `@qbtc/wallet` gives: all of {@link Sign}, verifying, keystores, payments and proofs. */
export interface Wallet extends Sign {
  readonly Chain: SpecChainClass;
  readonly AddressBook: AddressBookClass;
  readonly Partial: PartialClass<BookPartial>;

  /** Reads a complete transaction. */
  decodeTransaction(chain: Chain, bytes: Uint8Array): DecodedTransaction;
  /** Throws `signature-invalid` if the signature is not this key's over these bytes. */
  verifySignature(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): void;
  /**
   * Throws unless whoever can spend from this address has signed this text. Which schemes may sign depends on the height; without one,
   * those from the chain's start.
   */
  verifyMessage(chain: Chain, address: string, text: string, proof: string, height?: number): void;

  /**
   * Encrypts a wallet under a passphrase: the same file as the command line's. Takes about half a second and 64 MiB, during which nothing
   * else runs: do it in a worker.
   */
  sealKeystore(
    mnemonic: Mnemonic,
    options: {
      readonly layout?: Layout;
      /** No coin of the wallet is older than this height. */
      readonly birthday?: number;
      readonly labels?: readonly Label[];
      /** Which account of the words it is: 0 for the first. */
      readonly account?: number;
      readonly costs?: KeystoreCosts;
    },
    passphrase: string,
  ): Uint8Array;
  /** Decrypts a wallet, as slowly. `wrong-passphrase` is told from damage. */
  openKeystore(
    bytes: Uint8Array,
    passphrase: string,
  ): {
    readonly mnemonic: Mnemonic;
    readonly layout: Required<Layout>;
    readonly birthday: number;
    readonly labels: readonly Label[];
    readonly account: number;
  };
  /** The same wallet under another passphrase. The old file still opens with the old one. */
  changePassphrase(bytes: Uint8Array, oldPassphrase: string, newPassphrase: string, costs?: KeystoreCosts): Uint8Array;
  /** What opening would cost. */
  inspectKeystore(bytes: Uint8Array): Required<KeystoreCosts>;

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
