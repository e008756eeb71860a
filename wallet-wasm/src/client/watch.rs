//! Addresses that are watched, without their keys: coins and history as the light client finds them.
//!
//! Invariant: it is always the state at one block, the last mark, by blocks that the machine has checked. What was kept is taken up only where it
//! is of the same chain, begins no later, and watches nothing that is not wanted any more; otherwise the chain is looked through anew.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use qbtc_core::chain::BlockMark;
use qbtc_core::codec;
use qbtc_core::hash::{ChainId, Txid};
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::{FoundBlock, WATCHED_MAX};
use qbtc_core::tx::TxBody;
use qbtc_core::units::Height;
use qbtc_core::wallet::address_book::{AddressBook, BookEntry};
use qbtc_core::wallet::derivation::{AccountPath, Branch, CoinType};
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::ledger::{Balance, Ledger, LedgerError, TxEffects};

/// The most blocks to go back to that are kept.
const MARKS_MAX: usize = 300;
/// The longest encoding that is read.
const BYTES_MAX: usize = 64 << 20;

/// More addresses than can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} addresses to be watched: at most {WATCHED_MAX} can be")]
pub struct TooManyAddresses {
    /// How many there would be.
    pub found: usize,
}

/// Addresses, their coins and their history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    chain: ChainId,
    birthday: Height,
    book: AddressBook,
    ledger: Ledger,
    /// The newest blocks that were passed, rising.
    marks: Vec<BlockMark>,
    maturity: u32,
}

impl Watch {
    /// These addresses, of which no coin is older than the birthday. The second is those of them that must be looked for from the birthday on,
    /// since what was kept does not know them.
    ///
    /// # Errors
    /// [`TooManyAddresses`].
    pub fn new(
        spec: &ChainSpec,
        birthday: Height,
        addresses: &[Address],
        kept: Option<&[u8]>,
    ) -> Result<(Self, Vec<Address>), TooManyAddresses> {
        let wanted = set_of(addresses.iter().copied());
        let kept = kept.and_then(|bytes| Self::from_bytes(spec, bytes));
        let is_of_use =
            |kept: &Self| kept.birthday <= birthday && kept.addresses().all(|known| wanted.contains(&known));
        let mut watch = kept.filter(is_of_use).unwrap_or_else(|| Self::empty(spec, birthday));
        let added = watch.add(addresses)?;
        Ok((watch, added))
    }

    fn empty(spec: &ChainSpec, birthday: Height) -> Self {
        // Where an address stands in the book says nothing here; the book only has to have a place for it.
        let path = AccountPath::first(CoinType::of_chain(spec));
        let book = AddressBook::new(path, AddressLayout::default(), AddressBook::GAP_LIMIT);
        let book = book.expect("the usual gap limit is within its range");
        let (ledger, maturity) = (Ledger::default(), spec.consensus().coinbase_maturity);
        Self { chain: spec.chain_id(), birthday, book, ledger, marks: Vec::new(), maturity }
    }

    /// Watches more addresses. Those that are new.
    ///
    /// # Errors
    /// [`TooManyAddresses`]; then none is added.
    pub fn add(&mut self, addresses: &[Address]) -> Result<Vec<Address>, TooManyAddresses> {
        let is_new = |address: &&Address| self.book.path_of(address).is_none();
        let new = set_of(addresses.iter().filter(is_new).copied());
        let found = self.book.len() + new.len();
        if found > WATCHED_MAX {
            return Err(TooManyAddresses { found });
        }
        for address in &new {
            let appended = self.book.append(Branch::Receive, BookEntry { address: *address, keys: None });
            appended.expect("it is new, and there are fewer than a branch holds");
        }
        Ok(new.into_iter().collect())
    }

