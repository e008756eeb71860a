//! Chains that break a rule or lack work, proven by someone who follows the protocol otherwise: each is caught, and a forger of half
//! of the work is caught as often as the calculation says.

use crate::history::{EASIEST, History};
use crate::support::test;
use qbtc_core::commit::flyclient::{ProvenChain, SampledProofError, Sampling, verify};
use qbtc_core::commit::mmr::Node;
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::pow::{Asert, Difficulty, Interval, WorkError};
use qbtc_core::units::{BlockTime, CompactBits, Height, Work};

const SPACING_S: u32 = 60;
const BLOCKS: u32 = 300;
/// A block before the last hundred, and one of them.
const SAMPLED: u32 = 190;
const IN_TAIL: u32 = 250;

fn asert() -> Difficulty {
    Difficulty::Asert(Asert::new(6_000).unwrap())
}

fn interval(blocks: u32) -> Difficulty {
    Difficulty::Interval(Interval::new(blocks, 4).unwrap())
}

/// A chain that is honest but for the block at one height, which `forge` makes from what should stand there.
fn forged(difficulty: Difficulty, height: u32, forge: impl FnOnce(&History, Header) -> Header) -> History {
    let mut chain = History::honest(difficulty, SPACING_S, 1, height);
    let header = forge(&chain, chain.next());
    chain.append(header);
    chain.grow(BLOCKS - 1 - height);
    chain
}

fn check(chain: &History, sampling: &Sampling) -> Result<ProvenChain, SampledProofError> {
    verify(&chain.proof(sampling), sampling, &chain.rules)
}

/// What the verifier says when all blocks are drawn.
fn verdict(chain: &History) -> Result<ProvenChain, SampledProofError> {
    let sampling = Sampling::receipt().with_security_bits(1_000);
    assert!(chain.prove(&sampling).unwrap().samples() > 190);
    check(chain, &sampling)
}

#[test]
fn missing_work_is_found() {
    for height in [SAMPLED, IN_TAIL, BLOCKS - 1] {
        let chain = forged(asert(), height, History::unmined);
        let expected = Height(height);
        assert!(matches!(
            verdict(&chain),
            Err(SampledProofError::Work { height, error: WorkError::Hash { .. }, .. }) if height == expected
        ));
    }
    // A leaf that claims more work than its block has.
    let mut chain = History::honest(asert(), SPACING_S, 1, SAMPLED);
    let header = chain.mined(chain.next());
    chain.append_leaf(header, Node::leaf(header.id(), Work::from(1_000), header.time));
    chain.grow(BLOCKS - 1 - SAMPLED);
    let found = check(&chain, &Sampling::receipt());
    assert!(
        matches!(found, Err(SampledProofError::Commitment { height, .. }) if height > Height(SAMPLED)),
        "{found:?}"
    );
}

#[test]
fn other_bits_are_refused() {
    let harder = CompactBits(0x2017_ffff);
    for difficulty in [asert(), Difficulty::Fixed] {
        for height in [SAMPLED, IN_TAIL] {
            let mut expected = EASIEST;
            let chain = forged(difficulty, height, |chain, header| {
                expected = header.bits;
                chain.mined(Header { bits: harder, ..header })
            });
            let refused = SampledProofError::Bits { height: Height(height), found: harder, expected };
            assert_eq!(verdict(&chain), Err(refused));
        }
    }
}

/// Bits that are no target: the header cannot be made into a leaf honestly, so the leaf is of another one.
#[test]
fn bits_that_are_no_target_are_refused() {
    let mut chain = History::honest(asert(), SPACING_S, 1, SAMPLED);
    let next = chain.mined(chain.next());
    let header = Header { bits: CompactBits(0), ..next };
    chain.append_leaf(header, Node::leaf(header.id(), Work::from(2), header.time));
    chain.grow_from(next, BLOCKS - 1 - SAMPLED);
    let found = verdict(&chain);
    assert!(matches!(found, Err(SampledProofError::Work { error: WorkError::Bits(_), .. })), "{found:?}");
}

/// Where all blocks of an interval are shown the check is exact, and else within the clamp.
#[test]
fn interval_bits_are_checked_as_far_as_they_are_known() {
    let harder = CompactBits(0x2058_0000);
    // Within an interval.
    let chain = forged(interval(150), SAMPLED, |chain, header| chain.mined(Header { bits: harder, ..header }));
    let found = verdict(&chain);
    assert!(matches!(found, Err(SampledProofError::Bits { height: Height(SAMPLED), .. })), "{found:?}");
    // At its end, and all blocks are shown.
    let chain = forged(interval(20), 240, |chain, header| chain.mined(Header { bits: harder, ..header }));
    let found = check(&chain, &Sampling::receipt());
    assert!(matches!(found, Err(SampledProofError::Bits { height: Height(240), .. })), "{found:?}");
    // At its end, and most blocks before are missing: a factor of 4, and a little more than rounding explains.
    let with = |bits| forged(interval(150), 150, |chain, header| chain.mined(Header { bits, ..header }));
    let chain = with(CompactBits(0x201f_ffff));
    assert!(check(&chain, &chain.live(0)).is_ok());
    let chain = with(CompactBits(0x201f_7fff));
    let found = check(&chain, &chain.live(0));
    assert!(matches!(found, Err(SampledProofError::Clamp { before: EASIEST, intervals: 1, .. })), "{found:?}");
    // The same towards easier bits: up two steps at once after two steps down.
    let steps = |third| {
        let mut chain = History::new(interval(150), SPACING_S, 1);
        for (interval, bits) in (1..).zip([CompactBits(0x201f_ffff), CompactBits(0x2007_ffff), third]) {
            chain.grow(150 * interval - chain.blocks());
            chain.append(chain.mined(Header { bits, ..chain.next() }));
        }
        chain.grow(149);
        check(&chain, &chain.live(0))
    };
    assert!(steps(CompactBits(0x201f_fffc)).is_ok());
    let found = steps(EASIEST);
    assert!(matches!(found, Err(SampledProofError::Clamp { found: EASIEST, intervals: 1, .. })), "{found:?}");
}

