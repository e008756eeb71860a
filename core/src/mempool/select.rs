//! Which transactions a block takes, and in which order: packages by the rate that they pay together.
//!
//! A transaction's package is it and its ancestors that are not taken yet. The package with the highest rate is taken first, so that a
//! child that pays well brings its parents in; then its other descendants need pay for less, and their packages count anew. What
//! counts is either what was paid, or what the node's operator makes of it; by the latter, a package below zero stays out. Every
//! transaction is looked at once and again for each package among its at most 25 relatives, so n of them cost O(n log n).

use alloc::collections::{BTreeSet, BinaryHeap};
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::entry::{Package, Sequence};
use super::graph::Graph;
use crate::units::FeeRate;

/// A transaction that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) sequence: Sequence,
    /// The rate of the package with which it was taken.
    pub(super) package_rate: FeeRate,
}

/// Which fees count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fees {
    /// What transactions pay: all that others can see.
    Paid,
    /// What they are worth to this node.
    Modified,
}

/// Chooses among these transactions, given in rising order and all ancestors included, as many as fit. Each comes after its ancestors.
pub(super) fn select(graph: &Graph, among: Vec<Sequence>, fees: Fees, space_bytes: u64) -> Vec<Selected> {
    Selection::new(graph, among, fees).run(space_bytes)
}

struct Selection<'a> {
    graph: &'a Graph,
    fees: Fees,
    sequences: Vec<Sequence>,
    states: Vec<State>,
    /// The best package first; among equals the one whose last transaction came first. May hold packages as they once were.
    heap: BinaryHeap<(FeeRate, Reverse<usize>)>,
}

#[derive(Clone, Copy)]
struct State {
    /// The transaction with those of its ancestors that are not taken.
    package: Package,
    rate: FeeRate,
    is_done: bool,
}

impl<'a> Selection<'a> {
    fn new(graph: &'a Graph, sequences: Vec<Sequence>, fees: Fees) -> Self {
        debug_assert!(sequences.is_sorted(), "places are found by bisection");
        let state = |sequence: &Sequence| State::new(*graph.entry(*sequence).ancestors(), fees);
        let states: Vec<_> = sequences.iter().map(state).collect();
        let heap = states.iter().enumerate().map(|(place, state)| (state.rate, Reverse(place))).collect();
        Self { graph, fees, sequences, states, heap }
    }

    fn run(mut self, mut space_bytes: u64) -> Vec<Selected> {
        let mut selected = Vec::new();
        while let Some((rate, Reverse(place))) = self.heap.pop() {
            let state = self.states[place];
            if state.is_done || state.rate != rate {
                continue;
            }
            if self.fees == Fees::Modified && state.package.modified_fees < 0 {
                // It is looked at again when something else has taken what makes it so.
                continue;
            }
            if state.package.size_bytes > space_bytes {
                // Neither does it fit later: space only shrinks, and so does the package only by what is taken for others.
                continue;
            }
            space_bytes -= state.package.size_bytes;
            let package = self.package(place);
            for sequence in &package {
                selected.push(Selected { sequence: *sequence, package_rate: rate });
            }
            self.take(&package);
        }
        selected
    }

    /// The transaction and those of its ancestors that are not taken, in order.
    fn package(&self, place: usize) -> Vec<Sequence> {
        if self.states[place].package.count == 1 {
            return alloc::vec![self.sequences[place]];
        }
        let all = self.graph.with_ancestors(&[self.sequences[place]]);
        self.graph.in_order(
            all.into_iter().filter(|sequence| self.place(*sequence).is_some_and(|at| !self.states[at].is_done)),
        )
    }

    /// Marks a package as taken and lets its descendants count anew.
    fn take(&mut self, package: &[Sequence]) {
        for sequence in package {
            let place = self.place(*sequence).expect("what is taken was to choose from");
            self.states[place].is_done = true;
        }
        let mut changed = BTreeSet::new();
        for sequence in package {
            let children = self.graph.children(*sequence);
            if children.is_empty() {
                continue;
            }
            let own = self.graph.entry(*sequence).own();
            for descendant in self.graph.with_descendants(children) {
                if let Some(place) = self.place(descendant).filter(|place| !self.states[*place].is_done) {
                    self.states[place] = State::new(self.states[place].package.minus(own), self.fees);
                    changed.insert(place);
                }
            }
        }
        self.heap.extend(changed.into_iter().map(|place| (self.states[place].rate, Reverse(place))));
    }

    fn place(&self, sequence: Sequence) -> Option<usize> {
        self.sequences.binary_search(&sequence).ok()
    }
}

impl State {
    fn new(package: Package, fees: Fees) -> Self {
        let rate = match fees {
            Fees::Paid => package.fee_rate(),
            Fees::Modified => package.modified_fee_rate(),
        };
        Self { package, rate, is_done: false }
    }
}
