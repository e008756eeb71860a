//! Tests of partial transactions: signers that complete one apart, copies that conflict, bytes from strangers.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::codec::CodecError;
use crate::crypto::{CryptoError, Scheme};
use crate::hash::sha256;
use crate::lock::{Condition, Lock};
use crate::spec::ChainSpec;
use crate::testing::test;
use crate::tx::OutPoint;
use crate::units::Height;
use crate::wallet::checks::assert_valid;
use crate::wallet::derivation::{AccountKey, AccountPath, Branch, ChildIndex, CoinType};
use crate::wallet::layout::AddressLayout;
use crate::wallet::mnemonic::WalletSeed;

fn chain() -> ChainId {
    ChainSpec::dev().chain_id()
}

/// Holds a complete transaction against the rules of the chain.
fn assert_spends(partial: &PartialTx, height: u32) -> Transaction {
    let transaction = partial.finalize().unwrap();
    assert_valid(&transaction, partial.spent(), &ChainSpec::dev(), Height(height));
    transaction
}

fn secret(number: u8) -> SecretKey {
    SecretKey::from_seed(Scheme::MlDsa44, &[number; 32])
}

fn public(number: u8) -> PublicKey {
    secret(number).public_key().clone()
}

fn outpoint(index: u32) -> OutPoint {
    OutPoint { txid: Txid::from_bytes([9; 32]), index }
}

fn to(address: Address, coins: u32) -> TxOut {
    TxOut { amount: Amount::from_coins(coins), lock: Lock::Address(address) }
}

fn body(inputs: u32, paid: u32, lock_height: u32) -> TxBody {
    TxBody {
        version: TxBody::VERSION,
        inputs: (0..inputs).map(outpoint).collect(),
        outputs: vec![to(Address::from_bytes([1; 32]), paid)],
        lock_height: Height(lock_height),
        expiry_height: Height::GENESIS,
    }
}

fn single(number: u8) -> AddressTree {
    AddressTree::single(Conditions::key(public(number)))
}

fn two_of_three() -> AddressTree {
    let threshold = Condition::Threshold { required: 2, keys: vec![public(1), public(2), public(3)] };
    AddressTree::single(Conditions::new(vec![threshold]).unwrap())
}

/// Spends a coin of each of these trees, 10 coins each, and pays all but one.
fn partial(trees: &[&AddressTree], lock_height: u32) -> PartialTx {
    let spent: Vec<_> = trees.iter().map(|tree| to(tree.address(), 10)).collect();
    let inputs = u32::try_from(trees.len()).unwrap();
    let mut partial = PartialTx::new(chain(), body(inputs, inputs * 10 - 1, lock_height), spent).unwrap();
    for tree in trees {
        partial.choose_of_tree(tree, 0).unwrap();
    }
    partial
}

#[test]
fn who_has_an_account_finds_where_its_keys_are_wanted() {
    let path = AccountPath { coin: CoinType::TEST, account: ChildIndex::new(0).unwrap() };
    let account = AccountKey::derive(&WalletSeed::from_bytes([5; 64]), path);
    let mut book = AddressBook::new(path, AddressLayout::single(Scheme::MlDsa44), 2).unwrap();
    book.extend(&account).unwrap();
    let place = AddressPath { branch: Branch::Receive, index: ChildIndex::new(1).unwrap() };
    let own = AddressTree::single(Conditions::key(book.entry(place).unwrap().keys.as_ref().unwrap().signing.clone()));
    let mut partial = partial(&[&own, &single(2)], 0);
    assert_eq!(partial.wanted_from(&book), [(Scheme::MlDsa44, place)]);
    assert_eq!(partial.sign(&account.secret_key(Scheme::MlDsa44, place), &[7; ENTROPY_BYTES]), 1);
    assert_eq!(partial.wanted_from(&book), []);
}

