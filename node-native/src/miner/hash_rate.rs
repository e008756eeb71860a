//! How fast the miner is: counted by the workers, read over a sliding window.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// How far back the rate looks.
const WINDOW: Duration = Duration::from_secs(10);
/// The most readings that are kept.
const READINGS_MAX: usize = 64;

/// The rate over the last seconds, from readings of a counter.
#[derive(Clone, Debug)]
pub(super) struct HashRate {
    /// When it was read, and how many hashes there were in all; the oldest first, never empty.
    readings: VecDeque<(Instant, u64)>,
}

/// A hash rate. Shown with the unit that suits it, such as `46.1 MH/s`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct HashesPerSecond(pub f64);

impl HashRate {
    pub(super) fn new(now: Instant) -> Self {
        Self { readings: VecDeque::from([(now, 0)]) }
    }

    /// Takes in a reading, and returns how many hashes came since the last one.
    pub(super) fn read(&mut self, now: Instant, total: u64) -> u64 {
        let last = self.readings.back().map_or(0, |(_, total)| *total);
        self.readings.push_back((now, total));
        let begin = now.checked_sub(WINDOW);
        // The one before the window's begin stays, so that the window is covered to its begin.
        while self.readings.len() > READINGS_MAX || self.readings.get(1).is_some_and(|(at, _)| begin >= Some(*at)) {
            self.readings.pop_front();
        }
        total.saturating_sub(last)
    }

    /// The rate from the oldest reading that is kept to the last one; zero before there are two.
    pub(super) fn per_second(&self) -> HashesPerSecond {
        let (Some((begin, before)), Some((end, total))) = (self.readings.front(), self.readings.back()) else {
            return HashesPerSecond(0.0);
        };
        let seconds = end.duration_since(*begin).as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
        let hashes = total.saturating_sub(*before) as f64;
        HashesPerSecond(if seconds > 0.0 { hashes / seconds } else { 0.0 })
    }
}

impl fmt::Display for HashesPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rate = self.0;
        for unit in ["H/s", "kH/s", "MH/s", "GH/s"] {
            if rate < 999.95 {
                return write!(f, "{rate:.1} {unit}");
            }
            rate /= 1_000.0;
        }
        write!(f, "{rate:.1} TH/s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_that_of_the_window() {
        let start = Instant::now();
        let mut rate = HashRate::new(start);
        assert_eq!(rate.per_second(), HashesPerSecond(0.0));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(rate.read(at(1), 100), 100);
        assert_eq!(rate.per_second(), HashesPerSecond(100.0));
        // Ten times as fast from now on: after ten seconds nothing of the slow one is left.
        for second in 2..=11 {
            assert_eq!(rate.read(at(second), 100 + 1_000 * (second - 1)), 1_000);
        }
        assert_eq!(rate.per_second(), HashesPerSecond(1_000.0));
        // Paused for five seconds of the ten.
        assert_eq!(rate.read(at(16), 10_100), 0);
        assert_eq!(rate.per_second(), HashesPerSecond(500.0));
        assert_eq!(rate.read(at(60), 10_100), 0);
        assert!(rate.per_second() < HashesPerSecond(120.0));
        assert_eq!(rate.read(at(71), 10_100), 0);
        assert_eq!(rate.per_second(), HashesPerSecond(0.0));
    }

    #[test]
    fn readings_are_bounded() {
        let start = Instant::now();
        let mut rate = HashRate::new(start);
        for reading in 0..10_000 {
            rate.read(start + Duration::from_millis(reading), reading);
        }
        assert!(rate.readings.len() <= READINGS_MAX);
    }

    #[test]
    fn units_follow_the_size() {
        let shown = [0.0, 999.9, 1_000.0, 999_940.0, 46_123_456.0, 2.5e9, 7.25e14];
        let expected = ["0.0 H/s", "999.9 H/s", "1.0 kH/s", "999.9 kH/s", "46.1 MH/s", "2.5 GH/s", "725.0 TH/s"];
        assert_eq!(shown.map(|rate| HashesPerSecond(rate).to_string()), expected.map(String::from));
    }
}
