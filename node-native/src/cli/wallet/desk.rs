//! Where payments are made: an open wallet that is up to date, and the node that takes them.
//!
//! A payment is shown, agreed to, and only then signed. It is saved before it is handed to the node, so that it is not forgotten
//! whatever happens then; if the node refuses it, the wallet is as it was before.

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use qbtc_core::hash::Txid;
use qbtc_core::tx::Transaction;
use qbtc_core::units::Amount;
use qbtc_core::wallet::builder::UnsignedTx;
use qbtc_core::wallet::derivation::AccountKey;

use super::context::{Context, confirm};
use super::effect::{Effect, Sent, View};
use super::order::FeeOptions;
use crate::cli::failure::MaybeSent;
use crate::cli::output::{note, print_error};
use crate::client::{Client, ClientError};
use crate::wallet::source::{ChainSource, dependent_fees, is_refusal};
use crate::wallet::{Unlocked, Wallet, WalletError, entropy};

/// How a payment is agreed to.
#[derive(Args, Clone)]
pub(super) struct AgreeOptions {
    /// Does not ask.
    #[arg(long, short)]
    yes: bool,
    /// Shows what it would do, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// What the payment is for: a label that the history shows.
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
}

/// An open wallet that is up to date, and the node that takes its payments.
pub(super) struct Desk<'a> {
    context: &'a Context,
    pub(super) node: Client,
    pub(super) wallet: Wallet,
    unlocked: Option<Unlocked>,
}

impl<'a> Desk<'a> {
    /// Opens a wallet that can sign.
    pub(super) fn open(context: &'a Context) -> anyhow::Result<Self> {
        let (node, mut wallet) = (context.client()?, context.open()?);
        if wallet.only_watches() {
            return Err(WalletError::WatchesOnly { name: wallet.name().to_owned() }.into());
        }
        let unlocked = context.unlock_if_given(&wallet)?;
        context.follow(&mut wallet, unlocked.as_ref().map(|unlocked| &unlocked.key))?;
        Ok(Self { context, node, wallet, unlocked })
    }

    /// A payment that waits: as it was signed here, or as the node has it.
    pub(super) fn waiting(&self, txid: &Txid) -> anyhow::Result<Transaction> {
        if let Some(own) = self.wallet.state().outbox().get(txid) {
            return Ok(own.clone());
        }
        let found = self.node.transactions(&[*txid])?.into_iter().find(|transaction| transaction.txid() == *txid);
        found.ok_or_else(|| anyhow!("payment {txid} is not kept here, and the node does not have it either"))
    }

    /// What payments that depend on this one pay. A node that has dropped it knows of none.
    pub(super) fn dependent_fees(&self, txid: &Txid) -> anyhow::Result<Amount> {
        match dependent_fees(&self.node, txid) {
            Err(ClientError::Rpc { .. }) => Ok(Amount::ZERO),
            fees => Ok(fees?),
        }
    }

    /// Shows a transaction, asks, signs, saves and sends it.
    pub(super) fn finish(
        &mut self,
        unsigned: UnsignedTx,
        replaces: Option<Txid>,
        fee: &FeeOptions,
        agree: &AgreeOptions,
    ) -> anyhow::Result<()> {
        let view = View { spec: &self.context.spec, wallet: Some(&self.wallet) };
        let effect = Effect::new(&unsigned, replaces, view);
        if let Err(refused) = fee.check(unsigned.fee()) {
            print_error(&effect);
            return Err(refused);
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
        let txid = transaction.txid().to_string();
        if let Some(label) = &agree.label {
            self.wallet.check_label(&txid, label).context("nothing was sent")?;
        }
        send(&mut self.wallet, &self.node, &transaction, Some(&unlocked.key))?;
        if let Some(label) = &agree.label
            && let Err(error) = self.wallet.set_label(&txid, label)
        {
            // An error would say that it was not sent.
            note(&format!("note: payment {txid} is sent, but its label could not be kept: {error}"));
        }
        self.context.show(&Sent { effect })
    }
}

/// Takes a signed payment into the wallet, saves that, and hands it to the node.
pub(super) fn send(
    wallet: &mut Wallet,
    node: &Client,
    transaction: &Transaction,
    secret: Option<&AccountKey>,
) -> anyhow::Result<()> {
    let (txid, before) = (transaction.txid(), wallet.state().clone());
    wallet.state_mut().add_own(transaction, secret)?;
    wallet.save()?;
    match node.submit(transaction) {
        Ok(()) => Ok(()),
        Err(error) if is_refusal(&error) => {
            // What it was to replace still waits.
            *wallet.state_mut() = before;
            wallet.save()?;
            Err(error).context("the node does not take the payment; nothing was sent")
        }
        Err(error) => Err(error).context(MaybeSent { txid }),
    }
}
