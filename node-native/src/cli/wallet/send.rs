//! `qbtc wallet send`, `bump` and `cancel`: everything that spends.
//!
//! Each shows what it will do, asks, and only then unlocks the wallet and signs. A payment is saved before it is handed to the node, so
//! that it is not forgotten whatever happens then; if the node refuses it, it is forgotten again.

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use qbtc_core::hash::Txid;
use qbtc_core::lock::Lock;
use qbtc_core::tx::{Transaction, TxOut};
use qbtc_core::units::{Amount, FeeRate};
use qbtc_core::wallet::builder::UnsignedTx;

use super::addresses;
use super::context::{Context, confirm};
use super::effect::{Effect, Sent};
use crate::cli::output::{note, print_error};
use crate::client::{Client, ClientError};
use crate::wallet::source::{ChainSource, dependent_fees, fee_advice};
use crate::wallet::spend::{self, Order, Replacement};
use crate::wallet::{Unlocked, Wallet, entropy, pending};

const SEND_EXAMPLES: &str = "\
Examples:
  qbtc wallet send dbqs1…=12.5
  qbtc wallet send dbqs1…=12.5 dbqs1…=3 --confirm-within 2
  qbtc wallet send dbqs1…=all                     empties the wallet
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

/// How much miners get.
#[derive(Args, Clone, Debug)]
struct FeeOptions {
    /// The fee rate, in quanta for each 1,000 bytes [default: by --confirm-within].
    #[arg(long, value_name = "QUANTA")]
    fee_rate: Option<u64>,
    /// Asks the node for the fee rate that is mined within so many blocks.
    #[arg(long, value_name = "BLOCKS", default_value_t = 6, conflicts_with = "fee_rate")]
    confirm_within: u32,
    /// The highest fee that is paid, in QBTC: a guard against mistakes.
    #[arg(long, value_name = "AMOUNT", default_value = "0.1")]
    max_fee: Amount,
}

/// How a payment is agreed to.
#[derive(Args, Clone, Copy, Debug)]
struct AgreeOptions {
    /// Does not ask.
    #[arg(long, short)]
    yes: bool,
    /// Shows what it would do, and does nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Pays.
#[derive(Args)]
#[command(after_help = SEND_EXAMPLES)]
pub(super) struct SendCommand {
    /// Whom to pay how much, in QBTC. `all` is all that is left.
    #[arg(required = true, value_name = "ADDRESS=AMOUNT")]
    payments: Vec<String>,
    /// Bytes for people to read, in hex, that the payment carries for ever.
    #[arg(long, value_name = "HEX")]
    data: Option<String>,
    /// Signs with the dormant second keys.
    #[arg(long)]
    with_fallback_key: bool,
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
        let mut order = self.order(context)?;
        let mut desk = Desk::open(context)?;
        order.fee_rate = self.fee.rate(&desk.node)?;
        let unsigned = spend::pay(desk.wallet.state(), &context.spec, &order)?;
        desk.finish(unsigned, None, &self.fee, self.agree)
    }

    fn order(&self, context: &Context) -> anyhow::Result<Order> {
        let mut order = Order { with_fallback_key: self.with_fallback_key, ..Order::default() };
        for payment in &self.payments {
            let (address, amount) =
                payment.rsplit_once('=').with_context(|| format!("{payment:?}: expected ADDRESS=AMOUNT"))?;
            let address = addresses::parse(context, address)?;
            if amount != "all" {
                let amount = amount.parse().with_context(|| payment.clone())?;
                order.outputs.push(TxOut { amount, lock: Lock::Address(address) });
            } else if order.everything_to.replace(address).is_some() {
                bail!("only one address can be paid all that is left");
            }
        }
        if let Some(data) = &self.data {
            let bytes = hex::decode(data).map_err(|error| anyhow!("--data: {error}"))?;
            order.outputs.push(TxOut { amount: Amount::ZERO, lock: Lock::Data(bytes.into()) });
        }
        Ok(order)
    }
}

impl BumpCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        replace(context, self.txid, self.pay_from, &self.fee, self.agree, spend::bump)
    }
}

impl CancelCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        replace(context, self.txid, None, &self.fee, self.agree, spend::cancel)
    }
}

