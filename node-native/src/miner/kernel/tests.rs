//! Every kernel against core, which hashes by another implementation and one header at a time.

use proptest::prelude::*;
use qbtc_core::header::Header;
use qbtc_core::pow::PowAlgorithm;
use qbtc_core::units::{CompactBits, Target};

use super::Kernel;

/// What core finds.
fn expected(header: &Header, target: Target, mut nonces: std::ops::RangeInclusive<u32>) -> Option<u32> {
    nonces.find(|nonce| target.is_met_by(&PowAlgorithm::Sha256d.hash(&Header { nonce: *nonce, ..*header })))
}

fn target(bits: u32) -> Target {
    Target::from_compact(CompactBits(bits)).unwrap()
}

fn header(hex_bytes: &str) -> Header {
    let mut bytes = [0; 80];
    hex::decode_to_slice(hex_bytes, &mut bytes).unwrap();
    Header::from_bytes(&bytes)
}

/// Headers of Bitcoin, as a node gives them: the genesis block, and blocks 170, 100,000 and 125,552.
const BITCOIN: [&str; 4] = [
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c",
    "0100000055bd840a78798ad0da853f68974f3d183e2bd1db6a842c1feecf222a00000000ff104ccb05421ab93e63f8c3ce5c2c2e9dbb37de2764b3a3175c8166562cac7d51b96a49ffff001d283e9e70",
    "0100000050120119172a610421a6c3011dd330d9df07b63616c2cc1f1cd00200000000006657a9252aacd5c0b2940996ecff952228c3067cc38d4885efb5a4ac4247e9f337221b4d4c86041b0f2b5710",
    "0100000081cd02ab7e569e8bcd9317e2fe99f2de44d49ab2b8851ba4a308000000000000e320b6c2fffc8d750423db8b1eb942ae710e951ed797f7affc8892b0f1fc122bc7f5d74df2b9441a42a14695",
];

#[test]
fn nonces_of_bitcoin_are_found() {
    for header in BITCOIN.map(header) {
        let target = target(header.bits.0);
        for kernel in Kernel::supported() {
            // Its distance to the edges of the range moves the nonce through every lane.
            for before in 0..70 {
                let range = header.nonce - before..=header.nonce + 70 - before;
                assert_eq!(kernel.scan(&header, target, range), Some(header.nonce), "{kernel}, {before} before");
            }
            assert_eq!(kernel.scan(&header, target, header.nonce..=header.nonce), Some(header.nonce), "{kernel}");
            assert_eq!(kernel.scan(&header, target, header.nonce - 500..=header.nonce - 1), None, "{kernel}");
            assert_eq!(kernel.scan(&header, target, header.nonce + 1..=header.nonce + 500), None, "{kernel}");
        }
    }
}

/// The highest word of the hash is that of the target, and the rest decides.
#[test]
fn candidates_that_miss_the_target_are_passed_over() {
    let genesis = header(BITCOIN[0]);
    let just_below = Target::from_compact(CompactBits(0x1c00_0fff)).unwrap();
    assert!(target(genesis.bits.0) > just_below);
    for kernel in Kernel::supported() {
        let range = genesis.nonce - 5..=genesis.nonce + 5;
        assert_eq!(kernel.scan(&genesis, just_below, range), None, "{kernel}");
    }
}

#[test]
fn all_hits_of_a_range_are_found_one_after_the_other() {
    let header = Header::from_bytes(&[7; 80]);
    // One nonce in 256, one in 2, every one.
    for bits in [0x2000_ffff, 0x207f_ffff, 0x2100_ffff] {
        let target = target(bits);
        for kernel in Kernel::supported() {
            let mut next = 1_003;
            while let Some(nonce) = kernel.scan(&header, target, next..=1_703) {
                assert_eq!(Some(nonce), expected(&header, target, next..=1_703), "{kernel}, {bits:08x}");
                next = nonce + 1;
            }
            assert_eq!(expected(&header, target, next..=1_703), None, "{kernel}, {bits:08x}");
            assert!(next > 1_003, "a range of 700 nonces has hits");
        }
    }
}

#[test]
fn ranges_end_at_the_edges_of_the_nonces() {
    let header = Header::from_bytes(&[3; 80]);
    let target = target(0x2010_0000);
    for kernel in Kernel::supported() {
        for range in
            [0..=0, 0..=1, 0..=99, 1..=16, u32::MAX - 99..=u32::MAX, u32::MAX - 1..=u32::MAX, u32::MAX..=u32::MAX]
        {
            let found = kernel.scan(&header, target, range.clone());
            assert_eq!(found, expected(&header, target, range.clone()), "{kernel}, {range:?}");
            assert_eq!(kernel.scan(&header, Target::MIN, range.clone()), None, "{kernel}, {range:?}");
            assert_eq!(kernel.scan(&header, Target::MAX, range.clone()), Some(*range.start()), "{kernel}, {range:?}");
        }
        #[allow(clippy::reversed_empty_ranges, reason = "a range may be empty")]
        let empty = 5..=4;
        assert_eq!(kernel.scan(&header, Target::MAX, empty), None, "{kernel}");
    }
}

/// The closest targets below and above a hash that compact bits can state.
#[test]
fn targets_above_a_hash_are_met_and_below_it_missed() {
    let header = Header::from_bytes(&[11; 80]);
    for nonce in 0..64 {
        let hash = PowAlgorithm::Sha256d.hash(&Header { nonce, ..header });
        let highest = u32::from_le_bytes([hash[28], hash[29], hash[30], hash[31]]);
        // Compact bits hold the hash's 16 or 23 highest bits. Without the others they are a target below the hash; one more is above it.
        let (size, mantissa) = if highest >> 31 == 0 { (32 << 24, highest >> 8) } else { (33 << 24, highest >> 16) };
        for bits in [size | mantissa, size | (mantissa + 1)] {
            let target = target(bits);
            let is_met = target.is_met_by(&hash).then_some(nonce);
            assert_eq!(is_met.is_some(), bits & 0x00ff_ffff == mantissa + 1);
            for kernel in Kernel::supported() {
                assert_eq!(kernel.scan(&header, target, nonce..=nonce), is_met, "{kernel}, nonce {nonce}");
            }
        }
    }
}

#[test]
fn fastest_is_supported() {
    assert!(Kernel::fastest().is_supported());
    assert!(Kernel::supported().any(|kernel| kernel == Kernel::Portable));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Random headers, targets from one nonce in some hundreds to every one, ranges anywhere.
    #[test]
    fn kernels_agree_with_core(
        bytes in proptest::array::uniform32(any::<u8>()),
        rest in proptest::array::uniform32(any::<u8>()),
        tail in proptest::array::uniform12(any::<u8>()),
        mantissa in 0x00_4000_u32..=0x7f_ffff,
        is_easiest in proptest::bool::weighted(0.1),
        first in prop_oneof![any::<u32>(), 0..40_u32, u32::MAX - 400..=u32::MAX],
        length in 0..300_u32,
    ) {
        let header = Header::from_bytes(&[&bytes[..], &rest, &tail, &[0; 4]].concat().try_into().unwrap());
        let target = if is_easiest { Target::MAX } else { target(0x2000_0000 | mantissa) };
        let range = first..=first.saturating_add(length);
        let expected = expected(&header, target, range.clone());
        for kernel in Kernel::supported() {
            prop_assert_eq!(kernel.scan(&header, target, range.clone()), expected, "{}", kernel);
        }
    }
}
