//! The rules of a transaction in context, and of its witnesses: each with a case that just passes and one that just fails.

use std::sync::Arc;

use crate::support::{TestKey, body, pay, spec, test};
use qbtc_core::crypto::{CryptoError, PublicKey, Scheme, Signature, verify_serial};
use qbtc_core::hash::Txid;
use qbtc_core::lock::{Address, AddressTree, Condition, Conditions, IndexedSignature, Proof, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody};
use qbtc_core::units::{Amount, Height};
use qbtc_core::utxo::{Coin, MemoryCoins};
use qbtc_core::verify::{
    ResolveError, ResolvedTx, SpendError, VerifiedCache, WitnessError, check_transaction, resolve_transaction,
};

/// Names the test of each rule, so that a rule without one does not compile.
#[allow(dead_code, reason = "it is there to be compiled")]
const fn test_of(error: &SpendError) -> fn() {
    match error {
        SpendError::Locked { .. } => the_lock_height_is_reached,
        SpendError::Expired { .. } => the_expiry_height_is_not_passed,
        SpendError::MissingCoin { .. } => coins_exist,
        SpendError::Immature { .. } => coins_of_coinbases_are_mature,
        SpendError::AmountSum { .. } => coins_can_exist,
        SpendError::Overspent { .. } => inputs_are_at_least_outputs,
        SpendError::WitnessCount { .. } => there_is_one_witness_for_each_address,
        SpendError::Witness { error, .. } => match error {
            WitnessError::Address { .. } => a_witness_leads_to_its_address,
            WitnessError::ProofCount { .. } => there_is_one_proof_for_each_condition,
            WitnessError::ProofKind { .. } => proofs_are_of_their_conditions_kind,
            WitnessError::Scheme { .. } => schemes_are_allowed_from_their_height,
            WitnessError::SignatureCount { .. } => thresholds_have_as_many_signatures_as_required,
            WitnessError::SignatureOrder { .. } => threshold_signatures_rise,
            WitnessError::SignatureLength { .. } => signatures_have_their_schemes_length,
            WitnessError::PreimageLength { .. } => preimages_can_be_decoded,
            WitnessError::Preimage { .. } => preimages_have_the_digest,
            WitnessError::TooEarly { .. } => after_holds_from_its_height,
        },
    }
}

const HEIGHT: Height = Height(100);
const COIN: Amount = Amount::from_coins(10);

fn outpoint(index: u32) -> OutPoint {
    OutPoint { txid: Txid::from_bytes([3; 32]), index }
}

fn coin(address: Address) -> Coin {
    Coin { amount: COIN, address, height: Height(1), is_coinbase: false }
}

/// A body that spends the first `inputs` coins and leaves nothing to the miner.
fn spends(inputs: u32) -> TxBody {
    let amount = Amount::from_quanta(COIN.quanta() * u64::from(inputs)).unwrap();
    body((0..inputs).map(outpoint).collect(), vec![pay(Address::from_bytes([9; 32]), amount)])
}

fn resolve_at(
    transaction: Transaction,
    coins: &[Coin],
    height: Height,
    spec: &ChainSpec,
) -> Result<ResolvedTx, SpendError> {
    let coins: MemoryCoins = (0..).map(outpoint).zip(coins.iter().copied()).collect();
    let checked = Arc::new(check_transaction(transaction, spec.consensus()).unwrap());
    let resolved = resolve_transaction(&checked, height, &coins, &VerifiedCache::new(1), spec);
    resolved.map_err(|ResolveError::Invalid(error)| error)
}

/// Resolves, at a height, a key's signed spend of one coin of its own.
fn resolve_body(body: TxBody, coins: &[Coin], height: Height) -> Result<(), SpendError> {
    let spec = spec();
    let resolved = resolve_at(TestKey::new(0).sign(body, coins, &spec), coins, height, &spec)?;
    verify_serial(&resolved.jobs()).expect("signed by the owner");
    Ok(())
}

fn own() -> Coin {
    coin(TestKey::new(0).address())
}

#[test]
fn the_lock_height_is_reached() {
    let locked = TxBody { lock_height: HEIGHT, ..spends(1) };
    assert_eq!(resolve_body(locked.clone(), &[own()], HEIGHT), Ok(()));
    let error = SpendError::Locked { lock: HEIGHT, height: Height(99) };
    assert_eq!(resolve_body(locked, &[own()], Height(99)), Err(error));
}

