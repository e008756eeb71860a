//! What a transaction will do, as the user should see it before signing.

use std::fmt;

use qbtc_core::hash::Txid;
use qbtc_core::lock::Lock;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::TxOut;
use qbtc_core::units::{Amount, FeeRate, Height};
use qbtc_core::wallet::builder::UnsignedTx;
use qbtc_core::wallet::partial::PartialTx;
use serde::Serialize;

use crate::wallet::Wallet;

/// By whose eyes a transaction is seen: a chain's, and where there is one a wallet's.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) spec: &'a ChainSpec,
    pub(super) wallet: Option<&'a Wallet>,
}

/// What a transaction will do. Made from the very bytes that are signed, not from what was asked for.
#[derive(Serialize)]
pub(super) struct Effect {
    pub(super) txid: Txid,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<Txid>,
    /// Payments that were made of its change, and go with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drops: Vec<Dropped>,
    recipients: Vec<Recipient>,
    change: Option<Recipient>,
    fee: Amount,
    fee_rate: Option<u64>,
    size_bytes: Option<u64>,
    inputs: usize,
    /// How many of them are the wallet's.
    pub(super) own_inputs: usize,
    /// What the wallet has less afterwards.
    leaves: Amount,
    lock_height: Height,
    expiry_height: Height,
    #[serde(skip)]
    minutes_left: Option<u64>,
}

/// An output.
#[derive(Serialize)]
struct Recipient {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    amount: Amount,
    /// Whether the wallet pays itself.
    is_own: bool,
    /// What the user wrote beside the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

/// A payment that is not made after all.
#[derive(Serialize)]
struct Dropped {
    txid: Txid,
    /// What it pays to others.
    pays: Amount,
}

/// A transaction that the node has taken.
#[derive(Serialize)]
pub(super) struct Sent {
    #[serde(flatten)]
    pub(super) effect: Effect,
}

impl View<'_> {
    fn is_own(&self, lock: &Lock) -> bool {
        let book = self.wallet.map(|wallet| wallet.state().book());
        book.zip(lock.address()).is_some_and(|(book, address)| book.path_of(&address).is_some())
    }
}

impl Effect {
    /// That of a transaction which the wallet has built.
    pub(super) fn new(unsigned: &UnsignedTx, replaces: Option<Txid>, view: View<'_>) -> Self {
        let effect = Self::of(unsigned.partial(), unsigned.change(), view);
        let account = view.wallet.map(|wallet| wallet.state().account());
        let gone = account.zip(replaces).map(|(account, txid)| account.ledger().dependents(&txid)).unwrap_or_default();
        let own = gone.iter().filter(|entry| entry.is_own_payment());
        let drops = own.map(|entry| Dropped { txid: entry.txid, pays: entry.paid_to_others }).collect();
        Self { replaces, drops, ..effect }.with_size(unsigned.size_bytes())
    }

    /// That of a transaction from anywhere. Which of its outputs is the change only its maker knows.
    pub(super) fn of(partial: &PartialTx, change: Option<&TxOut>, view: View<'_>) -> Self {
        let body = partial.body();
        let (mut recipients, mut shown_change, mut rest) = (Vec::new(), None, change);
        for output in &body.outputs {
            let recipient = Recipient::new(output, view);
            if rest == Some(output) {
                shown_change = Some(recipient);
                rest = None;
            } else {
                recipients.push(recipient);
            }
        }
        let own = |outputs: &[TxOut]| {
            let own: Vec<_> = outputs.iter().filter(|output| view.is_own(&output.lock)).collect();
            (own.len(), Amount::checked_sum(own.iter().map(|output| output.amount)).unwrap_or(Amount::MAX))
        };
        let ((own_inputs, spent), (_, received)) = (own(partial.spent()), own(&body.outputs));
        let height = view.wallet.and_then(|wallet| wallet.state().tip()).map(|tip| tip.height);
        let spacing_s = u64::from(view.spec.consensus().spacing_s);
        let effect = Self {
            txid: partial.txid(),
            replaces: None,
            drops: Vec::new(),
            recipients,
            change: shown_change,
            fee: partial.fee(),
            fee_rate: None,
            size_bytes: None,
            inputs: body.inputs.len(),
            own_inputs,
            leaves: spent.saturating_sub(received),
            lock_height: body.lock_height,
            expiry_height: body.expiry_height,
            minutes_left: height.map(|height| u64::from(body.expiry_height.above(height)) * spacing_s / 60),
        };
        match partial.size_bytes(0) {
            Some(size) => effect.with_size(size),
            None => effect,
        }
    }

    fn with_size(self, size_bytes: u64) -> Self {
        let rate = FeeRate::reached_by(self.fee, size_bytes).map(FeeRate::quanta_per_1000_bytes);
        Self { size_bytes: Some(size_bytes), fee_rate: rate, ..self }
    }
}

impl Recipient {
    fn new(output: &TxOut, view: View<'_>) -> Self {
        let (address, data) = match &output.lock {
            Lock::Address(address) => (Some(address), None),
            Lock::Data(data) => (None, Some(hex::encode(data))),
        };
        let address = address.map(|address| address.to_text(&view.spec.network().address_prefix));
        let label = view.wallet.zip(address.as_deref()).and_then(|(wallet, address)| wallet.labels().of(address));
        let label = label.map(str::to_owned);
        Self { address, data, amount: output.amount, is_own: view.is_own(&output.lock), label }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, &self.data) {
            (Some(address), _) => write!(f, "{:>20} QBTC  to {address}", self.amount.to_string())?,
            (None, data) => write!(f, "{:>20}       data {}", "", data.as_deref().unwrap_or_default())?,
        }
        if let Some(label) = &self.label {
            write!(f, " ({label})")?;
        }
        if self.is_own { f.write_str(" (your own)") } else { Ok(()) }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(txid) = self.replaces {
            writeln!(f, "in place of {txid}:")?;
        }
        for Dropped { txid, pays } in &self.drops {
            writeln!(f, "drops    {:>20} QBTC  paid with its change by {txid}: pay it again", pays.to_string())?;
        }
        for recipient in &self.recipients {
            writeln!(f, "pays     {recipient}")?;
        }
        if let Some(change) = &self.change {
            writeln!(f, "change   {change}")?;
        }
        let (fee, leaves) = (self.fee.to_string(), self.leaves.to_string());
        write!(f, "fee      {fee:>20} QBTC")?;
        if let (Some(size), Some(rate)) = (self.size_bytes, self.fee_rate) {
            write!(f, "  for {size} bytes, {rate} quanta per 1000")?;
        }
        writeln!(f)?;
        let coins = match (self.inputs, self.own_inputs) {
            (1, 1) => "one coin".to_owned(),
            (all, own) if all == own => format!("{all} coins"),
            (all, own) => format!("{own} of the {all} coins spent; the others are not yours"),
        };
        writeln!(f, "leaves   {leaves:>20} QBTC  your wallet, from {coins}")?;
        if self.expiry_height == Height::GENESIS {
            return write!(f, "expires  never");
        }
        write!(f, "expires  {:>20}       if no block up to this one holds it", self.expiry_height)?;
        match self.minutes_left {
            None => Ok(()),
            Some(minutes @ ..=180) => write!(f, ", in about {minutes} minutes"),
            Some(minutes) => write!(f, ", in about {} hours", minutes / 60),
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sent {}", self.effect.txid)
    }
}
