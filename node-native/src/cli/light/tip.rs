//! `qbtc light tip`.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use qbtc_core::sync::light::Level;
use qbtc_core::units::BlockTime;
use serde::Serialize;

use super::session::Session;
use crate::cli::output::show;
use crate::light::Resumed;

/// Shows the tip.
#[derive(Args)]
pub(super) struct TipCommand {}

/// What is known of the chain.
#[derive(Serialize)]
pub(super) struct Tip {
    height: u32,
    id: String,
    work: String,
    time: u32,
    age_s: i64,
    level: Level,
    nodes: usize,
    warnings: Vec<String>,
    bytes: u64,
    bytes_received: u64,
    questions: u64,
    took_ms: u64,
    resumed: bool,
}

impl TipCommand {
    pub(super) async fn run(self, session: &mut Session) -> anyhow::Result<()> {
        session.tip().await?;
        show(&Tip::of(session), session.is_json)
    }
}

impl Tip {
    pub(super) fn of(session: &Session) -> Self {
        let client = session.light.client();
        let (tip, traffic) = (client.tip(), client.traffic());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self {
            height: tip.mark.height.0,
            id: tip.mark.id.to_string(),
            work: hex::encode(tip.work.to_be_bytes()),
            time: tip.header.time.0,
            age_s: tip.age_s(BlockTime(u32::try_from(now).unwrap_or(u32::MAX))),
            level: Level::Header,
            nodes: client.status().peers,
            warnings: session.warnings(),
            bytes: traffic.bytes(),
            bytes_received: traffic.bytes_in,
            questions: traffic.questions,
            took_ms: u64::try_from(session.light.age().as_millis()).unwrap_or(u64::MAX),
            resumed: *session.light.resumed() == Resumed::Resumed,
        }
    }
}

impl fmt::Display for Tip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tip       block {}, {}", self.height, self.id)?;
        writeln!(f, "age       {} s", self.age_s)?;
        writeln!(f, "work      {}, shown by samples and headers", self.work.trim_start_matches('0'))?;
        writeln!(f, "nodes     {}", self.nodes)?;
        let start = if self.resumed { "from where it was the last time" } else { "from nothing" };
        write!(f, "cost      {} bytes, {} questions, {} ms, {start}", self.bytes, self.questions, self.took_ms)?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\nwarning   {warning}"))
    }
}
