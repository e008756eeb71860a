//! What is known of an account beside its secret: addresses, coins, history, and where it is in the chain.
//!
//! Invariants: it is always the state at one block, the mark; what lies above is not known yet. It knows up to where the light client has
//! shown the chain to it; what lies above that is a node's word, and is looked through again before it counts as shown. It holds no secret. Were
//! it lost, the words and the chain would give it again, but for payments that are in no block.

use qbtc_core::codec;
use qbtc_core::hash::{ChainId, Txid};
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::Transaction;
use qbtc_core::units::Height;
use qbtc_core::wallet::account::{Account, AccountError};
use qbtc_core::wallet::address_book::AddressBook;
use qbtc_core::wallet::departed::{Departed, Why};
use qbtc_core::wallet::derivation::{AccountKey, AccountPath, AddressPath, Branch, ChildIndex, CoinType, PathError};
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::ledger::{BlockMark, Ledger, TxEffects, TxEntry};
use qbtc_core::wallet::mnemonic::WalletSeed;
use qbtc_core::wallet::outbox::Outbox;
use qbtc_core::wallet::waiting::OwnCoins;
use serde::{Deserialize, Serialize};

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
    outbox: Outbox,
    /// Below this height the account is being looked for: coins that it has may still be missing.
    complete_from: Height,
    /// What waited and will not be mined.
    departed: Departed,
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
            outbox: Outbox::default(),
            complete_from: Height::GENESIS,
            departed: Departed::default(),
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
        // What was kept before there were departed ones lacks their number, which was none.
        let earlier = |_| codec::decode(&[bytes, &[0]].concat(), Self::BYTES_MAX);
        let state: Self = codec::decode(bytes, Self::BYTES_MAX).or_else(earlier).ok()?;
        (state.chain == spec.chain_id() && state.is_of(key)).then_some(state)
    }

    /// Whether the addresses are those of a secret: the first is made anew.
    fn is_of(&self, key: &AccountKey) -> bool {
        let (book, index) = (self.book(), ChildIndex::new(0).expect("zero lies within the range"));
        let first = AddressPath { branch: Branch::Receive, index };
        let expected = || book.layout().keys(key, first).tree().address();
        book.path() == key.path() && book.entry(first).is_some_and(|entry| entry.address == expected())
    }

    /// Its addresses, coins and history.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Its own payments that are in no block yet.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
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

    /// Its history, newest first, with what waited and will not be mined, and why.
    pub fn history(&self) -> impl Iterator<Item = (&TxEntry, Option<Why>)> {
        self.departed.history(self.ledger())
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
        let applied = self.departed.around(&mut self.account, |account| account.apply(mark, effects, key))?;
        self.pass(mark);
        let is_complete = !self.is_looked_for();
        self.outbox.settle(&mut self.account, &mut self.departed, is_complete, key);
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

    /// The account is looked for up to this height, that of the chain's tip, from where it stands now.
    pub fn looks_up_to(&mut self, tip: Height) {
        self.complete_from = tip;
    }

    /// Whether the account is being looked for and is not yet where that began: coins that it still has may be missing, and ones that it has spent
    /// may be there.
    #[must_use]
    pub fn is_looked_for(&self) -> bool {
        self.height() < self.complete_from
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
                self.complete_from = self.complete_from.max(reached);
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

    /// Notes a payment of its own. See [`Outbox::add`].
    ///
    /// # Errors
    /// [`AccountError`], if too many wait.
    pub fn sent(&mut self, payment: &Transaction, key: Option<&AccountKey>) -> Result<(), AccountError> {
        let Self { account, outbox, departed, .. } = self;
        departed.around(account, |account| outbox.add(account, payment, key))
    }

    /// Notes a payment of its own again that another one had replaced. See [`Outbox::add_again`].
    pub fn sent_again(&mut self, payment: &Transaction, key: Option<&AccountKey>) -> bool {
        let Self { account, outbox, departed, .. } = self;
        departed.around(account, |account| outbox.add_again(account, payment, key))
    }

    /// Forgets a payment of its own that will not be mined. See [`Outbox::forget`].
    pub fn forget(&mut self, txid: &Txid) {
        self.outbox.forget(&mut self.account, txid);
    }

    /// Has nothing be called replaced by a payment that was forgotten. See [`Departed::look_anew`].
    pub fn look_anew(&mut self, unwanted: &Txid) {
        self.departed.look_anew(&self.account, unwanted);
    }

    /// Notes a transaction that waits at a node, if it shows that it may spend what it spends of the account's, and returns whether it
    /// touches the account.
    ///
    /// # Errors
    /// [`AccountError`], if too many wait.
    pub fn seen(
        &mut self,
        transaction: &Transaction,
        spec: &ChainSpec,
        key: Option<&AccountKey>,
    ) -> Result<bool, AccountError> {
        // Whose coins they are is not known before all are found, and what the account has paid itself is not overruled by what a node says.
        let is_apart = || self.outbox.is_apart(&self.account, &transaction.txid(), &transaction.body.inputs);
        let is_right = || {
            let coins = OwnCoins::of(&self.account);
            coins.are_left_or_rightly_spent(transaction, self.account.next_height(), spec)
        };
        if self.is_looked_for() || !is_apart() || !is_right() {
            return Ok(false);
        }
        let effects = TxEffects::of_transaction(&transaction.body);
        let applied = self.departed.around(&mut self.account, |account| account.add_pending(&effects, key))?;
        Ok(!applied.touched.is_empty())
    }

    /// Transactions of others that are in no block, on which no payment of its own rests.
    #[must_use]
    pub fn waiting_of_others(&self) -> Vec<Txid> {
        let of_others =
            |entry: &&TxEntry| !entry.is_own_payment() && self.outbox.is_apart(&self.account, &entry.txid, &[]);
        self.ledger().pending().filter(of_others).map(|entry| entry.txid).collect()
    }

    /// Forgets one of [`Self::waiting_of_others`]: a node has it no more.
    pub fn gone(&mut self, txid: &Txid) {
        if self.waiting_of_others().contains(txid) {
            self.departed.around(&mut self.account, |account| account.drop_pending(txid));
        }
    }
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
