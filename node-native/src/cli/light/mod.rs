//! `qbtc light`: the chain and what of it concerns you, without a node of your own.
//!
//! The same client as in the browser: nodes are asked, and nothing of what they say is believed that they do not show.

mod balance;
mod nodes;
mod send;
mod session;
mod tip;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use qbtc_core::spec::ChainSpec;

use super::options::GlobalOptions;
use nodes::NodesOptions;
use session::Session;

const EXAMPLES: &str = "\
Nodes are named with --peer; name three or more that different people run. Without it, a node that runs on this machine is asked, and
those that the chain's spec names; where none runs here and these are few, DNS seeds tell others. What was proven is kept in the data folder, so that the next time takes a few bytes.

What is shown has a level: `header` stands in the chain with the most work that was shown; `filter` says beside that nothing was left out.
Both trust that miners with most of the work keep the rules. See docs/light-client.md.

Examples:
  qbtc light tip --peer 192.0.2.1:8333 --peer 198.51.100.7:8333 --peer 203.0.113.9:8333
  qbtc light balance dbqs1… --from 120000
  qbtc light tx 6f0c…
  qbtc light send 01…";

/// Asks nodes as a light client does, and shows what they have proven.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LightCommand {
    #[command(flatten)]
    options: NodesOptions,
    #[command(subcommand)]
    command: LightSubcommand,
}

#[derive(Subcommand)]
enum LightSubcommand {
    /// Shows the tip with the most work that nodes have shown.
    Tip(tip::TipCommand),
    /// Shows the coins of addresses, found by the filters of all blocks.
    Balance(balance::BalanceCommand),
    /// Shows the coins of addresses, and again whenever they change, until it is stopped.
    Watch(balance::WatchCommand),
    /// Shows a transaction, with the proof that it is in the chain.
    Tx(transaction::TxCommand),
    /// Gives a signed transaction to several nodes.
    Send(send::SendCommand),
}

impl LightCommand {
    pub(super) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        let spec = Arc::new(global.spec()?);
        let timeout = Duration::from_secs(self.options.timeout);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        runtime.block_on(async {
            let options = self.options.light(global, &spec).await?;
            let mut session = Session::start(&options, timeout, global.json)?;
            let done = match self.command {
                LightSubcommand::Tip(command) => command.run(&mut session).await,
                LightSubcommand::Balance(command) => command.run(&mut session).await,
                LightSubcommand::Watch(command) => command.run(&mut session).await,
                LightSubcommand::Tx(command) => command.run(&mut session).await,
                LightSubcommand::Send(command) => command.run(&mut session).await,
            };
            // What was proven is worth keeping, whatever came of the rest.
            session.save()?;
            done
        })
    }
}

/// An address of this chain.
fn parse_address(text: &str, spec: &ChainSpec) -> anyhow::Result<qbtc_core::lock::Address> {
    let prefix = &spec.network().address_prefix;
    qbtc_core::lock::Address::from_text(text.trim(), prefix).map_err(|error| anyhow!("{text}: {error}"))
}