#[test]
fn the_expiry_height_is_not_passed() {
    let expires = TxBody { expiry_height: HEIGHT, ..spends(1) };
    assert_eq!(resolve_body(expires.clone(), &[own()], HEIGHT), Ok(()));
    let error = SpendError::Expired { expiry: HEIGHT, height: Height(101) };
    assert_eq!(resolve_body(expires, &[own()], Height(101)), Err(error));
    assert_eq!(resolve_body(spends(1), &[own()], Height(u32::MAX)), Ok(()), "0 is no expiry");
}

#[test]
fn coins_exist() {
    assert_eq!(resolve_body(spends(2), &[own(), own()], HEIGHT), Ok(()));
    let error = SpendError::MissingCoin { outpoint: outpoint(1) };
    assert_eq!(resolve_body(spends(2), &[own()], HEIGHT), Err(error));
}

#[test]
fn coins_of_coinbases_are_mature() {
    let mined = Coin { is_coinbase: true, height: Height(97), ..own() };
    // Maturity is 3.
    assert_eq!(resolve_body(spends(1), &[mined], Height(100)), Ok(()));
    let error = SpendError::Immature { outpoint: outpoint(0), matures: Height(100), height: Height(99) };
    assert_eq!(resolve_body(spends(1), &[mined], Height(99)), Err(error));
    let paid = Coin { is_coinbase: false, ..mined };
    assert_eq!(resolve_body(spends(1), &[paid], Height(97)), Ok(()));
}

#[test]
fn coins_can_exist() {
    let limit = spec().consensus().supply_max;
    let rest = limit.checked_sub(COIN).unwrap();
    let rich = |amount| Coin { amount, ..own() };
    assert_eq!(resolve_body(spends(2), &[own(), rich(rest)], HEIGHT), Ok(()));
    let more = Amount::from_quanta(rest.quanta() + 1).unwrap();
    assert_eq!(resolve_body(spends(2), &[own(), rich(more)], HEIGHT), Err(SpendError::AmountSum { limit }));
}

#[test]
fn inputs_are_at_least_outputs() {
    let (spec, key) = (spec(), TestKey::new(0));
    let paying = |quanta| {
        let amount = Amount::from_quanta(quanta).unwrap();
        let body = body(vec![outpoint(0)], vec![pay(Address::from_bytes([9; 32]), amount)]);
        let resolved = resolve_at(key.sign(body, &[own()], &spec), &[own()], HEIGHT, &spec)?;
        Ok(resolved.fee().quanta())
    };
    assert_eq!(paying(COIN.quanta()), Ok(0));
    assert_eq!(paying(COIN.quanta() - 1), Ok(1));
    let outputs = Amount::from_quanta(COIN.quanta() + 1).unwrap();
    assert_eq!(paying(outputs.quanta()), Err(SpendError::Overspent { inputs: COIN, outputs }));
}

#[test]
fn there_is_one_witness_for_each_address() {
    let spec = spec();
    let (one, other) = (TestKey::new(0), TestKey::new(1));
    let coins = [coin(one.address()), coin(other.address()), coin(one.address())];
    let body = spends(3);
    let outputs: Vec<_> = coins.iter().map(Coin::to_output).collect();
    let message = body.sighash(&spec.chain_id(), &outputs);
    let (first, second) = (one.witness(&message), other.witness(&message));
    let with = |witnesses| resolve_at(Transaction { body: body.clone(), witnesses }, &coins, HEIGHT, &spec);

    // Three coins, two addresses: two witnesses, in the order of the addresses' first coins.
    let resolved = with(vec![first.clone(), second.clone()]).unwrap();
    assert_eq!(resolved.jobs().len(), 2);
    assert_eq!(verify_serial(&resolved.jobs()), Ok(()));
    let refused = |witnesses: Vec<Witness>| with(witnesses).unwrap_err();
    assert_eq!(refused(vec![first.clone()]), SpendError::WitnessCount { found: 1, expected: 2 });
    let three = vec![first.clone(), second.clone(), first.clone()];
    assert_eq!(refused(three), SpendError::WitnessCount { found: 3, expected: 2 });
    let error = WitnessError::Address { found: other.address(), expected: one.address() };
    assert_eq!(refused(vec![second, first]), SpendError::Witness { index: 0, error });
}

