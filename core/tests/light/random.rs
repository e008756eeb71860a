//! Peers that answer anything, in any order: the client never stops, never believes what is false, and finds the truth once somebody tells it.

use std::sync::OnceLock;

use proptest::prelude::*;
use qbtc_core::commit::merkle;
use qbtc_core::hash::MerkleRoot;
use qbtc_core::net::{LightAnswer, LightQuestion, Unavailable};
use qbtc_core::sync::light::{Input, Outcome, Query, QueryId};
use qbtc_core::units::Work;

use super::node::{FullNode, address, clock, payment, spec};
use super::scene::{Reply, Scene, shared};
use crate::support::{random::Random, test};

/// Blocks that pay address 1, in the chain with the most work.
const PAID: [u32; 3] = [7, 60, 118];

/// The chain with the most work, and one that leaves it and has less.
fn chains() -> (FullNode, FullNode) {
    static CHAINS: OnceLock<(FullNode, FullNode)> = OnceLock::new();
    let made = CHAINS.get_or_init(|| {
        let mut node = FullNode::new(&spec());
        for height in 1..=120 {
            let transactions = if height == 60 { vec![payment(address(2), 1)] } else { Vec::new() };
            node.mine(if PAID.contains(&height) { 1 } else { 99 }, 10, transactions);
        }
        let mut other = node.cut(50);
        for _ in 0..40 {
            other.mine(1, 10, Vec::new());
        }
        (node, other)
    });
    made.clone()
}

/// What a liar makes of a question, by chance.
fn reply(
    random: &mut Random,
    question: &LightQuestion,
    honest: &LightAnswer,
    other: &FullNode,
    before: &mut Vec<LightAnswer>,
) -> Reply {
    let spec = &other.spec;
    before.push(honest.clone());
    match random.below(12) {
        0 => Reply::Silence,
        1 => Reply::End,
        2 => Reply::Junk,
        3 => other.answer(question).map_or(Reply::End, Reply::Answer),
        4 => Reply::Answer(before[random.below(before.len())].clone()),
        5 => {
            let why = [Unavailable::OtherChain, Unavailable::NotHere, Unavailable::Busy];
            Reply::Answer(LightAnswer::Unavailable(why[random.below(3)]))
        }
        6 => match honest {
            LightAnswer::Tip(tip) => {
                let work = [Work::from(1), Work::from(1 << 40), Work::from_be_bytes(&[0xff; 32])];
                Reply::Answer(LightAnswer::Tip(qbtc_core::net::LightTip { work: work[random.below(3)], ..*tip }))
            }
            LightAnswer::Headers(headers) => {
                let kept = random.below(headers.len() + 1);
                Reply::Answer(LightAnswer::Headers(headers[..kept].to_vec()))
            }
            LightAnswer::Filters(filters) => {
                let kept = random.below(filters.len() + 1);
                Reply::Answer(LightAnswer::Filters(filters[kept..].to_vec()))
            }
            _ => Reply::Honest,
        },
        // Any byte another one.
        7 | 8 => {
            let mut bytes = honest.to_bytes();
            let place = random.below(bytes.len());
            bytes[place] ^= 1 << random.below(8);
            LightAnswer::from_bytes(&bytes, spec).map_or(Reply::Junk, Reply::Answer)
        }
        _ => Reply::Honest,
    }
}

fn play(seed: u64) {
    let (node, other) = chains();
    let mut random = Random::new(seed);
    let mut scene = Scene::new(&node.spec, clock(&node).saturating_add(40));
    let (honest, fake) = (shared(node.clone()), shared(other));
    for number in 0..1 + random.below(5) {
        let mut chance = Random::new(seed ^ (number as u64) << 32);
        let (seen, mut before) = (fake.borrow().clone(), Vec::new());
        let chain = if random.below(3) == 0 { &fake } else { &honest };
        scene.peer(chain, move |question, answer| reply(&mut chance, question, answer.unwrap(), &seen, &mut before));
    }
    scene.watch(&[address(1)], 0);
    let txid = node.blocks[60].transactions[0].txid();
    for number in 0..4 {
        scene.tell(Input::Query { query: QueryId(number), what: Query::Transaction { txid } });
        scene.run();
        scene.wait(500 + 1_000 * random.below(20) as u64);
        check(&scene, &node, txid);
    }
    // With a true peer, and a new block on the true chain, all is well.
    honest.borrow_mut().grow(2);
    scene.honest(&honest);
    for _ in 0..40 {
        scene.wait(10_000);
        check(&scene, &node, txid);
        if scene.tip() == honest.borrow().tip() && scene.client.scanned() == Some(scene.client.tip().mark) {
            break;
        }
    }
    assert_eq!(scene.tip(), honest.borrow().tip(), "seed {seed}");
    assert_eq!(scene.client.scanned().map(|mark| mark.id), Some(scene.tip()), "seed {seed}");
    assert_eq!(scene.found_heights(), PAID, "seed {seed}");
    let before = scene.client.save();
    assert!(!before.is_empty());
}

/// Nothing that is false was said.
fn check(scene: &Scene, node: &FullNode, txid: qbtc_core::hash::Txid) {
    let pow = node.spec.consensus().pow;
    for (tip, _) in &scene.tips {
        assert!(pow.check_work(&tip.header).is_ok());
    }
    for found in &scene.found {
        let leaves = found.block.leaves().iter().map(|leaf| leaf.to_bytes()).collect();
        assert_eq!(MerkleRoot::from_bytes(merkle::root(leaves).unwrap()), found.block.header.merkle_root);
        assert_eq!(found.block.id(), found.mark.id);
    }
    for outcome in scene.answered.values() {
        match outcome {
            Outcome::Transaction(proven) => {
                assert_eq!((proven.value.txid(), proven.block.id), (txid, node.id(60)));
                assert_eq!(proven.proof.check_transaction(&proven.value), Ok(proven.block));
            }
            Outcome::Waiting(body) => assert_eq!(body.txid(), txid),
            Outcome::Failed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    // Interpreted code takes its time.
    #![proptest_config(ProptestConfig::with_cases(if cfg!(target_arch = "wasm32") { 8 } else { 48 }))]

    #[test]
    fn lies_of_any_kind_lead_to_no_false_fact(seed: u64) {
        play(seed);
    }
}
