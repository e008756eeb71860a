// What is said of errors whose program has no sentences.

import type { ErrorDetails } from './errors.js';

/**
 * What errors of `sign.wasm` say to people. That program gives a code and its details, and has no sentences: as text they compress better here, and nothing
 * of what writes numbers into text has to be loaded. `{about}` is the argument that is meant.
 */
const SENTENCES: Readonly<Record<string, string>> = {
  'argument': '{about} is wrong: found {found}: expected {expected}',
  'entropy': 'no randomness to be had from the host',
  'chain-unknown': 'no chain is called {found}: expected {expected}',
  'amount-empty': 'no amount: expected digits, such as 12.5',
  'amount-format': '{found} is no amount: expected digits with at most 8 decimal places, such as 12.5',
  'amount-comma': '{found} has a comma: expected a point before the decimal places',
  'amount-decimals': 'an amount with {found} decimal places: expected at most {expected}',
  'amount-too-large': '{found} are more than there can be',
  'address-mixed-case': 'address mixes upper and lower case',
  'address-character': 'character {found} at position {position} is not one of an address',
  'address-separator': 'no address: expected {expected}1 and what follows it',
  'address-network': 'address begins with {found}1, not with {expected}1: it belongs to another network',
  'address-length': 'address of {found} characters: expected {expected}',
  'address-old-checksum': 'address has the checksum of bech32: expected that of bech32m',
  'address-checksum': 'checksum of the address does not hold: look at character {position}',
  'address-padding': 'padding of the address is not zero',
  'mnemonic-word-count': '{found} words: expected {expected}',
  'mnemonic-unknown-word': 'word {position} is {found}, which is not on the BIP 39 list of English words',
  'mnemonic-checksum': 'the words are all on the list, but their checksum does not hold: one is wrong, or two are swapped',
  'mnemonic-entropy': '{found} bytes of entropy: expected {expected}',
  'path-index': 'index {found}: expected 0 to 2147483647',
  'scheme-unknown': 'signature scheme {found} is unknown; known are ML-DSA-44, ML-DSA-65, ML-DSA-87 and SLH-DSA-SHA2-128s',
  'public-key-length': 'a public key of {found} bytes: its scheme has {expected}',
  'signature-length': 'a signature of {found} bytes: expected {expected}',
  'layout-fallback': 'a scheme cannot be its own fallback',
  'conditions-empty': 'an alternative without conditions',
  'conditions-too-many': 'an alternative with {found} conditions: too many',
  'conditions-threshold': 'a threshold of {found} of {expected} keys: expected 1 to the number of keys',
  'tree-empty': 'an address without alternatives',
  'tree-too-many': 'an address with {found} alternatives: too many',
  'hash-format': 'a hash that is not 64 hex digits',
  'bytes-too-long': '{found} bytes exceed the limit of {expected}',
  'bytes-malformed': 'malformed or truncated: {found} bytes',
  'bytes-trailing': '{found} bytes after the end',
  'bytes-not-canonical': 'bytes that are not in their canonical encoding',
  'payment-data-length': 'output with {found} bytes of data: expected at most {expected}',
  'partial-not-one': 'not a partial transaction: it does not begin with "qbtcptx"',
  'partial-version': 'partial transaction of version {found}: expected 1',
  'partial-other-chain': 'the transaction is for chain {found}: expected {expected}',
  'partial-no-inputs': 'partial transaction without inputs',
  'partial-spent-count': '{found} spent outputs for {expected} inputs',
  'partial-duplicate-input': 'a coin is spent twice',
  'partial-unspendable': 'input {position} spends an output of data, which nobody can spend',
  'partial-overspent': 'outputs of {found} QBTC exceed inputs of {expected} QBTC',
  'partial-unlock-count': '{found} places for witnesses: expected {expected}, one for each distinct address',
  'partial-foreign-address': 'no coin of that address is spent',
  'partial-alternative': 'the alternative belongs to another address',
  'partial-alternative-chosen': 'another alternative was chosen for that address already',
  'partial-too-early': 'a condition holds from height {expected}, and the transaction is locked until {found} only',
  'partial-proofs': 'the proofs given for an address are not those of its conditions',
  'partial-incomplete': 'not complete: {found} are missing',
  'alternative-missing': 'no alternative {found}: the address has {expected}',
  'message-too-long': 'signed message of {found} bytes: too long',
  'message-shows-preimage': 'the alternative asks for a preimage, which a signed message would give away',
  'message-no-key': 'the alternative asks for no signature',
  'message-incomplete': 'not complete: signatures are missing for {found} conditions',
};

/** The sentence of an error; `about` names the argument that is wrong. */
export function sentence(code: string, about: string, details: ErrorDetails): string {
  const known: Record<string, string | number | undefined> = { about, ...details };
  const parts = (SENTENCES[code] ?? code).split(': ');
  // What is not known is left out with the part of the sentence that it stands in.
  const said = parts.map((part) => part.replace(/\{(\w+)\}/g, (_, name: string) => String(known[name] ?? '\0')));
  return said.filter((part) => !part.includes('\0')).join(': ') || code;
}
