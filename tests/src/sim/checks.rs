//! What must hold at the end of a run. What must hold at each step is checked where it could break: in `shell` and `chain`.

use std::collections::BTreeMap;

use qbtc_core::hash::BlockHash;
use qbtc_core::units::Height;

use super::report::{Failure, Report};
use super::scenario::Scenario;
use super::world::{CALM_MS, World};

/// How long a block may take to the last honest node when nothing goes wrong: twice the spacing, and with liars about.
const SPREAD_MS_MAX: u64 = 2 * 1_000 * Scenario::SPACING_S as u64;
/// How long after the troubles the network may take to become calm.
const SETTLE_MS: u64 = 5 * 60_000;

impl World {
    /// Checks the end of the run, and reports.
    pub(super) fn end(mut self) -> Result<Report, Box<Failure>> {
        if self.failure.is_none() {
            self.check_end();
        }
        self.report.trace = self.trace.hash();
        self.report.events = self.trace.events();
        self.report.virtual_ms = self.now_ms;
        match self.failure {
            None => Ok(self.report),
            Some(what) => Err(Box::new(Failure { what, scenario: self.scenario, last: self.trace.to_string() })),
        }
    }

    fn check_end(&mut self) {
        let tip = self.nodes[0].chain.state.tip();
        self.check_agreement();
        if self.failure.is_some() {
            return;
        }
        self.report.height = self.nodes[0].chain.state.height().0;
        self.check_coins(&tip);
        self.check_spread(&tip);
        for at in 0..self.scenario.nodes {
            if !self.nodes[at].announced.is_empty() {
                self.fail(format!("node {at} has never judged some of what it was told of"));
            }
        }
    }

    /// All honest nodes stand at one tip, the one with the most work that any of them has in full.
    fn check_agreement(&mut self) {
        let honest = || self.nodes[..self.scenario.nodes].iter().enumerate();
        let most = honest().map(|(_, node)| node.chain.tree.best_complete().work()).max();
        let behind: Vec<String> = honest()
            .filter(|(_, node)| Some(node.chain.state.work()) < most)
            .map(|(at, node)| format!("{at} at {}", node.chain.state.height().0))
            .collect();
        let tips: std::collections::BTreeSet<BlockHash> = honest().map(|(_, node)| node.chain.state.tip()).collect();
        if !behind.is_empty() {
            self.fail(format!("nodes that do not have the chain with the most work: {}", behind.join(", ")));
        } else if tips.len() > 1 {
            self.fail(format!("honest nodes stand at {} tips of equal work", tips.len()));
        }
    }

    /// The whole chain is valid when it is verified anew, and each honest node has exactly the coins that it leaves.
    fn check_coins(&mut self, tip: &BlockHash) {
        match self.library.replay(tip) {
            Err(error) => self.fail(format!("the chain that all agree on is not valid: {error}")),
            Ok(coins) => {
                if let Some(at) = (0..self.scenario.nodes).find(|at| self.nodes[*at].chain.coins != coins) {
                    self.fail(format!("node {at} has other coins than its chain leaves"));
                }
            }
        }
    }

    /// Each block of the best chain that was found when all was calm has reached all honest nodes, and soon. If another block of its height
    /// was found, the next block has to decide between them first.
    fn check_spread(&mut self, tip: &BlockHash) {
        let calm_from = self.scenario.minutes * 60_000 + SETTLE_MS;
        const { assert!(SETTLE_MS < CALM_MS, "blocks are found when all is calm") };
        let mut of_height: BTreeMap<Height, usize> = BTreeMap::new();
        for block in self.spread.keys().filter_map(|id| self.library.body(id)) {
            *of_height.entry(block.coinbase().height).or_default() += 1;
        }
        let (mut id, mut decided_ms, mut late) = (*tip, self.now_ms, None);
        while let Some(block) = self.library.body(&id)
            && let Some(spread) = self.spread.get(&id).filter(|spread| spread.found_ms >= calm_from)
        {
            let is_alone = of_height.get(&block.coinbase().height) == Some(&1);
            let from_ms = if is_alone { spread.found_ms } else { decided_ms };
            if is_alone {
                self.report.spread_ms.push(spread.last_ms - spread.found_ms);
            }
            if spread.nodes < self.scenario.nodes || spread.last_ms > from_ms + SPREAD_MS_MAX {
                late = Some((id, spread.last_ms - spread.found_ms, spread.nodes));
            }
            (id, decided_ms) = (block.header().parent, spread.found_ms);
        }
        self.report.spread_ms.sort_unstable();
        if let Some((id, took_ms, nodes)) = late {
            self.fail(format!(
                "block {id} took {took_ms} ms to {nodes} of {} honest nodes, though all was calm: at most {SPREAD_MS_MAX} ms \
                 are allowed",
                self.scenario.nodes
            ));
        }
    }
}
