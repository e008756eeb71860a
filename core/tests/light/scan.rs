//! What of the chain concerns a wallet: every block that matters, in order, each once, and nothing from those who lie.

use std::sync::OnceLock;

use qbtc_core::net::{Fault, LightAnswer, LightQuestion, Unavailable};
use qbtc_core::sync::light::{Input, KEPT_HEADERS, Leaving, Phase};
use qbtc_core::units::Height;

use super::node::{FullNode, address, clock, payment, spec};
use super::scene::{Reply, Scene, Shared, shared};
use crate::support::test;

/// Long enough that the first blocks lie below what is kept, in several segments.
const LONG: u32 = 2_300;
/// Blocks that pay address 1.
const PAID: [u32; 6] = [3, 4, 700, 1_999, 2_000, 2_290];

fn paying(heights: &[u32], count: u32) -> FullNode {
    let mut node = FullNode::new(&spec());
    for height in 1..=count {
        let miner = if heights.contains(&height) { 1 } else { 99 };
        node.mine(miner, super::node::SPACING_S, Vec::new());
    }
    node
}

/// The long chain, made once.
fn long() -> FullNode {
    static LONG_CHAIN: OnceLock<FullNode> = OnceLock::new();
    LONG_CHAIN.get_or_init(|| paying(&PAID, LONG)).clone()
}

fn three(scene: &mut Scene, node: &Shared) -> [u64; 3] {
    [1, 2, 3].map(|_| scene.honest(node))
}

