//! The tree against a naive model of it, on a chain whose work is trivial.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::chain::Path;
use crate::hash::MerkleRoot;
use crate::testing::test;

const NOW: BlockTime = BlockTime(1_795_300_000);
const DEV: &str = include_str!("../../spec/dev.toml");

fn spec() -> ChainSpec {
    ChainSpec::from_toml(&DEV.replace("0x1f00ffff", "0x207fffff")).unwrap()
}

fn spec_with_checkpoint(height: u32, id: BlockHash) -> ChainSpec {
    let point = alloc::format!("[[network.checkpoints]]\nheight = {height}\nid = \"{id}\"\n\n[consensus]");
    let text = DEV.replace("0x1f00ffff", "0x207fffff").replace("[consensus]", &point);
    ChainSpec::from_toml(&text).unwrap()
}

/// A child of this header: `label` makes it differ from its siblings.
fn child(parent: &Header, label: u32) -> Header {
    let mut merkle_root = [0; 32];
    merkle_root[..4].copy_from_slice(&label.to_le_bytes());
    let merkle_root = MerkleRoot::from_bytes(merkle_root);
    let time = BlockTime(parent.time.0 + 1);
    mine(Header { version: 1, parent: parent.id(), merkle_root, time, bits: parent.bits, nonce: 0 })
}

fn mine(mut header: Header) -> Header {
    while spec().consensus().pow.check_work(&header).is_err() {
        header.nonce += 1;
    }
    header
}

fn grow(tree: &mut HeaderTree, parent: &Header, blocks: u32, label: u32) -> Vec<Header> {
    let spec = spec();
    let chain = core::iter::successors(Some(*parent), |parent| Some(child(parent, label)));
    let headers: Vec<_> = chain.skip(1).take(blocks as usize).collect();
    for header in &headers {
        assert_eq!(tree.insert(*header, NOW, &spec), Ok(Inserted::New));
    }
    headers
}

fn ids(headers: &[Header]) -> Vec<BlockHash> {
    headers.iter().map(Header::id).collect()
}

#[test]
fn the_most_work_leads_and_ties_go_to_the_first_seen() {
    let (spec, genesis) = (spec(), spec().genesis().header);
    let mut tree = HeaderTree::new(&spec);
    let first = grow(&mut tree, &genesis, 2, 1);
    let second = grow(&mut tree, &genesis, 2, 2);
    assert_eq!(tree.best().id(), first[1].id());
    let longer = grow(&mut tree, &second[1], 1, 2);
    assert_eq!(tree.best().id(), longer[0].id());
    assert_eq!(tree.best().height(), Height(3));
    // At these bits each block stands for two hashes.
    assert_eq!(tree.best().work(), Work::from(8));
    assert_eq!(tree.insert(first[0], NOW, &spec), Ok(Inserted::Known));
    assert_eq!(tree.leaves().map(HeaderNode::id).collect::<Vec<_>>(), [first[1].id(), longer[0].id()]);
}

#[test]
fn headers_that_do_not_fit_are_refused_and_change_nothing() {
    let (spec, genesis) = (spec(), spec().genesis().header);
    let mut tree = HeaderTree::new(&spec);
    let chain = grow(&mut tree, &genesis, 12, 1);
    let orphan = child(&child(&chain[11], 1), 1);
    let unknown = InsertError::UnknownParent { id: orphan.id(), parent: orphan.parent };
    assert_eq!(tree.insert(orphan, NOW, &spec), Err(unknown));

    // The last eleven times are those of heights 2 to 12: the median is height 7's.
    let median = chain[6].time;
    assert_eq!(tree.median_time(&chain[11].id()), Some(median));
    let old = mine(Header { time: median, ..child(&chain[11], 1) });
    let error = HeaderError::TimeTooOld { found: median, median };
    assert_eq!(tree.insert(old, NOW, &spec), Err(InsertError::Header { id: old.id(), error }));
    let just_above = mine(Header { time: BlockTime(median.0 + 1), ..old });
    assert_eq!(tree.insert(just_above, NOW, &spec), Ok(Inserted::New));

    let bits = CompactBits(0x207f_fffe);
    let other = mine(Header { bits, ..child(&chain[11], 2) });
    let error = HeaderError::Difficulty { height: Height(13), found: bits, expected: genesis.bits };
    assert_eq!(tree.insert(other, NOW, &spec), Err(InsertError::Header { id: other.id(), error }));
    assert_eq!(tree.next_bits(&chain[11].id(), &spec), Ok(genesis.bits));
    assert_eq!(tree.len(), 14);
}

