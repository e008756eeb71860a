//! Tests of the keystore's format, against files made by tests/vectors/keystore.py.

use alloc::string::String;
use alloc::vec;

use super::*;
use crate::crypto::Scheme;
use crate::testing::test;
use crate::units::Height;
use crate::wallet::derivation::ChildIndex;
use crate::wallet::layout::AddressLayout;
use crate::wallet::mnemonic::Mnemonic;

struct Case {
    content: KeystoreContent,
    passphrase: &'static str,
    kdf: KdfParams,
    entropy: [u8; 32],
    file: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../../../../tests/vectors/keystore.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(case).collect()
}

fn case(line: &'static str) -> Case {
    let [wallet, scheme, fallback, birthday, labels, passphrase, memory, passes, lanes, entropy, file]: [&str; 11] =
        line.split(';').collect::<Vec<_>>().try_into().unwrap();
    let scheme = Scheme::from_id(scheme.parse().unwrap()).unwrap();
    let layout = match fallback {
        "0" => AddressLayout::single(scheme),
        _ => AddressLayout::with_fallback(scheme).unwrap(),
    };
    let label = |label: &str| {
        let (subject, text) = label.split_once('=').unwrap();
        Label { subject: subject.into(), text: text.into() }
    };
    Case {
        content: KeystoreContent {
            mnemonic: Mnemonic::from_entropy(&hex::decode(wallet).unwrap()).ok().unwrap(),
            layout,
            birthday: Height(birthday.parse().unwrap()),
            labels: labels.split('|').filter(|label| !label.is_empty()).map(label).collect(),
            account: ChildIndex::ZERO,
        },
        passphrase,
        kdf: KdfParams::new(memory.parse().unwrap(), passes.parse().unwrap(), lanes.parse().unwrap()).unwrap(),
        entropy: hex::decode(entropy).unwrap().try_into().unwrap(),
        file: hex::decode(file).unwrap(),
    }
}

fn assert_same(one: &KeystoreContent, other: &KeystoreContent) {
    assert_eq!(*one.mnemonic.entropy(), *other.mnemonic.entropy());
    assert_eq!((one.layout, one.birthday, &one.labels), (other.layout, other.birthday, &other.labels));
    assert_eq!(one.account, other.account);
}

fn error(file: &[u8], passphrase: &str) -> KeystoreError {
    Keystore::from_bytes(file).and_then(|keystore| keystore.open(passphrase)).err().unwrap()
}

/// Sets the header's checksum to what its bytes demand, as someone who means harm would.
fn with_checksum(mut file: Vec<u8>) -> Vec<u8> {
    let checksum = sha256d(&file[..120]);
    file[120..128].copy_from_slice(&checksum[..8]);
    file
}

#[test]
fn files_of_the_second_implementation_open_and_are_made() {
    assert_eq!(cases().len(), 2);
    for case in cases() {
        let opened = Keystore::from_bytes(&case.file).unwrap().open(case.passphrase).ok().unwrap();
        assert_same(&opened, &case.content);
        let sealed = Keystore::seal(&case.content, case.passphrase, case.kdf, &case.entropy).unwrap();
        assert_eq!(hex::encode(sealed.to_bytes()), hex::encode(&case.file));
    }
}

#[test]
fn a_wrong_passphrase_is_told_from_damage() {
    let [case, ..] = &cases()[..] else { unreachable!() };
    assert_eq!(error(&case.file, "cafe au lait"), KeystoreError::WrongPassphrase);
    assert_eq!(error(&case.file, ""), KeystoreError::WrongPassphrase);
    // The same text, its accent composed otherwise.
    assert!(Keystore::from_bytes(&case.file).unwrap().open("cafe\u{301} au lait").is_ok());
}

