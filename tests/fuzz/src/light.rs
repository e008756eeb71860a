//! A light client whose peers answer what the input says.
//!
//! Each answer takes bytes of the input: the first chooses, and others tell which part of it becomes what. In the end a true peer comes, the
//! true chain grows, and the client must have found it, with every block that matters and none else.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;

use qbtc_core::net::{LightAnswer, LightQuestion, LightTip, Unavailable};
use qbtc_core::sync::Moment;
use qbtc_core::sync::light::{At, Input, LightClient, Outcome, Query, QueryId};
use qbtc_core::units::Work;

use self::node::{FullNode, address, clock, payment, spec};
use self::scene::{Reply, Scene, shared};
use super::support;

#[allow(dead_code, reason = "the tests of core use the rest of it")]
#[path = "../../../core/tests/light/node.rs"]
mod node;
#[allow(dead_code, reason = "the tests of core use the rest of it")]
#[path = "../../../core/tests/light/scene.rs"]
mod scene;

/// Blocks that pay the wallet.
const PAID: [u32; 3] = [3, 20, 38];

/// The bytes that decide, shared by all peers.
type Bytes = Rc<RefCell<Vec<u8>>>;

/// Plays one input.
pub fn play(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    let (node, other) = chains();
    if *kind == 0xff {
        // A state from a disk that was not kind.
        let at = At { now: Moment(0), clock: clock(&node) };
        if let Ok(client) = LightClient::resume(spec(), [1; 32], rest, at) {
            assert_eq!(client.save(), rest);
        }
        return;
    }
    let bytes: Bytes = Rc::new(RefCell::new(rest.iter().rev().copied().collect()));
    let mut scene = Scene::new(&node.spec, clock(&node).saturating_add(40));
    let (honest, fake) = (shared(node.clone()), shared(other));
    for number in 0..1 + kind % 4 {
        let (bytes, seen) = (Rc::clone(&bytes), fake.borrow().clone());
        let chain = if kind >> number & 4 == 0 { &honest } else { &fake };
        scene.peer(chain, move |question, answer| {
            answer.map_or(Reply::End, |answer| reply(&bytes, question, answer, &seen))
        });
    }
    let txid = node.blocks[20].transactions[0].txid();
    scene.watch(&[address(1)], u32::from(kind >> 6));
    scene.tell(Input::Query { query: QueryId(1), what: Query::Transaction { txid } });
    for _ in 0..8 {
        scene.wait(u64::from(next(&bytes)) * 100);
    }
    bytes.borrow_mut().clear();
    honest.borrow_mut().grow(2);
    scene.honest(&honest);
    for _ in 0..40 {
        if scene.tip() == honest.borrow().tip() && scene.client.scanned() == Some(scene.client.tip().mark) {
            break;
        }
        scene.wait(10_000);
    }
    assert_eq!(scene.tip(), honest.borrow().tip());
    assert_eq!(scene.client.scanned().map(|mark| mark.id), Some(scene.tip()));
    assert_eq!(scene.found_heights(), PAID);
    if let Some(Outcome::Transaction(proven)) = scene.answered.get(&QueryId(1)) {
        assert_eq!((proven.value.txid(), proven.block.id), (txid, node.id(20)));
    }
}

/// The chain with the most work, and one that leaves it and has less.
fn chains() -> (FullNode, FullNode) {
    static CHAINS: OnceLock<(FullNode, FullNode)> = OnceLock::new();
    let made = CHAINS.get_or_init(|| {
        let mut node = FullNode::new(&spec());
        for height in 1..=40 {
            let transactions = if height == 20 { vec![payment(address(2), 1)] } else { Vec::new() };
            node.mine(if PAID.contains(&height) { 1 } else { 99 }, 10, transactions);
        }
        let mut other = node.cut(15);
        for _ in 0..15 {
            other.mine(1, 10, Vec::new());
        }
        (node, other)
    });
    made.clone()
}

/// The next byte; none left is like 255, which stands for the truth.
fn next(bytes: &Bytes) -> u8 {
    bytes.borrow_mut().pop().unwrap_or(0xff)
}

fn reply(bytes: &Bytes, question: &LightQuestion, honest: &LightAnswer, other: &FullNode) -> Reply {
    let choice = next(bytes);
    match choice {
        0 => Reply::Silence,
        1 => Reply::End,
        2 => Reply::Junk,
        3..=9 => other.answer(question).map_or(Reply::End, Reply::Answer),
        10 => Reply::Answer(LightAnswer::Unavailable(Unavailable::OtherChain)),
        11 => Reply::Answer(LightAnswer::Unavailable(Unavailable::NotHere)),
        12 => Reply::Answer(LightAnswer::Unavailable(Unavailable::Busy)),
        13..=20 => cut(honest, next(bytes)),
        // Some bytes of the true answer are others.
        21..=100 => {
            let mut encoded = honest.to_bytes();
            for _ in 0..1 + choice % 3 {
                let place = usize::from(u16::from_le_bytes([next(bytes), next(bytes)])) % encoded.len();
                encoded[place] = encoded[place].wrapping_add(next(bytes));
            }
            LightAnswer::from_bytes(&encoded, &other.spec).map_or(Reply::Junk, Reply::Answer)
        }
        // An answer of the input's own.
        101..=120 => {
            let length = usize::from(next(bytes));
            let own: Vec<u8> = (0..length).map(|_| next(bytes)).collect();
            LightAnswer::from_bytes(&own, &other.spec).map_or(Reply::Junk, Reply::Answer)
        }
        _ => Reply::Honest,
    }
}

/// Less than was asked for, or another claim.
fn cut(honest: &LightAnswer, byte: u8) -> Reply {
    let kept = |length: usize| usize::from(byte) % (length + 1);
    Reply::Answer(match honest {
        LightAnswer::Tip(tip) => LightAnswer::Tip(LightTip { work: Work::from(1 << (byte % 64)), ..*tip }),
        LightAnswer::Headers(all) => LightAnswer::Headers(all[..kept(all.len())].to_vec()),
        LightAnswer::Filters(all) => LightAnswer::Filters(all[kept(all.len())..].to_vec()),
        LightAnswer::Blocks(all) => LightAnswer::Blocks(all[..kept(all.len())].to_vec()),
        other => other.clone(),
    })
}
