//! Drives the machine that synchronises the chain ([`ChainSync`]), on a thread of its own.
//!
//! ```text
//! peers → Input → the machine → Output → questions, verdicts, faults → peers
//!            ↑                    ↓
//!            └── headers, blocks: the driver of the chain
//! ```
//!
//! The thread looks at the header tree and the mempool for as long as one input takes, and holds no lock while it waits. It ends when
//! the node stops, or nobody can send inputs any more.

mod blocks;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use qbtc_core::chain::InsertError;
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::net::Fault;
use qbtc_core::sync::{
    Body, ChainSync, Input, Judgement, Limits, Moment, Output, PeerKey, Scores, Surroundings, Ticket,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::answers::BlocksAtHand;
use super::sync_link::{SyncCommand, SyncEvent, SyncLink};
use crate::node::{HeaderRefusal, Node, StopOnPanic};
use blocks::{Blocks, BlocksHandle};

/// The most outcomes of headers and blocks that wait: no more are under way at a time.
const OUTCOMES_WAITING_MAX: usize = 256;

/// Starts the thread. Must be called within a tokio runtime.
///
/// # Errors
/// If the system has no thread left, or no randomness.
pub(crate) fn start(node: &Node, link: SyncLink, at_hand: BlocksAtHand, limits: Limits) -> io::Result<JoinHandle<()>> {
    node.set_synced(!limits.waits_for_peers);
    let started = Instant::now();
    let salt = getrandom::u64().map_err(io::Error::other)?;
    let (outcomes_sender, outcomes) = mpsc::channel(OUTCOMES_WAITING_MAX);
    let syncing = Syncing {
        machine: ChainSync::new(limits, salt, Moment::default()),
        scores: Scores::default(),
        node: node.clone(),
        started,
        at_hand,
        blocks: Blocks::start(node, outcomes_sender.clone()),
        handed_out: Vec::new(),
        outcomes,
        outcomes_sender,
        link,
        runtime: Handle::current(),
    };
    std::thread::Builder::new().name("sync".into()).spawn(move || syncing.run())
}

struct Syncing {
    machine: ChainSync,
    scores: Scores,
    node: Node,
    started: Instant,
    blocks: BlocksHandle,
    /// Blocks that the machine has just handed out.
    handed_out: Vec<(BlockHash, Body)>,
    /// Blocks that peers may ask about before they are stored.
    at_hand: BlocksAtHand,
    /// What came of headers and blocks.
    outcomes: mpsc::Receiver<Input>,
    outcomes_sender: mpsc::Sender<Input>,
    link: SyncLink,
    runtime: Handle,
}

impl Syncing {
    fn run(mut self) {
        let _guard = StopOnPanic::new(&self.node, "synchronisation");
        while let Some(input) = self.next() {
            if let Some(input) = input {
                self.handle(input);
            }
            while let Some(output) = self.machine.poll() {
                if !self.act(output) {
                    return;
                }
            }
            if !self.blocks.take(self.handed_out.drain(..)) {
                return;
            }
        }
    }

    /// What happened next, if it concerns the machine; `None`, if the node stops.
    fn next(&mut self) -> Option<Option<Input>> {
        let wait = Duration::from_millis(self.machine.deadline().since(self.now()));
        let runtime = self.runtime.clone();
        let event = runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.node.stopping().cancelled() => None,
                outcome = self.outcomes.recv() => outcome.map(SyncEvent::Input),
                event = self.link.events.recv() => event,
                () = tokio::time::sleep(wait) => Some(SyncEvent::Input(Input::Tick)),
            }
        });
        match event? {
            SyncEvent::Input(input) => {
                match &input {
                    Input::PeerUp { peer, .. } => self.scores.meet(*peer),
                    Input::PeerDown { peer } => self.scores.forget(*peer),
                    _ => {}
                }
                Some(Some(input))
            }
            SyncEvent::Misbehaved { peer, fault } => self.hold(peer, fault).then_some(None),
        }
    }

    fn handle(&mut self, input: Input) {
        let headers = self.node.headers();
        let live = self.node.live();
        let at = Surroundings {
            now: self.now(),
            clock: self.node.now(),
            tree: &headers,
            pool: &live.pool,
            spec: self.node.spec(),
        };
        self.machine.handle(input, &at);
    }

    /// Returns whether anybody is still interested.
    fn act(&mut self, output: Output) -> bool {
        match output {
            Output::Ask { peer, request, question } => self.tell(SyncCommand::Ask { peer, request, question }),
            Output::Fault { peer, fault } => self.hold(peer, fault),
            Output::TakeHeaders { ticket, headers } => {
                let outcomes = self.outcomes_sender.clone();
                self.runtime.spawn(take_headers(self.node.clone(), ticket, headers, outcomes));
                true
            }
            Output::TakeBlock { id, body } => {
                if let Body::Checked(block) = &body {
                    self.at_hand.put(Arc::clone(block));
                }
                self.handed_out.push((id, body));
                true
            }
            Output::Verdict { announcement, verdict } => self.tell(SyncCommand::Verdict { announcement, verdict }),
            Output::Synced(is_synced) => {
                tracing::info!("{}", if is_synced { "caught up with the peers" } else { "catching up with the peers" });
                self.node.set_synced(is_synced);
                if is_synced {
                    let node = self.node.clone();
                    // A fault stops the node, which tells it.
                    self.runtime.spawn(async move { drop(node.write_imported().await) });
                }
                true
            }
        }
    }

    /// Holds a fault against a peer. Returns whether anybody is still interested.
    fn hold(&mut self, peer: PeerKey, fault: Fault) -> bool {
        // A better chain that this node can follow no more looks invalid to it, and is what honest peers have.
        let may_be_honest = matches!(fault, Fault::InvalidBlock | Fault::Header(InsertError::Invalid { .. }));
        if may_be_honest && self.node.unfollowed().is_some() {
            tracing::debug!(peer = peer.0, "of a chain that is not followed: {fault}");
            return true;
        }
        self.node.metrics().network().peer_at_fault(fault.label());
        let judgement = self.scores.hold(peer, &fault, self.now());
        tracing::debug!(peer = peer.0, ?judgement, points = self.scores.points(peer), "peer at fault: {fault}");
        match judgement {
            Judgement::Bear => true,
            Judgement::Leave => self.tell(SyncCommand::Disconnect { peer, fault, is_banned: false }),
            Judgement::Ban => self.tell(SyncCommand::Disconnect { peer, fault, is_banned: true }),
        }
    }

    fn tell(&self, command: SyncCommand) -> bool {
        self.link.commands.blocking_send(command).is_ok()
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

async fn take_headers(node: Node, ticket: Ticket, headers: Vec<Header>, to_machine: mpsc::Sender<Input>) {
    let outcome: Result<(), InsertError> = match node.submit_headers(headers).await {
        Ok(()) => Ok(()),
        Err(HeaderRefusal::Header(error)) => Err(error),
        // The node stops.
        Err(HeaderRefusal::Fault(_)) => return,
    };
    // It fails only if the node stops.
    let _ = to_machine.send(Input::HeadersTaken { ticket, outcome }).await;
}

#[cfg(test)]
mod tests;
