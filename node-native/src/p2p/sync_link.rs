//! What drives the synchronisation sees of the network: peers by number, questions and answers. No libp2p.

use qbtc_core::net::{Fault, SyncQuestion};
use qbtc_core::sync::{Announcement, Input, PeerKey, RequestId, Verdict};
use tokio::sync::mpsc;

/// What happens on the network.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all events are inputs")]
pub enum SyncEvent {
    /// The machine is to hear of it. A peer's number comes with its hello, and was never used before.
    Input(Input),
    /// A peer did what it must not, and no question of the machine was about it.
    Misbehaved {
        /// Which.
        peer: PeerKey,
        /// What.
        fault: Fault,
    },
}

impl From<Input> for SyncEvent {
    fn from(input: Input) -> Self {
        Self::Input(input)
    }
}

/// What the network is to do.
#[derive(Clone, Debug)]
pub enum SyncCommand {
    /// Ask a peer.
    Ask {
        /// Which.
        peer: PeerKey,
        /// Named with the answer.
        request: RequestId,
        /// The question.
        question: SyncQuestion,
    },
    /// Pass a new block on, or not.
    Verdict {
        /// Which.
        announcement: Announcement,
        /// What to do.
        verdict: Verdict,
    },
    /// Part with a peer. It may be gone, and what it did come to light only now.
    Disconnect {
        /// Which.
        peer: PeerKey,
        /// Why.
        fault: Fault,
        /// Whether its address may not come back for a while.
        is_banned: bool,
    },
}

/// The other end of the network. Whoever has it must keep taking events: while too many wait, nothing is read from peers.
#[derive(Debug)]
pub struct SyncLink {
    /// What happens, in order.
    pub events: mpsc::Receiver<SyncEvent>,
    /// What is to be done.
    pub commands: mpsc::Sender<SyncCommand>,
}

/// The most events that wait in the channel, and the most commands.
pub(super) const WAITING_MAX: usize = 256;
