//! Variable difficulty: asks of each miner what it finds about as often as the operator wants.
//!
//! The rate is estimated over a window that ends when enough shares have come or enough time has passed; the difficulty changes only
//! when the estimate is off by more than a factor of two, since chance alone brings it near that.

use std::time::Duration;

use super::{Difficulty, Settings};

/// What one miner is asked for.
#[derive(Debug)]
pub(super) struct Vardiff {
    interval: Duration,
    least: Difficulty,
    most: Difficulty,
    current: Difficulty,
    /// When the window began.
    since: Duration,
    shares: u32,
    /// The difficulties of the window's shares together.
    work: f64,
}

/// The shares that end a window early: with so many, one window in five hundred is off by two.
const SHARES: u32 = 24;
/// A window without that many ends after so many intervals.
const INTERVALS: u32 = 12;
/// A window without a single share ends after so many.
const INTERVALS_SILENT: u32 = 6;
/// No estimate is better than this factor away from right.
const TOLERANCE: f64 = 2.0;
/// The most that the difficulty rises at once: a burst is weak evidence.
const RISE_MAX: f64 = 64.0;
/// The most that it falls at once.
const FALL_MAX: f64 = 4.0;
/// No window is taken for shorter than this: shares may wait in line together.
const WINDOW_S_MIN: f64 = 0.05;

impl Vardiff {
    /// Starts where the settings say.
    pub(super) fn new(settings: &Settings, now: Duration) -> Self {
        Self {
            interval: settings.share_interval,
            least: settings.difficulty_min,
            most: settings.difficulty_max,
            current: settings.difficulty_start.within(settings.difficulty_min, settings.difficulty_max),
            since: now,
            shares: 0,
            work: 0.0,
        }
    }

    /// What the miner is to be asked for from its next job on, if the network asks for more.
    pub(super) const fn current(&self) -> Difficulty {
        self.current
    }

    /// Goes on from another difficulty: one that the miner asked for.
    pub(super) fn suggest(&mut self, difficulty: Difficulty, now: Duration) {
        self.current = difficulty.within(self.least, self.most);
        self.begin(now);
    }

    /// Never goes below this difficulty again; says whether it is one that can be asked for at all.
    pub(super) fn raise_least(&mut self, difficulty: Difficulty) -> bool {
        if difficulty > self.most {
            return false;
        }
        self.least = difficulty.within(self.least, self.most);
        self.current = self.current.within(self.least, self.most);
        true
    }

    /// Counts a share of this difficulty.
    pub(super) fn share(&mut self, difficulty: Difficulty) {
        self.shares = self.shares.saturating_add(1);
        self.work += difficulty.value();
    }

    /// When [`Vardiff::retarget`] should be called next, if no share comes before.
    pub(super) fn deadline(&self) -> Duration {
        let intervals = if self.shares == 0 { INTERVALS_SILENT } else { INTERVALS };
        self.since.saturating_add(self.interval.saturating_mul(intervals))
    }

    /// Begins the next window if this one is over. `asked` is what the miner was really asked for.
    pub(super) fn retarget(&mut self, asked: Difficulty, now: Duration) {
        if self.shares < SHARES && now < self.deadline() {
            return;
        }
        let elapsed_s = now.saturating_sub(self.since).as_secs_f64().max(WINDOW_S_MIN);
        // A window without shares is taken for one with half a share.
        let work = if self.shares == 0 { asked.value() / 2.0 } else { self.work };
        let wanted = work / elapsed_s * self.interval.as_secs_f64();
        let from = self.current.value();
        if !(from / TOLERANCE..=from * TOLERANCE).contains(&wanted) {
            let bounded = round(wanted.clamp(from / FALL_MAX, from * RISE_MAX));
            self.current = Difficulty::new(bounded).unwrap_or(self.current).within(self.least, self.most);
        }
        self.begin(now);
    }

