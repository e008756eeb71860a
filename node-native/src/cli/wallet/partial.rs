//! `qbtc wallet partial`: payments that are made in one place and signed in another, or by several.
//!
//! The maker needs a node and no secret, the signer a secret and no node. A signer sees what the very bytes that he signs do: the
//! signature covers the coins that are spent, so that whoever lies about them, or about the fee, gets a signature that is worth nothing.

mod file;

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use qbtc_core::wallet::partial::PartialTx;
use qbtc_core::wallet::pay::pay;

use super::context::{Context, confirm};
use super::desk::send;
use super::effect::{Effect, Sent, View};
use super::order::{FeeGuard, FeeOptions, OrderOptions, with_mend};
use crate::cli::output::print_error;
use crate::client::Client;
use crate::wallet::source::ChainSource;
use crate::wallet::{Wallet, entropy};
use file::{OutOptions, Shown, missing_of, read};

const EXAMPLES: &str = "\
A payment in three steps. The online machine watches the wallet (`qbtc wallet watch`), the offline one has its words and no node:

  online    qbtc wallet -w till partial create dbqs1…=12.5 --out pay.ptx
  offline   qbtc wallet partial show pay.ptx
  offline   qbtc wallet partial sign pay.ptx --out signed.ptx
  online    qbtc wallet -w till partial send signed.ptx

Where several must sign, each signs a copy, and `qbtc wallet partial combine` makes one of them.";

const CREATE_EXAMPLES: &str = "\
The coins are not set aside: do not make another payment before this one is sent or given up.

Examples:
  qbtc wallet partial create dbqs1…=12.5 --out pay.ptx
  qbtc wallet partial create dbqs1…=all --hours 72 --out pay.ptx";

/// Payments that are signed elsewhere, or by several.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PartialCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes a payment for somebody else to sign. Needs no secret.
    Create(CreateCommand),
    /// Shows what a payment does and what it lacks. Needs no node, and no wallet.
    Show(ShowCommand),
    /// Signs with the wallet's keys. Needs no node.
    Sign(SignCommand),
    /// Makes one of copies that several have signed. Needs no node, and no wallet.
    Combine(CombineCommand),
    /// Hands a payment that lacks nothing to the node.
    Send(SendCommand),
}

#[derive(Args)]
#[command(after_help = CREATE_EXAMPLES)]
struct CreateCommand {
    #[command(flatten)]
    order: OrderOptions,
    #[command(flatten)]
    fee: FeeOptions,
    /// For how long it can be mined: time to carry it to the signer and back.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    hours: u32,
    #[command(flatten)]
    out: OutOptions,
}

#[derive(Args)]
struct ShowCommand {
    /// The payment; `-` for stdin.
    file: PathBuf,
}

#[derive(Args)]
struct SignCommand {
    /// The payment; `-` for stdin.
    file: PathBuf,
    /// Does not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    guard: FeeGuard,
    #[command(flatten)]
    out: OutOptions,
}

#[derive(Args)]
struct CombineCommand {
    /// The copies.
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    out: OutOptions,
}

#[derive(Args)]
struct SendCommand {
    /// The payment; `-` for stdin.
    file: PathBuf,
    /// Does not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    guard: FeeGuard,
}

impl PartialCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        match self.action {
            Action::Create(command) => command.run(context),
            Action::Show(command) => command.run(context),
            Action::Sign(command) => command.run(context),
            Action::Combine(command) => command.run(context),
            Action::Send(command) => command.run(context),
        }
    }
}

impl CreateCommand {
    fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut order = self.order.order(context)?;
        order.valid_for_s = Some(self.hours.saturating_mul(3_600));
        let wallet = context.open_current()?;
        if wallet.is_bare() {
            bail!(
                "wallet {:?} watches bare addresses: without their keys no payment can be made from them",
                wallet.name()
            );
        }
        order.fee_rate = self.fee.rate(|| context.client())?;
        let unsigned = pay(wallet.state().account(), &context.spec, &order).map_err(with_mend)?;
        let effect = Effect::new(&unsigned, None, View { spec: &context.spec, wallet: Some(&wallet) });
        if let Err(refused) = self.fee.check(unsigned.fee()) {
            print_error(&effect);
            return Err(refused);
        }
        self.out.write(context, unsigned.partial(), effect, 0)
    }
}

