//! Pending transactions against a pool in memory.

use qbtc_core::tx::OutPoint;
use qbtc_core::units::Amount;
use qbtc_core::wallet::derivation::Branch;

use super::*;
use crate::wallet::spend;
use crate::wallet::sync::sync;
use crate::wallet::testing::{FakeNode, address, coinbase_coin, other_key, state, unsigned};

/// A wallet with four QBTC that it can spend, and its node.
fn funded() -> (WalletState, FakeNode, OutPoint) {
    let mut node = FakeNode::new();
    node.mine(address(Branch::Receive, 0), Vec::new());
    let coin = coinbase_coin(node.tip());
    node.mine_empty(10);
    let mut state = state(0);
    sync(&mut state, &node, &node.spec, Some(&other_key()), |_, _| {}).unwrap();
    (state, node, coin)
}

fn follow(state: &mut WalletState, node: &FakeNode) -> PendingReport {
    follow_pending(state, node, Some(&other_key())).unwrap()
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
    let unrelated = unsigned(&[OutPoint { index: 7, ..strange }], &[foreign(1)]);
    node.pool.borrow_mut().extend([child.clone(), unrelated, parent.clone()]);
    let report = follow(&mut state, &node);
    assert_eq!(report.arrived, [parent.txid(), child.txid()]);
    assert_eq!(spend::balance(&state, &node.spec).pending.quanta(), 400_000_000);
    // What was seen is not looked at again.
    assert!(follow(&mut state, &node).arrived.is_empty());
    // What leaves the pool without being mined is forgotten, with what depends on it.
    node.pool.borrow_mut().clear();
    assert!(follow(&mut state, &node).gone.contains(&parent.txid()));
    assert_eq!(spend::balance(&state, &node.spec).pending, Amount::ZERO);
}

#[test]
fn own_payments_are_sent_again_until_they_are_mined() {
    let (mut state, mut node, coin) = funded();
    let payment = unsigned(&[coin], &[foreign(1)]);
    add_own(&mut state, &payment, &other_key()).unwrap();
    assert_eq!(spend::balance(&state, &node.spec).confirmed, Amount::ZERO);
    node.refuses.set(Some("min relay fee not met"));
    let report = follow(&mut state, &node);
    assert_eq!(report.refused, [(payment.txid(), "min relay fee not met".to_owned())]);
    assert!(state.own(&payment.txid()).is_some(), "it may be taken later");
    node.refuses.set(None);
    assert_eq!(follow(&mut state, &node).sent_again, [payment.txid()]);
    assert!(follow(&mut state, &node).sent_again.is_empty());
    node.mine(foreign(2).0, vec![payment.clone()]);
    sync(&mut state, &node, &node.spec, None, |_, _| {}).unwrap();
    follow(&mut state, &node);
    assert!(state.own(&payment.txid()).is_none());
    assert!(state.ledger().entry(&payment.txid()).unwrap().block.is_some());
}

#[test]
fn a_replacement_takes_the_place_of_the_original() {
    let (mut state, _, coin) = funded();
    let original = unsigned(&[coin], &[foreign(1)]);
    add_own(&mut state, &original, &other_key()).unwrap();
    let replacement = unsigned(&[coin], &[foreign(2)]);
    add_own(&mut state, &replacement, &other_key()).unwrap();
    assert!(state.own(&original.txid()).is_none() && state.own(&replacement.txid()).is_some());
    forget(&mut state, &replacement.txid());
    assert_eq!(state.ledger().history().filter(|entry| entry.block.is_none()).count(), 0);
    assert!(state.own(&replacement.txid()).is_none());
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
