//! Tests of coin selection: by hand, against the naive way, and against trying everything.

use alloc::collections::BTreeSet;
use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::hash::Txid;
use crate::lock::Lock;
use crate::testing::test;
use crate::tx::TxOut;
use crate::units::Height;
use crate::wallet::size::{address_output_bytes, input_bytes};

/// About an ML-DSA-87 witness.
const WITNESS: u64 = 7_229;
const TX_MAX: u64 = 1 << 20;

fn quanta(quanta: u64) -> Amount {
    Amount::from_quanta(quanta).unwrap()
}

fn rate(quanta: u64) -> FeeRate {
    FeeRate::from_quanta_per_1000_bytes(quanta)
}

/// Groups with coins of these amounts; each coin's outpoint tells its group and place.
fn groups(amounts: &[Vec<u64>], witness_bytes: u64) -> Vec<CoinGroup> {
    let group = |(number, amounts): (usize, &Vec<u64>)| CoinGroup {
        address: Address::from_bytes([u8::try_from(number).unwrap(); 32]),
        witness_bytes,
        coins: (0..)
            .zip(amounts)
            .map(|(index, amount)| Candidate {
                outpoint: OutPoint { txid: Txid::from_bytes([u8::try_from(number).unwrap(); 32]), index },
                amount: quanta(*amount),
                is_mandatory: false,
            })
            .collect(),
    };
    amounts.iter().enumerate().map(group).collect()
}

fn payment(target: u64) -> TxShape {
    let output = TxOut { amount: quanta(target), lock: Lock::Address(Address::from_bytes([0xaa; 32])) };
    TxShape::new(&[output], Height::GENESIS, Height(1_000))
}

fn request(groups: &[CoinGroup], target: u64, fee_rate: FeeRate) -> SelectionRequest<'_> {
    SelectionRequest {
        target: quanta(target),
        base: payment(target),
        fee: FeeRule::of_rate(fee_rate),
        change_spend_fee: fee_rate.fee(WITNESS + 33).unwrap(),
        change_min: Amount::ZERO,
        bytes_max: TX_MAX,
        groups,
        immature: quanta(11),
        pending: quanta(12),
    }
}

/// Size, counted from the selection alone.
fn size_of(request: &SelectionRequest<'_>, coins: &[OutPoint], change: Option<Amount>) -> u64 {
    let mut shape = coins.iter().fold(request.base, |shape, outpoint| shape.with_input(input_bytes(outpoint)));
    for group in request.groups {
        if group.coins.iter().any(|coin| coins.contains(&coin.outpoint)) {
            shape = shape.with_witness(group.witness_bytes);
        }
    }
    change.map_or(shape, |change| shape.with_output(address_output_bytes(change.quanta()))).bytes()
}

/// Everything that a selection promises.
fn check(request: &SelectionRequest<'_>, selection: &Selection) {
    let unique: BTreeSet<_> = selection.coins.iter().collect();
    assert_eq!(unique.len(), selection.coins.len(), "no coin twice");
    let all = request.groups.iter().flat_map(|group| &group.coins);
    let chosen = all.clone().filter(|coin| unique.contains(&coin.outpoint));
    assert_eq!(chosen.clone().count(), unique.len(), "only coins that are there");
    assert_eq!(Amount::checked_sum(chosen.map(|coin| coin.amount)), Some(selection.amount));
    assert!(all.filter(|coin| coin.is_mandatory).all(|coin| unique.contains(&coin.outpoint)), "the mandatory ones");
    let change = selection.change.unwrap_or(Amount::ZERO);
    let paid = Amount::checked_sum([request.target, change, selection.fee]);
    assert_eq!(paid, Some(selection.amount), "in is out");
    assert_eq!(selection.size_bytes, size_of(request, &selection.coins, selection.change), "the size is exact");
    assert!(selection.fee >= request.fee.fee(selection.size_bytes).unwrap(), "the fee is reached");
    assert!(selection.size_bytes <= request.bytes_max, "the size is allowed");
    assert!(selection.change.is_none_or(|change| change > request.change_spend_fee), "no dust");
    assert!(selection.change.is_none_or(|change| change >= request.change_min), "change that is relayed");
}

