//! The rules of a chain: the part of its spec that the genesis block commits to.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::block::Coinbase;
use crate::codec;
use crate::crypto::Scheme;
use crate::hash::{SpecHash, tagged};
use crate::lock::{Address, Lock};
use crate::pow::{Difficulty, PowAlgorithm, Retarget, RetargetError};
use crate::tx::TxBody;
use crate::units::{Amount, BlockTime, CompactBits, Height, Target};

/// The rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consensus {
    /// The most money that can ever exist. Allocations and all subsidies together may not exceed it.
    pub supply_max: Amount,
    /// The time between blocks that the difficulty aims at, in seconds.
    pub spacing_s: u32,
    /// How far a block's time may lie ahead of the clock, in seconds.
    pub future_limit_s: u32,
    /// How many blocks above a coinbase its coins can be spent first.
    pub coinbase_maturity: u32,
    /// The proof of work.
    pub pow: PowAlgorithm,
    /// The easiest target that the difficulty may reach.
    pub bits_limit: CompactBits,
    /// How the target follows the hash rate.
    pub difficulty: Difficulty,
    /// What miners get.
    pub subsidy: Subsidy,
    /// Sizes.
    pub limits: Limits,
    /// Which signature schemes may sign, from which height on.
    #[serde(deserialize_with = "codec::bounded::<_, _, { Scheme::ALL.len() }>")]
    pub schemes: Vec<SchemeRule>,
    /// The first block.
    pub genesis: Genesis,
}

/// What miners get beside fees: halved every so many blocks until nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subsidy {
    /// The subsidy of the first blocks.
    pub initial: Amount,
    /// Blocks between halvings.
    pub halving_blocks: u32,
}

/// The largest sizes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Of a block with its witnesses.
    pub block_bytes: u32,
    /// Of a transaction with its witnesses.
    pub tx_bytes: u32,
    /// Of the data in one output.
    pub data_bytes: u32,
}

/// From which height on a scheme may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemeRule {
    /// The scheme.
    pub scheme: Scheme,
    /// The first height at which it may.
    pub from_height: Height,
}

/// What the first block is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Its time.
    pub time: BlockTime,
    /// The target that the difficulty starts from.
    pub bits: CompactBits,
    /// Bytes for people to read, at most [`Genesis::MESSAGE_BYTES_MAX`].
    pub message: String,
    /// Who owns money from the start.
    #[serde(default, deserialize_with = "codec::bounded::<_, _, { Genesis::ALLOCATIONS_MAX }>")]
    pub allocations: Vec<Allocation>,
}

/// Money that exists from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// Whose it is.
    pub address: Address,
    /// How much.
    pub amount: Amount,
}

