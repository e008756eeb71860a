//! The rules of a transaction in isolation: each with a case that just passes and one that just fails.

use crate::support::{body, pay, spec, test};
use qbtc_core::codec;
use qbtc_core::hash::Txid;
use qbtc_core::lock::{Address, Lock};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, Height};
use qbtc_core::verify::{CheckedTx, TxError, check_transaction};

const ADDRESS: Address = Address::from_bytes([5; 32]);
const ONE: Amount = Amount::from_coins(1);

/// Names the test of each rule, so that a rule without one does not compile.
#[allow(dead_code, reason = "it is there to be compiled")]
const fn test_of(error: &TxError) -> fn() {
    match error {
        TxError::Version { .. } => the_version_is_known,
        TxError::Size { .. } => bytes_are_within_the_limit,
        TxError::MerkleNodeSize => the_body_cannot_be_a_node,
        TxError::NoInputs => there_is_an_input,
        TxError::NoOutputs => there_is_an_output,
        TxError::DuplicateInput { .. } => no_coin_is_spent_twice,
        TxError::Amount { .. } => amounts_can_exist,
        TxError::AmountSum { .. } => sums_can_exist,
        TxError::Data { .. } => data_is_within_the_limit,
        TxError::DataAmount { .. } => data_carries_no_money,
        TxError::NeverValid { .. } => expiry_is_not_below_lock,
    }
}

fn outpoint(number: u32) -> OutPoint {
    OutPoint { txid: Txid::from_bytes([7; 32]), index: number }
}

fn data(bytes: usize) -> TxOut {
    TxOut { amount: Amount::ZERO, lock: Lock::Data(vec![b'x'; bytes].into()) }
}

fn simple() -> TxBody {
    body(vec![outpoint(0)], vec![pay(ADDRESS, ONE)])
}

fn check_with(body: TxBody, spec: &ChainSpec) -> Result<CheckedTx, TxError> {
    check_transaction(Transaction { body, witnesses: Vec::new() }, spec.consensus())
}

fn check(body: TxBody) -> Result<CheckedTx, TxError> {
    check_with(body, &spec())
}

#[test]
fn what_is_checked_has_ids_and_size() {
    let transaction = Transaction { body: simple(), witnesses: Vec::new() };
    let checked = check_transaction(transaction.clone(), spec().consensus()).unwrap();
    assert_eq!(checked.transaction(), &transaction);
    assert_eq!((checked.txid(), checked.wtxid()), (transaction.txid(), transaction.wtxid()));
    assert_eq!(checked.size_bytes() as usize, codec::encode(&transaction).len());
}

#[test]
fn the_version_is_known() {
    assert!(check(simple()).is_ok());
    for found in [0, 2, 255] {
        assert_eq!(check(TxBody { version: found, ..simple() }), Err(TxError::Version { found }));
    }
}

#[test]
fn bytes_are_within_the_limit() {
    let limit = 16_384;
    let spec = ChainSpec::from_toml(&crate::support::spec_text().replace("tx_bytes = 1_048_576", "tx_bytes = 16_384"))
        .unwrap();
    // 483 inputs fill most of it, data the rest.
    let of_data = |bytes| body((0..483).map(outpoint).collect(), vec![pay(ADDRESS, ONE), data(bytes)]);
    let without = codec::encoded_len(&Transaction { body: of_data(0), witnesses: Vec::new() });
    let rest = limit - without;
    assert!(rest < 80, "within the limit of data: {rest}");
    assert_eq!(check_with(of_data(rest), &spec).unwrap().size_bytes(), 16_384);
    assert_eq!(check_with(of_data(rest + 1), &spec), Err(TxError::Size { found: 16_385, limit: 16_384 }));
}

#[test]
fn the_body_cannot_be_a_node() {
    // 41 bytes, and the data.
    let of_data = |bytes| body(vec![outpoint(0)], vec![data(bytes)]);
    assert_eq!(codec::encoded_len(&of_data(23)), 64);
    assert!(check(of_data(22)).is_ok());
    assert_eq!(check(of_data(23)), Err(TxError::MerkleNodeSize));
    assert!(check(of_data(24)).is_ok());
}

#[test]
fn there_is_an_input() {
    assert_eq!(check(TxBody { inputs: Vec::new(), ..simple() }), Err(TxError::NoInputs));
    assert!(check(simple()).is_ok());
}

#[test]
fn there_is_an_output() {
    assert_eq!(check(TxBody { outputs: Vec::new(), ..simple() }), Err(TxError::NoOutputs));
    assert!(check(simple()).is_ok());
}

#[test]
fn no_coin_is_spent_twice() {
    let spends = |inputs| TxBody { inputs, ..simple() };
    assert!(check(spends(vec![outpoint(2), outpoint(1)])).is_ok());
    let twice = spends(vec![outpoint(2), outpoint(1), outpoint(2)]);
    assert_eq!(check(twice), Err(TxError::DuplicateInput { outpoint: outpoint(2) }));
}

#[test]
fn amounts_can_exist() {
    let limit = spec().consensus().supply_max;
    let pays = |amount| TxBody { outputs: vec![pay(ADDRESS, ONE), pay(ADDRESS, amount)], ..simple() };
    let found = Amount::from_quanta(limit.quanta() + 1).unwrap();
    assert_eq!(check(pays(found)), Err(TxError::Amount { index: 1, found, limit }));
    assert_eq!(check(pays(Amount::MAX)), Err(TxError::Amount { index: 1, found: Amount::MAX, limit }));
    assert!(check(TxBody { outputs: vec![pay(ADDRESS, limit)], ..simple() }).is_ok());
}

#[test]
fn sums_can_exist() {
    let limit = spec().consensus().supply_max;
    let pays = |first: u64| {
        let rest = pay(ADDRESS, limit.checked_sub(ONE).unwrap());
        TxBody { outputs: vec![rest, pay(ADDRESS, Amount::from_quanta(first).unwrap())], ..simple() }
    };
    assert!(check(pays(ONE.quanta())).is_ok());
    assert_eq!(check(pays(ONE.quanta() + 1)), Err(TxError::AmountSum { limit }));
    // So many that the sum of 64 bits would come around to a small number.
    let around = TxBody { outputs: vec![pay(ADDRESS, limit); 9_000], ..simple() };
    assert_eq!(check(around), Err(TxError::AmountSum { limit }));
}

#[test]
fn data_is_within_the_limit() {
    let carries = |bytes| TxBody { outputs: vec![pay(ADDRESS, ONE), data(bytes)], ..simple() };
    assert!(check(carries(80)).is_ok());
    assert_eq!(check(carries(81)), Err(TxError::Data { index: 1, found: 81, limit: 80 }));
}

#[test]
fn data_carries_no_money() {
    let found = Amount::from_quanta(1).unwrap();
    let burns = TxBody { outputs: vec![TxOut { amount: found, ..data(1) }], ..simple() };
    assert_eq!(check(burns), Err(TxError::DataAmount { index: 0, found }));
    assert!(check(TxBody { outputs: vec![data(1)], ..simple() }).is_ok());
}

#[test]
fn expiry_is_not_below_lock() {
    let between = |lock, expiry| TxBody { lock_height: Height(lock), expiry_height: Height(expiry), ..simple() };
    assert!(check(between(5, 5)).is_ok());
    assert_eq!(check(between(6, 5)), Err(TxError::NeverValid { lock: Height(6), expiry: Height(5) }));
    // Zero is no expiry.
    assert!(check(between(6, 0)).is_ok());
}
