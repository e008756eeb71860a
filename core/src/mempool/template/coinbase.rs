//! The coinbase of a template: who is paid, and the slot that miners vary.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::TemplateError;
use crate::block::Coinbase;
use crate::lock::{Address, Lock};
use crate::tx::TxOut;
use crate::units::Amount;

/// The bytes in a coinbase that distinguish one piece of work from another: Stratum's extranonces, 4 of the pool's and 8 of the
/// miner's. Whoever hands out whole coinbases puts a new number into each.
pub type Extranonce = [u8; 12];

/// The length of an [`Extranonce`].
pub const EXTRANONCE_BYTES: usize = size_of::<Extranonce>();

/// Who is paid for a block, and what its maker has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// Gets what the outputs leave of subsidy and fees.
    pub address: Address,
    /// Outputs of fixed amounts that come before: shares of a pool, or data.
    pub outputs: Vec<TxOut>,
    /// Free bytes behind the extranonce, at most [`Payout::MESSAGE_BYTES_MAX`].
    pub message: Box<[u8]>,
}

/// A coinbase around the slot of its extranonce: what Stratum calls coinb1 and coinb2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinbaseParts {
    /// The bytes before the slot.
    pub prefix: Vec<u8>,
    /// The bytes behind the slot.
    pub suffix: Vec<u8>,
}

impl Payout {
    /// What the extranonce leaves of a coinbase's free bytes.
    pub const MESSAGE_BYTES_MAX: usize = Coinbase::EXTRA_BYTES_MAX - EXTRANONCE_BYTES;

    /// Everything to one address, without a message.
    #[must_use]
    pub fn to(address: Address) -> Self {
        Self { address, outputs: Vec::new(), message: Box::default() }
    }

    /// The free bytes of the coinbase.
    pub(super) fn extra(&self, extranonce: Extranonce) -> Result<Box<[u8]>, TemplateError> {
        let found = self.message.len();
        if found > Self::MESSAGE_BYTES_MAX {
            return Err(TemplateError::Message { found });
        }
        Ok([&extranonce[..], &self.message].concat().into())
    }

    /// The outputs that share an amount.
    pub(super) fn outputs(&self, total: Amount) -> Result<Vec<TxOut>, TemplateError> {
        let fixed = Amount::checked_sum(self.outputs.iter().map(|output| output.amount)).unwrap_or(Amount::MAX);
        let rest = total.checked_sub(fixed).ok_or(TemplateError::Payout { found: fixed, limit: total })?;
        let rest = TxOut { amount: rest, lock: Lock::Address(self.address) };
        Ok(self.outputs.iter().cloned().chain([rest]).collect())
    }
}

impl CoinbaseParts {
    /// Where the slot stands: right behind the length of the free bytes.
    pub const SLOT_AT: usize = Coinbase::EXTRA_LENGTH_AT + 1;

    pub(super) fn of(coinbase: &Coinbase) -> Self {
        let mut prefix = coinbase.to_bytes();
        let suffix = prefix.split_off(Self::SLOT_AT + EXTRANONCE_BYTES);
        prefix.truncate(Self::SLOT_AT);
        Self { prefix, suffix }
    }

    /// The bytes of the coinbase with this extranonce.
    #[must_use]
    pub fn with(&self, extranonce: &Extranonce) -> Vec<u8> {
        [&self.prefix[..], extranonce, &self.suffix].concat()
    }
}
