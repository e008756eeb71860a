//! What came of a run.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::scenario::Scenario;

/// What came of a run in which all checks held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The hash of all events with their times: equal for equal seeds.
    pub trace: u64,
    /// How many events there were.
    pub events: u64,
    /// The simulated time, in milliseconds.
    pub virtual_ms: u64,
    /// The height of the chain on which all agree.
    pub height: u32,
    /// How many blocks were found, by honest nodes and by liars that follow the rules of blocks.
    pub mined: u64,
    /// How often an honest node refused a block's body.
    pub refused: u64,
    /// How many payments were made.
    pub payments: u64,
    /// The most blocks that one move of a tip took back.
    pub reorg_depth_max: usize,
    /// How many connections stood.
    pub connections: u64,
    /// How many bytes were sent.
    pub sent_bytes: u64,
    /// The most bytes that any machine held, of those allowed.
    pub held_bytes_max: usize,
    /// The most bytes that a machine may hold.
    pub held_bytes_limit: usize,
    /// Once all was calm: how long blocks took to the last honest node, in milliseconds, in rising order.
    pub spread_ms: Vec<u64>,
    /// How often nodes crashed.
    pub crashes: u64,
    /// How often the network fell into two parts.
    pub partitions: u64,
    /// The faults that honest nodes found in honest ones, by name: bad luck.
    pub honest_faults: BTreeMap<String, u64>,
    /// The faults that honest nodes found in liars, by name.
    pub liar_faults: BTreeMap<String, u64>,
    /// How often a liar was banned.
    pub bans: u64,
}

impl Report {
    /// How long a block took to the last honest node once all was calm: the median and the most, in milliseconds.
    #[must_use]
    pub fn spread(&self) -> (u64, u64) {
        let middle = self.spread_ms.get(self.spread_ms.len() / 2).copied().unwrap_or(0);
        (middle, self.spread_ms.last().copied().unwrap_or(0))
    }

    /// The report for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (spread_ms_median, spread_ms_max) = self.spread();
        json!({
            "trace": format!("{:016x}", self.trace),
            "events": self.events,
            "virtual_ms": self.virtual_ms,
            "height": self.height,
            "mined": self.mined,
            "refused": self.refused,
            "payments": self.payments,
            "reorg_depth_max": self.reorg_depth_max,
            "connections": self.connections,
            "sent_bytes": self.sent_bytes,
            "held_bytes_max": self.held_bytes_max,
            "held_bytes_limit": self.held_bytes_limit,
            "spread_ms_median": spread_ms_median,
            "spread_ms_max": spread_ms_max,
            "crashes": self.crashes,
            "partitions": self.partitions,
            "honest_faults": self.honest_faults,
            "liar_faults": self.liar_faults,
            "bans": self.bans,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, most) = self.spread();
        let faults = |faults: &BTreeMap<String, u64>| {
            let list: Vec<_> = faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
            if list.is_empty() { "none".to_owned() } else { list.join(", ") }
        };
        writeln!(
            f,
            "trace       {:016x} of {} events in {} virtual minutes",
            self.trace,
            self.events,
            self.virtual_ms / 60_000
        )?;
        writeln!(f, "chain       height {}, {} blocks found, {} payments", self.height, self.mined, self.payments)?;
        writeln!(f, "deepest     {} blocks taken back at once", self.reorg_depth_max)?;
        writeln!(f, "spread      {median} ms in the middle, {most} ms at most, of {} blocks", self.spread_ms.len())?;
        writeln!(f, "network     {} connections, {} kB", self.connections, self.sent_bytes / 1_000)?;
        writeln!(f, "troubles    {} partitions, {} crashes", self.partitions, self.crashes)?;
        writeln!(f, "memory      {} of {} bytes", self.held_bytes_max, self.held_bytes_limit)?;
        writeln!(f, "bad luck    {}", faults(&self.honest_faults))?;
        write!(f, "liars       {}; {} bans, {} bodies refused", faults(&self.liar_faults), self.bans, self.refused)
    }
}

/// A check that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it is, in words.
    pub what: String,
    /// The run.
    pub scenario: Scenario,
    /// The last events, in words.
    pub last: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}the seed {} fails: {}\nreplay: {}", self.last, self.scenario.seed, self.what, self.scenario)
    }
}

impl std::error::Error for Failure {}
