//! Counters of how nodes are found and reached, and of WebRTC.

use std::fmt::Write as _;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{counter, family};

/// What happened so that this node is reached, or reaches others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reached {
    /// Others can reach it at an address.
    Address,
    /// They cannot any more.
    AddressLost,
    /// A peer has reached this node at an address that it was told.
    TestPassed,
    /// A peer has not.
    TestFailed,
    /// This node has tried to reach a peer, for it to know.
    Tested,
    /// The router passes a port on.
    Mapped,
    /// It does not any more.
    MappingLost,
    /// No router passes ports on.
    NoRouter,
    /// A relay has a place for this node.
    Reserved,
    /// It still has.
    Renewed,
    /// This node has a place for a peer.
    ReservationGiven,
    /// It has none.
    ReservationRefused,
    /// A peer was reached through a relay.
    CircuitOut,
    /// A peer has reached this node through one.
    CircuitIn,
    /// Two peers are connected through this node.
    CircuitGiven,
    /// They are not.
    CircuitRefused,
    /// A connection through a relay became direct.
    HolePunched,
    /// It did not.
    NoHole,
}

impl EncodeLabelValue for Reached {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Self::Address => "address",
            Self::AddressLost => "address_lost",
            Self::TestPassed => "test_passed",
            Self::TestFailed => "test_failed",
            Self::Tested => "tested",
            Self::Mapped => "mapped",
            Self::MappingLost => "mapping_lost",
            Self::NoRouter => "no_router",
            Self::Reserved => "reserved",
            Self::Renewed => "renewed",
            Self::ReservationGiven => "reservation_given",
            Self::ReservationRefused => "reservation_refused",
            Self::CircuitOut => "circuit_out",
            Self::CircuitIn => "circuit_in",
            Self::CircuitGiven => "circuit_given",
            Self::CircuitRefused => "circuit_refused",
            Self::HolePunched => "hole_punched",
            Self::NoHole => "no_hole",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReachedLabels {
    event: Reached,
}

/// The counters.
#[derive(Debug)]
pub struct NetworkCounters {
    reached: Family<ReachedLabels, Counter>,
    found: Counter,
}

impl NetworkCounters {
    pub(super) fn register(to: &mut Registry) -> Self {
        Self {
            reached: family(to, "reachability_events", "What happened so that this node is reached or reaches others"),
            found: counter(to, "kademlia_addresses", "Addresses that Kademlia found and that were taken"),
        }
    }

    /// Something happened.
    pub fn reached(&self, event: Reached) {
        self.reached.get_or_create(&ReachedLabels { event }).inc();
    }

    /// Kademlia has found so many addresses that may be true.
    pub fn found_by_kademlia(&self, count: u64) {
        self.found.inc_by(count);
    }
}
