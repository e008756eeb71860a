//! What the client is doing, what it warns of, and what it has cost.

use serde::{Deserialize, Serialize};

use crate::chain::BlockMark;
use crate::header::Header;
use crate::units::{BlockTime, Height, Work};

/// How many peers a client asks for their tips before it believes that one of them may be honest.
pub const PEERS_WANTED: usize = 3;
/// A tip that is older than so many spacings of the chain is called stale. Blocks come at random: once in 2^28 waits takes that long.
pub const STALE_SPACINGS: u32 = 20;

/// What the client is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// No peer has named its tip.
    #[default]
    Connecting,
    /// The work of a chain is being shown.
    Proving,
    /// Headers are being fetched up to the tip.
    SyncingHeaders,
    /// The tip is known; blocks are looked through for the wallet's addresses.
    Scanning,
    /// Everything is known up to the tip.
    Live,
}

/// What the client is doing, and what it warns of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What it is doing.
    pub phase: Phase,
    /// How many peers have named their tips.
    pub peers: usize,
    /// What it warns of.
    pub warnings: Warnings,
}

/// What the client warns of. Each of these can be chance; none is to be kept from whoever decides about money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// All peers may be one person's, who keeps the best chain away.
    pub eclipse: Option<EclipseSign>,
    /// The tip is older than [`STALE_SPACINGS`] spacings.
    pub is_stale: bool,
    /// No peer gives what is needed to look through the block at this height.
    pub withheld: Option<Height>,
}

/// Why all peers may be one person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EclipseSign {
    /// Fewer than [`PEERS_WANTED`] peers have named their tips.
    FewPeers,
    /// All of them are in one group of addresses.
    OneGroup,
    /// All of them claim less work than was shown before, or than the chain had when its spec was written.
    LessWork,
}

/// The tip of the chain that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TipInfo {
    /// Its height and id.
    pub mark: BlockMark,
    /// Its header.
    pub header: Header,
    /// The work of the chain up to it: shown by samples and headers, not only claimed.
    pub work: Work,
}

impl TipInfo {
    /// How many seconds ago the tip was made, as its miner says; below zero where his clock runs ahead.
    #[must_use]
    pub const fn age_s(&self, clock: BlockTime) -> i64 {
        clock.seconds_since(self.header.time)
    }
}

/// What the client has asked and got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Questions.
    pub questions: u64,
    /// Bytes of questions.
    pub bytes_out: u64,
    /// Bytes of answers.
    pub bytes_in: u64,
}

impl Traffic {
    /// Bytes of both.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes_in.saturating_add(self.bytes_out)
    }
}
