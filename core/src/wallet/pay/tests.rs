//! Payments and replacements of an account with coins of 4 QBTC.

use alloc::vec;

use super::fee_within::without_fee;
use super::*;
use crate::lock::Lock;
use crate::testing::test;
use crate::wallet::checks::{plain, secret};
use crate::wallet::outbox::Outbox;

const RATE: FeeRate = FeeRate::from_quanta_per_1000_bytes(1_000);

fn funded(coins: u32) -> (Account, ChainSpec) {
    let coins: Vec<_> = (0..coins).map(|index| (index, 400_000_000)).collect();
    (plain(&coins), ChainSpec::dev())
}

fn order(coins: u32) -> Order {
    let lock = Lock::Address(Address::from_bytes([1; 32]));
    Order { outputs: vec![TxOut { amount: Amount::from_coins(coins), lock }], fee_rate: RATE, ..Order::default() }
}

fn paid(account: &mut Account, spec: &ChainSpec, order: &Order) -> Transaction {
    let transaction = pay(account, spec, order).unwrap().sign(&secret(), &[7; 32]).unwrap();
    Outbox::default().add(account, &transaction, Some(&secret())).unwrap();
    transaction
}

#[test]
fn a_payment_takes_pending_change_where_mined_coins_are_not_enough() {
    let (mut account, spec) = funded(1);
    let first = paid(&mut account, &spec, &order(1));
    assert_eq!(first.body.outputs.len(), 2);
    assert_eq!(account.balance(&spec).confirmed, Amount::ZERO);
    let second = pay(&account, &spec, &order(1)).unwrap();
    assert_eq!(second.body().inputs[0].txid, first.txid());
    // More than there is.
    let refused = pay(&account, &spec, &order(4));
    assert!(matches!(refused, Err(PayError::Build(BuildError::Selection(_)))), "{refused:?}");
}

#[test]
fn everything_is_paid_out() {
    let (account, spec) = funded(2);
    let everything = Order { everything_to: Some(Address::from_bytes([2; 32])), fee_rate: RATE, ..Order::default() };
    let unsigned = pay(&account, &spec, &everything).unwrap();
    assert_eq!((unsigned.body().inputs.len(), unsigned.body().outputs.len()), (2, 1));
    let sum = unsigned.body().outputs[0].amount.checked_add(unsigned.fee()).unwrap();
    assert_eq!(sum, Amount::from_coins(8));
}

#[test]
fn recipients_bear_the_fee_when_they_are_to() {
    let (account, spec) = funded(3);
    let lock = |byte| Lock::Address(Address::from_bytes([byte; 32]));
    let to = |amounts: &[u64]| {
        let output =
            |(byte, quanta): (u8, &u64)| TxOut { amount: Amount::from_quanta(*quanta).unwrap(), lock: lock(byte) };
        let outputs = (1..).zip(amounts).map(output).collect();
        pay(&account, &spec, &Order { outputs, fee_rate: RATE, fee_within: true, ..Order::default() })
    };
    // Of some of the money, of all of it to the last quantum, and to several.
    for amounts in
        [&[100_000_000][..], &[400_000_000], &[1_200_000_000], &[500_000_000, 300_000_001], &[1_200_000_000 - 20_000]]
    {
        let unsigned = to(amounts).unwrap();
        let body = unsigned.body();
        let paid = body.outputs.iter().filter(|output| Some(*output) != unsigned.change());
        let paid = Amount::checked_sum(paid.map(|output| output.amount)).unwrap();
        let ordered = amounts.iter().sum::<u64>();
        let gone = paid.checked_add(unsigned.fee()).unwrap().quanta();
        assert!(gone <= ordered && ordered - gone < 20_000, "{amounts:?}: {gone} of {ordered}");
        assert!(unsigned.fee() >= RATE.fee(unsigned.size_bytes()).unwrap());
    }
    let two = to(&[500_000_000, 300_000_001]).unwrap();
    let amounts: Vec<_> = two.body().outputs.iter().map(|output| output.amount.quanta()).collect();
    assert!(amounts.iter().any(|quanta| 500_000_000 - quanta < 10_000), "{amounts:?}");
    let missing = to(&[1_200_000_001]);
    assert!(matches!(missing, Err(PayError::Build(BuildError::Selection(_)))), "{missing:?}");
    assert!(matches!(to(&[1_000]), Err(PayError::Build(BuildError::Dust { .. }))));
    let outputs = order(1).outputs;
    let fee = outputs[0].amount;
    assert_eq!(without_fee(&outputs, fee), Err(PayError::FeeTooHigh { fee }));
    assert_eq!(to(&[]), Err(PayError::NobodyPaysFee));
}