fn cost(request: &SelectionRequest<'_>, fee: Amount, change: Option<Amount>) -> u64 {
    fee.quanta() + change.map_or(0, |_| request.change_spend_fee.quanta())
}

/// The cheapest way to spend exactly these coins; written without the module's own arithmetic.
fn cost_of(request: &SelectionRequest<'_>, coins: &[Candidate]) -> Option<u64> {
    let sum: u64 = coins.iter().map(|coin| coin.amount.quanta()).sum();
    let outpoints: Vec<_> = coins.iter().map(|coin| coin.outpoint).collect();
    let left = sum.checked_sub(request.target.quanta())?;
    let fee = |change| request.fee.fee(size_of(request, &outpoints, change)).unwrap().quanta();
    if outpoints.is_empty() || fee(None) > left {
        return None;
    }
    // The greatest change that pays its own fee lies at most a few quanta below this one.
    let about = left.saturating_sub(fee(Some(Amount::ZERO)));
    let fits = |change: &u64| *change <= left && fee(Some(quanta(*change))) <= left - change;
    let change = (about.saturating_sub(64)..=about).rev().find(fits).map(quanta);
    let change = change.filter(|change| *change > request.change_spend_fee);
    Some(cost(request, quanta(left - change.unwrap_or(Amount::ZERO).quanta()), change))
}

/// Largest coin first, whatever its address, until it is enough.
fn naive_cost(request: &SelectionRequest<'_>) -> Option<u64> {
    let mut all: Vec<_> = request.groups.iter().flat_map(|group| group.coins.clone()).collect();
    all.sort_by_key(|coin| (core::cmp::Reverse(coin.amount), coin.outpoint));
    (1..=all.len()).find_map(|count| cost_of(request, &all[..count]))
}

#[test]
fn many_coins_of_one_address_beat_two_addresses() {
    // Largest first would open addresses 0 and 1; address 2 alone has enough, in twenty coins.
    let groups = groups(&[vec![600_000], vec![600_000], vec![60_000; 20]], WITNESS);
    let request = request(&groups, 1_000_000, rate(10_000));
    let selection = select(&request).unwrap();
    check(&request, &selection);
    assert!(selection.coins.iter().all(|coin| coin.txid == Txid::from_bytes([2; 32])));
    let naive = naive_cost(&request).unwrap();
    assert!(cost(&request, selection.fee, selection.change) + 60_000 < naive);
}

#[test]
fn coins_that_need_no_change_are_found() {
    let fee_rate = rate(1_000);
    // One address, one of whose subsets comes to just target and fee.
    let exact = fee_rate.fee(WITNESS + 120).unwrap().quanta();
    let groups = groups(&[vec![900_000, 700_001, 350_000, 299_999 + exact, 111_111]], WITNESS);
    let request = request(&groups, 1_000_000, fee_rate);
    let selection = select(&request).unwrap();
    check(&request, &selection);
    assert_eq!((selection.change, selection.coins.len()), (None, 2));
    assert_eq!(selection.amount, quanta(700_001 + 299_999 + exact));
}

#[test]
fn an_address_is_emptied_where_that_costs_almost_nothing() {
    // 7,229 / 16 bytes are room for 13 more inputs of 33 bytes.
    for (small, expected) in [(13, 14), (14, 1)] {
        let mut amounts = vec![10_000_000];
        amounts.extend(vec![5_000; small]);
        let groups = groups(&[amounts], WITNESS);
        let request = request(&groups, 1_000_000, rate(1_000));
        let selection = select(&request).unwrap();
        check(&request, &selection);
        assert_eq!(selection.coins.len(), expected);
    }
    // Coins that are worth less than their own input stay where they are.
    let groups = groups(&[vec![10_000_000, 32, 32]], WITNESS);
    let request = request(&groups, 1_000_000, rate(1_000));
    assert_eq!(select(&request).unwrap().coins.len(), 1);
}

