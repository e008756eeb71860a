//! `qbtc wallet show`: one payment, whole.

use std::fmt;

use anyhow::anyhow;
use clap::Args;
use qbtc_core::hash::Txid;
use qbtc_core::units::Amount;
use qbtc_core::wallet::ledger::OwnedCoin;
use serde::Serialize;

use super::addresses;
use super::context::Context;
use super::history::{Line, label};
use crate::wallet::Wallet;

const EXAMPLES: &str = "\
Shown is what the wallet knows: its own coins that were spent, and its own addresses that were paid. Of the rest it knows the sum;
`qbtc rpc getrawtransaction TXID true` shows all of it.

Examples:
  qbtc wallet show 4a5e…
  qbtc wallet show 4a5e… --json";

/// Shows one payment.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ShowCommand {
    /// The payment.
    txid: Txid,
}

/// A payment.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    line: Line,
    spent_coins: Vec<Coin>,
    spent_of_others: usize,
    received_coins: Vec<Coin>,
    paid_to_others: Amount,
}

/// A coin of the wallet, spent or received.
#[derive(Serialize)]
struct Coin {
    txid: Txid,
    index: u32,
    amount: Amount,
    address: String,
    branch: &'static str,
    label: Option<String>,
}

impl ShowCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wallet = context.open_current()?;
        let unknown = || anyhow!("transaction {} is none of the wallet's; `qbtc wallet history` lists them", self.txid);
        let departure = wallet.state().departed().get(&self.txid);
        let known = wallet.state().ledger().entry(&self.txid);
        let (entry, why) = match departure.filter(|_| known.is_none()) {
            Some(departure) => (&departure.entry, Some(departure.why)),
            None => (known.ok_or_else(unknown)?, None),
        };
        let tip = wallet.state().tip().map(|tip| tip.height);
        let coins = |coins: &[OwnedCoin]| coins.iter().map(|coin| Coin::new(coin, &wallet, context)).collect();
        context.show(&Shown {
            line: Line::new(entry, why, tip, label(entry, &wallet, context)),
            spent_coins: coins(&entry.spent),
            spent_of_others: entry.spent_of_others.len(),
            received_coins: coins(&entry.received),
            paid_to_others: entry.paid_to_others,
        })
    }
}

impl Coin {
    fn new(coin: &OwnedCoin, wallet: &Wallet, context: &Context) -> Self {
        let address = coin.address.to_text(&context.spec.network().address_prefix);
        Self {
            txid: coin.outpoint.txid,
            index: coin.outpoint.index,
            amount: coin.amount,
            label: wallet.labels().of(&address).map(str::to_owned),
            address,
            branch: addresses::name(coin.path.branch),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "payment    {}", self.line.txid)?;
        writeln!(f, "kind       {}", self.line.kind)?;
        if let Some(label) = &self.line.label {
            writeln!(f, "label      {label}")?;
        }
        match (self.line.height, self.line.block) {
            (Some(height), Some(block)) => {
                writeln!(f, "in block   {height}, {} confirmations\n           {block}", self.line.confirmations)?;
            }
            _ => match (self.line.ended, self.line.replaced_by) {
                (_, Some(other)) => writeln!(f, "in block   none: replaced by\n           {other}")?,
                (Some(ended), None) => writeln!(f, "in block   none: {ended}")?,
                (None, None) => writeln!(f, "in block   none yet")?,
            },
        }
        if let Some(height) = self.line.expires_after {
            writeln!(f, "expires    after block {height}")?;
        }
        for coin in &self.spent_coins {
            writeln!(f, "spent      {coin}")?;
        }
        if self.spent_of_others > 0 {
            writeln!(f, "spent      {} coins of others", self.spent_of_others)?;
        }
        for coin in &self.received_coins {
            writeln!(f, "received   {coin}")?;
        }
        if self.paid_to_others > Amount::ZERO {
            writeln!(f, "to others  {:>20} QBTC", self.paid_to_others.to_string())?;
        }
        if let Some(fee) = self.line.fee {
            writeln!(f, "fee        {:>20} QBTC", fee.to_string())?;
        }
        let change = self.line.change.as_deref().unwrap_or("none");
        write!(f, "change     {change:>20} QBTC  of what the wallet has")
    }
}

impl fmt::Display for Coin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>20} QBTC  at {} ({}", self.amount.to_string(), self.address, self.branch)?;
        match &self.label {
            Some(label) => write!(f, ", {label})"),
            None => f.write_str(")"),
        }
    }
}
