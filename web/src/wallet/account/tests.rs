//! An account from its first coin to a payment, a reorg and a replacement.

use qbtc_core::hash::BlockHash;
use qbtc_core::lock::Lock;
use qbtc_core::tx::TxOut;

use super::*;
use crate::wallet::order::Recipient;

fn key() -> AccountKey {
    account_key(&WalletSeed::from_bytes([5; 64]), 0, &ChainSpec::dev()).unwrap()
}

fn mark(height: u32) -> BlockMark {
    BlockMark { height: Height(height), id: BlockHash::from_bytes([height.to_le_bytes()[0]; 32]) }
}

/// An account on the dev chain with a coin of 5 QBTC in block 1, and blocks up to 20.
fn funded() -> AccountState {
    let spec = ChainSpec::dev();
    let mut state = AccountState::new(&spec, AddressLayout::default(), Height(1), &key());
    state.start_above(mark(0));
    let address = state.receive_address().unwrap();
    let outputs = [TxOut { amount: Amount::from_coins(5), lock: Lock::Address(address) }];
    let effects = TxEffects::of_coinbase(Txid::from_bytes([1; 32]), &outputs);
    state.take(mark(1), &[effects], Some(&key())).unwrap();
    for height in 2..=20 {
        state.take(mark(height), &[], None).unwrap();
    }
    state
}

fn order(quanta: u64) -> Order {
    let recipient = Recipient { address: Address::from_bytes([9; 32]), amount: Amount::from_quanta(quanta).unwrap() };
    Order { recipients: vec![recipient], everything_to: None, fee_rate: FeeRate::from_quanta_per_1000_bytes(10_000) }
}

#[test]
fn a_payment_waits_until_its_block_and_can_be_taken_back() {
    let (mut state, spec) = (funded(), ChainSpec::dev());
    assert_eq!(state.balance(&spec).confirmed, Amount::from_coins(5));
    let unsigned = state.pay(&order(100_000_000), &spec).unwrap();
    let transaction = unsigned.sign(&key(), &[3; 32]).unwrap();
    state.sent(&transaction, Some(&key())).unwrap();
    assert_eq!(state.balance(&spec).confirmed, Amount::ZERO);
    assert!(state.is_replaceable(&transaction.txid()));

    let replacement = Replacement {
        takes_back: true,
        fee_rate: FeeRate::from_quanta_per_1000_bytes(20_000),
        dependent_fees: Amount::ZERO,
    };
    let back = state.replace(&transaction.txid(), replacement, &spec).unwrap();
    assert!(back.body().outputs.iter().all(|output| state.book().path_of(&output.lock.address().unwrap()).is_some()));
    let back = back.sign(&key(), &[4; 32]).unwrap();
    let mut replaced = state.clone();
    replaced.sent(&back, Some(&key())).unwrap();
    assert!(!replaced.is_replaceable(&transaction.txid()) && replaced.is_replaceable(&back.txid()));

    let effects = TxEffects::of_transaction(&transaction.body);
    state.take(mark(21), &[effects], Some(&key())).unwrap();
    assert!(!state.is_replaceable(&transaction.txid()) && state.own().is_empty());
    let fee = state.ledger().entry(&transaction.txid()).unwrap().fee().unwrap();
    let left = Amount::from_coins(4).checked_sub(fee).unwrap();
    assert_eq!(state.balance(&spec).confirmed, left);
    assert_eq!(state.replace(&transaction.txid(), replacement, &spec), Err(SpendError::NotReplaceable));
}

#[test]
fn a_turn_of_the_chain_takes_back_what_it_brought() {
    let mut state = funded();
    state.go_back(Some(mark(10)));
    assert_eq!(state.mark(), Some(mark(10)));
    assert_eq!(state.ledger().coins().count(), 1);
    state.go_back(Some(mark(0)));
    assert_eq!(state.ledger().coins().count(), 0);
    state.go_back(None);
    assert_eq!((state.mark(), state.marks().len()), (None, 0));
}

#[test]
fn what_is_kept_is_read_again_and_damage_is_not() {
    let (state, spec) = (funded(), ChainSpec::dev());
    let bytes = state.to_bytes();
    assert_eq!(AccountState::from_bytes(&bytes, &spec), Some(state));
    assert_eq!(AccountState::from_bytes(&bytes, &ChainSpec::main()), None);
    assert_eq!(AccountState::from_bytes(&bytes[..bytes.len() / 2], &spec), None);
    assert_eq!(AccountState::from_bytes(&[], &spec), None);
}

#[test]
fn marks_are_bounded() {
    let mut state = funded();
    for height in 21..1_000 {
        state.take(mark(height), &[], None).unwrap();
    }
    assert_eq!(state.marks().len(), AccountState::MARKS_MAX);
    assert_eq!(state.height(), Height(999));
}

#[test]
fn accounts_have_keys_of_their_own() {
    let (seed, dev) = (WalletSeed::from_bytes([5; 64]), ChainSpec::dev());
    let address = |account, spec: &ChainSpec| {
        let key = account_key(&seed, account, spec).unwrap();
        AccountState::new(spec, AddressLayout::default(), Height(0), &key).receive_address().unwrap()
    };
    assert_ne!(address(0, &dev), address(1, &dev));
    assert_ne!(address(0, &dev), address(0, &ChainSpec::main()));
    assert!(account_key(&seed, 1 << 31, &dev).is_err());
}

#[test]
fn an_address_that_was_given_away_is_not_shown_again() {
    let mut state = funded();
    let first = state.receive_address().unwrap();
    state.give_away(&first, &key()).unwrap();
    assert_ne!(state.receive_address().unwrap(), first);
}
