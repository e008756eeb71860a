//! Following a chain in memory, honest and not.

use qbtc_core::lock::Address;
use qbtc_core::units::Amount;
use qbtc_core::wallet::address_book::AddressBook;
use qbtc_core::wallet::derivation::Branch;

use super::*;
use crate::wallet::testing::{FakeNode, address, coinbase_coin, key, other_key, state, unsigned};

fn synced(state: &mut WalletState, node: &FakeNode) -> Result<Synced, SyncError> {
    sync(state, node, &node.rules(), Some(&other_key()), |_, _| {})
}

fn receive(index: u32) -> Address {
    address(Branch::Receive, index)
}

fn coins(state: &WalletState) -> Amount {
    Amount::checked_sum(state.ledger().coins().map(|coin| coin.amount)).unwrap()
}

#[test]
fn money_of_the_genesis_block_is_found() {
    let mut node = FakeNode::new();
    node.mine_empty(3);
    let layout = qbtc_core::wallet::layout::AddressLayout::default();
    let mut state = WalletState::new(&node.spec, layout, Height(0), AddressBook::GAP_LIMIT, &key());
    let found = sync(&mut state, &node, &node.rules(), Some(&key()), |_, _| {}).unwrap();
    assert_eq!((found.blocks, state.height()), (3, Height(3)));
    assert_eq!(coins(&state), Amount::from_coins(4_200_000));
}

#[test]
fn payments_are_found_and_little_else_is_fetched() {
    let mut node = FakeNode::new();
    node.mine_empty(5);
    node.mine(receive(0), Vec::new());
    let earned = coinbase_coin(node.tip());
    node.mine_empty(4);
    node.mine(receive(99), vec![unsigned(&[earned], &[(address(Branch::Change, 0), 300_000_000)])]);
    let mut state = state(0);
    let mut told = Vec::new();
    let found = sync(&mut state, &node, &node.rules(), Some(&other_key()), |state, progress| {
        told.push((state.height(), progress));
    });
    let found = found.unwrap();
    assert_eq!((found.blocks, found.fetched, found.touched.len()), (11, 2, 2));
    assert_eq!(told, [(Height(11), Progress { done: 11, left: 0 })]);
    assert_eq!(coins(&state), Amount::from_coins(3));
    assert_eq!(state.ledger().history().next().unwrap().fee(), Some(Amount::from_coins(1)));
    // Nothing new: nothing is fetched.
    assert_eq!(synced(&mut state, &node).unwrap(), Synced::default());
}

#[test]
fn a_wallet_begins_at_its_birthday() {
    let mut node = FakeNode::new();
    node.mine(receive(0), Vec::new());
    node.mine_empty(2);
    let mut born = state(3);
    assert_eq!(synced(&mut born, &node).unwrap().blocks, 1);
    assert_eq!(coins(&born), Amount::ZERO);
    let mut unborn = state(9);
    assert!(matches!(synced(&mut unborn, &node), Err(SyncError::Behind { .. })));
    assert_eq!(unborn.tip(), None);
}

#[test]
fn a_turn_to_another_branch_is_followed() {
    let mut node = FakeNode::new();
    node.mine_empty(150);
    node.mine(receive(0), Vec::new());
    node.mine_empty(10);
    let earned = coinbase_coin(&node.blocks[151]);
    let payment = unsigned(&[earned], &[(Address::from_bytes([1; 32]), 100_000_000), (receive(1), 200_000_000)]);
    node.mine(Address::from_bytes([2; 32]), vec![payment.clone()]);
    let mut state = state(0);
    synced(&mut state, &node).unwrap();
    assert_eq!(coins(&state), Amount::from_coins(2));

    // The last two blocks are replaced by three: the payment waits again.
    node.blocks.truncate(161);
    node.mine_empty(3);
    let found = synced(&mut state, &node).unwrap();
    assert_eq!((found.undone, found.blocks), (2, 3));
    assert_eq!((coins(&state), state.height()), (Amount::from_coins(4), Height(163)));
    let waiting = state.ledger().entry(&payment.txid()).unwrap();
    assert_eq!((waiting.block, waiting.fee()), (None, Some(Amount::from_coins(1))));

    // A shorter chain, and one without the coinbase.
    node.blocks.truncate(120);
    node.mine_empty(1);
    assert!(synced(&mut state, &node).unwrap().undone >= 43);
    assert_eq!((coins(&state), state.height()), (Amount::ZERO, Height(120)));
    assert_eq!(state.ledger().history().count(), 0);
}

#[test]
fn a_turn_from_far_below_is_not_followed() {
    let mut node = FakeNode::new();
    node.mine(receive(0), Vec::new());
    node.mine_empty(400);
    let mut state = state(0);
    synced(&mut state, &node).unwrap();
    let before = state.clone();
    let blocks = node.blocks.clone();
    // A node that begins anew, and one that shows a chain of its own.
    node.blocks.truncate(3);
    assert!(matches!(synced(&mut state, &node), Err(SyncError::DeepTurn { node: Height(2), .. })));
    node.mine_empty(600);
    assert!(matches!(synced(&mut state, &node), Err(SyncError::DeepTurn { node: Height(602), .. })));
    assert_eq!(state, before);
    // As deep as nodes turn, it is.
    node.blocks = blocks;
    node.blocks.truncate(402 - 250);
    node.mine_empty(1);
    assert!(synced(&mut state, &node).unwrap().undone >= 250);
    assert_eq!((state.height(), coins(&state)), (Height(152), Amount::from_coins(4)));
}