    /// Takes in that everything up to a block was looked through, and the block itself if it matters. The transactions that touch an address.
    ///
    /// # Errors
    /// [`LedgerError`], if the block is not above the last.
    pub fn take(&mut self, to: BlockMark, found: Option<&FoundBlock>) -> Result<Vec<Txid>, LedgerError> {
        let effects: Vec<TxEffects<'_>> = found.map_or_else(Vec::new, |found| {
            let coinbase = &found.block.coinbase;
            let first = TxEffects::of_coinbase(coinbase.id(), &coinbase.outputs);
            let others = found.block.transactions.iter().map(|tx| TxEffects::of_transaction(&tx.body));
            core::iter::once(first).chain(others).collect()
        });
        let touched = self.ledger.apply(&self.book, to, &effects)?;
        self.marks.push(to);
        let surplus = self.marks.len().saturating_sub(MARKS_MAX);
        self.marks.drain(..surplus);
        Ok(touched)
    }

    /// Goes back to a block, or to nothing.
    pub fn go_back(&mut self, to: Option<BlockMark>) {
        self.marks.retain(|mark| to.is_some_and(|to| mark.height <= to.height));
        let is_undone = to.is_some_and(|to| self.ledger.rewind(to).is_ok());
        if !is_undone {
            self.ledger = to.map_or_else(Ledger::default, Ledger::starting_above);
        }
    }

    /// Notes a transaction that was handed to the network. Whether it touches an address.
    ///
    /// # Errors
    /// [`LedgerError`], if too many wait.
    pub fn sent(&mut self, body: &TxBody) -> Result<bool, LedgerError> {
        self.ledger.add_pending(&self.book, &TxEffects::of_transaction(body))
    }

    /// The coins and the history.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How much there is, and how much of it a transaction in the next block can spend.
    #[must_use]
    pub fn balance(&self) -> Balance {
        self.ledger().balance(self.next_height(), self.maturity)
    }

    /// The height of the next block.
    #[must_use]
    pub fn next_height(&self) -> Height {
        self.mark().map_or(Height::GENESIS, |mark| mark.height.next().unwrap_or(mark.height))
    }

    /// The last block up to which everything was looked through.
    #[must_use]
    pub fn mark(&self) -> Option<BlockMark> {
        self.marks.last().copied()
    }

    /// Blocks to go back to, rising.
    #[must_use]
    pub fn marks(&self) -> &[BlockMark] {
        &self.marks
    }

    /// No coin is older.
    #[must_use]
    pub const fn birthday(&self) -> Height {
        self.birthday
    }

    /// How deep a coinbase must lie before it can be spent.
    #[must_use]
    pub const fn maturity(&self) -> u32 {
        self.maturity
    }

    /// The addresses.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.book.addresses()
    }

    /// The bytes that are kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&(self.chain, self.birthday, &self.book, &self.ledger, &self.marks))
    }

    /// Reads what was kept; none if it is damaged or of another chain.
    fn from_bytes(spec: &ChainSpec, bytes: &[u8]) -> Option<Self> {
        type Kept = (ChainId, Height, AddressBook, Ledger, Vec<BlockMark>);
        let (chain, birthday, book, ledger, marks): Kept = codec::decode(bytes, BYTES_MAX).ok()?;
        let is_rising = marks.is_sorted_by(|one, next| one.height < next.height) && marks.len() <= MARKS_MAX;
        let is_own = ledger.coins().all(|coin| book.path_of(&coin.address) == Some(coin.path));
        let is_sound = chain == spec.chain_id() && is_rising && is_own && marks.last().copied() == ledger.tip();
        let maturity = spec.consensus().coinbase_maturity;
        is_sound.then_some(Self { chain, birthday, book, ledger, marks, maturity })
    }
}

/// Collected, they would be sorted first, by code that would have to be loaded.
fn set_of(addresses: impl Iterator<Item = Address>) -> BTreeSet<Address> {
    let mut set = BTreeSet::new();
    set.extend(addresses);
    set
}

#[cfg(test)]
mod tests {
    use qbtc_core::block::Block;
    use qbtc_core::lock::Lock;
    use qbtc_core::tx::TxOut;
    use qbtc_core::units::Amount;

    use super::*;

    fn address(number: u8) -> Address {
        Address::from_bytes([number; 32])
    }

    /// A block on top of nothing that pays an address one coin.
    fn block(spec: &ChainSpec, height: u32, to: Address) -> FoundBlock {
        let mut block: Block = spec.genesis().clone();
        block.header.nonce = height;
        block.coinbase.height = Height(height);
        block.coinbase.outputs = vec![TxOut { amount: Amount::from_coins(1), lock: Lock::Address(to) }];
        FoundBlock { mark: BlockMark { height: Height(height), id: block.header.id() }, block }
    }