#[test]
fn change_that_is_worth_nothing_goes_to_the_miner() {
    let fee_rate = rate(1_000);
    let spend_fee = fee_rate.fee(WITNESS + 33).unwrap().quanta();
    let with_left = |left: u64| {
        let without = |amounts: u64| groups(&[vec![amounts]], WITNESS);
        let probe = without(1_020_000);
        let size = select(&request(&probe, 1_000_000, fee_rate)).unwrap().size_bytes;
        let fee = fee_rate.fee(size).unwrap().quanta();
        let groups = without(1_000_000 + fee + left);
        select(&request(&groups, 1_000_000, fee_rate)).unwrap()
    };
    assert_eq!(with_left(spend_fee + 1).change, Some(quanta(spend_fee + 1)));
    let without = with_left(spend_fee);
    assert_eq!(without.change, None);
}

#[test]
fn what_is_short_is_said() {
    let groups = groups(&[vec![500_000], vec![300_000, 1], vec![5_000]], WITNESS);
    let too_much = request(&groups, 1_000_000, rate(1_000));
    // The third address is worth less than its witness, the coin of one quantum less than its input.
    let size = size_of(&too_much, &[groups[0].coins[0].outpoint, groups[1].coins[0].outpoint], None);
    let needed = quanta(1_000_000).checked_add(rate(1_000).fee(size).unwrap()).unwrap();
    let expected =
        SelectionError::Insufficient { needed, available: quanta(800_000), immature: quanta(11), pending: quanta(12) };
    assert_eq!(select(&too_much), Err(expected));
    assert!(
        matches!(select(&request(&[], 1, rate(0))), Err(SelectionError::Insufficient { available, .. }) if available == Amount::ZERO)
    );
    // One quantum more than can be paid, and just what can be.
    let can_pay = 800_000 - rate(1_000).fee(size).unwrap().quanta();
    assert!(select(&request(&groups, can_pay, rate(1_000))).is_ok());
    assert!(select(&request(&groups, can_pay + 1, rate(1_000))).is_err());
}

#[test]
fn a_payment_that_needs_too_many_addresses_is_refused() {
    let groups = groups(&vec![vec![100_000]; 100], WITNESS);
    let small = SelectionRequest { bytes_max: 100_000, ..request(&groups, 1_200_000, rate(1)) };
    check(&small, &select(&small).unwrap());
    let large = SelectionRequest { bytes_max: 100_000, ..request(&groups, 1_400_000, rate(1)) };
    assert!(matches!(select(&large), Err(SelectionError::TooLarge { found: 100_001.., limit: 100_000 })));
    assert!(matches!(select_all(&large), Err(SelectionError::TooLarge { found: 700_000.., limit: 100_000 })));
}

#[test]
fn everything_worth_spending_is_spent_at_once() {
    let groups = groups(&[vec![500_000], vec![300_000, 1], vec![5_000]], WITNESS);
    let request = SelectionRequest {
        target: Amount::ZERO,
        base: TxShape::new(&[], Height::GENESIS, Height::GENESIS),
        change_spend_fee: Amount::ZERO,
        change_min: Amount::ZERO,
        ..request(&groups, 0, rate(1_000))
    };
    let selection = select_all(&request).unwrap();
    check(&request, &selection);
    assert_eq!((selection.amount, selection.coins.len()), (quanta(800_000), 2));
    assert_eq!(selection.change, quanta(800_000).checked_sub(selection.fee));
}

#[test]
fn change_below_the_least_is_left_to_the_miner() {
    let groups = groups(&[vec![1_000_000]], WITNESS);
    let request = |change_min| SelectionRequest { change_min, ..request(&groups, 900_000, rate(1_000)) };
    let change = select(&request(Amount::ZERO)).unwrap().change.unwrap();
    let least = select(&request(change)).unwrap();
    assert_eq!(least.change, Some(change));
    let more = request(change.checked_add(quanta(1)).unwrap());
    let selection = select(&more).unwrap();
    check(&more, &selection);
    assert_eq!((selection.change, selection.fee), (None, quanta(100_000)));
}

