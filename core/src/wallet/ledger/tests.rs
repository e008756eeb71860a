//! Tests of the ledger: a chain is made up, block by block, and held against a naive model.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::codec::{decode, encode};
use crate::crypto::Scheme;
use crate::hash::BlockHash;
use crate::lock::{Address, Lock};
use crate::testing::test;
use crate::tx::{TxBody, TxOut};
use crate::wallet::address_book::BookEntry;
use crate::wallet::derivation::{AccountPath, Branch, CoinType};
use crate::wallet::layout::AddressLayout;

const MATURITY: u32 = 10;

fn own(number: u8) -> Address {
    Address::from_bytes([number; 32])
}

fn foreign() -> Address {
    Address::from_bytes([0xff; 32])
}

/// A book with the bare addresses 1 and 2.
fn book() -> AddressBook {
    let layout = AddressLayout::single(Scheme::MlDsa87);
    let mut book = AddressBook::new(AccountPath::first(CoinType::TEST), layout, 1).unwrap();
    for (branch, number) in [(Branch::Receive, 1), (Branch::Change, 2)] {
        book.append(branch, BookEntry { address: own(number), keys: None }).unwrap();
    }
    book
}

fn mark(height: u32) -> BlockMark {
    BlockMark { height: Height(height), id: BlockHash::from_bytes([7; 32]) }
}

fn coins(coins: u32) -> Amount {
    Amount::from_coins(coins)
}

fn output(amount: u32, address: Address) -> TxOut {
    TxOut { amount: coins(amount), lock: Lock::Address(address) }
}

fn body(inputs: &[OutPoint], outputs: &[TxOut]) -> TxBody {
    TxBody {
        version: TxBody::VERSION,
        inputs: inputs.to_vec(),
        outputs: outputs.to_vec(),
        lock_height: Height::GENESIS,
        expiry_height: Height::GENESIS,
    }
}

/// A payment of a stranger to the account.
fn gift(number: u8, amount: u32) -> TxBody {
    body(&[OutPoint { txid: Txid::from_bytes([number; 32]), index: 0 }], &[output(amount, own(1))])
}

fn first_output(body: &TxBody) -> OutPoint {
    OutPoint { txid: body.txid(), index: 0 }
}

fn apply(ledger: &mut Ledger, height: u32, bodies: &[&TxBody]) -> Vec<Txid> {
    let effects: Vec<_> = bodies.iter().map(|body| TxEffects::of_transaction(body)).collect();
    ledger.apply(&book(), mark(height), &effects).unwrap()
}

fn add_pending(ledger: &mut Ledger, body: &TxBody) -> bool {
    ledger.add_pending(&book(), &TxEffects::of_transaction(body)).unwrap()
}

fn balance(ledger: &Ledger, height: u32) -> (Amount, Amount, Amount) {
    let Balance { confirmed, pending, immature } = ledger.balance(Height(height), MATURITY);
    (confirmed, pending, immature)
}

const ZERO: Amount = Amount::ZERO;

#[test]
fn a_payment_is_pending_and_then_mined() {
    let mut ledger = Ledger::default();
    let received = gift(9, 5);
    assert_eq!(apply(&mut ledger, 1, &[&received]), [received.txid()]);
    assert_eq!(balance(&ledger, 2), (coins(5), ZERO, ZERO));

    let payment = body(&[first_output(&received)], &[output(3, foreign()), output(1, own(2))]);
    assert!(add_pending(&mut ledger, &payment));
    assert_eq!(balance(&ledger, 2), (ZERO, coins(1), ZERO));
    let entry = ledger.entry(&payment.txid()).unwrap();
    assert_eq!((entry.fee(), entry.paid_to_others, entry.block), (Some(coins(1)), coins(3), None));

    apply(&mut ledger, 2, &[&payment]);
    assert_eq!(balance(&ledger, 3), (coins(1), ZERO, ZERO));
    let entry = ledger.entry(&payment.txid()).unwrap();
    assert_eq!((entry.fee(), entry.block), (Some(coins(1)), Some(mark(2))));
    assert_eq!(ledger.entry(&received.txid()).unwrap().fee(), None);
    assert_eq!(ledger.history().count(), 2);
}