#[test]
fn one_signer_completes_with_one_witness_for_each_address() {
    let (one, two) = (single(1), single(2));
    let mut partial = partial(&[&one, &two, &one], 0);
    assert_eq!(partial.addresses(), [one.address(), two.address()]);
    assert_eq!(partial.fee(), Amount::from_coins(1));
    assert_eq!(partial.finalize(), Err(PartialError::Incomplete(2)));
    let estimate = partial.size_bytes(0).unwrap();
    assert_eq!(partial.sign(&secret(1), &[7; 32]), 1);
    assert_eq!(partial.sign(&secret(1), &[8; 32]), 0, "nothing more is wanted of it");
    assert_eq!(partial.sign(&secret(3), &[7; 32]), 0, "a stranger");
    assert_eq!(partial.missing(), [Missing::Signatures { address: two.address(), count: 1, keys: vec![public(2)] }]);
    assert_eq!(partial.sign(&secret(2), &[7; 32]), 1);
    let transaction = assert_spends(&partial, 1);
    assert_eq!(codec::encoded_len(&transaction) as u64, estimate);
    assert_eq!(partial.size_bytes(0), Some(estimate));
}

#[test]
fn signers_of_a_threshold_complete_apart() {
    let shared = two_of_three();
    let empty = partial(&[&shared], 0);
    let (mut first, mut third) = (empty.clone(), PartialTx::from_bytes(&empty.to_bytes()).unwrap());
    assert_eq!((first.sign(&secret(1), &[1; 32]), third.sign(&secret(3), &[3; 32])), (1, 1));
    assert_eq!(
        first.missing(),
        [Missing::Signatures { address: shared.address(), count: 1, keys: vec![public(2), public(3)] }]
    );
    let mut combined = PartialTx::from_bytes(&third.to_bytes()).unwrap();
    combined.combine(&PartialTx::from_bytes(&first.to_bytes()).unwrap()).unwrap();
    assert_eq!(combined.missing(), []);
    assert_spends(&combined, 1);
    let mut the_other_way = first.clone();
    the_other_way.combine(&third).unwrap();
    assert_eq!(the_other_way, combined);
    // A third signature is not wanted any more.
    assert_eq!(combined.sign(&secret(2), &[2; 32]), 0);
    let before = combined.clone();
    let mut second = empty.clone();
    second.sign(&secret(2), &[2; 32]);
    combined.combine(&second).unwrap();
    assert_eq!(combined, before);
}

#[test]
fn every_order_of_two_signers_completes_under_every_scheme() {
    for scheme in [Scheme::MlDsa44, Scheme::MlDsa65, Scheme::MlDsa87] {
        let secrets: Vec<_> = (1..4).map(|number| SecretKey::from_seed(scheme, &[number; 32])).collect();
        let keys = secrets.iter().map(|secret| secret.public_key().clone()).collect();
        let threshold = Condition::Threshold { required: 2, keys };
        let tree = AddressTree::single(Conditions::new(vec![threshold]).unwrap());
        let empty = partial(&[&tree], 0);
        for [first, then] in [[0, 1], [1, 0], [2, 0], [1, 2]] {
            let mut passed_on = empty.clone();
            assert_eq!(passed_on.sign(&secrets[first], &[1; 32]), 1);
            assert_eq!(passed_on.finalize(), Err(PartialError::Incomplete(1)));
            let mut passed_on = PartialTx::from_bytes(&passed_on.to_bytes()).unwrap();
            assert_eq!(passed_on.sign(&secrets[then], &[2; 32]), 1);
            let transaction = assert_spends(&passed_on, 1);
            assert_eq!(Some(codec::encoded_len(&transaction) as u64), empty.size_bytes(0));
        }
    }
}

#[test]
fn a_stranger_cannot_sign() {
    let empty = partial(&[&two_of_three()], 0);
    let mut partial = empty.clone();
    let signature = secret(4).sign(&partial.sighash(), &[1; 32]);
    assert_eq!(partial.add_signature(&public(4), &signature), Ok(0), "a good signature that nobody asked for");
    let invalid = PartialError::Signature(CryptoError::InvalidSignature { scheme: Scheme::MlDsa44 });
    assert_eq!(partial.add_signature(&public(1), &signature), Err(invalid), "in the name of another");
    assert_eq!(partial, empty);
}

