//! Payments of an account with coins, from being noted to being mined, replaced, refused or forgotten.

use alloc::vec;

use super::*;
use crate::codec::{decode, encode};
use crate::hash::BlockHash;
use crate::lock::Address;
use crate::spec::ChainSpec;
use crate::testing::test;
use crate::units::Amount;
use crate::wallet::checks::{foreign, plain, rate, secret, to};
use crate::wallet::departed::Why;
use crate::wallet::derivation::{AddressPath, Branch, ChildIndex};
use crate::wallet::ledger::BlockMark;
use crate::wallet::pay::{Order, Replacement, cancel, pay};

struct Owner {
    account: Account,
    outbox: Outbox,
    departed: Departed,
}

impl Owner {
    /// With one coin of 5 QBTC.
    fn new() -> Self {
        Self { account: plain(&[(0, 500_000_000)]), outbox: Outbox::default(), departed: Departed::default() }
    }

    /// Pays so much, and notes it.
    fn pay(&mut self, amount: u64) -> Transaction {
        let order = Order { outputs: vec![to(foreign(1), amount)], fee_rate: rate(1_000), ..Order::default() };
        let unsigned = pay(&self.account, &ChainSpec::dev(), &order).unwrap();
        let payment = unsigned.sign(&secret(), &[7; 32]).unwrap();
        self.add(&payment);
        payment
    }

    fn add(&mut self, payment: &Transaction) {
        self.outbox.add(&mut self.account, payment, Some(&secret())).unwrap();
    }

    fn take_back(&self, txid: &Txid) -> Transaction {
        let (transaction, _) = self.outbox.replaceable(&self.account, txid).unwrap();
        let wanted = Replacement { transaction, dependent_fees: Amount::ZERO, fee_rate: rate(2_000) };
        cancel(&self.account, &ChainSpec::dev(), &wanted).unwrap().sign(&secret(), &[8; 32]).unwrap()
    }

    fn mine(&mut self, height: u32, payments: &[&Transaction]) {
        let effects: Vec<_> = payments.iter().map(|payment| TxEffects::of_transaction(&payment.body)).collect();
        self.account.apply(mark(height), &effects, Some(&secret())).unwrap();
        self.settle(true);
    }

    fn settle(&mut self, is_complete: bool) {
        self.outbox.settle(&mut self.account, &mut self.departed, is_complete, Some(&secret()));
    }

    fn waiting(&self) -> Vec<Txid> {
        self.outbox.payments().iter().map(Transaction::txid).collect()
    }

    fn next_change(&self) -> Address {
        self.account.book().next_unused(Branch::Change).unwrap().1
    }
}

fn mark(height: u32) -> BlockMark {
    BlockMark { height: Height(height), id: BlockHash::from_bytes([height.to_le_bytes()[0]; 32]) }
}

#[test]
fn a_payment_waits_until_it_is_mined() {
    let mut owner = Owner::new();
    let payment = owner.pay(100_000_000);
    owner.add(&payment);
    assert_eq!(owner.waiting(), [payment.txid()], "noted twice, it is one");
    assert!(owner.outbox.replaceable(&owner.account, &payment.txid()).is_some());
    let paid = owner.outbox.fee_rate(&owner.account, &payment.txid()).unwrap();
    assert!((1_000..1_010).contains(&paid.quanta_per_1000_bytes()), "{paid:?}");
    let bytes = encode(&owner.outbox);
    assert_eq!(decode(&bytes, bytes.len()), Ok(owner.outbox.clone()));

    owner.mine(2, &[]);
    assert_eq!(owner.waiting(), [payment.txid()]);
    owner.mine(3, &[&payment]);
    assert!(owner.waiting().is_empty());
    assert!(owner.outbox.replaceable(&owner.account, &payment.txid()).is_none());
    assert_eq!(owner.outbox.fee_rate(&owner.account, &payment.txid()), None);
}

#[test]
fn a_replacement_drops_what_was_paid_with_the_change() {
    let mut owner = Owner::new();
    let payments = [owner.pay(100_000_000), owner.pay(50_000_000), owner.pay(20_000_000)];
    let replacement = owner.take_back(&payments[1].txid());
    let gone: Vec<_> = owner.outbox.replaced_by(&replacement).map(Transaction::txid).collect();
    assert_eq!(gone, [payments[1].txid(), payments[2].txid()]);
    let before = owner.outbox.clone();
    owner.add(&replacement);
    assert_eq!(owner.waiting(), [payments[0].txid(), replacement.txid()]);
    assert!(owner.account.ledger().entry(&payments[2].txid()).is_none());

    // Nobody wants it: what it was to replace waits again.
    owner.outbox.forget(&mut owner.account, &replacement.txid());
    for payment in &payments[1..] {
        assert!(owner.outbox.add_again(&mut owner.account, payment, Some(&secret())));
    }
    assert_eq!(owner.outbox, before);
    assert!(owner.account.ledger().entry(&payments[2].txid()).is_some());
    // Once a block has taken the coins, it does not.
    let other = owner.take_back(&payments[1].txid());
    owner.mine(2, &[&payments[0], &other]);
    assert!(!owner.outbox.add_again(&mut owner.account, &payments[1], Some(&secret())));
    assert!(owner.waiting().is_empty());
}

