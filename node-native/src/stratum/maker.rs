//! The one stream of jobs: when there is new work for the miners, and what it is.
//!
//! A new tip means new work at once. More fees do not: they can wait some seconds, since whoever restarts its machines for each
//! transaction loses more than it gains. And miners want to hear something, or they take the server for dead.

use std::sync::Arc;
use std::time::{Duration, Instant};

use qbtc_core::lock::Address;
use qbtc_core::mempool::{Payout, TemplateError};
use qbtc_core::units::Amount;
use tokio::sync::watch;
use tokio::time::sleep;

use super::round::Round;
use crate::node::{Node, TemplateRevision};

/// The newest round, as connections see it: none while nobody is there or the node has not caught up.
pub(super) type Rounds = watch::Receiver<Option<Arc<Round>>>;

/// Makes rounds.
pub(super) struct Maker {
    node: Node,
    tag: Box<[u8]>,
    rounds: watch::Sender<Option<Arc<Round>>>,
}

/// What is known of the last round.
#[derive(Clone, Copy, Debug)]
struct Last {
    revision: TemplateRevision,
    value: Amount,
    made: Instant,
    /// When the pool was last looked into.
    looked: Instant,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// A new round, whatever is in it.
    Now,
    /// A new round, if it pays more.
    IfBetter,
    /// Nothing before some time has passed.
    In(Duration),
}

/// minerd takes a server that is silent for two minutes for dead, and works on no job that is older.
const REFRESH: Duration = Duration::from_secs(30);
/// How often the mempool is asked for more fees.
const LOOK: Duration = Duration::from_secs(5);
/// How long to wait after a failure, or for the node to catch up.
const RETRY: Duration = Duration::from_secs(1);

impl Maker {
    /// Makes rounds whose coinbases carry this tag.
    pub(super) fn new(node: Node, tag: Box<[u8]>) -> (Self, Rounds) {
        let (rounds, receiver) = watch::channel(None);
        (Self { node, tag, rounds }, receiver)
    }

    /// Makes rounds until the node stops, as long as somebody is there to work on them.
    pub(super) async fn run(self, mut miners: watch::Receiver<usize>) {
        let stopping = self.node.stopping().clone();
        stopping.run_until_cancelled(self.make_rounds(&mut miners)).await;
    }

    async fn make_rounds(self, miners: &mut watch::Receiver<usize>) {
        let mut tip = self.node.tip();
        let mut last = None;
        loop {
            if *miners.borrow_and_update() == 0 {
                last = None;
                self.rounds.send_replace(None);
                if miners.wait_for(|count| *count > 0).await.is_err() {
                    return;
                }
            }
            tip.borrow_and_update();
            let wait = self.step(&mut last).await;
            tokio::select! {
                moved = tip.changed() => if moved.is_err() { return },
                () = sleep(wait) => {}
            }
        }
    }

    /// Makes a round if one is due, and says when to ask again.
    async fn step(&self, last: &mut Option<Last>) -> Duration {
        if !self.node.is_synced() {
            return RETRY;
        }
        let revision = self.node.template_revision();
        let due = due(last.as_ref(), revision, Instant::now());
        if let Due::In(wait) = due {
            return wait;
        }
        let round = match self.make().await {
            Ok(round) => Arc::new(round),
            Err(error) => {
                tracing::warn!(%error, "no work for Stratum miners");
                return RETRY;
            }
        };
        let now = Instant::now();
        match last {
            Some(last) if due == Due::IfBetter && round.value() <= last.value => {
                (last.looked, last.revision) = (now, revision);
            }
            _ => {
                *last = Some(Last { revision, value: round.value(), made: now, looked: now });
                self.rounds.send_replace(Some(round));
            }
        }
        LOOK
    }

    async fn make(&self) -> Result<Round, TemplateError> {
        let (node, message) = (self.node.clone(), self.tag.clone());
        let made = tokio::task::spawn_blocking(move || {
            // Whom the first one pays does not matter: each miner gets one of its own.
            let payout = Payout { address: Address::from_bytes([0; 32]), outputs: Vec::new(), message };
            let base = node.template(&payout)?;
            Ok(Round::new(base, payout.message, node.now(), Arc::clone(node.spec())))
        });
        made.await.expect("making a template does not panic")
    }
}

/// What is due, given the last round and what a new one would be made of.
fn due(last: Option<&Last>, revision: TemplateRevision, now: Instant) -> Due {
    let Some(last) = last.filter(|last| last.revision.tip == revision.tip) else { return Due::Now };
    let refresh = REFRESH.saturating_sub(now.duration_since(last.made));
    if refresh.is_zero() {
        return Due::Now;
    }
    let look = LOOK.saturating_sub(now.duration_since(last.looked));
    if look.is_zero() && last.revision.pool != revision.pool {
        return Due::IfBetter;
    }
    Due::In(if look.is_zero() { refresh.min(LOOK) } else { refresh.min(look) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::hash::BlockHash;

    fn revision(tip: u8, pool: u64) -> TemplateRevision {
        TemplateRevision { tip: BlockHash::from_bytes([tip; 32]), pool }
    }

    #[test]
    fn a_tip_is_urgent_and_fees_can_wait() {
        let made = Instant::now();
        let after = |seconds| made + Duration::from_secs(seconds);
        let last = Last { revision: revision(1, 1), value: Amount::ZERO, made, looked: made };
        assert_eq!(due(None, revision(1, 1), made), Due::Now);
        assert_eq!(due(Some(&last), revision(2, 1), made), Due::Now);
        assert_eq!(due(Some(&last), revision(1, 1), made), Due::In(LOOK));
        assert_eq!(due(Some(&last), revision(1, 2), after(1)), Due::In(Duration::from_secs(4)));
        assert_eq!(due(Some(&last), revision(1, 2), after(5)), Due::IfBetter);
        assert_eq!(due(Some(&last), revision(1, 1), after(5)), Due::In(LOOK));
        assert_eq!(due(Some(&last), revision(1, 1), after(28)), Due::In(Duration::from_secs(2)));
        assert_eq!(due(Some(&last), revision(1, 1), after(30)), Due::Now);
    }
}