#[test]
fn of_two_signatures_of_one_key_the_own_one_stays() {
    let shared = two_of_three();
    let (mut one, mut other) = (partial(&[&shared], 0), partial(&[&shared], 0));
    one.sign(&secret(1), &[1; 32]);
    other.sign(&secret(1), &[2; 32]);
    assert_ne!(one, other, "hedged");
    let before = one.clone();
    one.combine(&other).unwrap();
    assert_eq!(one, before);
}

#[test]
fn preimages_and_heights_are_proofs_too() {
    let conditions = Conditions::new(vec![
        Condition::Key(public(1)),
        Condition::After(Height(50)),
        Condition::preimage_of(b"secret"),
        Condition::preimage_of(b""),
    ]);
    let tree = AddressTree::single(conditions.unwrap());
    let mut partial = partial(&[&tree], 50);
    assert_eq!(partial.add_preimage(b"guess"), 0);
    assert_eq!(partial.add_preimage(&[0; 1_025]), 0);
    let address = tree.address();
    assert!(partial.missing().contains(&Missing::Preimage { address, digest: sha256(b"secret") }));
    let mut with_preimage = partial.clone();
    assert_eq!(with_preimage.add_preimage(b"secret"), 1);
    partial.sign(&secret(1), &[1; 32]);
    partial.combine(&PartialTx::from_bytes(&with_preimage.to_bytes()).unwrap()).unwrap();
    assert_spends(&partial, 50);
}

#[test]
fn a_condition_may_not_hold_later_than_the_lock_height() {
    let after = Conditions::new(vec![Condition::Key(public(1)), Condition::After(Height(50))]).unwrap();
    let tree = AddressTree::single(after);
    let spent = vec![to(tree.address(), 10)];
    let mut early = PartialTx::new(chain(), body(1, 9, 49), spent.clone()).unwrap();
    let refused = PartialError::TooEarly { from: Height(50), lock: Height(49) };
    assert_eq!(early.choose_of_tree(&tree, 0), Err(refused));
    let mut just = PartialTx::new(chain(), body(1, 9, 50), spent).unwrap();
    assert_eq!(just.choose_of_tree(&tree, 0), Ok(()));
}

#[test]
fn one_alternative_is_chosen_and_stays() {
    let alternatives = vec![Conditions::key(public(1)), Conditions::key(public(2))];
    let tree = AddressTree::new(alternatives).unwrap();
    let mut partial = PartialTx::new(chain(), body(1, 9, 0), vec![to(tree.address(), 10)]).unwrap();
    assert_eq!(partial.missing(), [Missing::Alternative { address: tree.address() }]);
    assert_eq!(partial.size_bytes(0), None);
    let foreign = single(3);
    let refused = PartialError::ForeignAddress { address: foreign.address() };
    assert_eq!(partial.choose_of_tree(&foreign, 0), Err(refused));
    assert!(partial.choose_of_tree(&tree, 2).is_err());
    assert_eq!(partial.choose_of_tree(&tree, 1), Ok(()));
    assert_eq!(partial.choose_of_tree(&tree, 1), Ok(()));
    let refused = PartialError::AlternativeChosen { address: tree.address() };
    assert_eq!(partial.choose_of_tree(&tree, 0), Err(refused.clone()));
    let mut other = PartialTx::new(chain(), body(1, 9, 0), vec![to(tree.address(), 10)]).unwrap();
    other.choose_of_tree(&tree, 0).unwrap();
    assert_eq!(partial.combine(&other), Err(refused));
}

#[test]
fn copies_of_other_transactions_are_not_combined() {
    let tree = single(1);
    let mut one = partial(&[&tree], 0);
    let spent = |coins| vec![to(tree.address(), coins)];
    for (other, part) in [
        (PartialTx::new(ChainId::ZERO, body(1, 9, 0), spent(10)).unwrap(), "chain"),
        (PartialTx::new(chain(), body(1, 8, 0), spent(10)).unwrap(), "body"),
        (PartialTx::new(chain(), body(1, 9, 0), spent(11)).unwrap(), "spent outputs"),
    ] {
        assert_eq!(one.combine(&other), Err(PartialError::Different { part }));
    }
}

