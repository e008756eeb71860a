//! Tests of replacements: each is valid, and a node's pool takes it in the original's place.

use alloc::vec;

use super::*;
use crate::crypto::Scheme;
use crate::hash::Txid;
use crate::lock::{Conditions, Lock, Path};
use crate::mempool::{AdmitError, Mempool, Policy};
use crate::spec::ChainSpec;
use crate::testing::test;
use crate::tx::OutPoint;
use crate::wallet::account::Account;
use crate::wallet::builder::{Payment, Rest, SigningKey};
use crate::wallet::checks::*;
use crate::wallet::coin_selection::SelectionError;
use crate::wallet::ledger::TxEffects;
use crate::wallet::partial::PartialTx;

/// A pending payment, and the account that made it.
fn pending(coins: &[(u32, u64)], paid: u64) -> (Account, Transaction, Amount) {
    let mut account = plain(coins);
    let unsigned = built(&account, &payment(&account, vec![to(foreign(1), paid)], rate(1_000))).unwrap();
    let fee = unsigned.fee();
    let transaction = signed(&unsigned, rate(1_000));
    account.add_pending(&TxEffects::of_transaction(&transaction.body), Some(&secret())).unwrap();
    (account, transaction, fee)
}

fn fee_of(quanta: u64) -> ReplacementFee {
    ReplacementFee { rate: rate(quanta), expiry_height: Height(150) }
}

fn replaced<T>(account: &Account, transaction: &Transaction, then: impl FnOnce(&Funds<'_>, &Original<'_>) -> T) -> T {
    let spent = &account.ledger().entry(&transaction.txid()).unwrap().spent;
    let original = Original { transaction, spent, dependent_fees: Amount::ZERO };
    with_funds(account, SigningKey::Ordinary, |funds| then(funds, &original))
}

/// Checks that the replacement is valid, spends what the original does, and takes its place in a node's pool.
fn check_replacement(original: &Transaction, replacement: &UnsignedTx, fee: ReplacementFee) {
    assert!(original.body.inputs.iter().all(|input| replacement.body().inputs.contains(input)));
    let replacement_tx = signed(replacement, fee.rate);
    let coins = coins_of(&replacement_tx, replacement.partial().spent());
    let mut pool = Mempool::new(Policy::default(), HEIGHT);
    assert_eq!(relay(&mut pool, original, &coins), Ok(vec![]));
    assert_eq!(relay(&mut pool, &replacement_tx, &coins), Ok(vec![original.txid()]));
}

#[test]
fn a_bump_takes_the_higher_fee_from_the_change() {
    let (account, original, fee) = pending(&[(0, 3_000_000), (1, 2_000_000)], 1_000_000);
    let fresh = change_address(&account);
    for quanta in [1_000, 1_500, 5_000] {
        let bump = replaced(&account, &original, |funds, original| {
            build_fee_bump(funds, original, fee_of(quanta), FeeFrom::Change(fresh))
        });
        let bump = bump.unwrap();
        check_replacement(&original, &bump, fee_of(quanta));
        assert_eq!(bump.body().inputs, original.body.inputs);
        assert!(bump.body().outputs.contains(&to(foreign(1), 1_000_000)));
        // The change goes where it went, and is less by what the fee is more.
        let former = original.body.outputs.iter().find(|output| output.lock != Lock::Address(foreign(1))).unwrap();
        let change = bump.change().unwrap();
        assert_eq!(change.lock, former.lock);
        let more = bump.fee().checked_sub(fee).unwrap();
        assert_eq!(change.amount.checked_add(more), Some(former.amount));
        assert_eq!(bump.body().expiry_height, Height(150));
    }
}

#[test]
fn a_bump_adds_coins_where_the_change_is_not_enough() {
    // The change is 90,000 quanta or so; at fifty times the rate the fee alone is 200,000.
    let (account, original, _) = pending(&[(0, 1_095_000), (1, 900_000)], 1_000_000);
    let fresh = change_address(&account);
    let bump = replaced(&account, &original, |funds, original| {
        build_fee_bump(funds, original, fee_of(50_000), FeeFrom::Change(fresh))
    });
    let bump = bump.unwrap();
    check_replacement(&original, &bump, fee_of(50_000));
    assert_eq!(bump.body().inputs.len(), 2);

    let (account, original, _) = pending(&[(0, 1_095_000)], 1_000_000);
    let short = replaced(&account, &original, |funds, original| {
        build_fee_bump(funds, original, fee_of(50_000), FeeFrom::Change(fresh))
    });
    assert!(matches!(short, Err(BuildError::Selection(SelectionError::Insufficient { .. }))));
}

