//! What the client remembers of each peer, and of each question that is under way.

use alloc::collections::{BTreeMap, BTreeSet};

use super::super::{Moment, PeerKey};
use super::input::AddressGroup;
use super::query::QueryId;
use super::scan::Need;
use super::status::{EclipseSign, PEERS_WANTED};
use crate::hash::BlockHash;
use crate::net::{LightQuestion, LightTip};
use crate::units::{Height, Work};

/// The most peers.
pub const PEERS_MAX: usize = 16;
/// The most questions of one peer at once, beside the one for its next tip: half of what a node takes.
pub(super) const QUESTIONS_PER_PEER_MAX: usize = 3;

/// How long an answer may take. A question for the next tip is held back by the peer for up to thirty seconds.
const TIP_TIMEOUT_MS: u64 = 10_000;
const NEXT_TIP_TIMEOUT_MS: u64 = 45_000;
const SHORT_TIMEOUT_MS: u64 = 10_000;
const LONG_TIMEOUT_MS: u64 = 30_000;
/// For how long a peer that failed is not asked again: twice as long each time.
const PAUSE_MS: u64 = 1_000;
const PAUSE_DOUBLINGS_MAX: u32 = 6;

/// A question that is under way.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) peer: PeerKey,
    pub(super) purpose: Purpose,
    pub(super) question: LightQuestion,
    pub(super) asked: Moment,
}

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The peer's tip.
    Tip,
    /// The hearing of a claim, by its number.
    Hearing(u64),
    /// A part of the scan, of this round.
    Scan(Need, u64),
    /// A query.
    Query(QueryId),
}

impl Request {
    /// When the peer has failed to answer.
    pub(super) const fn deadline(&self) -> Moment {
        self.asked.plus(match self.question {
            LightQuestion::Tip => TIP_TIMEOUT_MS,
            LightQuestion::NextTip { .. } => NEXT_TIP_TIMEOUT_MS,
            LightQuestion::Work { .. }
            | LightQuestion::Filters { .. }
            | LightQuestion::Blocks { .. }
            | LightQuestion::Submit { .. } => LONG_TIMEOUT_MS,
            LightQuestion::Headers { .. }
            | LightQuestion::Block { .. }
            | LightQuestion::Transaction { .. }
            | LightQuestion::Fees { .. } => SHORT_TIMEOUT_MS,
        })
    }
}

/// A peer.
#[derive(Debug)]
pub(super) struct Peer {
    group: Option<AddressGroup>,
    /// Whether it says that it has the bodies of all blocks, and not only of the last ones.
    has_all_bodies: bool,
    /// The tip that it names. Only what decides whom to ask.
    pub(super) claim: Option<LightTip>,
    /// The tip that it named and that came to nothing when it was heard.
    pub(super) heard: Option<BlockHash>,
    /// Whether a question for its tip is under way.
    pub(super) is_polled: bool,
    /// When it may be asked for its tip again.
    pub(super) next_poll: Moment,
    questions: usize,
    /// Who was asked before whom.
    asked_last: u64,
    paused_until: Option<Moment>,
    pauses: u32,
}

/// What a peer must have to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// A chain of so much work: a chain with less does not have the tip that the question is about.
    pub(super) work: Work,
    /// Bodies that a node which prunes may have dropped.
    pub(super) old_bodies: bool,
}

impl Peer {
    fn suits(&self, wanted: Wanted) -> bool {
        self.claim.is_some_and(|claim| claim.work >= wanted.work) && (self.has_all_bodies || !wanted.old_bodies)
    }

    /// The work that it claims.
    pub(super) fn claimed(&self) -> Work {
        self.claim.map_or(Work::ZERO, |claim| claim.work)
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }
}

/// All peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: BTreeMap<PeerKey, Peer>,
    asked: u64,
}

impl Peers {
    pub(super) fn add(&mut self, key: PeerKey, group: Option<AddressGroup>, has_all_bodies: bool, now: Moment) {
        let peer = Peer {
            group,
            has_all_bodies,
            claim: None,
            heard: None,
            is_polled: false,
            next_poll: now,
            questions: 0,
            asked_last: 0,
            paused_until: None,
            pauses: 0,
        };
        self.peers.insert(key, peer);
    }

