//! What a wallet is watched by where its secret is not: its addresses, with their public keys, and nothing secret.
//!
//! Keys of this chain have no public derivation, so a wallet that only watches cannot make addresses: it is handed as many as it will
//! need for a while, and more later. `qbtc wallet export` writes them, `qbtc wallet watch` reads them. Whoever has them sees what the
//! wallet owns and is paid, and can spend none of it.
//!
//! An address without its keys can be watched too: that of somebody else, or one whose keys nobody here knows. It cannot be spent
//! from, not even by a partial transaction.

use qbtc_core::hash::ChainId;
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::wallet::address_book::{AddressBook, BookEntry, BookError};
use qbtc_core::wallet::derivation::{AccountKey, AccountPath, AddressPath, Branch, ChildIndex, CoinType};
use qbtc_core::wallet::layout::AddressLayout;
use serde::{Deserialize, Serialize};

use super::WalletState;
use super::envelope::{Envelope, EnvelopeError};

const FILE: Envelope = Envelope { magic: *b"qbtcwtch", version: 1 };

/// Addresses to watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    chain: ChainId,
    birthday: Height,
    book: AddressBook,
}

/// Why addresses cannot be watched, or not together with those that are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// No file of addresses.
    #[error("these are no addresses to watch: {0}")]
    File(#[from] EnvelopeError),
    /// Another chain's.
    #[error("these are addresses of chain {found}: expected {expected}")]
    Chain {
        /// The chain found.
        found: ChainId,
        /// The chain in use.
        expected: ChainId,
    },
    /// Another account's.
    #[error("these are addresses of another wallet: watch them under a name of their own")]
    OtherAccount,
    /// Addresses that a book refuses.
    #[error(transparent)]
    Book(#[from] BookError),
    /// More than a file may hold.
    #[error("{found} addresses of a branch: expected at most {}", Watched::EXPORT_MAX)]
    TooMany {
        /// Addresses asked for.
        found: u32,
    },
}

impl Watched {
    /// How many addresses of each branch are exported unless the user says otherwise.
    pub const EXPORT_DEFAULT: u32 = 200;
    /// The most addresses of each branch that are exported: 100 MB of keys with ML-DSA-87.
    pub const EXPORT_MAX: u32 = 20_000;
    /// The longest file, in bytes: twice as many addresses as are exported, with ML-DSA-87 keys.
    pub const BYTES_MAX: usize = 256 << 20;

    /// The addresses of a wallet: at least so many of each branch, which the wallet then has too, and all that it has.
    ///
    /// # Errors
    /// [`WatchError`], for too many, or the secret of another wallet.
    pub fn export(state: &mut WalletState, key: &AccountKey, count: u32) -> Result<Self, WatchError> {
        if count > Self::EXPORT_MAX {
            return Err(WatchError::TooMany { found: count });
        }
        state.book_mut().extend(key)?;
        let layout = state.book().layout();
        for branch in Branch::ALL {
            for index in (0..count).filter_map(|index| ChildIndex::new(index).ok()) {
                let path = AddressPath { branch, index };
                if state.book().entry(path).is_none() {
                    let keys = layout.keys(key, path);
                    let entry = BookEntry { address: keys.tree().address(), keys: Some(keys) };
                    state.book_mut().append(branch, entry)?;
                }
            }
        }
        Ok(Self { chain: *state.chain(), birthday: state.birthday(), book: state.book().clone() })
    }

    /// Bare addresses, whose keys are not known.
    ///
    /// # Errors
    /// [`WatchError::Book`] for one that stands twice.
    pub fn bare(spec: &ChainSpec, birthday: Height, addresses: &[Address]) -> Result<Self, WatchError> {
        let path = AccountPath::first(CoinType::of_chain(spec));
        let mut book = AddressBook::new(path, AddressLayout::default(), AddressBook::GAP_LIMIT)?;
        for address in addresses {
            book.append(Branch::Receive, BookEntry { address: *address, keys: None })?;
        }
        Ok(Self { chain: spec.chain_id(), birthday, book })
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// No coin on these addresses is older.
    #[must_use]
    pub const fn birthday(&self) -> Height {
        self.birthday
    }

    /// The addresses.
    #[must_use]
    pub const fn book(&self) -> &AddressBook {
        &self.book
    }

    /// Whether no keys are known: what lies on these addresses cannot be spent, not even with a signer's help.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        let first = AddressPath { branch: Branch::Receive, index: ChildIndex::ZERO };
        self.book.entry(first).is_none_or(|entry| entry.keys.is_none())
    }

    /// Adds what another copy has and this one lacks, and returns how many addresses that were. Copies of one wallet are lists of
    /// one order, of which one may be longer; bare addresses are added in any order.
    ///
    /// # Errors
    /// [`WatchError`], if they are of another chain or wallet.
    pub fn add(&mut self, other: &Self) -> Result<usize, WatchError> {
        self.check_chain(&other.chain)?;
        let (is_bare, before) = (self.is_bare(), self.book.len());
        let is_same_kind = self.book.layout() == other.book.layout() && is_bare == other.is_bare();
        if !is_same_kind {
            return Err(WatchError::OtherAccount);
        }
        for branch in Branch::ALL {
            for (path, entry) in entries(&other.book, branch) {
                match self.book.entry(path) {
                    _ if is_bare && self.book.path_of(&entry.address).is_some() => {}
                    Some(own) if !is_bare && own != entry => return Err(WatchError::OtherAccount),
                    Some(_) if !is_bare => {}
                    _ => {
                        self.book.append(branch, entry.clone())?;
                    }
                }
            }
            mark_used_like(&mut self.book, &other.book, branch);
        }
        self.birthday = self.birthday.min(other.birthday);
        Ok(self.book.len() - before)
    }

    /// Checks that the addresses are of this chain.
    ///
    /// # Errors
    /// [`WatchError::Chain`], if they are not.
    pub fn check_chain(&self, expected: &ChainId) -> Result<(), WatchError> {
        let (found, expected) = (self.chain, *expected);
        if found == expected { Ok(()) } else { Err(WatchError::Chain { found, expected }) }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        FILE.wrap(self)
    }

    /// Reads what [`Watched::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`WatchError::File`], for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WatchError> {
        Ok(FILE.unwrap(bytes, Self::BYTES_MAX)?)
    }
}

