//! Rules of policy about a transaction alone, each at its edge.

use qbtc_core::codec;
use qbtc_core::crypto::{Scheme, SecretKey};
use qbtc_core::lock::{Conditions, Proof, Witness};
use qbtc_core::mempool::{AdmitError, Policy, SPEND_BYTES};
use qbtc_core::units::{Amount, FeeRate};

use super::world::{COIN, Owner, Payment, World, coin, quanta, rate, simple};
use crate::support::test;

#[test]
fn size() {
    let tx = simple(1, 5_000);
    let size = tx.size_bytes();
    World::with(Policy { tx_bytes_max: size, ..Policy::default() }).add(&tx);
    let mut world = World::with(Policy { tx_bytes_max: size - 1, ..Policy::default() });
    assert_eq!(world.submit(&tx), Err(AdmitError::Size { found: size, limit: size - 1 }));
}

#[test]
fn dust() {
    let least = Policy::default().dust_min();
    let paying = |amount: Amount| {
        let owner = Owner::new(1);
        Payment::new().from(coin(1), &owner).to(&owner, COIN / 2).to(&owner, amount.quanta()).build()
    };
    let mut world = World::new();
    let below = quanta(least.quanta() - 1);
    let refused = AdmitError::Dust { index: 1, found: below, least };
    assert_eq!(world.submit(&paying(below)), Err(refused.clone()));
    assert!(!refused.is_senders_fault());
    world.add(&paying(least));
}

/// The cost of spending that dust is measured by is that of a real input with a real witness.
#[test]
fn dust_is_what_costs_more_to_spend() {
    let key = SecretKey::from_seed(Scheme::default(), &[1; 32]);
    let signature = key.sign(&[0; 32], &[0; 32]);
    let witness = Witness {
        conditions: Conditions::key(key.public_key().clone()),
        path: Default::default(),
        proofs: vec![Proof::Signature(signature)],
    };
    let bytes = codec::encoded_len(&coin(0)) + codec::encoded_len(&witness);
    assert_eq!(SPEND_BYTES, bytes as u64);
    assert_eq!(Policy::default().dust_min(), quanta(SPEND_BYTES));
    let free = Policy { dust_fee_rate: FeeRate::ZERO, ..Policy::default() };
    assert_eq!(free.dust_min(), Amount::ZERO);
}

#[test]
fn outputs_of_data() {
    let payment = Payment::new().from(coin(1), &Owner::new(1)).to(&Owner::new(1), COIN - 9_000).data(b"one");
    let mut world = World::new();
    let refused = AdmitError::DataOutputs { found: 2, limit: 1 };
    assert_eq!(world.submit(&payment.clone().data(b"two").build()), Err(refused));
    world.add(&payment.build());
}

#[test]
fn fee_rate() {
    let size = u64::from(simple(1, 5_000).size_bytes());
    let mut world = World::new();
    // One quantum a byte.
    let below = simple(1, size - 1);
    assert_eq!(u64::from(below.size_bytes()), size, "the fee does not change the size");
    let found = FeeRate::reached_by(quanta(size - 1), size).unwrap();
    assert_eq!(world.submit(&below), Err(AdmitError::FeeRate { found, least: rate(1_000) }));
    world.add(&simple(1, size));
    assert_eq!(world.pool.fee_rate_min(world.now), rate(1_000));
}

#[test]
fn defaults_fit_together() {
    let policy = Policy::default();
    assert!(u64::from(policy.tx_bytes_max) <= policy.ancestor_bytes_max.min(policy.descendant_bytes_max));
    assert!(policy.descendants_max <= policy.replaced_max);
    assert!(policy.ancestor_bytes_max < policy.pool_bytes_max);
    assert!(u64::from(policy.tx_bytes_max) > SPEND_BYTES);
}

/// As it stands in a node's configuration: what is left out keeps its default, what is unknown is refused.
#[test]
fn text() {
    let policy: Policy = toml::from_str("relay_fee_rate_min = 2_000\nage_max_s = 3_600").unwrap();
    let expected = Policy { relay_fee_rate_min: rate(2_000), age_max_s: 3_600, ..Policy::default() };
    assert_eq!(policy, expected);
    assert_eq!(toml::from_str::<Policy>(&toml::to_string(&expected).unwrap()).unwrap(), expected);
    assert!(toml::from_str::<Policy>("max_age_s = 3_600").is_err());
}
