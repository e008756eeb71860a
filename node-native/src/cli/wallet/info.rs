//! `qbtc wallet info`: what a wallet is, at a glance.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use qbtc_core::hash::{BlockHash, ChainId};
use qbtc_core::units::Height;
use qbtc_core::wallet::derivation::Branch;
use serde::Serialize;

use super::context::Context;
use super::sync::how_to_get_more;
use crate::wallet::Wallet;
use crate::wallet::watched::entries;

/// Tells what the wallet is.
#[derive(Args)]
pub(super) struct InfoCommand {}

/// What a wallet is.
#[derive(Serialize)]
struct Info {
    wallet: String,
    path: PathBuf,
    chain: String,
    chain_id: ChainId,
    /// `keys`, `watches` or `watches-addresses`.
    kind: &'static str,
    scheme: String,
    has_fallback: bool,
    birthday: Height,
    height: Option<Height>,
    block: Option<BlockHash>,
    receive_addresses: Addresses,
    change_addresses: Addresses,
    is_short_of_addresses: bool,
    #[serde(skip)]
    how_to_get_more: &'static str,
    coins: usize,
    payments: usize,
    waiting: usize,
    /// How many will not be mined.
    ended: usize,
    labels: usize,
}

/// How many addresses of a branch there are.
#[derive(Serialize)]
struct Addresses {
    used: usize,
    made: usize,
}

impl InfoCommand {
    #[expect(clippy::unused_self, reason = "all commands run alike")]
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wallet = context.open_current()?;
        let (state, ledger) = (wallet.state(), wallet.state().ledger());
        let addresses = |branch| {
            let made = entries(state.book(), branch).count();
            let fresh = state.book().next_unused(branch);
            let used = fresh.and_then(|(path, _)| usize::try_from(path.index.to_u32()).ok()).unwrap_or(made);
            Addresses { used, made }
        };
        let history = || state.departed().history(ledger);
        context.show(&Info {
            wallet: wallet.name().to_owned(),
            path: wallet.path().to_owned(),
            chain: context.spec.name().to_owned(),
            chain_id: context.spec.chain_id(),
            kind: kind(&wallet),
            scheme: state.book().layout().scheme().to_string(),
            has_fallback: state.book().layout().has_fallback(),
            birthday: state.birthday(),
            height: state.tip().map(|tip| tip.height),
            block: state.tip().map(|tip| tip.id),
            receive_addresses: addresses(Branch::Receive),
            change_addresses: addresses(Branch::Change),
            is_short_of_addresses: !wallet.is_bare() && state.is_short(),
            how_to_get_more: how_to_get_more(&wallet),
            coins: ledger.coins().count(),
            payments: history().count(),
            waiting: history().filter(|(entry, why)| entry.block.is_none() && why.is_none()).count(),
            ended: history().filter(|(_, why)| why.is_some()).count(),
            labels: wallet.labels().iter().len(),
        })
    }
}

fn kind(wallet: &Wallet) -> &'static str {
    match (wallet.only_watches(), wallet.is_bare()) {
        (false, _) => "keys",
        (true, false) => "watches",
        (true, true) => "watches-addresses",
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "wallet      {}", self.wallet)?;
        writeln!(f, "kept in     {}", self.path.display())?;
        writeln!(f, "chain       {}, {}", self.chain, self.chain_id)?;
        let fallback = if self.has_fallback { ", with a dormant second key" } else { "" };
        match self.kind {
            "keys" => writeln!(f, "signs with  {}{fallback}", self.scheme)?,
            "watches" => writeln!(f, "watches     a wallet that signs with {}{fallback}", self.scheme)?,
            _ => writeln!(f, "watches     addresses whose keys are not known")?,
        }
        let height = self.height.map_or_else(|| "never synchronised".to_owned(), |height| format!("block {height}"));
        writeln!(f, "birthday    block {}", self.birthday)?;
        writeln!(f, "as of       {height}")?;
        for (name, Addresses { used, made }) in
            [("addresses ", &self.receive_addresses), ("for change", &self.change_addresses)]
        {
            writeln!(f, "{name}  {used} in use, {} kept ready", made.saturating_sub(*used))?;
        }
        writeln!(f, "coins       {}", self.coins)?;
        let ended = if self.ended == 0 { String::new() } else { format!(" and {} will not be mined", self.ended) };
        writeln!(f, "payments    {}, of which {} wait{ended}", self.payments, self.waiting)?;
        write!(f, "labels      {}", self.labels)?;
        if self.is_short_of_addresses { write!(f, "\n{}", self.how_to_get_more) } else { Ok(()) }
    }
}
