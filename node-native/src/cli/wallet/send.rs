//! `qbtc wallet send`, `bump` and `cancel`: everything that spends at once.

use clap::Args;
use qbtc_core::hash::Txid;
use qbtc_core::spec::ChainSpec;
use qbtc_core::wallet::account::Account;
use qbtc_core::wallet::builder::UnsignedTx;
use qbtc_core::wallet::pay::{PayError, Replacement, bump, cancel, pay, pending_entry};

use super::context::Context;
use super::desk::{AgreeOptions, Desk};
use super::order::{FeeOptions, OrderOptions, with_mend};

const SEND_EXAMPLES: &str = "\
Examples:
  qbtc wallet send dbqs1…=12.5
  qbtc wallet send dbqs1…=12.5 dbqs1…=3 --confirm-within 2 --label 'June: rent and power'
  qbtc wallet send dbqs1…=12.5 --subtract-fee     the recipient pays the fee
  qbtc wallet send dbqs1…=all                     empties the wallet
  qbtc wallet send dbqs1…=all --coin 4a5e…:0      sends this coin and no other
  qbtc wallet send dbqs1…=1 --dry-run             shows what it would do
  qbtc wallet send dbqs1…=1 --yes --passphrase-file secret.txt --json";

const BUMP_EXAMPLES: &str = "\
The replacement spends the same coins, so only one of the two can ever be mined.

Examples:
  qbtc wallet bump 4a5e…
  qbtc wallet bump 4a5e… --fee-rate 20000
  qbtc wallet bump 4a5e… --pay-from 0             takes the fee from what is paid";

const CANCEL_EXAMPLES: &str = "\
The money goes back to the wallet, but for a fee. It may be too late: whichever of the two is mined first counts.

Examples:
  qbtc wallet cancel 4a5e…";

/// Pays.
#[derive(Args)]
#[command(after_help = SEND_EXAMPLES)]
pub(super) struct SendCommand {
    #[command(flatten)]
    order: OrderOptions,
    #[command(flatten)]
    fee: FeeOptions,
    #[command(flatten)]
    agree: AgreeOptions,
}

/// Raises the fee.
#[derive(Args)]
#[command(after_help = BUMP_EXAMPLES)]
pub(super) struct BumpCommand {
    /// The payment that waits.
    txid: Txid,
    /// Takes the higher fee from this output, by its place from 0, instead of the change.
    #[arg(long, value_name = "OUTPUT")]
    pay_from: Option<usize>,
    #[command(flatten)]
    fee: FeeOptions,
    #[command(flatten)]
    agree: AgreeOptions,
}

/// Takes a payment back.
#[derive(Args)]
#[command(after_help = CANCEL_EXAMPLES)]
pub(super) struct CancelCommand {
    /// The payment that waits.
    txid: Txid,
    #[command(flatten)]
    fee: FeeOptions,
    #[command(flatten)]
    agree: AgreeOptions,
}

impl SendCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut order = self.order.order(context)?;
        let mut desk = Desk::open(context)?;
        order.fee_rate = self.fee.rate(|| context.client())?;
        let unsigned = pay(desk.wallet.state().account(), &context.spec, &order).map_err(with_mend)?;
        desk.finish(unsigned, None, &self.fee, &self.agree)
    }
}

impl BumpCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let pay_from = self.pay_from;
        replace(context, self.txid, &self.fee, &self.agree, |account, spec, wanted| {
            bump(account, spec, wanted, pay_from)
        })
    }
}

impl CancelCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        replace(context, self.txid, &self.fee, &self.agree, cancel)
    }
}

/// Replaces a payment that waits by what `build` makes of it.
fn replace(
    context: &Context,
    txid: Txid,
    fee: &FeeOptions,
    agree: &AgreeOptions,
    build: impl FnOnce(&Account, &ChainSpec, &Replacement<'_>) -> Result<UnsignedTx, PayError>,
) -> anyhow::Result<()> {
    let mut desk = Desk::open(context)?;
    pending_entry(desk.wallet.state().account(), &txid).map_err(with_mend)?;
    let transaction = desk.waiting(&txid)?;
    let dependent_fees = desk.dependent_fees(&txid)?;
    let fee_rate = fee.rate(|| context.client())?;
    let wanted = Replacement { transaction: &transaction, dependent_fees, fee_rate };
    let unsigned = build(desk.wallet.state().account(), &context.spec, &wanted).map_err(with_mend)?;
    desk.finish(unsigned, Some(txid), fee, agree)
}
