//! The sampled proof as bytes: honest chains prove their work, and no proof that was changed passes.

use crate::history::History;
use crate::support::test;
use qbtc_core::codec::{CodecError, encode};
use qbtc_core::commit::flyclient::{
    LIVE_SECURITY_BITS, PROOF_BYTES_MAX, ProveError, ProvenChain, SampledProof, SampledProofError, Sampling, verify,
};
use qbtc_core::commit::mmr::{HistoryError, ReplayError};
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::pow::{Asert, Difficulty, Interval};
use qbtc_core::units::{Height, Work};
use serde::{Deserialize, Serialize};

fn asert() -> Difficulty {
    Difficulty::Asert(Asert::new(6_000).unwrap())
}

fn interval(blocks: u32) -> Difficulty {
    Difficulty::Interval(Interval::new(blocks, 4).unwrap())
}

/// Every rule at every size where something begins: the first proof, a whole tail, the first block before it, samples.
#[test]
fn honest_chains_prove_their_work() {
    for difficulty in [asert(), interval(20), interval(150), Difficulty::Fixed] {
        let whole = History::honest(difficulty, 60, 2, 1_000);
        for blocks in [2, 3, 99, 100, 101, 102, 103, 150, 500, 1_000] {
            let chain = whole.cut(blocks);
            for sampling in [chain.live(0), chain.live(1), Sampling::receipt()] {
                let proven = verify(&chain.proof(&sampling), &sampling, &chain.rules).unwrap();
                assert_eq!((proven.height, proven.id, proven.work), (chain.tip(), chain.tip_id(), chain.peaks.work()));
                assert_eq!(proven.peaks, chain.peaks);
                assert_eq!(proven.tip, chain.headers[chain.headers.len() - 1]);
                let tail = chain.headers.len().saturating_sub(100).max(1);
                assert_eq!(proven.tail, chain.headers[tail..]);
                assert_eq!(proven.below, chain.cut(u32::try_from(tail).unwrap()).peaks);
            }
        }
        assert!(matches!(whole.cut(1).prove(&Sampling::receipt()), Err(ProveError::Genesis)));
    }
}

/// The proof's encoding, written down a second time so that a test can change any field.
#[derive(Clone, Serialize, Deserialize)]
struct Wire {
    height: u32,
    samples: Vec<WireSample>,
    subtrees: Vec<WireSubtree>,
    tail: Vec<Header>,
    tip: WireOpening,
}

#[derive(Clone, Serialize, Deserialize)]
struct WireSample {
    skipped: u32,
    header: Header,
    opening: WireOpening,
}

#[derive(Clone, Serialize, Deserialize)]
struct WireSubtree {
    hash: [u8; 32],
    work: Work,
    gap_s: i64,
    duration_s: i64,
}

#[derive(Clone, Serialize, Deserialize)]
struct WireOpening {
    witness_root: [u8; 32],
    filter_hash: [u8; 32],
    utxo_root: [u8; 32],
    branch: Vec<[u8; 32]>,
}

/// A chain of 300 blocks, a challenge, and the proof that answers it.
struct Case {
    chain: History,
    sampling: Sampling,
    wire: Wire,
}

impl Case {
    fn new() -> Self {
        let chain = History::honest(asert(), 60, 2, 300);
        let sampling = chain.live(0);
        let bytes = chain.proof(&sampling);
        let wire: Wire = qbtc_core::codec::decode(&bytes, PROOF_BYTES_MAX).unwrap();
        assert_eq!(encode(&wire), bytes);
        Self { chain, sampling, wire }
    }

    fn verify(&self, bytes: &[u8]) -> Result<ProvenChain, SampledProofError> {
        verify(bytes, &self.sampling, &self.chain.rules)
    }

    /// Why the proof is refused after a change.
    fn refusal(&self, change: impl FnOnce(&mut Wire)) -> SampledProofError {
        let mut wire = self.wire.clone();
        change(&mut wire);
        self.verify(&encode(&wire)).unwrap_err()
    }

    /// The height of a sample.
    fn sample_height(&self, place: usize) -> Height {
        let skipped: u32 = self.wire.samples[..=place].iter().map(|sample| sample.skipped + 1).sum();
        Height(skipped)
    }
}

