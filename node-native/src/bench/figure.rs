//! One promise, and what came of it.

use std::fmt;

use serde::Serialize;

/// A measured promise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What is promised.
    pub claim: String,
    /// What was measured, in `unit`.
    pub measured: f64,
    /// The unit; empty for a ratio.
    pub unit: &'static str,
    /// The bound, if the project promises one.
    pub bound: Option<Bound>,
}

/// How a promise is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The measure must not exceed this.
    AtMost(f64),
    /// The measure must reach this.
    AtLeast(f64),
}

impl Figure {
    /// A measure without a promise, to understand the others by.
    #[must_use]
    pub fn plain(claim: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Self { claim: claim.into(), measured, unit, bound: None }
    }

    /// A promise.
    #[must_use]
    pub fn bounded(claim: impl Into<String>, measured: f64, unit: &'static str, bound: Bound) -> Self {
        Self { claim: claim.into(), measured, unit, bound: Some(bound) }
    }

    /// Whether the promise holds; a plain measure always does.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.bound {
            None => true,
            Some(Bound::AtMost(limit)) => self.measured <= limit,
            Some(Bound::AtLeast(least)) => self.measured >= least,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {limit}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}
