// The error of this package: its codes, and what comes with them.

/** Every code of an error of this package. Codes keep their meaning for ever; sentences do not. */
export type ErrorCode =
  // This package.
  | 'fatal' | 'aborted' | 'argument' | 'freed' | 'entropy' | 'load'
  // Amounts and addresses.
  | 'amount-empty' | 'amount-format' | 'amount-comma' | 'amount-decimals' | 'amount-too-large'
  | 'address-mixed-case' | 'address-character' | 'address-separator' | 'address-network' | 'address-length'
  | 'address-old-checksum' | 'address-checksum' | 'address-padding' | 'address-foreign'
  // Words, keys and accounts.
  | 'mnemonic-word-count' | 'mnemonic-unknown-word' | 'mnemonic-checksum' | 'mnemonic-entropy'
  | 'path-form' | 'path-index' | 'path-purpose' | 'path-scheme' | 'path-branch'
  | 'scheme-unknown' | 'public-key-length' | 'signature-length' | 'signature-invalid' | 'context-length'
  | 'account-other' | 'layout-fallback' | 'conditions-empty' | 'conditions-too-many' | 'conditions-threshold'
  | 'tree-empty' | 'tree-too-many'
  | 'book-gap-limit' | 'book-keys' | 'book-duplicate' | 'book-full' | 'book-used' | 'book-exhausted'
  // Keystores.
  | 'wrong-passphrase' | 'keystore-not-one' | 'keystore-truncated' | 'keystore-trailing' | 'keystore-header-damaged'
  | 'keystore-version' | 'keystore-costs' | 'keystore-length' | 'keystore-memory' | 'keystore-content-damaged'
  | 'keystore-content' | 'keystore-labels' | 'keystore-label-length'
  // Payments.
  | 'insufficient-funds' | 'transaction-too-large' | 'coin-foreign' | 'payment-fee-too-high' | 'payment-empty' | 'payment-dust'
  | 'payment-data-amount' | 'payment-data-length' | 'payment-data-outputs' | 'payment-fee-rate' | 'payment-scheme'
  | 'payment-never-valid' | 'payment-rest-too-small' | 'payment-data-pays-nothing' | 'payment-64-bytes'
  | 'payment-unknown-keys' | 'payment-no-fallback' | 'payment-foreign-input' | 'payment-no-such-output'
  // Partial transactions and messages.
  | 'partial-not-one' | 'partial-version' | 'partial-other-chain' | 'partial-no-inputs' | 'partial-spent-count'
  | 'partial-duplicate-input' | 'partial-unspendable' | 'partial-overspent' | 'partial-unlock-count'
  | 'partial-foreign-address' | 'partial-alternative' | 'partial-alternative-chosen' | 'partial-too-early'
  | 'partial-proofs' | 'partial-different' | 'partial-incomplete' | 'alternative-missing'
  | 'message-not-one' | 'message-version' | 'message-base64' | 'message-too-long' | 'message-shows-preimage'
  | 'message-no-key' | 'message-incomplete' | 'message-witness'
  // Chains, bytes and proofs.
  | 'chain-unknown' | 'chain-too-long' | 'chain-toml' | 'chain-name' | 'chain-rules' | 'hash-format'
  | 'bytes-too-long' | 'bytes-malformed' | 'bytes-trailing' | 'bytes-not-canonical'
  | 'proof-root' | 'proof-merkle' | 'proof-leaf' | 'proof-height' | 'proof-history' | 'proof-tip' | 'proof-work'
  | 'proof-other-block' | 'proof-other-transaction'
  // The light client: what it is asked.
  | 'unsupported' | 'timeout' | 'closed' | 'storage' | 'not-watching' | 'watch-too-many'
  | 'query-too-many' | 'query-too-many-times' | 'query-not-found' | 'query-refused' | 'query-unsure' | 'query-above-tip' | 'query-timeout'
  // The light client: nodes and the connections with them.
  | 'bad-address' | 'unreachable' | 'wrong-certificate' | 'wrong-peer' | 'unproven' | 'turned-down' | 'not-spoken' | 'malformed'
  | 'too-long' | 'page' | 'browser';

/** What an error says beyond its sentence. */
export interface ErrorDetails {
  /** What was found. */
  readonly found?: string;
  /** What was expected, or the limit. */
  readonly expected?: string;
  /** The place of what is wrong, from 1: a character of an address, a word of a mnemonic, an output of a payment. */
  readonly position?: number;
}

/**
 * The one error that this package throws. Compare `code`, show `message`.
 *
 * After `fatal` the object from `load` refuses everything: `load` another one.
 */
export class QbtcError extends Error implements ErrorDetails {
  override readonly name = 'QbtcError';
  readonly code: ErrorCode;
  readonly found?: string;
  readonly expected?: string;
  readonly position?: number;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    if (details.found !== undefined) this.found = details.found;
    if (details.expected !== undefined) this.expected = details.expected;
    if (details.position !== undefined) this.position = details.position;
  }
}
