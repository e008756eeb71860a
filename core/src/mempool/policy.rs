//! What this node takes and keeps beyond what is valid: limits that bound its memory and work, none of them consensus.
//!
//! Every number can be set, and nodes with different numbers still agree on every block. There is no list of allowed witnesses:
//! whatever consensus accepts to unlock a coin may be relayed, for its conditions are bounded there and its signatures cost no more
//! for each byte than those of a plain payment.

use serde::{Deserialize, Serialize};

use super::AdmitError;
use crate::crypto::Scheme;
use crate::lock::Lock;
use crate::tx::TxOut;
use crate::units::{Amount, FeeRate};
use crate::verify::CheckedTx;

/// What a node takes and keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The least fee rate that is relayed, in quanta for each 1,000 bytes. Default 1,000: one quantum a byte, so that filling every
    /// block of a day with spam costs about 60 QBTC on the main chain.
    pub relay_fee_rate_min: FeeRate,
    /// What a replacement pays for the bandwidth of being relayed once more, and by how much the floor rises above what was evicted;
    /// in quanta for each 1,000 bytes. Default 1,000, as for relaying at all.
    pub incremental_fee_rate: FeeRate,
    /// The largest transaction that is relayed, in bytes. Default 262,144: a sixteenth of a block, so that blocks fill well; room
    /// for 35 ML-DSA-87 witnesses.
    pub tx_bytes_max: u32,
    /// The most transactions of one that must be mined together with it, itself included. Default 25: every walk through the pool is
    /// bounded by it, and a chain of payments with unconfirmed change is rarely longer.
    pub ancestors_max: u32,
    /// Their size together, in bytes. Default 524,288: an eighth of a block, so that no package is hard to fit in.
    pub ancestor_bytes_max: u64,
    /// The most transactions that depend on one, itself included. Default 25, as for ancestors: it bounds what leaves the pool at
    /// once.
    pub descendants_max: u32,
    /// Their size together, in bytes. Default 524,288, as for ancestors.
    pub descendant_bytes_max: u64,
    /// The memory that the pool's transactions may take, in bytes. Default 268,435,456: about 60 full blocks, the hour that
    /// wallets give a payment before it expires.
    pub pool_bytes_max: u64,
    /// How long a transaction may wait, in seconds. Default 1,209,600 (336 hours): what no miner took in two weeks needs its owner to
    /// think again.
    pub age_max_s: u32,
    /// How long the raised floor takes to fall by half after the pool was full, in seconds. Default 1,800: about 30 blocks, in which
    /// half of a full pool is mined.
    pub floor_half_life_s: u32,
    /// The most transactions that one replacement may push out. Default 100: what they cost to relay is paid for, what it costs to
    /// take them out is not.
    pub replaced_max: u32,
    /// The fee rate at which a coin must be worth spending, in quanta for each 1,000 bytes. Default 1,000. It does not follow the
    /// pool's floor, so that wallets can know it.
    pub dust_fee_rate: FeeRate,
    /// The most outputs of data. Default 1: so the chain's limit on data in an output is one for the transaction as well.
    pub data_outputs_max: u32,
}

impl Policy {
    /// The largest transaction that nodes relay, in bytes.
    pub const TX_BYTES_MAX: u32 = 262_144;
}

impl Default for Policy {
    fn default() -> Self {
        let one_quantum_a_byte = FeeRate::from_quanta_per_1000_bytes(FeeRate::BYTES);
        Self {
            relay_fee_rate_min: one_quantum_a_byte,
            incremental_fee_rate: one_quantum_a_byte,
            tx_bytes_max: Self::TX_BYTES_MAX,
            ancestors_max: 25,
            ancestor_bytes_max: 524_288,
            descendants_max: 25,
            descendant_bytes_max: 524_288,
            pool_bytes_max: 256 << 20,
            age_max_s: 336 * 3_600,
            floor_half_life_s: 1_800,
            replaced_max: 100,
            dust_fee_rate: one_quantum_a_byte,
            data_outputs_max: 1,
        }
    }
}

/// The bytes that spending a coin adds to a transaction: the input (its index in one byte), and the witness of a single key of the
/// default scheme. An address hides its scheme, so the default stands for all; and its witness is counted whole, though it would
/// serve several coins of the address, since nobody can promise that there are several.
pub const SPEND_BYTES: u64 = {
    let scheme = Scheme::MlDsa87;
    let input = 32 + 1;
    // Number of conditions, kind, scheme, length of the key, key; length of the path.
    let shown = 1 + 1 + 1 + 2 + scheme.public_key_bytes() + 1;
    // Number of proofs, kind, length of the signature, signature.
    let proof = 1 + 1 + 2 + scheme.signature_bytes();
    (input + shown + proof) as u64
};

impl Policy {
    /// The least amount of an output to an address: below it, spending the coin at [`Policy::dust_fee_rate`] costs more than it
    /// is worth, so that it would stay among the coins for ever.
    #[must_use]
    pub fn dust_min(&self) -> Amount {
        self.dust_fee_rate.fee(SPEND_BYTES).unwrap_or(Amount::MAX)
    }

    /// Checks what can be told from the transaction alone.
    pub(super) fn check_alone(&self, tx: &CheckedTx) -> Result<(), AdmitError> {
        // Policy: the transaction's size.
        let (found, limit) = (tx.size_bytes(), self.tx_bytes_max);
        if found > limit {
            return Err(AdmitError::Size { found, limit });
        }
        // Policy: no coin that is not worth spending.
        let least = self.dust_min();
        let is_dust = |output: &TxOut| output.lock.address().is_some() && output.amount < least;
        if let Some((output, index)) = tx.body().outputs.iter().zip(0..).find(|(output, _)| is_dust(output)) {
            return Err(AdmitError::Dust { index, found: output.amount, least });
        }
        // Policy: outputs of data.
        let data = tx.body().outputs.iter().filter(|output| matches!(output.lock, Lock::Data(_))).count();
        let (found, limit) = (u32::try_from(data).unwrap_or(u32::MAX), self.data_outputs_max);
        if found > limit {
            return Err(AdmitError::DataOutputs { found, limit });
        }
        Ok(())
    }
}