/// One coin of an address with these alternatives, spent by a witness that is made from the message.
struct Lockbox {
    spec: ChainSpec,
    tree: AddressTree,
}

impl Lockbox {
    fn new(alternatives: Vec<Vec<Condition>>) -> Self {
        let alternatives = alternatives.into_iter().map(|leaf| Conditions::new(leaf).unwrap());
        Self { spec: spec(), tree: AddressTree::new(alternatives.collect()).unwrap() }
    }

    fn message(&self) -> [u8; 32] {
        spends(1).sighash(&self.spec.chain_id(), &[coin(self.tree.address()).to_output()])
    }

    /// A witness of one alternative with these proofs.
    fn witness(&self, alternative: usize, proofs: Vec<Proof>) -> Witness {
        let (conditions, path) = self.tree.alternatives()[alternative].clone();
        Witness { conditions, path, proofs }
    }

    fn resolve(&self, witness: Witness, height: Height) -> Result<ResolvedTx, WitnessError> {
        let transaction = Transaction { body: spends(1), witnesses: vec![witness] };
        let resolved = resolve_at(transaction, &[coin(self.tree.address())], height, &self.spec);
        resolved.map_err(|error| match error {
            SpendError::Witness { index: 0, error } => error,
            other => panic!("{other}"),
        })
    }

    /// Shows one alternative with these proofs, and runs the signatures.
    fn open(&self, alternative: usize, proofs: Vec<Proof>) -> Result<(), WitnessError> {
        let resolved = self.resolve(self.witness(alternative, proofs), HEIGHT)?;
        verify_serial(&resolved.jobs()).expect("signed by the owner");
        Ok(())
    }

    fn signature(&self, key: &TestKey) -> Signature {
        key.secret.sign_deterministic(&self.message())
    }

    fn signed(&self, key: &TestKey) -> Proof {
        Proof::Signature(self.signature(key))
    }

    /// The signatures of keys with these numbers, each at the index given.
    fn signatures(&self, keys: &[(u8, u8)]) -> Proof {
        let signed = |(index, number): &(u8, u8)| {
            let signature = self.signature(&TestKey::new(*number));
            IndexedSignature { key: *index, signature }
        };
        Proof::Signatures(keys.iter().map(signed).collect())
    }
}

fn public(number: u8) -> PublicKey {
    TestKey::new(number).secret.public_key().clone()
}

fn key(number: u8) -> Condition {
    Condition::Key(public(number))
}

fn two_of_three() -> Lockbox {
    Lockbox::new(vec![vec![Condition::Threshold { required: 2, keys: vec![public(0), public(1), public(2)] }]])
}

#[test]
fn a_witness_leads_to_its_address() {
    let lockbox = Lockbox::new(vec![vec![key(0)], vec![key(1)], vec![key(2)]]);
    for alternative in 0..3 {
        let number = u8::try_from(alternative).unwrap();
        assert_eq!(lockbox.open(alternative, vec![lockbox.signed(&TestKey::new(number))]), Ok(()));
    }
    // The path of another alternative, and an alternative that the address does not have.
    let wrong_path = Witness { path: lockbox.tree.alternatives()[2].1.clone(), ..lockbox.witness(0, Vec::new()) };
    let wrong_key = Witness { conditions: TestKey::new(3).conditions(), ..lockbox.witness(0, Vec::new()) };
    for witness in [wrong_path, wrong_key] {
        let error = WitnessError::Address { found: witness.address(), expected: lockbox.tree.address() };
        assert_eq!(lockbox.resolve(witness, HEIGHT).unwrap_err(), error);
    }
}

#[test]
fn there_is_one_proof_for_each_condition() {
    let lockbox = Lockbox::new(vec![vec![key(0), Condition::After(HEIGHT), Condition::preimage_of(b"secret")]]);
    let signed = lockbox.signed(&TestKey::new(0));
    let secret = Proof::Preimage((*b"secret").into());
    assert_eq!(lockbox.open(0, vec![signed.clone(), secret.clone()]), Ok(()));
    assert_eq!(lockbox.open(0, vec![signed.clone()]), Err(WitnessError::ProofCount { found: 1, expected: 2 }));
    let three = vec![signed, secret.clone(), secret];
    assert_eq!(lockbox.open(0, three), Err(WitnessError::ProofCount { found: 3, expected: 2 }));
}

