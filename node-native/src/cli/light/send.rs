//! `qbtc light send`: a signed transaction to several nodes.

use std::fmt;
use std::io::Read as _;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use qbtc_core::codec;
use qbtc_core::sync::light::{Outcome, Query};
use qbtc_core::tx::Transaction;
use serde::Serialize;

use super::session::Session;
use crate::cli::output::show;

/// Sends a transaction.
#[derive(Args)]
pub(super) struct SendCommand {
    /// The signed transaction in hex, or `-` for what stdin holds.
    transaction: String,
}

/// What nodes said.
#[derive(Serialize)]
struct Sent {
    txid: String,
    nodes: usize,
    refusals: Vec<String>,
    warnings: Vec<String>,
}

impl SendCommand {
    pub(super) async fn run(self, session: &mut Session) -> anyhow::Result<()> {
        let transaction = self.transaction(session.spec().consensus().limits.tx_bytes as usize)?;
        session.tip().await?;
        match session.query(Query::Submit { transaction: Box::new(transaction) }).await? {
            Outcome::Submitted { txid, nodes, refusals } => {
                let sent = Sent { txid: txid.to_string(), nodes, refusals, warnings: session.warnings() };
                show(&sent, session.is_json)
            }
            Outcome::Failed(error) => Err(anyhow!("the transaction was not taken: {error}")),
            _ => bail!("another kind of outcome than was asked for"),
        }
    }

    fn transaction(&self, bytes_max: usize) -> anyhow::Result<Transaction> {
        let text = if self.transaction == "-" {
            let mut text = String::new();
            let limit = 2 * bytes_max as u64 + 16;
            std::io::stdin().take(limit).read_to_string(&mut text).context("cannot read stdin")?;
            text
        } else {
            self.transaction.clone()
        };
        let bytes = hex::decode(text.trim()).context("the transaction is not hex")?;
        codec::decode(&bytes, bytes_max).context("this is no transaction")
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nodes have taken transaction {}", self.nodes, self.txid)?;
        self.refusals.iter().try_for_each(|why| write!(f, "\na node has refused it: {why}"))?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}
