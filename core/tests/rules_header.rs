//! The rules of a header: each with a case that just passes and one that just fails.

use crate::support::{mine, spec, test};
use qbtc_core::hash::{BlockHash, MerkleRoot};
use qbtc_core::header::Header;
use qbtc_core::pow::WorkError;
use qbtc_core::units::{BlockTime, CompactBits, Height, Target, TargetError};
use qbtc_core::verify::{CheckedHeader, HeaderContext, HeaderError, check_header};

const BITS: CompactBits = CompactBits(0x207f_ffff);
const MEDIAN: BlockTime = BlockTime(1_000_000);
const NOW: BlockTime = BlockTime(2_000_000);

/// Names the test of each rule, so that a rule without one does not compile.
#[allow(dead_code, reason = "it is there to be compiled")]
const fn test_of(error: &HeaderError) -> fn() {
    match error {
        HeaderError::Work(WorkError::Bits(_)) => bits_are_a_target,
        HeaderError::Work(WorkError::Hash { .. }) => the_hash_is_at_most_the_target,
        HeaderError::Difficulty { .. } => bits_are_those_demanded,
        HeaderError::TimeTooOld { .. } => time_is_above_the_median,
        HeaderError::TimeTooNew { .. } => time_is_not_far_in_the_future,
    }
}

fn header() -> Header {
    let (parent, merkle_root) = (BlockHash::from_bytes([1; 32]), MerkleRoot::from_bytes([2; 32]));
    mine(Header { version: 1, parent, merkle_root, time: BlockTime(MEDIAN.0 + 1), bits: BITS, nonce: 0 })
}

fn check(header: Header) -> Result<CheckedHeader, HeaderError> {
    let context = HeaderContext { height: Height(7), expected_bits: BITS, median_time_past: MEDIAN, now: NOW };
    check_header(header, &context, spec().consensus())
}

#[test]
fn bits_are_a_target() {
    let refused = |bits| check(Header { bits: CompactBits(bits), ..header() }).unwrap_err();
    for (bits, error) in [
        (0x0480_0001, TargetError::Negative(CompactBits(0x0480_0001))),
        (0x0000_0000, TargetError::Zero(CompactBits(0))),
        (0x2300_0001, TargetError::Overflow(CompactBits(0x2300_0001))),
    ] {
        assert_eq!(refused(bits), HeaderError::Work(WorkError::Bits(error)));
    }
    assert!(check(header()).is_ok());
}

#[test]
fn the_hash_is_at_most_the_target() {
    let good = header();
    let checked = check(good).unwrap();
    assert_eq!((checked.id(), checked.height(), checked.header()), (good.id(), Height(7), &good));
    let target = Target::from_compact(BITS).unwrap();
    assert_eq!(checked.work(), target.work());

    let above = |nonce: &u32| !target.is_met_by(&Header { nonce: *nonce, ..good }.id().to_bytes());
    let bad = Header { nonce: (0..).find(above).unwrap(), ..good };
    let error = WorkError::Hash { hash: bad.id().to_bytes(), target, bits: BITS };
    assert_eq!(check(bad), Err(HeaderError::Work(error)));
}

#[test]
fn bits_are_those_demanded() {
    // Harder than demanded is as wrong as easier: the work would count for more than the rule grants.
    let found = CompactBits(0x207f_fffe);
    let error = HeaderError::Difficulty { height: Height(7), found, expected: BITS };
    assert_eq!(check(mine(Header { bits: found, ..header() })), Err(error));
    assert!(check(header()).is_ok());
}

#[test]
fn time_is_above_the_median() {
    assert!(check(mine(Header { time: BlockTime(MEDIAN.0 + 1), ..header() })).is_ok());
    let error = HeaderError::TimeTooOld { found: MEDIAN, median: MEDIAN };
    assert_eq!(check(mine(Header { time: MEDIAN, ..header() })), Err(error));
}

#[test]
fn time_is_not_far_in_the_future() {
    let limit = BlockTime(NOW.0 + spec().consensus().future_limit_s);
    assert!(check(mine(Header { time: limit, ..header() })).is_ok());
    let found = BlockTime(limit.0 + 1);
    assert_eq!(check(mine(Header { time: found, ..header() })), Err(HeaderError::TimeTooNew { found, limit }));
}