#[test]
fn every_block_that_matters_comes_in_order() {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    three(&mut scene, &node);
    scene.watch(&[address(1)], 0);
    assert_eq!(scene.found_heights(), PAID);
    assert_eq!(scene.client.scanned().map(|mark| mark.height), Some(Height(LONG)));
    assert_eq!(scene.client.status().phase, Phase::Live);
    assert_eq!(scene.faults, []);
    let bodies: usize = scene
        .log
        .iter()
        .map(|(_, question)| match question {
            LightQuestion::Blocks { ids } => ids.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(bodies, PAID.len(), "only those that match are fetched");
    // From then on as they come.
    node.borrow_mut().mine(1, 10, vec![payment(address(1), 5)]);
    scene.wait(3_000);
    assert_eq!(scene.found_heights().last(), Some(&(LONG + 1)));
    assert_eq!(scene.found.last().unwrap().block.transactions.len(), 1);
}

#[test]
fn the_genesis_block_counts_where_the_birthday_is_before_it() {
    let node = paying(&[2], 10);
    for (birthday, expected) in [(0, vec![0, 2]), (1, vec![2]), (3, vec![])] {
        let mut scene = Scene::new(&node.spec, clock(&node));
        three(&mut scene, &shared(node.clone()));
        scene.watch(&[address(0), address(1)], birthday);
        assert_eq!(scene.found_heights(), expected);
    }
}

/// The gap limit: an address that the wallet makes when it sees a block is looked for from that block on, without going back.
#[test]
fn addresses_that_a_block_brings_are_looked_for_at_once() {
    let mut node = paying(&[5], 10);
    node.mine(2, 10, Vec::new());
    node.grow(1);
    node.mine(3, 10, Vec::new());
    node.grow(400);
    let mut scene = Scene::new(&node.spec, clock(&node));
    scene.grows.insert(node.id(5), vec![address(2)]);
    scene.grows.insert(node.id(11), vec![address(3)]);
    three(&mut scene, &shared(node));
    scene.watch(&[address(1)], 1);
    assert_eq!(scene.found_heights(), [5, 11, 13]);
    assert_eq!(scene.rolled_back, []);
    assert_eq!(scene.asked_for(|question| matches!(question, LightQuestion::Filters { .. })), 1);
}

#[test]
fn nothing_comes_before_the_wallet_has_taken_the_last() {
    let node = paying(&[5, 6], 20);
    let mut scene = Scene::new(&node.spec, clock(&node));
    scene.takes = false;
    three(&mut scene, &shared(node));
    scene.watch(&[address(1)], 1);
    scene.wait(60_000);
    assert_eq!((scene.found_heights(), scene.client.scanned().map(|mark| mark.height)), (vec![5], None));
    // Another block's id takes nothing.
    scene.tell(Input::Taken { id: scene.tip(), addresses: Vec::new() });
    assert_eq!(scene.found_heights(), [5]);
    scene.take();
    scene.run();
    assert_eq!(scene.found_heights(), [5, 6]);
    scene.take();
    scene.run();
    assert_eq!(scene.client.scanned().map(|mark| mark.height), Some(Height(20)));
}

#[test]
fn an_address_that_mattered_earlier_is_looked_for_from_there() {
    let mut node = paying(&[400, 900], 1_000);
    node.mine(2, 10, Vec::new());
    let mut scene = Scene::new(&node.spec, clock(&node));
    three(&mut scene, &shared(node));
    scene.watch(&[address(2)], 300);
    assert_eq!(scene.found_heights(), [1_001]);
    // As far back as it must, or a little further.
    scene.watch(&[address(1)], 500);
    assert_eq!(scene.found_heights(), [400, 900, 1_001]);
    scene.watch(&[address(1)], 0);
    assert_eq!(scene.rolled_back.len(), 1, "it is known already");
    scene.watch(&[address(7)], 2_000);
    assert_eq!(scene.rolled_back.len(), 1, "it is yet to come");
}

#[test]
fn a_wallet_goes_on_from_where_it_stands() {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let marks: Vec<_> = [3, 600, 1_999]
        .map(|height| qbtc_core::chain::BlockMark { height: Height(height), id: node.id(height) })
        .to_vec();
    let other = qbtc_core::chain::BlockMark { height: Height(1_800), id: node.id(7) };
    let node = shared(node);
    three(&mut scene, &node);
    scene.scanned = marks.last().copied();
    scene.tell(Input::Scan { start: Height(0), marks: marks.clone(), addresses: vec![address(1)] });
    scene.run();
    assert_eq!((scene.found_heights(), scene.rolled_back.len()), (vec![2_000, 2_290], 0));
    // A wallet that was on another branch is told to go back to what holds.
    scene.found.clear();
    scene.scanned = Some(other);
    scene.tell(Input::Scan { start: Height(0), marks: vec![marks[0], marks[1], other], addresses: vec![address(1)] });
    scene.run();
    assert_eq!(scene.rolled_back, [Some(marks[1])]);
    assert_eq!(scene.found_heights(), [700, 1_999, 2_000, 2_290]);
}

#[test]
fn a_reorg_takes_back_what_was_found() {
    let node = paying(&[5, 28, 30], 30);
    let mut scene = Scene::new(&node.spec, clock(&node).saturating_add(100));
    let mut branch = node.cut(27);
    branch.grow(2);
    branch.mine(1, 10, Vec::new());
    branch.mine(1, 10, Vec::new());
    let fork = node.id(27);
    let node = shared(node);
    three(&mut scene, &node);
    scene.watch(&[address(1)], 1);
    assert_eq!(scene.found_heights(), [5, 28, 30]);
    *node.borrow_mut() = branch;
    scene.wait(3_000);
    assert_eq!(scene.rolled_back.iter().map(|to| to.map(|mark| mark.id)).collect::<Vec<_>>(), [Some(fork)]);
    assert_eq!(scene.found_heights(), [5, 30, 31]);
    assert_eq!(scene.found.last().unwrap().mark.id, node.borrow().tip());
}

#[test]
fn a_reorg_below_what_is_kept_takes_back_as_much_as_it_must() {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node).saturating_add(100));
    let mut branch = node.cut(LONG - KEPT_HEADERS - 20);
    for _ in 0..KEPT_HEADERS + 21 {
        branch.mine(98, 10, Vec::new());
    }
    let node = shared(node);
    three(&mut scene, &node);
    scene.watch(&[address(1)], 0);
    assert_eq!(scene.found_heights(), PAID);
    *node.borrow_mut() = branch;
    scene.wait(3_000);
    assert_eq!(scene.found_heights(), PAID[..3]);
    assert_eq!(scene.client.scanned().map(|mark| mark.id), Some(node.borrow().tip()));
}

