//! Headers first: which peer has the chain with the most work.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::peers::{Giving, Purpose};
use super::survey::{Survey, Surveyed};
use super::{ChainSync, Output, PeerKey, Surroundings, Ticket};
use crate::chain::{HeaderNode, HeaderTree, InsertError};
use crate::hash::BlockHash;
use crate::header::Header;
use crate::net::{Fault, HEADERS_MAX, Hello, Services, SyncQuestion};
use crate::units::{Target, Work};

/// How many peers give their headers at one time, once the tip is young. Before, one is enough: all would give the same.
const GIVERS_MAX: usize = 4;
/// From which age on a tip is old.
const OLD_TIP_S: i64 = 24 * 60 * 60;
/// A peer that gives headers may take so long, and so much longer for each answer, if there is another one to ask.
const GIVING_MS: u64 = 60_000;
const GIVING_MS_PER_ANSWER: u64 = 4_000;
/// How often a peer is asked for news, in case an announcement was lost.
pub(super) const ROUND_MS: u64 = 120_000;
/// By how many blocks' work a chain may be behind the best one for its headers to be taken into the tree.
const BEHIND_BLOCKS: u32 = 144;

/// Headers on their way into the tree.
#[derive(Debug)]
pub(super) enum Ticketed {
    /// Those that a peer gives.
    Given { peer: PeerKey, last: BlockHash, is_more: bool },
    /// That of an announced block.
    Announced { id: BlockHash, peer: PeerKey },
}

impl ChainSync {
    pub(super) fn peer_up(&mut self, peer: PeerKey, hello: &Hello, is_outbound: bool, at: &Surroundings<'_>) {
        // Light clients ask, and have nothing to give.
        if hello.services.has(Services::NODE) {
            self.peers.add(peer, hello, is_outbound, at.tree);
            // Whose tip is known has no headers to give, and is not asked.
            self.has_heard |= at.tree.node(&hello.tip).is_some();
        }
    }

    /// Asks for headers where there is a reason to.
    pub(super) fn seek_headers(&mut self, at: &Surroundings<'_>) {
        if self.next_round <= at.now {
            self.next_round = at.now.plus(ROUND_MS);
            self.peers.ask_next_for_news();
        }
        let tip_age = at.clock.seconds_since(at.tree.best().header().time);
        let givers_max = if tip_age > OLD_TIP_S { 1 } else { GIVERS_MAX };
        while let Some(next) = self.peers.to_ask() {
            // Whoever came by itself takes no place of those that this node chose.
            let is_outbound = self.peers.peer(next).is_some_and(|peer| peer.is_outbound);
            let givers = self.peers.givers().filter(|(_, giver, _)| giver.is_outbound || !is_outbound).count();
            if givers >= givers_max && !self.end_slowest(at) {
                break;
            }
            let Some(peer) = self.peers.peer(next) else { break };
            peer.wants_asking = false;
            let giving = Giving {
                claimed: peer.claimed,
                since: at.now,
                answers: 0,
                shown: Work::ZERO,
                survey: None,
                ticket: None,
            };
            peer.giving = Some(Box::new(giving));
            let locator = at.tree.locator(&at.tree.best().id());
            self.ask_headers(next, locator, at);
        }
    }

    /// Ends what a peer gives that takes too long, so that another one can be asked.
    fn end_slowest(&mut self, at: &Surroundings<'_>) -> bool {
        let answers_max = answers_max(at);
        let is_slow = |giving: &Giving| {
            let answers = giving.answers.min(answers_max);
            at.now.since(giving.since) > GIVING_MS.saturating_add(GIVING_MS_PER_ANSWER.saturating_mul(answers))
        };
        let Some((slow, ..)) = self.peers.givers().find(|(_, _, giving)| is_slow(giving)) else { return false };
        self.requests.retain(|_, request| request.peer != slow || request.purpose != Purpose::Headers);
        self.peers.end_headers(slow);
        self.peers.pause(slow, at.now);
        self.fault(slow, Fault::Timeout);
        true
    }

    fn ask_headers(&mut self, peer: PeerKey, mut locator: Vec<BlockHash>, at: &Surroundings<'_>) {
        locator.truncate(HeaderTree::LOCATOR_IDS_MAX);
        self.ask(peer, Purpose::Headers, SyncQuestion::Headers { locator }, at);
    }

    pub(super) fn headers_answered(&mut self, key: PeerKey, headers: Vec<Header>, at: &Surroundings<'_>) {
        let Some(giving) = self.peers.giving(key) else { return };
        giving.answers += 1;
        let Some(first) = headers.first() else { return self.headers_end(key, at) };
        let known = at.tree.node(&first.parent).map(HeaderNode::work);
        let base = match (&giving.survey, known) {
            (Some(survey), _) if survey.last() == first.parent => Work::ZERO,
            // Its chain has changed meanwhile.
            (Some(_), Some(_)) => return self.headers_fault(key, Fault::HeadersChanged, at),
            (None, Some(base)) => base,
            (_, None) => return self.headers_fault(key, Fault::Unlinked, at),
        };
        let work = match linked_work(&headers, at) {
            Ok(work) => work,
            Err(fault) => return self.headers_fault(key, fault, at),
        };
        let enough = self.work_needed(at);
        let is_full = headers.len() == HEADERS_MAX;
        let salt = self.salt;
        let Some(giving) = self.peers.giving(key) else { return };
        match &mut giving.survey {
            None => {
                let total = base.checked_add(work).unwrap_or(base);
                giving.shown = giving.shown.max(total);
                if total >= enough {
                    self.take_headers(key, headers, is_full);
                } else if is_full {
                    let mut survey = Survey::new(first.parent, base, salt);
                    survey.take(&headers, work, enough);
                    let locator = survey_locator(&survey, at);
                    giving.survey = Some(survey);
                    self.ask_headers(key, locator, at);
                } else {
                    self.headers_end(key, at);
                }
            }
            Some(survey) => {
                let surveyed = survey.take(&headers, work, enough);
                let locator = survey_locator(survey, at);
                giving.shown = giving.shown.max(survey.work());
                match surveyed {
                    Surveyed::More | Surveyed::Enough => self.ask_headers(key, locator, at),
                    Surveyed::Take { is_last } => {
                        if is_last {
                            giving.survey = None;
                        }
                        self.take_headers(key, headers, is_full || !is_last);
                    }
                    Surveyed::TooLittle => {
                        // It has shown what it claims, which is of no use: others come first now.
                        self.peers.pause(key, at.now);
                        self.headers_end(key, at);
                    }
                    Surveyed::Changed => self.headers_fault(key, Fault::HeadersChanged, at),
                }
            }
        }
    }