    pub(super) fn remove(&mut self, key: PeerKey) {
        self.peers.remove(&key);
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn peer(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.peers.get_mut(&key)
    }

    pub(super) fn contains(&self, key: PeerKey) -> bool {
        self.peers.contains_key(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.peers.iter().map(|(key, peer)| (*key, peer))
    }

    /// Those that have named their tips.
    pub(super) fn named(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values().filter(|peer| peer.claim.is_some())
    }

    /// Who is asked next: of those that suit, are not paused and have room, and were not tried, the one with the fewest questions, who was
    /// asked longest ago.
    pub(super) fn pick(&self, wanted: Wanted, tried: &BTreeSet<PeerKey>) -> Option<PeerKey> {
        let is_free = |peer: &Peer| !peer.is_paused() && peer.questions < QUESTIONS_PER_PEER_MAX;
        let able = self.peers.iter().filter(|(key, peer)| peer.suits(wanted) && is_free(peer) && !tried.contains(key));
        able.min_by_key(|(_, peer)| (peer.questions, peer.asked_last)).map(|(key, _)| *key)
    }

    /// Whether there is anybody left to be asked, now or when a pause or another question ends.
    pub(super) fn has_untried(&self, wanted: Wanted, tried: &BTreeSet<PeerKey>) -> bool {
        self.peers.iter().any(|(key, peer)| peer.suits(wanted) && !tried.contains(key))
    }

    /// Notes that a question goes to a peer.
    pub(super) fn asking(&mut self, key: PeerKey, is_poll: bool) {
        self.asked += 1;
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if is_poll {
            peer.is_polled = true;
        } else {
            peer.questions += 1;
            peer.asked_last = self.asked;
        }
    }

    /// Notes that a question to a peer has ended.
    pub(super) fn asked(&mut self, key: PeerKey, is_poll: bool) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if is_poll {
            peer.is_polled = false;
        } else {
            peer.questions = peer.questions.saturating_sub(1);
        }
    }

    /// Asks a peer nothing for a while, but for its tip when that is due.
    pub(super) fn pause(&mut self, key: PeerKey, now: Moment) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let until = now.plus(PAUSE_MS << peer.pauses);
        peer.paused_until = Some(until);
        peer.next_poll = peer.next_poll.max(until);
        peer.pauses = (peer.pauses + 1).min(PAUSE_DOUBLINGS_MAX);
    }

    /// Notes that a peer gave what was asked for.
    pub(super) fn did_well(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.pauses = 0;
        }
    }

    /// Lets those be asked again that have waited for long enough.
    pub(super) fn end_pauses(&mut self, now: Moment) {
        for peer in self.peers.values_mut() {
            peer.paused_until = peer.paused_until.filter(|until| *until > now);
        }
    }

    /// When somebody may be asked again.
    pub(super) fn moments(&self) -> impl Iterator<Item = Moment> {
        self.peers.values().flat_map(|peer| {
            let poll = (!peer.is_polled).then_some(peer.next_poll);
            [peer.paused_until, poll].into_iter().flatten()
        })
    }

    /// Why all peers may be one person's, where the best chain is known to have at least this work.
    pub(super) fn eclipse(&self, work: Work) -> Option<EclipseSign> {
        if self.named().count() < PEERS_WANTED {
            return Some(EclipseSign::FewPeers);
        }
        if self.named().all(|peer| peer.claimed() < work) {
            return Some(EclipseSign::LessWork);
        }
        let mut groups = self.named().map(|peer| peer.group);
        let first = groups.next().flatten();
        (first.is_some() && groups.all(|group| group == first)).then_some(EclipseSign::OneGroup)
    }

    /// The greatest height that a peer names.
    pub(super) fn highest(&self) -> Option<Height> {
        self.named().filter_map(|peer| peer.claim.map(|claim| claim.height)).max()
    }
}
