//! The time of a chain: a median, so that no single miner sets it.

use crate::units::BlockTime;

/// How many blocks the median is over.
pub const MEDIAN_TIME_BLOCKS: usize = 11;

/// The median of the times of a block and its ancestors, latest block first; those beyond the eleventh are not looked at.
/// `None` without any. Of an even number the later of the two middle ones is taken, as in Bitcoin.
pub fn median_time(times: impl IntoIterator<Item = BlockTime>) -> Option<BlockTime> {
    let mut sorted = [BlockTime::default(); MEDIAN_TIME_BLOCKS];
    let mut count = 0;
    for (place, time) in sorted.iter_mut().zip(times) {
        *place = time;
        count += 1;
    }
    let sorted = &mut sorted[..count];
    sorted.sort_unstable();
    sorted.get(count / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn median(times: &[u32]) -> Option<u32> {
        median_time(times.iter().copied().map(BlockTime)).map(|time| time.0)
    }

    #[test]
    fn median_of_up_to_eleven() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7]), Some(7));
        // BIP 113's reference, GetMedianTimePast: sorted[count / 2].
        assert_eq!(median(&[9, 7]), Some(9));
        assert_eq!(median(&[1, 9, 5]), Some(5));
        assert_eq!(median(&[11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6]), Some(6));
    }

    #[test]
    fn the_twelfth_does_not_count() {
        let eleven = [5, 5, 5, 5, 5, 5, 9, 9, 9, 9, 9];
        assert_eq!(median(&eleven), Some(5));
        assert_eq!(median(&[&eleven[..], &[9; 20]].concat()), Some(5));
    }
}
