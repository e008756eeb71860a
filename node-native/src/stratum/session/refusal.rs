//! Why a request is refused: the texts that miners show, and the codes that their software knows.

use qbtc_core::lock::{Address, AddressPrefix, AddressTextError};
use qbtc_core::units::BlockTime;

use super::Difficulty;
use super::settings::{STRIKES_MALFORMED, STRIKES_REFUSED, USER_BYTES_MAX, WORKERS_MAX};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Not a JSON object with a method.
    #[error("no request: {0}")]
    Malformed(&'static str),
    /// A method that this server has not.
    #[error("method {0:?} is not known")]
    UnknownMethod(String),
    /// Something that a miner may ask for, and does not get.
    #[error("{0} is not offered")]
    Unsupported(&'static str),
    /// A parameter of the wrong type or form.
    #[error("parameter {place} ({name}): expected {expected}")]
    Parameter {
        /// Its place, from 0.
        place: usize,
        /// What it is.
        name: &'static str,
        /// What it should look like.
        expected: &'static str,
    },
    /// A user name that is no address and has none to fall back to.
    #[error("user name: {error}; expected ADDRESS or ADDRESS.worker with an address that begins with {prefix}1")]
    Address {
        /// What is wrong with the address.
        error: AddressTextError,
        /// What addresses of this chain begin with.
        prefix: AddressPrefix,
    },
    /// A connection can pay one address only, since its miners share the coinbase.
    #[error("this connection already mines for {bound}: open another one for {found}")]
    OtherAddress {
        /// The address of the connection.
        bound: String,
        /// The address found.
        found: String,
    },
    /// A long user name.
    #[error("user name of {found} bytes: at most {USER_BYTES_MAX} are allowed")]
    UserTooLong {
        /// Bytes found.
        found: usize,
    },
    /// Too many names on one connection.
    #[error("no more than {WORKERS_MAX} workers on one connection")]
    TooManyWorkers,
    /// A share for a job that was never sent, or whose time is over.
    #[error("job not found")]
    StaleJob,
    /// A share that was accepted before.
    #[error("duplicate share")]
    Duplicate,
    /// Not enough work.
    #[error("low difficulty share: {found}, expected {expected}")]
    LowDifficulty {
        /// The share's difficulty.
        found: Difficulty,
        /// The job's.
        expected: Difficulty,
    },
    /// A time that no block on this parent may have, or none may have now.
    #[error("ntime {found}: expected {least} to {most}")]
    Time {
        /// Time found.
        found: BlockTime,
        /// The earliest.
        least: BlockTime,
        /// The latest.
        most: BlockTime,
    },
    /// Version bits that were not agreed upon.
    #[error("version bits {found:08x} are outside the mask {mask:08x}")]
    VersionBits {
        /// Bits found.
        found: u32,
        /// The mask; zero without `mining.configure`.
        mask: u32,
    },
    /// A share of a worker that has not authorized.
    #[error("unauthorized worker")]
    Unauthorized,
    /// A share on a connection that has not subscribed.
    #[error("not subscribed")]
    NotSubscribed,
}

/// What is counted apart among refused shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No such job, or no longer.
    Stale,
    /// Handed in before.
    Duplicate,
    /// Above the share's target.
    LowDifficulty,
    /// Not well-formed, out of range, or from nobody who may mine here.
    Invalid,
}

impl Refusal {
    pub(super) fn address(error: AddressTextError, prefix: &AddressPrefix) -> Self {
        Self::Address { error, prefix: prefix.clone() }
    }

    pub(super) fn other_address(bound: Address, found: Address, prefix: &AddressPrefix) -> Self {
        Self::OtherAddress { bound: bound.to_text(prefix), found: found.to_text(prefix) }
    }

    /// The code that goes with the text: those of the first Stratum pool, which all software knows.
    #[must_use]
    pub const fn code(&self) -> i32 {
        match self {
            Self::UnknownMethod(_) => -3,
            Self::StaleJob => 21,
            Self::Duplicate => 22,
            Self::LowDifficulty { .. } => 23,
            Self::Unauthorized
            | Self::Address { .. }
            | Self::OtherAddress { .. }
            | Self::UserTooLong { .. }
            | Self::TooManyWorkers => 24,
            Self::NotSubscribed => 25,
            Self::Malformed(_)
            | Self::Unsupported(_)
            | Self::Parameter { .. }
            | Self::Time { .. }
            | Self::VersionBits { .. } => 20,
        }
    }

    /// As what a share that is refused with it is counted.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::StaleJob => Reason::Stale,
            Self::Duplicate => Reason::Duplicate,
            Self::LowDifficulty { .. } => Reason::LowDifficulty,
            _ => Reason::Invalid,
        }
    }

    /// What it counts against the miner.
    pub(super) const fn strikes(&self) -> u32 {
        match self {
            Self::Malformed(_) => STRIKES_MALFORMED,
            _ => STRIKES_REFUSED,
        }
    }
}