#[test]
fn every_flipped_bit_is_found_for_what_it_is() {
    let [case, ..] = &cases()[..] else { unreachable!() };
    for at in 0..case.file.len() {
        // All eight bits of the first bytes of each part; one bit of each other, to keep this short.
        let bits = if at % 16 < 2 { 0..8 } else { 3..4 };
        for bit in bits {
            let mut file = case.file.clone();
            file[at] ^= 1 << bit;
            let expected = match at {
                0..8 => KeystoreError::Magic,
                8..128 => KeystoreError::HeaderDamaged,
                _ => KeystoreError::CiphertextDamaged,
            };
            assert_eq!(error(&file, case.passphrase), expected, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn every_shortened_file_is_found() {
    let [case, ..] = &cases()[..] else { unreachable!() };
    let whole = case.file.len();
    assert_eq!(error(&[], ""), KeystoreError::Magic);
    for found in 1..whole {
        let expected = if found < 128 { 128 } else { whole };
        assert_eq!(error(&case.file[..found], case.passphrase), KeystoreError::Truncated { found, expected });
    }
    let longer = [&case.file[..], &[0]].concat();
    assert_eq!(error(&longer, case.passphrase), KeystoreError::Trailing { found: whole + 1, expected: whole });
}

#[test]
fn a_header_forged_with_its_checksum_does_no_harm() {
    let [case, ..] = &cases()[..] else { unreachable!() };
    let forged = |at: usize, bytes: &[u8]| {
        let mut file = case.file.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        error(&with_checksum(file), case.passphrase)
    };
    assert_eq!(forged(8, &[2]), KeystoreError::Version { found: 2 });
    assert_eq!(forged(9, &[1]), KeystoreError::Reserved);
    assert_eq!(forged(119, &[1]), KeystoreError::Reserved);
    let kdf = |what, found, least, most| KeystoreError::Kdf { what, found, least, most };
    assert_eq!(forged(12, &[0xff; 4]), kdf("memory in KiB", u32::MAX, 8, KdfParams::MEMORY_KIB_MAX));
    assert_eq!(forged(16, &[0xff; 4]), kdf("passes", u32::MAX, 1, KdfParams::PASSES_MAX));
    assert_eq!(forged(20, &[0xff; 4]), kdf("lanes", u32::MAX, 1, KdfParams::LANES_MAX));
    let length = |found| KeystoreError::CiphertextLength { found, least: 16, most: Keystore::CIPHERTEXT_BYTES_MAX };
    assert_eq!(forged(96, &[15, 0, 0, 0]), length(15));
    assert_eq!(forged(96, &[0xff; 4]), length(u32::MAX));
    // Another salt or key check: no passphrase fits. Another nonce: the tag fails.
    assert_eq!(forged(24, &[0xff]), KeystoreError::WrongPassphrase);
    assert_eq!(forged(40, &[0xff]), KeystoreError::WrongPassphrase);
    assert_eq!(forged(72, &[0xff]), KeystoreError::CiphertextDamaged);
}

#[test]
fn the_passphrase_changes_and_the_content_stays() {
    let [case, ..] = &cases()[..] else { unreachable!() };
    let old = Keystore::from_bytes(&case.file).unwrap();
    let refused = old.change_passphrase("another", "new", case.kdf, &[9; 32]).err();
    assert_eq!(refused, Some(KeystoreError::WrongPassphrase));
    let new = old.change_passphrase(case.passphrase, "new", KdfParams::new(8, 1, 1).unwrap(), &[9; 32]).unwrap();
    assert_same(&new.open("new").ok().unwrap(), &case.content);
    assert_eq!(new.open(case.passphrase).err(), Some(KeystoreError::WrongPassphrase));
    assert!(new.salt != old.salt && new.nonce != old.nonce);
}

#[test]
fn labels_are_bounded() {
    let kdf = KdfParams::new(8, 1, 1).unwrap();
    let sealed = |labels: Vec<Label>| {
        let content = KeystoreContent {
            mnemonic: Mnemonic::from_entropy(&[1; 32]).ok().unwrap(),
            layout: AddressLayout::default(),
            birthday: Height(u32::MAX),
            labels,
            account: ChildIndex::MAX,
        };
        Keystore::seal(&content, "", kdf, &[2; 32])
    };
    let label = |subject: usize, text: usize| Label { subject: "s".repeat(subject), text: "t".repeat(text) };
    let largest = sealed(vec![label(128, 256); 4_096]).unwrap();
    assert_eq!(largest.to_bytes().len(), Keystore::BYTES_MAX);
    assert_eq!(Keystore::from_bytes(&largest.to_bytes()), Ok(largest.clone()));
    let content = largest.open("").ok().unwrap();
    assert_eq!((content.labels.len(), content.account), (4_096, ChildIndex::MAX));
    assert_eq!(sealed(vec![label(1, 1); 4_097]).err(), Some(KeystoreError::Labels { found: 4_097, limit: 4_096 }));
    let refused = |found, limit| Some(KeystoreError::LabelLength { index: 1, found, limit });
    assert_eq!(sealed(vec![label(0, 0), label(129, 0)]).err(), refused(129, 128));
    assert_eq!(sealed(vec![label(0, 0), label(0, 257)]).err(), refused(257, 256));
}

#[test]
fn the_account_stands_last_and_the_first_is_not_written() {
    let content = |account| KeystoreContent {
        mnemonic: Mnemonic::from_entropy(&[1; 16]).ok().unwrap(),
        layout: AddressLayout::default(),
        birthday: Height(7),
        labels: Vec::new(),
        account,
    };
    let third = ChildIndex::new(2).unwrap();
    let (first, other) = (content(ChildIndex::ZERO).encode().unwrap(), content(third).encode().unwrap());
    assert_eq!(*other, [&first[..], &[2]].concat());
    assert_eq!(KeystoreContent::decode(&other).ok().unwrap().account, third);
    assert_eq!(KeystoreContent::decode(&first).ok().unwrap().account, ChildIndex::ZERO);
    for behind in [&[0][..], &[2, 0], &[0x82, 0], &[0xff; 5]] {
        let bytes = [&first[..], behind].concat();
        assert_eq!(KeystoreContent::decode(&bytes).err(), Some(KeystoreError::Content), "{behind:?}");
    }
}

/// draft-irtf-cfrg-xchacha-03, appendix A.3.1, to see that the crate is built right on this target.
#[test]
fn the_vector_of_the_xchacha_draft_holds() {
    let text = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen \
                would be it.";
    let key: [u8; 32] = core::array::from_fn(|at| 0x80 + u8::try_from(at).unwrap());
    let nonce: [u8; 24] = core::array::from_fn(|at| 0x40 + u8::try_from(at).unwrap());
    let aad = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
    let payload = Payload { msg: text.as_bytes(), aad: &aad };
    let sealed = XChaCha20Poly1305::new(&key.into()).encrypt(&XNonce::from(nonce), payload).unwrap();
    let expected = String::from(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e",
    ) + "c0875924c1c7987947deafd8780acf49";
    assert_eq!(hex::encode(sealed), expected);
}
