//! The life of a connection: whether it is well, and its end, which whoever waits for something on it hears of.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use hashbrown::HashMap;

use super::error::{CloseReason, TransportError};
use super::time::Sleep;

/// What the browser says of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// As far as it knows, all is well.
    Open,
    /// Nothing has come for some seconds. It may come back; a ping tells.
    Suspect,
    /// It has ended.
    Closed(CloseReason),
}

/// The life of a connection, which whoever waits for something on it watches too. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Life(Rc<RefCell<LifeState>>);

#[derive(Default)]
struct LifeState {
    is_suspect: bool,
    reason: Option<CloseReason>,
    watchers: HashMap<u64, Waker>,
    last_watcher: u64,
}

/// One who watches. Dropping it forgets it.
struct Watcher<'a> {
    life: &'a Life,
    id: u64,
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.life.0.borrow_mut().watchers.remove(&self.id);
    }
}

impl Life {
    pub(super) fn end(&self, reason: CloseReason) {
        let watchers = {
            let mut state = self.0.borrow_mut();
            state.reason.get_or_insert(reason);
            core::mem::take(&mut state.watchers)
        };
        watchers.into_values().for_each(Waker::wake);
    }

    pub(super) fn set_health(&self, health: Health) {
        self.0.borrow_mut().is_suspect = health == Health::Suspect;
    }

    pub(super) fn health(&self) -> Health {
        let state = self.0.borrow();
        match state.reason {
            Some(reason) => Health::Closed(reason),
            None if state.is_suspect => Health::Suspect,
            None => Health::Open,
        }
    }

    fn watch(&self) -> Watcher<'_> {
        let mut state = self.0.borrow_mut();
        state.last_watcher += 1;
        Watcher { life: self, id: state.last_watcher }
    }

    /// Waits for the end.
    pub(super) async fn ended(&self) -> CloseReason {
        let watcher = self.watch();
        poll_fn(|cx| watcher.poll(cx)).await
    }

    /// Waits for the end, but no longer than a timer.
    pub(super) async fn ended_within(&self, mut timer: Sleep) {
        let watcher = self.watch();
        poll_fn(|cx| match watcher.poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Pin::new(&mut timer).poll(cx),
        })
        .await;
    }

    /// Waits for a future, but not beyond the end.
    pub(super) async fn during<T>(
        &self,
        future: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        let (mut future, watcher) = (pin!(future), self.watch());
        poll_fn(|cx| match watcher.poll(cx) {
            // Asked first: on a closed connection the browser throws at whatever is tried.
            Poll::Ready(reason) => Poll::Ready(Err(TransportError::Closed(reason))),
            Poll::Pending => future.as_mut().poll(cx),
        })
        .await
    }
}

impl Watcher<'_> {
    fn poll(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        let mut state = self.life.0.borrow_mut();
        match state.reason {
            Some(reason) => Poll::Ready(reason),
            None => {
                state.watchers.insert(self.id, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
