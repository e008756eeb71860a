//! What is known of an account beside its secret: addresses, coins, history, and where it is in the chain.
//!
//! Invariants: it is always the state at one block, the mark; what lies above is not known yet. It knows up to where the light client has
//! shown the chain to it; what lies above that is a node's word, and is looked through again before it counts as shown. It holds no secret. Were
//! it lost, the words and the chain would give it again, but for payments that are in no block.

use std::collections::BTreeSet;

use qbtc_core::codec;
use qbtc_core::hash::{ChainId, Txid};
use qbtc_core::lock::Address;
use qbtc_core::mempool::Policy;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction};
use qbtc_core::units::{Amount, FeeRate, Height};
use qbtc_core::wallet::account::{Account, AccountError};
use qbtc_core::wallet::address_book::AddressBook;
use qbtc_core::wallet::builder::{self, BuildError, Funds, Payment, Rest, SigningKey, UnsignedTx};
use qbtc_core::wallet::coin_selection::SelectionError;
use qbtc_core::wallet::derivation::{AccountKey, AccountPath, AddressPath, Branch, ChildIndex, CoinType, PathError};
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::ledger::{Balance, BlockMark, Ledger, OwnedCoin, TxEffects, TxEntry};
use qbtc_core::wallet::mnemonic::WalletSeed;
use qbtc_core::wallet::replacement::{FeeFrom, Original, ReplacementFee, build_cancellation, build_fee_bump};
use serde::{Deserialize, Serialize};

use super::order::Order;

/// What is known of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    chain: ChainId,
    birthday: Height,
    account: Account,
    /// The newest blocks that were passed, rising: where to go back to if the chain has turned elsewhere.
    #[serde(deserialize_with = "codec::bounded::<_, _, { AccountState::MARKS_MAX }>")]
    marks: Vec<BlockMark>,
    /// Up to here, and no further, the light client has shown everything.
    proven: Option<BlockMark>,
    /// Its own payments that are in no block yet.
    #[serde(deserialize_with = "codec::bounded::<_, _, { Ledger::PENDING_MAX }>")]
    own: Vec<Transaction>,
    /// Below this height the account is looked for anew: coins that its payments spend may still be missing.
    anew_below: Height,
}

/// Why an account cannot pay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpendError {
    /// What core says.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// No address is left for the change.
    #[error("the account has run out of change addresses")]
    NoChangeAddress,
    /// Not a payment of this account that still waits.
    #[error("this payment is in a block, or not one that was made here: it cannot be replaced")]
    NotReplaceable,
}

impl AccountState {
    /// The most marks. Beyond so many blocks no chain turns back; should one, the account is looked for anew.
    pub const MARKS_MAX: usize = 300;
    /// The longest encoding that is read.
    pub const BYTES_MAX: usize = 64 << 20;

    /// An account that has seen nothing of the chain.
    #[must_use]
    pub fn new(spec: &ChainSpec, layout: AddressLayout, birthday: Height, key: &AccountKey) -> Self {
        let book = AddressBook::new(key.path(), layout, AddressBook::GAP_LIMIT);
        let mut book = book.expect("the usual gap limit is within its range");
        book.extend(key).expect("the secret is that of the book, and a new branch has room");
        let account = Account::new(book, Ledger::default());
        Self {
            chain: spec.chain_id(),
            birthday,
            account,
            marks: Vec::new(),
            proven: None,
            own: Vec::new(),
            anew_below: Height::GENESIS,
        }
    }

