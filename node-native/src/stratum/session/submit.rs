//! Shares: what a miner hands in, and how it is judged.

use qbtc_core::hash::sha256d;
use qbtc_core::mempool::Solution;
use qbtc_core::units::BlockTime;

use super::configure::VERSION_MASK;
use super::message::Params;
use super::{Difficulty, Refusal, Work};

/// The parameters of `mining.submit`.
#[derive(Debug)]
pub(super) struct Submit<'a> {
    pub(super) user: &'a str,
    pub(super) job: &'a str,
    extranonce2: [u8; 8],
    time: BlockTime,
    nonce: u32,
    version_bits: Option<u32>,
}

/// What a share is judged by.
pub(super) struct Rules<'a> {
    pub(super) work: &'a Work,
    pub(super) difficulty: Difficulty,
    pub(super) extranonce1: [u8; 4],
    /// The version bits that the miner may roll.
    pub(super) mask: u32,
    /// The latest time that a header may state now.
    pub(super) time_max: BlockTime,
}

/// A share that is good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) solution: Solution,
    pub(super) hash: [u8; 32],
    pub(super) is_block: bool,
}

impl<'a> Submit<'a> {
    /// Reads the parameters: user, job, extranonce2, ntime, nonce and, with version rolling, the version bits.
    pub(super) fn read(params: &'a Params) -> Result<Self, Refusal> {
        let version_bits = if params.at(5).is_null() { None } else { Some(params.number(5, "version bits")?) };
        Ok(Self {
            user: params.text(0, "user")?,
            job: params.text(1, "job")?,
            extranonce2: params.bytes(2, "extranonce2")?,
            time: BlockTime(params.number(3, "ntime")?),
            nonce: params.number(4, "nonce")?,
            version_bits,
        })
    }

    /// Judges it.
    pub(super) fn judge(&self, rules: &Rules<'_>) -> Result<Share, Refusal> {
        let (least, most) = (rules.work.template().time_min(), rules.time_max);
        if !(least..=most).contains(&self.time) {
            return Err(Refusal::Time { found: self.time, least, most });
        }
        let version = self.version(rules.work.template().context().version, rules.mask)?;
        let mut extranonce = [0; 12];
        extranonce[..4].copy_from_slice(&rules.extranonce1);
        extranonce[4..].copy_from_slice(&self.extranonce2);
        let solution = Solution { version, time: self.time, nonce: self.nonce, extranonce };
        let hash = sha256d(&rules.work.template().header(&solution).to_bytes());
        let is_block = rules.work.target().is_met_by(&hash);
        let found = Difficulty::of_hash(&hash);
        if found < rules.difficulty && !is_block {
            return Err(Refusal::LowDifficulty { found, expected: rules.difficulty });
        }
        Ok(Share { solution, hash, is_block })
    }

    /// The header's version (BIP 310): the job's, but for the bits under the mask.
    fn version(&self, job: u32, mask: u32) -> Result<u32, Refusal> {
        let Some(found) = self.version_bits else { return Ok(job) };
        if found & !mask != 0 {
            return Err(Refusal::VersionBits { found, mask });
        }
        Ok((job & !mask) | found)
    }
}

const _: () = assert!(VERSION_MASK == 0x1fff_e000, "bits 13 to 28, which consensus leaves free (BIP 320)");
