//! Pending transactions against a pool in memory.

use qbtc_core::tx::OutPoint;
use qbtc_core::units::Amount;
use qbtc_core::wallet::departed::Why;
use qbtc_core::wallet::derivation::Branch;

use super::*;
use crate::wallet::sync::sync;
use crate::wallet::testing::{FakeNode, address, coinbase_coin, other_key, signed, state, unsigned};

/// A wallet with four QBTC that it can spend, and its node.
fn funded() -> (WalletState, FakeNode, OutPoint) {
    let mut node = FakeNode::new();
    node.mine(address(Branch::Receive, 0), Vec::new());
    let coin = coinbase_coin(node.tip());
    node.mine_empty(10);
    let mut state = state(0);
    sync(&mut state, &node, &node.rules(), Some(&other_key()), |_, _| {}).unwrap();
    (state, node, coin)
}

fn follow(state: &mut WalletState, node: &FakeNode) -> PendingReport {
    follow_pending(state, node, &node.spec, Some(&other_key())).unwrap()
}

fn foreign(number: u8) -> (qbtc_core::lock::Address, u64) {
    (qbtc_core::lock::Address::from_bytes([number; 32]), 100_000_000)
}

#[test]
fn payments_on_their_way_are_seen_children_before_parents() {
    let (mut state, node, _) = funded();
    let strange = OutPoint { txid: Txid::from_bytes([3; 32]), index: 0 };
    let parent = unsigned(&[strange], &[(address(Branch::Receive, 1), 500_000_000)]);
    let made = OutPoint { txid: parent.txid(), index: 0 };
    let child = unsigned(&[made], &[(address(Branch::Receive, 2), 400_000_000)]);
    let child = signed(child, &parent.body.outputs, (Branch::Receive, 1), &node.spec);
    let unrelated = unsigned(&[OutPoint { index: 7, ..strange }], &[foreign(1)]);
    node.pool.borrow_mut().extend([child.clone(), unrelated, parent.clone()]);
    let report = follow(&mut state, &node);
    assert_eq!(report.arrived, [parent.txid(), child.txid()]);
    assert_eq!(state.account().balance(&node.spec).pending.quanta(), 400_000_000);
    // What was seen is not looked at again.
    assert!(follow(&mut state, &node).arrived.is_empty());
    // What leaves the pool without being mined is forgotten, with what depends on it.
    node.pool.borrow_mut().clear();
    assert!(follow(&mut state, &node).gone.contains(&parent.txid()));
    assert_eq!(state.account().balance(&node.spec).pending, Amount::ZERO);
    assert_eq!(state.departed().get(&parent.txid()).map(|departure| departure.why), Some(Why::Gone));
}

#[test]
fn only_signatures_show_that_the_wallets_coins_are_on_their_way() {
    let (mut state, node, coin) = funded();
    let spent = node.blocks[1].coinbase.outputs.clone();
    let forged = unsigned(&[coin], &[foreign(1)]);
    let strange = OutPoint { txid: Txid::from_bytes([3; 32]), index: 0 };
    let mixed = unsigned(&[coin, strange], &[foreign(2)]);
    // Signed, but for another payment.
    let mut stolen = signed(forged.clone(), &spent, (Branch::Receive, 0), &node.spec);
    stolen.body.outputs[0].lock = qbtc_core::lock::Lock::Address(foreign(3).0);
    node.pool.borrow_mut().extend([forged, mixed, stolen]);
    let report = follow(&mut state, &node);
    assert_eq!((report.unproven.len(), report.arrived.len()), (3, 0));
    assert_eq!(state.account().balance(&node.spec).confirmed, Amount::from_coins(4));
    // The wallet's own, sent from another machine with the same words.
    let own = signed(unsigned(&[coin], &[foreign(1)]), &spent, (Branch::Receive, 0), &node.spec);
    *node.pool.borrow_mut() = vec![own.clone()];
    assert_eq!(follow(&mut state, &node).arrived, [own.txid()]);
    assert_eq!(state.account().balance(&node.spec).confirmed, Amount::ZERO);
}

#[test]
fn own_payments_are_sent_again_until_they_are_mined() {
    let (mut state, mut node, coin) = funded();
    let payment = unsigned(&[coin], &[foreign(1)]);
    state.add_own(&payment, Some(&other_key())).unwrap();
    assert_eq!(state.account().balance(&node.spec).confirmed, Amount::ZERO);
    node.refuses.set(Some("min relay fee not met"));
    let report = follow(&mut state, &node);
    assert_eq!(report.refused, [(payment.txid(), "min relay fee not met".to_owned())]);
    assert!(state.outbox().get(&payment.txid()).is_some(), "it may be taken later");
    node.refuses.set(None);
    assert_eq!(follow(&mut state, &node).sent_again, [payment.txid()]);
    assert!(follow(&mut state, &node).sent_again.is_empty());
    node.mine(foreign(2).0, vec![payment.clone()]);
    sync(&mut state, &node, &node.rules(), None, |_, _| {}).unwrap();
    follow(&mut state, &node);
    assert!(state.outbox().get(&payment.txid()).is_none());
    assert!(state.ledger().entry(&payment.txid()).unwrap().block.is_some());
}

