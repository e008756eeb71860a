//! How a node gets the chain from its peers, and keeps up with them: a machine that does no I/O.
//!
//! ```text
//! hello → headers (surveyed first, if they show little work) → a window of blocks, from many peers at once → in order to the chain
//!                                  announced compact blocks → put together from the mempool ↗
//! ```
//!
//! Whoever drives it hands in one [`Input`] at a time ([`ChainSync::handle`]), does what [`ChainSync::poll`] says until it says nothing more,
//! and comes back no later than [`ChainSync::deadline`]. A tokio task and a simulator with virtual time drive the same code.
//!
//! Invariants:
//! - nothing that a peer says is believed before work has been shown for it;
//! - the bytes held for peers ([`ChainSync::held_bytes`]) never exceed [`Limits::held_bytes`];
//! - every question ends: with an answer, a refusal, the peer's end, or a timeout;
//! - blocks are handed out in the order of their chain.
//!
//! The machine must not change the header tree or the mempool, which belong to the node; it looks at them through [`Surroundings`].

mod announced;
mod bodies;
mod headers;
pub mod light;
mod peers;
mod rival;
mod score;
mod survey;
mod window;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::chain::{HeaderTree, InsertError};
use crate::hash::BlockHash;
use crate::header::Header;
use crate::mempool::Mempool;
use crate::net::{BlockBytes, CompactBlock, Fault, Hello, SyncAnswer, SyncQuestion};
use crate::spec::ChainSpec;
use crate::units::{BlockTime, Work};
use crate::verify::CheckedBlock;
use announced::Announcements;
use bodies::Bodies;
use headers::Ticketed;
use peers::{Peers, Purpose, Request};
use rival::Rival;
pub use score::{Judgement, Scores};

/// A peer, as whoever drives the machine numbers it: another number for each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u64);

/// A question that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Headers on their way into the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// An announced block, as whoever drives the machine numbers it, to be told whether it may be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Announcement(pub u64);

/// A time in milliseconds since some start. It never goes back, whatever the clock does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// So many milliseconds later.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// How many milliseconds ago that was; 0 if it is yet to come.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What the machine sees of the node around it.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The time.
    pub now: Moment,
    /// The time by the clock.
    pub clock: BlockTime,
    /// The headers, and which blocks are stored.
    pub tree: &'a HeaderTree,
    /// The transactions that blocks are put together from.
    pub pool: &'a Mempool,
    /// The rules.
    pub spec: &'a ChainSpec,
}

/// What the machine is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer is there.
    PeerUp {
        /// Its number, which was never used before.
        peer: PeerKey,
        /// What it said.
        hello: Hello,
        /// Whether this node chose it. Those are asked first: an attacker cannot choose to be among them.
        is_outbound: bool,
    },
    /// A peer has a new tip.
    Told {
        /// Which.
        peer: PeerKey,
        /// What it said.
        hello: Hello,
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
        /// The answer.
        answer: SyncAnswer,
    },
    /// A peer refused to answer, or could not.
    Unanswered {
        /// The question.
        request: RequestId,
    },
    /// A peer passed on a new block.
    Announced {
        /// The peer.
        peer: PeerKey,
        /// The block.
        block: CompactBlock,
        /// Named in the verdict.
        announcement: Announcement,
    },
    /// What came of headers.
    HeadersTaken {
        /// The headers.
        ticket: Ticket,
        /// The first that was refused; those before it are in the tree.
        outcome: Result<(), InsertError>,
    },
    /// What came of blocks.
    BlocksTaken {
        /// Each block, with what came of it.
        outcomes: Vec<(BlockHash, BlockOutcome)>,
    },
    /// Time has passed, or the node's own chain moved.
    Tick,
}

/// What came of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockOutcome {
    /// It is stored, or was before.
    Stored,
    /// The body does not belong to the header: another peer may have the right one.
    WrongBody,
    /// The block breaks a rule, and the tree knows it.
    Invalid,
}

/// What the machine wants.
#[derive(Clone, Debug)]
pub enum Output {
    /// Ask a peer.
    Ask {
        /// The peer.
        peer: PeerKey,
        /// To be named with the answer.
        request: RequestId,
        /// The question.
        question: SyncQuestion,
    },
    /// Insert headers into the tree, in this order, and tell what came of it.
    TakeHeaders {
        /// To be named with the outcome.
        ticket: Ticket,
        /// The headers, each the parent of the next.
        headers: Vec<Header>,
    },
    /// Check, store and connect a block, and tell what came of it. Blocks come in the order of their chain; the next may come before this
    /// one is done.
    TakeBlock {
        /// The block.
        id: BlockHash,
        /// Its body.
        body: Body,
    },
    /// Pass an announced block on, or not.
    Verdict {
        /// Which.
        announcement: Announcement,
        /// What to do.
        verdict: Verdict,
    },
    /// Hold a fault against a peer.
    Fault {
        /// The peer. It may be gone.
        peer: PeerKey,
        /// What it did.
        fault: Fault,
    },
    /// Whether the chain has caught up with the headers. Told when it changes; at first it has, unless it waits for peers
    /// ([`Limits::waits_for_peers`]).
    Synced(bool),
}

