//! An account: its addresses, its coins, and blocks applied to both.
//!
//! The same for a node's command line and for a browser. With the account's secret at hand, addresses that are seen push the window
//! forward; without it, the account watches with the addresses it has.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::address_book::{AddressBook, BookError};
use super::derivation::{AccountKey, Branch};
use super::ledger::{Balance, BlockMark, Ledger, LedgerError, OwnedCoin, TxEffects};
use crate::hash::Txid;
use crate::lock::Address;
use crate::spec::ChainSpec;
use crate::units::Height;

/// An account's addresses, coins and history. Shells keep it as `codec::encode(&account)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Account {
    book: AddressBook,
    ledger: Ledger,
}

/// What a block did to an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The transactions that touch it.
    pub touched: Vec<Txid>,
    /// How many addresses the account has got more of: a light client that matches filters must match them too.
    pub addresses_added: usize,
}

/// Why an account refused something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// About its addresses.
    #[error(transparent)]
    Book(#[from] BookError),
    /// About its coins.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A stored coin on an address that is not the account's.
    #[error("a stored coin lies on {address:?}, which is not the account's")]
    ForeignCoin {
        /// The address.
        address: Address,
    },
}

impl Account {
    /// The longest encoding that shells should read, in bytes: room for 80,000 addresses with ML-DSA-87 keys.
    pub const STORED_BYTES_MAX: usize = 256 << 20;

    /// An account that has seen nothing yet. Its ledger says where it begins.
    #[must_use]
    pub const fn new(book: AddressBook, ledger: Ledger) -> Self {
        Self { book, ledger }
    }

    /// Its addresses.
    #[must_use]
    pub const fn book(&self) -> &AddressBook {
        &self.book
    }

    /// Its addresses, to mark them as used, extend or append to them.
    pub const fn book_mut(&mut self) -> &mut AddressBook {
        &mut self.book
    }

    /// Its coins and history.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The height of the last block that was looked at, 0 before the first.
    #[must_use]
    pub fn height(&self) -> Height {
        self.ledger.tip().map_or(Height::GENESIS, |tip| tip.height)
    }

    /// The height of the block that comes next.
    #[must_use]
    pub fn next_height(&self) -> Height {
        self.height().next().unwrap_or(self.height())
    }

    /// How much money there is for a transaction in the next block.
    #[must_use]
    pub fn balance(&self, spec: &ChainSpec) -> Balance {
        self.ledger.balance(self.next_height(), spec.consensus().coinbase_maturity)
    }

    /// The coins that a transaction in the next block may spend.
    #[must_use]
    pub fn spendable(&self, spec: &ChainSpec) -> Vec<OwnedCoin> {
        self.ledger.spendable(self.next_height(), spec.consensus().coinbase_maturity)
    }

    /// The least gap limit with which whoever looks for the account anew, from its words alone, comes to all receive addresses that are paid or were
    /// given away. Beyond [`AddressBook::GAP_LIMIT`], the usual one does not.
    #[must_use]
    pub fn gap_needed(&self) -> u32 {
        let mined = self.ledger.history().filter(|entry| entry.block.is_some());
        let paid = mined.flat_map(|entry| &entry.received).map(|coin| coin.path);
        let paid: BTreeSet<u32> =
            paid.filter(|path| path.branch == Branch::Receive).map(|path| path.index.to_u32()).collect();
        // The newest one counts like a paid one: it may be paid yet.
        let newest = self.book.used_below(Branch::Receive).checked_sub(1);
        let (mut looks_from, mut needed) = (0, 0);
        for index in paid.into_iter().chain(newest) {
            needed = needed.max((index + 1).saturating_sub(looks_from));
            looks_from = index + 1;
        }
        needed
    }

