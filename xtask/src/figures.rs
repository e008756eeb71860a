//! What the project promises of its speed, held against the benches that were just run.
//!
//! A figure is a time against a limit, or a ratio of two times of one run, so that it says the same on a fast machine and a slow
//! one. Machines are shared and noisy: a missed figure is shown, and fails nothing.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// One promise.
struct Figure {
    /// What is promised.
    claim: &'static str,
    /// The benches, as `group/name`.
    measure: Measure,
    bound: Bound,
}

enum Measure {
    /// The time of a bench, in seconds.
    Time(&'static str),
    /// How many times longer the first takes than the second.
    Ratio(&'static str, &'static str),
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};
use Measure::{Ratio, Time};

const RAW: &str = "block of 500/raw verifications";
const WHOLE: &str = "block of 500/from bytes to coins";

const FIGURES: &[Figure] = &[
    Figure { claim: "block of 500, one core / its raw verifications", measure: Ratio(WHOLE, RAW), bound: AtMost(1.20) },
    Figure {
        claim: "block of 500, one core / two threads",
        measure: Ratio(WHOLE, "block of 500/from bytes to coins, two threads"),
        bound: AtLeast(1.8),
    },
    Figure {
        claim: "block of 500, witnesses known / raw verifications",
        measure: Ratio("block of 500/from bytes to coins, witnesses known", RAW),
        bound: AtMost(0.15),
    },
    Figure {
        claim: "block of 500, transactions held / raw verifications",
        measure: Ratio("block of 500/from transactions held to coins", RAW),
        bound: AtMost(0.03),
    },
    Figure {
        claim: "ML-DSA-87 verify, the ml-dsa crate / ours",
        measure: Ratio("verify/ML-DSA-87 by the ml-dsa crate", "verify/ML-DSA-87"),
        bound: AtLeast(4.0),
    },
    Figure {
        claim: "filter of 1,000: match 100 addresses",
        measure: Time("filter/match 100 in 1,000"),
        bound: AtMost(300e-6),
    },
];

/// Prints the figures whose benches have results under criterion's folder.
///
/// # Errors
/// If a result cannot be read.
pub(crate) fn print(criterion: &Path) -> Result<()> {
    let mut lines = Vec::new();
    for figure in FIGURES {
        if let Some(found) = figure.measure.read(criterion)? {
            let (limit, holds) = match figure.bound {
                AtMost(limit) => (format!("≤ {}", figure.measure.show(limit)), found <= limit),
                AtLeast(limit) => (format!("≥ {}", figure.measure.show(limit)), found >= limit),
            };
            let verdict = if holds { "held" } else { "MISSED" };
            lines.push(format!("{:<54} {:>10}  {:<10} {verdict}", figure.claim, figure.measure.show(found), limit));
        }
    }
    if !lines.is_empty() {
        println!("\nfigures (medians of the latest runs of each bench):\n{}", lines.join("\n"));
    }
    Ok(())
}

impl Measure {
    /// `None` if a bench has not been run.
    fn read(&self, criterion: &Path) -> Result<Option<f64>> {
        Ok(match self {
            Time(bench) => median_s(criterion, bench)?,
            Ratio(bench, against) => match (median_s(criterion, bench)?, median_s(criterion, against)?) {
                (Some(bench), Some(against)) => Some(bench / against),
                _ => None,
            },
        })
    }

    fn show(&self, value: f64) -> impl fmt::Display + use<> {
        match self {
            Ratio(..) => format!("{value:.3}"),
            Time(_) if value < 1e-3 => format!("{:.1} µs", value * 1e6),
            Time(_) => format!("{:.2} ms", value * 1e3),
        }
    }
}

/// The median of a bench's latest run, in seconds.
fn median_s(criterion: &Path, bench: &str) -> Result<Option<f64>> {
    let path = criterion.join(bench).join("new").join("estimates.json");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    let estimates: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not criterion's JSON", path.display()))?;
    let nanoseconds = estimates["median"]["point_estimate"].as_f64();
    Ok(Some(nanoseconds.with_context(|| format!("{} has no median", path.display()))? * 1e-9))
}
