//! How queries are answered: a fact is asked of one peer after the other, until one shows it; what is only a node's word is asked of several
//! at once.
//!
//! Invariant: every query ends within [`QUERY_MS`], and no outcome that claims to be shown was not.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use super::super::{Moment, PeerKey};
use super::input::{At, Event, Output};
use super::peers::{Purpose, Request, Wanted};
use super::proven::{Level, PlaceProof, Proven};
use super::query::{Outcome, QUERIES_MAX, QUERY_MS, Query, QueryError, QueryId};
use super::segment::check_body;
use super::{Ending, LightClient};
use crate::chain::BlockMark;
use crate::commit::merkle::MerkleProof;
use crate::commit::mmr::BlockProof;
use crate::hash::HistoryRoot;
use crate::header::Header;
use crate::net::{Fault, FoundTransaction, LIGHT_FEES_MAX, LightAnswer, LightQuestion, Unavailable};
use crate::tx::TxBody;
use crate::units::{FeeRate, Height, Work};

/// How many peers are asked for what is only their word.
const WORDS: usize = 3;
/// How long a query waits for the client's own tip, where a node is ahead.
const AHEAD_MS: u64 = 500;
/// How often an answer may be of no use before the query ends.
const TRIES_MAX: u32 = 12;

/// All queries that wait.
#[derive(Debug, Default)]
pub(super) struct Queries {
    waiting: BTreeMap<QueryId, Pending>,
}

/// A query that waits.
#[derive(Debug)]
struct Pending {
    what: Query,
    until: Option<Moment>,
    stage: Stage,
    under_way: usize,
    tried: BTreeSet<PeerKey>,
    /// How many said that they do not have it.
    without: usize,
    /// How many answers were of no use.
    tries: u32,
    rests_until: Option<Moment>,
    /// What nodes said.
    taken: usize,
    refusals: Vec<String>,
    /// Whether a question for it had no answer: whoever was asked may have done it.
    is_unheard: bool,
    rates: Vec<Vec<FeeRate>>,
}

/// What is wanted next.
#[derive(Debug)]
enum Stage {
    /// What was asked for.
    Thing,
    /// The place of a block.
    Place { height: Height, of: Option<Box<InBlock>>, root: Option<(BlockMark, HistoryRoot)> },
    /// A block's body.
    Body { block: BlockMark, header: Header, proof: Box<PlaceProof> },
}

/// A transaction that is in a block, as somebody says.
#[derive(Debug)]
struct InBlock {
    header: Header,
    body: TxBody,
    branch: MerkleProof,
    giver: PeerKey,
}

impl Stage {
    const fn first(what: &Query) -> Self {
        match what {
            Query::Header { height } | Query::Block { height } => Self::Place { height: *height, of: None, root: None },
            Query::Transaction { .. } | Query::Submit { .. } | Query::Fees { .. } => Self::Thing,
        }
    }
}

impl Queries {
    pub(super) fn forget(&mut self, query: QueryId) {
        self.waiting.remove(&query);
    }

    pub(super) fn moments(&self) -> impl Iterator<Item = Moment> {
        self.waiting.values().flat_map(|pending| [pending.until, pending.rests_until].into_iter().flatten())
    }
}

impl Pending {
    fn new(what: Query) -> Self {
        Self {
            until: None,
            stage: Stage::first(&what),
            what,
            under_way: 0,
            tried: BTreeSet::new(),
            without: 0,
            tries: 0,
            rests_until: None,
            taken: 0,
            refusals: Vec::new(),
            is_unheard: false,
            rates: Vec::new(),
        }
    }

    /// Begins anew: the chain has turned, and what was shown may be in no block of it any more.
    fn start_over(&mut self) {
        self.stage = Stage::first(&self.what);
        self.tried.clear();
        self.tries += 1;
    }

    /// Whether it is about what several nodes say.
    const fn is_words(&self) -> bool {
        matches!(self.what, Query::Submit { .. } | Query::Fees { .. })
    }

    fn wants_more(&self) -> bool {
        if self.is_words() { self.tried.len() < WORDS } else { self.under_way == 0 }
    }

