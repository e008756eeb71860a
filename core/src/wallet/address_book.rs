//! An account's addresses: which there are, which have been used, which comes next.
//!
//! Invariant: each branch holds its addresses by index without a hole, each address stands once, and where an address' keys are
//! kept they are its own. Addresses, keys and marks are public: a book without the account's secret watches just as well, as
//! long as its addresses last.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::derivation::{AccountKey, AccountPath, AddressPath, Branch, ChildIndex};
use super::layout::{AddressKeys, AddressLayout};
use crate::codec;
use crate::lock::Address;

/// An account's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct AddressBook {
    path: AccountPath,
    layout: AddressLayout,
    gap_limit: u32,
    receive: AddressList,
    change: AddressList,
    /// Made from the lists.
    #[serde(skip)]
    paths: BTreeMap<Address, AddressPath>,
}

/// One address of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookEntry {
    /// The address.
    pub address: Address,
    /// Its public keys, unless the book was given the bare address. They are needed to build a payment without the secret.
    pub keys: Option<AddressKeys>,
}

/// The addresses of a branch, by index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct AddressList {
    #[serde(deserialize_with = "codec::bounded::<_, _, { AddressBook::BRANCH_MAX }>")]
    entries: Vec<BookEntry>,
    /// One above the highest index that was seen on the chain or given away; 0 for none.
    used_below: u32,
}

/// Why addresses do not fit a book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// A gap limit outside its range.
    #[error("gap limit of {found}: expected 1 to {}", AddressBook::GAP_LIMIT_MAX)]
    GapLimit {
        /// The limit found.
        found: u32,
    },
    /// The secret of another account.
    #[error("the secret is that of {found}: expected {expected}")]
    Account {
        /// The secret's account.
        found: AccountPath,
        /// The book's account.
        expected: AccountPath,
    },
    /// Keys of other schemes than the account's, or of another address.
    #[error("the keys given for {address:?} are not its own")]
    Keys {
        /// The address.
        address: Address,
    },
    /// An address that stands twice.
    #[error("{address:?} stands twice")]
    Duplicate {
        /// The address.
        address: Address,
    },
    /// More addresses than a branch holds.
    #[error("a branch with {found} addresses: expected at most {}", AddressBook::BRANCH_MAX)]
    Full {
        /// Addresses found.
        found: usize,
    },
    /// More addresses marked as used than there are.
    #[error("{found} addresses of a branch are marked as used, and it has {limit}")]
    Used {
        /// Marked.
        found: u32,
        /// Addresses there.
        limit: usize,
    },
}

impl AddressBook {
    /// How many unused addresses lie ahead of the last used one, as BIP 44 has it.
    pub const GAP_LIMIT: u32 = 20;
    /// The largest gap limit.
    pub const GAP_LIMIT_MAX: u32 = 1_000;
    /// The most addresses of a branch.
    pub const BRANCH_MAX: usize = 1 << 20;

    /// An empty book.
    ///
    /// # Errors
    /// [`BookError::GapLimit`] for none or more than [`AddressBook::GAP_LIMIT_MAX`].
    pub fn new(path: AccountPath, layout: AddressLayout, gap_limit: u32) -> Result<Self, BookError> {
        if !(1..=Self::GAP_LIMIT_MAX).contains(&gap_limit) {
            return Err(BookError::GapLimit { found: gap_limit });
        }
        let (receive, change) = (AddressList::default(), AddressList::default());
        Ok(Self { path, layout, gap_limit, receive, change, paths: BTreeMap::new() })
    }

    /// The account.
    #[must_use]
    pub const fn path(&self) -> AccountPath {
        self.path
    }

    /// What its addresses are made of.
    #[must_use]
    pub const fn layout(&self) -> AddressLayout {
        self.layout
    }

    /// How many unused addresses lie ahead of the last used one.
    #[must_use]
    pub const fn gap_limit(&self) -> u32 {
        self.gap_limit
    }