    const fn begin(&mut self, now: Duration) {
        self.since = now;
        self.shares = 0;
        self.work = 0.0;
    }
}

/// Whole numbers from 1 on, for they are easier to read and firmware exists that reads no others.
fn round(difficulty: f64) -> f64 {
    if difficulty >= 1.0 { difficulty.round() } else { difficulty }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::spec::ChainSpec;

    fn difficulty(value: f64) -> Difficulty {
        Difficulty::new(value).unwrap()
    }

    fn settings() -> Settings {
        Settings { difficulty_start: difficulty(1.0), ..Settings::new(&ChainSpec::dev(), None) }
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// A miner that finds shares at exactly its rate. Returns its difficulty after some time, and the changes on the way.
    fn simulate(rate: f64, start: f64, for_s: f64) -> (f64, u32) {
        let mut vardiff = Vardiff::new(&Settings { difficulty_start: difficulty(start), ..settings() }, Duration::ZERO);
        let (mut now, mut found, mut changes) = (0.0, 0.0, 0);
        while now < for_s {
            let before = vardiff.current();
            now += 0.01;
            found += rate * 0.01;
            while found >= vardiff.current().value() {
                found -= vardiff.current().value();
                vardiff.share(vardiff.current());
                vardiff.retarget(vardiff.current(), seconds(now));
            }
            vardiff.retarget(vardiff.current(), seconds(now));
            changes += u32::from(vardiff.current() != before);
        }
        (vardiff.current().value(), changes)
    }

    #[test]
    fn a_steady_miner_is_left_alone() {
        assert_eq!(simulate(0.1, 1.0, 3_600.0), (1.0, 0));
        assert_eq!(simulate(0.07, 1.0, 3_600.0), (1.0, 0));
        assert_eq!(simulate(0.18, 1.0, 3_600.0), (1.0, 0));
    }

    #[test]
    fn fast_and_slow_miners_come_to_a_share_every_ten_seconds() {
        for (rate, start, within_s) in [(100.0, 1.0, 60.0), (1e6, 1.0, 60.0), (1e5, 0.01, 60.0), (1e-4, 1.0, 600.0)] {
            let (reached, changes) = simulate(rate, start, within_s);
            let interval = reached / rate;
            assert!((5.0..=20.0).contains(&interval), "{rate}: a share every {interval} s after {changes} changes");
            assert!(changes < 12, "{changes}");
        }
    }

    #[test]
    fn limits_hold_whatever_comes() {
        let limits = Settings { difficulty_min: difficulty(0.5), difficulty_max: difficulty(2.0), ..settings() };
        let mut vardiff = Vardiff::new(&limits, Duration::ZERO);
        for minute in 1..20 {
            vardiff.retarget(vardiff.current(), seconds(60.0 * f64::from(minute)));
        }
        assert_eq!(vardiff.current(), difficulty(0.5));
        for _ in 0..200 {
            vardiff.share(difficulty(1.0));
            vardiff.retarget(vardiff.current(), seconds(1_200.0));
        }
        assert_eq!(vardiff.current(), difficulty(2.0));
        vardiff.suggest(difficulty(1e300), seconds(1_300.0));
        assert_eq!(vardiff.current(), difficulty(2.0));
        assert!(!vardiff.raise_least(difficulty(2.5)));
        assert!(vardiff.raise_least(difficulty(1.5)));
        vardiff.suggest(difficulty(1e-9), seconds(1_300.0));
        assert_eq!(vardiff.current(), difficulty(1.5));
    }

    #[test]
    fn a_clock_that_stands_still_divides_nothing_by_zero() {
        let mut vardiff = Vardiff::new(&settings(), Duration::ZERO);
        for _ in 0..SHARES {
            vardiff.share(difficulty(f64::MAX / 2.0));
            vardiff.retarget(difficulty(1.0), Duration::ZERO);
        }
        assert_eq!(vardiff.current(), difficulty(RISE_MAX));
    }
}
