//! The search for coins that pay a target without change: depth first, cut where nothing can come of it (Murch, "An evaluation
//! of coin selection strategies", 2016), with the cost of an address charged to the first of its coins.

use alloc::vec;
use alloc::vec::Vec;

use super::EXACT_TRIES_MAX;
use super::pick::{Pick, Pool};

/// The cheapest choice without change that [`EXACT_TRIES_MAX`] steps find.
///
/// Each coin, in the pool's order, is first taken and then left out. Values are in thousandths of a quantum, fees for all bytes but
/// the few by which counts grow; each find is then measured exactly.
pub(super) fn search<'a>(pool: &'a Pool<'a>) -> Option<Pick<'a>> {
    let request = pool.request();
    let rate = i128::from(request.fee.rate.quanta_per_1000_bytes());
    let mut pick = pool.start();
    // What mandatory coins bring is there before the search begins.
    let least = i128::from(request.target.quanta()) * 1_000 + rate * i128::from(request.base.bytes());
    let most = least + i128::from(request.change_spend_fee.quanta()) * 1_000 + rate * CHANGE_BYTES;
    let free: Vec<usize> = pool.by_group().filter(|at| !pick.has(*at)).collect();
    let mut value = pick_value(pool, &pick);
    // What all coins from a place on would bring at most.
    let mut ahead = vec![0; free.len() + 1];
    for (place, at) in free.iter().enumerate().rev() {
        ahead[place] = ahead[place + 1] + pool.coins()[*at].value;
    }

    let mut best: Option<(u128, Pick<'a>)> = None;
    let mut taken: Vec<usize> = Vec::new();
    let mut place = 0;
    for _ in 0..EXACT_TRIES_MAX {
        let is_hopeless = value > most || value + ahead[place] < least;
        if !is_hopeless && value < least {
            // Short of the target, and something is ahead: take the next.
            value += gain(pool, &pick, free[place]);
            pick.add(free[place]);
            taken.push(place);
            place += 1;
            continue;
        }
        if !is_hopeless
            && let Some(outcome) = pick.outcome().filter(|outcome| outcome.change.is_none())
            && best.as_ref().is_none_or(|(cost, _)| outcome.cost < *cost)
        {
            best = Some((outcome.cost, pick.clone()));
        }
        // Back to the last one taken, and on without it, and without those just like it.
        let Some(last) = taken.pop() else { break };
        pick.remove(free[last]);
        value -= gain(pool, &pick, free[last]);
        let is_like = |other: &usize| {
            let (one, other) = (&pool.coins()[free[last]], &pool.coins()[*other]);
            (one.group, one.value) == (other.group, other.value)
        };
        place = last + free[last..].iter().take_while(|at| is_like(at)).count();
    }
    best.map(|(_, pick)| pick)
}

/// The length of an output for change, as good as exactly.
const CHANGE_BYTES: i128 = 40;

/// What adding a coin brings.
fn gain(pool: &Pool<'_>, pick: &Pick<'_>, at: usize) -> i128 {
    let coin = &pool.coins()[at];
    if pick.is_open(coin.group) { coin.value } else { coin.value - pool.witness_cost(coin.group) }
}

/// What the coins of a pick bring.
fn pick_value(pool: &Pool<'_>, pick: &Pick<'_>) -> i128 {
    let coins: i128 = pool.by_group().filter(|at| pick.has(*at)).map(|at| pool.coins()[at].value).sum();
    let open = (0..pool.group_count()).filter(|group| pick.is_open(*group));
    coins - open.map(|group| pool.witness_cost(group)).sum::<i128>()
}