    fn take_headers(&mut self, peer: PeerKey, headers: Vec<Header>, is_more: bool) {
        let Some(last) = headers.last().map(Header::id) else { return };
        let ticket = Ticket(self.number());
        if let Some(giving) = self.peers.giving(peer) {
            giving.ticket = Some(ticket);
        }
        self.tickets.insert(ticket, Ticketed::Given { peer, last, is_more });
        self.outputs.push_back(Output::TakeHeaders { ticket, headers });
    }

    pub(super) fn headers_taken(&mut self, ticket: Ticket, outcome: Result<(), InsertError>, at: &Surroundings<'_>) {
        match self.tickets.remove(&ticket) {
            Some(Ticketed::Given { peer, last, is_more }) => {
                // It may be gone, or have been given up for its slowness.
                let is_awaited = self.peers.giving(peer).is_some_and(|giving| giving.ticket.take() == Some(ticket));
                match outcome {
                    Err(error) => self.headers_fault(peer, Fault::Header(error), at),
                    Ok(()) => {
                        self.peers.has_given(peer, &last, at.tree);
                        self.peers.gave_headers(peer);
                        let survey = self.peers.giving(peer).and_then(|giving| giving.survey.as_ref());
                        let locator =
                            survey.map_or_else(|| at.tree.locator(&last), |survey| survey_locator(survey, at));
                        match (is_awaited, is_more) {
                            (true, true) => self.ask_headers(peer, locator, at),
                            (true, false) => self.headers_end(peer, at),
                            (false, _) => {}
                        }
                    }
                }
            }
            Some(Ticketed::Announced { id, peer }) => self.announced_header_taken(&id, peer, outcome, at),
            None => {}
        }
    }

    /// A peer has no more headers to give.
    fn headers_end(&mut self, key: PeerKey, at: &Surroundings<'_>) {
        let Some(peer) = self.peers.peer(key) else { return };
        let Some(giving) = peer.giving.take() else { return };
        self.has_heard = true;
        // What the node itself has is not given again.
        let shown = giving.shown.max(at.tree.best().work());
        if shown < giving.claimed {
            peer.claimed = Work::ZERO;
            self.fault(key, Fault::ClaimNotShown);
        }
    }

    fn headers_fault(&mut self, peer: PeerKey, fault: Fault, at: &Surroundings<'_>) {
        self.peers.end_headers(peer);
        self.peers.pause(peer, at.now);
        self.fault(peer, fault);
    }

    /// The least work that a chain must have for its headers to be taken into the tree.
    pub(super) fn work_needed(&self, at: &Surroundings<'_>) -> Work {
        let best = at.tree.best();
        let one = Target::from_compact(best.header().bits).map_or(Work::ZERO, Target::work);
        let behind = Work::from_u256(one.to_u256().saturating_mul(BEHIND_BLOCKS.into()));
        best.work().checked_sub(behind).unwrap_or(Work::ZERO).max(self.limits.work_min)
    }
}

/// Asks for what follows the last header that came, or, if the peer's chain has changed, for what follows the tree.
fn survey_locator(survey: &Survey, at: &Surroundings<'_>) -> Vec<BlockHash> {
    let mut locator = vec![survey.last()];
    locator.extend(at.tree.locator(&survey.from()));
    locator
}

/// How many answers it takes to give a chain that is on schedule, and to show its work before. Headers of no work can be made without end:
/// whoever gives more than that gets no more time for them.
fn answers_max(at: &Surroundings<'_>) -> u64 {
    let age_s = at.clock.seconds_since(at.spec.genesis().header.time);
    let headers = u64::try_from(age_s).unwrap_or(0) / u64::from(at.spec.consensus().spacing_s);
    2 * (headers / HEADERS_MAX as u64 + 1)
}

/// The work of headers that must follow each other and have what they claim.
fn linked_work(headers: &[Header], at: &Surroundings<'_>) -> Result<Work, Fault> {
    let mut work = Work::ZERO;
    let mut previous: Option<BlockHash> = None;
    for header in headers {
        if previous.is_some_and(|previous| previous != header.parent) {
            return Err(Fault::Unlinked);
        }
        let target = at.spec.consensus().pow.check_work(header).map_err(|_| Fault::NoWork)?;
        work = work.checked_add(target.work()).ok_or(Fault::NoWork)?;
        previous = Some(header.id());
    }
    Ok(work)
}
