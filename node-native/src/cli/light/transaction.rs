//! `qbtc light tx`: a transaction with what shows that it is in the chain.

use std::fmt;

use anyhow::{anyhow, bail};
use clap::Args;
use qbtc_core::codec;
use qbtc_core::hash::Txid;
use qbtc_core::sync::light::{Level, Outcome, Query};
use qbtc_core::tx::Transaction;
use serde::Serialize;

use super::session::Session;
use crate::cli::output::show;

/// Shows a transaction.
#[derive(Args)]
pub(super) struct TxCommand {
    /// Its id.
    txid: Txid,
}

/// A transaction, as far as it was shown.
#[derive(Serialize)]
struct Found {
    txid: String,
    /// Without witnesses.
    hex: String,
    /// None: it waits, as a node says.
    level: Option<Level>,
    height: Option<u32>,
    block: Option<String>,
    confirmations: u32,
    proof: Option<String>,
    warnings: Vec<String>,
}

impl TxCommand {
    pub(super) async fn run(self, session: &mut Session) -> anyhow::Result<()> {
        session.tip().await?;
        let outcome = session.query(Query::Transaction { txid: self.txid }).await?;
        let hex = |body| hex::encode(codec::encode(&Transaction { body, witnesses: Vec::new() }));
        let (txid, warnings) = (self.txid.to_string(), session.warnings());
        let found = match outcome {
            Outcome::Transaction(proven) => Found {
                txid,
                hex: hex(proven.value.clone()),
                level: Some(proven.level),
                height: Some(proven.block.height.0),
                block: Some(proven.block.id.to_string()),
                confirmations: proven.confirmations,
                proof: Some(hex::encode(proven.proof.to_bytes())),
                warnings,
            },
            Outcome::Waiting(body) => Found {
                txid,
                hex: hex(*body),
                level: None,
                height: None,
                block: None,
                confirmations: 0,
                proof: None,
                warnings,
            },
            Outcome::Failed(error) => return Err(anyhow!("transaction {txid}: {error}")),
            _ => bail!("transaction {txid}: another kind of outcome than was asked for"),
        };
        show(&found, session.is_json)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "transaction  {}", self.txid)?;
        match (self.height, &self.block) {
            (Some(height), Some(block)) => {
                writeln!(f, "in block     {height}, {block}, {} blocks deep", self.confirmations)?;
                write!(f, "shown        by its place in the block, and the block's in the chain with the most work")?;
            }
            _ => write!(f, "waits        to be mined: a node's word")?,
        }
        self.warnings.iter().try_for_each(|warning| write!(f, "\nwarning      {warning}"))
    }
}
