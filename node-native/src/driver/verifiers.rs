//! The threads that verify transactions before the driver sees them: as many as there are processors, so that a flood of transactions
//! leaves room for blocks.
//!
//! They take from one queue and hand on to another. While there is work, nobody waits for anybody, and a transaction costs little
//! more than its signatures.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use qbtc_core::mempool::VerifiedCandidate;
use qbtc_core::tx::Transaction;
use qbtc_core::verify::check_transaction;
use tokio::sync::mpsc;

use crate::node::{Admission, Command, Node, StopOnPanic, Tested, TxRefusal, Unverified};

/// The most transactions that wait; whoever sends more waits.
pub(super) const WAITING_MAX: usize = 256;
/// The most transactions that a thread takes at once, so that those who wait to send are woken together.
const TAKEN_MAX: usize = 16;

type Queue = Arc<Mutex<mpsc::Receiver<Unverified>>>;

/// Starts the threads.
pub(super) fn start(
    node: &Node,
    queue: mpsc::Receiver<Unverified>,
    commands: &mpsc::Sender<Command>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let queue = Arc::new(Mutex::new(queue));
    let spawn = |number| {
        let (node, queue, commands) = (node.clone(), Arc::clone(&queue), commands.clone());
        let named = std::thread::Builder::new().name(format!("verify-{number}"));
        named.spawn(move || work(&node, &queue, &commands))
    };
    (0..count()).map(spawn).collect()
}

/// How many threads there are.
pub(super) fn count() -> usize {
    rayon::current_num_threads()
}

fn work(node: &Node, queue: &Queue, commands: &mpsc::Sender<Command>) {
    let _guard = StopOnPanic::new(node, "verifier of transactions");
    loop {
        let mut admissions = Vec::new();
        let mut is_last = false;
        for task in take(queue) {
            // That nobody waits for an answer any more is no fault.
            match task {
                Unverified::Admit(transaction, reply) => match verify(node, *transaction) {
                    Ok(candidate) => admissions.push(Admission { candidate: Box::new(candidate), reply }),
                    Err(error) => drop(reply.send(Err(error))),
                },
                Unverified::Test(transaction, reply) => {
                    let tested = verify(node, *transaction).map(|candidate| Tested::new(&candidate));
                    let _ = reply.send(tested);
                }
                Unverified::Stop => is_last = true,
            }
        }
        if !admissions.is_empty() {
            // If the driver is gone, those who wait are told by the drop of what they wait for.
            let _ = commands.blocking_send(Command::Transactions(admissions));
        }
        if is_last {
            return;
        }
    }
}

/// Waits for work, and takes its share of what else is there; nothing behind a stop, which is for one thread.
fn take(queue: &Queue) -> Vec<Unverified> {
    // One thread waits for work, the others for their turn to wait.
    let mut queue = queue.lock();
    let mut taken = vec![queue.blocking_recv().unwrap_or(Unverified::Stop)];
    let share = (queue.len() / count()).min(TAKEN_MAX);
    while taken.len() < share && !matches!(taken.last(), Some(Unverified::Stop)) {
        match queue.try_recv() {
            Ok(task) => taken.push(task),
            Err(_) => break,
        }
    }
    taken
}

fn verify(node: &Node, transaction: Transaction) -> Result<VerifiedCandidate, TxRefusal> {
    let checked = check_transaction(transaction, node.spec().consensus())?;
    node.verify_checked(&Arc::new(checked))
}
