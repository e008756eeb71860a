//! What the light client is told, and what it wants: the whole of its contact with the world.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::{Moment, PeerKey, RequestId};
use super::proven::FoundBlock;
use super::query::{Outcome, Query, QueryId};
use super::status::{Status, TipInfo};
use crate::chain::BlockMark;
use crate::lock::Address;
use crate::net::addresses::Group;
use crate::net::{Fault, Hello, LightAnswer, LightQuestion};
use crate::units::{BlockTime, Height};

/// The time of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The time that never goes back: timeouts are counted by it.
    pub now: Moment,
    /// The time by the clock, against which the times of blocks are held.
    pub clock: BlockTime,
}

/// Peers of one group may well be one person's: the driver numbers groups, for instance as [`AddressGroup::of`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressGroup(pub u64);

impl AddressGroup {
    /// The number of the group in which an address book has an address. Names have none, since nobody knows where they lead.
    #[must_use]
    pub fn of(group: Group) -> Option<Self> {
        match group {
            Group::Ip4(bytes) => Some(Self(u16::from_be_bytes(bytes).into())),
            Group::Ip6(bytes) => Some(Self(1 << 32 | u64::from(u32::from_be_bytes(bytes)))),
            Group::Name => None,
        }
    }
}

/// What the client is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer is connected and has said hello.
    PeerUp {
        /// Its number, which was never used before.
        peer: PeerKey,
        /// What it said.
        hello: Hello,
        /// Where it is, if that can be told.
        group: Option<AddressGroup>,
    },
    /// A peer is gone. Its questions end.
    PeerDown {
        /// Which.
        peer: PeerKey,
    },
    /// A peer answered.
    Answer {
        /// The question.
        request: RequestId,
        /// The answer, not looked at.
        answer: LightAnswer,
    },
    /// What came as an answer is no message, or too long.
    Malformed {
        /// The question.
        request: RequestId,
    },
    /// A peer ended a question without an answer, or the driver's own limit of time did.
    Unanswered {
        /// The question.
        request: RequestId,
    },
    /// Looks through the chain for these addresses, from where the wallet stands. Replaces what was looked for before.
    Scan {
        /// The first height that matters: the wallet's birthday.
        start: Height,
        /// Blocks up to which the wallet has been told of everything, lowest first; the last is where it stands. None: it begins.
        marks: Vec<BlockMark>,
        /// All its addresses.
        addresses: Vec<Address>,
    },
    /// Looks for more addresses. Where `from` lies below what has been looked through, the client goes back there, tells so with
    /// [`Event::RolledBack`], and goes through the filters again: only those blocks are fetched that match.
    Watch {
        /// The addresses.
        addresses: Vec<Address>,
        /// The first height at which one of them can matter.
        from: Height,
    },
    /// The wallet has taken in the block that [`Event::Scanned`] brought. Only then comes the next one, so addresses that the
    /// wallet made on seeing this block are looked for from it on, without looking at anything twice.
    Taken {
        /// The block.
        id: crate::hash::BlockHash,
        /// Addresses that are new.
        addresses: Vec<Address>,
    },
    /// Asks for something once.
    Query {
        /// To be named with the outcome: another number for each.
        query: QueryId,
        /// What.
        what: Query,
    },
    /// Nobody waits for the outcome of a query any more.
    Forget {
        /// Which.
        query: QueryId,
    },
    /// Time has passed.
    Tick,
}

/// What the client wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Ask a peer, and tell what came of it.
    Ask {
        /// The peer.
        peer: PeerKey,
        /// To be named with the answer.
        request: RequestId,
        /// The question.
        question: LightQuestion,
    },
    /// A peer did wrong. Only to be logged: what follows from it is said by [`Output::Leave`].
    Fault {
        /// The peer.
        peer: PeerKey,
        /// What it did.
        fault: Fault,
    },
    /// Disconnect a peer. The client has forgotten it.
    Leave {
        /// The peer.
        peer: PeerKey,
        /// Why.
        why: Leaving,
    },
    /// Something to be told to whoever uses the client.
    Event(Event),
}

/// Why a peer is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leaving {
    /// It is on another chain.
    OtherChain,
    /// It does not answer light clients.
    NotServing,
    /// There are enough peers.
    Enough,
    /// It had much bad luck. It may be tried again later.
    Unlucky,
    /// It lied, or is broken: not to be tried again for a day.
    Liar,
}

/// What whoever uses the client is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// What the client is doing, or what it warns of, has changed.
    Status(Status),
    /// The chain that is followed has another tip.
    Tip {
        /// The tip.
        tip: TipInfo,
        /// The last block that both chains have, where the tip before is not in this one. `None` for a chain that grew, and where the
        /// two chains have nothing in common that is still known here.
        fork: Option<BlockMark>,
    },
    /// The wallet must go back: what it was told about blocks above this one does not hold, or will come again.
    RolledBack {
        /// The last block that still holds; `None`, if nothing does.
        to: Option<BlockMark>,
    },
    /// Everything up to a block has been looked through. Each block that matters comes on its own, in the order of the chain.
    Scanned {
        /// The block.
        to: BlockMark,
        /// The block's content, if it may concern an address: tell with [`Input::Taken`] when it was taken in.
        found: Option<Box<FoundBlock>>,
    },
    /// What came of a query.
    Answered {
        /// Which.
        query: QueryId,
        /// What came of it.
        outcome: Outcome,
    },
}
