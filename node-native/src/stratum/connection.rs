//! One miner's connection: carries lines, work and time between the socket and its [`Session`].

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use qbtc_core::lock::Address;

use super::lines::{LineError, Lines};
use super::maker::Rounds;
use super::server::Shared;
use super::session::{Difficulty, Farewell, Output, Reason, Session};
use crate::metrics::{ConnectionGuard, Interface, ShareOutcome};
use crate::slots::Slot;

/// A connection and all that belongs to it.
pub(super) struct Connection {
    shared: Arc<Shared>,
    lines: Lines,
    session: Session,
    rounds: Rounds,
    peer: SocketAddr,
    _slot: Slot,
    _counted: ConnectionGuard,
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    Left,
    Stopped,
    Farewell(Farewell),
    Line(LineError),
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, lines: Lines, rounds: Rounds, peer: SocketAddr, slot: Slot) -> Self {
        // Numbers that no other connection has, as long as four bytes can tell; another server has another tag.
        let [.., a, b, c, d] = shared.node.extranonce().to_be_bytes();
        let session = Session::new(Arc::clone(&shared.settings), [a, b, c, d], shared.now());
        let counted = shared.node.metrics().connection(Interface::Stratum);
        Self { shared, lines, session, rounds, peer, _slot: slot, _counted: counted }
    }

    /// Serves the miner until either side has enough.
    pub(super) async fn run(mut self) {
        tracing::debug!(peer = %self.peer, "a Stratum miner has connected");
        let end = self.serve().await;
        if !matches!(end, End::Left | End::Line(_)) {
            self.lines.close().await;
        }
        tracing::debug!(peer = %self.peer, "a Stratum miner is gone: {end}");
    }

    async fn serve(&mut self) -> End {
        let stopping = self.shared.node.stopping().clone();
        loop {
            let deadline = self.shared.began + self.session.deadline();
            tokio::select! {
                () = stopping.cancelled() => return End::Stopped,
                moved = self.rounds.changed() => match (moved, self.session.payout()) {
                    (Err(_), _) => return End::Stopped,
                    (Ok(()), Some(address)) => self.bring_work(address).await,
                    (Ok(()), None) => {}
                },
                line = self.lines.next() => match line {
                    Ok(Some(line)) => self.session.line(&line, self.shared.now()),
                    Ok(None) => return End::Left,
                    Err(error) => return End::Line(error),
                },
                () = tokio::time::sleep_until(deadline.into()) => self.session.tick(self.shared.now()),
            }
            if let Err(end) = self.settle().await {
                return end;
            }
        }
    }

    /// Does all that the session wants done.
    async fn settle(&mut self) -> Result<(), End> {
        let mut text = String::new();
        while let Some(output) = self.session.poll() {
            match output {
                Output::Line(line) => {
                    text.push_str(&line);
                    text.push('\n');
                }
                Output::Ready(address) => self.bring_work(address).await,
                Output::Accepted(difficulty) => self.count_share(difficulty),
                Output::Refused(reason) => self.shared.node.metrics().share(outcome(reason)),
                Output::Found(found) => {
                    if self.shared.found.send(found).await.is_err() {
                        return Err(End::Stopped);
                    }
                }
                Output::Close(farewell) => {
                    self.lines.send(&text).await.map_err(End::Line)?;
                    return Err(End::Farewell(farewell));
                }
            }
        }
        self.lines.send(&text).await.map_err(End::Line)
    }

    /// Gives the session the work of the newest round, if there is one that is not on an old tip. Otherwise one comes soon.
    async fn bring_work(&mut self, address: Address) {
        let tip = self.shared.node.template_revision().tip;
        let Some(round) = self.rounds.borrow_and_update().clone().filter(|round| round.parent() == tip) else { return };
        let made = match round.ready(&address) {
            Some(made) => made,
            None => self.shared.off_the_loop(move || round.work(&address)).await,
        };
        match made {
            Ok(work) => self.session.work(work),
            Err(error) => tracing::warn!(peer = %self.peer, %error, "no work for a Stratum miner"),
        }
    }

    fn count_share(&self, difficulty: Difficulty) {
        self.shared.node.metrics().share(ShareOutcome::Accepted);
        self.shared.count_hashes(difficulty.value() * Difficulty::HASHES);
    }
}

const fn outcome(reason: Reason) -> ShareOutcome {
    match reason {
        Reason::Stale => ShareOutcome::Stale,
        Reason::Duplicate => ShareOutcome::Duplicate,
        Reason::LowDifficulty => ShareOutcome::LowDifficulty,
        Reason::Invalid => ShareOutcome::Invalid,
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("it has left"),
            Self::Stopped => f.write_str("the node is stopping"),
            Self::Farewell(farewell) => farewell.fmt(f),
            Self::Line(error) => error.fmt(f),
        }
    }
}