/// A block's body, as far as it has been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Its bytes. The header is the one that was asked for.
    Bytes(BlockBytes),
    /// Checked in isolation.
    Checked(Arc<CheckedBlock>),
}

impl Body {
    /// Its size, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.0.len(),
            Self::Checked(block) => usize::try_from(block.size_bytes()).unwrap_or(usize::MAX),
        }
    }
}

/// What becomes of an announced block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is new, has its work and is at hand: pass it on.
    Accept,
    /// Nothing is wrong with it, but it is of no use.
    Ignore,
    /// It is wrong, and so is whoever passed it on.
    Reject,
}

/// How much the machine takes upon itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of answers that are waited for, or wait here.
    pub held_bytes: usize,
    /// The least work that a chain must have before its headers are taken into the tree.
    pub work_min: Work,
    /// Whether the chain counts as caught up only once a peer has given all its headers: else a node that comes back after a while would
    /// have its miners work on an old tip.
    pub waits_for_peers: bool,
}

impl Limits {
    /// What a node on this chain can bear: as much as twenty-four of its largest blocks.
    #[must_use]
    pub const fn of(spec: &ChainSpec) -> Self {
        Self {
            held_bytes: 24 * SyncAnswer::bytes_max(spec),
            work_min: spec.network().minimum_work,
            waits_for_peers: false,
        }
    }
}

/// The machine.
#[derive(Debug)]
pub struct ChainSync {
    limits: Limits,
    /// Makes what is remembered of surveyed headers unpredictable.
    salt: u64,
    peers: Peers,
    requests: BTreeMap<RequestId, Request>,
    tickets: BTreeMap<Ticket, Ticketed>,
    bodies: Bodies,
    rival: Rival,
    announcements: Announcements,
    outputs: VecDeque<Output>,
    /// The last number that was given to a request or a ticket.
    last_number: u64,
    next_round: Moment,
    is_synced: bool,
    /// Whether a peer has given all its headers, or has none that are new.
    has_heard: bool,
}

impl ChainSync {
    /// A machine without peers that starts now. The salt is a random number.
    #[must_use]
    pub fn new(limits: Limits, salt: u64, now: Moment) -> Self {
        Self {
            limits,
            salt,
            peers: Peers::default(),
            requests: BTreeMap::new(),
            tickets: BTreeMap::new(),
            bodies: Bodies::default(),
            rival: Rival::default(),
            announcements: Announcements::default(),
            outputs: VecDeque::new(),
            last_number: 0,
            next_round: now.plus(headers::ROUND_MS),
            is_synced: !limits.waits_for_peers,
            has_heard: false,
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, input: Input, at: &Surroundings<'_>) {
        match input {
            Input::PeerUp { peer, hello, is_outbound } => self.peer_up(peer, &hello, is_outbound, at),
            Input::Told { peer, hello } => self.peers.told(peer, &hello, at.tree),
            Input::PeerDown { peer } => self.peer_down(peer, at),
            Input::Answer { request, answer } => self.answered(request, answer, at),
            Input::Unanswered { request } => self.unanswered(request, at),
            Input::Announced { peer, block, announcement } => self.announced(peer, block, announcement, at),
            Input::HeadersTaken { ticket, outcome } => self.headers_taken(ticket, outcome, at),
            Input::BlocksTaken { outcomes } => {
                outcomes.into_iter().for_each(|(id, outcome)| self.block_taken(&id, outcome, at));
            }
            Input::Tick => {}
        }
        self.expire(at);
        self.peers.end_pauses(at.now);
        self.seek_headers(at);
        self.seek_bodies(at);
        self.seek_rival(at);
        self.tell_synced(at);
    }

    /// What is to be done next; `None`, if nothing more is.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Tick`] at the latest.
    #[must_use]
    pub fn deadline(&self) -> Moment {
        let requests = self.requests.values().map(Request::deadline);
        let stall = self.stall_deadline().into_iter().chain(self.rival.deadline());
        let pauses = self.peers.pauses();
        requests.chain(stall).chain(pauses).chain([self.next_round]).min().unwrap_or(self.next_round)
    }

    /// The most bytes that peers make the node hold here: what has arrived, and the longest answers of the questions under way.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bodies.held_bytes() + self.announcements.held_bytes()
    }

