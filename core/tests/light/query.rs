//! What is asked once: facts with their proofs, words with their number, and nothing from those who lie.

use qbtc_core::hash::Txid;
use qbtc_core::net::{Fault, FoundTransaction, LightAnswer, LightQuestion};
use qbtc_core::sync::light::{Level, Outcome, PlaceProof, QUERIES_MAX, Query, QueryError, QueryId};
use qbtc_core::units::{FeeRate, Height};

use super::node::{FullNode, address, clock, payment, spec};
use super::scene::{Reply, Scene, shared};
use crate::support::test;

fn with_payment() -> (FullNode, Txid) {
    let mut node = FullNode::with_blocks(&spec(), 150);
    let paid = payment(address(1), 1);
    let txid = paid.txid();
    node.mine(99, 10, vec![payment(address(3), 9), paid, payment(address(2), 8)]);
    node.grow(120);
    (node, txid)
}

#[test]
fn a_transaction_comes_with_what_shows_it() {
    let (node, txid) = with_payment();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    for _ in 0..3 {
        scene.honest(&node);
    }
    let Outcome::Transaction(proven) = scene.query(Query::Transaction { txid }) else { panic!() };
    assert_eq!((proven.value.txid(), proven.level), (txid, Level::Header));
    assert_eq!((proven.block.height, proven.confirmations), (Height(151), 121));
    // Others can check it, who know the tip.
    let bytes = proven.proof.to_bytes();
    assert!(bytes.len() <= PlaceProof::BYTES_MAX);
    let proof = PlaceProof::from_bytes(&bytes).unwrap();
    assert_eq!(proof.check_transaction(&proven.value), Ok(proven.block));
    assert_eq!(proof.tip.id, scene.tip());
    assert!(proof.check_transaction(&payment(address(1), 2).body).is_err());
    for place in 0..bytes.len() {
        let mut other = bytes.clone();
        other[place] ^= 1;
        let changed = PlaceProof::from_bytes(&other).ok();
        // The tip's id is a name: what binds is the root, which whoever checks compares with his own.
        let holds = changed.is_some_and(|proof| {
            proof.check_transaction(&proven.value) == Ok(proven.block) && proof.tip == proven.proof.tip
        });
        assert!(!holds, "{place}");
    }
}

#[test]
fn what_was_shown_in_a_chain_that_is_left_is_no_proof() {
    let mut node = FullNode::with_blocks(&spec(), 150);
    let paid = payment(address(1), 1);
    let txid = paid.txid();
    node.mine(99, 10, vec![paid]);
    node.grow(2);
    let mut scene = Scene::new(&node.spec, clock(&node).saturating_add(200));
    let height = Height(151);
    let node = shared(node);
    for _ in 0..3 {
        // The first answer of each about a place comes late.
        let mut is_late = true;
        scene.peer(&node, move |question, _| match question {
            LightQuestion::Block { .. } if core::mem::take(&mut is_late) => Reply::Late,
            _ => Reply::Honest,
        });
    }
    let payment = scene.begin_query(Query::Transaction { txid });
    let header = scene.begin_query(Query::Header { height });
    let left = node.borrow().id(height.0);
    let branch = node.borrow().fork(150, 5, 50);
    *node.borrow_mut() = branch;
    scene.wait(3_000);
    assert_eq!(scene.tip(), node.borrow().tip());
    scene.release();
    assert_eq!(scene.outcome(payment), Outcome::Failed(QueryError::NotFound { nodes: 3 }));
    let Outcome::Header(proven) = scene.outcome(header) else { panic!() };
    assert_eq!(proven.block.height, height);
    assert_ne!(proven.block.id, left);
    assert!(scene.faults.is_empty(), "{:?}", scene.faults);
}

