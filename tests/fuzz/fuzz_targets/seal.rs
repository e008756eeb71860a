//! The seal over what light clients ask and are told: offers, answers to them, and sealed messages, as a peer makes them or whoever is between.
//! What was changed on the way does not open, nothing opens twice, and what opens is what was sealed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qbtc_core::net::seal::{
    ANSWER_BYTES, ANSWER_ENTROPY_BYTES, Answerer, Asked, Asker, Ends, OFFER_BYTES, OFFER_ENTROPY_BYTES, Offer,
    SEALED_ANSWER_OVERHEAD, SEALED_QUESTION_OVERHEAD, answer_offer,
};

const ENDS: Ends<'_> = Ends { protocol: "/qbtc/00000000/seal/1", asker: &[1; 38], answerer: &[2; 38] };
const OFFER_ENTROPY: [u8; OFFER_ENTROPY_BYTES] = [3; OFFER_ENTROPY_BYTES];
const ANSWER_ENTROPY: [u8; ANSWER_ENTROPY_BYTES] = [4; ANSWER_ENTROPY_BYTES];

/// The most steps of a conversation: fewer questions than may overtake each other.
const STEPS_MAX: usize = 256;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    match choice % 3 {
        0 => {
            if let Ok((answer, _)) = answer_offer(bytes, &ANSWER_ENTROPY, &ENDS) {
                assert_eq!((bytes.len(), answer.len()), (OFFER_BYTES, ANSWER_BYTES));
            }
        }
        1 => {
            if Offer::new(&OFFER_ENTROPY).accept(bytes, &ENDS).is_ok() {
                assert_eq!(bytes.len(), ANSWER_BYTES);
            }
        }
        _ => converse(bytes),
    }
});

/// A question on its way.
struct Sent {
    question: Vec<u8>,
    sealed: Vec<u8>,
    /// Until it was answered, and the answer opened.
    waits: Option<Asked>,
    has_opened: bool,
}

/// Questions and answers of which the input says which are delivered, in which order, how often, and what is changed in them.
fn converse(input: &[u8]) {
    let (mut asker, mut answerer) = agreed();
    let mut sent: Vec<Sent> = Vec::new();
    for step in input.chunks_exact(4).take(STEPS_MAX) {
        let [what, which, at, flip] = [step[0], step[1], step[2], step[3]];
        if what % 4 == 0 || sent.is_empty() {
            let question = vec![which; usize::from(at)];
            let (sealed, asked) = asker.seal(&question).expect("there are few");
            assert_eq!(sealed.len(), question.len() + SEALED_QUESTION_OVERHEAD);
            sent.push(Sent { question, sealed, waits: Some(asked), has_opened: false });
            continue;
        }
        let place = usize::from(which) % sent.len();
        let sent = &mut sent[place];
        // Bytes are changed, or are missing at the end.
        let changed = |mut bytes: Vec<u8>| {
            let at = usize::from(at) % bytes.len();
            match what % 4 {
                1 => bytes[at] ^= flip,
                2 => bytes.truncate(at),
                _ => {}
            }
            bytes
        };
        let delivered = changed(sent.sealed.clone());
        let Ok((question, reply)) = answerer.open(&delivered) else {
            assert!(delivered != sent.sealed || sent.has_opened, "what is new and whole opens");
            continue;
        };
        assert!(delivered == sent.sealed && question == sent.question && !sent.has_opened);
        sent.has_opened = true;
        let answer = reply.seal(question.clone());
        assert_eq!(answer.len(), question.len() + SEALED_ANSWER_OVERHEAD);
        let waits = sent.waits.take().expect("it is answered once");
        let told = if flip & 1 == 0 { answer.clone() } else { changed(answer.clone()) };
        match waits.open(told.clone()) {
            Ok(opened) => assert!(told == answer && opened == sent.question),
            Err(_) => assert_ne!(told, answer),
        }
    }
}

/// Both sides of a seal.
fn agreed() -> (Asker, Answerer) {
    let offer = Offer::new(&OFFER_ENTROPY);
    let (answer, answerer) = answer_offer(offer.bytes(), &ANSWER_ENTROPY, &ENDS).expect("the offer is whole");
    (offer.accept(&answer, &ENDS).expect("the answer is whole"), answerer)
}