    /// How many addresses both branches hold together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// All addresses: what a filter is matched against.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.paths.keys().copied()
    }

    /// Where an address is, if it is one of the account's.
    #[must_use]
    pub fn path_of(&self, address: &Address) -> Option<AddressPath> {
        self.paths.get(address).copied()
    }

    /// The address at a path, if it has been made.
    #[must_use]
    pub fn entry(&self, path: AddressPath) -> Option<&BookEntry> {
        self.list(path.branch).entries.get(usize::try_from(path.index.to_u32()).ok()?)
    }

    /// The first address of a branch that was neither seen nor given away; `None` if a book that only watches has run out.
    #[must_use]
    pub fn next_unused(&self, branch: Branch) -> Option<(AddressPath, Address)> {
        let index = ChildIndex::new(self.list(branch).used_below).ok()?;
        let path = AddressPath { branch, index };
        Some((path, self.entry(path)?.address))
    }

    /// How many addresses of a branch are missing from its gap. Zero is what scanning wants.
    #[must_use]
    pub fn missing(&self, branch: Branch) -> u32 {
        let list = self.list(branch);
        let wanted = u64::from(list.used_below) + u64::from(self.gap_limit);
        let wanted = wanted.min(Self::BRANCH_MAX as u64);
        u32::try_from(wanted.saturating_sub(list.entries.len() as u64)).expect("at most a branch's addresses")
    }

    /// Notes that an address was seen on the chain, or given to a payer, and returns where it is; `None` for others' addresses.
    /// Addresses before it count as used too: those that payers have but have not paid to yet.
    pub fn mark_used(&mut self, address: &Address) -> Option<AddressPath> {
        let path = self.path_of(address)?;
        let list = self.list_mut(path.branch);
        list.used_below = list.used_below.max(path.index.to_u32() + 1);
        Some(path)
    }

    /// How many addresses of a branch, from the first on, were seen or given away.
    #[must_use]
    pub const fn used_below(&self, branch: Branch) -> u32 {
        self.list(branch).used_below
    }

    /// Notes that the last change address in use was shown to nobody after all. Any other stays used.
    pub(super) fn free_last_change(&mut self, address: &Address) {
        let last = self.change.used_below.checked_sub(1);
        let path = self.path_of(address).filter(|path| path.branch == Branch::Change);
        if let Some((path, last)) = path.zip(last)
            && path.index.to_u32() == last
        {
            self.change.used_below = last;
        }
    }

    /// Fills both gaps from the account's secret, and returns how many addresses were added.
    ///
    /// # Errors
    /// [`BookError::Account`] for the secret of another account.
    pub fn extend(&mut self, account: &AccountKey) -> Result<usize, BookError> {
        if account.path() != self.path {
            return Err(BookError::Account { found: account.path(), expected: self.path });
        }
        let mut added = 0;
        for branch in Branch::ALL {
            for _ in 0..self.missing(branch) {
                let index = u32::try_from(self.list(branch).entries.len()).expect("at most BRANCH_MAX");
                let index = ChildIndex::new(index).expect("BRANCH_MAX lies within the range");
                let keys = self.layout.keys(account, AddressPath { branch, index });
                self.append(branch, BookEntry { address: keys.tree().address(), keys: Some(keys) })?;
                added += 1;
            }
        }
        Ok(added)
    }

    /// Appends an address to a branch, for a book that only watches.
    ///
    /// # Errors
    /// [`BookError`], if it stands there already, the keys are not its own, or the branch is full.
    pub fn append(&mut self, branch: Branch, entry: BookEntry) -> Result<AddressPath, BookError> {
        let address = entry.address;
        let at = self.list(branch).entries.len();
        if at >= Self::BRANCH_MAX {
            return Err(BookError::Full { found: at + 1 });
        }
        self.check_keys(&entry)?;
        let index = u32::try_from(at).ok().and_then(|at| ChildIndex::new(at).ok());
        let path = AddressPath { branch, index: index.expect("BRANCH_MAX lies within the range") };
        if self.paths.contains_key(&address) {
            return Err(BookError::Duplicate { address });
        }
        self.paths.insert(address, path);
        self.list_mut(branch).entries.push(entry);
        Ok(path)
    }

    fn check_keys(&self, entry: &BookEntry) -> Result<(), BookError> {
        let is_own = |keys: &AddressKeys| self.layout.is_layout_of(keys) && keys.tree().address() == entry.address;
        match &entry.keys {
            Some(keys) if !is_own(keys) => Err(BookError::Keys { address: entry.address }),
            _ => Ok(()),
        }
    }

    const fn list(&self, branch: Branch) -> &AddressList {
        match branch {
            Branch::Receive => &self.receive,
            Branch::Change => &self.change,
        }
    }

    const fn list_mut(&mut self, branch: Branch) -> &mut AddressList {
        match branch {
            Branch::Receive => &mut self.receive,
            Branch::Change => &mut self.change,
        }
    }
}

