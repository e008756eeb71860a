//! The wallet of the tab: what it keeps, what it knows, what it pays. The rules of keys, coins and payments are core's.
//!
//! | file | what it is |
//! |---|---|
//! | [`account`] | what is known of an account: addresses, coins, history, where it is in the chain |
//! | [`chain`] | what the chain tells an account, and what is checked of it |
//! | [`change`] | what changes an account beside the chain, and what tabs tell each other |
//! | [`notes`] | what is kept beside the keys: accounts, the address book, settings |
//! | [`opening`] | whether a wallet may still be opened, once everything is there |
//! | [`order`] | what somebody types into the form of a payment, and what is wrong with it |
//! | [`draft`] | payments as they are shown before they are signed |
//! | [`effect`] | what a transaction will do, as it is shown before it is signed |
//! | [`scan`] | what the light client tells the wallet, taken into its accounts |
//! | [`vault`] | sealing and opening the keystore, as a helper of the page does it |

pub mod account;
pub mod chain;
pub mod change;
pub mod draft;
pub mod effect;
pub mod notes;
pub mod opening;
pub mod order;
pub mod scan;
pub mod vault;
