//! Connections: what a message takes from one end to the other.
//!
//! A connection is a reliable stream: messages arrive in order and whole, or the connection breaks. Each direction carries so many bytes a
//! second, one message after the other. Where packets are lost, they are sent again: that slows the stream down, and holds up what is behind.

use std::rc::Rc;
use std::sync::Arc;

use qbtc_core::codec;
use qbtc_core::net::{CompactBlock, Hello, SyncAnswer, SyncQuestion};
use qbtc_core::sync::RequestId;
use qbtc_core::verify::CheckedTx;

use super::random::Random;

/// What stands around each message.
const ENVELOPE_BYTES: u64 = 40;
/// What a packet carries.
const PACKET_BYTES: u64 = 1_200;
/// How long a sender waits at least before it takes the last packet of a message for lost (RFC 6298 says a second, systems 200 ms).
const RESEND_MS_MIN: u64 = 200;
/// How many packets in a thousand the worst of lossy lines loses.
pub(super) const LOSS_PERMILLE_MAX: u64 = 30;
/// Beyond so many packets of a message, some are lost almost surely.
const PACKETS_DRAWN_MAX: u64 = 64;

/// Which of the two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The one that dialled.
    Dialler,
    /// The one that was dialled.
    Listener,
}

impl End {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Listener,
            Self::Listener => Self::Dialler,
        }
    }
}

/// A connection of two nodes.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) dialler: usize,
    pub(super) listener: usize,
    pub(super) is_open: bool,
    latency_ms: u64,
    jitter_ms: u64,
    bytes_per_s: u64,
    /// How many packets in a thousand are lost.
    loss_permille: u64,
    /// Until when each direction is busy, and when the last message of it arrives: from the dialler, from the listener.
    busy_until: [u64; 2],
    last_arrival: [u64; 2],
}

/// What travels.
#[derive(Clone, Debug)]
pub(super) enum Message {
    Hello(Hello),
    Question(RequestId, SyncQuestion),
    /// None, if the question is turned down.
    Answer(RequestId, Option<SyncAnswer>),
    Gossip(Rc<Gossip>),
}

/// Something that is passed on from node to node: the same bytes all the way.
#[derive(Debug)]
pub(super) struct Gossip {
    /// What it is known by: the hash of its bytes.
    pub(super) key: u64,
    pub(super) bytes: u64,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Block(Box<CompactBlock>),
    Transaction(Arc<CheckedTx>),
}

impl Gossip {
    pub(super) fn block(block: CompactBlock) -> Rc<Self> {
        let bytes = block.to_bytes();
        Rc::new(Self { key: key(&bytes), bytes: bytes.len() as u64, content: Content::Block(Box::new(block)) })
    }

    pub(super) fn transaction(tx: Arc<CheckedTx>) -> Rc<Self> {
        let (key, bytes) = (key(tx.wtxid().as_bytes()), u64::from(tx.size_bytes()));
        Rc::new(Self { key, bytes, content: Content::Transaction(tx) })
    }
}

fn key(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(*qbtc_core::hash::sha256(bytes).first_chunk().expect("32 bytes have a first 8"))
}

impl Message {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Question(_, SyncQuestion::Headers { .. }) => "headers?",
            Self::Question(_, SyncQuestion::Blocks { .. }) => "blocks?",
            Self::Question(_, SyncQuestion::Transactions { .. }) => "transactions?",
            Self::Question(_, SyncQuestion::BlockTransactions { .. }) => "block transactions?",
            Self::Answer(_, None) => "no answer",
            Self::Answer(_, Some(SyncAnswer::Headers(_))) => "headers",
            Self::Answer(_, Some(SyncAnswer::Blocks(_))) => "blocks",
            Self::Answer(_, Some(SyncAnswer::Transactions(_))) => "transactions",
            Self::Answer(_, Some(SyncAnswer::BlockTransactions(_))) => "block transactions",
            Self::Gossip(gossip) => match gossip.content {
                Content::Block(_) => "block",
                Content::Transaction(_) => "transaction",
            },
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        let content = match self {
            Self::Hello(hello) => codec::encoded_len(hello) as u64,
            Self::Question(_, question) => codec::encoded_len(question) as u64,
            Self::Answer(_, None) => 1,
            // By far the most frequent of the long ones: no need to encode them.
            Self::Answer(_, Some(SyncAnswer::Headers(headers))) => 3 + 80 * headers.len() as u64,
            Self::Answer(_, Some(SyncAnswer::Blocks(blocks))) => {
                blocks.iter().map(|block| 5 + block.0.len() as u64).sum()
            }
            Self::Answer(_, Some(answer)) => codec::encoded_len(answer) as u64,
            Self::Gossip(gossip) => gossip.bytes,
        };
        content + ENVELOPE_BYTES
    }
}