#[test]
fn a_lie_about_the_spent_outputs_yields_nothing_of_worth() {
    let tree = single(1);
    let honest = partial(&[&tree], 0);
    // The fee looks smaller than it is.
    let mut lie = PartialTx::new(chain(), body(1, 9, 0), vec![to(tree.address(), 9)]).unwrap();
    lie.choose_of_tree(&tree, 0).unwrap();
    assert_eq!(lie.fee(), Amount::ZERO);
    lie.sign(&secret(1), &[1; 32]);
    let transaction = lie.finalize().unwrap();
    let Some(crate::lock::Proof::Signature(signature)) = transaction.witnesses[0].proofs.first() else { panic!() };
    let invalid = PartialError::Signature(CryptoError::InvalidSignature { scheme: Scheme::MlDsa44 });
    assert_eq!(honest.clone().add_signature(&public(1), signature), Err(invalid));
}

#[test]
fn a_false_signature_is_neither_taken_over_nor_passed_on() {
    let tree = single(1);
    let honest = partial(&[&tree], 0);
    let mut other = partial(&[&tree], 1);
    other.sign(&secret(1), &[1; 32]);
    // The signature over one transaction, put into a copy of another.
    let mut forged = honest.clone();
    forged.parts.unlocks = other.parts.unlocks.clone();
    let forged = PartialTx::from_bytes(&forged.to_bytes()).unwrap();
    let invalid = PartialError::Signature(CryptoError::InvalidSignature { scheme: Scheme::MlDsa44 });
    assert_eq!(forged.finalize(), Err(invalid.clone()));
    // Without a verifier it is put together as it is, and then refused by every node.
    assert_eq!(forged.finalize_unverified().unwrap().body, *honest.body());
    assert_eq!(honest.finalize_unverified(), Err(PartialError::Incomplete(1)));
    let mut mine = honest.clone();
    assert_eq!(mine.combine(&forged), Err(invalid));
    assert_eq!(mine, honest);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let tree = single(1);
    let spent = |count: usize| vec![to(tree.address(), 10); count];
    let new = |body: TxBody, spent: Vec<TxOut>| PartialTx::new(chain(), body, spent).unwrap_err();
    assert_eq!(new(body(0, 0, 0), spent(0)), PartialError::NoInputs);
    assert_eq!(new(body(2, 9, 0), spent(1)), PartialError::SpentCount { found: 1, expected: 2 });
    let twice = TxBody { inputs: vec![outpoint(0), outpoint(0)], ..body(0, 9, 0) };
    assert_eq!(new(twice, spent(2)), PartialError::DuplicateInput { outpoint: outpoint(0) });
    let data = TxOut { amount: Amount::ZERO, lock: Lock::Data(vec![1].into()) };
    assert_eq!(new(body(1, 0, 0), vec![data]), PartialError::Unspendable { index: 0 });
    let (inputs, outputs) = (Amount::from_coins(10), Amount::from_coins(11));
    assert_eq!(new(body(1, 11, 0), spent(1)), PartialError::Overspent { inputs, outputs });
    let most = TxOut { amount: Amount::MAX, ..to(tree.address(), 0) };
    assert_eq!(new(body(2, 1, 0), vec![most.clone(), most]), PartialError::Overflow);
}

/// Encodes parts that no honest program would.
fn decoded(change: impl FnOnce(&mut Parts)) -> Result<PartialTx, PartialError> {
    let mut parts = partial(&[&single(1), &two_of_three()], 0).parts;
    change(&mut parts);
    let encoded = codec::encode(&parts);
    PartialTx::from_bytes(&[&MAGIC[..], &[1], &encoded].concat())
}