#[test]
fn checkpoints_hold_and_end_forks_below_them() {
    let genesis = spec().genesis().header;
    let mut anywhere = HeaderTree::new(&spec());
    let chain = grow(&mut anywhere, &genesis, 4, 1);
    let other = grow(&mut anywhere, &genesis, 4, 2);
    let spec = spec_with_checkpoint(3, chain[2].id());

    let mut tree = HeaderTree::new(&spec);
    // Before the checkpoint is reached nobody knows which branch leads to it.
    for header in [chain[0], chain[1], other[0], other[1]] {
        assert_eq!(tree.insert(header, NOW, &spec), Ok(Inserted::New));
    }
    let wrong = InsertError::Checkpoint { height: Height(3), found: other[2].id(), expected: chain[2].id() };
    assert_eq!(tree.insert(other[2], NOW, &spec), Err(wrong));
    assert_eq!(tree.insert(chain[2], NOW, &spec), Ok(Inserted::New));
    let below = InsertError::BelowCheckpoint { height: Height(2), checkpoint: Height(3) };
    assert_eq!(tree.insert(child(&chain[0], 3), NOW, &spec), Err(below));
    assert_eq!(tree.insert(chain[3], NOW, &spec), Ok(Inserted::New));
    assert_eq!(tree.insert(child(&chain[2], 3), NOW, &spec), Ok(Inserted::New));
}

#[test]
fn a_tree_grows_on_a_base() {
    let (spec, genesis) = (spec(), spec().genesis().header);
    let mut whole = HeaderTree::new(&spec);
    let chain = grow(&mut whole, &genesis, 30, 1);
    let below = whole.node(&chain[9].id()).unwrap().work();
    let base = Base { height: Height(11), work_below: below, headers: &chain[10..21] };
    let mut tree = HeaderTree::on_base(&base).unwrap();
    assert_eq!(tree.best_complete().id(), chain[20].id());
    for header in &chain[21..] {
        assert_eq!(tree.insert(*header, NOW, &spec), Ok(Inserted::New));
    }
    let (best, same) = (tree.best(), whole.best());
    assert_eq!((best.id(), best.height(), best.work()), (same.id(), same.height(), same.work()));
    assert_eq!(tree.ancestor(&chain[29].id(), Height(10)).map(HeaderNode::id), None);
    assert_eq!(tree.ancestor(&chain[29].id(), Height(11)).map(HeaderNode::id), Some(chain[10].id()));
    assert!(matches!(tree.insert(child(&chain[3], 2), NOW, &spec), Err(InsertError::UnknownParent { .. })));

    let short = Base { headers: &chain[10..20], ..base.clone() };
    assert_eq!(HeaderTree::on_base(&short).unwrap_err(), BaseError::TooFew { found: 10, expected: 11 });
    let mut headers = chain[10..21].to_vec();
    headers.remove(5);
    headers.push(chain[21]);
    let gap = Base { headers: &headers, ..base.clone() };
    assert_eq!(HeaderTree::on_base(&gap).unwrap_err(), BaseError::Unlinked { height: Height(16) });
    let high = Base { height: Height(u32::MAX - 9), ..base.clone() };
    assert_eq!(HeaderTree::on_base(&high).unwrap_err(), BaseError::Overflow);
    let heavy = Base { work_below: Work::from_be_bytes(&[0xff; 32]), ..base };
    assert_eq!(HeaderTree::on_base(&heavy).unwrap_err(), BaseError::Overflow);
}

#[test]
fn a_base_that_begins_too_late_cannot_tell_the_bits() {
    let rule = "difficulty = { rule = \"interval\", blocks = 16, clamp = 4 }";
    let text = DEV.replace("0x1f00ffff", "0x207fffff").replace("difficulty = { rule = \"fixed\" }", rule);
    let spec = ChainSpec::from_toml(&text).unwrap();
    let mut whole = HeaderTree::new(&spec);
    let mut tip = spec.genesis().header;
    let mut chain = vec![tip];
    for _ in 0..15 {
        tip = Header { bits: whole.next_bits(&tip.id(), &spec).unwrap(), ..child(&tip, 1) };
        tip = mine(tip);
        whole.insert(tip, NOW, &spec).unwrap();
        chain.push(tip);
    }
    let base = Base { height: Height(2), work_below: Work::ZERO, headers: &chain[2..] };
    let tree = HeaderTree::on_base(&base).unwrap();
    let error = BitsError::UnknownAncestor { height: Height(0) };
    assert_eq!(tree.next_bits(&tip.id(), &spec), Err(InsertError::Bits { parent: tip.id(), error }));
    assert!(whole.next_bits(&tip.id(), &spec).is_ok());
}