#[test]
fn proofs_are_of_their_conditions_kind() {
    let lockbox = Lockbox::new(vec![vec![key(0), Condition::preimage_of(b"secret")]]);
    let signed = lockbox.signed(&TestKey::new(0));
    let secret = Proof::Preimage((*b"secret").into());
    assert_eq!(lockbox.open(0, vec![signed.clone(), secret.clone()]), Ok(()));
    let swapped = vec![secret, signed.clone()];
    assert_eq!(lockbox.open(0, swapped), Err(WitnessError::ProofKind { condition: 0 }));
    assert_eq!(lockbox.open(0, vec![signed.clone(), signed.clone()]), Err(WitnessError::ProofKind { condition: 1 }));
    // One signature is not a threshold's list of them, nor the other way round.
    assert_eq!(two_of_three().open(0, vec![signed]), Err(WitnessError::ProofKind { condition: 0 }));
    let single = Lockbox::new(vec![vec![key(0)]]);
    let list = vec![single.signatures(&[(0, 0)])];
    assert_eq!(single.open(0, list), Err(WitnessError::ProofKind { condition: 0 }));
}

#[test]
fn schemes_are_allowed_from_their_height() {
    let text = crate::support::spec_text()
        .replace("{ scheme = \"ML-DSA-65\", from_height = 0 }", "{ scheme = \"ML-DSA-65\", from_height = 100 }")
        .replace("    { scheme = \"SLH-DSA-SHA2-128s\", from_height = 0 },\n", "");
    let spec = ChainSpec::from_toml(&text).unwrap();
    let spend = |scheme, height| {
        let key = TestKey::of_scheme(scheme, 0);
        let coins = [coin(key.address())];
        resolve_at(key.sign(spends(1), &coins, &spec), &coins, height, &spec).map(|resolved| resolved.jobs().len())
    };
    assert_eq!(spend(Scheme::MlDsa87, Height(0)), Ok(1));
    assert_eq!(spend(Scheme::MlDsa65, Height(100)), Ok(1));
    let refused = |scheme, height| SpendError::Witness { index: 0, error: WitnessError::Scheme { scheme, height } };
    assert_eq!(spend(Scheme::MlDsa65, Height(99)), Err(refused(Scheme::MlDsa65, Height(99))));
    assert_eq!(spend(Scheme::SlhDsaSha2_128s, HEIGHT), Err(refused(Scheme::SlhDsaSha2_128s, HEIGHT)));
}

#[test]
fn thresholds_have_as_many_signatures_as_required() {
    let lockbox = two_of_three();
    for pair in [[(0, 0), (1, 1)], [(0, 0), (2, 2)], [(1, 1), (2, 2)]] {
        assert_eq!(lockbox.open(0, vec![lockbox.signatures(&pair)]), Ok(()));
    }
    let one = vec![lockbox.signatures(&[(0, 0)])];
    assert_eq!(lockbox.open(0, one), Err(WitnessError::SignatureCount { found: 1, required: 2 }));
    let three = vec![lockbox.signatures(&[(0, 0), (1, 1), (2, 2)])];
    assert_eq!(lockbox.open(0, three), Err(WitnessError::SignatureCount { found: 3, required: 2 }));
}

#[test]
fn threshold_signatures_rise() {
    let lockbox = two_of_three();
    let order = |place, key| Err(WitnessError::SignatureOrder { place, key, keys: 3 });
    assert_eq!(lockbox.open(0, vec![lockbox.signatures(&[(1, 1), (0, 0)])]), order(1, 0));
    assert_eq!(lockbox.open(0, vec![lockbox.signatures(&[(1, 1), (1, 1)])]), order(1, 1));
    assert_eq!(lockbox.open(0, vec![lockbox.signatures(&[(1, 1), (3, 2)])]), order(1, 3));
}

#[test]
fn signatures_have_their_schemes_length() {
    for scheme in Scheme::ALL {
        let owner = TestKey::of_scheme(scheme, 0);
        let lockbox = Lockbox::new(vec![vec![Condition::Key(owner.secret.public_key().clone())]]);
        let signature = lockbox.signature(&owner);
        let short = Signature::new(signature.as_bytes()[1..].to_vec()).unwrap();
        assert_eq!(lockbox.open(0, vec![Proof::Signature(signature)]), Ok(()));
        let expected = scheme.signature_bytes();
        let error = WitnessError::SignatureLength { scheme, found: expected - 1, expected };
        assert_eq!(lockbox.open(0, vec![Proof::Signature(short)]), Err(error));
    }
}

