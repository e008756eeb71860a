//! What is being sent to all peers together, and who has to give way when that is too much.
//!
//! A peer that takes its answers slowly has this node hold them. Each alone may have few, but many peers that work together would have it hold them
//! all. So there is a limit over all, above which the answer goes that was begun first: whoever takes what it asked for is done long before.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The most bytes of answers that are held for all peers, but for one answer that is larger.
const BYTES_MAX: usize = 256 << 20;

/// The answers under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Sending(Arc<Mutex<Answers>>);

#[derive(Debug, Default)]
struct Answers {
    /// By the order in which they were begun: how many bytes, and who is told to give up.
    under_way: BTreeMap<u64, (usize, oneshot::Sender<()>)>,
    bytes: usize,
    last: u64,
}

/// One answer, counted as long as this is there.
#[derive(Debug)]
pub(super) struct Held {
    of: Sending,
    number: u64,
    must_go: oneshot::Receiver<()>,
}

impl Sending {
    /// Counts an answer. Those that were begun first give way, if there are too many bytes.
    pub(super) fn begin(&self, bytes: usize) -> Held {
        let (tell, must_go) = oneshot::channel();
        let mut answers = self.0.lock();
        while answers.bytes.saturating_add(bytes) > BYTES_MAX
            && let Some((_, (bytes, tell))) = answers.under_way.pop_first()
        {
            answers.bytes -= bytes;
            // Nobody hears it if it is done in this moment.
            let _ = tell.send(());
        }
        answers.last += 1;
        let number = answers.last;
        answers.bytes += bytes;
        answers.under_way.insert(number, (bytes, tell));
        Held { of: self.clone(), number, must_go }
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.0.lock().bytes
    }
}

impl Held {
    /// Comes when the answer has to give way.
    pub(super) async fn must_go(&mut self) {
        // The other end goes only with a word, or when this one has gone.
        let _ = (&mut self.must_go).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut answers = self.of.0.lock();
        if let Some((bytes, _)) = answers.under_way.remove(&self.number) {
            answers.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_oldest_gives_way() {
        let sending = Sending::default();
        let half = BYTES_MAX / 2;
        let [mut first, mut second] = [half, half].map(|bytes| sending.begin(bytes));
        assert!(first.must_go().now_or_never().is_none());
        let mut third = sending.begin(1);
        assert!(first.must_go().now_or_never().is_some());
        for held in [&mut second, &mut third] {
            assert!(held.must_go().now_or_never().is_none());
        }
        assert_eq!(sending.bytes(), half + 1);
        drop(first);
        assert_eq!(sending.bytes(), half + 1, "it is counted no more already");
        drop((second, third));
        assert_eq!(sending.bytes(), 0);
    }

    #[test]
    fn an_answer_that_is_larger_than_all_is_sent_alone() {
        let sending = Sending::default();
        let mut small = sending.begin(1);
        let mut large = sending.begin(BYTES_MAX + 1);
        assert!(small.must_go().now_or_never().is_some() && large.must_go().now_or_never().is_none());
    }
}
