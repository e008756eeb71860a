//! What drives the synchronisation sees of the network: peers by number, questions and answers. No libp2p.

use qbtc_core::net::{CompactBlock, Fault, Hello, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{Announcement, PeerKey, RequestId, Verdict};
use tokio::sync::mpsc;

/// What happens on the network.
#[derive(Clone, Debug)]
pub enum SyncEvent {
    /// A peer has said hello.
    Up {
        /// Its number, never used before.
        peer: PeerKey,
        /// What it said.
        hello: Hello,
        /// Whether this node chose it.
        is_outbound: bool,
    },
    /// A peer that is up has a new tip.
    Told {
        /// Which.
        peer: PeerKey,
        /// What it said.
        hello: Hello,
    },
    /// A peer that was up is gone. Its questions end.
    Down {
        /// Which.
        peer: PeerKey,
    },
    /// A peer answered.
    Answer {
        /// The question.
        request: RequestId,
        /// The answer.
        answer: SyncAnswer,
    },
    /// A peer refused to answer, did not in time, or is gone.
    Unanswered {
        /// The question.
        request: RequestId,
    },
    /// A peer passed on a new block.
    Announced {
        /// Who.
        peer: PeerKey,
        /// The block.
        block: CompactBlock,
        /// Named in the verdict.
        announcement: Announcement,
    },
    /// A peer did what it must not.
    Misbehaved {
        /// Which.
        peer: PeerKey,
        /// What.
        fault: Fault,
    },
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
    /// Part with a peer.
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
