//! All that a wallet knows beside its secret: addresses, coins, history, where it is in the chain, what it has sent.
//!
//! It holds no secret: whoever reads it learns what the wallet owns, and cannot spend it. Were it lost, the secret and the chain would
//! give it again, but for which addresses were given away and what was sent and not mined.

use qbtc_core::codec;
use qbtc_core::hash::{ChainId, Txid};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::Transaction;
use qbtc_core::units::Height;
use qbtc_core::wallet::account::{Account, AccountError};
use qbtc_core::wallet::address_book::{AddressBook, BookError};
use qbtc_core::wallet::departed::Departed;
use qbtc_core::wallet::derivation::{AccountKey, Branch};
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::ledger::{BlockMark, Ledger};
use qbtc_core::wallet::outbox::Outbox;
use serde::{Deserialize, Serialize};

use super::envelope::{Envelope, EnvelopeError};
use super::watched::{Watched, entries, mark_used_like};

const FILE: Envelope = Envelope { magic: *b"qbtcacct", version: 2 };
/// Before version 2 the transactions that will not be mined were not kept; none of them is a zero behind the rest.
const FILE_WITHOUT_DEPARTED: Envelope = Envelope { version: 1, ..FILE };

/// What a wallet knows beside its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletState {
    chain: ChainId,
    birthday: Height,
    /// Addresses, coins, history.
    pub(super) account: Account,
    /// Blocks of the chain that was followed, rising: where to go back to if the chain has turned elsewhere.
    #[serde(deserialize_with = "codec::bounded::<_, _, { WalletState::MARKS_MAX }>")]
    marks: Vec<BlockMark>,
    /// The block in which addresses ran short while the secret was not at hand: from here on payments may have been missed.
    pub(super) short_since: Option<Height>,
    /// Its own payments that are in no block yet.
    outbox: Outbox,
    /// Transactions of others that waited in the node's pool when it was last looked at.
    #[serde(deserialize_with = "codec::bounded::<_, _, { WalletState::SEEN_MAX }>")]
    pub(super) seen: Vec<Txid>,
    /// What waited and will not be mined.
    departed: Departed,
}

/// Why there is no state of a wallet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// There is no file.
    #[error("its file is missing")]
    Missing,
    /// Bytes that are no state.
    #[error(transparent)]
    File(#[from] EnvelopeError),
}

impl WalletState {
    /// The longest file, in bytes: the account, and as many transactions as a pool of nodes keeps of one wallet.
    pub const BYTES_MAX: usize = Account::STORED_BYTES_MAX + (64 << 20);
    /// The most blocks to go back to: `WalletState::DENSE_MARKS` for each doubling of the distance from the tip.
    pub const MARKS_MAX: usize = 1_024;
    /// How many of the newest blocks are all kept.
    const DENSE_MARKS: u32 = 16;
    /// The most waiting transactions that are remembered.
    pub const SEEN_MAX: usize = 1_000;

    /// A wallet that has seen nothing of the chain yet, and keeps so many unpaid addresses ready.
    ///
    /// # Panics
    /// For a gap beyond [`AddressBook::GAP_LIMIT_MAX`].
    #[must_use]
    pub fn new(spec: &ChainSpec, layout: AddressLayout, birthday: Height, gap_limit: u32, key: &AccountKey) -> Self {
        let book = AddressBook::new(key.path(), layout, gap_limit);
        let mut book = book.expect("the gap limit is within its range");
        book.extend(key).expect("the secret is that of the book, and a new branch has room");
        Self::of_book(spec.chain_id(), birthday, book)
    }

    /// A wallet that only watches, and has seen nothing of the chain yet.
    #[must_use]
    pub fn watching(watched: &Watched) -> Self {
        Self::of_book(*watched.chain(), watched.birthday(), watched.book().clone())
    }

    fn of_book(chain: ChainId, birthday: Height, book: AddressBook) -> Self {
        let account = Account::new(book, Ledger::default());
        Self {
            chain,
            birthday,
            account,
            marks: Vec::new(),
            short_since: None,
            outbox: Outbox::default(),
            seen: Vec::new(),
            departed: Departed::default(),
        }
    }

    /// Takes over from what a wallet knew before what the chain cannot give again: which addresses were made and given away, and
    /// what was sent and is not mined, or never will be. Nothing, if that was another wallet's.
    pub fn remember(&mut self, before: &Self) {
        if !self.is_of_same_wallet(before) {
            return;
        }
        let old = before.book();
        // Addresses beyond those that a new book has, and how many of them are in use.
        for branch in Branch::ALL {
            for (path, entry) in entries(old, branch) {
                if self.book().entry(path).is_none() && self.book_mut().append(branch, entry.clone()).is_err() {
                    break;
                }
            }
            mark_used_like(self.book_mut(), old, branch);
        }
        self.outbox.clone_from(&before.outbox);
        self.departed.clone_from(&before.departed);
    }

