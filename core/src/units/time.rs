//! Times that headers state.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01 00:00 UTC, as a header states them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockTime(pub u32);

impl BlockTime {
    /// The time so many seconds later, at most the last one that fits (2106-02-07).
    #[must_use]
    pub const fn saturating_add(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this time; negative if it is the later one.
    #[must_use]
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        self.0 as i64 - earlier.0 as i64
    }
}

impl fmt::Display for BlockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
