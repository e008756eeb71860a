//! What a wallet checks of headers: that each shows the work which the chain's rules demand at its place.
//!
//! A liar can then not invent blocks; he must mine them, at about the difficulty of the true chain. What a wallet cannot check with
//! the few headers it asks for: whether there is a chain with more work, what lies below the block that it begins with, and the median
//! time of the blocks before. Where the difficulty changes by intervals, the first bits of an interval are held to the greatest
//! change that the rule allows, since its exact value asks for a header that lies far back.

use qbtc_core::header::Header;
use qbtc_core::pow::{BitsError, Parent};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::{BlockTime, CompactBits, Height, Target};
use qbtc_core::verify::HeaderError;

/// Checks headers that follow one another, the first of them the child of `parent` at this height.
///
/// # Errors
/// [`HeaderError`] with the height of the first header that breaks a rule.
pub(super) fn check_headers(
    (height, parent): (Height, &Header),
    headers: &[Header],
    spec: &ChainSpec,
    now: BlockTime,
) -> Result<(), (Height, HeaderError)> {
    let parents = std::iter::once(parent).chain(headers);
    for (parent_height, (parent, header)) in (height.0..).zip(parents.zip(headers)) {
        let parent_height = Height(parent_height);
        let height = parent_height.next().unwrap_or(parent_height);
        check(header, parent_height, parent, spec, now).map_err(|error| (height, error))?;
    }
    Ok(())
}

fn check(
    header: &Header,
    parent_height: Height,
    parent: &Header,
    spec: &ChainSpec,
    now: BlockTime,
) -> Result<(), HeaderError> {
    let rules = spec.consensus();
    let target = rules.pow.check_work(header)?;
    let parent = Parent { height: parent_height, time: parent.time, bits: parent.bits };
    let (expected, is_exact) = bits_after(parent, spec);
    let is_within = || Target::from_compact(expected).is_ok_and(|easiest| target <= easiest);
    if header.bits != expected && (is_exact || !is_within()) {
        let height = parent_height.next().unwrap_or(parent_height);
        return Err(HeaderError::Difficulty { height, found: header.bits, expected });
    }
    let limit = now.saturating_add(rules.future_limit_s);
    if header.time > limit {
        return Err(HeaderError::TimeTooNew { found: header.time, limit });
    }
    Ok(())
}

/// The bits of a child, or the easiest that it may state, and whether they are exactly those.
fn bits_after(parent: Parent, spec: &ChainSpec) -> (CompactBits, bool) {
    match spec.retarget().bits_after(parent, |_| None) {
        Ok(bits) => (bits, true),
        // As if the interval had begun at the beginning of all times: the greatest change to what is easier.
        Err(BitsError::UnknownAncestor { .. }) => {
            let easiest = spec.retarget().bits_after(parent, |_| Some(BlockTime(0)));
            (easiest.unwrap_or(parent.bits), false)
        }
        Err(BitsError::Parent(_)) => (parent.bits, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain with an easy start, so that headers are mined in a test, under a rule of difficulty.
    fn spec(difficulty: &str) -> ChainSpec {
        let text = ChainSpec::dev().to_toml().replace(&0x1f00_ffff.to_string(), &0x207f_ffff.to_string());
        let rule = "rule = \"fixed\"";
        assert!(text.contains(rule), "{text}");
        ChainSpec::from_toml(&text.replace(rule, difficulty)).unwrap()
    }

    fn child(parent: &Header, bits: CompactBits, seconds: u32, spec: &ChainSpec) -> Header {
        let mut header = Header { parent: parent.id(), time: parent.time.saturating_add(seconds), bits, ..*parent };
        while spec.consensus().pow.check_work(&header).is_err() {
            header.nonce += 1;
        }
        header
    }

    #[test]
    fn work_difficulty_and_time_are_demanded() {
        let spec = ChainSpec::dev();
        let genesis = spec.genesis().header;
        let now = genesis.time.saturating_add(100);
        let check = |header: Header| check_headers((Height::GENESIS, &genesis), &[header], &spec, now);
        let good = child(&genesis, genesis.bits, 10, &spec);
        assert_eq!(check(good), Ok(()));
        let mut idle = good;
        while spec.consensus().pow.check_work(&idle).is_ok() {
            idle.nonce += 1;
        }
        assert!(matches!(check(idle), Err((Height(1), HeaderError::Work(_)))));
        let easy = child(&genesis, CompactBits(0x207f_ffff), 10, &spec);
        assert!(matches!(check(easy), Err((Height(1), HeaderError::Difficulty { .. }))));
        let limit_s = spec.consensus().future_limit_s;
        assert_eq!(check(child(&genesis, genesis.bits, 100 + limit_s, &spec)), Ok(()));
        let early = child(&genesis, genesis.bits, 101 + limit_s, &spec);
        assert!(matches!(check(early), Err((Height(1), HeaderError::TimeTooNew { .. }))));
    }

    #[test]
    fn bits_that_move_are_followed() {
        let spec = spec("rule = \"asert\"\nhalf_life_s = 60");
        let genesis = spec.genesis().header;
        // Blocks that come at once make the next one harder.
        let mut headers = vec![genesis];
        for height in 0..6 {
            let parent = *headers.last().unwrap();
            let place = Parent { height: Height(height), time: parent.time, bits: parent.bits };
            let bits = spec.retarget().bits_after(place, |_| None).unwrap();
            headers.push(child(&parent, bits, 1, &spec));
        }
        assert_ne!(headers[6].bits, genesis.bits);
        let now = headers[6].time;
        assert_eq!(check_headers((Height::GENESIS, &genesis), &headers[1..], &spec, now), Ok(()));
        headers[6] = child(&headers[5], genesis.bits, 1, &spec);
        let refused = check_headers((Height(3), &headers[3]), &headers[4..], &spec, now);
        assert!(matches!(refused, Err((Height(6), HeaderError::Difficulty { .. }))), "{refused:?}");
    }

    #[test]
    fn bits_change_only_where_an_interval_ends_and_not_by_more_than_the_clamp() {
        let spec = spec("rule = \"interval\"\nblocks = 4\nclamp = 4");
        let genesis = spec.genesis().header;
        let hard = Header { bits: CompactBits(0x2007_ffff), ..genesis };
        let at = |height: u32, bits: u32| {
            let header = child(&hard, CompactBits(bits), 10, &spec);
            check_headers((Height(height - 1), &hard), &[header], &spec, header.time)
        };
        assert_eq!(at(3, 0x2007_ffff), Ok(()));
        assert!(at(3, 0x2006_ffff).is_err() && at(5, 0x2008_0000).is_err());
        // At the end of an interval, up to four times easier, or harder by whatever.
        assert_eq!((at(4, 0x201f_fffc), at(4, 0x2006_ffff)), (Ok(()), Ok(())));
        assert!(at(4, 0x2020_0000).is_err());
    }
}