    /// What comes of it, if nobody is left to be asked.
    fn last_word(&self) -> Option<Outcome> {
        if self.under_way > 0 {
            return None;
        }
        match &self.what {
            Query::Submit { transaction } if self.taken > 0 => Some(Outcome::Submitted {
                txid: transaction.txid(),
                nodes: self.taken,
                refusals: self.refusals.clone(),
            }),
            Query::Submit { .. } if !self.refusals.is_empty() => {
                let reasons = self.refusals.clone();
                let error =
                    if self.is_unheard { QueryError::Unsure { reasons } } else { QueryError::Refused { reasons } };
                Some(Outcome::Failed(error))
            }
            Query::Fees { blocks } if !self.rates.is_empty() => {
                let nodes = self.rates.len();
                Some(Outcome::Fees { rates: (0..blocks.len()).filter_map(|place| self.median(place)).collect(), nodes })
            }
            Query::Transaction { .. } if self.without > 0 => {
                Some(Outcome::Failed(QueryError::NotFound { nodes: self.without }))
            }
            _ => None,
        }
    }

    fn median(&self, place: usize) -> Option<FeeRate> {
        let mut rates: Vec<FeeRate> = self.rates.iter().filter_map(|rates| rates.get(place).copied()).collect();
        rates.sort_unstable();
        rates.get(rates.len() / 2).copied()
    }
}

impl LightClient {
    pub(super) fn query(&mut self, query: QueryId, what: Query) {
        let error = match &what {
            _ if self.queries.waiting.len() >= QUERIES_MAX => QueryError::TooMany,
            Query::Fees { blocks } if blocks.len() > LIGHT_FEES_MAX => QueryError::TooManyTimes { found: blocks.len() },
            _ => {
                self.queries.waiting.insert(query, Pending::new(what));
                return;
            }
        };
        self.outputs.push_back(Output::Event(Event::Answered { query, outcome: Outcome::Failed(error) }));
    }

    /// Asks for what queries want.
    pub(super) fn seek_queries(&mut self, at: At) {
        let all: Vec<QueryId> = self.queries.waiting.keys().copied().collect();
        for query in all {
            self.seek_query(query, at);
        }
    }

    fn seek_query(&mut self, query: QueryId, at: At) {
        loop {
            let tip = self.chain.mark();
            let work = self.chain.tip().work();
            let Some(pending) = self.queries.waiting.get_mut(&query) else { return };
            let until = *pending.until.get_or_insert(at.now.plus(QUERY_MS));
            if until <= at.now || pending.tries >= TRIES_MAX {
                let outcome = pending.last_word().unwrap_or(Outcome::Failed(QueryError::TimedOut));
                return self.answer_query(query, outcome);
            }
            pending.rests_until = pending.rests_until.filter(|until| *until > at.now);
            // Before a chain is followed there is nothing against which an answer could be held.
            if !pending.wants_more() || pending.rests_until.is_some() || !self.head.is_settled {
                return self.end_words(query);
            }
            if let Stage::Place { height, of: None, .. } = pending.stage
                && height > tip.height
            {
                let error = QueryError::AboveTip { height, tip: tip.height };
                return self.answer_query(query, Outcome::Failed(error));
            }
            let is_words = pending.is_words();
            let old_bodies = match &pending.stage {
                Stage::Body { block, .. } => block.height.0.saturating_add(super::KEPT_HEADERS) < tip.height.0,
                Stage::Thing | Stage::Place { .. } => false,
            };
            let wanted = Wanted { work: if is_words { Work::ZERO } else { work }, old_bodies };
            let Some(peer) = self.peers.pick(wanted, &pending.tried) else {
                if self.peers.has_untried(wanted, &pending.tried) {
                    return self.end_words(query);
                }
                return self.nobody_left(query, at);
            };
            let question = question(pending, tip, self.chain.root().0);
            pending.tried.insert(peer);
            pending.under_way += 1;
            self.ask(peer, Purpose::Query(query), question, at);
        }
    }