/// Why rules do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsensusError {
    /// A number outside its range.
    #[error("{field} = {found}: expected {least} to {most}")]
    Range {
        /// The field's name in the TOML.
        field: &'static str,
        /// The number found.
        found: u64,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
    /// The numbers of the difficulty.
    #[error(transparent)]
    Retarget(#[from] RetargetError),
    /// Bits that are not the compact form of their own target.
    #[error("{field} = {found}: expected the canonical form, {expected}")]
    BitsForm {
        /// The field's name in the TOML.
        field: &'static str,
        /// The bits found.
        found: CompactBits,
        /// The canonical bits.
        expected: CompactBits,
    },
    /// More money than the rules allow to exist.
    #[error("allocations and subsidies make {found} quanta, more than supply_max = {limit} QBTC")]
    Supply {
        /// All money that the rules would make, in quanta.
        found: u128,
        /// The most that may exist.
        limit: Amount,
    },
    /// No scheme may sign at the start, so that nothing could ever be spent.
    #[error("schemes: none is allowed from height 0")]
    NoScheme,
    /// A scheme that is named twice.
    #[error("schemes: {scheme} stands twice")]
    DuplicateScheme {
        /// The scheme.
        scheme: Scheme,
    },
    /// A message that does not fit the genesis coinbase.
    #[error("genesis.message of {found} bytes exceeds the limit of {}", Genesis::MESSAGE_BYTES_MAX)]
    Message {
        /// Bytes found.
        found: usize,
    },
}

impl Genesis {
    /// What the coinbase's free bytes leave beside the hash of the rules.
    pub const MESSAGE_BYTES_MAX: usize = Coinbase::EXTRA_BYTES_MAX - 32;
    /// The most allocations.
    pub const ALLOCATIONS_MAX: usize = 4_096;
}

/// Whatever a block has room for can be decoded again, as what a transaction holds and as what takes a block back.
const _: () = {
    let block_bytes = Consensus::BLOCK_BYTES_MAX as usize;
    assert!(block_bytes / TxBody::INPUT_BYTES_MIN < TxBody::INPUTS_MAX, "inputs, and coins of undo data");
    assert!(block_bytes / TxBody::OUTPUT_BYTES_MIN < TxBody::OUTPUTS_MAX, "outputs");
};

impl Consensus {
    /// Longer spacings make a chain that nobody can wait for; a week allows every experiment.
    const SPACING_S_MAX: u32 = 7 * 24 * 3_600;
    /// A block may be this large on the most generous chain: what a node still holds in memory many times over.
    pub const BLOCK_BYTES_MAX: u32 = 64 << 20;
    /// Coins that mature later than this many blocks after their birth are absurd.
    const MATURITY_MAX: u32 = 1_000_000;

    /// The subsidy of a block of this height. The genesis block has none: its money is its allocations.
    #[must_use]
    pub fn subsidy(&self, height: Height) -> Amount {
        if height == Height::GENESIS {
            return Amount::ZERO;
        }
        let halvings = height.0 / self.subsidy.halving_blocks;
        let quanta = self.subsidy.initial.quanta().checked_shr(halvings).unwrap_or(0);
        Amount::from_quanta(quanta).expect("a part of an amount is an amount")
    }

    /// The first height at which a coin that a coinbase made at `height` can be spent.
    #[must_use]
    pub fn matures_at(&self, height: Height) -> Height {
        height.plus(self.coinbase_maturity).unwrap_or(Height(u32::MAX))
    }

    /// The height from which on a scheme may sign; `None` if it never may.
    #[must_use]
    pub fn scheme_allowed_from(&self, scheme: Scheme) -> Option<Height> {
        self.schemes.iter().find(|rule| rule.scheme == scheme).map(|rule| rule.from_height)
    }

    /// The hash to which the genesis block commits: tagged("qbtc/spec", codec(rules)).
    #[must_use]
    pub fn hash(&self) -> SpecHash {
        SpecHash::from_bytes(tagged("qbtc/spec", &[&codec::encode(self)]))
    }

    /// Checks that the rules fit together, and gives the difficulty rule with this chain's numbers.
    ///
    /// # Errors
    /// [`ConsensusError`], the first contradiction.
    pub(super) fn check(&self) -> Result<Retarget, ConsensusError> {
        let Genesis { time, bits, .. } = self.genesis;
        let retarget = Retarget::new(self.difficulty, self.spacing_s, self.bits_limit, time, bits)?;
        check_range("spacing_s", self.spacing_s, 1, Self::SPACING_S_MAX)?;
        check_range("future_limit_s", self.future_limit_s, 1, Self::SPACING_S_MAX)?;
        check_range("coinbase_maturity", self.coinbase_maturity, 1, Self::MATURITY_MAX)?;
        check_range("subsidy.halving_blocks", self.subsidy.halving_blocks, 1, u32::MAX)?;
        self.check_limits()?;
        self.check_bits()?;
        self.check_schemes()?;
        self.check_supply()?;
        let found = self.genesis.message.len();
        if found > Genesis::MESSAGE_BYTES_MAX {
            return Err(ConsensusError::Message { found });
        }
        Ok(retarget)
    }

    fn check_limits(&self) -> Result<(), ConsensusError> {
        let Limits { block_bytes, tx_bytes, data_bytes } = self.limits;
        // Room for header, coinbase, commitments and one signed payment of the largest scheme.
        check_range("limits.block_bytes", block_bytes, 32_768, Self::BLOCK_BYTES_MAX)?;
        check_range("limits.tx_bytes", tx_bytes, 16_384, block_bytes - 1_024)?;
        let data_most = u32::try_from(Lock::DATA_BYTES_MAX).unwrap_or(u32::MAX).min(tx_bytes - 8_192);
        check_range("limits.data_bytes", data_bytes, 0, data_most)
    }

    fn check_bits(&self) -> Result<(), ConsensusError> {
        check_compact("bits_limit", self.bits_limit)?;
        check_compact("genesis.bits", self.genesis.bits)
    }

    fn check_schemes(&self) -> Result<(), ConsensusError> {
        for (place, rule) in self.schemes.iter().enumerate() {
            if self.schemes[..place].iter().any(|before| before.scheme == rule.scheme) {
                return Err(ConsensusError::DuplicateScheme { scheme: rule.scheme });
            }
        }
        if !self.schemes.iter().any(|rule| rule.from_height == Height::GENESIS) {
            return Err(ConsensusError::NoScheme);
        }
        Ok(())
    }

    fn check_supply(&self) -> Result<(), ConsensusError> {
        let allocations = self.genesis.allocations.iter().map(|allocation| u128::from(allocation.amount.quanta()));
        // Each era pays half of the one before; after 63 of them nothing is left of any amount. The first era is a block
        // short, since the genesis block pays no subsidy; the sum counts it all the same.
        let eras = (0..63).map(|halvings| u128::from(self.subsidy.initial.quanta() >> halvings));
        let subsidies = eras.sum::<u128>() * u128::from(self.subsidy.halving_blocks);
        let found = allocations.sum::<u128>() + subsidies;
        if found > u128::from(self.supply_max.quanta()) {
            return Err(ConsensusError::Supply { found, limit: self.supply_max });
        }
        Ok(())
    }
}

fn check_range(field: &'static str, found: u32, least: u32, most: u32) -> Result<(), ConsensusError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(ConsensusError::Range { field, found: found.into(), least: least.into(), most: most.into() })
}

fn check_compact(field: &'static str, found: CompactBits) -> Result<(), ConsensusError> {
    match Target::from_compact(found).map(Target::to_compact) {
        Ok(expected) if expected != found => Err(ConsensusError::BitsForm { field, found, expected }),
        // What is no target at all was refused by the difficulty.
        _ => Ok(()),
    }
}
