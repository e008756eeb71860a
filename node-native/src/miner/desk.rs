//! Where the foreman puts the work and the workers take it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use qbtc_core::mempool::BlockTemplate;

/// The work of the moment, or none.
#[derive(Debug, Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    /// The ticket of the moment, to be looked at without the lock.
    ticket: AtomicU64,
}

/// Stands for one placing of work: it is valid until anything changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

#[derive(Debug, Default)]
struct State {
    work: Option<Arc<BlockTemplate>>,
    ticket: u64,
    /// Whether somebody has found a block that is not handed in yet.
    is_claimed: bool,
    is_closed: bool,
}

impl Desk {
    /// Replaces the work. With `None`, workers sleep. While somebody holds a block found, nothing is taken: it would be work on a parent that
    /// has its block.
    pub(super) fn put(&self, work: Option<Arc<BlockTemplate>>) {
        let mut state = self.state.lock();
        let work = work.filter(|_| !state.is_claimed);
        self.replace(&mut state, work);
    }

    /// Takes the work away, if it is still that of the ticket: of those who find a block on it, only the first one gets `true`. There will be
    /// no work until [`Desk::release`].
    pub(super) fn claim(&self, ticket: Ticket) -> bool {
        let mut state = self.state.lock();
        let is_first = state.ticket == ticket.0 && state.work.is_some();
        if is_first {
            state.is_claimed = true;
            self.replace(&mut state, None);
        }
        is_first
    }

    /// The block that was found is handed in.
    pub(super) fn release(&self) {
        self.state.lock().is_claimed = false;
    }

    /// Whether the work of the ticket is still to be done.
    pub(super) fn is_current(&self, ticket: Ticket) -> bool {
        self.ticket.load(Ordering::Relaxed) == ticket.0
    }

    /// Sleeps until there is work. `None` if there will be none any more.
    pub(super) fn wait(&self) -> Option<(Ticket, Arc<BlockTemplate>)> {
        let mut state = self.state.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(work) = &state.work {
                return Some((Ticket(state.ticket), Arc::clone(work)));
            }
            self.changed.wait(&mut state);
        }
    }

    /// Ends all work.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        self.replace(&mut state, None);
    }

    fn replace(&self, state: &mut State, work: Option<Arc<BlockTemplate>>) {
        state.work = work;
        state.ticket += 1;
        self.ticket.store(state.ticket, Ordering::Relaxed);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::miner::tests::{open, payout, stop};
    use qbtc_core::spec::ChainSpec;

    #[tokio::test(flavor = "multi_thread")]
    async fn work_is_handed_out_until_it_is_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let (node, thread) = open(folder.path(), ChainSpec::dev());
        let template = node.template(&payout()).unwrap();
        let desk = Desk::default();
        desk.put(Some(Arc::clone(&template)));
        let (first, work) = desk.wait().unwrap();
        assert!(Arc::ptr_eq(&work, &template));
        assert_eq!(desk.wait().unwrap().0, first);
        assert!(desk.is_current(first));

        desk.put(Some(Arc::clone(&template)));
        let (second, _) = desk.wait().unwrap();
        assert!(!desk.is_current(first) && desk.is_current(second));
        assert!(!desk.claim(first), "work that was replaced is not claimed");
        assert!(desk.claim(second));
        assert!(!desk.claim(second), "only one claims");
        assert!(!desk.is_current(second));

        desk.put(Some(Arc::clone(&template)));
        assert!(desk.state.lock().work.is_none(), "no work while a block is on its way");
        desk.release();
        desk.put(Some(template));
        assert!(desk.is_current(desk.wait().unwrap().0));
        stop(&node, thread);
    }

    #[test]
    fn sleepers_wake_when_the_desk_is_closed() {
        let desk = Desk::default();
        std::thread::scope(|scope| {
            let sleepers = [(); 4].map(|()| scope.spawn(|| desk.wait().is_none()));
            desk.close();
            assert!(sleepers.into_iter().all(|sleeper| sleeper.join().unwrap()));
        });
        assert!(desk.wait().is_none());
    }
}
