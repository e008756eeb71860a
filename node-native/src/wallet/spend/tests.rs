//! Payments and replacements from a wallet that follows a chain in memory; signed ones are whole.

use qbtc_core::wallet::derivation::Branch;

use super::*;
use crate::wallet::pending::add_own;
use crate::wallet::sync::sync;
use crate::wallet::testing::{FakeNode, address, other_key, state};

const RATE: FeeRate = FeeRate::from_quanta_per_1000_bytes(1_000);

fn funded(coins: u32) -> (WalletState, ChainSpec) {
    let mut node = FakeNode::new();
    for index in 0..coins {
        node.mine(address(Branch::Receive, index), Vec::new());
    }
    node.mine_empty(10);
    let mut state = state(0);
    sync(&mut state, &node, &node.spec, Some(&other_key()), |_, _| {}).unwrap();
    (state, node.spec)
}

fn order(coins: u32) -> Order {
    let lock = qbtc_core::lock::Lock::Address(Address::from_bytes([1; 32]));
    Order { outputs: vec![TxOut { amount: Amount::from_coins(coins), lock }], fee_rate: RATE, ..Order::default() }
}

fn paid(state: &mut WalletState, spec: &ChainSpec, order: &Order) -> Transaction {
    let transaction = pay(state, spec, order).unwrap().sign(&other_key(), &[7; 32]).unwrap();
    add_own(state, &transaction, &other_key()).unwrap();
    transaction
}

#[test]
fn a_payment_takes_pending_change_where_mined_coins_are_not_enough() {
    let (mut state, spec) = funded(1);
    let first = paid(&mut state, &spec, &order(1));
    assert_eq!(first.body.outputs.len(), 2);
    assert_eq!(balance(&state, &spec).confirmed, Amount::ZERO);
    let second = pay(&state, &spec, &order(1)).unwrap();
    assert_eq!(second.body().inputs[0].txid, first.txid());
    // More than there is.
    let refused = pay(&state, &spec, &order(4));
    assert!(matches!(refused, Err(SpendError::Build(BuildError::Selection(_)))), "{refused:?}");
}

#[test]
fn everything_is_paid_out() {
    let (state, spec) = funded(2);
    let everything = Order { everything_to: Some(Address::from_bytes([2; 32])), fee_rate: RATE, ..Order::default() };
    let unsigned = pay(&state, &spec, &everything).unwrap();
    assert_eq!((unsigned.body().inputs.len(), unsigned.body().outputs.len()), (2, 1));
    let sum = unsigned.body().outputs[0].amount.checked_add(unsigned.fee()).unwrap();
    assert_eq!(sum, Amount::from_coins(8));
}

#[test]
fn a_payment_that_waits_is_bumped_and_cancelled() {
    let (mut state, spec) = funded(1);
    let original = paid(&mut state, &spec, &order(1));
    let entry = pending_entry(&state, &original.txid()).unwrap();
    let former_fee = entry.fee().unwrap();
    let dependent_fees = Amount::ZERO;
    let wanted = Replacement { transaction: &original, dependent_fees, fee_rate: RATE, from_output: None };
    let bumped = bump(&state, &spec, &wanted).unwrap();
    assert_eq!(bumped.body().inputs, original.body.inputs);
    assert!(bumped.fee() > former_fee);
    assert!(bumped.body().outputs.iter().any(|output| output.amount == Amount::from_coins(1)));
    let cancelled = cancel(&state, &spec, &wanted).unwrap();
    assert_eq!(cancelled.body().outputs.len(), 1);
    let back = cancelled.body().outputs[0].lock.address().unwrap();
    assert_eq!(state.book().path_of(&back).unwrap().branch, Branch::Change);
    // From what is paid, instead of from the change.
    let place = original.body.outputs.iter().position(|output| output.amount == Amount::from_coins(1));
    let from_paid = bump(&state, &spec, &Replacement { from_output: place, ..wanted }).unwrap();
    assert!(from_paid.body().outputs.iter().all(|output| output.amount != Amount::from_coins(1)));
}

#[test]
fn what_is_mined_or_unknown_cannot_be_replaced() {
    let (state, _) = funded(1);
    let mined = state.ledger().history().next().unwrap().txid;
    assert!(matches!(pending_entry(&state, &mined), Err(SpendError::Mined { .. })));
    assert!(matches!(pending_entry(&state, &Txid::ZERO), Err(SpendError::Unknown(_))));
}