    /// The bytes that are kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads what was kept; `None`, if it is damaged, of another chain or of another secret: then the account is looked for anew.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], spec: &ChainSpec, key: &AccountKey) -> Option<Self> {
        let state: Self = codec::decode(bytes, Self::BYTES_MAX).ok()?;
        (state.chain == spec.chain_id() && state.is_of(key)).then_some(state)
    }

    /// Whether the addresses are those of a secret: the first is made anew.
    fn is_of(&self, key: &AccountKey) -> bool {
        let (book, index) = (self.book(), ChildIndex::new(0).expect("zero lies within the range"));
        let first = AddressPath { branch: Branch::Receive, index };
        let expected = || book.layout().keys(key, first).tree().address();
        book.path() == key.path() && book.entry(first).is_some_and(|entry| entry.address == expected())
    }

    /// Its addresses.
    #[must_use]
    pub const fn book(&self) -> &AddressBook {
        self.account.book()
    }

    /// Its coins and history.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        self.account.ledger()
    }

    /// The last block that was looked at.
    #[must_use]
    pub fn mark(&self) -> Option<BlockMark> {
        self.marks.last().copied()
    }

    /// Blocks to go back to, rising.
    #[must_use]
    pub fn marks(&self) -> &[BlockMark] {
        &self.marks
    }

    /// The height of the last block that was looked at.
    #[must_use]
    pub fn height(&self) -> Height {
        self.mark().map_or(Height::GENESIS, |mark| mark.height)
    }

    /// No coin of the account is older.
    #[must_use]
    pub const fn birthday(&self) -> Height {
        self.birthday
    }

    /// Begins above a block that lies below everything of the account's.
    pub fn start_above(&mut self, mark: BlockMark) {
        self.account = Account::new(self.book().clone(), Ledger::starting_above(mark));
        self.marks = vec![mark];
        self.proven = None;
    }

    /// The last block up to which the light client has shown everything.
    #[must_use]
    pub const fn proven(&self) -> Option<BlockMark> {
        self.proven
    }

    /// Whether all that is known was shown by the light client.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.mark().is_some() && self.mark() == self.proven
    }

    /// Begins above a block that the light client has shown, and that lies below everything of the account's.
    pub fn start_proven_above(&mut self, mark: BlockMark) {
        self.start_above(mark);
        self.proven = Some(mark);
    }

    /// Takes in a block that a node has given, with what its transactions do to coins, and returns how many addresses that added.
    ///
    /// # Errors
    /// [`AccountError`]; the state is then as before.
    pub fn take(
        &mut self,
        mark: BlockMark,
        effects: &[TxEffects<'_>],
        key: Option<&AccountKey>,
    ) -> Result<usize, AccountError> {
        let applied = self.account.apply(mark, effects, key)?;
        self.pass(mark);
        self.keep_own(mark.height, key);
        Ok(applied.addresses_added)
    }

    /// Takes in a block up to which the light client has shown everything; otherwise as [`Self::take`].
    ///
    /// # Errors
    /// [`AccountError`]; the state is then as before.
    pub fn take_proven(
        &mut self,
        mark: BlockMark,
        effects: &[TxEffects<'_>],
        key: Option<&AccountKey>,
    ) -> Result<usize, AccountError> {
        let added = self.take(mark, effects, key)?;
        self.proven = Some(mark);
        Ok(added)
    }

    /// Forgets those of its own payments that are mined, or can be no more. While the account is looked for anew, those stay whose coins have
    /// not come yet.
    fn keep_own(&mut self, reached: Height, key: Option<&AccountKey>) {
        let own = std::mem::take(&mut self.own);
        self.own = own.into_iter().filter(|transaction| self.still_waits(transaction, reached, key)).collect();
    }

    fn still_waits(&mut self, transaction: &Transaction, reached: Height, key: Option<&AccountKey>) -> bool {
        if let Some(entry) = self.ledger().entry(&transaction.txid()) {
            return entry.block.is_none();
        }
        if reached < self.anew_below {
            return true;
        }
        // The account was looked for anew, and all coins are there again that can be, and the change of those of its payments that came before this one.
        let coins = self.ledger().coins().map(|coin| coin.outpoint);
        let coins: BTreeSet<OutPoint> =
            coins.chain(self.ledger().pending_coins().into_iter().map(|coin| coin.outpoint)).collect();
        let expiry = transaction.body.expiry_height;
        let is_payable = transaction.body.inputs.iter().all(|input| coins.contains(input))
            && (expiry == Height::GENESIS || expiry > reached);
        is_payable && self.account.add_pending(&TxEffects::of_transaction(&transaction.body), key).is_ok()
    }

    fn pass(&mut self, mark: BlockMark) {
        self.marks.push(mark);
        let surplus = self.marks.len().saturating_sub(Self::MARKS_MAX);
        self.marks.drain(..surplus);
    }

    /// Goes back to a block, or to the beginning.
    pub fn go_back(&mut self, to: Option<BlockMark>) {
        let reached = self.height();
        self.marks.retain(|mark| to.is_some_and(|to| mark.height <= to.height));
        let undone = to.filter(|to| self.account.rewind(*to).is_ok());
        match undone {
            Some(to) if self.mark() != Some(to) => self.pass(to),
            Some(_) => {}
            None => {
                self.account = Account::new(self.book().clone(), Ledger::default());
                self.marks.clear();
                self.anew_below = self.anew_below.max(reached);
            }
        }
        let is_left = |proven: &BlockMark| undone.is_some_and(|to| proven.height <= to.height);
        self.proven = self.proven.filter(is_left);
    }

    /// Goes back to a block, or to the beginning, as the light client says: up to there everything is shown.
    pub fn go_back_proven(&mut self, to: Option<BlockMark>) {
        self.go_back(to);
        self.proven = self.mark();
    }

    /// Makes the addresses that are missing, now that the secret is at hand.
    ///
    /// # Errors
    /// [`AccountError`], for the secret of another account.
    pub fn extend(&mut self, key: &AccountKey) -> Result<usize, AccountError> {
        Ok(self.account.book_mut().extend(key)?)
    }

    /// The address to show to the next payer.
    #[must_use]
    pub fn receive_address(&self) -> Option<Address> {
        self.book().next_unused(Branch::Receive).map(|(_, address)| address)
    }

    /// Gives the shown address away, so that the next one is another.
    ///
    /// # Errors
    /// [`AccountError`], for the secret of another account.
    pub fn give_away(&mut self, address: &Address, key: &AccountKey) -> Result<(), AccountError> {
        self.account.book_mut().mark_used(address);
        self.extend(key).map(|_| ())
    }

    /// The balance for a transaction on top of the last block.
    #[must_use]
    pub fn balance(&self, spec: &ChainSpec) -> Balance {
        self.ledger().balance(self.next_height(), spec.consensus().coinbase_maturity)
    }

    fn next_height(&self) -> Height {
        self.height().next().unwrap_or(self.height())
    }

    fn change_address(&self) -> Result<Address, SpendError> {
        self.book().next_unused(Branch::Change).map(|(_, address)| address).ok_or(SpendError::NoChangeAddress)
    }

    /// Builds a payment from mined coins, and with its own change that still waits where those are not enough.
    ///
    /// # Errors
    /// [`SpendError`].
    pub fn pay(&self, order: &Order, spec: &ChainSpec) -> Result<UnsignedTx, SpendError> {
        let rest = match order.everything_to {
            Some(address) => Rest::Everything(address),
            None => Rest::Change(self.change_address()?),
        };
        let payment = Payment::new(order.outputs(), rest, order.fee_rate, self.height(), spec.consensus());
        let mined = self.ledger().spendable(self.next_height(), spec.consensus().coinbase_maturity);
        match self.with_funds(spec, &mined, |funds| builder::build(funds, &payment)) {
            Err(BuildError::Selection(SelectionError::Insufficient { .. })) => {
                let change = self.ledger().pending_coins().into_iter().filter(|coin| self.is_own_change(coin));
                let all: Vec<_> = mined.iter().copied().chain(change).collect();
                Ok(self.with_funds(spec, &all, |funds| builder::build(funds, &payment))?)
            }
            built => Ok(built?),
        }
    }

    /// Whether a waiting coin is change of a payment that this account alone has made: nobody else can take it back.
    fn is_own_change(&self, coin: &OwnedCoin) -> bool {
        let entry = self.ledger().entry(&coin.outpoint.txid);
        coin.path.branch == Branch::Change && entry.is_some_and(|entry| entry.spent_of_others.is_empty())
    }

    /// Builds a replacement of a payment that waits: one that pays more for the same, or one that takes everything back.
    ///
    /// # Errors
    /// [`SpendError`].
    pub fn replace(&self, txid: &Txid, replacement: Replacement, spec: &ChainSpec) -> Result<UnsignedTx, SpendError> {
        let (transaction, entry) = self.own_pending(txid).ok_or(SpendError::NotReplaceable)?;
        let original = Original { transaction, spent: &entry.spent, dependent_fees: replacement.dependent_fees };
        let expiry_height = builder::expiry_height(self.height(), spec.consensus().spacing_s);
        let fee = ReplacementFee { rate: replacement.fee_rate, expiry_height };
        let back_to = self.change_address()?;
        let mined = self.ledger().spendable(self.next_height(), spec.consensus().coinbase_maturity);
        Ok(self.with_funds(spec, &mined, |funds| match replacement.takes_back {
            true => build_cancellation(funds, &original, fee, back_to),
            false => build_fee_bump(funds, &original, fee, FeeFrom::Change(back_to)),
        })?)
    }

    fn own_pending(&self, txid: &Txid) -> Option<(&Transaction, &TxEntry)> {
        let transaction = self.own.iter().find(|transaction| transaction.txid() == *txid)?;
        Some((transaction, self.ledger().entry(txid).filter(|entry| entry.block.is_none())?))
    }

    /// Whether a payment can still be replaced.
    #[must_use]
    pub fn is_replaceable(&self, txid: &Txid) -> bool {
        self.own_pending(txid).is_some()
    }

    /// What a payment that waits pays for its size; nothing, if there is none.
    #[must_use]
    pub fn own_rate(&self, txid: &Txid) -> FeeRate {
        let rate = |(transaction, entry): (&Transaction, &TxEntry)| {
            FeeRate::reached_by(entry.fee()?, codec::encoded_len(transaction) as u64)
        };
        self.own_pending(txid).and_then(rate).unwrap_or_default()
    }

    /// Its own payments that are in no block yet, parents first.
    #[must_use]
    pub fn own(&self) -> &[Transaction] {
        &self.own
    }

    /// Notes a payment that was handed to the network.
    ///
    /// # Errors
    /// [`AccountError`], if too many wait.
    pub fn sent(&mut self, transaction: &Transaction, key: Option<&AccountKey>) -> Result<(), AccountError> {
        self.account.add_pending(&TxEffects::of_transaction(&transaction.body), key)?;
        let spent: Vec<OutPoint> = transaction.body.inputs.clone();
        self.own.retain(|other| !other.body.inputs.iter().any(|input| spent.contains(input)));
        self.own.push(transaction.clone());
        Ok(())
    }

    /// Notes a transaction of others that waits, and returns whether it touches the account.
    ///
    /// # Errors
    /// [`AccountError`], if too many wait.
    pub fn seen(&mut self, transaction: &Transaction, key: Option<&AccountKey>) -> Result<bool, AccountError> {
        let applied = self.account.add_pending(&TxEffects::of_transaction(&transaction.body), key)?;
        Ok(!applied.touched.is_empty())
    }

    /// Notes a payment again that another one had replaced, if all of its coins are there and free; returns whether they are.
    ///
    /// # Errors
    /// [`AccountError`], if too many wait.
    pub fn sent_again(&mut self, transaction: &Transaction, key: Option<&AccountKey>) -> Result<bool, AccountError> {
        let ledger = self.ledger();
        let free = ledger.spendable(self.next_height(), 0).into_iter().chain(ledger.pending_coins());
        let free: BTreeSet<OutPoint> = free.map(|coin| coin.outpoint).collect();
        if !transaction.body.inputs.iter().all(|input| free.contains(input)) {
            return Ok(false);
        }
        self.sent(transaction, key).map(|()| true)
    }

    /// Forgets a transaction that will not be mined.
    pub fn forget(&mut self, txid: &Txid) {
        self.account.drop_pending(txid);
        self.own.retain(|transaction| transaction.txid() != *txid);
    }

    fn with_funds<T>(&self, spec: &ChainSpec, coins: &[OwnedCoin], then: impl FnOnce(&Funds<'_>) -> T) -> T {
        let (policy, balance) = (Policy::default(), self.balance(spec));
        then(&Funds { spec, policy: &policy, book: self.book(), coins, balance, key: SigningKey::Ordinary })
    }
}

/// How a payment that waits is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Whether everything is taken back; otherwise the same is paid with a higher fee.
    pub takes_back: bool,
    /// At least this rate.
    pub fee_rate: FeeRate,
    /// What transactions that depend on it pay.
    pub dependent_fees: Amount,
}

/// An account's secret.
///
/// # Errors
/// [`PathError`], for an index beyond the range.
pub fn account_key(seed: &WalletSeed, account: u32, spec: &ChainSpec) -> Result<AccountKey, PathError> {
    let path = AccountPath { account: ChildIndex::new(account)?, ..AccountPath::first(CoinType::of_chain(spec)) };
    Ok(AccountKey::derive(seed, path))
}

#[cfg(test)]
mod tests;
