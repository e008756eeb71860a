//! What changes an account beside the chain, and what tabs tell each other of the wallet.
//!
//! One tab keeps the wallet: it alone follows the chain for it and writes it down, so nothing that one tab has learnt is overwritten by another. What
//! another tab does is told to that one. It is said again until it was kept: while one keeper follows another, nobody hears.

use qbtc_core::codec;
use qbtc_core::hash::Txid;
use qbtc_core::lock::Address;
use qbtc_core::tx::Transaction;
use qbtc_core::wallet::account::AccountError;
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::ledger::Ledger;
use serde::{Deserialize, Serialize};

use super::account::AccountState;

/// What changes an account beside the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// An address was given to a payer: the next one gets another.
    GiveAway(Address),
    /// A payment is being handed in.
    Sent(Box<Transaction>),
    /// A payment was handed in, and nobody wants it.
    Forgotten {
        /// The payment.
        txid: Txid,
        /// What it was to replace, parents first: those wait again.
        #[serde(deserialize_with = "codec::bounded::<_, _, { Ledger::PENDING_MAX }>")]
        again: Vec<Transaction>,
    },
}

/// A change that a tab has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// By which it is known once it is kept: a random number.
    pub number: u64,
    /// The account's number.
    pub account: u32,
    /// What happened.
    pub change: Change,
}

/// What one tab tells the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// What is kept has changed: the accounts, or the notes.
    Kept {
        /// The numbers of what others have made and this tab has kept.
        #[serde(deserialize_with = "codec::bounded::<_, _, { Said::DONE_MAX }>")]
        done: Vec<u64>,
    },
    /// This happened to an account, and is to be kept.
    Changed(Made),
    /// The wallet is another: made, brought back, or removed.
    Another,
}

impl Said {
    /// The most numbers that are told at once. Whoever misses his says again what he has made.
    pub const DONE_MAX: usize = 1_000;
}

/// What a tab has made that no tab has kept yet, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsaid(Vec<Made>);

impl Unsaid {
    /// Notes what was made.
    pub fn add(&mut self, made: Made) {
        self.0.push(made);
    }

    /// Drops what was kept, and nothing else.
    pub fn kept(&mut self, done: &[u64]) {
        self.0.retain(|made| !done.contains(&made.number));
    }

    /// What is left.
    pub fn iter(&self) -> impl Iterator<Item = &Made> {
        self.0.iter()
    }
}

/// The numbers of what others have made and the keeper has taken in, but not told yet that it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done(Vec<u64>);

impl Done {
    /// Notes numbers. Beyond [`Said::DONE_MAX`] the oldest are forgotten: they are said again.
    pub fn add(&mut self, numbers: &[u64]) {
        self.0.extend(numbers);
        let surplus = self.0.len().saturating_sub(Said::DONE_MAX);
        self.0.drain(..surplus);
    }

    /// Those that are told once everything is written down as it is now. Should that fail, they are to be [added](Self::add) again.
    #[must_use]
    pub fn take(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.0)
    }
}

impl Change {
    /// What takes a payment back that is about to be noted: with it, what it replaces waits again.
    #[must_use]
    pub fn taking_back(state: &AccountState, transaction: &Transaction) -> Self {
        let again = state.outbox().replaced_by(transaction).cloned().collect();
        Self::Forgotten { txid: transaction.txid(), again }
    }