#[test]
fn a_bump_can_take_the_fee_from_what_is_paid() {
    let mut account = plain(&[(0, 3_000_000), (1, 2_000_000)]);
    let everything = Payment { rest: Rest::Everything(foreign(9)), ..payment(&account, vec![], rate(1_000)) };
    let unsigned = built(&account, &everything).unwrap();
    let original = signed(&unsigned, rate(1_000));
    account.add_pending(&TxEffects::of_transaction(&original.body), None).unwrap();
    let bumped =
        |from| replaced(&account, &original, |funds, original| build_fee_bump(funds, original, fee_of(2_500), from));
    let bump = bumped(FeeFrom::Output(0)).unwrap();
    check_replacement(&original, &bump, fee_of(2_500));
    let more = bump.fee().checked_sub(unsigned.fee()).unwrap();
    let left = original.body.outputs[0].amount.checked_sub(more).unwrap();
    assert_eq!(bump.body().outputs, [to(foreign(9), left.quanta())]);
    assert_eq!(bumped(FeeFrom::Output(1)), Err(BuildError::NoSuchOutput { index: 1, outputs: 1 }));
    // Without change and without other coins there is nothing to take it from.
    let short = bumped(FeeFrom::Change(change_address(&account)));
    assert!(matches!(short, Err(BuildError::Selection(SelectionError::Insufficient { .. }))));
}

#[test]
fn a_cancellation_pays_everything_back() {
    let (mut account, original, _) = pending(&[(0, 3_000_000), (1, 2_000_000)], 1_000_000);
    let back_to = change_address(&account);
    let cancelled =
        |fee| replaced(&account, &original, |funds, original| build_cancellation(funds, original, fee, back_to));
    let cancellation = cancelled(fee_of(1_000)).unwrap();
    check_replacement(&original, &cancellation, fee_of(1_000));
    let back = quanta(3_000_000).checked_sub(cancellation.fee()).unwrap();
    assert_eq!(cancellation.body().outputs, [to(back_to, back.quanta())]);
    // A fee that eats it all.
    assert!(cancelled(fee_of(100_000_000)).is_err());

    account.add_pending(&TxEffects::of_transaction(cancellation.body()), None).unwrap();
    assert!(account.ledger().entry(&original.txid()).is_none(), "it replaces the original in the ledger");
    assert_eq!(account.ledger().balance(HEIGHT, 10).pending, back);
}

#[test]
fn a_replacement_costs_just_what_nodes_ask() {
    let (account, original, fee) = pending(&[(0, 3_000_000)], 1_000_000);
    let cancel = |dependent_fees| {
        replaced(&account, &original, |funds, original| {
            let original = Original { dependent_fees, ..*original };
            build_cancellation(funds, &original, fee_of(1_000), change_address(&account)).unwrap()
        })
    };
    // The fee of the original, of what depends on it, and the replacement's own bytes at the incremental rate: no more.
    for dependent in [Amount::ZERO, quanta(4_321)] {
        let cancellation = cancel(dependent);
        let relay_fee = Policy::default().incremental_fee_rate.fee(cancellation.size_bytes()).unwrap();
        assert_eq!(Amount::checked_sum([fee, dependent, relay_fee]), Some(cancellation.fee()));
    }
    // One quantum less is refused by the pool.
    let cancellation = cancel(Amount::ZERO);
    let mut body = cancellation.body().clone();
    body.outputs[0].amount = body.outputs[0].amount.checked_add(quanta(1)).unwrap();
    let mut cheaper =
        PartialTx::new(ChainSpec::dev().chain_id(), body, cancellation.partial().spent().to_vec()).unwrap();
    let secret = secret().secret_key(Scheme::MlDsa44, cancellation.paths()[0]);
    cheaper.choose(Conditions::key(secret.public_key().clone()), Path::default()).unwrap();
    cheaper.sign(&secret, &[1; 32]);
    let cheaper = cheaper.finalize().unwrap();
    let coins = coins_of(&cheaper, cancellation.partial().spent());
    let mut pool = Mempool::new(Policy::default(), HEIGHT);
    relay(&mut pool, &original, &coins).unwrap();
    assert!(matches!(relay(&mut pool, &cheaper, &coins), Err(AdmitError::ReplacementRelayFee { .. })));
}

#[test]
fn data_pays_no_fee() {
    let mut account = plain(&[(0, 3_000_000)]);
    let data = TxOut { amount: Amount::ZERO, lock: Lock::Data(vec![1; 10].into()) };
    let unsigned = built(&account, &payment(&account, vec![data], rate(1_000))).unwrap();
    let original = signed(&unsigned, rate(1_000));
    account.add_pending(&TxEffects::of_transaction(&original.body), Some(&secret())).unwrap();
    let bumped = |index| {
        replaced(&account, &original, |funds, original| {
            build_fee_bump(funds, original, fee_of(2_000), FeeFrom::Output(index))
        })
    };
    assert_eq!(bumped(0), Err(BuildError::DataPaysNothing { index: 0 }));
    check_replacement(&original, &bumped(1).unwrap(), fee_of(2_000));
}

#[test]
fn what_others_pay_into_is_not_replaced_alone() {
    let (account, original, _) = pending(&[(0, 3_000_000)], 1_000_000);
    let foreign_input = OutPoint { txid: Txid::from_bytes([8; 32]), index: 0 };
    let mut joint = original.clone();
    joint.body.inputs.push(foreign_input);
    let spent = &account.ledger().entry(&original.txid()).unwrap().spent;
    let refused = with_funds(&account, SigningKey::Ordinary, |funds| {
        build_cancellation(
            funds,
            &Original { transaction: &joint, spent, dependent_fees: Amount::ZERO },
            fee_of(2_000),
            foreign(1),
        )
    });
    assert_eq!(refused, Err(BuildError::ForeignInput { outpoint: foreign_input }));
}
