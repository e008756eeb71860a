//! The wallet's logic: words, keys, addresses, coins, payments and the files that keep them.
//!
//! Pure like the rest of core. Entropy, coins, blocks and heights come in as arguments, so the command line and the browser run
//! the same wallet; keeping secrets out of logs and on disk only encrypted is their part. Types that hold secrets wipe them when
//! dropped and have neither `Debug` nor `Serialize`.
//!
//! | file | what it is |
//! |---|---|
//! | [`passphrase`] | what protects words and keystores, in one form |
//! | [`mnemonic`] | BIP 39 words and the seed they stand for |
//! | [`derivation`] | from that seed to the seed of each key |
//! | [`layout`] | which keys stand in each address |
//! | [`address_book`] | receive and change addresses, the gap limit |
//! | [`ledger`] | coins, balance, history |
//! | [`account`] | both, and blocks applied to them |
//! | [`size`] | the exact size of a transaction before it is signed |
//! | [`coin_selection`] | which coins a payment spends |
//! | [`builder`] | payments |
//! | [`replacement`] | fee bump and cancellation |
//! | [`pay`] | both from what an account knows |
//! | [`outbox`] | own payments that are in no block yet |
//! | [`departed`] | what waited and will not be mined |
//! | [`waiting`] | what waits in a node's mempool, and whether it is right |
//! | [`partial`] | a transaction on its way through several signers |
//! | [`message`] | texts signed for an address |
//! | [`keystore`] | the encrypted file |

pub mod account;
pub mod address_book;
pub mod builder;
pub mod coin_selection;
pub mod departed;
pub mod derivation;
pub mod keystore;
pub mod layout;
pub mod ledger;
pub mod message;
pub mod mnemonic;
pub mod outbox;
pub mod partial;
pub mod passphrase;
pub mod pay;
pub mod replacement;
pub mod size;
pub mod waiting;

#[cfg(test)]
mod checks;
