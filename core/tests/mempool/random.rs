//! Random sequences of everything that can happen to a pool: its invariants hold after each step, its templates are valid blocks, and two
//! pools that live through the same are the same.

use std::sync::Arc;

use proptest::prelude::*;
use qbtc_core::mempool::{AdmitError, Policy, RemovalReason};
use qbtc_core::tx::OutPoint;
use qbtc_core::units::Height;
use qbtc_core::utxo::CoinView;
use qbtc_core::verify::CheckedTx;

use super::invariants;
use super::world::{COIN, Owner, Payment, World, coin, output};
use crate::support::test;

/// How many of the first coins the sequences use: few, so that they collide.
const USED: u32 = 30;

#[derive(Clone, Debug)]
enum Step {
    /// A payment of some coins, made at the tip or in the pool, that may be spent already.
    Submit { inputs: Vec<u16>, outputs: u8, fee: u32, expires_in: Option<u32> },
    /// A block of the pool's template.
    Mine,
    /// A block of some of the transactions that were ever made, whether the pool holds them or not.
    MineOther { wanted: Vec<u16> },
    /// The tip is taken back by some blocks, and perhaps others come in their place.
    Reorganize { depth: u8, connect: u8, wanted: Vec<u16> },
    /// One of the transactions that were ever made is valued otherwise.
    Prioritise { wanted: u16, fee_delta: i64 },
    /// Time passes.
    Wait { seconds: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wanted = || proptest::collection::vec(any::<u16>(), 0..4);
    let submit = (
        proptest::collection::vec(any::<u16>(), 1..4),
        1..4_u8,
        prop_oneof![1 => 0..300_u32, 4 => 300..30_000_u32],
        proptest::option::weighted(0.2, 0..4_u32),
    );
    let submit =
        submit.prop_map(|(inputs, outputs, fee, expires_in)| Step::Submit { inputs, outputs, fee, expires_in });
    let step = prop_oneof![
        12 => submit,
        1 => Just(Step::Mine),
        1 => wanted().prop_map(|wanted| Step::MineOther { wanted }),
        1 => (1..4_u8, 0..3_u8, wanted()).prop_map(|(depth, connect, wanted)| Step::Reorganize { depth, connect, wanted }),
        2 => (any::<u16>(), -20_000..20_000_i64).prop_map(|(wanted, fee_delta)| Step::Prioritise { wanted, fee_delta }),
        1 => (0..2_000_u32).prop_map(|seconds| Step::Wait { seconds }),
    ];
    proptest::collection::vec(step, 40..120)
}

/// A small pool with tight limits, so that all of them are met.
fn policy() -> Policy {
    Policy {
        ancestors_max: 5,
        ancestor_bytes_max: 1_500,
        descendants_max: 5,
        descendant_bytes_max: 1_500,
        pool_bytes_max: 24_000,
        replaced_max: 6,
        age_max_s: 1_500,
        dust_fee_rate: Default::default(),
        ..Policy::default()
    }
}

/// What happened in a run, so that the run shows that it met what it is for.
#[derive(Default, Debug)]
struct Seen {
    taken: u32,
    replaced: u32,
    evicted: u32,
    conflicts: u32,
    mined: u32,
    expired: u32,
    too_old: u32,
    invalid: u32,
}

struct Run {
    world: World,
    /// Every transaction ever made.
    made: Vec<Arc<CheckedTx>>,
    seen: Seen,
}

impl Run {
    fn step(&mut self, step: &Step) {
        let removed = match step {
            Step::Submit { inputs, outputs, fee, expires_in } => {
                let Some(tx) = self.payment(inputs, *outputs, *fee, *expires_in) else { return };
                self.made.push(Arc::clone(&tx));
                let before = self.world.pool.revision();
                match self.world.submit(&tx) {
                    Ok(removed) => {
                        self.seen.taken += 1;
                        assert!(self.world.contains(&tx));
                        removed
                    }
                    Err(error) => {
                        assert!(!matches!(error, AdmitError::TipMoved | AdmitError::ParentLeft { .. }));
                        assert_eq!(self.world.pool.revision(), before, "{error}");
                        assert!(!error.is_senders_fault(), "{error}");
                        vec![]
                    }
                }
            }
            Step::Mine => self.world.mine(),
            Step::MineOther { wanted } => {
                let block = self.world.block_of(&self.valid(&self.world, wanted));
                self.world.connect(block)
            }
            Step::Reorganize { depth, connect, wanted } => {
                let depth = usize::from(*depth).min(self.world.blocks.len());
                let made = std::mem::take(&mut self.made);
                let removed = self.world.reorganize(depth, |fork| {
                    let mut fork = fork.clone();
                    let mut blocks = Vec::new();
                    for _ in 0..*connect {
                        let block = fork.block_of(&valid(&made, &fork, wanted));
                        fork.connect(block.clone());
                        blocks.push(block);
                    }
                    blocks
                });
                self.made = made;
                removed
            }
            Step::Prioritise { wanted, fee_delta } => {
                if let Some(tx) = self.made.get(usize::from(*wanted) % self.made.len().max(1)) {
                    self.world.pool.prioritise(tx.txid(), *fee_delta).unwrap();
                }
                vec![]
            }
            Step::Wait { seconds } => {
                self.world.now = self.world.now.saturating_add(*seconds);
                self.world.pool.expire(self.world.now)
            }
        };
        for removal in removed {
            assert!(!self.world.contains(&removal.tx));
            *match removal.reason {
                RemovalReason::Mined { .. } => &mut self.seen.mined,
                RemovalReason::Conflict { .. } => &mut self.seen.conflicts,
                RemovalReason::Replaced { .. } => &mut self.seen.replaced,
                RemovalReason::Expired { .. } => &mut self.seen.expired,
                RemovalReason::TooOld => &mut self.seen.too_old,
                RemovalReason::Evicted => &mut self.seen.evicted,
                RemovalReason::Invalid(_) | RemovalReason::Relatives(_) => &mut self.seen.invalid,
                RemovalReason::Signature(error) => panic!("{error}"),
            } += 1;
        }
    }

