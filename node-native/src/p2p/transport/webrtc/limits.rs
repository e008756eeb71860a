//! How much a listener lets others have: connections, handshakes, streams, bytes that wait.
//!
//! Whatever waits for somebody is paid from a budget that all connections of a listener share, so that the node's memory is bounded by the
//! budgets, not by the number of peers times what each may have.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::error::ConnectionError;
use crate::metrics::WebRtcReading;

/// The longest datagram that is looked at. Browsers stay below 1,300 bytes.
pub const DATAGRAM_BYTES_MAX: usize = 2_000;

/// The limits of a listener.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections in all.
    pub connections_max: usize,
    /// Connections of one source: an IPv4 address or a /64 of IPv6. A household shares one.
    pub connections_per_source_max: usize,
    /// Connections whose peer has not proved its id yet.
    pub handshakes_max: usize,
    /// How long that may take, from the first packet.
    pub handshake_timeout: Duration,
    /// Addresses from which one connection's packets may come: a browser tries its interfaces one by one.
    pub addresses_per_connection_max: usize,
    /// Packets that wait for one connection's task. Below 2,048, a burst of the allowed 1 MiB in flight is lost in part, and repeated.
    pub queue_packets_max: usize,
    /// Bytes of packets that wait for all tasks.
    pub queue_bytes_max: usize,
    /// Streams of one connection that a peer has opened and that are not gone.
    pub streams_in_max: usize,
    /// Streams of one connection that we have opened and that are not gone.
    pub streams_out_max: usize,
    /// Bytes of one stream that nobody has read yet. The stream is reset beyond that: data channels know no back-pressure.
    pub unread_per_stream_bytes_max: usize,
    /// Bytes that nobody has read yet, of all streams of all connections.
    pub unread_bytes_max: usize,
    /// How long the peer's streams are left open when both sides have finished, for the peer to close them.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            connections_per_source_max: 32,
            handshakes_max: 64,
            handshake_timeout: Duration::from_secs(10),
            addresses_per_connection_max: 8,
            queue_packets_max: 2_048,
            queue_bytes_max: 32 << 20,
            streams_in_max: 256,
            streams_out_max: 256,
            unread_per_stream_bytes_max: 4 << 20,
            unread_bytes_max: 64 << 20,
            linger: Duration::from_secs(60),
        }
    }
}

/// A number of bytes of which many take parts.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), max })
    }

    /// Takes a part, which returns when it is dropped.
    pub(super) fn charge(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        let mut charge = Charge { budget: Arc::clone(self), bytes: 0 };
        charge.grow(bytes).then_some(charge)
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// A part of a [`Budget`].
#[derive(Debug)]
pub(super) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more, if there is as much.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let max = self.budget.max;
        let grown = |used: usize| used.checked_add(bytes).filter(|used| *used <= max);
        let fits = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok();
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Returns some of it.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

/// Whose connections are counted together.
pub(super) fn source_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        ip @ IpAddr::V4(_) => ip,
    }
}

/// What a listener has seen and turned away. Counted, not logged: it is others who choose how much of it there is.
#[derive(Debug, Default)]
pub struct Counters {
    /// Packets that belong to no connection and are no request to open one.
    pub junk: AtomicU64,
    /// Requests whose credentials are malformed or do not verify.
    pub unverified: AtomicU64,
    /// Requests of connections that are gone.
    pub late: AtomicU64,
    /// Requests turned away since there are enough connections.
    pub refused: AtomicU64,
    /// Packets dropped since their connection has too many waiting.
    pub overflowed: AtomicU64,
    /// Packets that their connection could not make sense of.
    pub malformed: AtomicU64,
    /// Handshakes that did not get to a peer id.
    pub handshakes_failed: AtomicU64,
    /// Streams reset since nobody read them, or since what came was no frame.
    pub streams_reset: AtomicU64,
    /// Connections whose peer has proved its id.
    pub accepted: AtomicU64,
    /// Those of them whose peer was gone all of a sudden.
    pub lost: AtomicU64,
    /// Those of them whose peer did what it must not.
    pub broken: AtomicU64,
    /// Connections that are there now, proved or not.
    pub open: AtomicU64,
    /// Bytes of packets that came, junk among them.
    pub received_bytes: AtomicU64,
    /// Bytes of packets that went.
    pub sent_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_bytes(counter: &AtomicU64, bytes: usize) {
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A connection has ended for this reason.
    pub(super) fn ended(&self, reason: &ConnectionError, is_authenticated: bool) {
        let counter = match reason {
            _ if !is_authenticated => &self.handshakes_failed,
            ConnectionError::Lost => &self.lost,
            ConnectionError::TooManyStreams(_) | ConnectionError::Protocol(_) => &self.broken,
            ConnectionError::Closed
            | ConnectionError::ClosedByPeer
            | ConnectionError::HandshakeTimeout
            | ConnectionError::Busy => return,
        };
        Self::add(counter);
    }

    /// What operators are told.
    #[must_use]
    pub fn reading(&self) -> WebRtcReading {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WebRtcReading {
            open: read(&self.open),
            opened: read(&self.accepted),
            failed: [
                ("full", read(&self.refused)),
                ("credentials", read(&self.unverified)),
                ("handshake", read(&self.handshakes_failed)),
                ("lost", read(&self.lost)),
                ("broken", read(&self.broken)),
            ],
            received_bytes: read(&self.received_bytes),
            sent_bytes: read(&self.sent_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_return() {
        let budget = Budget::new(10);
        let mut first = budget.charge(6).unwrap();
        assert!(budget.charge(5).is_none());
        assert!(!first.grow(5) && first.grow(4));
        assert_eq!((first.bytes(), budget.used()), (10, 10));
        first.shrink(3);
        assert_eq!(budget.charge(3).unwrap().bytes(), 3);
        drop(first);
        assert_eq!(budget.used(), 0);
        assert!(budget.charge(usize::MAX).is_none());
    }

    #[test]
    fn a_household_is_one_source() {
        let source = |text: &str| source_of(text.parse().unwrap());
        assert_eq!(source("2001:db8:1:2:3::4"), source("2001:db8:1:2:ffff::1"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }
}
