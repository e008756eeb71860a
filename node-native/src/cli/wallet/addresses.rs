//! `qbtc wallet address` and `addresses`.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{anyhow, bail};
use clap::Args;
use qbtc_core::lock::Address;
use qbtc_core::units::{Amount, Height};
use qbtc_core::wallet::account::Account;
use qbtc_core::wallet::address_book::AddressBook;
use qbtc_core::wallet::derivation::{AddressPath, Branch, ChildIndex};
use serde::Serialize;

use super::context::Context;
use super::sync::how_to_get_more;
use crate::cli::output::{note, table};
use crate::wallet::Wallet;

const EXAMPLES: &str = "\
The same address is shown until somebody has paid to it. Give each payer one of his own with --new, so that nobody sees from one
payment what you have of others.

Examples:
  qbtc wallet address
  qbtc wallet address --new
  qbtc wallet --offline address";

/// Shows an address to be paid to.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct AddressCommand {
    /// Takes a fresh address, and never shows it again.
    #[arg(long)]
    new: bool,
    /// Whom or what it is for: a label that stands beside what is paid to it. Takes a fresh address, as --new does.
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
}

/// An address of the wallet.
#[derive(Serialize)]
struct Shown {
    address: String,
    branch: &'static str,
    index: u32,
}

impl AddressCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut wallet = context.open_current()?;
        let (path, address) = next(context, &mut wallet)?;
        if self.new || self.label.is_some() {
            wallet.state_mut().book_mut().mark_used(&address);
            wallet.save()?;
            warn_of_gap(wallet.state().account());
        }
        let address = address.to_text(&context.spec.network().address_prefix);
        if let Some(label) = &self.label {
            wallet.set_label(&address, label.trim())?;
        }
        context.show(&Shown { address, branch: name(path.branch), index: path.index.to_u32() })
    }
}

/// Says when more addresses in a row are unpaid than a wallet looks through that is brought back from its words.
fn warn_of_gap(account: &Account) {
    let (needed, usual) = (account.gap_needed(), AddressBook::GAP_LIMIT);
    if needed > usual {
        note(&format!(
            "note: many addresses in a row are unpaid. Whoever brings the wallet back from its words looks {usual} beyond each paid one, \
             and does not find what is paid to the newest: say `qbtc wallet restore --gap {}`",
            needed.min(AddressBook::GAP_LIMIT_MAX)
        ));
    }
}

/// The first address that nobody has. Where the wallet has run out, the secret makes more.
fn next(context: &Context, wallet: &mut Wallet) -> anyhow::Result<(AddressPath, Address)> {
    if let Some(found) = wallet.state().book().next_unused(Branch::Receive) {
        return Ok(found);
    }
    if wallet.only_watches() {
        bail!("wallet {:?} has given all its addresses away: {}", wallet.name(), how_to_get_more(wallet));
    }
    let unlocked = context.unlock(wallet)?;
    wallet.state_mut().book_mut().extend(&unlocked.key)?;
    wallet.save()?;
    wallet.state().book().next_unused(Branch::Receive).ok_or_else(|| anyhow!("the wallet has no more addresses"))
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

const LIST_EXAMPLES: &str = "\
Examples:
  qbtc wallet addresses
  qbtc wallet addresses --all --change --json";

/// Lists addresses.
#[derive(Args)]
#[command(after_help = LIST_EXAMPLES)]
pub(super) struct AddressesCommand {
    /// Also those that are kept ready and were never given away.
    #[arg(long)]
    all: bool,
    /// Also those for change.
    #[arg(long)]
    change: bool,
}

/// The wallet's addresses.
#[derive(Serialize)]
struct Addresses {
    height: Option<Height>,
    addresses: Vec<Line>,
}

/// An address, and what lies on it.
#[derive(Serialize)]
struct Line {
    address: String,
    branch: &'static str,
    index: u32,
    is_used: bool,
    coins: usize,
    amount: Amount,
    label: Option<String>,
}

impl AddressesCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wallet = context.open_current()?;
        let branches: &[Branch] = if self.change { &Branch::ALL } else { &[Branch::Receive] };
        let mut lines = Vec::new();
        for branch in branches {
            lines.extend(self.lines(context, &wallet, *branch)?);
        }
        context.show(&Addresses { height: wallet.state().tip().map(|tip| tip.height), addresses: lines })
    }

    fn lines(&self, context: &Context, wallet: &Wallet, branch: Branch) -> anyhow::Result<Vec<Line>> {
        let mut by_address: BTreeMap<Address, (usize, Amount)> = BTreeMap::new();
        for coin in wallet.state().ledger().coins() {
            let (count, amount) = by_address.entry(coin.address).or_default();
            *count += 1;
            *amount = amount.checked_add(coin.amount).unwrap_or(Amount::MAX);
        }
        let book = wallet.state().book();
        let unused_from = book.next_unused(branch).map_or(u32::MAX, |(path, _)| path.index.to_u32());
        let mut lines = Vec::new();
        for index in 0..u32::try_from(AddressBook::BRANCH_MAX)? {
            let path = AddressPath { branch, index: ChildIndex::new(index)? };
            let Some(entry) = book.entry(path) else { break };
            let is_used = index < unused_from;
            if !is_used && !self.all {
                break;
            }
            let (coins, amount) = by_address.get(&entry.address).copied().unwrap_or_default();
            let address = entry.address.to_text(&context.spec.network().address_prefix);
            let label = wallet.labels().of(&address).map(str::to_owned);
            lines.push(Line { address, branch: name(branch), index, is_used, coins, amount, label });
        }
        Ok(lines)
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.addresses.is_empty() {
            return f.write_str("no address was given away or paid to yet; `qbtc wallet address` shows the first");
        }
        let mut lines = table(&["ADDRESS", "BRANCH", "INDEX", "COINS", "QBTC", "LABEL"], &[2, 3, 4]);
        for line in &self.addresses {
            let numbers = [line.index.to_string(), line.coins.to_string(), line.amount.to_string()];
            let [index, coins, amount] = numbers;
            let label = line.label.as_deref().unwrap_or_default();
            lines.add_row([line.address.as_str(), line.branch, &index, &coins, &amount, label]);
        }
        write!(f, "{}", lines.trim_fmt())
    }
}

/// A branch as users read it.
pub(super) const fn name(branch: Branch) -> &'static str {
    match branch {
        Branch::Receive => "receive",
        Branch::Change => "change",
    }
}

/// The address that a user has typed, for this chain.
pub(super) fn parse(context: &Context, text: &str) -> anyhow::Result<Address> {
    match Address::from_text(text.trim(), &context.spec.network().address_prefix) {
        Ok(address) => Ok(address),
        Err(error) => bail!("{text}: {error}"),
    }
}