#[test]
fn other_histories_are_refused() {
    for height in [SAMPLED, BLOCKS - 1] {
        let chain = forged(asert(), height, |chain, header| {
            let merkle_root = chain.merkle_root(Height(height), chain.cut(height - 1).peaks.root());
            chain.mined(Header { merkle_root, ..header })
        });
        let (height, root) = (Height(height), chain.headers[usize::try_from(height).unwrap()].merkle_root);
        assert_eq!(verdict(&chain), Err(SampledProofError::Commitment { height, root }));
    }
}

#[test]
fn a_header_names_its_parent() {
    for height in [SAMPLED, IN_TAIL] {
        let mut expected = BlockHash::ZERO;
        let chain = forged(asert(), height, |chain, header| {
            expected = header.parent;
            chain.mined(Header { parent: BlockHash::ZERO, ..header })
        });
        let refused = SampledProofError::Parent { height: Height(height), found: BlockHash::ZERO, expected };
        assert_eq!(verdict(&chain), Err(refused));
    }
}

#[test]
fn a_time_is_above_the_median() {
    for height in [SAMPLED, IN_TAIL, BLOCKS - 1] {
        let at = |above: u32| {
            let mut median = BlockTime(0);
            let chain = forged(asert(), height, |chain, header| {
                let mut times: Vec<_> = chain.headers.iter().rev().take(11).map(|header| header.time).collect();
                times.sort_unstable();
                median = times[5];
                chain.mined(Header { time: BlockTime(median.0 + above), ..header })
            });
            (verdict(&chain).map(drop), median)
        };
        assert_eq!(at(1).0, Ok(()));
        let (refused, median) = at(0);
        assert_eq!(refused, Err(SampledProofError::Time { height: Height(height), found: median, median }));
    }
}

/// A parent without work states a time long past, so that its child may claim the work of a hundred blocks by the rules: bits and
/// hash are right, and the parent's own share of the work is too small to be drawn often.
#[test]
fn one_lucky_block_does_not_stand_for_many() {
    let mut chain = History::honest(asert(), SPACING_S, 1, 881);
    let next = chain.next();
    let long_past = BlockTime(next.time.0 - 6 * 6_000);
    chain.append(chain.unmined(Header { time: long_past, ..next }));
    let before = chain.peaks.work();
    chain.grow(1);
    let leap = chain.peaks.work().checked_sub(before).unwrap();
    assert!(leap > Work::from(150), "{leap:?}");
    chain.grow(117);
    let mut leaps = 0;
    for seed in 0..20 {
        match check(&chain, &chain.live(seed)).unwrap_err() {
            SampledProofError::Growth { height: Height(882), work, .. } if work == leap => leaps += 1,
            SampledProofError::Work { height: Height(881), .. } => {}
            other => panic!("{other}"),
        }
    }
    assert!(leaps > 10, "{leaps} of 20");
}

/// A forger forks off 400 blocks before the end of 1,600, lacks the work of the first half of its branch and has that of the
/// second: the best that one with half of the work can do, since samples are denser towards the end.
///
/// The missing half is one octave of log2(1,600 / 100) = 4, so one sample finds it with a probability of 1/4. Two bits of security
/// are 2 / −log2(3/4), rounded up 5, samples, and the forger passes with (3/4)^5 = 23.7 %.
#[test]
fn a_forger_of_half_the_work_is_caught_as_calculated() {
    const TRIALS: u32 = 300;
    let honest = History::honest(Difficulty::Fixed, SPACING_S, 1, 1_200);
    let mut without_work = honest.clone();
    for _ in 0..200 {
        without_work.append(without_work.unmined(without_work.next()));
    }
    // The work of 200 blocks, in a leaf behind which there is none.
    let mut without_blocks = honest;
    let next = without_blocks.mined(without_blocks.next());
    without_blocks.append_leaf(next, Node::leaf(next.id(), Work::from(400), next.time));

    for mut chain in [without_work, without_blocks] {
        chain.grow(200);
        assert_eq!(chain.peaks.work(), Work::from(3_200));
        let mut passed = 0;
        for seed in 0..TRIALS {
            let sampling = chain.live(seed).with_security_bits(2);
            match check(&chain, &sampling) {
                Ok(_) => passed += 1,
                Err(SampledProofError::Work { height, .. }) => assert!((1_200..1_400).contains(&height.0)),
                Err(SampledProofError::Commitment { height, .. }) => assert!(height.0 > 1_200),
                Err(other) => panic!("{other}"),
            }
        }
        // 71 expected, with a standard deviation of 7.4.
        assert!((71 - 30..71 + 30).contains(&passed), "{passed} of {TRIALS} passed");
        // At the security of a live proof, none.
        assert!((0..20).all(|seed| check(&chain, &chain.live(seed)).is_err()));
    }
}