#[test]
fn a_refused_payment_leaves_nothing() {
    let mut owner = Owner::new();
    let (change, balance) = (owner.next_change(), owner.account.balance(&ChainSpec::dev()));
    for _ in 0..3 {
        let payment = owner.pay(100_000_000);
        assert_ne!(owner.next_change(), change);
        owner.outbox.forget(&mut owner.account, &payment.txid());
        assert_eq!((owner.next_change(), owner.account.balance(&ChainSpec::dev())), (change, balance));
    }
    // What was paid with its change goes with it.
    let balance_before = owner.account.balance(&ChainSpec::dev());
    let payments = [owner.pay(100_000_000), owner.pay(50_000_000)];
    assert!(!owner.outbox.is_apart(&owner.account, &payments[0].txid(), &[]));
    assert!(!owner.outbox.is_apart(&owner.account, &Txid::ZERO, &payments[1].body.inputs));
    assert!(owner.outbox.is_apart(&owner.account, &Txid::ZERO, &[]));
    owner.outbox.forget(&mut owner.account, &payments[0].txid());
    assert!(owner.waiting().is_empty());
    assert_eq!(owner.account.balance(&ChainSpec::dev()), balance_before);
    // An address beyond which others are in use stays used, and so does one that is paid otherwise.
    let first = owner.pay(100_000_000);
    let after_first = owner.next_change();
    let second = owner.pay(50_000_000);
    owner.outbox.forget(&mut owner.account, &second.txid());
    assert_eq!(owner.next_change(), after_first);
    owner.mine(2, &[&first]);
    owner.outbox.forget(&mut owner.account, &first.txid());
    assert_eq!(owner.next_change(), after_first);
}

#[test]
fn payments_outlast_looking_for_the_account_anew() {
    let mut owner = Owner::new();
    let payments = [owner.pay(100_000_000), owner.pay(50_000_000)];
    let both = payments.each_ref().map(Transaction::txid);
    let balance = owner.account.balance(&ChainSpec::dev());
    let book = owner.account.book().clone();
    let first = AddressPath { branch: Branch::Receive, index: ChildIndex::ZERO };
    let coin = to(book.entry(first).unwrap().address, 500_000_000);

    let afresh = |owner: &mut Owner| owner.account = Account::new(book.clone(), Ledger::default());
    afresh(&mut owner);
    owner.settle(false);
    assert_eq!(owner.waiting(), both, "their coins have not come yet");
    let gift = TxEffects {
        txid: payments[0].body.inputs[0].txid,
        is_coinbase: false,
        expiry_height: Height::GENESIS,
        inputs: &[],
        outputs: core::slice::from_ref(&coin),
    };
    owner.account.apply(mark(1), &[gift], None).unwrap();
    // As soon as the coin is there it is not to be spent twice, though others may still come.
    owner.settle(false);
    assert_eq!((owner.waiting(), owner.account.balance(&ChainSpec::dev())), (both.to_vec(), balance));

    // Where the coin does not come back, neither do they; nor once they have expired.
    afresh(&mut owner);
    owner.settle(true);
    assert!(owner.waiting().is_empty());
    let why = |owner: &Owner| both.map(|txid| owner.departed.get(&txid).map(|departure| departure.why));
    assert_eq!(why(&owner), [Some(Why::Gone); 2]);
    (owner.outbox, owner.departed) = (Outbox { payments: payments.to_vec() }, Departed::default());
    owner.account.apply(mark(1), &[gift], None).unwrap();
    owner.account.apply(mark(payments[0].body.expiry_height.0), &[], None).unwrap();
    owner.settle(true);
    assert!(owner.waiting().is_empty());
    assert_eq!(why(&owner), [Some(Why::Expired); 2]);
    let fees = both.map(|txid| owner.departed.get(&txid).unwrap().entry.fee());
    assert!(fees.iter().all(Option::is_some), "what they spent is found again: {fees:?}");
}