#[test]
fn what_does_not_touch_the_account_is_no_entry() {
    let mut ledger = Ledger::default();
    let strange = body(&[OutPoint { txid: Txid::from_bytes([9; 32]), index: 0 }], &[output(1, foreign())]);
    assert_eq!(apply(&mut ledger, 1, &[&strange]), []);
    assert!(!add_pending(&mut ledger, &strange));
    assert_eq!(ledger.history().count(), 0);
}

#[test]
fn a_coinbase_matures_at_its_height_and_no_earlier() {
    let mut ledger = Ledger::default();
    let outputs = [output(50, own(1))];
    let effects = TxEffects::of_coinbase(Txid::from_bytes([1; 32]), &outputs);
    ledger.apply(&book(), mark(5), &[effects]).unwrap();
    assert_eq!(balance(&ledger, 14), (ZERO, ZERO, coins(50)));
    assert_eq!(balance(&ledger, 15), (coins(50), ZERO, ZERO));
    assert_eq!((ledger.spendable(Height(14), MATURITY).len(), ledger.spendable(Height(15), MATURITY).len()), (0, 1));
}

#[test]
fn a_replacement_drops_what_it_replaces_and_its_children() {
    let mut ledger = Ledger::default();
    let received = gift(9, 5);
    apply(&mut ledger, 1, &[&received]);
    let first = body(&[first_output(&received)], &[output(4, own(2))]);
    let child = body(&[first_output(&first)], &[output(3, own(2))]);
    assert!(add_pending(&mut ledger, &first) && add_pending(&mut ledger, &child));
    assert_eq!(balance(&ledger, 2), (ZERO, coins(3), ZERO));
    let second = body(&[first_output(&received)], &[output(2, own(2))]);
    assert!(add_pending(&mut ledger, &second));
    assert_eq!(balance(&ledger, 2), (ZERO, coins(2), ZERO));
    assert_eq!(ledger.history().map(|entry| entry.txid).collect::<Vec<_>>(), [second.txid(), received.txid()]);
    ledger.drop_pending(&second.txid());
    assert_eq!(balance(&ledger, 2), (coins(5), ZERO, ZERO));
}

#[test]
fn a_conflict_in_a_block_drops_the_pending_one() {
    let mut ledger = Ledger::default();
    let received = gift(9, 5);
    // Not mined yet, and then its giver spends the same coin otherwise.
    assert!(add_pending(&mut ledger, &received));
    assert_eq!(balance(&ledger, 1), (ZERO, coins(5), ZERO));
    let otherwise = body(&received.inputs, &[output(5, foreign())]);
    apply(&mut ledger, 1, &[&otherwise]);
    assert_eq!(balance(&ledger, 2), (ZERO, ZERO, ZERO));
    assert_eq!(ledger.history().count(), 0);
}

#[test]
fn a_pending_one_lasts_until_its_expiry_height() {
    let mut ledger = Ledger::default();
    let expiring = TxBody { expiry_height: Height(3), ..gift(9, 5) };
    add_pending(&mut ledger, &expiring);
    apply(&mut ledger, 2, &[]);
    assert_eq!(balance(&ledger, 3), (ZERO, coins(5), ZERO));
    apply(&mut ledger, 3, &[]);
    assert_eq!(balance(&ledger, 4), (ZERO, ZERO, ZERO));
}

