//! Counters of how nodes are found and reached, of what peers do, and of WebRTC.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::{FaultLabels, FoundLabels, ReasonLabels, TransportLabels};
use super::{Count, count, counter, family};

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

/// What WebRTC has seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebRtcReading {
    /// Connections that are there now.
    pub open: u64,
    /// Connections whose peer has proved its id.
    pub opened: u64,
    /// Connections that came to nothing or ended badly, each reason one word of the program.
    pub failed: [(&'static str, u64); 5],
    /// Bytes of packets that came.
    pub received_bytes: u64,
    /// Bytes of packets that went.
    pub sent_bytes: u64,
}

/// The counters.
#[derive(Debug)]
pub struct NetworkCounters {
    reached: Family<ReachedLabels, Counter>,
    found: Counter,
    seeds: Family<FoundLabels, Counter>,
    feelers: Family<FoundLabels, Counter>,
    faults: Family<FaultLabels, Counter>,
    bans: Counter,
    banned: Count,
    received_bytes: Family<TransportLabels, Counter>,
    sent_bytes: Family<TransportLabels, Counter>,
    webrtc_open: Count,
    webrtc_opened: Counter,
    webrtc_failed: Family<ReasonLabels, Counter>,
    webrtc_received_bytes: Counter,
    webrtc_sent_bytes: Counter,
}

impl NetworkCounters {
    pub(super) fn register(to: &mut Registry) -> Self {
        Self {
            reached: family(to, "reachability_events", "What happened so that this node is reached or reaches others"),
            found: counter(to, "kademlia_addresses", "Addresses that Kademlia found and that were taken"),
            seeds: family(to, "dns_seeds_asked", "DNS seeds that were asked, by whether they named nodes"),
            feelers: family(to, "feelers", "Nodes that were only looked at, by whether they were there"),
            faults: family(to, "peer_faults", "Faults of peers, by what they were"),
            bans: counter(to, "bans", "Bans that peers earned"),
            banned: count(to, "banned_subnets", "Addresses and subnets that are banned"),
            received_bytes: family(to, "peer_received_bytes", "Bytes that came from peers, by transport"),
            sent_bytes: family(to, "peer_sent_bytes", "Bytes that went to peers, by transport"),
            webrtc_open: count(
                to,
                "webrtc_connections",
                "WebRTC connections, whether their peer has proved its id or not",
            ),
            webrtc_opened: counter(to, "webrtc_opened", "WebRTC connections whose peer has proved its id"),
            webrtc_failed: family(
                to,
                "webrtc_failed",
                "WebRTC connections that came to nothing or ended badly, by reason",
            ),
            webrtc_received_bytes: counter(
                to,
                "webrtc_received_bytes",
                "Bytes of packets of WebRTC that came, junk among them",
            ),
            webrtc_sent_bytes: counter(to, "webrtc_sent_bytes", "Bytes of packets of WebRTC that went"),
        }
    }

    /// Something happened.
    pub fn reached(&self, event: Reached) {
        self.reached.get_or_create(&ReachedLabels { event }).inc();
    }

    /// WebRTC has seen so much by now.
    pub fn webrtc(&self, reading: &WebRtcReading) {
        self.webrtc_open.set(reading.open);
        set(&self.webrtc_opened, reading.opened);
        for (reason, count) in reading.failed {
            set(&self.webrtc_failed.get_or_create(&ReasonLabels { reason }), count);
        }
        set(&self.webrtc_received_bytes, reading.received_bytes);
        set(&self.webrtc_sent_bytes, reading.sent_bytes);
    }

    /// A DNS seed was asked, which named nodes, none, or did not answer.
    pub fn seed_asked(&self, has_nodes: bool, is_silent: bool) {
        let outcome = match (has_nodes, is_silent) {
            (true, _) => "found",
            (false, false) => "empty",
            (false, true) => "silent",
        };
        self.seeds.get_or_create(&FoundLabels { outcome }).inc();
    }

    /// A node of the address book was dialled only to see whether it is there.
    pub fn felt(&self, is_there: bool) {
        self.feelers.get_or_create(&FoundLabels { outcome: if is_there { "found" } else { "failed" } }).inc();
    }

    /// A peer was at fault; which fault is one word of the program.
    pub fn peer_at_fault(&self, fault: &'static str) {
        self.faults.get_or_create(&FaultLabels { fault }).inc();
    }

    /// A peer earned a ban.
    pub fn banned(&self) {
        self.bans.inc();
    }

    /// So many addresses and subnets are banned now.
    pub fn set_banned(&self, count: usize) {
        self.banned.set(count as u64);
    }

    /// So many bytes came and went by a transport so far.
    pub fn set_peer_bytes(&self, transport: &'static str, received: u64, sent: u64) {
        let labels = TransportLabels { transport };
        set(&self.received_bytes.get_or_create(&labels), received);
        set(&self.sent_bytes.get_or_create(&labels), sent);
    }

    /// Kademlia has found so many addresses that may be true.
    pub fn found_by_kademlia(&self, count: u64) {
        self.found.inc_by(count);
    }
}

/// Has a counter show what somebody else counts.
fn set(counter: &Counter, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}
