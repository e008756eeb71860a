//! The labels: closed sets, so that nobody outside can make a series.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use qbtc_core::mempool::RemovalReason;
use std::fmt::{self, Write};
use std::hash::Hash;

/// What stands between the braces of a series.
pub(super) trait Label: EncodeLabelSet + Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static {}

impl<T: EncodeLabelSet + Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static> Label for T {}

/// What became of a JSON-RPC call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// It was answered with a result.
    Ok,
    /// It was answered with an error that the caller can mend.
    Refused,
    /// It was answered with an error of the node's own.
    Failed,
}

/// Over what a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interface {
    /// The HTTP server: REST, events, health, metrics.
    Http,
    /// JSON-RPC.
    Rpc,
    /// A WebSocket on the HTTP server, among whose connections it counts too.
    WebSocket,
    /// The Stratum server.
    Stratum,
}

/// Why a request was turned away before anybody looked into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// It names a host that is not known here.
    Host,
    /// A web page sent it that may not.
    Origin,
    /// It brings no login, or a wrong one.
    Login,
    /// Its address has asked too much.
    Rate,
    /// No slot is left for another subscriber.
    Subscribers,
    /// So many requests are being answered that its turn did not come.
    Busy,
}

/// Who made a connection with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
}

impl Direction {
    /// One word, for labels and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// What became of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShareOutcome {
    /// It met the miner's difficulty.
    Accepted,
    /// It came for a job that is past.
    Stale,
    /// It had been counted before.
    Duplicate,
    /// It did not meet the miner's difficulty.
    LowDifficulty,
    /// It was no share of a job that the miner has.
    Invalid,
}

/// Who found a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockSource {
    /// The built-in miner.
    Miner,
    /// A miner on the Stratum server.
    Stratum,
    /// Somebody who called `submitblock`.
    Rpc,
}

/// Lets an enum stand as a label's value.
macro_rules! label_values {
    ($($name:ident { $($variant:ident => $text:literal),* $(,)? })*) => {$(
        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
                encoder.write_str(match self { $(Self::$variant => $text),* })
            }
        }
    )*};
}

label_values! {
    CallOutcome { Ok => "ok", Refused => "refused", Failed => "failed" }
    Interface { Http => "http", Rpc => "rpc", WebSocket => "ws", Stratum => "stratum" }
    Rejection {
        Host => "host", Origin => "origin", Login => "login", Rate => "rate", Subscribers => "subscribers", Busy => "busy",
    }
    ShareOutcome {
        Accepted => "accepted", Stale => "stale", Duplicate => "duplicate", LowDifficulty => "low_difficulty",
        Invalid => "invalid",
    }
    BlockSource { Miner => "miner", Stratum => "stratum", Rpc => "rpc" }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    outcome: &'static str,
}

impl OutcomeLabels {
    pub(super) const ACCEPTED: Self = Self { outcome: "accepted" };
    pub(super) const REFUSED: Self = Self { outcome: "refused" };
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PeerLabels {
    direction: &'static str,
    transport: &'static str,
}

impl PeerLabels {
    pub(super) fn new(direction: Direction, transport: Option<&'static str>) -> Self {
        Self { direction: direction.name(), transport: transport.unwrap_or("unknown") }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TransportLabels {
    pub(super) transport: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FaultLabels {
    pub(super) fault: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FoundLabels {
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CheckLabels {
    pub(super) check: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct MethodLabels {
    pub(super) method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CallLabels {
    pub(super) method: &'static str,
    pub(super) outcome: CallOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) route: String,
    pub(super) status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct InterfaceLabels {
    pub(super) interface: Interface,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RejectionLabels {
    pub(super) interface: Interface,
    pub(super) reason: Rejection,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ShareLabels {
    pub(super) outcome: ShareOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BlockLabels {
    pub(super) source: BlockSource,
}

/// One word for why a transaction left the mempool.
#[must_use]
pub const fn removal_label(reason: &RemovalReason) -> &'static str {
    match reason {
        RemovalReason::Mined { .. } => "mined",
        RemovalReason::Conflict { .. } => "conflict",
        RemovalReason::Replaced { .. } => "replaced",
        RemovalReason::Expired { .. } => "expired",
        RemovalReason::TooOld => "too_old",
        RemovalReason::Evicted => "evicted",
        RemovalReason::Invalid(_) => "invalid",
        RemovalReason::Signature(_) => "signature",
        RemovalReason::Relatives(_) => "relatives",
    }
}