    /// Whether two states are of one wallet: its addresses follow from the first one's place and keys.
    #[must_use]
    pub fn is_of_same_wallet(&self, other: &Self) -> bool {
        let first = |book: &AddressBook| entries(book, Branch::Receive).next().map(|(_, entry)| entry.address);
        let wallet = |state: &Self| (state.chain, state.book().path(), state.book().layout(), first(state.book()));
        wallet(self) == wallet(other)
    }

    /// Takes over addresses that were handed to a wallet that only watches, and goes back to where they may have been missed.
    ///
    /// # Errors
    /// [`BookError`], if they do not fit those that are there.
    pub fn watch_more(&mut self, watched: &Watched) -> Result<(), BookError> {
        let before = self.book().len();
        for branch in Branch::ALL {
            for (_, entry) in entries(watched.book(), branch) {
                if self.book().path_of(&entry.address).is_none() {
                    self.book_mut().append(branch, entry.clone())?;
                }
            }
            mark_used_like(self.book_mut(), watched.book(), branch);
        }
        // A bare address may have been paid long ago.
        let is_new_and_bare = watched.is_bare() && self.book().len() > before;
        if is_new_and_bare || watched.birthday() < self.birthday {
            self.birthday = self.birthday.min(watched.birthday());
            self.go_back(None);
        }
        self.look_again();
        Ok(())
    }

    /// Goes back to where addresses ran short, now that there are more.
    pub(super) fn look_again(&mut self) {
        if let Some(short_since) = self.short_since.take() {
            self.go_back_below(short_since);
        }
    }

    /// Goes back to a block below this height.
    pub fn go_back_below(&mut self, height: Height) {
        let back_to = self.marks().find(|mark| mark.height < height);
        self.go_back(back_to);
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// No coin of the wallet is older.
    #[must_use]
    pub const fn birthday(&self) -> Height {
        self.birthday
    }

    /// Addresses.
    #[must_use]
    pub const fn book(&self) -> &AddressBook {
        self.account.book()
    }

    /// Addresses, to mark them as given away or make more.
    pub const fn book_mut(&mut self) -> &mut AddressBook {
        self.account.book_mut()
    }

    /// Coins and history.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        self.account.ledger()
    }

    /// The last block that was looked at; `None` before the first.
    #[must_use]
    pub const fn tip(&self) -> Option<BlockMark> {
        self.ledger().tip()
    }

    /// The height of the last block that was looked at, 0 before the first.
    #[must_use]
    pub fn height(&self) -> Height {
        self.account.height()
    }

    /// Addresses, coins and history.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Its own payments that are in no block yet.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Takes in a payment that the wallet has made, before it is handed to a node. See [`Outbox::add`].
    ///
    /// # Errors
    /// [`AccountError`], with coins and payments as they were.
    pub fn add_own(&mut self, payment: &Transaction, secret: Option<&AccountKey>) -> Result<(), AccountError> {
        let Self { account, outbox, departed, .. } = self;
        departed.around(account, |account| outbox.add(account, payment, secret))
    }

    /// What waited and will not be mined.
    #[must_use]
    pub const fn departed(&self) -> &Departed {
        &self.departed
    }

    /// Changes coins and history, and notes what is kept from being mined by that.
    pub(super) fn change<T>(&mut self, change: impl FnOnce(&mut Account) -> T) -> T {
        self.departed.around(&mut self.account, change)
    }

    /// Forgets of its own payments those that are mined or can no longer be, and has wait again what a new look through the chain has lost
    /// from sight. See [`Outbox::settle`].
    pub(super) fn settle_own(&mut self, secret: Option<&AccountKey>) {
        self.outbox.settle(&mut self.account, &mut self.departed, true, secret);
    }