    /// Takes in a block: marks the addresses that it pays to as used, extends the window if the secret is given, and takes in its
    /// transactions. See [`Ledger::apply`].
    ///
    /// # Errors
    /// [`AccountError`]; coins and history are then as before.
    pub fn apply(
        &mut self,
        block: BlockMark,
        transactions: &[TxEffects<'_>],
        secret: Option<&AccountKey>,
    ) -> Result<Applied, AccountError> {
        let addresses_added = self.mark_paid(transactions, secret)?;
        let touched = self.ledger.apply(&self.book, block, transactions)?;
        Ok(Applied { touched, addresses_added })
    }

    /// Goes back to an earlier block. Addresses stay used: a payer may still have them. See [`Ledger::rewind`].
    ///
    /// # Errors
    /// [`LedgerError::NotBelow`].
    pub fn rewind(&mut self, to: BlockMark) -> Result<(), LedgerError> {
        self.ledger.rewind(to)
    }

    /// Takes in a transaction that is in no block yet. See [`Ledger::add_pending`].
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn add_pending(
        &mut self,
        effects: &TxEffects<'_>,
        secret: Option<&AccountKey>,
    ) -> Result<Applied, AccountError> {
        let addresses_added = self.mark_paid(core::slice::from_ref(effects), secret)?;
        let touches = self.ledger.add_pending(&self.book, effects)?;
        let touched = if touches { alloc::vec![effects.txid] } else { Vec::new() };
        Ok(Applied { touched, addresses_added })
    }

    /// Forgets a pending transaction. See [`Ledger::drop_pending`].
    pub fn drop_pending(&mut self, txid: &Txid) {
        self.ledger.drop_pending(txid);
    }

    /// Forgets a transaction that the account has made and nobody wants. The change address at the end of those in use, if it alone was to
    /// pay it, is free again.
    pub(super) fn drop_own_pending(&mut self, txid: &Txid) {
        let entry = self.ledger.entry(txid).filter(|entry| entry.block.is_none());
        let change: Vec<_> = entry.iter().flat_map(|entry| &entry.received).map(|coin| coin.address).collect();
        self.ledger.drop_pending(txid);
        for address in change {
            let is_paid = self.ledger.history().flat_map(|entry| &entry.received).any(|coin| coin.address == address);
            if !is_paid {
                self.book.free_last_change(&address);
            }
        }
    }

    /// Marks what is paid to, and repeats with the addresses that this adds, until it adds none. Each round needs an output to an
    /// address of the round before, so there are at most as many as outputs.
    fn mark_paid(&mut self, transactions: &[TxEffects<'_>], secret: Option<&AccountKey>) -> Result<usize, BookError> {
        let mut added = 0;
        loop {
            for output in transactions.iter().flat_map(|effects| effects.outputs) {
                output.lock.address().and_then(|address| self.book.mark_used(&address));
            }
            let more = secret.map_or(Ok(0), |secret| self.book.extend(secret))?;
            if more == 0 {
                return Ok(added);
            }
            added += more;
        }
    }
}

/// An account as it was decoded.
#[derive(Deserialize)]
struct Stored {
    book: AddressBook,
    ledger: Ledger,
}

impl TryFrom<Stored> for Account {
    type Error = AccountError;

    fn try_from(Stored { book, ledger }: Stored) -> Result<Self, AccountError> {
        let received = ledger.history().flat_map(|entry| &entry.received);
        let is_foreign = |coin: &&OwnedCoin| book.path_of(&coin.address) != Some(coin.path);
        let foreign = { received }.find(is_foreign).map(|coin| coin.address);
        match foreign {
            Some(address) => Err(AccountError::ForeignCoin { address }),
            None => Ok(Self { book, ledger }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};
    use crate::crypto::Scheme;
    use crate::hash::BlockHash;
    use crate::lock::Lock;
    use crate::testing::test;
    use crate::tx::TxOut;
    use crate::units::{Amount, Height};
    use crate::wallet::derivation::{AccountPath, AddressPath, Branch, ChildIndex, CoinType};
    use crate::wallet::layout::AddressLayout;
    use crate::wallet::mnemonic::WalletSeed;
    use alloc::vec;

    fn secret() -> AccountKey {
        AccountKey::derive(&WalletSeed::from_bytes([5; 64]), AccountPath::first(CoinType::TEST))
    }

    fn account(gap_limit: u32) -> Account {
        let mut book = AddressBook::new(secret().path(), AddressLayout::single(Scheme::MlDsa44), gap_limit).unwrap();
        book.extend(&secret()).unwrap();
        Account::new(book, Ledger::default())
    }

    fn block(height: u32) -> BlockMark {
        BlockMark { height: Height(height), id: BlockHash::from_bytes([height.to_le_bytes()[0]; 32]) }
    }

    fn paying(addresses: &[Address]) -> Vec<TxOut> {
        let output = |address: &Address| TxOut { amount: Amount::from_coins(1), lock: Lock::Address(*address) };
        addresses.iter().map(output).collect()
    }

    /// The address of a receive index that the account may not have made yet.
    fn address(index: u32) -> Address {
        let path = AddressPath { branch: Branch::Receive, index: ChildIndex::new(index).unwrap() };
        AddressLayout::single(Scheme::MlDsa44).keys(&secret(), path).tree().address()
    }

    #[test]
    fn a_payment_beyond_the_first_window_is_found_in_the_same_block() {
        // With a gap of 2 the account knows indices 0 and 1. Paying 1 lets it know 3, and that 5.
        let outputs = paying(&[address(5), address(3), address(1), address(9)]);
        let effects = TxEffects::of_coinbase(Txid::from_bytes([1; 32]), &outputs);
        let mut with_secret = account(2);
        let applied = with_secret.apply(block(1), &[effects], Some(&secret())).unwrap();
        assert_eq!(applied, Applied { touched: vec![Txid::from_bytes([1; 32])], addresses_added: 6 });
        assert_eq!(with_secret.ledger().coins().count(), 3);

        let mut watching = account(2);
        let applied = watching.apply(block(1), &[effects], None).unwrap();
        assert_eq!((applied.addresses_added, watching.ledger().coins().count()), (0, 1));
        assert_eq!(watching.book().missing(Branch::Receive), 2);
    }

    #[test]
    fn addresses_stay_used_when_their_block_goes() {
        let mut account = account(2);
        let outputs = paying(&[address(0)]);
        let effects = TxEffects::of_coinbase(Txid::from_bytes([1; 32]), &outputs);
        account.apply(block(1), &[effects], Some(&secret())).unwrap();
        account.rewind(block(0)).unwrap();
        assert_eq!(account.ledger().history().count(), 0);
        assert_eq!(account.book().next_unused(Branch::Receive).unwrap().1, address(1));
    }

    #[test]
    fn the_gap_is_as_wide_as_what_was_given_away_needs() {
        let mut account = account(10);
        assert_eq!(account.gap_needed(), 0);
        account.book_mut().mark_used(&address(6));
        assert_eq!(account.gap_needed(), 7);
        for (height, paid, needed) in [(1, 1, 5), (2, 6, 5), (3, 4, 3)] {
            let outputs = paying(&[address(paid)]);
            let effects = TxEffects::of_coinbase(Txid::from_bytes([paid.to_le_bytes()[0]; 32]), &outputs);
            account.apply(block(height), &[effects], Some(&secret())).unwrap();
            assert_eq!(account.gap_needed(), needed, "{paid} is paid");
        }
        // As it was said: with one less, the third is not found.
        for (gap_limit, found) in [(2, 1), (3, 3)] {
            let mut anew = self::account(gap_limit);
            for (height, paid) in [(1, 1), (2, 4), (3, 6)] {
                let outputs = paying(&[address(paid)]);
                let effects = TxEffects::of_coinbase(Txid::from_bytes([paid.to_le_bytes()[0]; 32]), &outputs);
                anew.apply(block(height), &[effects], Some(&secret())).unwrap();
            }
            assert_eq!(anew.ledger().coins().count(), found, "{gap_limit}");
        }
    }

    #[test]
    fn an_account_round_trips_and_a_false_one_is_refused() {
        let mut original = account(2);
        let outputs = paying(&[address(0)]);
        let effects = TxEffects::of_coinbase(Txid::from_bytes([1; 32]), &outputs);
        original.apply(block(1), &[effects], Some(&secret())).unwrap();
        let bytes = encode(&original);
        assert_eq!(decode(&bytes, Account::STORED_BYTES_MAX), Ok(original.clone()));
        for length in (0..bytes.len()).step_by(97) {
            assert!(decode::<Account>(&bytes[..length], Account::STORED_BYTES_MAX).is_err());
        }
        // Its coins beside the addresses of another account.
        let foreign = AddressBook::new(secret().path(), AddressLayout::single(Scheme::MlDsa44), 2).unwrap();
        let false_one = encode(&Account { book: foreign, ledger: original.ledger });
        assert!(decode::<Account>(&false_one, Account::STORED_BYTES_MAX).is_err());
    }
}