#[test]
fn a_chain_that_has_nothing_in_common_is_looked_through_anew() {
    let mut node = FakeNode::new();
    node.mine_empty(2);
    let mut state = state(2);
    synced(&mut state, &node).unwrap();
    node.blocks.truncate(1);
    node.mine_empty(1);
    node.mine(receive(3), Vec::new());
    synced(&mut state, &node).unwrap();
    assert_eq!(coins(&state), Amount::from_coins(4));
}

#[test]
fn what_was_missed_without_the_secret_is_found_with_it() {
    let mut node = FakeNode::new();
    node.mine(receive(19), Vec::new());
    node.mine(receive(39), Vec::new());
    node.mine_empty(1);
    let mut state = state(0);
    let found = sync(&mut state, &node, &node.rules(), None, |_, _| {}).unwrap();
    assert_eq!(found.fetched, 1);
    assert_eq!(coins(&state), Amount::from_coins(4));
    assert!(state.is_short());
    let found = synced(&mut state, &node).unwrap();
    assert_eq!((found.blocks, coins(&state)), (3, Amount::from_coins(8)));
    assert!(!state.is_short());
}

#[test]
fn another_chain_is_refused() {
    let mut node = FakeNode::new();
    node.mine_empty(1);
    node.blocks[0].header.nonce += 1;
    assert!(matches!(synced(&mut state(0), &node), Err(SyncError::OtherChain { .. })));
}

#[test]
fn blocks_and_filters_that_are_not_what_was_asked_for_are_refused() {
    let mut node = FakeNode::new();
    node.mine_empty(1);
    let id = node.mine(receive(0), Vec::new());
    let honest = node.tip().clone();
    // A filter that leads to the block, but is not the one that it commits to.
    node.falsify_filter(id, &Filter::build(&honest.header.parent, [receive(0).to_bytes(), [9; 32]]));
    let refused = synced(&mut state(0), &node);
    assert!(matches!(refused, Err(SyncError::FalseFilter { .. })), "{refused:?}");

    let mut node = FakeNode::new();
    node.mine_empty(1);
    let id = node.mine(receive(0), Vec::new());
    let mut false_block = node.tip().clone();
    false_block.coinbase.outputs[0].amount = Amount::from_coins(1_000);
    node.falsify_block(id, false_block);
    let mut untouched = state(0);
    let refused = synced(&mut untouched, &node);
    assert!(matches!(refused, Err(SyncError::Block { .. })), "{refused:?}");
    assert_eq!(untouched.ledger().history().count(), 0);
}

#[test]
fn a_filter_that_hides_a_payment_is_seen() {
    let mut node = FakeNode::new();
    let id = node.mine(receive(0), Vec::new());
    let parent = node.tip().header.parent;
    node.mine_empty(1);
    // It matches nothing of the wallet's, so that the block is never fetched.
    node.falsify_filter(id, &Filter::build(&parent, [[9; 32]]));
    let mut state = state(0);
    let refused = synced(&mut state, &node);
    assert!(matches!(refused, Err(SyncError::FalseFilter { id: found, .. }) if found == id), "{refused:?}");
    // Nor does it help to leave the proof out, unless the user takes the node's word.
    node.is_pruned.set(true);
    assert!(matches!(synced(&mut state, &node), Err(SyncError::Unproven { height: Height(1) })));
    let trusting = SyncRules { trusts_filters: true, ..node.rules() };
    sync(&mut state, &node, &trusting, Some(&other_key()), |_, _| {}).unwrap();
    assert_eq!((state.height(), coins(&state)), (Height(2), Amount::ZERO));
}

#[test]
fn another_blocks_proof_does_not_hold() {
    let mut node = FakeNode::new();
    node.mine_empty(2);
    node.swap_proofs(1, 2);
    let refused = synced(&mut state(0), &node);
    assert!(matches!(refused, Err(SyncError::FalseProof { .. })), "{refused:?}");
}

#[test]
fn blocks_without_work_are_refused() {
    let mut node = FakeNode::new();
    node.mine_empty(1);
    node.mine_without_work(receive(0));
    let mut state = state(0);
    let refused = synced(&mut state, &node);
    assert!(matches!(refused, Err(SyncError::Header { height: Height(2), .. })), "{refused:?}");
    assert_eq!(coins(&state), Amount::ZERO);
}

#[test]
fn a_node_that_turns_in_the_middle_is_asked_again() {
    let mut node = FakeNode::new();
    node.mine_empty(2);
    // A header that does not follow the one before: as if ids of two branches were mixed.
    let other = node.mine(receive(0), Vec::new());
    node.blocks.swap(1, 2);
    let refused = synced(&mut state(0), &node);
    assert!(matches!(refused, Err(SyncError::Restless)), "{refused:?}");
    node.blocks.swap(1, 2);
    assert_eq!(node.tip().id(), other);
    assert_eq!(synced(&mut state(0), &node).unwrap().fetched, 1);
}
