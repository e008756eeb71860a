//! The address book: where other nodes may be, kept so that an attacker who tells many lies, or holds one network, cannot fill it.
//!
//! It is Bitcoin Core's addrman in its main traits. An address that somebody told stands in the *new* table, one that was connected to stands
//! in the *tried* table. A table is made of buckets. A keyed hash of an address's group (its /16 of IPv4, its /32 of IPv6), and in the new
//! table of the group of who told it, says which bucket and which place in it an address has: no other will do. So whoever tells addresses
//! reaches at most [`NEW_BUCKETS_PER_SOURCE`] buckets, and the addresses of one group reach at most [`TRIED_BUCKETS_PER_GROUP`] of the
//! tried ones. Unlike there, an address has one place in the new table, not up to eight.
//!
//! Invariants: each address stands in exactly one place, the one that its hash says; what is held never exceeds [`AddressBook::BYTES_MAX`];
//! the same key and the same inputs make the same book. The book must not dial, resolve or read a clock.

mod address;
mod book;
mod draws;
mod entry;
mod messages;
mod table;
#[cfg(test)]
mod tests;

pub use address::{Group, PeerAddress, PeerAddressError, Reach};
pub use book::AddressBook;
pub use draws::Draws;
pub use entry::{AddressNews, Entry};
pub use messages::{ADDRESSES_MAX, AddressesAnswer, AddressesQuestion, OWN_ADDRESSES_MAX};
pub use table::{NEW_BUCKETS_PER_SOURCE, TRIED_BUCKETS_PER_GROUP};
