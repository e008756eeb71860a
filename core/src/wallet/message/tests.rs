//! Tests of signed messages: what verifies, and what must not.

use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::crypto::Scheme;
use crate::hash::sha256;
use crate::testing::test;

const TEXT: &str = "I, the owner of this address, say: grüße.";
const HEIGHT: Height = Height(100);

fn secret(scheme: Scheme, number: u8) -> SecretKey {
    SecretKey::from_seed(scheme, &[number; 32])
}

fn key(number: u8) -> PublicKey {
    secret(Scheme::MlDsa44, number).public_key().clone()
}

fn tree(conditions: Vec<Condition>) -> AddressTree {
    AddressTree::single(Conditions::new(conditions).unwrap())
}

fn two_of_three() -> AddressTree {
    tree(vec![Condition::Threshold { required: 2, keys: vec![key(1), key(2), key(3)] }])
}

fn draft(tree: &AddressTree, text: &str) -> MessageDraft {
    MessageDraft::new(&ChainSpec::dev().chain_id(), tree, 0, text).unwrap()
}

/// A text signed by one key.
fn signed(tree: &AddressTree, number: u8) -> MessageProof {
    let mut draft = draft(tree, TEXT);
    assert_eq!(draft.sign(&secret(Scheme::MlDsa44, number), &[7; 32]), 1);
    draft.finish().unwrap()
}

fn invalid() -> MessageError {
    MessageError::Signature(CryptoError::InvalidSignature { scheme: Scheme::MlDsa44 })
}

#[test]
fn a_text_is_signed_and_verified_under_every_scheme() {
    for scheme in Scheme::ALL {
        let secret = secret(scheme, 1);
        let tree = AddressTree::single(Conditions::key(secret.public_key().clone()));
        let mut draft = draft(&tree, TEXT);
        assert_eq!(draft.finish(), Err(MessageError::Incomplete(1)));
        draft.sign(&secret, &[7; 32]);
        let proof = draft.finish().unwrap();
        assert_eq!(MessageProof::from_bytes(&proof.to_bytes()), Ok(proof.clone()));
        let proof: MessageProof = alloc::format!("\n {proof} ").parse().unwrap();
        assert_eq!(proof.address(), tree.address());
        assert_eq!(proof.verify(tree.address(), TEXT, HEIGHT, &ChainSpec::dev()), Ok(()));
    }
}

#[test]
fn a_proof_holds_for_one_text_one_address_and_one_chain() {
    let one = tree(vec![Condition::Key(key(1))]);
    let proof = signed(&one, 1);
    let (address, dev) = (one.address(), ChainSpec::dev());
    assert_eq!(proof.verify(address, TEXT, HEIGHT, &dev), Ok(()));
    assert_eq!(proof.verify(address, "another", HEIGHT, &dev), Err(invalid()));
    assert_eq!(proof.verify(address, "", HEIGHT, &dev), Err(invalid()));
    assert_eq!(proof.verify(address, TEXT, HEIGHT, &ChainSpec::test()), Err(invalid()));
    let other = tree(vec![Condition::Key(key(2))]).address();
    let refused = MessageError::Witness(WitnessError::Address { found: address, expected: other });
    assert_eq!(proof.verify(other, TEXT, HEIGHT, &dev), Err(refused));

    // The same key in another address: the signature is moved there, and does not hold.
    let same_key = tree(vec![Condition::Key(key(1)), Condition::After(Height(5))]);
    let (conditions, path) = same_key.alternatives()[0].clone();
    let moved = MessageProof { witness: Witness { conditions, path, proofs: proof.witness.proofs } };
    assert_eq!(moved.verify(same_key.address(), TEXT, HEIGHT, &dev), Err(invalid()));
}

#[test]
fn a_signed_text_is_no_payment() {
    // A text whose bytes are those that a payment's signature covers, under another tag.
    let (chain, address) = (ChainId::ZERO, Address::from_bytes([b'a'; 32]));
    let text = "x".repeat(32);
    let parts = [chain.as_bytes(), address.as_bytes(), text.as_bytes()].concat();
    let by_hand = {
        let tag = sha256(b"qbtc/message");
        sha256(&[&tag[..], &tag, &parts].concat())
    };
    assert_eq!(message_hash(&chain, &address, &text), by_hand);
    assert_ne!(message_hash(&chain, &address, &text), tagged("qbtc/sighash", &[&parts]));
}

#[test]
fn several_signers_complete_one_proof() {
    let shared = two_of_three();
    let dev = ChainSpec::dev();
    let mut draft = draft(&shared, TEXT);
    assert_eq!(draft.sign(&secret(Scheme::MlDsa44, 4), &[1; 32]), 0, "a stranger");
    assert_eq!(draft.sign(&secret(Scheme::MlDsa44, 3), &[1; 32]), 1);
    let keys = vec![key(1), key(2)];
    assert_eq!(draft.missing(), [Missing::Signatures { address: shared.address(), count: 1, keys }]);
    // The other signs elsewhere, and only the signature travels.
    let signature = secret(Scheme::MlDsa44, 1).sign(draft.hash(), &[2; 32]);
    assert_eq!(draft.add_signature(&key(2), &signature), Err(invalid()), "in the name of another");
    assert_eq!(draft.add_signature(&key(1), &signature), Ok(1));
    let proof = draft.finish().unwrap();
    assert_eq!(proof.verify(shared.address(), TEXT, HEIGHT, &dev), Ok(()));

    let mut too_few = proof;
    let Some(crate::lock::Proof::Signatures(signatures)) = too_few.witness.proofs.first_mut() else { panic!() };
    signatures.pop();
    let refused = MessageError::Witness(WitnessError::SignatureCount { found: 1, required: 2 });
    assert_eq!(too_few.verify(shared.address(), TEXT, HEIGHT, &dev), Err(refused));
}

