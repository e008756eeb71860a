//! An account from its first coin to a payment, a reorg and a replacement.

use qbtc_core::hash::BlockHash;
use qbtc_core::lock::Lock;
use qbtc_core::tx::{OutPoint, TxOut};
use qbtc_core::units::{Amount, FeeRate};
use qbtc_core::wallet::builder::UnsignedTx;
use qbtc_core::wallet::pay::Order;

use super::*;
use crate::wallet::draft::{DraftError, Replacement, draft_payment, draft_replacement};

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
    let lock = Lock::Address(Address::from_bytes([9; 32]));
    let outputs = vec![TxOut { amount: Amount::from_quanta(quanta).unwrap(), lock }];
    Order { outputs, fee_rate: FeeRate::from_quanta_per_1000_bytes(10_000), ..Order::default() }
}

fn paid(state: &AccountState, quanta: u64) -> UnsignedTx {
    draft_payment(state, &ChainSpec::dev(), &order(quanta)).unwrap().1
}

fn can_replace(state: &AccountState, txid: &Txid) -> bool {
    state.outbox().replaceable(state.account(), txid).is_some()
}

#[test]
fn a_payment_waits_until_its_block_and_can_be_taken_back() {
    let (mut state, spec) = (funded(), ChainSpec::dev());
    assert_eq!(state.account().balance(&spec).confirmed, Amount::from_coins(5));
    let unsigned = paid(&state, 100_000_000);
    let transaction = unsigned.sign(&key(), &[3; 32]).unwrap();
    state.sent(&transaction, Some(&key())).unwrap();
    assert_eq!(state.account().balance(&spec).confirmed, Amount::ZERO);
    assert!(can_replace(&state, &transaction.txid()));

    let replacement = Replacement {
        takes_back: true,
        fee_rate: FeeRate::from_quanta_per_1000_bytes(20_000),
        dependent_fees: Amount::ZERO,
    };
    let (effect, back) = draft_replacement(&state, &spec, &transaction.txid(), replacement).unwrap();
    assert_eq!((effect.drops, effect.dropped), (0, Amount::ZERO));
    assert!(back.body().outputs.iter().all(|output| state.book().path_of(&output.lock.address().unwrap()).is_some()));
    let back = back.sign(&key(), &[4; 32]).unwrap();
    let mut replaced = state.clone();
    replaced.sent(&back, Some(&key())).unwrap();
    assert!(!can_replace(&replaced, &transaction.txid()) && can_replace(&replaced, &back.txid()));

    let effects = TxEffects::of_transaction(&transaction.body);
    state.take(mark(21), &[effects], Some(&key())).unwrap();
    assert!(!can_replace(&state, &transaction.txid()) && state.outbox().payments().is_empty());
    let fee = state.ledger().entry(&transaction.txid()).unwrap().fee().unwrap();
    let left = Amount::from_coins(4).checked_sub(fee).unwrap();
    assert_eq!(state.account().balance(&spec).confirmed, left);
    let refused = draft_replacement(&state, &spec, &transaction.txid(), replacement);
    assert_eq!(refused, Err(DraftError::NotReplaceable));
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
    assert_eq!(AccountState::from_bytes(&bytes, &spec, &key()), Some(state));
    assert_eq!(AccountState::from_bytes(&bytes, &ChainSpec::main(), &key()), None);
    assert_eq!(AccountState::from_bytes(&bytes[..bytes.len() / 2], &spec, &key()), None);
    assert_eq!(AccountState::from_bytes(&[], &spec, &key()), None);
}