#[test]
fn a_replacement_takes_the_place_of_the_original() {
    let (mut state, _, coin) = funded();
    let original = unsigned(&[coin], &[foreign(1)]);
    state.add_own(&original, Some(&other_key())).unwrap();
    let replacement = unsigned(&[coin], &[foreign(2)]);
    state.add_own(&replacement, Some(&other_key())).unwrap();
    assert!(state.outbox().get(&original.txid()).is_none() && state.outbox().get(&replacement.txid()).is_some());
    let why = state.departed().get(&original.txid()).map(|departure| departure.why);
    assert_eq!(why, Some(Why::ReplacedBy(replacement.txid())));
}

#[test]
fn a_payment_that_expires_stays_in_the_history() {
    let (mut state, mut node, coin) = funded();
    let mut payment = unsigned(&[coin], &[foreign(1)]);
    payment.body.expiry_height = state.height().next().unwrap();
    state.add_own(&payment, Some(&other_key())).unwrap();
    node.mine_empty(2);
    sync(&mut state, &node, &node.rules(), None, |_, _| {}).unwrap();
    follow(&mut state, &node);
    assert!(state.outbox().payments().is_empty());
    let lines: Vec<_> = state.departed().history(state.ledger()).map(|(entry, why)| (entry.txid, why)).collect();
    assert_eq!(lines[0], (payment.txid(), Some(Why::Expired)));
    // Nor does a new look through the chain forget it.
    let mut afresh = crate::wallet::testing::state(0);
    afresh.remember(&state);
    sync(&mut afresh, &node, &node.rules(), None, |_, _| {}).unwrap();
    assert_eq!(afresh.departed(), state.departed());
}

#[test]
fn payments_that_wait_outlive_a_new_look_through_the_chain() {
    let (mut state, node, coin) = funded();
    let payment = unsigned(&[coin], &[foreign(1), (address(Branch::Change, 0), 100_000_000)]);
    let child = OutPoint { txid: payment.txid(), index: 1 };
    let child = unsigned(&[child], &[foreign(1)]);
    for transaction in [&payment, &child] {
        state.add_own(transaction, Some(&other_key())).unwrap();
    }
    let mut afresh = crate::wallet::testing::state(0);
    afresh.remember(&state);
    sync(&mut afresh, &node, &node.rules(), Some(&other_key()), |_, _| {}).unwrap();
    assert_eq!(follow(&mut afresh, &node).sent_again, [payment.txid(), child.txid()]);
    assert!(follow(&mut afresh, &node).refused.is_empty());
    assert_eq!(
        (afresh.outbox(), afresh.account().balance(&node.spec)),
        (state.outbox(), state.account().balance(&node.spec))
    );
}

#[test]
fn a_pool_full_of_payments_to_the_wallet_does_not_stop_it() {
    let (mut state, node, coin) = funded();
    state.add_own(&unsigned(&[coin], &[foreign(1)]), Some(&other_key())).unwrap();
    let strange = |index| OutPoint { txid: Txid::from_bytes([3; 32]), index };
    let payment = |index| unsigned(&[strange(index)], &[(address(Branch::Receive, 1), 100_000_000)]);
    node.pool.borrow_mut().extend((0..1_000).map(payment));
    let report = follow(&mut state, &node);
    assert_eq!((report.too_many, report.arrived.len()), (Some(1_000), 999));
    assert_eq!(state.outbox().payments().len(), 1);
}

#[test]
fn another_transaction_than_asked_for_is_refused() {
    let (mut state, node, coin) = funded();
    let asked = unsigned(&[coin], &[foreign(1)]);
    node.pool.borrow_mut().push(asked.clone());
    node.gives_instead.replace(Some(unsigned(&[coin], &[foreign(2)])));
    let refused = follow_pending(&mut state, &node, &node.spec, None);
    assert!(matches!(refused, Err(PendingError::OtherTransaction { expected, .. }) if expected == asked.txid()));
    assert_eq!(state.account().balance(&node.spec).confirmed, Amount::from_coins(4));
}

#[test]
fn a_pool_that_is_too_large_is_left_alone() {
    let (mut state, node, _) = funded();
    let strange = |index| OutPoint { txid: Txid::from_bytes([3; 32]), index };
    let payment = |index| unsigned(&[strange(index)], &[(address(Branch::Receive, 1), 100_000_000)]);
    let mut pool: Vec<_> = (0..1_001).map(payment).collect();
    node.pool.borrow_mut().append(&mut pool);
    let report = follow(&mut state, &node);
    assert_eq!((report.too_many, report.arrived.len()), (Some(1_001), 0));
    node.pool.borrow_mut().pop();
    assert_eq!(follow(&mut state, &node).too_many, None);
}