#[test]
fn a_proof_answers_its_own_challenge_only() {
    let Case { chain, sampling, .. } = Case::new();
    let check = |given: Sampling, asked: Sampling| verify(&chain.proof(&given), &asked, &chain.rules);
    assert!(check(sampling, sampling).is_ok());
    // Another seed draws other blocks.
    let missed = |error| matches!(error, SampledProofError::NotShown { .. } | SampledProofError::NotDrawn { .. });
    assert!(missed(check(chain.live(1), sampling).unwrap_err()));
    assert!(missed(check(Sampling::receipt(), sampling).unwrap_err()));
    // Fewer samples than asked for, and more: the points of a lower security are some of those of a higher one.
    let fewer = sampling.with_security_bits(LIVE_SECURITY_BITS / 2);
    assert!(matches!(check(fewer, sampling), Err(SampledProofError::NotShown { .. })));
    assert!(matches!(check(sampling, fewer), Err(SampledProofError::NotDrawn { .. })));

    let tip = chain.tip_id();
    let other = Sampling::live([0; 32], BlockHash::ZERO);
    let bytes = chain.proof(&sampling);
    let refused = SampledProofError::Tip { found: tip, expected: BlockHash::ZERO };
    assert_eq!(verify(&bytes, &other, &chain.rules), Err(refused));
    assert_eq!(chain.prove(&other), Err(ProveError::Tip { found: tip, expected: BlockHash::ZERO }));
    // The same tip, of which the last block is left out.
    let shorter = chain.cut(299);
    let refused = SampledProofError::Tip { found: shorter.tip_id(), expected: tip };
    assert_eq!(verify(&shorter.proof(&shorter.live(0)), &sampling, &chain.rules), Err(refused));
}

#[test]
fn samples_stay_where_they_are() {
    let case = Case::new();
    let (first, second) = (case.sample_height(0), case.sample_height(1));
    let next = WireSample { skipped: 0, ..case.wire.samples[0].clone() };
    // One sample less: its neighbours' subtrees do not cover it.
    let error = case.refusal(|wire| wire.samples = wire.samples.split_off(1));
    assert!(matches!(error, SampledProofError::Commitment { .. } | SampledProofError::Replay(_)), "{error}");
    // One sample twice.
    let error = case.refusal(|wire| wire.samples.insert(1, next));
    assert!(matches!(error, SampledProofError::Commitment { height, .. } if height.0 == first.0 + 1), "{error}");
    // One block to the side.
    let error = case.refusal(|wire| wire.samples[1].skipped += 1);
    assert!(matches!(error, SampledProofError::Commitment { height, .. } if height.0 == second.0 + 1), "{error}");
    // The last block before the tail, the first of the tail, no height at all.
    let from = Height(first.0 + 1);
    let beyond = |skipped| SampledProofError::SampleHeight { from, skipped, tail: 200 };
    let moved = |skipped| case.refusal(|wire| wire.samples[1].skipped = skipped);
    assert!(!matches!(moved(199 - from.0), SampledProofError::SampleHeight { .. }));
    assert_eq!(moved(200 - from.0), beyond(200 - from.0));
    assert_eq!(moved(u32::MAX), beyond(u32::MAX));
}

#[test]
fn subtrees_are_those_of_the_history() {
    let case = Case::new();
    // The first subtree is that of the first gap; the sample behind it commits to it.
    let gap = case.wire.samples.iter().position(|sample| sample.skipped > 0).unwrap();
    let first = case.sample_height(gap);
    let is_commitment = |error| matches!(error, SampledProofError::Commitment { height, .. } if height == first);
    assert!(is_commitment(case.refusal(|wire| wire.subtrees[0].hash[0] ^= 1)));
    assert!(is_commitment(case.refusal(|wire| wire.subtrees[0].work = Work::from(1_000))));
    assert!(is_commitment(case.refusal(|wire| wire.subtrees[0].gap_s += 1)));
    assert!(is_commitment(case.refusal(|wire| wire.subtrees[0].duration_s += 1)));

    let most = Work::from_be_bytes(&[0xff; 32]);
    let overflow = case.refusal(|wire| wire.subtrees[0].work = most);
    assert!(matches!(overflow, SampledProofError::Replay(ReplayError::History(HistoryError::WorkOverflow { .. }))));
    let time = case.refusal(|wire| wire.subtrees[0].gap_s = i64::MIN);
    assert_eq!(time, ReplayError::Time { height: 1 + u32::try_from(gap).unwrap() }.into());
    let left = case.refusal(|wire| wire.subtrees.push(wire.subtrees[0].clone()));
    assert_eq!(left, ReplayError::Left { left: 1 }.into());
    let missing = case.refusal(|wire| wire.subtrees.truncate(wire.subtrees.len() - 1));
    assert!(matches!(missing, SampledProofError::Replay(ReplayError::Missing { .. })), "{missing}");
}