impl ShowCommand {
    fn run(self, context: &Context) -> anyhow::Result<()> {
        let partial = read(&self.file, context)?;
        let wallet = context.open_if_any()?;
        let effect = Effect::of(&partial, None, View { spec: &context.spec, wallet: wallet.as_ref() });
        context.show(&Shown::new(effect, &partial, context))
    }
}

impl SignCommand {
    fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.file.as_os_str() == "-" {
            context.options.passphrase.leave_stdin_for("the payment")?;
        }
        let mut partial = read(&self.file, context)?;
        let wallet = context.open()?;
        let effect = Effect::of(&partial, None, View { spec: &context.spec, wallet: Some(&wallet) });
        let places = partial.wanted_from(wallet.state().book());
        if places.is_empty() {
            return Err(nothing_to_sign(&partial, &wallet));
        }
        if !self.yes {
            print_error(&effect);
        }
        self.guard.check(partial.fee())?;
        if !self.yes && !confirm("Sign it?")? {
            bail!("nothing was signed");
        }
        let unlocked = context.unlock(&wallet)?;
        let mut signed = 0;
        for (scheme, path) in places {
            signed += partial.sign(&unlocked.key.secret_key(scheme, path), &entropy()?);
        }
        self.out.write(context, &partial, effect, signed)
    }
}

fn nothing_to_sign(partial: &PartialTx, wallet: &Wallet) -> anyhow::Error {
    if partial.missing().is_empty() {
        return anyhow!("nothing is missing: `qbtc wallet partial send` hands it to a node");
    }
    anyhow!(
        "wallet {:?} knows none of the keys that are wanted. If it is the right one, it has not made these addresses yet: \
         `qbtc wallet export` makes as many as the watching wallet has",
        wallet.name()
    )
}

impl CombineCommand {
    fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut copies = self.files.iter().map(|file| Ok((file, read(file, context)?)));
        let (_, mut whole) = copies.next().unwrap_or_else(|| bail!("there is nothing to combine"))?;
        for copy in copies {
            let (file, copy) = copy?;
            whole.combine(&copy).with_context(|| format!("{} does not fit the others", file.display()))?;
        }
        let wallet = context.open_if_any()?;
        let effect = Effect::of(&whole, None, View { spec: &context.spec, wallet: wallet.as_ref() });
        self.out.write(context, &whole, effect, 0)
    }
}

impl SendCommand {
    fn run(self, context: &Context) -> anyhow::Result<()> {
        let partial = read(&self.file, context)?;
        let node = context.client()?;
        let mut wallet = context.open_if_any()?;
        if let Some(wallet) = &mut wallet {
            context.follow(wallet, None)?;
        }
        let effect = Effect::of(&partial, None, View { spec: &context.spec, wallet: wallet.as_ref() });
        let missing = missing_of(&partial, context);
        if !missing.is_empty() {
            bail!("the payment still lacks {}", missing.join(", "));
        }
        if !self.yes {
            print_error(&effect);
        }
        self.guard.check(partial.fee())?;
        let transaction = partial.finalize()?;
        if !self.yes && !confirm("Send it?")? {
            bail!("nothing was sent");
        }
        match wallet.as_mut().filter(|_| effect.own_inputs > 0) {
            Some(wallet) => send(wallet, &node, &transaction, None)?,
            None => submit(&node, &transaction)?,
        }
        context.show(&Sent { effect })
    }
}

fn submit(node: &Client, transaction: &qbtc_core::tx::Transaction) -> anyhow::Result<()> {
    node.submit(transaction).context("the node does not take the payment")
}