#[test]
fn locators_are_dense_at_the_tip_and_end_at_the_root() {
    let (spec, genesis) = (spec(), spec().genesis().header);
    let mut tree = HeaderTree::new(&spec);
    let chain = grow(&mut tree, &genesis, 200, 1);
    let locator = tree.locator(&chain[199].id());
    let heights: Vec<_> = locator.iter().map(|id| tree.node(id).unwrap().height().0).collect();
    assert_eq!(heights, [200, 199, 198, 197, 196, 195, 194, 193, 192, 191, 189, 185, 177, 161, 129, 65, 0]);
    // Somebody on a fork from height 150 learns of the highest block in the locator at or below it.
    let fork = grow(&mut tree, &chain[149], 3, 2);
    assert_eq!(tree.locate(&locator, &fork[2].id()).height(), Height(129));
    assert_eq!(tree.locate(&[BlockHash::ZERO], &fork[2].id()).height(), Height::GENESIS);
    let following = tree.following(&chain[128].id(), &fork[2].id(), 4);
    assert_eq!(following.iter().map(|node| node.id()).collect::<Vec<_>>(), ids(&chain[129..133]));
    assert!(tree.following(&chain[160].id(), &fork[2].id(), 4).is_empty());
    assert!(locator.len() <= HeaderTree::LOCATOR_IDS_MAX);
}

/// Bitcoin Core states 110 steps at most for 2^18 blocks (`GetSkipHeight`): about six for each bit of the distance.
#[test]
fn descents_take_logarithmic_steps() {
    let (spec, genesis) = (spec(), spec().genesis().header);
    let mut tree = HeaderTree::new(&spec);
    grow(&mut tree, &genesis, 4_096, 1);
    let steps = |height: u32| {
        let next = |place: &Place| {
            let is_above = tree[*place].height > Height(height);
            is_above.then(|| tree.step_towards(*place, Height(height)))
        };
        core::iter::successors(Some(tree.best), next).count() - 1
    };
    let worst = (0..4_096).map(steps).max().unwrap();
    assert!(worst <= 6 * 12, "{worst} steps");
}

/// Everything the tree can be asked, the slow way.
struct Model {
    /// Headers with the index of their parent, in the order of arrival.
    headers: Vec<(Header, usize)>,
    bodies: Vec<usize>,
    /// In the order in which their chains became complete.
    complete: Vec<usize>,
    invalid: Vec<usize>,
}

impl Model {
    fn chain(&self, index: usize) -> Vec<usize> {
        let mut chain = vec![index];
        while *chain.last().unwrap() != 0 {
            chain.push(self.headers[*chain.last().unwrap()].1);
        }
        chain.reverse();
        chain
    }

    fn is_invalid(&self, index: usize) -> bool {
        self.chain(index).iter().any(|below| self.invalid.contains(below))
    }

    fn add_body(&mut self, index: usize) {
        self.bodies.push(index);
        loop {
            let ready = |index: &usize| {
                let chain = self.chain(*index);
                !self.complete.contains(index) && chain.iter().all(|below| self.bodies.contains(below))
            };
            let mut news: Vec<_> = (0..self.headers.len()).filter(ready).collect();
            // Parents before children, and older branches before younger ones.
            news.sort_by_key(|index| self.chain(*index));
            if news.is_empty() {
                return;
            }
            self.complete.extend(news);
        }
    }

    /// All blocks of these weigh the same, so the longest is best; the first of several.
    fn best(&self, of: &[usize]) -> BlockHash {
        let valid = of.iter().rev().filter(|index| !self.is_invalid(**index));
        let best = valid.max_by_key(|index| self.chain(**index).len()).unwrap();
        self.headers[*best].0.id()
    }

    fn id(&self, index: usize) -> BlockHash {
        self.headers[index].0.id()
    }
}

/// A tree of random shape: each header's parent is one of the last few, or any.
fn random_tree(parents: &[(bool, prop::sample::Index)]) -> (HeaderTree, Model) {
    let spec = spec();
    let mut tree = HeaderTree::new(&spec);
    let mut model =
        Model { headers: vec![(spec.genesis().header, 0)], bodies: vec![0], complete: vec![0], invalid: Vec::new() };
    for ((is_near, choice), label) in parents.iter().zip(1..) {
        let known = model.headers.len();
        let parent = if *is_near { known - 1 - choice.index(known.min(3)) } else { choice.index(known) };
        let header = child(&model.headers[parent].0, label);
        assert_eq!(tree.insert(header, NOW, &spec), Ok(Inserted::New));
        model.headers.push((header, parent));
    }
    (tree, model)
}

