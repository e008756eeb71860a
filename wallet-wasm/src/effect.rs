//! What a transaction will do, as a person should see it before signing.
//!
//! Made from the very bytes that are signed, never from what was asked for. Which addresses are the reader's own is for the caller to
//! say; without that, everything is shown as somebody else's. The layer in TypeScript puts it into words.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use qbtc_core::lock::{Address, AddressPrefix, Lock};
use qbtc_core::tx::TxOut;
use qbtc_core::units::{Amount, FeeRate, Height};
use qbtc_core::wallet::partial::PartialTx;

/// What a transaction will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Every output, in the transaction's order.
    pub outputs: Vec<EffectOutput>,
    /// What the miner gets.
    pub fee: Amount,
    /// The size once it is complete, in bytes; `None` while that is not known.
    pub size_bytes: Option<u64>,
    /// How many coins are spent.
    pub inputs: usize,
    /// How many of them are the reader's.
    pub own_inputs: usize,
    /// What the reader has less afterwards; zero where it is more.
    pub leaves: Amount,
    /// What the reader has more afterwards; zero where it is less.
    pub arrives: Amount,
    /// The lowest height of a block that may hold it.
    pub lock_height: Height,
    /// The greatest height of a block that may hold it; 0 for none.
    pub expiry_height: Height,
}

/// Where money goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectOutput {
    /// The address as text, or the data.
    pub to: Recipient,
    /// How much.
    pub amount: Amount,
    /// Whether it is the reader's.
    pub is_own: bool,
}

/// Who or what gets an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// An address, as the chain writes it.
    Address(String),
    /// Bytes to be read by anybody.
    Data(Box<[u8]>),
}

impl Effect {
    /// The effect of a transaction on the chain of this prefix, for whoever owns the addresses that `is_own` says.
    #[must_use]
    pub fn of(partial: &PartialTx, prefix: &AddressPrefix, is_own: impl Fn(&Address) -> bool) -> Self {
        let owns = |output: &&TxOut| output.lock.address().is_some_and(|address| is_own(&address));
        let sum = |outputs: &[TxOut]| {
            Amount::checked_sum(outputs.iter().filter(owns).map(|output| output.amount)).unwrap_or(Amount::MAX)
        };
        let body = partial.body();
        let (spent, received) = (sum(partial.spent()), sum(&body.outputs));
        let output = |output: &TxOut| EffectOutput {
            to: match &output.lock {
                Lock::Address(address) => Recipient::Address(address.to_text(prefix)),
                Lock::Data(data) => Recipient::Data(data.clone()),
            },
            amount: output.amount,
            is_own: owns(&output),
        };
        Self {
            outputs: body.outputs.iter().map(output).collect(),
            fee: partial.fee(),
            size_bytes: partial.size_bytes(0),
            inputs: body.inputs.len(),
            own_inputs: partial.spent().iter().filter(owns).count(),
            leaves: spent.saturating_sub(received),
            arrives: received.saturating_sub(spent),
            lock_height: body.lock_height,
            expiry_height: body.expiry_height,
        }
    }

    /// What it pays for its size, where that is known.
    #[must_use]
    pub fn fee_rate(&self) -> Option<FeeRate> {
        FeeRate::reached_by(self.fee, self.size_bytes?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::hash::Txid;
    use qbtc_core::spec::ChainSpec;
    use qbtc_core::tx::{OutPoint, TxBody};

    fn out(coins: u32, byte: u8) -> TxOut {
        TxOut { amount: Amount::from_coins(coins), lock: Lock::Address(Address::from_bytes([byte; 32])) }
    }

    fn partial(outputs: Vec<TxOut>, spent: Vec<TxOut>) -> PartialTx {
        let outpoint = |index| OutPoint { txid: Txid::ZERO, index };
        let inputs = (0..).take(spent.len()).map(outpoint).collect();
        let (lock_height, expiry_height) = (Height(7), Height(9));
        let body = TxBody { version: TxBody::VERSION, inputs, outputs, lock_height, expiry_height };
        PartialTx::new(ChainSpec::dev().chain_id(), body, spent).unwrap()
    }

    #[test]
    fn own_money_is_told_from_that_of_others() {
        let data = TxOut { amount: Amount::ZERO, lock: Lock::Data(Box::from(*b"hello")) };
        let partial = partial(vec![data, out(3, 1), out(5, 2)], vec![out(4, 1), out(6, 3)]);
        let effect =
            Effect::of(&partial, &ChainSpec::dev().network().address_prefix, |address| address.as_bytes() == &[1; 32]);
        assert_eq!((effect.inputs, effect.own_inputs), (2, 1));
        assert_eq!(
            (effect.fee, effect.leaves, effect.arrives),
            (Amount::from_coins(2), Amount::from_coins(1), Amount::ZERO)
        );
        let outputs: Vec<_> = effect.outputs.iter().map(|output| (output.amount, output.is_own)).collect();
        let coins = Amount::from_coins;
        assert_eq!(outputs, [(Amount::ZERO, false), (coins(3), true), (coins(5), false)]);
        assert_eq!(effect.outputs[0].to, Recipient::Data(Box::from(*b"hello")));
        assert!(matches!(&effect.outputs[1].to, Recipient::Address(text) if text.starts_with("dbqs1")));
        assert_eq!((effect.lock_height, effect.expiry_height), (Height(7), Height(9)));
    }

    #[test]
    fn what_arrives_does_not_leave() {
        let partial = partial(vec![out(9, 1)], vec![out(10, 3)]);
        let effect =
            Effect::of(&partial, &ChainSpec::dev().network().address_prefix, |address| address.as_bytes() == &[1; 32]);
        assert_eq!((effect.arrives, effect.leaves), (Amount::from_coins(9), Amount::ZERO));
    }
}