#[test]
fn what_waits_or_is_unknown_is_a_nodes_word() {
    let (mut node, _) = with_payment();
    let waiting = payment(address(4), 4);
    node.waiting.push(waiting.clone());
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    for _ in 0..3 {
        scene.honest(&node);
    }
    let found = scene.query(Query::Transaction { txid: waiting.txid() });
    assert_eq!(found, Outcome::Waiting(Box::new(waiting.body)));
    let unknown = scene.query(Query::Transaction { txid: Txid::from_bytes([1; 32]) });
    assert_eq!(unknown, Outcome::Failed(QueryError::NotFound { nodes: 3 }));
}

#[test]
fn forged_answers_are_found_and_others_asked() {
    let (node, txid) = with_payment();
    let honest = shared(node.clone());
    let other = node.blocks[100].header;
    type Twist = Box<dyn Fn(FoundTransaction) -> FoundTransaction>;
    let twists: [(Twist, Option<Fault>); 4] = [
        // Another transaction.
        (Box::new(|_| FoundTransaction::Waiting(payment(address(1), 2).body)), Some(Fault::OtherAnswer)),
        // One that it wants to be in a block where it is not.
        (Box::new(move |found| with(found, |header, _| *header = other)), Some(Fault::FalseProof)),
        // In a block that it made up.
        (Box::new(|found| with(found, |header, _| header.version ^= 2)), None),
        // At another height.
        (Box::new(|found| with(found, |_, height| *height = Height(150))), None),
    ];
    for (twist, fault) in twists {
        let mut scene = Scene::new(&node.spec, clock(&node));
        let liar = scene.peer(&honest, move |_, answer| match answer {
            Some(LightAnswer::Transaction(found)) => {
                Reply::Answer(LightAnswer::Transaction(Box::new(twist((**found).clone()))))
            }
            _ => Reply::Honest,
        });
        scene.honest(&honest);
        scene.honest(&honest);
        // In turn, so that the liar is among those who are asked.
        for _ in 0..3 {
            let Outcome::Transaction(proven) = scene.query(Query::Transaction { txid }) else { panic!() };
            assert_eq!(proven.block.height, Height(151));
        }
        assert_eq!(scene.faults_of(liar), fault.into_iter().collect::<Vec<_>>());
        assert_eq!(scene.faults.len(), scene.faults_of(liar).len(), "nobody else is blamed");
    }
}

fn with(found: FoundTransaction, change: impl Fn(&mut qbtc_core::header::Header, &mut Height)) -> FoundTransaction {
    let FoundTransaction::Mined { mut header, mut height, body, proof } = found else { return found };
    change(&mut header, &mut height);
    FoundTransaction::Mined { header, height, body, proof }
}

#[test]
fn headers_and_blocks_come_with_their_places() {
    let (node, txid) = with_payment();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    for _ in 0..3 {
        scene.honest(&node);
    }
    for height in [0, 1, 151, 271] {
        let Outcome::Header(header) = scene.query(Query::Header { height: Height(height) }) else { panic!() };
        assert_eq!(header.value, node.borrow().blocks[height as usize].header);
        assert_eq!(header.proof.check_block().unwrap(), (header.block, header.value));
    }
    let Outcome::Block(block) = scene.query(Query::Block { height: Height(151) }) else { panic!() };
    assert_eq!(block.value.transactions[1].txid(), txid);
    assert_eq!((block.confirmations, block.level), (121, Level::Header));
    // Whoever has the block can show each transaction in it, as a node with an index would have.
    let Outcome::Transaction(asked) = scene.query(Query::Transaction { txid }) else { panic!() };
    assert_eq!(block.clone().into_transaction(&txid), Some(*asked));
    let coinbase = block.value.coinbase.id();
    assert!([coinbase, Txid::from_bytes([1; 32])].iter().all(|txid| block.clone().into_transaction(txid).is_none()));
    let above = scene.query(Query::Header { height: Height(272) });
    assert_eq!(above, Outcome::Failed(QueryError::AboveTip { height: Height(272), tip: Height(271) }));
}