    /// Ends a query about what nodes say, if all that were asked have said it.
    fn end_words(&mut self, query: QueryId) {
        let Some(pending) = self.queries.waiting.get(&query) else { return };
        if pending.is_words()
            && !pending.wants_more()
            && let Some(outcome) = pending.last_word()
        {
            self.answer_query(query, outcome);
        }
    }

    /// Everybody was asked: that is the answer, or all are asked again after a while.
    fn nobody_left(&mut self, query: QueryId, at: At) {
        let Some(pending) = self.queries.waiting.get_mut(&query) else { return };
        if pending.under_way > 0 {
            return;
        }
        if let Some(outcome) = pending.last_word() {
            return self.answer_query(query, outcome);
        }
        pending.tried.clear();
        pending.rests_until = Some(at.now.plus(AHEAD_MS));
    }

    fn answer_query(&mut self, query: QueryId, outcome: Outcome) {
        self.queries.forget(query);
        self.outputs.push_back(Output::Event(Event::Answered { query, outcome }));
    }

    /// What came of a question for a query.
    pub(super) fn query_ended(&mut self, query: QueryId, request: &Request, ending: Ending, at: At) {
        let Some(pending) = self.queries.waiting.get_mut(&query) else { return };
        pending.under_way = pending.under_way.saturating_sub(1);
        let peer = request.peer;
        let answer = match ending {
            Ending::Answer(answer) => answer,
            Ending::Unavailable(Unavailable::NotHere) => {
                pending.without += 1;
                return;
            }
            Ending::Unavailable(_) => {
                pending.tries += 1;
                return;
            }
            Ending::Failed => {
                pending.tries += 1;
                pending.is_unheard = true;
                return;
            }
        };
        let outcome = match (&pending.stage, answer) {
            (Stage::Thing, LightAnswer::Transaction(found)) => self.found_transaction(query, *found, peer, at),
            (Stage::Place { .. }, LightAnswer::Block(proof)) => self.found_place(query, *proof),
            (Stage::Body { .. }, LightAnswer::Blocks(blocks)) => {
                self.found_body(query, blocks.first().map(|block| &*block.0))
            }
            (Stage::Thing, LightAnswer::Submitted(txid)) => {
                let is_it = matches!(&pending.what, Query::Submit { transaction } if transaction.txid() == txid);
                pending.taken += usize::from(is_it);
                if is_it { Ok(None) } else { Err(Fault::OtherAnswer) }
            }
            (Stage::Thing, LightAnswer::Refused(reason)) => {
                pending.refusals.push(reason.to_text());
                Ok(None)
            }
            (Stage::Thing, LightAnswer::Fees(rates)) => {
                pending.rates.push(rates);
                Ok(None)
            }
            _ => Ok(None),
        };
        match outcome {
            Ok(Some(outcome)) => self.answer_query(query, outcome),
            Ok(None) => {}
            Err(fault) => {
                if let Some(pending) = self.queries.waiting.get_mut(&query) {
                    pending.tries += 1;
                }
                self.fault(peer, fault, at);
            }
        }
    }

    fn found_transaction(
        &mut self,
        query: QueryId,
        found: FoundTransaction,
        giver: PeerKey,
        at: At,
    ) -> Result<Option<Outcome>, Fault> {
        let tip = self.chain.tip().height();
        let Some(pending) = self.queries.waiting.get_mut(&query) else { return Ok(None) };
        let Query::Transaction { txid } = pending.what else { return Ok(None) };
        match found {
            FoundTransaction::Waiting(body) if body.txid() == txid => Ok(Some(Outcome::Waiting(Box::new(body)))),
            FoundTransaction::Mined { header, height, body, proof } if body.txid() == txid => {
                proof.check_transaction(&body, header.merkle_root).map_err(|_| Fault::FalseProof)?;
                if height > tip {
                    // The node is ahead: its tip will be heard of soon.
                    pending.tries += 1;
                    pending.tried.remove(&giver);
                    pending.rests_until = Some(at.now.plus(AHEAD_MS));
                    return Ok(None);
                }
                let of = InBlock { header, body, branch: proof, giver };
                pending.stage = Stage::Place { height, of: Some(Box::new(of)), root: None };
                pending.tried.clear();
                Ok(None)
            }
            FoundTransaction::Waiting(_) | FoundTransaction::Mined { .. } => Err(Fault::OtherAnswer),
        }
    }

