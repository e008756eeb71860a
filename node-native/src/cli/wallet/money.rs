//! `qbtc wallet balance` and `coins`.

use std::fmt;

use clap::Args;
use qbtc_core::hash::Txid;
use qbtc_core::units::{Amount, Height};
use serde::Serialize;

use super::addresses;
use super::context::Context;
use crate::cli::output::table;

/// Shows how much money there is.
#[derive(Args)]
pub(super) struct BalanceCommand {}

/// How much money there is.
#[derive(Serialize)]
struct Shown {
    available: Amount,
    pending: Amount,
    immature: Amount,
    total: Amount,
    height: Option<Height>,
}

impl BalanceCommand {
    #[expect(clippy::unused_self, reason = "all commands run alike")]
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wallet = context.open_current()?;
        let balance = wallet.state().account().balance(&context.spec);
        let parts = [balance.confirmed, balance.pending, balance.immature];
        context.show(&Shown {
            available: balance.confirmed,
            pending: balance.pending,
            immature: balance.immature,
            total: Amount::checked_sum(parts).unwrap_or(Amount::MAX),
            height: wallet.state().tip().map(|tip| tip.height),
        })
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "available  {:>20} QBTC", self.available.to_string())?;
        if self.pending > Amount::ZERO {
            writeln!(f, "pending    {:>20} QBTC  in no block yet", self.pending.to_string())?;
        }
        if self.immature > Amount::ZERO {
            writeln!(f, "immature   {:>20} QBTC  mined, and too young to be spent", self.immature.to_string())?;
        }
        if self.total != self.available {
            writeln!(f, "total      {:>20} QBTC", self.total.to_string())?;
        }
        match self.height {
            Some(height) => write!(f, "as of block {height}"),
            None => f.write_str("never synchronised: start a node, and `qbtc wallet sync`"),
        }
    }
}

const COINS_EXAMPLES: &str = "\
States: available; immature, mined and too young to be spent; pending, in no block yet; being spent, by a payment that waits.

Examples:
  qbtc wallet coins
  qbtc wallet coins --json";

/// Lists coins.
#[derive(Args)]
#[command(after_help = COINS_EXAMPLES)]
pub(super) struct CoinsCommand {}

/// The wallet's coins.
#[derive(Serialize)]
struct Coins {
    height: Option<Height>,
    coins: Vec<Coin>,
}

/// A coin.
#[derive(Serialize)]
struct Coin {
    txid: Txid,
    index: u32,
    amount: Amount,
    address: String,
    branch: &'static str,
    height: Option<Height>,
    is_coinbase: bool,
    state: &'static str,
    label: Option<String>,
}

impl CoinsCommand {
    #[expect(clippy::unused_self, reason = "all commands run alike")]
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wallet = context.open_current()?;
        let (account, ledger) = (wallet.state().account(), wallet.state().ledger());
        let spendable = account.spendable(&context.spec);
        let (next, maturity) = (account.next_height(), context.spec.consensus().coinbase_maturity);
        let mut coins = Vec::new();
        for coin in ledger.coins().copied().chain(ledger.pending_coins()) {
            let state = match coin.height {
                None => "pending",
                Some(_) if !coin.is_spendable_at(next, maturity) => "immature",
                Some(_) if spendable.contains(&coin) => "available",
                Some(_) => "being spent",
            };
            let address = coin.address.to_text(&context.spec.network().address_prefix);
            let label = wallet.labels().of(&address).or_else(|| wallet.labels().of(&coin.outpoint.txid.to_string()));
            let label = label.map(str::to_owned);
            coins.push(Coin {
                txid: coin.outpoint.txid,
                index: coin.outpoint.index,
                amount: coin.amount,
                address,
                branch: addresses::name(coin.path.branch),
                height: coin.height,
                is_coinbase: coin.is_coinbase,
                state,
                label,
            });
        }
        coins.sort_by_key(|coin| (coin.height.is_none(), coin.height));
        context.show(&Coins { height: wallet.state().tip().map(|tip| tip.height), coins })
    }
}

impl fmt::Display for Coins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.coins.is_empty() {
            return f.write_str("no coins");
        }
        let mut lines = table(&["BLOCK", "QBTC", "STATE", "COIN", "LABEL"], &[0, 1]);
        for coin in &self.coins {
            let height = coin.height.map_or_else(String::new, |height| height.to_string());
            let place = format!("{}:{}", coin.txid, coin.index);
            let label = coin.label.as_deref().unwrap_or_default();
            lines.add_row([&height, &coin.amount.to_string(), coin.state, &place, label]);
        }
        write!(f, "{}", lines.trim_fmt())
    }
}
