//! What `send` and `partial create` have in common: whom to pay how much, at which fee.

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use qbtc_core::lock::Lock;
use qbtc_core::tx::{OutPoint, TxOut};
use qbtc_core::units::{Amount, FeeRate};
use qbtc_core::wallet::pay::{Order, PayError};

use super::addresses;
use super::context::Context;
use crate::client::Client;
use crate::wallet::source::fee_advice;

/// How much miners get.
#[derive(Args, Clone)]
pub(super) struct FeeOptions {
    /// The fee rate, in quanta for each 1,000 bytes [default: by --confirm-within].
    #[arg(long, value_name = "QUANTA")]
    fee_rate: Option<u64>,
    /// Asks the node for the fee rate that is mined within so many blocks.
    #[arg(long, value_name = "BLOCKS", default_value_t = 6, conflicts_with = "fee_rate")]
    confirm_within: u32,
    #[command(flatten)]
    guard: FeeGuard,
}

/// Which fee can only be a mistake.
#[derive(Args, Clone)]
pub(super) struct FeeGuard {
    /// The highest fee that is paid, in QBTC: a guard against mistakes.
    #[arg(long, value_name = "AMOUNT", default_value = "0.1")]
    max_fee: Amount,
}

/// Whom to pay how much.
#[derive(Args, Clone)]
pub(super) struct OrderOptions {
    /// Whom to pay how much, in QBTC. `all` is all that is left.
    #[arg(required = true, value_name = "ADDRESS=AMOUNT")]
    payments: Vec<String>,
    /// Spends no other coin than this one of `qbtc wallet coins`. May be given several times.
    #[arg(long, value_name = "TXID:INDEX", value_parser = parse_coin)]
    coin: Vec<OutPoint>,
    /// The recipients pay the fee, in equal parts: the wallet has no less afterwards than these amounts.
    #[arg(long)]
    subtract_fee: bool,
    /// Bytes for people to read, in hex, that the payment carries for ever.
    #[arg(long, value_name = "HEX")]
    data: Option<String>,
    /// Signs with the dormant second keys.
    #[arg(long)]
    with_fallback_key: bool,
}

impl FeeOptions {
    /// The rate: as given, or as the node advises.
    pub(super) fn rate(&self, node: impl FnOnce() -> anyhow::Result<Client>) -> anyhow::Result<FeeRate> {
        if let Some(quanta) = self.fee_rate {
            return Ok(FeeRate::from_quanta_per_1000_bytes(quanta));
        }
        Ok(fee_advice(&node()?, self.confirm_within)?)
    }

    /// Refuses a fee that can only be a mistake.
    pub(super) fn check(&self, fee: Amount) -> anyhow::Result<()> {
        self.guard.check(fee)
    }
}

impl FeeGuard {
    /// Refuses a fee that can only be a mistake.
    pub(super) fn check(&self, fee: Amount) -> anyhow::Result<()> {
        if fee > self.max_fee {
            bail!("a fee of {fee} QBTC exceeds --max-fee {}", self.max_fee);
        }
        Ok(())
    }
}

impl OrderOptions {
    /// The order. Its fee rate is still to be set.
    pub(super) fn order(&self, context: &Context) -> anyhow::Result<Order> {
        let mut order = Order {
            with_fallback_key: self.with_fallback_key,
            fee_within: self.subtract_fee,
            only_coins: self.coin.clone(),
            ..Order::default()
        };
        for payment in &self.payments {
            let (address, amount) = payment
                .rsplit_once('=')
                .with_context(|| format!("{payment:?}: expected ADDRESS=AMOUNT, as in dbqs1…=12.5"))?;
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

/// Why a payment cannot be made, and what helps.
pub(super) fn with_mend(error: PayError) -> anyhow::Error {
    let mend = match error {
        PayError::NotSpendable(_) => "`qbtc wallet coins` lists those that are available",
        PayError::NobodyPaysFee => "give ADDRESS=AMOUNT, and not `all`, with --subtract-fee",
        PayError::NoChangeAddress => "synchronise it with the passphrase, `qbtc wallet sync --unlock`",
        PayError::Unknown(_) => "`qbtc wallet history` lists its own",
        _ => return error.into(),
    };
    anyhow!("{error}; {mend}")
}

fn parse_coin(text: &str) -> Result<OutPoint, String> {
    let parts = text.rsplit_once(':');
    let coin = parts.and_then(|(txid, index)| Some(OutPoint { txid: txid.parse().ok()?, index: index.parse().ok()? }));
    coin.ok_or_else(|| "expected a transaction's id and an output's place, as in 4a5e…:0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::hash::Txid;

    #[test]
    fn coins_are_named_by_transaction_and_place() {
        let txid = Txid::from_bytes([7; 32]);
        assert_eq!(parse_coin(&format!("{txid}:3")), Ok(OutPoint { txid, index: 3 }));
        for refused in ["", ":", "7:3", &txid.to_string(), &format!("{txid}:"), &format!("{txid}:-1")] {
            assert!(parse_coin(refused).is_err(), "{refused}");
        }
    }
}
