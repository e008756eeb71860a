//! What the project promises of its speed, held against the benches that were just run.
//!
//! A figure is a time against a limit, or a ratio of two times of one run, so that it says the same on a fast machine and a slow
//! one. Machines are shared and noisy: a missed figure is shown, and fails nothing.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// One promise.
pub(crate) struct Figure {
    /// What is promised.
    claim: &'static str,
    measure: Measure,
    bound: Bound,
}

/// Of benches, by their names.
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

const VERIFY: &str = "verify: ML-DSA-87";
const HISTORY: &str = "history: verify 1,000,000 blocks, live";
const LIGHT_COLD: &str = "light: cold start, 1,000,000 blocks";
const LIGHT_WARM: &str = "light: warm start after 60 blocks";
const LIGHT_SCAN: &str = "light: scan 1,000 full blocks";
const RAW: &str = "block of 500/raw verifications";
const WHOLE: &str = "block of 500/from bytes to coins";
/// What `noble.mjs` measures.
pub(crate) const NOBLE: &str = "verify: ML-DSA-87, @noble/post-quantum";

/// What is promised of native code for x86-64-v3 or better.
pub(crate) const NATIVE: &[Figure] = &[
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
        measure: Ratio("verify: ML-DSA-87, the ml-dsa crate", VERIFY),
        bound: AtLeast(4.0),
    },
    Figure { claim: "sampled proof of a million blocks: verify", measure: Time(HISTORY), bound: AtMost(10e-3) },
    Figure { claim: "light client: from nothing to a proven tip", measure: Time(LIGHT_COLD), bound: AtMost(1.0) },
    Figure { claim: "light client: from what it kept to the tip", measure: Time(LIGHT_WARM), bound: AtMost(0.3) },
    // 2,000 blocks a second, from what was kept to the last block looked through.
    Figure { claim: "light client: scan 1,000 full blocks", measure: Time(LIGHT_SCAN), bound: AtMost(0.5) },
    Figure {
        claim: "filter of 1,000: match 100 addresses",
        measure: Time("filter/match 100 in 1,000"),
        bound: AtMost(300e-6),
    },
];

/// What is promised of wasm32 under Node.
pub(crate) const WASM: &[Figure] = &[
    Figure {
        claim: "ML-DSA-87 verify, @noble/post-quantum / ours",
        measure: Ratio(NOBLE, VERIFY),
        bound: AtLeast(10.0),
    },
    Figure { claim: "sampled proof of a million blocks: verify", measure: Time(HISTORY), bound: AtMost(80e-3) },
    Figure { claim: "light client: from nothing to a proven tip", measure: Time(LIGHT_COLD), bound: AtMost(1.0) },
    Figure { claim: "light client: from what it kept to the tip", measure: Time(LIGHT_WARM), bound: AtMost(0.3) },
    // 2,000 blocks a second, from what was kept to the last block looked through.
    Figure { claim: "light client: scan 1,000 full blocks", measure: Time(LIGHT_SCAN), bound: AtMost(0.5) },
];

/// Prints those figures whose benches `median_s` knows; it gives a bench's median time in seconds.
///
/// # Errors
/// The first of `median_s`.
pub(crate) fn print(figures: &[Figure], median_s: impl Fn(&str) -> Result<Option<f64>>) -> Result<()> {
    let mut lines = Vec::new();
    for Figure { claim, measure, bound } in figures {
        let found = match measure {
            Time(bench) => median_s(bench)?,
            Ratio(bench, against) => median_s(bench)?.zip(median_s(against)?).map(|(bench, against)| bench / against),
        };
        let Some(found) = found else { continue };
        let (limit, holds) = match bound {
            AtMost(limit) => (format!("≤ {}", measure.show(*limit)), found <= *limit),
            AtLeast(limit) => (format!("≥ {}", measure.show(*limit)), found >= *limit),
        };
        let verdict = if holds { "held" } else { "MISSED" };
        lines.push(format!("{claim:<54} {:>10}  {limit:<10} {verdict}", measure.show(found)));
    }
    if !lines.is_empty() {
        println!("\nfigures (medians of the latest run of each bench):\n{}", lines.join("\n"));
    }
    Ok(())
}

impl Measure {
    fn show(&self, value: f64) -> impl fmt::Display + use<> {
        match self {
            Ratio(..) => format!("{value:.3}"),
            Time(_) if value < 1e-3 => format!("{:.1} µs", value * 1e6),
            Time(_) => format!("{:.2} ms", value * 1e3),
        }
    }
}

/// The median of a bench's latest native run, from criterion's folder; `None` if there was none.
///
/// # Errors
/// If what is there is not criterion's.
pub(crate) fn native_median_s(criterion: &Path, bench: &str) -> Result<Option<f64>> {
    // Criterion's folders are named so that every file system takes them.
    let folder = bench.split('/').map(|part| part.replace([':', '*', '?', '"', '<', '>', '|', '\\'], "_"));
    let path = criterion.join(folder.collect::<Vec<_>>().join("/")).join("new/estimates.json");
    if !path.exists() {
        return Ok(None);
    }
    median_s(&read_json(&path)?).with_context(|| format!("{} has no median", path.display())).map(Some)
}

/// The median in estimates as criterion writes them, in seconds.
pub(crate) fn median_s(estimates: &Value) -> Option<f64> {
    estimates["median"]["point_estimate"].as_f64().map(|nanoseconds| nanoseconds * 1e-9)
}

/// Reads a file of JSON.
///
/// # Errors
/// If it cannot be read or is none.
pub(crate) fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}