/// A book as it was decoded.
#[derive(Deserialize)]
struct Stored {
    path: AccountPath,
    layout: AddressLayout,
    gap_limit: u32,
    receive: AddressList,
    change: AddressList,
}

impl TryFrom<Stored> for AddressBook {
    type Error = BookError;

    fn try_from(stored: Stored) -> Result<Self, BookError> {
        let mut book = Self::new(stored.path, stored.layout, stored.gap_limit)?;
        for (branch, list) in [(Branch::Receive, stored.receive), (Branch::Change, stored.change)] {
            let (found, limit) = (list.used_below, list.entries.len());
            if u64::from(found) > limit as u64 {
                return Err(BookError::Used { found, limit });
            }
            for entry in list.entries {
                book.append(branch, entry)?;
            }
            book.list_mut(branch).used_below = found;
        }
        Ok(book)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CodecError, decode, encode};
    use crate::crypto::Scheme;
    use crate::testing::test;
    use crate::wallet::derivation::CoinType;
    use crate::wallet::mnemonic::WalletSeed;

    const LIMIT: usize = 1 << 20;

    fn account(account: u32) -> AccountKey {
        let account = ChildIndex::new(account).unwrap();
        AccountKey::derive(&WalletSeed::from_bytes([5; 64]), AccountPath { coin: CoinType::TEST, account })
    }

    fn book(gap_limit: u32) -> AddressBook {
        AddressBook::new(account(0).path(), AddressLayout::single(Scheme::MlDsa44), gap_limit).unwrap()
    }

    fn at(branch: Branch, index: u32) -> AddressPath {
        AddressPath { branch, index: ChildIndex::new(index).unwrap() }
    }

    fn bare(byte: u8) -> BookEntry {
        BookEntry { address: Address::from_bytes([byte; 32]), keys: None }
    }

    #[test]
    fn the_gap_stays_full_as_addresses_are_seen() {
        let (account, mut book) = (account(0), book(3));
        assert_eq!(book.extend(&account), Ok(6));
        assert_eq!(book.extend(&account), Ok(0));
        let third = book.entry(at(Branch::Receive, 2)).unwrap().address;
        assert_eq!(book.mark_used(&third), Some(at(Branch::Receive, 2)));
        assert_eq!((book.missing(Branch::Receive), book.missing(Branch::Change)), (3, 0));
        assert_eq!(book.extend(&account), Ok(3));
        assert_eq!(book.next_unused(Branch::Receive).unwrap().0, at(Branch::Receive, 3));
        assert_eq!(book.next_unused(Branch::Change).unwrap().0, at(Branch::Change, 0));
        // An earlier one changes nothing, a foreign one is none.
        let first = book.entry(at(Branch::Receive, 0)).unwrap().address;
        assert_eq!(book.mark_used(&first), Some(at(Branch::Receive, 0)));
        assert_eq!(book.next_unused(Branch::Receive).unwrap().0, at(Branch::Receive, 3));
        assert_eq!(book.mark_used(&Address::from_bytes([9; 32])), None);
        assert_eq!(book.len(), 9);
    }

