//! A light client while a command runs: waits with an end, and says why nothing came.

use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::{
    EclipseSign, Event, Input, Outcome, PEERS_WANTED, Phase, Query, QueryId, STALE_SPACINGS, Warnings,
};

use crate::cli::failure::NoChainShown;
use crate::cli::output::note;
use crate::light::{Light, LightOptions, Resumed};

/// How long further nodes are waited for, once one has shown the chain.
const MORE_NODES_TIME: Duration = Duration::from_secs(2);

/// The client, and how long it may take.
pub(super) struct Session {
    pub(super) light: Light,
    pub(super) options: LightOptions,
    pub(super) is_json: bool,
    timeout: Duration,
    deadline: Instant,
    last_query: u64,
}

impl Session {
    pub(super) fn start(options: &LightOptions, timeout: Duration, is_json: bool) -> anyhow::Result<Self> {
        let light = Light::start(options)?;
        if let Resumed::Useless(why) = light.resumed() {
            note(&format_args!("starting anew: {why}"));
        }
        let deadline = Instant::now() + timeout;
        Ok(Self { light, options: options.clone(), is_json, timeout, deadline, last_query: 0 })
    }

    /// Something long goes on: it is over only when that stops.
    pub(super) fn goes_on(&mut self) {
        self.deadline = Instant::now() + self.timeout;
    }

    pub(super) fn spec(&self) -> &ChainSpec {
        &self.options.spec
    }

    /// Waits for the next event. `None`, when the time is up.
    pub(super) async fn next(&mut self) -> Option<Event> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        tokio::time::timeout(left, self.light.next()).await.ok()
    }

    /// Waits until a tip is proven, and a little for further nodes to say whether they know a better one.
    pub(super) async fn tip(&mut self) -> anyhow::Result<()> {
        while !self.has_tip() {
            if self.next().await.is_none() {
                return Err(self.why_nothing());
            }
        }
        let wanted = PEERS_WANTED.min(self.options.nodes.len());
        let until = self.light.age() + MORE_NODES_TIME;
        while self.light.client().status().peers < wanted || !self.has_tip() {
            let left = until.saturating_sub(self.light.age());
            if left.is_zero() || tokio::time::timeout(left, self.next()).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn has_tip(&self) -> bool {
        matches!(self.light.client().status().phase, Phase::Scanning | Phase::Live)
    }

    /// Asks something and waits for the outcome.
    pub(super) async fn query(&mut self, what: Query) -> anyhow::Result<Outcome> {
        self.last_query += 1;
        let asked = QueryId(self.last_query);
        self.light.tell(Input::Query { query: asked, what });
        loop {
            match self.next().await {
                Some(Event::Answered { query, outcome }) if query == asked => return Ok(outcome),
                Some(_) => {}
                None => bail!("no answer in time; say with --timeout how long to wait"),
            }
        }
    }

    pub(super) fn save(&self) -> anyhow::Result<()> {
        Ok(self.light.save()?)
    }

    /// Why there is no tip.
    pub(super) fn why_nothing(&self) -> anyhow::Error {
        let status = self.light.client().status();
        let unreachable: Vec<String> =
            self.light.unreachable().iter().map(|(address, why)| format!("{address}: {why}")).collect();
        let sentence = match status.phase {
            Phase::Connecting if unreachable.is_empty() => {
                "no node has answered in time; say with --timeout how long to wait, or name others with --peer"
                    .to_owned()
            }
            Phase::Connecting => format!("no node can be asked: {}", unreachable.join("; ")),
            Phase::Proving | Phase::SyncingHeaders => {
                format!("{} nodes are there, but none has shown its chain in time", status.peers)
            }
            Phase::Scanning | Phase::Live => {
                return anyhow!("not done in time; say with --timeout how long to wait");
            }
        };
        NoChainShown(sentence).into()
    }

    /// What whoever decides about money should know, in sentences.
    pub(super) fn warnings(&self) -> Vec<String> {
        let Warnings { eclipse, is_stale, withheld } = self.light.client().status().warnings;
        let nodes = self.light.client().status().peers;
        let eclipse = eclipse.map(|sign| match sign {
            EclipseSign::FewPeers => format!(
                "possible eclipse: {nodes} of at least {PEERS_WANTED} nodes answer; if they are one person's, a better chain may be hidden"
            ),
            EclipseSign::OneGroup => {
                "possible eclipse: all nodes are in one network, and may be one person's".to_owned()
            }
            EclipseSign::LessWork => {
                "possible eclipse: all nodes claim less work than the chain is known to have".to_owned()
            }
        });
        let stale = is_stale.then(|| format!("stale: the tip is older than {STALE_SPACINGS} blocks usually take"));
        let withheld = withheld.map(|height| format!("withheld: no node gives what is needed about block {height}"));
        [eclipse, stale, withheld].into_iter().flatten().collect()
    }
}
