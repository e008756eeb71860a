//! The transactions of a pool, who spends whom, and the sums over relatives.
//!
//! Invariants: no two transactions spend one coin; sums and indices are those that a recount would give; whoever has a parent here is
//! its child there. The graph does not know policy: whoever inserts has checked that the limits hold, which bound every walk here.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;

use hashbrown::HashMap;

use super::entry::{Arrival, MempoolEntry, Package, Sequence};
use crate::hash::{Txid, Wtxid};
use crate::tx::{OutPoint, TxBody};
use crate::units::{FeeRate, Height};
use crate::verify::ResolvedTx;

/// The transactions.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    nodes: BTreeMap<Sequence, Node>,
    by_txid: HashMap<Txid, Sequence>,
    by_wtxid: HashMap<Wtxid, Sequence>,
    spenders: HashMap<OutPoint, Sequence>,
    /// What would be given up first comes first: the lowest rate, among equals the last to come.
    by_keep_rate: BTreeSet<(FeeRate, Reverse<Sequence>)>,
    by_expiry: BTreeSet<(Height, Sequence)>,
    size_bytes: u64,
    usage_bytes: u64,
}

#[derive(Clone, Debug)]
struct Node {
    entry: MempoolEntry,
    /// Sorted, each once.
    parents: Vec<Sequence>,
    /// Sorted, each once.
    children: Vec<Sequence>,
}

const NAMES_A_NODE: &str = "a sequence of the graph names one of its nodes";

impl Graph {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn usage_bytes(&self) -> u64 {
        self.usage_bytes
    }