    #[test]
    fn each_address_is_that_of_its_path() {
        let (account, mut book) = (account(0), book(2));
        book.extend(&account).unwrap();
        for branch in Branch::ALL {
            for index in 0..2 {
                let path = at(branch, index);
                let address = book.entry(path).unwrap().address;
                assert_eq!(book.layout().keys(&account, path).tree().address(), address);
                assert_eq!(book.path_of(&address), Some(path));
            }
        }
        assert_eq!(book.addresses().count(), 4);
    }

    #[test]
    fn another_accounts_secret_is_refused() {
        let refused = BookError::Account { found: account(1).path(), expected: account(0).path() };
        assert_eq!(book(2).extend(&account(1)), Err(refused));
    }

    #[test]
    fn a_book_of_bare_addresses_watches_until_they_run_out() {
        let mut book = book(20);
        book.append(Branch::Receive, bare(1)).unwrap();
        book.append(Branch::Receive, bare(2)).unwrap();
        let address = bare(1).address;
        assert_eq!(book.append(Branch::Change, bare(1)), Err(BookError::Duplicate { address }));
        assert_eq!(book.mark_used(&address), Some(at(Branch::Receive, 0)));
        assert_eq!(book.next_unused(Branch::Receive), Some((at(Branch::Receive, 1), bare(2).address)));
        book.mark_used(&bare(2).address);
        assert_eq!(book.next_unused(Branch::Receive), None);
        assert_eq!(book.missing(Branch::Receive), 20);
    }

    #[test]
    fn keys_of_another_address_are_refused() {
        let mut book = book(1);
        let keys = book.layout().keys(&account(0), at(Branch::Receive, 0));
        let own = keys.tree().address();
        let foreign = BookEntry { keys: Some(keys.clone()), ..bare(1) };
        assert_eq!(book.append(Branch::Receive, foreign), Err(BookError::Keys { address: bare(1).address }));
        let other = AddressLayout::single(Scheme::MlDsa65).keys(&account(0), at(Branch::Receive, 0));
        let address = other.tree().address();
        let other = BookEntry { address, keys: Some(other) };
        assert_eq!(book.append(Branch::Receive, other), Err(BookError::Keys { address }));
        assert!(book.append(Branch::Receive, BookEntry { address: own, keys: Some(keys) }).is_ok());
    }

    #[test]
    fn the_gap_limit_is_bounded() {
        let new = |limit| AddressBook::new(account(0).path(), AddressLayout::default(), limit).map(|_| ());
        assert_eq!(new(0), Err(BookError::GapLimit { found: 0 }));
        assert_eq!((new(1), new(1_000)), (Ok(()), Ok(())));
        assert_eq!(new(1_001), Err(BookError::GapLimit { found: 1_001 }));
    }

    #[test]
    fn a_book_round_trips_and_a_false_one_is_refused() {
        let mut original = book(2);
        original.extend(&account(0)).unwrap();
        original.mark_used(&original.entry(at(Branch::Change, 1)).unwrap().address.clone());
        let bytes = encode(&original);
        assert_eq!(decode(&bytes, LIMIT), Ok(original));

        // By hand: coin 1, account 0; ML-DSA-44 alone; gap limit 2; one bare receive address, used; no change address.
        let by_hand = |used: u8| [&[1, 0, 1, 0, 2, 1], &[7; 32][..], &[0, used, 0, 0]].concat();
        let mut small = book(2);
        small.append(Branch::Receive, bare(7)).unwrap();
        small.mark_used(&bare(7).address);
        assert_eq!(encode(&small), by_hand(1));
        assert_eq!(decode(&by_hand(1), LIMIT), Ok(small));
        let refused = CodecError::Malformed { what: "AddressBook", found: by_hand(2).len() };
        assert_eq!(decode::<AddressBook>(&by_hand(2), LIMIT), Err(refused));
    }
}