#[test]
fn undone_payments_are_pending_again_but_coinbases_are_gone() {
    let mut ledger = Ledger::default();
    let received = gift(9, 5);
    apply(&mut ledger, 1, &[&received]);
    let outputs = [output(50, own(1))];
    let coinbase = TxEffects::of_coinbase(Txid::from_bytes([1; 32]), &outputs);
    let payment = body(&[first_output(&received)], &[output(4, own(2))]);
    ledger.apply(&book(), mark(2), &[coinbase, TxEffects::of_transaction(&payment)]).unwrap();
    let of_coinbase = body(&[OutPoint { txid: coinbase.txid, index: 0 }], &[output(49, own(2))]);
    apply(&mut ledger, 12, &[&of_coinbase]);
    assert_eq!(balance(&ledger, 13), (coins(53), ZERO, ZERO));

    ledger.rewind(mark(1)).unwrap();
    assert_eq!(balance(&ledger, 2), (ZERO, coins(4), ZERO));
    assert_eq!(ledger.tip(), Some(mark(1)));
    apply(&mut ledger, 2, &[&payment]);
    assert_eq!(balance(&ledger, 3), (coins(4), ZERO, ZERO));
    ledger.rewind(mark(0)).unwrap();
    assert_eq!(balance(&ledger, 1), (ZERO, coins(4), ZERO));
}

#[test]
fn blocks_come_in_order() {
    let mut ledger = Ledger::starting_above(mark(5));
    let refused = |found| Err(LedgerError::NotAbove { found: Height(found), tip: Height(5) });
    assert_eq!(ledger.apply(&book(), mark(5), &[]), refused(5));
    assert_eq!(ledger.rewind(mark(6)), Err(LedgerError::NotBelow { found: Height(6), tip: Height(5) }));
    assert_eq!(ledger.apply(&book(), mark(9), &[]), Ok(vec![]));
    assert_eq!(ledger.rewind(mark(7)), Ok(()));
}

#[test]
fn pending_ones_are_bounded() {
    let mut ledger = Ledger::default();
    let number = |number: usize| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        body(&[OutPoint { txid: Txid::from_bytes(bytes), index: 0 }], &[output(1, own(1))])
    };
    ledger.readmit(Vec::new());
    for at in 0..Ledger::PENDING_MAX - 1 {
        // Straight into the list: adding one after the other costs their number squared.
        let effects = number(at);
        let entry = ledger.entry_of(&book(), &TxEffects::of_transaction(&effects), None, |_| None).unwrap();
        ledger.pending.push(entry);
    }
    assert!(add_pending(&mut ledger, &number(Ledger::PENDING_MAX - 1)));
    let one_more = number(Ledger::PENDING_MAX);
    let refused = ledger.add_pending(&book(), &TxEffects::of_transaction(&one_more));
    assert_eq!(refused, Err(LedgerError::TooManyPending));
    // One that replaces another still fits.
    let replacement = body(&number(0).inputs, &[output(2, own(1))]);
    assert!(add_pending(&mut ledger, &replacement));
    assert_eq!(ledger.pending.len(), Ledger::PENDING_MAX);
}

#[test]
fn a_stored_ledger_is_replayed_and_a_false_one_refused() {
    let mut ledger = Ledger::default();
    let received = gift(9, 5);
    apply(&mut ledger, 1, &[&received]);
    let payment = body(&[first_output(&received)], &[output(4, own(2))]);
    add_pending(&mut ledger, &payment);
    let bytes = encode(&ledger);
    assert_eq!(decode(&bytes, 10_000), Ok(ledger.clone()));

    let refused = |change: &dyn Fn(&mut Ledger)| {
        let mut changed = ledger.clone();
        change(&mut changed);
        decode::<Ledger>(&encode(&changed), 10_000).is_err()
    };
    assert!(refused(&|ledger| ledger.mined[0].block = Some(mark(2))), "above the tip");
    assert!(refused(&|ledger| ledger.mined[0].block = None), "mined nowhere");
    assert!(refused(&|ledger| ledger.mined[0].received[0].height = None), "a coin of no height");
    assert!(refused(&|ledger| ledger.mined.clear()), "pending on a coin that is not there");
    assert!(refused(&|ledger| ledger.pending[0].spent[0].amount = coins(6)), "a coin of another amount");
    assert!(refused(&|ledger| ledger.pending.push(ledger.pending[0].clone())), "a coin spent twice");
    assert!(refused(&|ledger| ledger.mined.push(ledger.mined[0].clone())), "a coin made twice");
    assert!(!refused(&|_| ()));
}

