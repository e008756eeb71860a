//! A light client: the chain with the most work, and what of it concerns a wallet, from peers of whom none is believed. A machine that does
//! no I/O.
//!
//! ```text
//! peers name their tips → the heaviest is heard: headers, or a sampled proof of work → followed
//!                         filters of all blocks from the wallet's birthday, each held against its block → the few blocks that match
//!                         transactions, blocks and headers on demand, each with its place in the chain's history
//! ```
//!
//! Whoever drives it hands in one [`Input`] at a time ([`LightClient::handle`]), does what [`LightClient::poll`] says until it says
//! nothing more, and comes back no later than [`LightClient::deadline`]. `qbtc light`, the browser and the tests drive the same code.
//!
//! Invariants:
//! - work counts, and never a number of blocks: what is followed has shown more work than everything that was heard before;
//! - every fact that is handed out was checked against a header of that chain; what is only a node's word says so;
//! - blocks are handed out in the order of the chain, and none is passed over: who withholds one stops the scan, which is told;
//! - every question ends: with an answer, a refusal, the peer's end, or a timeout;
//! - what peers make it hold is bounded: see the constants of each file.
//!
//! The set of addresses and the keys stay with the wallet; so does what the blocks mean.

mod chain;
mod head;
mod input;
mod lookup;
mod peers;
mod proven;
mod query;
mod saved;
mod scan;
mod segment;
mod status;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::score::{Judgement, Scores};
use super::{Moment, PeerKey, RequestId};
use crate::codec;
use crate::net::{Fault, Hello, LightAnswer, LightQuestion, Services, Unavailable};
use crate::spec::ChainSpec;
use crate::units::BlockTime;
use chain::LightChain;
pub use chain::{KEPT_HEADERS, LightChainError};
pub use head::HEADERS_GAP_MAX;
use head::{Head, Stage};
pub use input::{AddressGroup, At, Event, Input, Leaving, Output};
use lookup::Queries;
pub use peers::PEERS_MAX;
use peers::{Peers, Purpose, Request};
pub use proven::{FoundBlock, Level, PlaceError, PlaceProof, Proven};
pub use query::{Outcome, QUERIES_MAX, Query, QueryError, QueryId};
pub use saved::{STATE_BYTES_MAX, StateError};
use scan::Scan;
pub use scan::{MARKS_MAX, WATCHED_MAX};
pub use status::{EclipseSign, PEERS_WANTED, Phase, STALE_SPACINGS, Status, TipInfo, Traffic, Warnings};

/// How often the client looks at the clock, for the age of its tip.
const ROUND_MS: u64 = 10_000;
/// By how many blocks the headers or the scan may be behind while the client still counts as live.
const BEHIND_BLOCKS_MAX: u32 = 2;

/// The client.
#[derive(Debug)]
pub struct LightClient {
    spec: Arc<ChainSpec>,
    /// Makes seeds unpredictable. Never leaves the client.
    secret: [u8; 32],
    chain: LightChain,
    peers: Peers,
    scores: Scores,
    requests: BTreeMap<RequestId, Request>,
    head: Head,
    scan: Scan,
    queries: Queries,
    outputs: VecDeque<Output>,
    /// The last number that was given to a request, a hearing or a seed.
    last_number: u64,
    next_round: Moment,
    now: Moment,
    clock: BlockTime,
    status: Status,
    traffic: Traffic,
}

/// How a question ended.
#[derive(Debug)]
enum Ending {
    /// With an answer of the kind that was asked for.
    Answer(LightAnswer),
    /// The peer says that there is none.
    Unavailable(Unavailable),
    /// Without an answer.
    Failed,
}

impl LightClient {
    /// A client that knows the genesis block alone. The secret is 32 random bytes, for this client only.
    #[must_use]
    pub fn new(spec: Arc<ChainSpec>, secret: [u8; 32], at: At) -> Self {
        let chain = LightChain::genesis(&spec);
        Self::with_chain(spec, secret, chain, at)
    }