#[test]
fn only_named_coins_are_spent_when_some_are_named() {
    let (mut account, spec) = funded(3);
    let coins: Vec<_> = account.spendable(&spec).iter().map(|coin| coin.outpoint).collect();
    let named = |coins: u32, only: &[OutPoint]| Order { only_coins: only.to_vec(), ..order(coins) };
    for coin in &coins {
        assert_eq!(pay(&account, &spec, &named(1, &[*coin])).unwrap().body().inputs, [*coin]);
    }
    let refused = pay(&account, &spec, &named(5, &[coins[0], coins[0]]));
    assert!(matches!(refused, Err(PayError::Build(BuildError::Selection(_)))), "{refused:?}");
    assert_eq!(pay(&account, &spec, &named(5, &coins[..2])).unwrap().body().inputs.len(), 2);
    let everything_to = Some(Address::from_bytes([2; 32]));
    let sweep = Order { everything_to, outputs: Vec::new(), ..named(0, &coins[1..]) };
    assert_eq!(pay(&account, &spec, &sweep).unwrap().body().inputs.len(), 2);
    // One that is being spent already, or was never there.
    paid(&mut account, &spec, &named(1, &coins[..1]));
    for gone in [coins[0], OutPoint { index: 77, ..coins[0] }] {
        assert_eq!(pay(&account, &spec, &named(1, &[gone])), Err(PayError::NotSpendable(gone)));
    }
}

#[test]
fn a_payment_can_wait_longer_for_its_signer() {
    let (account, spec) = funded(1);
    let height = |valid_for_s| {
        let order = Order { valid_for_s, ..order(1) };
        pay(&account, &spec, &order).unwrap().body().expiry_height.above(account.height())
    };
    let spacing_s = spec.consensus().spacing_s;
    assert_eq!(height(None), 3_600 / spacing_s);
    assert_eq!((height(Some(86_400)), height(Some(0))), (86_400 / spacing_s, 2));
}

#[test]
fn a_payment_that_waits_is_bumped_and_cancelled() {
    let (mut account, spec) = funded(1);
    let original = paid(&mut account, &spec, &order(1));
    let entry = pending_entry(&account, &original.txid()).unwrap();
    let former_fee = entry.fee().unwrap();
    let dependent_fees = Amount::ZERO;
    let wanted = Replacement { transaction: &original, dependent_fees, fee_rate: RATE };
    let bumped = bump(&account, &spec, &wanted, None).unwrap();
    assert_eq!(bumped.body().inputs, original.body.inputs);
    assert!(bumped.fee() > former_fee);
    assert!(bumped.body().outputs.iter().any(|output| output.amount == Amount::from_coins(1)));
    let cancelled = cancel(&account, &spec, &wanted).unwrap();
    assert_eq!(cancelled.body().outputs.len(), 1);
    let back = cancelled.body().outputs[0].lock.address().unwrap();
    assert_eq!(account.book().path_of(&back).unwrap().branch, Branch::Change);
    // From what is paid, instead of from the change.
    let place = original.body.outputs.iter().position(|output| output.amount == Amount::from_coins(1));
    let from_paid = bump(&account, &spec, &wanted, place).unwrap();
    assert!(from_paid.body().outputs.iter().all(|output| output.amount != Amount::from_coins(1)));
}

#[test]
fn what_is_mined_or_unknown_cannot_be_replaced() {
    let (account, _) = funded(1);
    let mined = account.ledger().history().next().unwrap().txid;
    assert!(matches!(pending_entry(&account, &mined), Err(PayError::Mined { .. })));
    assert!(matches!(pending_entry(&account, &Txid::ZERO), Err(PayError::Unknown(_))));
}

#[test]
fn a_replacement_pays_for_what_it_pushes_out() {
    let (mut account, spec) = funded(1);
    let first = paid(&mut account, &spec, &order(1));
    let second = paid(&mut account, &spec, &order(1));
    assert_eq!(second.body.inputs[0].txid, first.txid());
    let fees: Vec<_> =
        [&first, &second].map(|own| pending_entry(&account, &own.txid()).unwrap().fee().unwrap()).to_vec();
    let wanted = Replacement { transaction: &first, dependent_fees: Amount::ZERO, fee_rate: RATE };
    let cancelled = cancel(&account, &spec, &wanted).unwrap();
    assert!(cancelled.fee() > Amount::checked_sum(fees.iter().copied()).unwrap(), "{fees:?}");
    // What somebody else knows to depend on it counts where it is more.
    let more = Amount::from_quanta(50_000).unwrap();
    let cancelled = cancel(&account, &spec, &Replacement { dependent_fees: more, ..wanted }).unwrap();
    assert!(cancelled.fee() > fees[0].checked_add(more).unwrap());
    let gone: Vec<_> = account.ledger().dependents(&first.txid()).iter().map(|entry| entry.txid).collect();
    assert_eq!(gone, [second.txid()]);
}