    /// The entries in the order of arrival.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &MempoolEntry> {
        self.nodes.values().map(|node| &node.entry)
    }

    /// The entries that came after this one, in the order of arrival.
    pub(super) fn entries_after(&self, sequence: Sequence) -> impl Iterator<Item = &MempoolEntry> {
        let after = (core::ops::Bound::Excluded(sequence), core::ops::Bound::Unbounded);
        self.nodes.range(after).map(|(_, node)| &node.entry)
    }

    /// The first to come.
    pub(super) fn oldest(&self) -> Option<&MempoolEntry> {
        self.nodes.first_key_value().map(|(_, node)| &node.entry)
    }

    pub(super) fn entry(&self, sequence: Sequence) -> &MempoolEntry {
        &self.node(sequence).entry
    }

    pub(super) fn by_txid(&self, txid: &Txid) -> Option<Sequence> {
        self.by_txid.get(txid).copied()
    }

    pub(super) fn by_wtxid(&self, wtxid: &Wtxid) -> Option<Sequence> {
        self.by_wtxid.get(wtxid).copied()
    }

    /// Who spends a coin.
    pub(super) fn spender(&self, outpoint: &OutPoint) -> Option<Sequence> {
        self.spenders.get(outpoint).copied()
    }

    pub(super) fn parents(&self, sequence: Sequence) -> &[Sequence] {
        &self.node(sequence).parents
    }

    pub(super) fn children(&self, sequence: Sequence) -> &[Sequence] {
        &self.node(sequence).children
    }

    /// The transactions here whose outputs a transaction spends: sorted, each once.
    pub(super) fn parents_of(&self, body: &TxBody) -> Vec<Sequence> {
        let mut parents: Vec<_> = body.inputs.iter().filter_map(|outpoint| self.by_txid(&outpoint.txid)).collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    }

    /// These and all their ancestors.
    pub(super) fn with_ancestors(&self, of: &[Sequence]) -> BTreeSet<Sequence> {
        self.walk(of, |node| &node.parents)
    }

    /// These and all their descendants.
    pub(super) fn with_descendants(&self, of: &[Sequence]) -> BTreeSet<Sequence> {
        self.walk(of, |node| &node.children)
    }

    /// The same transactions, each after all of its ancestors: an ancestor has strictly fewer ancestors of its own.
    pub(super) fn in_order(&self, of: impl IntoIterator<Item = Sequence>) -> Vec<Sequence> {
        let mut ordered: Vec<_> = of.into_iter().collect();
        ordered.sort_unstable_by_key(|sequence| (self.entry(*sequence).ancestors.count, *sequence));
        ordered
    }

    /// Every transaction with its [`MempoolEntry::keep_rate`], the first to give up first.
    pub(super) fn by_keep_rate(&self) -> impl Iterator<Item = (FeeRate, Sequence)> {
        self.by_keep_rate.iter().map(|(rate, Reverse(sequence))| (*rate, *sequence))
    }

    /// A transaction that no block of this height may hold any more.
    pub(super) fn expired_at(&self, height: Height) -> Option<Sequence> {
        self.by_expiry.first().filter(|(expiry, _)| *expiry < height).map(|(_, sequence)| *sequence)
    }

    /// Adds a transaction that nobody here spends from: O(ancestors).
    pub(super) fn insert(&mut self, resolved: ResolvedTx, fee_delta: i64, arrival: Arrival) {
        let (tx, sequence, own) = (resolved.tx(), arrival.sequence, Package::of(&resolved, fee_delta));
        let parents = self.parents_of(tx.body());
        let mut above = Package::default();
        for ancestor in self.with_ancestors(&parents) {
            above = above.plus(self.entry(ancestor).own());
            self.change(ancestor, |entry| entry.descendants = entry.descendants.plus(own));
        }
        for parent in &parents {
            let children = &mut self.node_mut(*parent).children;
            let place = children.partition_point(|child| *child < sequence);
            children.insert(place, sequence);
        }
        self.by_txid.insert(tx.txid(), sequence);
        self.by_wtxid.insert(tx.wtxid(), sequence);
        self.spenders.extend(tx.body().inputs.iter().map(|outpoint| (*outpoint, sequence)));
        if tx.body().expiry_height != Height::GENESIS {
            self.by_expiry.insert((tx.body().expiry_height, sequence));
        }
        let entry = MempoolEntry::new(resolved, fee_delta, arrival, above);
        self.size_bytes += own.size_bytes;
        self.usage_bytes += entry.usage_bytes();
        self.by_keep_rate.insert((entry.keep_rate(), Reverse(sequence)));
        self.nodes.insert(sequence, Node { entry, parents, children: Vec::new() });
    }

    /// Takes out a transaction without parents (it was mined) or without children (nothing depends on it): O(relatives).
    pub(super) fn remove(&mut self, sequence: Sequence) -> MempoolEntry {
        let Node { entry, parents, children } = self.nodes.remove(&sequence).expect(NAMES_A_NODE);
        debug_assert!(parents.is_empty() || children.is_empty(), "relatives would lose each other");
        let own = entry.own();
        for ancestor in self.with_ancestors(&parents) {
            self.change(ancestor, |entry| entry.descendants = entry.descendants.minus(own));
        }
        for descendant in self.with_descendants(&children) {
            let ancestors = &mut self.node_mut(descendant).entry.ancestors;
            *ancestors = ancestors.minus(own);
        }
        parents.iter().for_each(|parent| self.node_mut(*parent).children.retain(|child| *child != sequence));
        children.iter().for_each(|child| self.node_mut(*child).parents.retain(|parent| *parent != sequence));
        let tx = entry.tx();
        self.by_txid.remove(&tx.txid());
        self.by_wtxid.remove(&tx.wtxid());
        for outpoint in &tx.body().inputs {
            self.spenders.remove(outpoint);
        }
        self.by_expiry.remove(&(tx.body().expiry_height, sequence));
        self.by_keep_rate.remove(&(entry.keep_rate(), Reverse(sequence)));
        self.size_bytes -= own.size_bytes;
        self.usage_bytes -= entry.usage_bytes();
        entry
    }

    /// Takes out transactions with all their descendants, which are among them, the descendants first.
    pub(super) fn remove_all(&mut self, closed: impl IntoIterator<Item = Sequence>) -> Vec<MempoolEntry> {
        let ordered = self.in_order(closed);
        ordered.into_iter().rev().map(|sequence| self.remove(sequence)).collect()
    }

    /// Values a transaction otherwise: O(relatives).
    pub(super) fn set_fee_delta(&mut self, sequence: Sequence, fee_delta: i64) {
        let change = i128::from(fee_delta) - i128::from(self.entry(sequence).fee_delta);
        for descendant in self.with_descendants(&[sequence]) {
            let ancestors = &mut self.node_mut(descendant).entry.ancestors;
            *ancestors = ancestors.revalued(change);
        }
        for ancestor in self.with_ancestors(&[sequence]) {
            self.change(ancestor, |entry| {
                entry.descendants = entry.descendants.revalued(change);
                if ancestor == sequence {
                    entry.fee_delta = fee_delta;
                }
            });
        }
    }

    fn node(&self, sequence: Sequence) -> &Node {
        self.nodes.get(&sequence).expect(NAMES_A_NODE)
    }

    fn node_mut(&mut self, sequence: Sequence) -> &mut Node {
        self.nodes.get_mut(&sequence).expect(NAMES_A_NODE)
    }

    /// Changes what [`MempoolEntry::keep_rate`] is made of.
    fn change(&mut self, sequence: Sequence, change: impl FnOnce(&mut MempoolEntry)) {
        let entry = &mut self.node_mut(sequence).entry;
        let before = entry.keep_rate();
        change(entry);
        let after = entry.keep_rate();
        if before != after {
            self.by_keep_rate.remove(&(before, Reverse(sequence)));
            self.by_keep_rate.insert((after, Reverse(sequence)));
        }
    }

    fn walk(&self, of: &[Sequence], next: impl Fn(&Node) -> &Vec<Sequence>) -> BTreeSet<Sequence> {
        let mut found: BTreeSet<_> = of.iter().copied().collect();
        let mut open: Vec<_> = of.to_vec();
        while let Some(sequence) = open.pop() {
            open.extend(next(self.node(sequence)).iter().copied().filter(|relative| found.insert(*relative)));
        }
        found
    }
}