    fn with_chain(spec: Arc<ChainSpec>, secret: [u8; 32], chain: LightChain, at: At) -> Self {
        Self {
            spec,
            secret,
            chain,
            peers: Peers::default(),
            scores: Scores::default(),
            requests: BTreeMap::new(),
            head: Head::default(),
            scan: Scan::default(),
            queries: Queries::default(),
            outputs: VecDeque::new(),
            last_number: 0,
            next_round: at.now.plus(ROUND_MS),
            now: at.now,
            clock: at.clock,
            status: Status::default(),
            traffic: Traffic::default(),
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, input: Input, at: At) {
        (self.now, self.clock) = (at.now, at.clock);
        match input {
            Input::PeerUp { peer, hello, group } => self.peer_up(peer, &hello, group, at),
            Input::PeerDown { peer } => self.peer_gone(peer, at),
            Input::Answer { request, answer } => self.answered(request, answer, at),
            Input::Malformed { request } => self.failed(request, Fault::Malformed, at),
            Input::Unanswered { request } => self.failed(request, Fault::Withheld, at),
            Input::Scan { start, marks, addresses } => self.start_scan(start, marks, addresses),
            Input::Watch { addresses, from } => self.watch(addresses, from),
            Input::Taken { id, addresses } => self.taken(&id, addresses),
            Input::Query { query, what } => self.query(query, what),
            Input::Forget { query } => self.queries.forget(query),
            Input::Tick => {}
        }
        self.expire(at);
        self.peers.end_pauses(at.now);
        if self.next_round <= at.now {
            self.next_round = at.now.plus(ROUND_MS);
        }
        self.poll_tips(at);
        self.seek_work(at);
        self.seek_scan(at);
        self.seek_queries(at);
        self.tell_status();
    }

    /// What is to be done next; `None`, if nothing more is.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Tick`] at the latest.
    #[must_use]
    pub fn deadline(&self) -> Moment {
        let requests = self.requests.values().map(Request::deadline);
        let others = self.peers.moments().chain(self.head.moments()).chain(self.scan.moments());
        let others = others.chain(self.queries.moments());
        requests
            .chain(others)
            .filter(|moment| *moment > self.now)
            .min()
            .map_or(self.next_round, |first| first.min(self.next_round))
    }

    /// What the client is doing, and what it warns of.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// What the client has asked and got.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn peer_up(&mut self, peer: PeerKey, hello: &Hello, group: Option<AddressGroup>, at: At) {
        let why = if hello.chain_id != self.spec.chain_id() {
            Leaving::OtherChain
        } else if !hello.services.has(Services::LIGHT) {
            Leaving::NotServing
        } else if self.peers.len() >= PEERS_MAX {
            Leaving::Enough
        } else {
            self.peers.add(peer, group, hello.services.has(Services::ALL_BODIES), at.now);
            self.scores.meet(peer);
            return;
        };
        self.outputs.push_back(Output::Leave { peer, why });
    }

    fn peer_gone(&mut self, peer: PeerKey, at: At) {
        self.peers.remove(peer);
        self.scores.forget(peer);
        let theirs = |(id, request): (&RequestId, &Request)| (request.peer == peer).then_some(*id);
        let ended: Vec<RequestId> = self.requests.iter().filter_map(theirs).collect();
        for id in ended {
            self.end(id, Ending::Failed, at);
        }
    }

    fn answered(&mut self, id: RequestId, answer: LightAnswer, at: At) {
        // An answer that comes too late answers nothing any more.
        let Some(request) = self.requests.get(&id) else { return };
        self.traffic.bytes_in = self.traffic.bytes_in.saturating_add(codec::encoded_len(&answer) as u64);
        if !request.question.admits(&answer) {
            return self.failed(id, Fault::OtherAnswer, at);
        }
        let peer = request.peer;
        match answer {
            LightAnswer::Unavailable(why) => {
                if why == Unavailable::Busy {
                    self.peers.pause(peer, at.now);
                }
                self.end(id, Ending::Unavailable(why), at);
            }
            answer => self.end(id, Ending::Answer(answer), at),
        }
    }