#[test]
fn decoding_keeps_the_invariants() {
    assert!(decoded(|_| ()).is_ok());
    assert_eq!(decoded(|parts| parts.unlocks.truncate(1)), Err(PartialError::UnlockCount { found: 1, expected: 2 }));
    let (one, other) = (single(1).address(), two_of_three().address());
    assert_eq!(
        decoded(|parts| parts.unlocks.swap(0, 1)),
        Err(PartialError::Alternative { found: other, expected: one })
    );
    assert!(matches!(decoded(|parts| drop(parts.spent.pop())), Err(PartialError::SpentCount { .. })));
    let short = Signature::new(vec![1; 2_419]).unwrap();
    let put = |parts: &mut Parts, place: usize, key: u8, signature: &Signature| {
        let mut unlock = parts.unlocks[place].take().unwrap();
        unlock.put_unchecked(key, signature.clone());
        parts.unlocks[place] = Some(unlock);
    };
    let refused = PartialError::SignatureLength { scheme: Scheme::MlDsa44, found: 2_419, expected: 2_420 };
    assert_eq!(decoded(|parts| put(parts, 0, 0, &short)), Err(refused));
    let whole = Signature::new(vec![1; 2_420]).unwrap();
    assert!(decoded(|parts| put(parts, 0, 0, &whole)).is_ok(), "verified later");
    assert_eq!(decoded(|parts| put(parts, 0, 1, &whole)), Err(PartialError::Proofs { address: one }));
    assert_eq!(decoded(|parts| put(parts, 1, 3, &whole)), Err(PartialError::Proofs { address: other }));
    let unordered = |parts: &mut Parts| {
        put(parts, 1, 2, &whole);
        put(parts, 1, 1, &whole);
    };
    assert_eq!(decoded(unordered), Err(PartialError::Proofs { address: other }));
}

#[test]
fn the_encoding_is_as_described() {
    let address = Address::from_bytes([2; 32]);
    let chain = ChainId::from_bytes([0xcc; 32]);
    let partial = PartialTx::new(chain, body(1, 9, 0), vec![to(address, 10)]).unwrap();
    let by_hand = [
        &b"qbtcptx\x01"[..],
        &[0xcc; 32],
        // Version; one input: txid and index; one output: 900,000,000 quanta to an address; no lock height, no expiry.
        &[1, 1],
        &[9; 32],
        &[0, 1, 0x80, 0xd2, 0x93, 0xad, 0x03, 0],
        &[1; 32],
        &[0, 0],
        // One spent output of 1,000,000,000 quanta; one address, whose alternative is not chosen.
        &[1, 0x80, 0x94, 0xeb, 0xdc, 0x03, 0],
        &[2; 32],
        &[1, 0],
    ]
    .concat();
    assert_eq!(partial.to_bytes(), by_hand);
    assert_eq!(PartialTx::from_bytes(&by_hand), Ok(partial));
}

#[test]
fn other_bytes_are_refused() {
    let bytes = partial(&[&single(1)], 0).to_bytes();
    assert_eq!(PartialTx::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    assert_eq!(PartialTx::from_bytes(b""), Err(PartialError::Magic));
    assert_eq!(PartialTx::from_bytes(b"qbtcptx"), Err(PartialError::Magic));
    assert_eq!(PartialTx::from_bytes(b"psbt\xff"), Err(PartialError::Magic));
    let next = [&MAGIC[..], &[2], &bytes[8..]].concat();
    assert_eq!(PartialTx::from_bytes(&next), Err(PartialError::Version { found: 2 }));
    let longer = [&bytes[..], &[0]].concat();
    let trailing = PartialError::Codec(CodecError::Trailing { what: "Parts", trailing: 1 });
    assert_eq!(PartialTx::from_bytes(&longer), Err(trailing));
    for length in 8..bytes.len() {
        assert!(PartialTx::from_bytes(&bytes[..length]).is_err());
    }
    let huge = [&MAGIC[..], &[1], &vec![0; PartialTx::BYTES_MAX + 1]].concat();
    let limit = PartialTx::BYTES_MAX;
    let too_long = PartialError::Codec(CodecError::TooLong { what: "Parts", found: limit + 1, limit });
    assert_eq!(PartialTx::from_bytes(&huge), Err(too_long));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    fn changed_bytes_are_refused_or_canonical(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = partial(&[&single(1), &two_of_three()], 0).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(partial) = PartialTx::from_bytes(&bytes) {
            prop_assert_eq!(partial.to_bytes(), bytes);
            prop_assert!(partial.finalize().is_err());
        }
    }
}

#[test]
fn every_changed_byte_is_refused_or_canonical() {
    changed_bytes_are_refused_or_canonical();
}
