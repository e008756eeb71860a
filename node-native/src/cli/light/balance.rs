//! `qbtc light balance` and `qbtc light watch`: what addresses own, by the filters of all blocks.

use std::fmt;

use anyhow::bail;
use clap::Args;
use indicatif::ProgressBar;
use qbtc_core::lock::Address;
use qbtc_core::sync::light::{Event, Input, Level, Phase};
use qbtc_core::units::{Amount, Height};
use serde::Serialize;

use super::parse_address;
use super::session::Session;
use crate::cli::output::{progress, show};
use crate::light::LightAccount;

/// Which addresses, and from where on.
#[derive(Args)]
pub(super) struct AddressesOptions {
    /// The addresses.
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// The height of the first block that can matter: the lower, the more filters are fetched.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    from: u32,
}

/// Shows coins once.
#[derive(Args)]
pub(super) struct BalanceCommand {
    #[command(flatten)]
    addresses: AddressesOptions,
}

/// Shows coins whenever they change.
#[derive(Args)]
pub(super) struct WatchCommand {
    #[command(flatten)]
    addresses: AddressesOptions,
}

/// What addresses own.
#[derive(Serialize)]
struct Owned {
    confirmed: Amount,
    immature: Amount,
    coins: Vec<Coin>,
    level: Level,
    height: u32,
    id: String,
    from: u32,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Coin {
    txid: String,
    index: u32,
    amount: Amount,
    address: String,
    height: Option<u32>,
    coinbase: bool,
    confirmations: u32,
}

impl BalanceCommand {
    pub(super) async fn run(self, session: &mut Session) -> anyhow::Result<()> {
        let mut follow = Follow::start(self.addresses, session).await?;
        follow.reach_tip(session).await?;
        show(&follow.owned(session), session.is_json)
    }
}

impl WatchCommand {
    pub(super) async fn run(self, session: &mut Session) -> anyhow::Result<()> {
        let mut follow = Follow::start(self.addresses, session).await?;
        follow.reach_tip(session).await?;
        show(&follow.owned(session), session.is_json)?;
        loop {
            tokio::select! {
                stopped = tokio::signal::ctrl_c() => return Ok(stopped?),
                event = session.light.next() => {
                    if follow.take(event, session)? && follow.is_at_tip(session) {
                        show(&follow.owned(session), session.is_json)?;
                        session.save()?;
                    }
                }
            }
        }
    }
}

/// Addresses that are looked for.
struct Follow {
    account: LightAccount,
    from: u32,
    bar: ProgressBar,
}

impl Follow {
    async fn start(options: AddressesOptions, session: &mut Session) -> anyhow::Result<Self> {
        let parsed = options.addresses.iter().map(|text| parse_address(text, session.spec()));
        let addresses: Vec<Address> = parsed.collect::<anyhow::Result<_>>()?;
        let account = LightAccount::new(session.spec(), &addresses)?;
        session.tip().await?;
        let tip = session.light.client().tip().mark.height;
        if options.from > tip.0 {
            bail!("--from {}: the chain ends at height {tip}", options.from);
        }
        let start = Height(options.from);
        session.light.tell(Input::Scan { start, marks: Vec::new(), addresses });
        let bar = progress(u64::from(tip.0 - options.from), "looking through filters");
        Ok(Self { account, from: options.from, bar })
    }

    async fn reach_tip(&mut self, session: &mut Session) -> anyhow::Result<()> {
        while !self.is_at_tip(session) {
            let Some(event) = session.next().await else {
                let warnings = session.warnings().join("; ");
                let at = self.account.tip().map_or(self.from, |tip| tip.height.0);
                bail!("looked through up to block {at}, and then no further in time; {warnings}");
            };
            self.take(event, session)?;
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    fn is_at_tip(&self, session: &Session) -> bool {
        let client = session.light.client();
        client.status().phase == Phase::Live && self.account.tip() == Some(client.tip().mark)
    }

    /// Takes in what happened. Returns whether what is owned, or the tip, has changed.
    fn take(&mut self, event: Event, session: &mut Session) -> anyhow::Result<bool> {
        match event {
            Event::Scanned { to, found } => {
                session.goes_on();
                self.account.take(to, found.as_deref())?;
                if found.is_some() {
                    session.light.tell(Input::Taken { id: to.id, addresses: Vec::new() });
                }
                self.bar.set_position(u64::from(to.height.0.saturating_sub(self.from)));
                Ok(true)
            }
            Event::RolledBack { to } => {
                self.account.go_back(to)?;
                Ok(true)
            }
            Event::Status(_) => Ok(true),
            Event::Tip { .. } | Event::Answered { .. } => Ok(false),
        }
    }

    fn owned(&self, session: &Session) -> Owned {
        let tip = session.light.client().tip().mark;
        let prefix = &session.spec().network().address_prefix;
        let balance = self.account.balance();
        let coins = self.account.coins().map(|coin| Coin {
            txid: coin.outpoint.txid.to_string(),
            index: coin.outpoint.index,
            amount: coin.amount,
            address: coin.address.to_text(prefix),
            height: coin.height.map(|height| height.0),
            coinbase: coin.is_coinbase,
            confirmations: coin.height.map_or(0, |height| tip.height.above(height) + 1),
        });
        Owned {
            confirmed: balance.confirmed,
            immature: balance.immature,
            coins: coins.collect(),
            level: LightAccount::LEVEL,
            height: tip.height.0,
            id: tip.id.to_string(),
            from: self.from,
            warnings: session.warnings(),
        }
    }
}

impl fmt::Display for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "spendable  {} QBTC", self.confirmed)?;
        writeln!(f, "immature   {} QBTC", self.immature)?;
        writeln!(f, "coins      {}", self.coins.len())?;
        for coin in &self.coins {
            writeln!(
                f,
                "           {} QBTC at {}:{}, {} blocks deep",
                coin.amount, coin.txid, coin.index, coin.confirmations
            )?;
        }
        write!(f, "shown      by the filters of all blocks from {} to {}", self.from, self.height)?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\nwarning    {warning}"))
    }
}
