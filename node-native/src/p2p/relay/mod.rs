//! How transactions spread: what peers pass on is verified before it is passed on further, and what starts here goes along the stem first.
//!
//! ```text
//! from everybody → verify → mempool → verdict: passed on or not
//! from the stem  → verify → held here, not in the mempool → next peer of the stem, or mempool and everybody
//! handed in here → mempool → stem, and again from time to time until it is mined, also after a restart
//! ```
//!
//! Invariants: nothing is passed on that this node's mempool would not take; what is on the stem is shown to nobody who asks; the bytes of
//! what is held, and the number of verifications under way, have named bounds.

mod link;
mod stem_pool;
mod turns;

pub(crate) use link::{MessageKey, RelayCommand, RelayEvent, RelayLink};

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use qbtc_core::codec;
use qbtc_core::hash::{Txid, Wtxid};
use qbtc_core::mempool::{AdmitError, MempoolEntry};
use qbtc_core::net::{CompactBlock, Fault};
use qbtc_core::relay::{Origin, Route, Stem};
use qbtc_core::sync::{Moment, PeerKey, Verdict};
use qbtc_core::tx::Transaction;
use qbtc_core::units::FeeRate;
use qbtc_core::verify::{CheckedBlock, SpendError};
use tokio::sync::broadcast::{self, error::RecvError};

use super::allowance::{Budget, Rate, STEM_SENT};
use crate::node::{Event, HandedIn, Node, StopOnPanic, TxRefusal};
use stem_pool::StemPool;
use turns::Turns;

/// The most transactions that are verified at a time. While so many are, no more are taken from the network.
const VERIFYING_MAX: usize = 64;
/// The most transactions that wait to be passed on along the stem.
const LEAVING_MAX: usize = 1_024;

/// The task.
pub(crate) struct Relay {
    node: Node,
    /// What is handed in here, from the moment on at which this was made: what comes before it runs is not lost.
    handed_in: HandedIn,
    /// What happens in the node.
    events: broadcast::Receiver<Event>,
    link: RelayLink,
    started: Instant,
    stem: Stem,
    held: StemPool,
    /// When others hear again of what started here.
    turns: Turns,
    /// The least fee rates that the peers want to hear of.
    filters: HashMap<PeerKey, FeeRate>,
    /// What may still be sent along the stem to each, in messages and bytes.
    left: HashMap<PeerKey, (Budget, Budget)>,
    verifying: FuturesUnordered<BoxFuture<'static, Verified>>,
    /// What goes to the next peer of the stem after its delay.
    leaving: FuturesUnordered<BoxFuture<'static, (PeerKey, Transaction)>>,
}

/// A transaction that was looked at.
struct Verified {
    from: Source,
    transaction: Transaction,
    /// What it pays, if it is for the stem.
    outcome: Result<Option<FeeRate>, TxRefusal>,
}

/// Where a transaction came from.
#[derive(Clone, Copy)]
enum Source {
    Everybody(PeerKey, MessageKey),
    Stem(PeerKey),
}

