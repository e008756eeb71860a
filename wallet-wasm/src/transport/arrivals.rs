//! Streams that the node has opened.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::stream::Stream;

/// The most streams of the node that wait until it has proved its id.
const WAITING_MAX: usize = 16;

/// Streams that the node has opened: they wait until somebody takes them.
#[derive(Clone, Default)]
pub(super) struct Arrivals(Rc<RefCell<Inner>>);

type Taker = Rc<dyn Fn(Stream)>;

#[derive(Default)]
struct Inner {
    waiting: Vec<Stream>,
    taker: Option<Taker>,
}

impl Arrivals {
    /// One more.
    pub(super) fn put(&self, stream: Stream) {
        let taker = self.0.borrow().taker.clone();
        match taker {
            Some(taker) => taker(stream),
            None if self.0.borrow().waiting.len() < WAITING_MAX => self.0.borrow_mut().waiting.push(stream),
            None => drop(stream),
        }
    }

    /// Takes those that wait, and all that come.
    pub(super) fn take(&self, taker: impl Fn(Stream) + 'static) {
        let waiting = core::mem::take(&mut self.0.borrow_mut().waiting);
        waiting.into_iter().for_each(&taker);
        self.0.borrow_mut().taker = Some(Rc::new(taker));
    }

    /// Nobody takes any more.
    pub(super) fn clear(&self) {
        // They are dropped when nothing is borrowed any more: a stream that ends may say so to its connection.
        let _ended = core::mem::take(&mut *self.0.borrow_mut());
    }
}