#[test]
fn preimages_have_the_digest() {
    let lockbox = Lockbox::new(vec![vec![key(0), Condition::preimage_of(b"secret")]]);
    let with = |bytes: &[u8]| lockbox.open(0, vec![lockbox.signed(&TestKey::new(0)), Proof::Preimage(bytes.into())]);
    assert_eq!(with(b"secret"), Ok(()));
    assert_eq!(with(b"Secret"), Err(WitnessError::Preimage { condition: 1 }));
    assert_eq!(with(b""), Err(WitnessError::Preimage { condition: 1 }));
}

#[test]
fn preimages_can_be_decoded() {
    let with = |length: usize| {
        let secret = vec![7; length];
        let lockbox = Lockbox::new(vec![vec![key(0), Condition::preimage_of(&secret)]]);
        lockbox.open(0, vec![lockbox.signed(&TestKey::new(0)), Proof::Preimage(secret.into())])
    };
    assert_eq!(with(1_024), Ok(()));
    assert_eq!(with(1_025), Err(WitnessError::PreimageLength { condition: 1, found: 1_025 }));
}

#[test]
fn after_holds_from_its_height() {
    let lockbox = Lockbox::new(vec![vec![Condition::After(HEIGHT), key(0)]]);
    let witness = lockbox.witness(0, vec![lockbox.signed(&TestKey::new(0))]);
    assert!(lockbox.resolve(witness.clone(), HEIGHT).is_ok());
    let error = WitnessError::TooEarly { from: HEIGHT, height: Height(99) };
    assert_eq!(lockbox.resolve(witness, Height(99)).unwrap_err(), error);
}

/// Each part of what is signed is really bound by the signature.
#[test]
fn a_signature_is_for_one_spend_on_one_chain() {
    let (spec, key) = (spec(), TestKey::new(0));
    let other_chain = ChainSpec::from_toml(&crate::support::spec_text().replace("qBTC dev", "another chain")).unwrap();
    let fails = |transaction: Transaction, coins: &[Coin], spec: &ChainSpec| {
        let resolved = resolve_at(transaction, coins, HEIGHT, spec).unwrap();
        verify_serial(&resolved.jobs()) == Err((0, CryptoError::InvalidSignature { scheme: Scheme::MlDsa44 }))
    };
    let signed = key.sign(spends(1), &[own()], &spec);
    assert!(!fails(signed.clone(), &[own()], &spec));
    assert!(fails(signed.clone(), &[own()], &other_chain));
    // The same outpoint with more money in it: the fee that the signer saw was another.
    assert!(fails(signed.clone(), &[Coin { amount: Amount::from_coins(11), ..own() }], &spec));
    let mut redirected = signed;
    redirected.body.outputs[0] = pay(Address::from_bytes([8; 32]), COIN);
    assert!(fails(redirected, &[own()], &spec));
}

/// The cache saves the signatures, never a rule that depends on the block.
#[test]
fn verified_witnesses_are_not_verified_again_but_heights_are() {
    let lockbox = Lockbox::new(vec![vec![Condition::After(Height(50)), key(0)]]);
    let witness = lockbox.witness(0, vec![lockbox.signed(&TestKey::new(0))]);
    let transaction = Transaction { body: spends(1), witnesses: vec![witness] };
    let checked = Arc::new(check_transaction(transaction, lockbox.spec.consensus()).unwrap());
    let coins: MemoryCoins = [(outpoint(0), coin(lockbox.tree.address()))].into_iter().collect();
    let mut cache = VerifiedCache::new(8);
    let resolve = |height, cache: &VerifiedCache| resolve_transaction(&checked, height, &coins, cache, &lockbox.spec);

    let first = resolve(HEIGHT, &cache).unwrap();
    assert_eq!(first.jobs().len(), 1);
    first.remember(&mut cache);
    assert_eq!(resolve(HEIGHT, &cache).unwrap().jobs().len(), 0);
    assert_eq!(resolve(Height(50), &cache).unwrap().jobs().len(), 0);
    let error = WitnessError::TooEarly { from: Height(50), height: Height(49) };
    let early = resolve(Height(49), &cache).unwrap_err();
    assert_eq!(early, ResolveError::Invalid(SpendError::Witness { index: 0, error }));
}