    fn found_place(&mut self, query: QueryId, place: BlockProof) -> Result<Option<Outcome>, Fault> {
        let tip = self.chain.mark();
        let Some(pending) = self.queries.waiting.get_mut(&query) else { return Ok(None) };
        let Stage::Place { height, of, root: Some((asked, root)) } = &mut pending.stage else { return Ok(None) };
        let blocks = asked.height.0.checked_add(1).ok_or(Fault::FalseProof)?;
        if self.chain.has(*asked) != Some(true) {
            pending.start_over();
            return Ok(None);
        }
        let proven = place.check(*root, blocks).map_err(|_| Fault::FalseProof)?;
        if proven.height != *height {
            return Err(Fault::FalseProof);
        }
        let block = BlockMark { height: proven.height, id: proven.id };
        let confirmations = tip.height.above(block.height) + 1;
        let mut proof = PlaceProof { tip: *asked, root: *root, place, branch: None };
        let level = Level::Header;
        match of.take() {
            Some(of) if of.header != proven.header => {
                // The transaction is in a block of another chain: somebody else may know better.
                pending.tries += 1;
                pending.stage = Stage::Thing;
                pending.tried.clear();
                pending.tried.insert(of.giver);
                Ok(None)
            }
            Some(of) => {
                proof.branch = Some(of.branch);
                let proven = Proven { value: of.body, level, block, confirmations, proof };
                Ok(Some(Outcome::Transaction(Box::new(proven))))
            }
            None if matches!(pending.what, Query::Block { .. }) => {
                pending.stage = Stage::Body { block, header: proven.header, proof: Box::new(proof) };
                pending.tried.clear();
                Ok(None)
            }
            None => {
                let proven = Proven { value: proven.header, level, block, confirmations, proof };
                Ok(Some(Outcome::Header(Box::new(proven))))
            }
        }
    }

    fn found_body(&mut self, query: QueryId, bytes: Option<&[u8]>) -> Result<Option<Outcome>, Fault> {
        let tip = self.chain.mark();
        let Some(pending) = self.queries.waiting.get_mut(&query) else { return Ok(None) };
        let Stage::Body { block, header, proof } = &pending.stage else { return Ok(None) };
        let value = check_body(bytes.ok_or(Fault::Withheld)?, header, &self.spec)?;
        if self.chain.has(proof.tip) != Some(true) {
            pending.start_over();
            return Ok(None);
        }
        let confirmations = tip.height.above(block.height) + 1;
        let proof = (**proof).clone();
        let proven = Proven { value, level: Level::Header, block: *block, confirmations, proof };
        Ok(Some(Outcome::Block(Box::new(proven))))
    }
}

/// The question for what is wanted next. Notes against what the answer will be held.
fn question(pending: &mut Pending, tip: BlockMark, now: HistoryRoot) -> LightQuestion {
    match (&mut pending.stage, &pending.what) {
        (Stage::Place { height, root, .. }, _) => {
            *root = Some((tip, now));
            LightQuestion::Block { tip: tip.id, height: *height }
        }
        (Stage::Body { block, .. }, _) => LightQuestion::Blocks { ids: alloc::vec![block.id] },
        (Stage::Thing, Query::Transaction { txid }) => LightQuestion::Transaction { txid: *txid },
        (Stage::Thing, Query::Submit { transaction }) => LightQuestion::Submit { transaction: transaction.clone() },
        (Stage::Thing, Query::Fees { blocks }) => LightQuestion::Fees { blocks: blocks.clone() },
        // These begin with the place.
        (Stage::Thing, Query::Header { height } | Query::Block { height }) => {
            LightQuestion::Block { tip: tip.id, height: *height }
        }
    }
}