impl Link {
    /// A connection as they are on the internet: from the same town to the other side of the world, over lines of 2 to 100 Mbit/s.
    pub(super) fn new(dialler: usize, listener: usize, random: &mut Random) -> Self {
        let latency_ms = 5 + random.exponential(60).min(300);
        let bytes_per_s = 250_000 * random.between(1, 50);
        Self {
            dialler,
            listener,
            is_open: true,
            latency_ms,
            jitter_ms: latency_ms / 4,
            bytes_per_s,
            loss_permille: 0,
            busy_until: [0; 2],
            last_arrival: [0; 2],
        }
    }

    /// The same over a line that loses so many packets in a thousand, which TCP takes for a line that is full: it sends no faster than
    /// 1.22 packets for each round trip and the root of the loss (Mathis et al., 1997).
    pub(super) fn losing(self, loss_permille: u64) -> Self {
        if loss_permille == 0 {
            return self;
        }
        let round_trip_ms = 2 * self.latency_ms;
        let bytes_per_s = 122 * PACKET_BYTES * 10_000 / round_trip_ms / (loss_permille * 1_000).isqrt();
        Self { bytes_per_s: self.bytes_per_s.min(bytes_per_s), loss_permille, ..self }
    }

    pub(super) const fn at(&self, end: End) -> usize {
        match end {
            End::Dialler => self.dialler,
            End::Listener => self.listener,
        }
    }

    /// How long a connection takes to stand.
    pub(super) const fn handshake_ms(&self) -> u64 {
        4 * self.latency_ms
    }

    /// When a message that is sent now from this end arrives at the other.
    pub(super) fn arrival(&mut self, from: End, bytes: u64, now_ms: u64, random: &mut Random) -> u64 {
        let way = usize::from(from == End::Listener);
        let sent = self.busy_until[way].max(now_ms) + bytes * 1_000 / self.bytes_per_s;
        self.busy_until[way] = sent;
        let travels_ms = self.latency_ms + random.below(self.jitter_ms + 1) + self.resending_ms(bytes, random);
        let arrival = (sent + travels_ms).max(self.last_arrival[way]);
        self.last_arrival[way] = arrival;
        arrival
    }

    /// How long is waited for packets of a message that are lost: a round trip for those behind which others come, whose arrival tells; for the
    /// last one until the sender gives up waiting, each time twice as long.
    fn resending_ms(&self, bytes: u64, random: &mut Random) -> u64 {
        if self.loss_permille == 0 {
            return 0;
        }
        let mut is_lost = || random.below(1_000) < self.loss_permille;
        let others = (bytes / PACKET_BYTES).min(PACKETS_DRAWN_MAX);
        let mut waits_ms = if (0..others).any(|_| is_lost()) { 2 * self.latency_ms } else { 0 };
        let mut resend_ms = RESEND_MS_MIN.max(3 * self.latency_ms);
        while is_lost() {
            waits_ms += resend_ms;
            resend_ms *= 2;
        }
        waits_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_takes_its_time_and_holds_up_those_behind_it() {
        let mut random = Random::new(1);
        let mut link = Link { bytes_per_s: 1_000_000, latency_ms: 50, jitter_ms: 10, ..Link::new(0, 1, &mut random) };
        let first = link.arrival(End::Dialler, 4_000_000, 100, &mut random);
        assert!((4_150..=4_160).contains(&first), "{first}");
        let second = link.arrival(End::Dialler, 100, 200, &mut random);
        assert!((first..=first + 20).contains(&second), "{second}");
        // The other direction is free.
        let back = link.arrival(End::Listener, 100, 200, &mut random);
        assert!((250..=260).contains(&back), "{back}");
    }

    #[test]
    fn lost_packets_come_later_and_slow_the_line_down() {
        let mut random = Random::new(1);
        let plain = Link { bytes_per_s: 12_500_000, latency_ms: 50, jitter_ms: 0, ..Link::new(0, 1, &mut random) };
        let mut lossy = plain.clone().losing(10);
        // 1.22 × 1,200 bytes in each tenth of a second, times the ten of which one in a hundred is the root.
        assert_eq!((lossy.bytes_per_s, plain.clone().losing(0).bytes_per_s), (146_400, 12_500_000));
        // One by one, each after the one before: those of which the packet is lost take the resending too.
        let took: Vec<u64> =
            (0..10_000).map(|at| lossy.arrival(End::Dialler, 100, at * 100_000, &mut random) - at * 100_000).collect();
        let lost = took.iter().filter(|took| **took > 50).count();
        assert!(took.iter().all(|took| [50, 250, 650, 1_450].contains(took)), "{took:?}");
        assert!((60..150).contains(&lost), "{lost} of 10,000");
    }
}