    /// A payment of coins that exist somewhere: numbers choose among the first ones and the outputs of what was ever made.
    fn payment(&self, inputs: &[u16], outputs: u8, fee: u32, expires_in: Option<u32>) -> Option<Arc<CheckedTx>> {
        let mut payment = Payment::new();
        let mut total = 0;
        for number in inputs {
            let (outpoint, owner, amount) = self.choose(*number)?;
            if !payment.body.inputs.contains(&outpoint) {
                payment = payment.from(outpoint, &owner);
                total += amount;
            }
        }
        let rest = total.checked_sub(fee.into())?;
        for part in 0..outputs {
            // The owner's number stands in the order of the outputs, so that whoever spends one can tell whose it is.
            payment = payment.to(&Owner::new(part.into()), rest / u64::from(outputs));
        }
        payment.body.expiry_height = expires_in.map_or(Height(0), |blocks| Height(self.world.pool.height().0 + blocks));
        Some(payment.build())
    }

    /// One of the coins at the tip and in the pool, spent in the pool or not; those made last more often.
    fn choose(&self, number: u16) -> Option<(OutPoint, Owner, u64)> {
        let first = (0..USED).map(|number| (coin(number), Owner::new(number), COIN));
        let made = self.made.iter().flat_map(|tx| {
            let outputs = tx.body().outputs.iter().zip(0..);
            outputs.map(|(made, index)| (output(tx, index), Owner::new(index), made.amount.quanta()))
        });
        let exists = |(outpoint, ..): &(OutPoint, Owner, u64)| {
            let Ok(at_tip) = self.world.coins.coin(outpoint);
            at_tip.is_some() || self.world.pool.entry(&outpoint.txid).is_some()
        };
        let mut all: Vec<_> = first.chain(made).filter(exists).collect();
        let range = if number.is_multiple_of(3) { all.len() } else { all.len().min(10) };
        let place = all.len().checked_sub(1)? - usize::from(number / 3) % range.max(1);
        (place < all.len()).then(|| all.swap_remove(place))
    }

    fn valid(&self, world: &World, wanted: &[u16]) -> Vec<Arc<CheckedTx>> {
        valid(&self.made, world, wanted)
    }
}

/// Those of the wanted transactions that a block at the tip may hold, one after the other.
fn valid(made: &[Arc<CheckedTx>], world: &World, wanted: &[u16]) -> Vec<Arc<CheckedTx>> {
    let mut chosen: Vec<Arc<CheckedTx>> = Vec::new();
    for number in wanted {
        let Some(tx) = made.get(usize::from(*number) % made.len().max(1)) else { continue };
        let height = world.pool.height();
        let expiry = tx.body().expiry_height;
        let is_free = |outpoint: &OutPoint| {
            let Ok(coin) = world.coins.coin(outpoint);
            let is_taken = chosen.iter().any(|other| other.body().inputs.contains(outpoint));
            coin.is_some() && !is_taken
        };
        if (expiry == Height(0) || expiry >= height) && tx.body().inputs.iter().all(is_free) {
            chosen.push(Arc::clone(tx));
        }
    }
    chosen
}

fn run(steps: &[Step]) -> Run {
    let mut run = Run { world: World::with(policy()), made: Vec::new(), seen: Seen::default() };
    for (number, step) in steps.iter().enumerate() {
        run.step(step);
        invariants::check(&run.world);
        if number % 8 == 0 {
            invariants::check_template(&run.world);
        }
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn invariants_hold_whatever_happens(steps in steps()) {
        let (one, other) = (run(&steps), run(&steps));
        let order = |run: &Run| run.world.pool.entries().map(|entry| (entry.sequence(), entry.wtxid())).collect::<Vec<_>>();
        prop_assert_eq!(order(&one), order(&other));
        let template = |run: &Run| run.world.template().transactions().iter().map(qbtc_core::mempool::TemplateTx::txid).collect::<Vec<_>>();
        prop_assert_eq!(template(&one), template(&other));
    }
}

/// One long run with a fixed seed meets everything that can happen.
#[test]
fn a_long_run_meets_everything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let mut all = Vec::new();
    while all.len() < 600 {
        all.extend(steps().new_tree(&mut runner).unwrap().current());
    }
    let seen = run(&all).seen;
    let Seen { taken, replaced, evicted, conflicts, mined, expired, too_old, invalid } = seen;
    let met = [taken, replaced, evicted, conflicts, mined, expired, too_old, invalid];
    assert!(met.iter().all(|count| *count > 0), "{seen:?}");
}