fn check_ancestry(tree: &HeaderTree, model: &Model, a: usize, b: usize, blocks_max: usize) {
    let (chain_a, chain_b) = (model.chain(a), model.chain(b));
    let shared = chain_a.iter().zip(&chain_b).take_while(|(a, b)| a == b).count();
    let (id_a, id_b) = (model.id(a), model.id(b));
    assert_eq!(tree.fork(&id_a, &id_b).unwrap().id(), model.id(chain_a[shared - 1]));
    assert_eq!(tree.is_in_chain(&id_a, &id_b), shared == chain_a.len());
    for (index, height) in chain_a.iter().zip(0..) {
        assert_eq!(tree.ancestor(&id_a, Height(height)).unwrap().id(), model.id(*index));
    }
    // The whole way, and the same way in pieces.
    let disconnect: Vec<_> = chain_a[shared..].iter().rev().map(|index| model.id(*index)).collect();
    let connect: Vec<_> = chain_b[shared..].iter().map(|index| model.id(*index)).collect();
    let whole = tree.path(&id_a, &id_b, usize::MAX).unwrap();
    assert_eq!((&whole.disconnect, &whole.connect), (&disconnect, &connect));
    let (mut at, mut left, mut entered) = (id_a, Vec::new(), Vec::new());
    while at != id_b {
        let Path { fork, disconnect, connect, fork_height } = tree.path(&at, &id_b, blocks_max).unwrap();
        assert!((1..=blocks_max).contains(&(disconnect.len() + connect.len())));
        assert_eq!(tree.node(&fork).unwrap().height(), fork_height);
        at = *connect.last().unwrap_or(&fork);
        left.extend(disconnect);
        entered.extend(connect);
    }
    assert_eq!((left, entered), (disconnect, connect));
}

fn check_status(tree: &HeaderTree, model: &Model) {
    let all: Vec<_> = (0..model.headers.len()).collect();
    assert_eq!(tree.best().id(), model.best(&all));
    assert_eq!(tree.best_complete().id(), model.best(&model.complete));
    let best = all.iter().find(|index| model.id(**index) == tree.best().id()).unwrap();
    let missing = model.chain(*best).into_iter().filter(|index| !model.bodies.contains(index));
    let missing: Vec<_> = missing.map(|index| model.id(index)).collect();
    assert_eq!(tree.missing_bodies(usize::MAX, u32::MAX), missing);
    let few: Vec<_> = missing.iter().copied().take(2).collect();
    assert_eq!(tree.missing_bodies(2, u32::MAX), few);
    for index in all {
        let expected = match (model.is_invalid(index), model.complete.contains(&index)) {
            (true, _) => Status::Invalid,
            (false, true) => Status::Complete,
            (false, false) => Status::Incomplete,
        };
        assert_eq!(tree.node(&model.id(index)).unwrap().status(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn ancestry_agrees_with_the_model(
        parents in prop::collection::vec(any::<(bool, prop::sample::Index)>(), 1..80),
        pairs in prop::collection::vec(any::<[prop::sample::Index; 2]>(), 1..10),
        blocks_max in 1_usize..20,
    ) {
        let (tree, model) = random_tree(&parents);
        for [a, b] in pairs {
            let known = model.headers.len();
            check_ancestry(&tree, &model, a.index(known), b.index(known), blocks_max);
        }
    }

    #[test]
    fn status_agrees_with_the_model(
        parents in prop::collection::vec(any::<(bool, prop::sample::Index)>(), 1..30),
        events in prop::collection::vec((0_u8..8, any::<prop::sample::Index>()), 1..60),
    ) {
        let (mut tree, mut model) = random_tree(&parents);
        for (kind, choice) in events {
            let index = choice.index(model.headers.len());
            let id = model.id(index);
            match kind {
                0 if index == 0 => assert_eq!(tree.mark_invalid(&id), Err(TreeError::Root { id })),
                0 => {
                    tree.mark_invalid(&id).unwrap();
                    model.invalid.push(index);
                }
                1 => {
                    tree.reconsider(&id).unwrap();
                    let chain = model.chain(index);
                    let lowest = chain.iter().find(|below| model.invalid.contains(below)).copied().unwrap_or(index);
                    let spared = |marked: &usize| !model.chain(*marked).contains(&lowest);
                    model.invalid = model.invalid.iter().copied().filter(spared).collect();
                }
                _ if model.bodies.contains(&index) => tree.add_body(&id).unwrap(),
                _ => {
                    tree.add_body(&id).unwrap();
                    model.add_body(index);
                }
            }
            check_status(&tree, &model);
        }
        let unknown = BlockHash::ZERO;
        prop_assert_eq!(tree.add_body(&unknown), Err(TreeError::Unknown { id: unknown }));
        prop_assert_eq!(tree.mark_invalid(&unknown), Err(TreeError::Unknown { id: unknown }));
        prop_assert_eq!(tree.reconsider(&unknown), Err(TreeError::Unknown { id: unknown }));
    }
}
