//! What a transaction will do, as the user should see it before signing.

use std::fmt;

use qbtc_core::hash::Txid;
use qbtc_core::lock::Lock;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::TxOut;
use qbtc_core::units::{Amount, FeeRate, Height};
use qbtc_core::wallet::builder::UnsignedTx;
use serde::Serialize;

use crate::wallet::state::WalletState;

/// What a transaction will do. Made from the very bytes that are signed, not from what was asked for.
#[derive(Serialize)]
pub(super) struct Effect {
    txid: Txid,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<Txid>,
    recipients: Vec<Recipient>,
    change: Option<Recipient>,
    fee: Amount,
    fee_rate: u64,
    size_bytes: u64,
    inputs: usize,
    /// What the wallet has less afterwards.
    leaves: Amount,
    lock_height: Height,
    expiry_height: Height,
    #[serde(skip)]
    minutes_left: u64,
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
}

/// A transaction that the node has taken.
#[derive(Serialize)]
pub(super) struct Sent {
    #[serde(flatten)]
    pub(super) effect: Effect,
}

impl Effect {
    pub(super) fn new(unsigned: &UnsignedTx, replaces: Option<Txid>, state: &WalletState, spec: &ChainSpec) -> Self {
        let body = unsigned.body();
        let mut recipients = Vec::new();
        let mut change = None;
        let mut rest = unsigned.change();
        for output in &body.outputs {
            let recipient = Recipient::new(output, state, spec);
            if rest == Some(output) {
                change = Some(recipient);
                rest = None;
            } else {
                recipients.push(recipient);
            }
        }
        let to_others = recipients.iter().filter(|recipient| !recipient.is_own).map(|recipient| recipient.amount);
        let leaves = Amount::checked_sum(to_others.chain([unsigned.fee()])).unwrap_or(Amount::MAX);
        let rate = FeeRate::reached_by(unsigned.fee(), unsigned.size_bytes()).unwrap_or_default();
        let blocks_left = body.expiry_height.above(state.height());
        Self {
            txid: unsigned.partial().txid(),
            replaces,
            recipients,
            change,
            fee: unsigned.fee(),
            fee_rate: rate.quanta_per_1000_bytes(),
            size_bytes: unsigned.size_bytes(),
            inputs: body.inputs.len(),
            leaves,
            lock_height: body.lock_height,
            expiry_height: body.expiry_height,
            minutes_left: u64::from(blocks_left) * u64::from(spec.consensus().spacing_s) / 60,
        }
    }
}

impl Recipient {
    fn new(output: &TxOut, state: &WalletState, spec: &ChainSpec) -> Self {
        let (address, data) = match &output.lock {
            Lock::Address(address) => (Some(address), None),
            Lock::Data(data) => (None, Some(hex::encode(data))),
        };
        let is_own = address.is_some_and(|address| state.book().path_of(address).is_some());
        let address = address.map(|address| address.to_text(&spec.network().address_prefix));
        Self { address, data, amount: output.amount, is_own }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, &self.data) {
            (Some(address), _) => write!(f, "{:>20} QBTC  to {address}", self.amount.to_string())?,
            (None, data) => write!(f, "{:>20}       data {}", "", data.as_deref().unwrap_or_default())?,
        }
        if self.is_own { f.write_str(" (your own)") } else { Ok(()) }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(txid) = self.replaces {
            writeln!(f, "in place of {txid}:")?;
        }
        for recipient in &self.recipients {
            writeln!(f, "pays     {recipient}")?;
        }
        if let Some(change) = &self.change {
            writeln!(f, "change   {change}")?;
        }
        let (fee, leaves) = (self.fee.to_string(), self.leaves.to_string());
        writeln!(f, "fee      {fee:>20} QBTC  for {} bytes, {} quanta per 1000", self.size_bytes, self.fee_rate)?;
        let coins = if self.inputs == 1 { "one coin".to_owned() } else { format!("{} coins", self.inputs) };
        writeln!(f, "leaves   {leaves:>20} QBTC  your wallet, from {coins}")?;
        if self.expiry_height == Height::GENESIS {
            return write!(f, "expires  never");
        }
        write!(
            f,
            "expires  {:>20}       if no block up to this one holds it, in about {} minutes",
            self.expiry_height, self.minutes_left
        )
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sent {}", self.effect.txid)
    }
}