    fn watch(spec: &ChainSpec, addresses: &[Address]) -> Watch {
        Watch::new(spec, Height(1), addresses, None).unwrap().0
    }

    fn take(watch: &mut Watch, found: &FoundBlock) -> Vec<Txid> {
        watch.take(found.mark, Some(found)).unwrap()
    }

    fn whole(watch: &Watch) -> Amount {
        let Balance { confirmed, pending, immature } = watch.balance();
        Amount::checked_sum([confirmed, pending, immature]).unwrap()
    }

    #[test]
    fn coins_come_and_go_with_their_blocks() {
        let spec = ChainSpec::dev();
        let mut watch = watch(&spec, &[address(1)]);
        assert_eq!(take(&mut watch, &block(&spec, 1, address(1))).len(), 1);
        assert_eq!(take(&mut watch, &block(&spec, 2, address(2))), []);
        let mark = watch.mark();
        take(&mut watch, &block(&spec, 3, address(1)));
        assert_eq!((whole(&watch), watch.next_height()), (Amount::from_coins(2), Height(4)));
        watch.go_back(mark);
        assert_eq!((whole(&watch), watch.mark()), (Amount::from_coins(1), mark));
        assert!(watch.take(mark.unwrap(), None).is_err(), "a block is taken once");
        watch.go_back(None);
        assert_eq!((whole(&watch), watch.mark()), (Amount::ZERO, None));
        take(&mut watch, &block(&spec, 1, address(1)));
        assert_eq!(whole(&watch), Amount::from_coins(1));
    }

    #[test]
    fn coinbases_ripen() {
        let spec = ChainSpec::dev();
        let mut watch = watch(&spec, &[address(1)]);
        take(&mut watch, &block(&spec, 1, address(1)));
        assert_eq!(watch.balance().immature, Amount::from_coins(1));
        watch.take(block(&spec, watch.maturity(), address(2)).mark, None).unwrap();
        assert_eq!(watch.balance().confirmed, Amount::from_coins(1));
    }

    #[test]
    fn what_was_kept_goes_on_where_it_fits() {
        let spec = ChainSpec::dev();
        let mut before = watch(&spec, &[address(1), address(2), address(1)]);
        take(&mut before, &block(&spec, 1, address(1)));
        let kept = before.to_bytes();
        let again = |birthday, addresses: &[Address]| {
            Watch::new(&spec, Height(birthday), addresses, Some(&kept))
                .map(|(watch, new)| (watch.mark().is_some(), new))
        };
        assert_eq!(again(1, &[address(2), address(1)]), Ok((true, vec![])));
        assert_eq!(again(9, &[address(2), address(1), address(3)]), Ok((true, vec![address(3)])));
        assert_eq!(again(1, &[address(1)]), Ok((false, vec![address(1)])), "one is not wanted any more");
        assert_eq!(again(0, &[address(1), address(2)]).map(|(goes_on, _)| goes_on), Ok(false), "older coins may exist");
        let other = Watch::new(&ChainSpec::test(), Height(1), &[address(1), address(2)], Some(&kept)).unwrap();
        assert_eq!(other.0.mark(), None, "of another chain");
        for length in 0..kept.len() {
            assert_eq!(Watch::from_bytes(&spec, &kept[..length]), None, "{length}");
        }
        assert_eq!(Watch::from_bytes(&spec, &kept), Some(before));
    }

    #[test]
    fn there_is_a_most_of_addresses() {
        let many = |count: usize| -> Vec<Address> {
            let numbered = |number: usize| {
                let mut bytes = [0; 32];
                bytes[..8].copy_from_slice(&number.to_le_bytes());
                Address::from_bytes(bytes)
            };
            (0..count).map(numbered).collect()
        };
        let mut watch = watch(&ChainSpec::dev(), &many(WATCHED_MAX));
        assert_eq!(watch.add(&many(WATCHED_MAX + 1)), Err(TooManyAddresses { found: WATCHED_MAX + 1 }));
        assert_eq!(watch.add(&many(WATCHED_MAX)), Ok(vec![]));
    }
}