impl Relay {
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn new(node: &Node, link: RelayLink) -> io::Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let mut relay = Self {
            node: node.clone(),
            handed_in: node.handed_in(),
            events: node.events(),
            link,
            started: Instant::now(),
            stem: Stem::new(key, Moment::default()),
            held: StemPool::default(),
            turns: Turns::default(),
            filters: HashMap::new(),
            left: HashMap::new(),
            verifying: FuturesUnordered::new(),
            leaving: FuturesUnordered::new(),
        };
        relay.look_after_all();
        Ok(relay)
    }

    /// Goes on until the node stops.
    pub(crate) async fn run(mut self) {
        let _guard = StopOnPanic::new(&self.node, "relay of transactions");
        let stopping = self.node.stopping().clone();
        loop {
            let deadline = self.stem.deadline().into_iter().chain(self.turns.deadline()).min();
            let wait = deadline.map_or(LONG, |at| Duration::from_millis(at.since(self.now())));
            let is_open = tokio::select! {
                () = stopping.cancelled() => return,
                block = self.handed_in.blocks.recv() => match block {
                    Some(block) => self.found(&block).await,
                    None => None,
                },
                transaction = self.handed_in.transactions.recv() => match transaction {
                    Some(transaction) => self.spread(&transaction).await,
                    None => None,
                },
                event = self.events.recv() => match event {
                    Ok(event) => {
                        self.happened(&event);
                        Some(())
                    }
                    // What has left meanwhile is forgotten when its time comes.
                    Err(RecvError::Lagged(_)) => {
                        self.look_after_all();
                        Some(())
                    }
                    Err(RecvError::Closed) => None,
                },
                event = self.link.events.recv(), if self.verifying.len() < VERIFYING_MAX => match event {
                    Some(event) => self.hear(event).await,
                    None => None,
                },
                Some(verified) = self.verifying.next() => self.verified(verified).await,
                Some((peer, transaction)) = self.leaving.next() => {
                    self.tell(RelayCommand::Stem { peer, transaction }).await
                }
                () = tokio::time::sleep(wait) => self.due().await,
            };
            if is_open.is_none() {
                return;
            }
        }
    }

    /// Has others hear of a transaction that was handed in here.
    async fn spread(&mut self, transaction: &Transaction) -> Option<()> {
        let txid = transaction.txid();
        self.turns.add(txid, self.now());
        let rate = self.node.live().pool.entry(&txid).map(MempoolEntry::fee_rate);
        self.send_on(transaction.clone(), Origin::Here, rate).await
    }

    /// Has others hear of a block that was handed in here.
    async fn found(&mut self, block: &CheckedBlock) -> Option<()> {
        // Whoever made a template has its transactions from here, or from where everybody has them.
        let Ok(salt) = getrandom::u64() else { return Some(()) };
        let compact = CompactBlock::new(block, salt, |_| false);
        self.tell(RelayCommand::PublishBlock(Box::new(compact))).await
    }

    /// What happens in this node.
    fn happened(&mut self, event: &Event) {
        match event {
            Event::Removed(removal) => self.turns.remove(&removal.tx.txid()),
            // One of the last run has come back.
            Event::Added(tx) if self.node.own().has(&tx.txid()) => self.look_after(tx.txid()),
            Event::Tip(_) | Event::Added(_) => {}
        }
    }

    /// Has others hear in time of what was handed in here, now or before a restart.
    fn look_after(&mut self, txid: Txid) {
        if !self.turns.has(&txid) {
            self.turns.add(txid, self.now());
            if self.node.own().is_unheard(&txid) {
                self.turns.set_unheard(&txid);
            }
        }
    }

    fn look_after_all(&mut self) {
        let is_waiting = |txid: &Txid| self.node.live().pool.entry(txid).is_some();
        let own: Vec<Txid> = self.node.own().all().into_keys().filter(is_waiting).collect();
        own.into_iter().for_each(|txid| self.look_after(txid));
    }

    /// Sends what nobody may know on its way, now that there is a peer to go to.
    async fn spread_unheard(&mut self) -> Option<()> {
        for txid in self.turns.take_unheard() {
            let found =
                self.node.live().pool.entry(&txid).map(|entry| (entry.tx().transaction().clone(), entry.fee_rate()));
            if let Some((transaction, rate)) = found {
                self.send_on(transaction, Origin::Here, Some(rate)).await?;
            }
        }
        Some(())
    }

    /// What happens on the network.
    async fn hear(&mut self, event: RelayEvent) -> Option<()> {
        match event {
            RelayEvent::Up { peer, is_for_stem, fee_rate_min } => {
                self.filters.insert(peer, fee_rate_min);
                self.stem.peer_up(peer, is_for_stem);
                // Whoever came to this node may be there only to see what starts here.
                if is_for_stem { self.spread_unheard().await } else { Some(()) }
            }
            RelayEvent::Told { peer, fee_rate_min } => {
                self.filters.insert(peer, fee_rate_min);
                Some(())
            }
            RelayEvent::Down { peer } => {
                self.filters.remove(&peer);
                self.left.remove(&peer);
                self.stem.peer_down(peer);
                Some(())
            }
            RelayEvent::Gossiped { peer, message, transaction } => {
                let wtxid = transaction.wtxid();
                self.stem.seen(&wtxid);
                self.held.remove(&wtxid);
                self.heard_of(&transaction.txid());
                self.turns.set_passed_on(&transaction.txid(), self.now());
                if self.is_waiting(&wtxid) {
                    // It came another way before, and others may not have it yet.
                    return self.tell(RelayCommand::Verdict { message, verdict: Verdict::Accept }).await;
                }
                self.verify(Source::Everybody(peer, message), transaction);
                Some(())
            }
            RelayEvent::Stemmed { peer, transaction } => {
                // Everybody knows it.
                if !self.is_waiting(&transaction.wtxid()) || self.turns.has(&transaction.txid()) {
                    self.verify(Source::Stem(peer), transaction);
                }
                Some(())
            }
        }
    }

    fn verify(&self, from: Source, transaction: Transaction) {
        let node = self.node.clone();
        self.verifying.push(Box::pin(async move {
            let outcome = match from {
                Source::Everybody(..) => node.submit_transaction(transaction.clone()).await.map(|_| None),
                Source::Stem(_) => {
                    let tested = node.test_transaction(transaction.clone()).await;
                    tested.map(|tested| FeeRate::reached_by(tested.fee, tested.size_bytes.into()))
                }
            };
            Verified { from, transaction, outcome }
        }));
    }

    async fn verified(&mut self, verified: Verified) -> Option<()> {
        let Verified { from, transaction, outcome } = verified;
        let (rate, refusal) = match outcome {
            Ok(rate) => (rate, None),
            Err(refusal) => (None, Some(refusal)),
        };
        let is_forged = refusal.as_ref().is_some_and(is_forged);
        match from {
            Source::Everybody(peer, message) => {
                let verdict = match refusal {
                    None => Verdict::Accept,
                    Some(_) if is_forged => Verdict::Reject,
                    Some(_) => Verdict::Ignore,
                };
                if is_forged {
                    self.tell(RelayCommand::Fault { peer, fault: Fault::Transaction }).await?;
                }
                self.tell(RelayCommand::Verdict { message, verdict }).await
            }
            Source::Stem(peer) if is_forged => self.tell(RelayCommand::Fault { peer, fault: Fault::Transaction }).await,
            Source::Stem(peer) => match refusal {
                None if self.held.is_spent_otherwise(&transaction) => Some(()),
                None => self.send_on(transaction, Origin::Peer(peer), rate).await,
                // A stem that leads back to where it began has gone in a circle.
                Some(TxRefusal::Admit(AdmitError::Known { .. })) if self.turns.has(&transaction.txid()) => {
                    self.send_on(transaction, Origin::Peer(peer), rate).await
                }
                Some(_) => Some(()),
            },
        }
    }

    /// Sends a valid transaction to where it goes next: a peer that does not want to hear of what pays so little would drop it.
    async fn send_on(&mut self, transaction: Transaction, origin: Origin, rate: Option<FeeRate>) -> Option<()> {
        let (wtxid, now) = (transaction.wtxid(), self.now());
        let filters = &self.filters;
        let wants = |peer| rate.zip(filters.get(&peer)).is_none_or(|(rate, least)| rate >= *least);
        let route = self.stem.route(&wtxid, origin, now, wants);
        if route == Route::Fluff {
            return self.give_to_all(transaction).await;
        }
        if origin != Origin::Here {
            self.held.put(wtxid, transaction.clone());
        }
        // What is not sent goes to everybody when its timer ends.
        if let Route::Stem { to, delay_ms } = route
            && self.may_send(to, origin, &transaction)
        {
            tracing::debug!(%wtxid, peer = to.0, "along the stem");
            self.leaving.push(Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                (to, transaction)
            }));
        }
        Some(())
    }

    /// Whether a peer takes one more of what goes along the stem: else it would part with this node. What others send has half of that.
    fn may_send(&mut self, to: PeerKey, origin: Origin, transaction: &Transaction) -> bool {
        let now = Instant::now();
        let (count, size) = STEM_SENT;
        let (messages, bytes) =
            self.left.entry(to).or_insert_with(|| (Budget::new(count, now), Budget::new(size, now)));
        let kept = |rate: Rate| if origin == Origin::Here { 0 } else { rate.at_once.unsigned_abs() / 2 };
        let is_sent =
            self.leaving.len() < LEAVING_MAX && messages.left(now) > kept(count) && bytes.left(now) > kept(size);
        if is_sent {
            messages.spend(1, now);
            bytes.spend(codec::encoded_len(transaction), now);
        }
        is_sent
    }

    async fn give_to_all(&mut self, transaction: Transaction) -> Option<()> {
        let wtxid = transaction.wtxid();
        self.stem.seen(&wtxid);
        self.held.remove(&wtxid);
        if !self.is_waiting(&wtxid)
            && let Err(error) = self.node.submit_transaction(transaction.clone()).await
        {
            tracing::debug!(%wtxid, "not given to everybody: {error}");
            return Some(());
        }
        tracing::debug!(%wtxid, "to everybody");
        let txid = transaction.txid();
        if self.filters.is_empty() {
            self.turns.set_unheard(&txid);
            self.node.own().set_offered(&txid);
        } else {
            self.heard_of(&txid);
        }
        self.tell(RelayCommand::Publish(transaction)).await
    }

    /// Gives to everybody what did not come back from the stem in time, and what waits for long.
    async fn due(&mut self) -> Option<()> {
        let now = self.now();
        for wtxid in self.stem.due(now) {
            if let Some(transaction) = self.held.remove(&wtxid).or_else(|| self.waiting(&wtxid)) {
                self.give_to_all(transaction).await?;
            }
        }
        for txid in self.turns.due(now) {
            let waiting = self.node.live().pool.entry(&txid).map(|entry| entry.tx().transaction().clone());
            match waiting {
                Some(transaction) => self.give_to_all(transaction).await?,
                None => {
                    self.turns.remove(&txid);
                    self.node.own().remove(&txid);
                }
            }
        }
        Some(())
    }

    /// Notes that others know a transaction.
    fn heard_of(&mut self, txid: &Txid) {
        self.node.own().set_known(txid);
        self.turns.set_heard(txid);
    }

    fn is_waiting(&self, wtxid: &Wtxid) -> bool {
        self.node.live().pool.entry_by_wtxid(wtxid).is_some()
    }

    fn waiting(&self, wtxid: &Wtxid) -> Option<Transaction> {
        self.node.live().pool.entry_by_wtxid(wtxid).map(|entry| entry.tx().transaction().clone())
    }

    async fn tell(&mut self, command: RelayCommand) -> Option<()> {
        self.link.commands.send(command).await.ok()
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// How long to wait if nothing is due.
const LONG: Duration = Duration::from_secs(3_600);

/// Whether a transaction can never have been valid for anybody, so that whoever passed it on did not look at it.
const fn is_forged(refusal: &TxRefusal) -> bool {
    match refusal {
        TxRefusal::Check(_) | TxRefusal::Admit(AdmitError::Signature(_)) => true,
        // An outpoint names the same coin for everybody.
        TxRefusal::Admit(AdmitError::Spend(error)) => matches!(
            error,
            SpendError::AmountSum { .. } | SpendError::Overspent { .. } | SpendError::WitnessCount { .. }
        ),
        TxRefusal::Admit(_) | TxRefusal::Fault(_) => false,
    }
}

#[cfg(test)]
mod tests;