#[test]
fn what_was_kept_for_another_secret_is_not_read() {
    let (bytes, spec) = (funded().to_bytes(), ChainSpec::dev());
    let other_words = account_key(&WalletSeed::from_bytes([6; 64]), 0, &spec).unwrap();
    let other_account = account_key(&WalletSeed::from_bytes([5; 64]), 1, &spec).unwrap();
    for other in [other_words, other_account] {
        assert_eq!(AccountState::from_bytes(&bytes, &spec, &other), None);
    }
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

/// An account whose blocks from here on the light client has shown.
fn shown() -> AccountState {
    let mut state = funded();
    state.go_back_proven(Some(mark(15)));
    state
}

#[test]
fn what_a_node_has_said_does_not_count_as_shown() {
    let mut state = shown();
    assert!(state.is_proven() && !funded().is_proven());
    state.take_proven(mark(16), &[], None).unwrap();
    assert!(state.is_proven());
    state.take(mark(17), &[], None).unwrap();
    assert!(!state.is_proven());
    // What was only said is taken back before the light client goes on.
    state.go_back(state.proven());
    assert_eq!((state.mark(), state.is_proven()), (Some(mark(16)), true));
    state.go_back(Some(mark(10)));
    assert!(!state.is_proven(), "what was shown lay above");
    state.go_back_proven(None);
    assert_eq!((state.mark(), state.proven(), state.is_proven()), (None, None, false));
}

#[test]
fn going_back_between_blocks_stands_at_the_block_that_was_named() {
    let mut state = shown();
    state.take_proven(mark(40), &[], None).unwrap();
    state.go_back_proven(Some(mark(30)));
    assert_eq!((state.mark(), state.proven(), state.height()), (Some(mark(30)), Some(mark(30)), Height(30)));
    state.take_proven(mark(31), &[], None).unwrap();
    assert_eq!(state.ledger().coins().count(), 1);
}

#[test]
fn a_payment_that_waits_outlasts_looking_for_the_account_anew() {
    let (mut state, spec) = (funded(), ChainSpec::dev());
    let transaction = paid(&state, 100_000_000).sign(&key(), &[3; 32]).unwrap();
    state.sent(&transaction, Some(&key())).unwrap();
    // Another one, from what the first has left.
    let transaction = paid(&state, 200_000_000).sign(&key(), &[4; 32]).unwrap();
    state.sent(&transaction, Some(&key())).unwrap();
    let spendable = state.account().balance(&spec);
    let address = Address::from_bytes([9; 32]);
    assert_ne!(state.receive_address(), Some(address));

    state.go_back(None);
    state.take_proven(mark(0), &[], Some(&key())).unwrap();
    assert_eq!(state.outbox().payments().len(), 2, "their coin has not come yet");
    assert_eq!(draft_payment(&state, &spec, &order(1)), Err(DraftError::LookedFor));
    let coin = funded();
    let coin = coin.ledger().coins().next().unwrap();
    let lock = Lock::Address(coin.address);
    let outputs = [TxOut { amount: coin.amount, lock }];
    let paid = TxEffects::of_coinbase(Txid::from_bytes([1; 32]), &outputs);
    state.take_proven(mark(1), &[paid], Some(&key())).unwrap();
    for height in 2..=20 {
        state.take_proven(mark(height), &[], Some(&key())).unwrap();
    }
    assert_eq!((state.outbox().payments().len(), state.account().balance(&spec)), (2, spendable));
    assert!(!state.is_looked_for());

    // Where the coin does not come back, neither do the payments.
    state.go_back(None);
    state.take_proven(mark(20), &[], Some(&key())).unwrap();
    assert_eq!(state.outbox().payments().len(), 0);
}

#[test]
fn a_replacement_says_which_payments_go_with_it() {
    let (mut state, spec) = (funded(), ChainSpec::dev());
    let first = paid(&state, 100_000_000).sign(&key(), &[3; 32]).unwrap();
    state.sent(&first, Some(&key())).unwrap();
    for quanta in [50_000_000, 25_000_000] {
        let later = paid(&state, quanta).sign(&key(), &[4; 32]).unwrap();
        state.sent(&later, Some(&key())).unwrap();
    }
    let fee_rate = FeeRate::from_quanta_per_1000_bytes(20_000);
    let replacement = Replacement { takes_back: false, fee_rate, dependent_fees: Amount::ZERO };
    let (effect, _) = draft_replacement(&state, &spec, &first.txid(), replacement).unwrap();
    assert_eq!((effect.drops, effect.dropped.quanta()), (2, 75_000_000));
}

#[test]
fn what_waits_at_a_node_is_believed_only_if_it_is_signed() {
    let (mut state, spec) = (funded(), ChainSpec::dev());
    let before = state.account().balance(&spec);
    let signed = paid(&state, 100_000_000).sign(&key(), &[3; 32]).unwrap();
    let mut forged = signed.clone();
    forged.body.outputs.pop();
    assert_eq!(state.seen(&forged, &spec, Some(&key())), Ok(false));
    assert_eq!(state.account().balance(&spec), before);
    // Sent from elsewhere with the same words: it stays until it expires, whatever the node says.
    assert_eq!(state.seen(&signed, &spec, Some(&key())), Ok(true));
    assert_ne!(state.account().balance(&spec), before);
    state.gone(&signed.txid());
    assert!(state.waiting_of_others().is_empty() && state.ledger().entry(&signed.txid()).is_some());
}

#[test]
fn what_others_pay_is_forgotten_when_the_node_has_it_no_more() {
    let (mut state, spec) = (funded(), ChainSpec::dev());
    let before = state.account().balance(&spec);
    let mut gift = paid(&state, 100_000_000).sign(&key(), &[3; 32]).unwrap();
    gift.body.inputs = vec![OutPoint { txid: Txid::from_bytes([8; 32]), index: 0 }];
    gift.body.outputs =
        vec![TxOut { lock: Lock::Address(state.receive_address().unwrap()), ..gift.body.outputs[0].clone() }];
    assert_eq!(state.seen(&gift, &spec, Some(&key())), Ok(true));
    assert_eq!(state.waiting_of_others(), [gift.txid()]);
    state.gone(&gift.txid());
    assert_eq!(state.account().balance(&spec), before);
}

#[test]
fn what_the_account_has_paid_is_not_overruled_by_a_node() {
    let (mut state, spec) = (funded(), ChainSpec::dev());
    let original = paid(&state, 100_000_000).sign(&key(), &[3; 32]).unwrap();
    state.sent(&original, Some(&key())).unwrap();
    let fee_rate = FeeRate::from_quanta_per_1000_bytes(20_000);
    let replacement = Replacement { takes_back: true, fee_rate, dependent_fees: Amount::ZERO };
    let (_, back) = draft_replacement(&state, &spec, &original.txid(), replacement).unwrap();
    let back = back.sign(&key(), &[4; 32]).unwrap();
    state.sent(&back, Some(&key())).unwrap();
    // The node still announces what was replaced.
    assert_eq!(state.seen(&original, &spec, Some(&key())), Ok(false));
    assert!(can_replace(&state, &back.txid()) && state.ledger().entry(&original.txid()).is_none());

    // While the account is looked for, nothing is known to be its own, and nothing is believed.
    state.looks_up_to(Height(30));
    state.go_back(None);
    let mut forged = original.clone();
    forged.body.outputs[0].lock = Lock::Address(state.receive_address().unwrap());
    assert_eq!(state.seen(&forged, &spec, Some(&key())), Ok(false));
    assert_eq!(state.outbox().payments(), [back]);
    // The tip from where it goes on is what it looks up to, also where an earlier one was higher.
    state.looks_up_to(Height(2));
    state.take(mark(2), &[], None).unwrap();
    assert!(!state.is_looked_for() && state.outbox().payments().is_empty());
}

#[test]
fn what_expires_or_is_replaced_stays_in_the_history_with_its_reason() {
    let (mut state, spec) = (funded(), ChainSpec::dev());
    let payment = paid(&state, 100_000_000).sign(&key(), &[3; 32]).unwrap();
    state.sent(&payment, Some(&key())).unwrap();
    let fee_rate = FeeRate::from_quanta_per_1000_bytes(20_000);
    let replacement = Replacement { takes_back: true, fee_rate, dependent_fees: Amount::ZERO };
    let (_, back) = draft_replacement(&state, &spec, &payment.txid(), replacement).unwrap();
    let back = back.sign(&key(), &[4; 32]).unwrap();
    state.sent(&back, Some(&key())).unwrap();
    let lines = |state: &AccountState| state.history().map(|(entry, why)| (entry.txid, why)).collect::<Vec<_>>();
    let (replaced, first) = ((payment.txid(), Some(Why::ReplacedBy(back.txid()))), (Txid::from_bytes([1; 32]), None));
    assert_eq!(lines(&state), [(back.txid(), None), replaced, first]);

    // Nobody takes the second: the first one waits again, and then neither is mined in time.
    state.forget(&back.txid());
    assert!(state.sent_again(&payment, Some(&key())));
    assert_eq!(lines(&state), [(payment.txid(), None), first]);
    state.take(mark(payment.body.expiry_height.0), &[], None).unwrap();
    assert_eq!(lines(&state), [(payment.txid(), Some(Why::Expired)), first]);
    assert_eq!(AccountState::from_bytes(&state.to_bytes(), &spec, &key()), Some(state.clone()));
    // Looking for the account anew does not bring it back.
    state.go_back(None);
    state.take(mark(200), &[], None).unwrap();
    assert_eq!(lines(&state), [(payment.txid(), Some(Why::Expired))]);
}

#[test]
fn what_was_kept_before_there_were_departed_ones_is_read() {
    let (state, spec) = (funded(), ChainSpec::dev());
    let bytes = state.to_bytes();
    let (last, before) = bytes.split_last().unwrap();
    assert_eq!((*last, AccountState::from_bytes(before, &spec, &key())), (0, Some(state)));
    assert_eq!(AccountState::from_bytes(&before[1..], &spec, &key()), None);
}