    /// Whether addresses have run short, so that only the secret can show the rest.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.short_since.is_some() || Branch::ALL.iter().any(|branch| self.book().missing(*branch) > 0)
    }

    /// Blocks to go back to, newest first.
    pub fn marks(&self) -> impl Iterator<Item = BlockMark> {
        self.marks.iter().rev().copied()
    }

    /// Notes blocks that were passed, in rising order, and forgets what is not needed to find back: the further down, the fewer are
    /// kept. Which ones depends on their heights alone, so that forgetting again and again tears no holes.
    pub(super) fn pass(&mut self, blocks: &[BlockMark]) {
        self.marks.extend_from_slice(blocks);
        let Some(tip) = self.marks.last().map(|mark| mark.height) else { return };
        self.marks.retain(|mark| {
            let distance = tip.above(mark.height) / Self::DENSE_MARKS;
            let step = if distance == 0 { 1 } else { 1 << distance.ilog2() };
            mark.height.0 % step == 0
        });
    }

    /// Goes back to a block, or to before the first for `None`.
    pub(super) fn go_back(&mut self, to: Option<BlockMark>) {
        self.marks.retain(|mark| to.is_some_and(|to| mark.height <= to.height));
        let is_undone = match to {
            Some(to) => self.account.rewind(to).is_ok(),
            None => false,
        };
        if !is_undone {
            self.account = Account::new(self.book().clone(), Ledger::default());
        }
    }

    /// Begins above the block before the birthday.
    pub(super) fn start_above(&mut self, block: BlockMark) {
        self.account = Account::new(self.book().clone(), Ledger::starting_above(block));
        self.marks = vec![block];
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        FILE.wrap(self)
    }

    /// Reads what [`WalletState::to_bytes`] wrote, or wrote before version 2.
    ///
    /// # Errors
    /// [`StateError::File`], for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        match FILE.unwrap(bytes, Self::BYTES_MAX) {
            Err(EnvelopeError::Version { found: 1, .. }) => {
                Ok(FILE_WITHOUT_DEPARTED.unwrap_extended(bytes, &[0], Self::BYTES_MAX)?)
            }
            read => Ok(read?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::hash::BlockHash;
    use qbtc_core::wallet::derivation::{AccountPath, CoinType};
    use qbtc_core::wallet::mnemonic::WalletSeed;

    fn state() -> WalletState {
        let key = AccountKey::derive(&WalletSeed::from_bytes([5; 64]), AccountPath::first(CoinType::TEST));
        WalletState::new(&ChainSpec::dev(), AddressLayout::default(), Height(3), AddressBook::GAP_LIMIT, &key)
    }

    fn mark(height: u32) -> BlockMark {
        BlockMark { height: Height(height), id: BlockHash::from_bytes([7; 32]) }
    }

    #[test]
    fn a_state_round_trips_and_every_damage_is_seen() {
        let mut state = state();
        state.pass(&[mark(1), mark(2)]);
        state.seen.push(Txid::ZERO);
        let bytes = state.to_bytes();
        assert_eq!(WalletState::from_bytes(&bytes), Ok(state));
        for place in (0..bytes.len()).step_by(1_009).chain(bytes.len() - 40..bytes.len()) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert!(WalletState::from_bytes(&damaged).is_err(), "{place}");
            assert!(WalletState::from_bytes(&bytes[..place]).is_err(), "{place}");
        }
        let mut newer = bytes;
        newer[8] = 3;
        assert_eq!(
            WalletState::from_bytes(&newer),
            Err(StateError::File(EnvelopeError::Version { found: 3, expected: 2 }))
        );
    }

    #[test]
    fn a_file_of_the_first_version_is_read() {
        let state = state();
        let encoded = codec::encode(&state);
        let (last, before) = encoded.split_last().unwrap();
        assert_eq!(*last, 0, "nothing has departed");
        let mut old = [&b"qbtcacct\x01"[..], before].concat();
        old.extend(qbtc_core::hash::sha256d(&old));
        assert_eq!(WalletState::from_bytes(&old), Ok(state));
        let place = old.len() / 2;
        old[place] ^= 1;
        assert_eq!(WalletState::from_bytes(&old), Err(StateError::File(EnvelopeError::Checksum)));
    }

    #[test]
    fn marks_are_dense_near_the_tip_and_few_below() {
        let mut state = state();
        for start in (0..2_000_000).step_by(1_000) {
            state.pass(&(start..start + 1_000).map(mark).collect::<Vec<_>>());
        }
        let heights: Vec<_> = state.marks().map(|mark| mark.height.0).collect();
        assert!(heights.len() <= WalletState::MARKS_MAX, "{}", heights.len());
        assert!((0..16).all(|below| heights.contains(&(1_999_999 - below))), "{heights:?}");
        // However deep the chain turns, hardly more than needed is looked at again.
        for depth in [100, 1_000, 10_000, 100_000, 1_000_000, 1_900_000] {
            let back = heights.iter().find(|height| **height <= 1_999_999 - depth).unwrap();
            assert!(1_999_999 - back <= depth + depth / 8 + 1, "{depth}: {back}");
        }
    }

    #[test]
    fn a_new_look_remembers_which_addresses_were_given_away() {
        let key = AccountKey::derive(&WalletSeed::from_bytes([5; 64]), AccountPath::first(CoinType::TEST));
        let mut before = state();
        // Thirty payers have an address each, and none has paid.
        for _ in 0..30 {
            let (_, address) = before.book().next_unused(Branch::Receive).unwrap();
            before.book_mut().mark_used(&address);
            before.book_mut().extend(&key).unwrap();
        }
        let mut afresh = state();
        afresh.remember(&before);
        assert_eq!(afresh.book(), before.book());
        let other = AccountKey::derive(&WalletSeed::from_bytes([6; 64]), AccountPath::first(CoinType::TEST));
        let other =
            WalletState::new(&ChainSpec::dev(), AddressLayout::default(), Height(3), AddressBook::GAP_LIMIT, &other);
        let mut foreign = other.clone();
        foreign.remember(&before);
        assert_eq!(foreign, other);
    }

    #[test]
    fn going_back_forgets_what_lies_above() {
        let mut state = state();
        state.start_above(mark(2));
        assert_eq!(state.tip(), Some(mark(2)));
        state.account.apply(mark(9), &[], None).unwrap();
        state.pass(&[mark(5), mark(9)]);
        state.go_back(Some(mark(5)));
        assert_eq!((state.tip(), state.marks().count()), (Some(mark(5)), 2));
        state.go_back(None);
        assert_eq!((state.tip(), state.marks().count()), (None, 0));
    }
}