#[test]
fn the_rules_of_the_height_hold_for_messages_too() {
    let after = tree(vec![Condition::Key(key(1)), Condition::After(Height(50))]);
    let proof = signed(&after, 1);
    let verify = |height| proof.verify(after.address(), TEXT, Height(height), &ChainSpec::dev());
    let early = WitnessError::TooEarly { from: Height(50), height: Height(49) };
    assert_eq!(verify(49), Err(MessageError::Witness(early)));
    assert_eq!(verify(50), Ok(()));

    let later = ChainSpec::dev()
        .to_toml()
        .replace("scheme = \"ML-DSA-44\"\nfrom_height = 0", "scheme = \"ML-DSA-44\"\nfrom_height = 9");
    let spec = ChainSpec::from_toml(&later).unwrap();
    let one = tree(vec![Condition::Key(key(1))]);
    let mut draft = MessageDraft::new(&spec.chain_id(), &one, 0, TEXT).unwrap();
    draft.sign(&secret(Scheme::MlDsa44, 1), &[7; 32]);
    let proof = draft.finish().unwrap();
    let refused = WitnessError::Scheme { scheme: Scheme::MlDsa44, height: Height(8) };
    assert_eq!(proof.verify(one.address(), TEXT, Height(8), &spec), Err(MessageError::Witness(refused)));
    assert_eq!(proof.verify(one.address(), TEXT, Height(9), &spec), Ok(()));
}

#[test]
fn what_must_not_or_cannot_sign_is_refused() {
    let chain = ChainSpec::dev().chain_id();
    let new = |tree: &AddressTree, place| MessageDraft::new(&chain, tree, place, TEXT).map(|_| ()).unwrap_err();
    let secret = tree(vec![Condition::Key(key(1)), Condition::preimage_of(b"secret")]);
    assert_eq!(new(&secret, 0), MessageError::ShowsPreimage);
    let unsigned = tree(vec![Condition::After(Height(1))]);
    assert_eq!(new(&unsigned, 0), MessageError::NoKey);
    assert_eq!(new(&unsigned, 1), MessageError::NoSuchAlternative { place: 1, alternatives: 1 });
    // Nor may a proof without any signature be decoded, for it would verify for everyone.
    let (conditions, path) = unsigned.alternatives()[0].clone();
    let forged = MessageProof { witness: Witness { conditions, path, proofs: vec![] } };
    assert_eq!(MessageProof::from_bytes(&forged.to_bytes()), Err(MessageError::NoKey));
}

#[test]
fn the_encoding_is_as_described() {
    let one = tree(vec![Condition::Key(key(1))]);
    let proof = signed(&one, 1);
    let crate::lock::Proof::Signature(signature) = &proof.witness.proofs[0] else { panic!() };
    let by_hand = [
        &b"qbtcmsg\x01"[..],
        // One condition, a key, of ML-DSA-44, of 1,312 bytes.
        &[1, 0, 1, 0xa0, 0x0a],
        key(1).as_bytes(),
        // No path; one proof, a signature, of 2,420 bytes.
        &[0, 1, 0, 0xf4, 0x12],
        signature.as_bytes(),
    ]
    .concat();
    assert_eq!(proof.to_bytes(), by_hand);
    assert!(proof.to_string().starts_with("cWJ0Y21zZwE"), "the base64 of \"qbtcmsg\\x01\"");
}

#[test]
fn other_bytes_are_refused() {
    let proof = signed(&tree(vec![Condition::Key(key(1))]), 1);
    let bytes = proof.to_bytes();
    assert_eq!(MessageProof::from_bytes(b""), Err(MessageError::Magic));
    assert_eq!(MessageProof::from_bytes(b"qbtcmsg"), Err(MessageError::Magic));
    assert_eq!(MessageProof::from_bytes(b"qbtcptx\x01"), Err(MessageError::Magic));
    let next = [&MAGIC[..], &[2], &bytes[8..]].concat();
    assert_eq!(MessageProof::from_bytes(&next), Err(MessageError::Version { found: 2 }));
    let trailing = MessageError::Codec(CodecError::Trailing { what: "Witness", trailing: 1 });
    assert_eq!(MessageProof::from_bytes(&[&bytes[..], &[0]].concat()), Err(trailing));
    for length in (8..bytes.len()).step_by(37) {
        assert!(MessageProof::from_bytes(&bytes[..length]).is_err());
    }
    // One condition, its count written in two bytes.
    let overlong = [&bytes[..8], &[0x81, 0], &bytes[9..]].concat();
    let refused = MessageError::Codec(CodecError::NotCanonical { what: "Witness" });
    assert_eq!(MessageProof::from_bytes(&overlong), Err(refused));
    let found = MessageProof::BYTES_MAX + 1;
    assert_eq!(MessageProof::from_bytes(&vec![0; found]), Err(MessageError::TooLong { found }));

    let parse = |text: &str| text.parse::<MessageProof>().unwrap_err();
    let text = proof.to_string();
    assert_eq!(parse(&text[1..]), MessageError::Base64 { found: text.len() - 1 });
    assert_eq!(parse("cWJ0Y21zZwF="), MessageError::Base64 { found: 12 }, "bits that are not zero");
    assert_eq!(parse("cWJ0Y21zZwE="), MessageError::Codec(CodecError::Malformed { what: "Witness", found: 0 }));
    assert!(matches!(parse(&"A".repeat(400_000)), MessageError::TooLong { found: 300_000 }));
}