/// A branch's addresses, in order.
pub fn entries(book: &AddressBook, branch: Branch) -> impl Iterator<Item = (AddressPath, &BookEntry)> {
    let paths = (0..).map_while(move |index| Some(AddressPath { branch, index: ChildIndex::new(index).ok()? }));
    paths.map_while(|path| Some((path, book.entry(path)?)))
}

/// Marks as many addresses of a branch as used as are in another book.
pub(super) fn mark_used_like(book: &mut AddressBook, other: &AddressBook, branch: Branch) {
    let unused_from = other.next_unused(branch).map(|(path, _)| path.index);
    let last_used = entries(other, branch).take_while(|(path, _)| Some(path.index) != unused_from).last();
    if let Some((_, entry)) = last_used {
        book.mark_used(&entry.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::testing::{address, layout, other_key, spec, state};

    #[test]
    fn an_export_watches_what_the_wallet_has_and_will_have() {
        let mut own = state(7);
        own.book_mut().mark_used(&address(Branch::Receive, 3));
        let exported = Watched::export(&mut own, &other_key(), 30).unwrap();
        let read = Watched::from_bytes(&exported.to_bytes()).unwrap();
        assert_eq!(read, exported);
        assert_eq!((read.birthday(), read.book().len()), (Height(7), 60));
        assert_eq!(read.book().next_unused(Branch::Receive).unwrap().1, address(Branch::Receive, 4));
        // The signer knows them too, to tell its change from what is paid.
        assert!(own.book().path_of(&address(Branch::Change, 29)).is_some());
        assert!(!read.is_bare());
        let refused = Watched::export(&mut own, &other_key(), Watched::EXPORT_MAX + 1);
        assert!(matches!(refused, Err(WatchError::TooMany { .. })));
        let bytes = exported.to_bytes();
        for place in (0..bytes.len()).step_by(4_999) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert!(matches!(Watched::from_bytes(&damaged), Err(WatchError::File(_))), "{place}");
        }
    }

    #[test]
    fn a_later_export_adds_addresses_and_anothers_is_refused() {
        let mut own = state(7);
        let mut watched = Watched::export(&mut own, &other_key(), 25).unwrap();
        own.book_mut().mark_used(&address(Branch::Receive, 9));
        let later = Watched::export(&mut own, &other_key(), 40).unwrap();
        assert_eq!(watched.add(&later), Ok(30));
        assert_eq!(watched.book(), later.book());
        // An older copy takes nothing away.
        let older = Watched::export(&mut state(7), &other_key(), 25).unwrap();
        assert_eq!(watched.add(&older), Ok(0));
        assert_eq!(watched.book(), later.book());
        let key = crate::wallet::testing::key();
        let mut foreign = WalletState::new(&spec(), layout(), Height(7), AddressBook::GAP_LIMIT, &key);
        let foreign = Watched::export(&mut foreign, &key, 25).unwrap();
        assert_eq!(watched.add(&foreign), Err(WatchError::OtherAccount));
        let bare = Watched::bare(&spec(), Height(0), &[address(Branch::Receive, 50)]).unwrap();
        assert_eq!(watched.add(&bare), Err(WatchError::OtherAccount));
        let main = Watched::bare(&ChainSpec::main(), Height(0), &[]).unwrap();
        assert!(matches!(watched.add(&main), Err(WatchError::Chain { .. })));
    }

    #[test]
    fn bare_addresses_are_added_in_any_order() {
        let all: Vec<_> = (0..3).map(|byte| Address::from_bytes([byte; 32])).collect();
        let bare = |addresses: &[Address], birthday| Watched::bare(&spec(), Height(birthday), addresses).unwrap();
        let mut watched = bare(&all[..2], 5);
        assert_eq!(watched.add(&bare(&[all[2], all[1]], 3)), Ok(1));
        assert_eq!((watched.book().len(), watched.birthday()), (3, Height(3)));
        assert!(matches!(Watched::bare(&spec(), Height(0), &[all[0], all[0]]), Err(WatchError::Book(_))));
    }
}