/// A step of a made-up chain: a gift, a payment from a coin, or a coinbase.
#[derive(Clone, Debug)]
enum Step {
    Gift(u8, u32),
    Spend(usize, u32),
    Coinbase(u8, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<u8>(), 1_u32..100).prop_map(|(number, amount)| Step::Gift(number, amount)),
        (any::<usize>(), 0_u32..100).prop_map(|(coin, amount)| Step::Spend(coin, amount)),
        (any::<u8>(), 1_u32..100).prop_map(|(number, amount)| Step::Coinbase(number, amount)),
    ]
}

/// Applies a block of these steps; ids are made unique by the height.
fn apply_steps(ledger: &mut Ledger, height: u32, steps: &[Step]) {
    let at = height.to_le_bytes()[0];
    for (place, step) in (0_u8..).zip(steps) {
        let block_height = height * 100 + u32::from(place);
        let unique = |number: u8| Txid::from_bytes(core::array::from_fn(|byte| [number, at, place][byte % 3]));
        match step {
            Step::Gift(number, amount) => {
                let outside = OutPoint { txid: unique(*number), index: 0 };
                apply(ledger, block_height, &[&body(&[outside], &[output(*amount, own(1))])]);
            }
            Step::Spend(coin, amount) => {
                let all: Vec<_> = ledger.coins().map(|coin| coin.outpoint).collect();
                let Some(coin) = coin.checked_rem(all.len()).map(|at| all[at]) else { continue };
                apply(ledger, block_height, &[&body(&[coin], &[output(1, foreign()), output(*amount, own(2))])]);
            }
            Step::Coinbase(number, amount) => {
                let outputs = [output(*amount, own(1))];
                let effects = TxEffects::of_coinbase(unique(*number), &outputs);
                ledger.apply(&book(), mark(block_height), &[effects]).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    /// Applying blocks and going back is the identity, but for what becomes pending; applying them again gives the same.
    fn rewinding_undoes_applying(before in prop::collection::vec(step(), 0..12), after in prop::collection::vec(step(), 0..12)) {
        let mut ledger = Ledger::starting_above(mark(0));
        apply_steps(&mut ledger, 1, &before);
        let (start, start_tip) = (ledger.clone(), ledger.tip().unwrap());
        apply_steps(&mut ledger, 2, &after);
        let end = ledger.clone();
        prop_assert_eq!(&decode::<Ledger>(&encode(&end), 1 << 20).unwrap(), &end);

        ledger.rewind(start_tip).unwrap();
        prop_assert_eq!((&ledger.mined, &ledger.coins, ledger.tip), (&start.mined, &start.coins, start.tip));
        for entry in ledger.pending.clone() {
            ledger.drop_pending(&entry.txid);
        }
        prop_assert_eq!(&ledger, &start);
        apply_steps(&mut ledger, 2, &after);
        prop_assert_eq!(&ledger, &end);
    }
}

#[test]
fn rewinding_undoes_applying_whatever_the_chain() {
    rewinding_undoes_applying();
}

#[test]
fn a_history_is_no_longer_than_can_be_read_back() {
    let mut ledger = Ledger::default();
    let received = gift(9, 5);
    apply(&mut ledger, 1, &[&received]);
    let before = ledger.clone();
    let flood = vec![TxEffects::of_transaction(&received); Ledger::ENTRIES_MAX];
    assert_eq!(ledger.apply(&book(), mark(2), &flood), Err(LedgerError::TooManyEntries));
    assert_eq!(ledger, before);
}
