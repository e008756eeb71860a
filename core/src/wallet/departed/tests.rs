//! Payments that expire, are replaced, or are gone, and what the history says of them.

use alloc::vec;

use super::*;
use crate::codec::{decode, encode};
use crate::hash::BlockHash;
use crate::spec::ChainSpec;
use crate::testing::test;
use crate::tx::Transaction;
use crate::units::Amount;
use crate::wallet::checks::{foreign, plain, rate, secret, to};
use crate::wallet::derivation::Branch;
use crate::wallet::ledger::BlockMark;
use crate::wallet::outbox::Outbox;
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

    fn pay(&mut self, amount: u64) -> Transaction {
        let order = Order { outputs: vec![to(foreign(1), amount)], fee_rate: rate(1_000), ..Order::default() };
        let payment = pay(&self.account, &ChainSpec::dev(), &order).unwrap().sign(&secret(), &[7; 32]).unwrap();
        self.add(&payment);
        payment
    }

    fn add(&mut self, payment: &Transaction) {
        let (outbox, account) = (&mut self.outbox, &mut self.account);
        self.departed.around(account, |account| outbox.add(account, payment, Some(&secret()))).unwrap();
    }

    fn take_back(&mut self, txid: &Txid) -> Transaction {
        let (transaction, _) = self.outbox.replaceable(&self.account, txid).unwrap();
        let wanted = Replacement { transaction, dependent_fees: Amount::ZERO, fee_rate: rate(2_000) };
        let back = cancel(&self.account, &ChainSpec::dev(), &wanted).unwrap().sign(&secret(), &[8; 32]).unwrap();
        self.add(&back);
        back
    }

    fn mine(&mut self, height: u32, bodies: &[&TxBody]) {
        let effects: Vec<_> = bodies.iter().map(|body| TxEffects::of_transaction(body)).collect();
        self.departed.around(&mut self.account, |account| account.apply(mark(height), &effects, None)).unwrap();
        self.outbox.settle(&mut self.account, &mut self.departed, true, None);
    }

    /// A payment of a stranger, which waits.
    fn gift(&mut self) -> TxBody {
        let address = self.account.book().next_unused(Branch::Receive).unwrap().1;
        let inputs = vec![OutPoint { txid: Txid::from_bytes([3; 32]), index: 0 }];
        let body = TxBody {
            version: TxBody::VERSION,
            inputs,
            outputs: vec![to(address, 1_000_000)],
            lock_height: Height::GENESIS,
            expiry_height: Height(4),
        };
        self.see(&body);
        body
    }

    fn see(&mut self, body: &TxBody) {
        let effects = TxEffects::of_transaction(body);
        self.departed.around(&mut self.account, |account| account.add_pending(&effects, None)).unwrap();
    }

    fn lines(&self) -> Vec<(Txid, Option<Why>)> {
        self.departed.history(self.account.ledger()).map(|(entry, why)| (entry.txid, why)).collect()
    }

    fn first(&self) -> Txid {
        self.account.ledger().history().last().unwrap().txid
    }
}

fn mark(height: u32) -> BlockMark {
    BlockMark { height: Height(height), id: BlockHash::from_bytes([height.to_le_bytes()[0]; 32]) }
}

#[test]
fn what_expires_stays_in_the_history_with_what_was_made_of_it() {
    let mut owner = Owner::new();
    let (payment, gift, first) = (owner.pay(100_000_000), owner.gift(), owner.first());
    owner.mine(3, &[]);
    assert_eq!(owner.lines(), [(gift.txid(), None), (payment.txid(), None), (first, None)]);
    owner.mine(4, &[]);
    assert_eq!(owner.lines(), [(payment.txid(), None), (gift.txid(), Some(Why::Expired)), (first, None)]);
    owner.mine(payment.body.expiry_height.0, &[]);
    let expired = Some(Why::Expired);
    assert_eq!(owner.lines(), [(payment.txid(), expired), (gift.txid(), expired), (first, None)]);
    assert!(owner.departed.get(&payment.txid()).is_some_and(|departure| departure.entry.fee().is_some()));
    let bytes = encode(&owner.departed);
    assert_eq!(decode(&bytes, bytes.len()), Ok(owner.departed.clone()));
}