    fn failed(&mut self, id: RequestId, fault: Fault, at: At) {
        let Some(peer) = self.requests.get(&id).map(|request| request.peer) else { return };
        self.peers.pause(peer, at.now);
        self.end(id, Ending::Failed, at);
        self.fault(peer, fault, at);
    }

    /// Ends what has waited for too long.
    fn expire(&mut self, at: At) {
        let late = |(id, request): (&RequestId, &Request)| (request.deadline() <= at.now).then_some(*id);
        let late: Vec<RequestId> = self.requests.iter().filter_map(late).collect();
        for id in late {
            self.failed(id, Fault::Timeout, at);
        }
    }

    /// Tells whoever asked what came of a question.
    fn end(&mut self, id: RequestId, ending: Ending, at: At) {
        let Some(request) = self.requests.remove(&id) else { return };
        self.peers.asked(request.peer, request.purpose == Purpose::Tip);
        match request.purpose {
            Purpose::Tip => self.tip_ended(request.peer, &ending, at),
            Purpose::Hearing(number) => self.hearing_ended(number, ending, at),
            Purpose::Scan(need, round) => self.scan_ended(need, round, &request, ending, at),
            Purpose::Query(query) => self.query_ended(query, &request, ending, at),
        }
    }

    fn ask(&mut self, peer: PeerKey, purpose: Purpose, question: LightQuestion, at: At) {
        let id = RequestId(self.number());
        self.traffic.questions = self.traffic.questions.saturating_add(1);
        self.traffic.bytes_out = self.traffic.bytes_out.saturating_add(codec::encoded_len(&question) as u64);
        self.peers.asking(peer, purpose == Purpose::Tip);
        self.requests.insert(id, Request { peer, purpose, question: question.clone(), asked: at.now });
        self.outputs.push_back(Output::Ask { peer, request: id, question });
    }

    /// Holds a fault against a peer, and leaves it if it has enough.
    fn fault(&mut self, peer: PeerKey, fault: Fault, at: At) {
        if !self.peers.contains(peer) {
            return;
        }
        let judgement = self.scores.hold(peer, &fault, at.now);
        self.outputs.push_back(Output::Fault { peer, fault });
        let why = match judgement {
            Judgement::Bear => return,
            Judgement::Leave => Leaving::Unlucky,
            Judgement::Ban => Leaving::Liar,
        };
        self.outputs.push_back(Output::Leave { peer, why });
        self.peer_gone(peer, at);
    }

    const fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn tell_status(&mut self) {
        let status = Status { phase: self.phase(), peers: self.peers.named().count(), warnings: self.warnings() };
        if status != self.status {
            self.status = status;
            self.outputs.push_back(Output::Event(Event::Status(status)));
        }
    }

    fn phase(&self) -> Phase {
        let tip = self.chain.tip().height();
        let is_proving = self.head.hearings.iter().any(|hearing| matches!(hearing.stage, Stage::Work { .. }));
        let behind = self.peers.highest().map_or(0, |highest| highest.above(tip));
        let left = self.scan.left(tip);
        if self.peers.named().next().is_none() {
            Phase::Connecting
        } else if is_proving {
            Phase::Proving
        } else if !self.head.is_settled || (!self.head.hearings.is_empty() && behind > BEHIND_BLOCKS_MAX) {
            Phase::SyncingHeaders
        } else if left > BEHIND_BLOCKS_MAX || (left > 0 && self.status.phase == Phase::Scanning) {
            Phase::Scanning
        } else {
            Phase::Live
        }
    }

    fn warnings(&self) -> Warnings {
        let spacing_s = self.spec.consensus().spacing_s;
        let limit_s = i64::from(spacing_s).saturating_mul(i64::from(STALE_SPACINGS));
        Warnings {
            eclipse: self.peers.eclipse(self.chain.tip().work().max(self.least_work())),
            is_stale: self.tip().age_s(self.clock) > limit_s,
            withheld: self.scan.withheld(),
        }
    }
}
