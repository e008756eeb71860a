//! What drives the relay of transactions sees of the network. No libp2p.

use qbtc_core::net::{CompactBlock, Fault};
use qbtc_core::sync::{PeerKey, Verdict};
use qbtc_core::tx::Transaction;
use qbtc_core::units::FeeRate;
use tokio::sync::mpsc;

/// A transaction that a peer passed on to everybody, as the network numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MessageKey(pub(crate) u64);

/// What happens on the network.
#[derive(Clone, Debug)]
pub(crate) enum RelayEvent {
    /// A peer is there.
    Up {
        /// Its number.
        peer: PeerKey,
        /// Whether it may be given what is on the stem: this node chose it, and not as an anchor.
        is_for_stem: bool,
        /// The least fee rate that it wants to hear of.
        fee_rate_min: FeeRate,
    },
    /// A peer wants to hear of another fee rate.
    Told {
        /// Which.
        peer: PeerKey,
        /// The least fee rate.
        fee_rate_min: FeeRate,
    },
    /// A peer is gone.
    Down {
        /// Which.
        peer: PeerKey,
    },
    /// A peer passed on what goes to everybody.
    Gossiped {
        /// Who.
        peer: PeerKey,
        /// Named in the verdict.
        message: MessageKey,
        /// The transaction.
        transaction: Transaction,
    },
    /// A peer passed on what goes along the stem.
    Stemmed {
        /// Who.
        peer: PeerKey,
        /// The transaction.
        transaction: Transaction,
    },
}

/// What the network is to do.
#[derive(Clone, Debug)]
pub(crate) enum RelayCommand {
    /// Pass a transaction on, or not.
    Verdict {
        /// Which.
        message: MessageKey,
        /// What to do.
        verdict: Verdict,
    },
    /// Give a transaction to everybody.
    Publish(Transaction),
    /// Give a new block to everybody.
    PublishBlock(Box<CompactBlock>),
    /// Give a transaction to one peer, along the stem.
    Stem {
        /// Whom.
        peer: PeerKey,
        /// The transaction.
        transaction: Transaction,
    },
    /// Hold a fault against a peer.
    Fault {
        /// Whom.
        peer: PeerKey,
        /// What it did.
        fault: Fault,
    },
}

/// The other end of the network.
#[derive(Debug)]
pub(crate) struct RelayLink {
    /// What happens, in order. What does not find room is dropped.
    pub(crate) events: mpsc::Receiver<RelayEvent>,
    /// What is to be done.
    pub(crate) commands: mpsc::Sender<RelayCommand>,
}