    /// A block that is on its way into the chain, put together from a compact block: peers to whom it was passed on may ask for its
    /// transactions before it is stored.
    #[must_use]
    pub fn block_at_hand(&self, id: &BlockHash) -> Option<&Arc<CheckedBlock>> {
        self.bodies.block_at_hand(id)
    }

    fn peer_down(&mut self, peer: PeerKey, at: &Surroundings<'_>) {
        self.peers.remove(peer);
        let theirs = |(id, request): (&RequestId, &Request)| (request.peer == peer).then_some(*id);
        let ended: Vec<RequestId> = self.requests.iter().filter_map(theirs).collect();
        for id in ended {
            if let Some(request) = self.requests.remove(&id) {
                self.give_up(id, &request, at);
            }
        }
    }

    fn answered(&mut self, id: RequestId, answer: SyncAnswer, at: &Surroundings<'_>) {
        // An answer that comes too late answers nothing any more.
        let Some(request) = self.requests.remove(&id) else { return };
        if !request.question.admits(&answer) {
            self.fault(request.peer, Fault::OtherAnswer);
            self.peers.pause(request.peer, at.now);
            self.give_up(id, &request, at);
            return;
        }
        match answer {
            SyncAnswer::Headers(headers) => self.headers_answered(request.peer, headers, at),
            SyncAnswer::Blocks(blocks) => match request.purpose {
                Purpose::Rival(wanted) => self.rival_answered(&request, &wanted, blocks, at),
                _ => self.blocks_answered(id, request, blocks, at),
            },
            SyncAnswer::BlockTransactions(found) => self.block_transactions_answered(&request, found, at),
            // The machine does not ask for them.
            SyncAnswer::Transactions(_) => {}
        }
    }

    fn unanswered(&mut self, id: RequestId, at: &Surroundings<'_>) {
        let Some(request) = self.requests.remove(&id) else { return };
        self.fault(request.peer, Fault::Withheld);
        self.peers.pause(request.peer, at.now);
        self.give_up(id, &request, at);
    }

    /// Ends what has waited for too long.
    fn expire(&mut self, at: &Surroundings<'_>) {
        let late = |(id, request): (&RequestId, &Request)| (request.deadline() <= at.now).then_some(*id);
        let late: Vec<RequestId> = self.requests.iter().filter_map(late).collect();
        for id in late {
            if let Some(request) = self.requests.remove(&id) {
                self.fault(request.peer, Fault::Timeout);
                match request.purpose {
                    Purpose::Headers => self.peers.pause(request.peer, at.now),
                    _ => self.peers.gave_no_block(request.peer, at.now),
                }
                self.give_up(id, &request, at);
            }
        }
    }

    /// What was asked for is wanted from somebody else.
    fn give_up(&mut self, id: RequestId, request: &Request, at: &Surroundings<'_>) {
        match request.purpose {
            Purpose::Headers => self.peers.end_headers(request.peer),
            Purpose::Blocks => self.bodies.release(id),
            Purpose::Rival(_) => self.rival.end(),
            Purpose::BlockTransactions(block) => self.give_up_compact(&block, request.peer, Verdict::Ignore, at),
        }
    }

    fn ask(&mut self, peer: PeerKey, purpose: Purpose, question: SyncQuestion, at: &Surroundings<'_>) -> RequestId {
        let id = RequestId(self.number());
        self.requests.insert(id, Request { peer, purpose, question: question.clone(), asked: at.now, overtaken: None });
        self.outputs.push_back(Output::Ask { peer, request: id, question });
        id
    }

    fn fault(&mut self, peer: PeerKey, fault: Fault) {
        self.outputs.push_back(Output::Fault { peer, fault });
    }

    const fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn tell_synced(&mut self, at: &Surroundings<'_>) {
        // What has as much work as the best header is as good as it, though that one's block may never come.
        let is_as_good = at.tree.best_complete().work() >= at.tree.best().work();
        let missing = if is_as_good { 0 } else { self.bodies.missing() };
        let is_caught_up = if self.is_synced { missing <= BEHIND_BLOCKS_MAX } else { missing == 0 };
        let is_synced = is_caught_up && (self.has_heard || !self.limits.waits_for_peers);
        if is_synced != self.is_synced {
            self.is_synced = is_synced;
            self.outputs.push_back(Output::Synced(is_synced));
        }
    }
}

/// By how many blocks the chain may be behind the headers and still count as caught up: a reorg or a burst of blocks must not stop miners.
const BEHIND_BLOCKS_MAX: usize = 12;