#[test]
fn what_is_replaced_names_what_took_its_place_until_it_waits_again() {
    let mut owner = Owner::new();
    let (payment, child, first) = (owner.pay(100_000_000), owner.pay(50_000_000), owner.first());
    let back = owner.take_back(&payment.txid());
    let replaced = Some(Why::ReplacedBy(back.txid()));
    let both = [(child.txid(), replaced), (payment.txid(), replaced), (first, None)];
    assert_eq!(owner.lines(), [&[(back.txid(), None)][..], &both].concat());

    // Nobody wants it: what the user is told is said by then, and the other two wait again.
    owner.outbox.forget(&mut owner.account, &back.txid());
    owner.add(&payment);
    owner.add(&child);
    assert_eq!(owner.lines(), [(child.txid(), None), (payment.txid(), None), (first, None)]);

    // A block holds one that was made elsewhere from the same words, and the next one of another branch holds the payment after all.
    let elsewhere = TxBody { outputs: vec![to(foreign(2), 1)], ..payment.body.clone() };
    owner.mine(2, &[&elsewhere]);
    let replaced = Some(Why::ReplacedBy(elsewhere.txid()));
    let gone = [(child.txid(), replaced), (payment.txid(), replaced)];
    assert_eq!(owner.lines(), [&gone[..], &[(elsewhere.txid(), None), (first, None)]].concat());
    owner.account.rewind(mark(1)).unwrap();
    owner.mine(2, &[&payment.body]);
    let other = (elsewhere.txid(), Some(Why::ReplacedBy(payment.txid())));
    assert_eq!(owner.lines(), [other, (child.txid(), replaced), (payment.txid(), None), (first, None)]);
}

#[test]
fn what_others_spend_otherwise_is_gone_and_only_so_many_are_kept() {
    let mut owner = Owner::new();
    let gift = owner.gift();
    owner.departed.around(&mut owner.account, |account| account.drop_pending(&gift.txid()));
    assert_eq!(owner.departed.get(&gift.txid()).map(|departure| departure.why), Some(Why::Gone));
    owner.see(&gift);
    assert_eq!(owner.departed.get(&gift.txid()), None, "it waits again");
    owner.mine(2, &[&TxBody { outputs: vec![to(foreign(2), 1)], ..gift.clone() }]);
    assert_eq!(owner.departed.get(&gift.txid()).map(|departure| departure.why), Some(Why::Gone));

    for number in 0..=u8::MAX {
        let mut entry = owner.departed.departures[0].entry.clone();
        entry.txid = Txid::from_bytes([number; 32]);
        owner.departed.push(&owner.account, entry);
    }
    let kept = &owner.departed.departures;
    assert_eq!((kept.len(), kept[kept.len() - 1].entry.txid), (Departed::KEPT_MAX, Txid::from_bytes([u8::MAX; 32])));
}

#[test]
fn strangers_cannot_push_out_what_became_of_own_payments() {
    let mut owner = Owner::new();
    let (gift, payment) = (owner.gift().txid(), owner.pay(100_000_000));
    let foreign = owner.account.ledger().entry(&gift).unwrap().clone();
    owner.mine(payment.body.expiry_height.0, &[]);
    let fill = |departed: &mut Departed, account: &Account, entry: &TxEntry| {
        for number in 0..=u8::MAX {
            departed.push(account, TxEntry { txid: Txid::from_bytes([number; 32]), ..entry.clone() });
        }
    };
    fill(&mut owner.departed, &owner.account, &foreign);
    assert!(owner.departed.get(&payment.txid()).is_some() && owner.departed.get(&gift).is_none());
    assert_eq!(owner.departed.departures.len(), Departed::KEPT_MAX);
    let own = owner.departed.get(&payment.txid()).unwrap().entry.clone();
    fill(&mut owner.departed, &owner.account, &own);
    assert_eq!(owner.departed.get(&payment.txid()), None, "among its own the longest gone goes first");
    assert_eq!(owner.departed.departures.len(), Departed::KEPT_MAX);
}

#[test]
fn what_was_spent_otherwise_is_not_called_expired() {
    let mut owner = Owner::new();
    let payment = owner.pay(100_000_000);
    let elsewhere = TxBody { outputs: vec![to(foreign(2), 1)], ..payment.body.clone() };
    owner.mine(payment.body.expiry_height.0, &[&elsewhere]);
    let replaced = Some(Why::ReplacedBy(elsewhere.txid()));
    assert_eq!(owner.departed.get(&payment.txid()).map(|departure| departure.why), replaced);
}

#[test]
fn nothing_is_called_replaced_by_what_nobody_wants() {
    let mut owner = Owner::new();
    let (payment, child) = (owner.pay(100_000_000), owner.pay(50_000_000));
    let back = owner.take_back(&payment.txid());
    owner.outbox.forget(&mut owner.account, &back.txid());
    owner.departed.look_anew(&owner.account, &back.txid());
    let whys =
        |owner: &Owner| [&payment, &child].map(|own| owner.departed.get(&own.txid()).map(|departure| departure.why));
    assert_eq!(whys(&owner), [Some(Why::Gone); 2]);
    let back = back.txid();
    owner.account.apply(mark(payment.body.expiry_height.0), &[], None).unwrap();
    owner.departed.departures.iter_mut().for_each(|departure| departure.why = Why::ReplacedBy(back));
    owner.departed.look_anew(&owner.account, &back);
    assert_eq!(whys(&owner), [Some(Why::Expired); 2]);
}
