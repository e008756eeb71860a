//! `qbtc wallet history`.

use std::fmt;

use clap::Args;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::units::{Amount, Height};
use qbtc_core::wallet::departed::Why;
use qbtc_core::wallet::ledger::{OwnedCoin, TxEntry};
use serde::Serialize;

use super::context::Context;
use super::csv;
use crate::cli::output::table;
use crate::wallet::Wallet;

const EXAMPLES: &str = "\
Examples:
  qbtc wallet history
  qbtc wallet history --limit 0 --csv > payments.csv
  qbtc wallet history --json";

/// Lists payments.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct HistoryCommand {
    /// The most lines; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    /// Prints lines of comma-separated values for a spreadsheet (RFC 4180), with the time of each block if a node answers.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// The wallet's history, newest first.
#[derive(Serialize)]
struct History {
    height: Option<Height>,
    entries: Vec<Line>,
    left_out: usize,
}

/// A transaction as it touched the wallet.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) txid: Txid,
    pub(super) kind: &'static str,
    /// What the wallet gained or, with a minus, lost; the fee included where the wallet paid it. None of what will not be mined, nor a fee: the sum of
    /// all changes is the balance.
    pub(super) change: Option<String>,
    pub(super) received: Amount,
    pub(super) spent: Amount,
    pub(super) fee: Option<Amount>,
    pub(super) height: Option<Height>,
    pub(super) block: Option<BlockHash>,
    pub(super) confirmations: u32,
    /// The greatest height at which it can still be mined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_after: Option<Height>,
    /// Why it will not be mined: "expired", "replaced" or "gone".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<&'static str>,
    /// What took its place, where that touches the wallet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replaced_by: Option<Txid>,
    /// What the user wrote beside the payment, or beside an address of the wallet that it paid to.
    pub(super) label: Option<String>,
}

impl HistoryCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wallet = context.open_current()?;
        let state = wallet.state();
        let tip = state.tip().map(|tip| tip.height);
        let history = || state.departed().history(state.ledger());
        let all = history().count();
        let shown = if self.limit == 0 { all } else { self.limit };
        let line = |(entry, why): (&TxEntry, _)| Line::new(entry, why, tip, label(entry, &wallet, context));
        let entries: Vec<_> = history().take(shown).map(line).collect();
        if self.csv {
            return csv::print_history(&entries, context);
        }
        context.show(&History { height: tip, left_out: all - entries.len(), entries })
    }
}

impl Line {
    /// A transaction of a wallet with this tip, and why it will not be mined if that is so.
    pub(super) fn new(entry: &TxEntry, why: Option<Why>, tip: Option<Height>, label: Option<String>) -> Self {
        let (received, spent) = (entry.received_amount(), entry.spent_amount());
        let height = entry.block.map(|block| block.height);
        let confirmations = height.zip(tip).map_or(0, |(height, tip)| tip.above(height).saturating_add(1));
        let is_limited = entry.block.is_none() && why.is_none() && entry.expiry_height > Height::GENESIS;
        Self {
            txid: entry.txid,
            kind: kind(entry),
            change: why.is_none().then(|| change(received, spent)),
            received,
            spent,
            fee: entry.fee().filter(|_| why.is_none()),
            height,
            block: entry.block.map(|block| block.id),
            confirmations,
            expires_after: is_limited.then_some(entry.expiry_height),
            ended: why.map(ended),
            replaced_by: why.and_then(|why| if let Why::ReplacedBy(other) = why { Some(other) } else { None }),
            label,
        }
    }
}

fn change(received: Amount, spent: Amount) -> String {
    match received.checked_sub(spent) {
        Some(gained) => format!("+{gained}"),
        None => format!("-{}", spent.saturating_sub(received)),
    }
}

const fn ended(why: Why) -> &'static str {
    match why {
        Why::Expired => "expired",
        Why::ReplacedBy(_) => "replaced",
        Why::Gone => "gone",
    }
}

/// What the user wrote beside a payment, or beside an address of the wallet that it paid to.
pub(super) fn label(entry: &TxEntry, wallet: &Wallet, context: &Context) -> Option<String> {
    let prefix = &context.spec.network().address_prefix;
    let of_address = |coin: &OwnedCoin| wallet.labels().of(&coin.address.to_text(prefix));
    let label = wallet.labels().of(&entry.txid.to_string());
    label.or_else(|| entry.received.iter().find_map(of_address)).map(str::to_owned)
}

fn kind(entry: &TxEntry) -> &'static str {
    if entry.is_coinbase && entry.block.is_some_and(|block| block.height == Height::GENESIS) {
        "allotted"
    } else if entry.is_coinbase {
        "mined"
    } else if entry.spent.is_empty() {
        "received"
    } else if entry.paid_to_others == Amount::ZERO {
        "moved"
    } else {
        "sent"
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let as_of =
            self.height.map_or_else(|| "never synchronised".to_owned(), |height| format!("as of block {height}"));
        if self.entries.is_empty() {
            return write!(f, "no payments yet ({as_of})");
        }
        let mut lines = table(&["BLOCK", "CONFIRMED", "KIND", "QBTC", "FEE", "TRANSACTION", "LABEL"], &[0, 1, 3, 4]);
        for line in &self.entries {
            let unmined = || line.ended.unwrap_or("waits").to_owned();
            let height = line.height.map_or_else(unmined, |height| height.to_string());
            let confirmations = match line.expires_after {
                Some(height) => format!("until {height}"),
                None => line.confirmations.to_string(),
            };
            let fee = line.fee.map_or_else(String::new, |fee| fee.to_string());
            let txid = line.txid.to_string();
            let label = line.label.as_deref().unwrap_or_default();
            let change = change(line.received, line.spent);
            lines.add_row([&height, &confirmations, line.kind, &change, &fee, &txid, label]);
        }
        writeln!(f, "{}", lines.trim_fmt())?;
        if self.entries.iter().any(|line| line.ended.is_some()) {
            writeln!(
                f,
                "expired, replaced, gone: never mined, and the coins spent in it are the wallet's again, or went into another payment"
            )?;
        }
        match self.left_out {
            0 => write!(f, "{as_of}"),
            more => write!(f, "{as_of}; {more} older ones with --limit 0"),
        }
    }
}