#[test]
fn openings_lead_to_their_headers() {
    let case = Case::new();
    let (first, tip) = (case.sample_height(0), case.chain.tip());
    let changes: [fn(&mut WireOpening); 6] = [
        |opening| opening.witness_root[0] ^= 1,
        |opening| opening.filter_hash[0] ^= 1,
        |opening| opening.utxo_root[0] ^= 1,
        |opening| opening.branch[1][0] ^= 1,
        |opening| opening.branch.swap(0, 1),
        |opening| opening.branch.clear(),
    ];
    for change in changes {
        let root = case.wire.samples[0].header.merkle_root;
        let error = case.refusal(|wire| change(&mut wire.samples[0].opening));
        assert_eq!(error, SampledProofError::Commitment { height: first, root });
        let root = case.wire.tail[99].merkle_root;
        let error = case.refusal(|wire| change(&mut wire.tip));
        assert_eq!(error, SampledProofError::Commitment { height: tip, root });
    }
    // 24 siblings are read, 25 are not.
    let deep = |siblings| case.refusal(|wire| wire.tip.branch = vec![[0; 32]; siblings]);
    assert!(matches!(deep(24), SampledProofError::Commitment { .. }));
    assert!(matches!(deep(25), SampledProofError::Codec(CodecError::Malformed { .. })));
}

#[test]
fn the_last_headers_come_whole() {
    let case = Case::new();
    let tail = |found| SampledProofError::Tail { found, expected: 100 };
    assert_eq!(case.refusal(|wire| wire.tail.truncate(99)), tail(99));
    assert_eq!(case.refusal(|wire| wire.tail.clear()), tail(0));
    let error = case.refusal(|wire| wire.tail.push(wire.tail[0]));
    assert!(matches!(error, SampledProofError::Codec(CodecError::Malformed { .. })));
    assert_eq!(case.refusal(|wire| wire.height = 50), SampledProofError::Tail { found: 100, expected: 50 });
    let genesis = case.refusal(|wire| {
        wire.height = 0;
        wire.tail.clear();
    });
    assert_eq!(genesis, SampledProofError::Genesis);
    // Another height than the tail's: the history has another size.
    for height in [299 - 1, 299 + 1, u32::MAX] {
        let error = case.refusal(|wire| wire.height = height);
        assert!(matches!(error, SampledProofError::Replay(_) | SampledProofError::Commitment { .. }), "{error}");
    }
    // Two headers that follow each other, the other way round.
    let error = case.refusal(|wire| wire.tail.swap(50, 51));
    let (found, expected) = (case.wire.tail[51].parent, case.wire.tail[50].parent);
    assert_eq!(error, SampledProofError::Parent { height: Height(250), found, expected });
}

#[test]
fn bytes_have_one_form() {
    let chain = History::honest(asert(), 60, 1, 130);
    let sampling = Sampling::receipt();
    let bytes = chain.proof(&sampling);
    let check = |bytes: &[u8]| verify(bytes, &sampling, &chain.rules);
    assert!(check(&bytes).is_ok());
    assert_eq!(encode(&SampledProof::decode(&bytes).unwrap()), bytes);
    // Steps that share no factor with the 80 bytes of a header or the 32 of a hash.
    for index in (0..bytes.len()).step_by(23) {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        assert!(check(&changed).is_err(), "byte {index}");
        assert!(matches!(check(&bytes[..index]), Err(SampledProofError::Codec(CodecError::Malformed { .. }))));
    }
    let trailing = check(&[&bytes[..], &[0]].concat());
    assert!(matches!(trailing, Err(SampledProofError::Codec(CodecError::Trailing { trailing: 1, .. }))));
    // The height, 129, in three bytes and not in two.
    assert_eq!(bytes[..2], [0x81, 1]);
    let overlong = check(&[&[0x81, 0x81, 0], &bytes[2..]].concat());
    assert!(matches!(overlong, Err(SampledProofError::Codec(CodecError::NotCanonical { .. }))));
    let long = check(&vec![0; PROOF_BYTES_MAX + 1]);
    let limit = PROOF_BYTES_MAX;
    assert!(matches!(long, Err(SampledProofError::Codec(CodecError::TooLong { limit: found, .. })) if found == limit));
    // Lengths that no data follows: 2^28 samples.
    let promised = check(&[0x81, 1, 0xff, 0xff, 0xff, 0x7f]);
    assert!(matches!(promised, Err(SampledProofError::Codec(CodecError::Malformed { .. }))));
}