/// Who said nothing may have taken it: to pay again would be to pay twice.
#[test]
fn a_payment_that_some_refuse_and_others_say_nothing_to_is_not_refused() {
    let (node, _) = with_payment();
    let mut refusing = node.clone();
    refusing.refuses = true;
    let (honest, refusing) = (shared(node), shared(refusing));
    let mut scene = Scene::new(&honest.borrow().spec, clock(&honest.borrow()));
    scene.honest(&refusing);
    scene.honest(&refusing);
    scene.peer(&honest, |question, _| match question {
        LightQuestion::Submit { .. } => Reply::Silence,
        _ => Reply::Honest,
    });
    let outcome = scene.query(Query::Submit { transaction: Box::new(payment(address(5), 5)) });
    assert!(matches!(&outcome, Outcome::Failed(QueryError::Unsure { reasons }) if reasons.len() == 2), "{outcome:?}");
}

#[test]
fn a_payment_goes_to_several_nodes() {
    let (node, _) = with_payment();
    let mut refusing = node.clone();
    refusing.refuses = true;
    let (honest, refusing) = (shared(node), shared(refusing));
    let paid = payment(address(5), 5);
    let submit = || Query::Submit { transaction: Box::new(payment(address(5), 5)) };
    for (takers, expected) in [(4, 3), (1, 1), (0, 0)] {
        let mut scene = Scene::new(&honest.borrow().spec, clock(&honest.borrow()));
        for _ in 0..takers {
            scene.honest(&honest);
        }
        if takers < 3 {
            scene.honest(&refusing);
            scene.honest(&refusing);
        }
        let outcome = scene.query(submit());
        let why = "the fee is too low".to_owned();
        let refusals = vec![why; if takers < 3 { 2 } else { 0 }];
        match expected {
            0 => assert_eq!(outcome, Outcome::Failed(QueryError::Refused { reasons: refusals })),
            nodes => assert_eq!(outcome, Outcome::Submitted { txid: paid.txid(), nodes, refusals }),
        }
        assert_eq!(
            scene.asked_for(|question| matches!(question, LightQuestion::Submit { .. })),
            if takers == 0 { 2 } else { 3 }
        );
    }
}

#[test]
fn fees_are_the_median() {
    let (node, _) = with_payment();
    let mut scene = Scene::new(&node.spec, clock(&node));
    for fee in [1_000, 2_000, 1_000_000] {
        let mut node = node.clone();
        node.fee = fee;
        scene.honest(&shared(node));
    }
    let rates = [2_000, 1_000].map(FeeRate::from_quanta_per_1000_bytes).to_vec();
    assert_eq!(scene.query(Query::Fees { blocks: vec![1, 2] }), Outcome::Fees { rates, nodes: 3 });
    let failed = scene.query(Query::Fees { blocks: vec![1; 9] });
    assert_eq!(failed, Outcome::Failed(QueryError::TooManyTimes { found: 9 }));
}

#[test]
fn every_query_ends() {
    let (node, txid) = with_payment();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    for _ in 0..3 {
        scene.peer(&node, |question, _| match question {
            LightQuestion::Tip | LightQuestion::NextTip { .. } | LightQuestion::Headers { .. } => Reply::Honest,
            _ => Reply::Silence,
        });
    }
    assert_eq!(scene.query(Query::Transaction { txid }), Outcome::Failed(QueryError::TimedOut));
    // Without any peer, too.
    let mut scene = Scene::new(&node.borrow().spec, clock(&node.borrow()));
    assert_eq!(scene.query(Query::Transaction { txid }), Outcome::Failed(QueryError::TimedOut));
    // And those that are one too many.
    for number in 1_000..=1_000 + QUERIES_MAX as u64 {
        let what = Query::Transaction { txid };
        scene.tell(qbtc_core::sync::light::Input::Query { query: QueryId(number), what });
    }
    let last = &scene.answered[&QueryId(1_000 + QUERIES_MAX as u64)];
    assert_eq!(*last, Outcome::Failed(QueryError::TooMany));
}
