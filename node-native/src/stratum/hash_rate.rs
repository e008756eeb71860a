//! How fast all miners together are, as their shares tell.

use std::time::Duration;

/// An estimate that forgets: shares of [`HashRate::MEMORY`] ago count a third of those of now.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashRate {
    began: Duration,
    last: Duration,
    /// Hashes, less those forgotten.
    hashes: f64,
}

impl HashRate {
    /// In five minutes a miner has about thirty shares, which puts the estimate within a fifth.
    const MEMORY: Duration = Duration::from_secs(300);

    /// Nothing known yet.
    pub(super) const fn new(now: Duration) -> Self {
        Self { began: now, last: now, hashes: 0.0 }
    }

    /// Counts the hashes that a share stands for.
    pub(super) fn add(&mut self, hashes: f64, now: Duration) {
        self.hashes = self.hashes * forgotten(now.saturating_sub(self.last)) + hashes;
        self.last = self.last.max(now);
    }

    /// Hashes a second.
    pub(super) fn at(&self, now: Duration) -> f64 {
        // The first minutes are measured against the time that there was to count.
        let counted = 1.0 - forgotten(now.saturating_sub(self.began).max(Duration::from_secs(10)));
        self.hashes * forgotten(now.saturating_sub(self.last)) / (Self::MEMORY.as_secs_f64() * counted)
    }
}

/// What is left of a count after some time.
fn forgotten(after: Duration) -> f64 {
    (-after.as_secs_f64() / HashRate::MEMORY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_work_is_measured_soon_and_silence_is_forgotten() {
        let seconds = Duration::from_secs;
        let mut rate = HashRate::new(seconds(1_000));
        assert_eq!(rate.at(seconds(1_000)), 0.0);
        for second in 1..=2_000 {
            rate.add(5_000.0, seconds(1_000 + second));
            if [60, 300, 2_000].contains(&second) {
                let now = rate.at(seconds(1_000 + second));
                assert!((4_900.0..=5_100.0).contains(&now), "{now} after {second} s");
            }
        }
        let later = rate.at(seconds(3_300));
        assert!((1_750.0..=1_950.0).contains(&later), "{later}");
        assert!(rate.at(seconds(9_000)) < 1.0);
    }

    #[test]
    fn clocks_that_cross_do_no_harm() {
        let mut rate = HashRate::new(Duration::from_secs(10));
        rate.add(1.0, Duration::from_secs(12));
        rate.add(1.0, Duration::from_secs(11));
        assert!(rate.at(Duration::from_secs(5)).is_finite());
    }
}