/// What a liar does to one kind of answer; others answer truly.
fn lies(
    twist: impl Fn(&mut LightAnswer) + 'static,
) -> impl FnMut(&LightQuestion, Option<&LightAnswer>) -> Reply + 'static {
    move |_, honest| {
        let mut answer = honest.unwrap().clone();
        let before = answer.clone();
        twist(&mut answer);
        if answer == before { Reply::Honest } else { Reply::Answer(answer) }
    }
}

/// With two liars and one honest peer, whatever they do, the wallet sees the truth. Returns the liars' faults.
fn despite(twist: impl Fn(&mut LightAnswer) + Clone + 'static) -> Vec<Fault> {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    let liars = [scene.peer(&node, lies(twist.clone())), scene.peer(&node, lies(twist))];
    let honest = scene.honest(&node);
    scene.watch(&[address(1)], 0);
    scene.wait(30_000);
    assert_eq!(scene.found_heights(), PAID);
    assert_eq!(scene.client.scanned().map(|mark| mark.id), Some(node.borrow().tip()));
    assert_eq!(scene.faults_of(honest), []);
    liars.iter().flat_map(|liar| scene.faults_of(*liar)).collect()
}

/// Whether these are what both liars, or one of them, were blamed for, and nothing else.
fn is_all(faults: &[Fault], expected: &Fault) -> bool {
    !faults.is_empty() && faults.iter().all(|fault| fault == expected)
}

#[test]
fn a_forged_filter_is_found() {
    let faults = despite(|answer| {
        if let LightAnswer::Filters(filters) = answer {
            let other = filters[0].filter.clone();
            filters.iter_mut().for_each(|filter| filter.filter = other.clone());
        }
    });
    assert!(is_all(&faults, &Fault::FalseProof), "{faults:?}");
}

#[test]
fn another_blocks_commitments_are_found() {
    let faults = despite(|answer| {
        if let LightAnswer::Filters(filters) = answer {
            filters.reverse();
        }
    });
    assert!(is_all(&faults, &Fault::FalseProof), "{faults:?}");
}

#[test]
fn an_empty_filter_that_hides_a_payment_is_found() {
    let faults = despite(|answer| {
        if let LightAnswer::Filters(filters) = answer {
            filters.iter_mut().for_each(|filter| filter.filter = [0].into());
        }
    });
    assert!(is_all(&faults, &Fault::FalseProof), "{faults:?}");
}

#[test]
fn withheld_filters_and_blocks_come_from_others() {
    for is_blocks in [false, true] {
        let faults = despite(move |answer| match answer {
            LightAnswer::Filters(filters) if !is_blocks => filters.clear(),
            LightAnswer::Blocks(blocks) if is_blocks => blocks.clear(),
            _ => {}
        });
        assert!(is_all(&faults, &Fault::Withheld), "{faults:?}");
    }
    let faults = despite(|answer| {
        if matches!(answer, LightAnswer::Filters(_) | LightAnswer::Blocks(_) | LightAnswer::Block(_)) {
            *answer = LightAnswer::Unavailable(Unavailable::NotHere);
        }
    });
    assert_eq!(faults, [], "a node may have pruned");
}

#[test]
fn a_forged_body_is_found() {
    let faults = despite(|answer| {
        if let LightAnswer::Blocks(blocks) = answer {
            for block in blocks {
                // Another amount to the same address.
                let place = block.0.len() - 140;
                block.0[place] ^= 1;
            }
        }
    });
    assert!(is_all(&faults, &Fault::Body), "{faults:?}");
}