    /// Changes the account.
    ///
    /// # Errors
    /// [`AccountError`]; the account is then as before.
    pub fn apply(&self, state: &mut AccountState, key: &AccountKey) -> Result<(), AccountError> {
        match self {
            Self::GiveAway(address) => state.give_away(address, key),
            Self::Sent(transaction) => state.sent(transaction, Some(key)),
            Self::Forgotten { txid, again } => {
                state.forget(txid);
                for transaction in again {
                    // Whose coins a block has taken meanwhile stays away, and so does whose place is taken.
                    state.sent_again(transaction, Some(key));
                }
                state.look_anew(txid);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use qbtc_core::hash::BlockHash;
    use qbtc_core::lock::Lock;
    use qbtc_core::spec::ChainSpec;
    use qbtc_core::tx::{TxBody, TxOut};
    use qbtc_core::units::{Amount, FeeRate, Height};
    use qbtc_core::wallet::departed::Why;
    use qbtc_core::wallet::layout::AddressLayout;
    use qbtc_core::wallet::ledger::{BlockMark, TxEffects};
    use qbtc_core::wallet::mnemonic::WalletSeed;
    use qbtc_core::wallet::pay::{self, Order, Replacement};

    use super::*;
    use crate::wallet::account::account_key;

    fn key() -> AccountKey {
        account_key(&WalletSeed::from_bytes([5; 64]), 0, &ChainSpec::dev()).unwrap()
    }

    fn mark(height: u32) -> BlockMark {
        BlockMark { height: Height(height), id: BlockHash::ZERO }
    }

    /// An account with a coin of 5 QBTC.
    fn funded() -> AccountState {
        let mut state = AccountState::new(&ChainSpec::dev(), AddressLayout::default(), Height(0), &key());
        let outputs = [TxOut { amount: Amount::from_coins(5), lock: Lock::Address(state.receive_address().unwrap()) }];
        let paid = TxEffects::of_coinbase(Txid::from_bytes([1; 32]), &outputs);
        state.take(mark(1), &[paid], Some(&key())).unwrap();
        state.take(mark(20), &[], Some(&key())).unwrap();
        state
    }

    fn pay(state: &AccountState, coins: u32) -> Transaction {
        let lock = Lock::Address(Address::from_bytes([9; 32]));
        let fee_rate = FeeRate::from_quanta_per_1000_bytes(10_000);
        let outputs = vec![TxOut { amount: Amount::from_coins(coins), lock }];
        let order = Order { outputs, fee_rate, ..Order::default() };
        pay::pay(state.account(), &ChainSpec::dev(), &order).unwrap().sign(&key(), &[3; 32]).unwrap()
    }

    fn can_replace(state: &AccountState, txid: &Txid) -> bool {
        state.outbox().replaceable(state.account(), txid).is_some()
    }

    fn note(state: &mut AccountState, transaction: &Transaction) {
        Change::Sent(Box::new(transaction.clone())).apply(state, &key()).unwrap();
    }

    fn take_back(state: &AccountState, txid: &Txid) -> Transaction {
        let fee_rate = FeeRate::from_quanta_per_1000_bytes(20_000);
        let (transaction, _) = state.outbox().replaceable(state.account(), txid).unwrap();
        let wanted = Replacement { transaction, fee_rate, dependent_fees: Amount::ZERO };
        pay::cancel(state.account(), &ChainSpec::dev(), &wanted).unwrap().sign(&key(), &[4; 32]).unwrap()
    }

    #[test]
    fn what_one_tab_does_another_keeps() {
        let spec = ChainSpec::dev();
        let mut kept = funded();
        let mut here = kept.clone();
        let change = Change::Sent(Box::new(pay(&here, 1)));
        change.apply(&mut here, &key()).unwrap();
        let shown = here.receive_address().unwrap();
        Change::GiveAway(shown).apply(&mut here, &key()).unwrap();
        assert_ne!(here.receive_address(), Some(shown));

        let said = Said::Changed(Made { number: 7, account: 0, change });
        let said: Said = crate::light::read(&crate::light::write(&said)).unwrap();
        let Said::Changed(Made { change, .. }) = said else { panic!() };
        change.apply(&mut kept, &key()).unwrap();
        assert_eq!(kept.outbox(), here.outbox());
        assert_eq!(kept.account().balance(&spec), here.account().balance(&spec));
    }

    #[test]
    fn a_payment_that_nobody_wants_leaves_nothing() {
        let (mut state, spec) = (funded(), ChainSpec::dev());
        let before = state.account().balance(&spec);
        let transaction = pay(&state, 1);
        let back = Change::taking_back(&state, &transaction);
        assert_eq!(back, Change::Forgotten { txid: transaction.txid(), again: Vec::new() });
        note(&mut state, &transaction);
        assert_ne!(state.account().balance(&spec), before);
        for _ in 0..2 {
            back.apply(&mut state, &key()).unwrap();
            assert_eq!((state.account().balance(&spec), state.outbox().payments().len()), (before, 0));
        }
    }

    #[test]
    fn what_a_refused_payment_was_to_replace_waits_again() {
        let (mut state, spec) = (funded(), ChainSpec::dev());
        let first = pay(&state, 1);
        note(&mut state, &first);
        // It spends the change of the first.
        let second = pay(&state, 2);
        note(&mut state, &second);
        let before = state.account().balance(&spec);

        let replacement = take_back(&state, &first.txid());
        let back = Change::taking_back(&state, &replacement);
        assert!(matches!(&back, Change::Forgotten { again, .. } if *again == [first.clone(), second.clone()]));
        note(&mut state, &replacement);
        assert!(!can_replace(&state, &first.txid()) && state.ledger().entry(&second.txid()).is_none());
        let mut mined = state.clone();
        back.apply(&mut state, &key()).unwrap();
        assert_eq!(state.account().balance(&spec), before);
        assert!(can_replace(&state, &first.txid()) && can_replace(&state, &second.txid()));
        assert!(!can_replace(&state, &replacement.txid()));

        // A block has brought the first meanwhile: the second alone waits again.
        let effects = TxEffects::of_transaction(&first.body);
        mined.take(mark(21), &[effects], Some(&key())).unwrap();
        back.apply(&mut mined, &key()).unwrap();
        assert!(mined.ledger().entry(&first.txid()).unwrap().block.is_some());
        assert!(can_replace(&mined, &second.txid()) && mined.outbox().payments().len() == 1);
    }

    #[test]
    fn what_cannot_wait_again_is_not_called_replaced_by_what_was_refused() {
        let mut state = funded();
        let first = pay(&state, 1);
        note(&mut state, &first);
        let replacement = take_back(&state, &first.txid());
        let back = Change::taking_back(&state, &replacement);
        note(&mut state, &replacement);
        let why = |state: &AccountState| {
            state.history().find(|(entry, _)| entry.txid == first.txid()).and_then(|(_, why)| why)
        };
        assert_eq!(why(&state), Some(Why::ReplacedBy(replacement.txid())));
        // The same words have paid elsewhere, and a block has that.
        let outputs =
            vec![TxOut { lock: Lock::Address(Address::from_bytes([8; 32])), ..first.body.outputs[0].clone() }];
        let elsewhere = TxBody { outputs, ..first.body.clone() };
        state.take(mark(21), &[TxEffects::of_transaction(&elsewhere)], Some(&key())).unwrap();
        back.apply(&mut state, &key()).unwrap();
        assert_eq!(why(&state), Some(Why::ReplacedBy(elsewhere.txid())));
    }

    #[test]
    fn only_what_was_kept_is_not_said_again() {
        let made = |number| Made { number, account: 0, change: Change::GiveAway(Address::from_bytes([1; 32])) };
        let mut unsaid = Unsaid::default();
        for number in [3, 1, 2] {
            unsaid.add(made(number));
        }
        // Somebody else's, or sent before it was heard.
        unsaid.kept(&[]);
        unsaid.kept(&[9]);
        assert_eq!(unsaid.iter().map(|made| made.number).collect::<Vec<_>>(), [3, 1, 2]);
        unsaid.kept(&[1, 3]);
        assert_eq!(unsaid.iter().collect::<Vec<_>>(), [&made(2)]);
    }

    #[test]
    fn what_could_not_be_written_down_is_told_later() {
        let mut done = Done::default();
        done.add(&[1, 2]);
        let told = done.take();
        done.add(&[3]);
        assert_eq!(told, [1, 2]);
        done.add(&told);
        assert_eq!(done.take(), [3, 1, 2]);
        done.add(&vec![0; Said::DONE_MAX]);
        done.add(&[4]);
        let told = done.take();
        assert_eq!((told.len(), told.last()), (Said::DONE_MAX, Some(&4)));
        let said = Said::Kept { done: told };
        assert_eq!(crate::light::read(&crate::light::write(&said)), Some(said));
        let flood = Said::Kept { done: vec![0; Said::DONE_MAX + 1] };
        assert_eq!(crate::light::read::<Said>(&crate::light::write(&flood)), None);
    }
}
