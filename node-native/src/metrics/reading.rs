//! The gauges: what the node's parts know anyhow, read when somebody looks.

use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::CheckLabels;
use super::{Count, Float, count, family, gauge};

/// What the node looks like at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The height of the tip.
    pub height: u32,
    /// The height of the best header.
    pub header_height: u32,
    /// How far the tip's time lies behind the clock.
    pub tip_age: Duration,
    /// The difficulty of the tip: how many times more work it took than a block of difficulty 1 in Bitcoin.
    pub difficulty: f64,
    /// Transactions in the mempool.
    pub pending_transactions: u64,
    /// Their size, in bytes.
    pub mempool_bytes: u64,
    /// The memory that they take, in bytes.
    pub mempool_usage_bytes: u64,
    /// The most memory that they may take, in bytes.
    pub mempool_limit_bytes: u64,
    /// The least fee rate that the mempool takes now, in quanta for each 1,000 bytes.
    pub mempool_fee_rate_min: u64,
    /// Unspent coins.
    pub coins: u64,
    /// How long the node has been running.
    pub uptime: Duration,
    /// Whether the initial sync is over.
    pub is_synced: bool,
    /// Each check of the node's health, and whether it passes.
    pub checks: Vec<(&'static str, bool)>,
}

/// The gauges that a [`Reading`] sets.
pub(super) struct Gauges {
    height: Count,
    header_height: Count,
    tip_age: Float,
    difficulty: Float,
    pending_transactions: Count,
    mempool_bytes: Count,
    mempool_usage_bytes: Count,
    mempool_limit_bytes: Count,
    mempool_fee_rate_min: Count,
    coins: Count,
    uptime: Float,
    is_synced: Count,
    checks: Family<CheckLabels, Count>,
}

impl Gauges {
    pub(super) fn register(to: &mut Registry) -> Self {
        Self {
            height: count(to, "blockchain_height", "Height of the tip"),
            header_height: count(to, "header_height", "Height of the best header"),
            tip_age: gauge(to, "tip_age_seconds", "How far the tip's time lies behind the clock"),
            difficulty: gauge(to, "difficulty", "Difficulty of the tip, by Bitcoin's measure"),
            pending_transactions: count(to, "pending_transactions", "Transactions in the mempool"),
            mempool_bytes: count(to, "mempool_bytes", "Size of the transactions in the mempool"),
            mempool_usage_bytes: count(to, "mempool_usage_bytes", "Memory that the mempool takes"),
            mempool_limit_bytes: count(to, "mempool_limit_bytes", "Memory that the mempool may take"),
            mempool_fee_rate_min: count(
                to,
                "mempool_min_fee_rate_quanta_per_1000_bytes",
                "Least fee rate that the mempool takes now",
            ),
            coins: count(to, "coins", "Unspent coins"),
            uptime: gauge(to, "uptime_seconds", "How long the node has been running"),
            is_synced: count(to, "synced", "Whether the initial sync is over"),
            checks: family(to, "health_check_status", "Whether a check of the node's health passes, by check"),
        }
    }

    pub(super) fn set(&self, reading: &Reading) {
        self.height.set(reading.height.into());
        self.header_height.set(reading.header_height.into());
        self.tip_age.set(reading.tip_age.as_secs_f64());
        self.difficulty.set(reading.difficulty);
        self.pending_transactions.set(reading.pending_transactions);
        self.mempool_bytes.set(reading.mempool_bytes);
        self.mempool_usage_bytes.set(reading.mempool_usage_bytes);
        self.mempool_limit_bytes.set(reading.mempool_limit_bytes);
        self.mempool_fee_rate_min.set(reading.mempool_fee_rate_min);
        self.coins.set(reading.coins);
        self.uptime.set(reading.uptime.as_secs_f64());
        self.is_synced.set(reading.is_synced.into());
        for (check, passes) in &reading.checks {
            self.checks.get_or_create(&CheckLabels { check }).set((*passes).into());
        }
    }
}
