//! `qbtc wallet sync` and `rescan`.

use std::fmt;

use clap::Args;
use qbtc_core::hash::Txid;
use qbtc_core::units::Height;
use serde::Serialize;
use zeroize::Zeroizing;

use super::context::{Context, Followed};
use crate::wallet::Wallet;
use crate::wallet::sync::check_chain;

const SYNC_EXAMPLES: &str = "\
The wallet asks the node for a small filter of each block and fetches the few blocks that concern it. Other commands do the same
before they show anything; --unlock also lets the wallet make addresses as far ahead as it needs.

Examples:
  qbtc wallet sync
  qbtc wallet sync --unlock";

/// Follows the chain.
#[derive(Args)]
#[command(after_help = SYNC_EXAMPLES)]
pub(super) struct SyncCommand {
    /// Asks for the passphrase, to make more addresses on the way.
    #[arg(long)]
    unlock: bool,
}

const RESCAN_EXAMPLES: &str = "\
What the chain cannot tell is kept: which addresses were given away, labels, and payments that wait.

Examples:
  qbtc wallet rescan
  qbtc wallet rescan --from 120000                coins of earlier blocks stay as they are known";

/// Looks through the chain again.
#[derive(Args)]
#[command(after_help = RESCAN_EXAMPLES)]
pub(super) struct RescanCommand {
    /// The height of the block to begin with; one below the wallet's birthday moves that [default: the birthday].
    #[arg(long, value_name = "HEIGHT")]
    from: Option<u32>,
}

/// What was found.
#[derive(Serialize)]
struct Found {
    wallet: String,
    height: Option<Height>,
    blocks: u32,
    fetched: u32,
    undone: u32,
    touched: Vec<Txid>,
    arrived: Vec<Txid>,
    sent_again: Vec<Txid>,
    is_short_of_addresses: bool,
    #[serde(skip)]
    how_to_get_more: &'static str,
    waiting_too_many: Option<usize>,
}

impl SyncCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut wallet = context.open()?;
        let unlocked = if self.unlock { Some(context.unlock(&wallet)?) } else { context.unlock_if_given(&wallet)? };
        let followed = context.follow(&mut wallet, unlocked.as_ref().map(|unlocked| &unlocked.key))?;
        context.show(&Found::new(&wallet, followed))
    }
}

impl RescanCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        // Nothing is forgotten unless there is a node to find it again.
        check_chain(&context.client()?, &context.spec)?;
        let found = context.find()?;
        let passphrase = if found.only_watches() {
            Zeroizing::default()
        } else {
            context.options.passphrase.ask(&context.name()?)?
        };
        let (mut wallet, unlocked) = found.open_afresh(&context.spec, &passphrase, self.from.map(Height))?;
        let followed = context.follow(&mut wallet, unlocked.as_ref().map(|unlocked| &unlocked.key))?;
        context.show(&Found::new(&wallet, followed))
    }
}

impl Found {
    fn new(wallet: &Wallet, Followed { synced, pending }: Followed) -> Self {
        Self {
            wallet: wallet.name().to_owned(),
            height: wallet.state().tip().map(|tip| tip.height),
            blocks: synced.blocks,
            fetched: synced.fetched,
            undone: synced.undone,
            touched: synced.touched,
            arrived: pending.arrived,
            sent_again: pending.sent_again,
            is_short_of_addresses: !wallet.is_bare() && wallet.state().is_short(),
            how_to_get_more: how_to_get_more(wallet),
            waiting_too_many: pending.too_many,
        }
    }
}

/// What is said to whoever runs out of fresh addresses.
pub(super) const fn how_to_get_more(wallet: &Wallet) -> &'static str {
    if wallet.only_watches() {
        "fewer than 20 fresh addresses are left: `qbtc wallet export` where the words are, then `qbtc wallet watch` here"
    } else {
        "fewer than 20 fresh addresses are kept ready: `qbtc wallet sync --unlock` makes more and looks for payments to them"
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let height = self.height.unwrap_or_default();
        write!(
            f,
            "wallet {} is at block {height}: {} blocks looked at, {} fetched",
            self.wallet, self.blocks, self.fetched
        )?;
        if self.undone > 0 {
            write!(f, "\nthe chain had turned elsewhere: {} blocks were undone first", self.undone)?;
        }
        for txid in &self.touched {
            write!(f, "\nin a block   {txid}")?;
        }
        for txid in &self.arrived {
            write!(f, "\nwaits        {txid}")?;
        }
        for txid in &self.sent_again {
            write!(f, "\nsent again   {txid}")?;
        }
        if let Some(count) = self.waiting_too_many {
            write!(
                f,
                "\n{count} transactions wait in the node's pool, too many to look through: payments to you show once mined"
            )?;
        }
        if self.is_short_of_addresses {
            write!(f, "\n{}", self.how_to_get_more)?;
        }
        Ok(())
    }
}