#[test]
fn mandatory_coins_are_spent_even_at_a_loss() {
    let mut groups = groups(&[vec![1_000, 900_000], vec![2_000_000]], WITNESS);
    groups[0].coins[0].is_mandatory = true;
    let request = request(&groups, 500_000, rate(1_000));
    let selection = select(&request).unwrap();
    check(&request, &selection);
    // Their address is open, so its other coin is the cheap one.
    assert_eq!(selection.coins.len(), 2);
    assert!(selection.coins.iter().all(|coin| coin.txid == Txid::ZERO));
}

#[test]
fn a_replacement_pays_for_what_it_replaces() {
    let fee = FeeRule { rate: rate(1_000), replaced: quanta(50_000), increment: rate(1_000) };
    assert_eq!(fee.fee(7_000), Some(quanta(57_000)));
    assert_eq!(FeeRule { rate: rate(9_000), ..fee }.fee(7_000), Some(quanta(63_000)));
    let groups = groups(&[vec![2_000_000]], WITNESS);
    let request = SelectionRequest { fee, ..request(&groups, 1_000_000, rate(1_000)) };
    let selection = select(&request).unwrap();
    check(&request, &selection);
    assert_eq!(selection.fee, fee.fee(selection.size_bytes).unwrap());
}

#[test]
fn the_order_of_the_coins_does_not_matter() {
    let amounts = [vec![70_000, 80_000, 70_000], vec![90_000; 3], vec![90_000, 85_000, 95_000], vec![400_000]];
    let mut groups = groups(&amounts, 1_000);
    let target = 230_000;
    let first = select(&request(&groups, target, rate(1_000))).unwrap();
    groups.reverse();
    groups.iter_mut().for_each(|group| group.coins.reverse());
    assert_eq!(select(&request(&groups, target, rate(1_000))), Ok(first));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    fn promises_are_kept(
        amounts in prop::collection::vec(prop::collection::vec(1_u64..1_000_000, 1..5), 1..12),
        witness in prop_oneof![Just(WITNESS), 100_u64..20_000],
        target in 1_u64..3_000_000,
        fee_rate in prop_oneof![Just(0_u64), 1_u64..20_000],
    ) {
        let groups = groups(&amounts, witness);
        let request = request(&groups, target, rate(fee_rate));
        match (select(&request), naive_cost(&request)) {
            (Ok(selection), naive) => {
                check(&request, &selection);
                // Emptying addresses may cost a part in sixteen of the fee; but for that, nothing costs more than the naive way.
                let swept = selection.fee.quanta() / SWEEP_DIVISOR + 1;
                let bound = naive.map(|naive| naive + swept);
                prop_assert!(bound.is_none_or(|bound| cost(&request, selection.fee, selection.change) <= bound));
            }
            (Err(SelectionError::Insufficient { needed, available, .. }), None) => prop_assert!(needed > available),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    fn as_well_as_by_trying_everything(
        amounts in prop::collection::vec(prop::collection::vec(1_u64..60_000, 1..4), 1..4),
        target in 1_u64..120_000,
        fee_rate in 0_u64..4_000,
    ) {
        let groups = groups(&amounts, 1_500);
        let request = request(&groups, target, rate(fee_rate));
        let all: Vec<_> = groups.iter().flat_map(|group| group.coins.clone()).collect();
        let subset = |mask: u32| {
            let of_mask = all.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1);
            of_mask.map(|(_, coin)| *coin).collect::<Vec<_>>()
        };
        let least = (1..1_u32 << all.len()).filter_map(|mask| cost_of(&request, &subset(mask))).min();
        match (select(&request), least) {
            (Ok(selection), Some(least)) => {
                check(&request, &selection);
                let found = cost(&request, selection.fee, selection.change);
                prop_assert!(found >= least, "trying everything misses nothing");
                let sweep = selection.fee.quanta() / SWEEP_DIVISOR + 1;
                prop_assert!(found <= least + sweep, "found {found}, least {least}");
            }
            (Err(SelectionError::Insufficient { .. }), None) => {}
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

#[test]
fn promises_are_kept_whatever_the_coins() {
    promises_are_kept();
}

#[test]
fn few_coins_are_selected_as_well_as_can_be() {
    as_well_as_by_trying_everything();
}
