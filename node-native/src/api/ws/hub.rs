//! One task that follows the node's events and writes each of them once, for all clients.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use qbtc_core::hash::Txid;
use qbtc_core::lock::{Address, Witness};
use qbtc_core::mempool::RemovalReason;
use qbtc_core::tx::Transaction;
use qbtc_core::verify::CheckedTx;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use super::message::{AddressState, Message};
use crate::metrics::removal_label;
use crate::node::{BlockSummary, Event, Node};

/// Where clients get what is pushed.
#[derive(Debug)]
pub(super) struct Hub(Sender<Arc<Pushed>>);

/// Something that happened.
#[derive(Debug)]
pub(super) enum Pushed {
    /// A block joined or left the chain.
    Block(Happening),
    /// A transaction came into the mempool or left it.
    Transaction(Happening),
    /// So many events were lost on the way here.
    Missed(u64),
}

/// What happened, for whom.
#[derive(Debug)]
pub(super) struct Happening {
    /// The message to those who are subscribed to all of its kind.
    pub(super) text: Utf8Bytes,
    /// Which addresses it touches, and by which transaction.
    pub(super) touched: Vec<(Address, Txid)>,
    /// What that means for an address; `None` if it is told in another way.
    pub(super) state: Option<AddressState>,
}

impl Hub {
    /// Follows the events of a node until it stops. Each client may lag by so many events.
    pub(super) fn start(node: &Node, queue: usize) -> Self {
        let (sender, _) = channel(queue.max(1));
        tokio::spawn(follow(node.clone(), node.events(), sender.clone()));
        Self(sender)
    }

    /// What is pushed from now on.
    pub(super) fn subscribe(&self) -> Receiver<Arc<Pushed>> {
        self.0.subscribe()
    }
}

async fn follow(node: Node, mut events: Receiver<Event>, clients: Sender<Arc<Pushed>>) {
    loop {
        let event = tokio::select! {
            () = node.stopping().cancelled() => return,
            event = events.recv() => event,
        };
        if clients.receiver_count() == 0 && !matches!(event, Err(RecvError::Closed)) {
            continue;
        }
        let pushed = match event {
            Ok(event) => pushed(&node, &event),
            Err(RecvError::Lagged(missed)) => vec![Pushed::Missed(missed)],
            Err(RecvError::Closed) => return,
        };
        for each in pushed {
            // Fails only if the last client has just left.
            drop(clients.send(Arc::new(each)));
        }
    }
}

fn pushed(node: &Node, event: &Event) -> Vec<Pushed> {
    match event {
        Event::Tip(moved) => {
            let left = moved.disconnected.iter().map(disconnected);
            left.chain(moved.connected.iter().map(connected)).collect()
        }
        Event::Added(tx) => vec![added(node, tx)],
        Event::Removed(removal) => vec![removed(&removal.tx, &removal.reason)],
    }
}

fn connected(block: &BlockSummary) -> Pushed {
    let state = AddressState::Confirmed { block: block.id, height: block.height.0 };
    in_block(block, &Message::BlockConnected(block.into()), state)
}

fn disconnected(block: &BlockSummary) -> Pushed {
    let state = AddressState::Disconnected { block: block.id, height: block.height.0 };
    in_block(block, &Message::BlockDisconnected(block.into()), state)
}

fn in_block(block: &BlockSummary, message: &Message<'_>, state: AddressState) -> Pushed {
    Pushed::Block(Happening { text: message.to_text().into(), touched: block.touched.clone(), state: Some(state) })
}

fn added(node: &Node, tx: &CheckedTx) -> Pushed {
    let (txid, size_bytes) = (tx.txid(), tx.size_bytes());
    // It may have left again by now.
    let fee = node.live().pool.entry(&txid).map(|entry| entry.fee().quanta());
    let message = Message::TransactionAdded { txid, wtxid: tx.wtxid(), size_bytes, fee };
    let touched = touched(tx.transaction(), txid);
    Pushed::Transaction(Happening { text: message.to_text().into(), touched, state: Some(AddressState::Pending) })
}

fn removed(tx: &CheckedTx, reason: &RemovalReason) -> Pushed {
    let txid = tx.txid();
    let message = Message::TransactionRemoved { txid, reason: removal_label(reason) };
    // Addresses are told of a transaction that was mined by its block.
    let is_mined = matches!(reason, RemovalReason::Mined { .. });
    let state = (!is_mined).then_some(AddressState::Removed);
    let touched = if is_mined { Vec::new() } else { touched(tx.transaction(), txid) };
    Pushed::Transaction(Happening { text: message.to_text().into(), touched, state })
}

/// The addresses that a transaction pays to or spends from, each once.
fn touched(tx: &Transaction, txid: Txid) -> Vec<(Address, Txid)> {
    let paid = tx.body.outputs.iter().filter_map(|output| output.lock.address());
    let all: BTreeSet<Address> = paid.chain(tx.witnesses.iter().map(Witness::address)).collect();
    all.into_iter().map(|address| (address, txid)).collect()
}