#[test]
fn forged_headers_and_places_are_found() {
    let faults = despite(|answer| {
        if let LightAnswer::Headers(headers) = answer
            && headers.len() > 1_000
        {
            headers[500].nonce ^= 1;
        }
    });
    assert!(is_all(&faults, &Fault::Unlinked), "{faults:?}");
    let node = paying(&[], 10);
    let faults = despite(move |answer| {
        if let LightAnswer::Block(proof) = answer {
            let LightAnswer::Block(other) =
                node.answer(&LightQuestion::Block { tip: node.tip(), height: Height(5) }).unwrap()
            else {
                return;
            };
            *proof = other;
        }
    });
    assert!(is_all(&faults, &Fault::FalseProof), "{faults:?}");
}

/// Somebody who names the true tip, and gives parts of a chain of his own, which has all the work that he could do.
#[test]
fn parts_of_another_chain_are_found() {
    let node = long();
    let mut other = node.cut(2_000);
    other.grow(LONG - 2_000);
    let own = other.clone();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    let tip = own.tip();
    let swaps = move |question: &LightQuestion, _: Option<&LightAnswer>| {
        let asked = match question.clone() {
            LightQuestion::Headers { start, count, .. } => LightQuestion::Headers { tip, start, count },
            LightQuestion::Block { height, .. } => LightQuestion::Block { tip, height },
            LightQuestion::Filters { start, count, .. } => LightQuestion::Filters { tip, start, count },
            _ => return Reply::Honest,
        };
        own.answer(&asked).map_or(Reply::Honest, Reply::Answer)
    };
    let liars = [scene.peer(&node, swaps.clone()), scene.peer(&node, swaps)];
    let honest = scene.honest(&node);
    scene.watch(&[address(1)], 1_990);
    scene.wait(60_000);
    assert_eq!(scene.found_heights(), PAID[3..]);
    assert_eq!(scene.faults_of(honest), []);
    assert!(liars.iter().any(|liar| scene.was_left(*liar) == Some(Leaving::Liar)), "{:?}", scene.faults);
}

#[test]
fn what_nobody_gives_is_said_and_never_passed_over() {
    let node = long();
    let hidden = node.id(700);
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    let hides = move |question: &LightQuestion, honest: Option<&LightAnswer>| match (question, honest) {
        (LightQuestion::Blocks { ids }, Some(LightAnswer::Blocks(blocks))) => {
            let shown = ids.iter().take_while(|id| **id != hidden).count();
            Reply::Answer(LightAnswer::Blocks(blocks[..shown].to_vec()))
        }
        _ => Reply::Honest,
    };
    for _ in 0..3 {
        scene.peer(&node, hides);
    }
    scene.watch(&[address(1)], 0);
    scene.wait(10_000);
    assert_eq!(scene.found_heights(), [3, 4]);
    assert_eq!(scene.client.status().warnings.withheld, Some(Height(700)));
    assert!(scene.client.scanned().unwrap().height < Height(700));
    // Somebody comes who has it.
    scene.honest(&node);
    scene.wait(10_000);
    assert_eq!(scene.found_heights(), PAID);
    assert_eq!(scene.client.status().warnings.withheld, None);
}

#[test]
fn junk_and_ended_questions_are_asked_of_others() {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    let is_part = |question: &LightQuestion| {
        !matches!(question, LightQuestion::Tip | LightQuestion::NextTip { .. } | LightQuestion::Work { .. })
    };
    let junk = scene.peer(&node, move |question, _| if is_part(question) { Reply::Junk } else { Reply::Honest });
    let ends = scene.peer(&node, move |question, _| if is_part(question) { Reply::End } else { Reply::Honest });
    scene.honest(&node);
    scene.watch(&[address(1)], 0);
    scene.wait(60_000);
    assert_eq!(scene.found_heights(), PAID);
    assert_eq!(scene.was_left(junk), Some(Leaving::Liar));
    assert!(scene.faults_of(ends).iter().all(|fault| *fault == Fault::Withheld));
}