/// Replaces a payment that waits by what `build` makes of it.
fn replace(
    context: &Context,
    txid: Txid,
    from_output: Option<usize>,
    fee: &FeeOptions,
    agree: AgreeOptions,
    build: impl FnOnce(
        &crate::wallet::state::WalletState,
        &qbtc_core::spec::ChainSpec,
        &Replacement<'_>,
    ) -> Result<UnsignedTx, spend::SpendError>,
) -> anyhow::Result<()> {
    let mut desk = Desk::open(context)?;
    spend::pending_entry(desk.wallet.state(), &txid)?;
    let transaction = desk.waiting(&txid)?;
    let dependent_fees = Amount::from_quanta(desk.dependent_fees(&txid)?)?;
    let fee_rate = fee.rate(&desk.node)?;
    let wanted = Replacement { transaction: &transaction, dependent_fees, fee_rate, from_output };
    let unsigned = build(desk.wallet.state(), &context.spec, &wanted)?;
    desk.finish(unsigned, Some(txid), fee, agree)
}

impl FeeOptions {
    /// The rate: as given, or as the node advises.
    fn rate(&self, node: &Client) -> anyhow::Result<FeeRate> {
        if let Some(quanta) = self.fee_rate {
            return Ok(FeeRate::from_quanta_per_1000_bytes(quanta));
        }
        let advice = fee_advice(node, self.confirm_within)?;
        if !advice.is_estimate {
            note(&"note: the node has seen too few payments to estimate fees; this pays the least that it relays");
        }
        Ok(advice.rate)
    }
}

/// An open wallet that is up to date, and the node that takes its payments.
struct Desk<'a> {
    context: &'a Context,
    node: Client,
    wallet: Wallet,
    unlocked: Option<Unlocked>,
}

impl<'a> Desk<'a> {
    fn open(context: &'a Context) -> anyhow::Result<Self> {
        let (node, mut wallet) = (context.client()?, context.open()?);
        let unlocked = context.unlock_if_given(&wallet)?;
        context.follow(&mut wallet, unlocked.as_ref().map(|unlocked| &unlocked.key))?;
        Ok(Self { context, node, wallet, unlocked })
    }

    /// A payment that waits: as it was signed here, or as the node has it.
    fn waiting(&self, txid: &Txid) -> anyhow::Result<Transaction> {
        if let Some(own) = self.wallet.state().own(txid) {
            return Ok(own.clone());
        }
        let found = self.node.transactions(&[*txid])?.into_iter().find(|transaction| transaction.txid() == *txid);
        found.ok_or_else(|| anyhow!("payment {txid} is not kept here, and the node does not have it either"))
    }

    /// What payments that depend on this one pay. A node that has dropped it knows of none.
    fn dependent_fees(&self, txid: &Txid) -> anyhow::Result<u64> {
        match dependent_fees(&self.node, txid) {
            Err(ClientError::Rpc { .. }) => Ok(0),
            fees => Ok(fees?),
        }
    }

    /// Shows a transaction, asks, signs, saves and sends it.
    fn finish(
        &mut self,
        unsigned: UnsignedTx,
        replaces: Option<Txid>,
        fee: &FeeOptions,
        agree: AgreeOptions,
    ) -> anyhow::Result<()> {
        let effect = Effect::new(&unsigned, replaces, self.wallet.state(), &self.context.spec);
        let (found, most) = (unsigned.fee(), fee.max_fee);
        if found > most {
            print_error(&effect);
            bail!("a fee of {found} QBTC exceeds --max-fee {most}");
        }
        if agree.dry_run {
            return self.context.show(&effect);
        }
        if !agree.yes {
            print_error(&effect);
            if !confirm("Send it?")? {
                bail!("nothing was sent");
            }
        }
        let unlocked = match self.unlocked.take() {
            Some(unlocked) => unlocked,
            None => self.context.unlock(&self.wallet)?,
        };
        let transaction = unsigned.sign(&unlocked.key, &entropy()?)?;
        self.send(&transaction, &unlocked)?;
        self.context.show(&Sent { effect })
    }

    fn send(&mut self, transaction: &Transaction, unlocked: &Unlocked) -> anyhow::Result<()> {
        let txid = transaction.txid();
        pending::add_own(self.wallet.state_mut(), transaction, &unlocked.key)?;
        self.wallet.save()?;
        match self.node.submit(transaction) {
            Ok(()) => Ok(()),
            Err(error @ ClientError::Rpc { .. }) => {
                pending::forget(self.wallet.state_mut(), &txid);
                self.wallet.save()?;
                // What it was to replace has left the wallet with it, and comes back from the node's pool.
                self.context.follow(&mut self.wallet, Some(&unlocked.key))?;
                Err(error).context("the node does not take the payment; nothing was sent")
            }
            Err(error) => Err(error).context(format!(
                "payment {txid} is signed and kept, but the node did not say whether it took it: `qbtc wallet sync` sends it again"
            )),
        }
    }
}
