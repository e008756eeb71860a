//! What a node tells a light client, checked as a light client checks it.

use qbtc_core::block::Block;
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::flyclient::verify;
use qbtc_core::units::FeeRate;

use super::*;
use crate::api::testing::TestNode;

const BLOCKS: u32 = 120;

fn told(node: &TestNode, question: &LightQuestion) -> LightAnswer {
    let answer = answer(&node.node, question).unwrap();
    assert!(question.admits(&answer), "{question:?}: {answer:?}");
    let spec = node.node.spec();
    LightAnswer::from_bytes(&answer.to_bytes(), spec).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_light_client_proves_what_it_is_told() {
    let node = TestNode::with_blocks(BLOCKS).await;
    let spec = node.node.spec().clone();
    let LightAnswer::Tip(LightTip { header, height, work }) = told(&node, &LightQuestion::Tip) else { panic!() };
    let tip = header.id();
    assert_eq!((tip, height), (node.node.chain().state().tip(), Height(BLOCKS)));
    // The work.
    let seed = [7; 32];
    let LightAnswer::Work(proof) = told(&node, &LightQuestion::Work { tip, seed }) else { panic!() };
    let rules = spec.header_rules();
    let proven = verify(&proof.0, &Sampling::live(seed, tip), &rules).unwrap();
    assert_eq!((proven.work, proven.height, proven.id), (work, height, tip));
    let root = proven.peaks.root();
    // A block's place.
    let LightAnswer::Block(block) = told(&node, &LightQuestion::Block { tip, height: Height(20) }) else { panic!() };
    let block = block.check(root, BLOCKS + 1).unwrap();
    assert_eq!(Some(block.id), node.node.chain().block_id(Height(20)).unwrap());
    // Headers from there on, and the filters to which they commit.
    let start = Height(20);
    let LightAnswer::Headers(headers) = told(&node, &LightQuestion::Headers { tip, start, count: 90 }) else {
        panic!()
    };
    assert_eq!((headers.len(), headers[0].id()), (90, block.id));
    assert!(headers.windows(2).all(|pair| pair[1].parent == pair[0].id()));
    let LightAnswer::Filters(filters) = told(&node, &LightQuestion::Filters { tip, start, count: 90 }) else {
        panic!()
    };
    assert_eq!(filters.len(), 90);
    for (header, found) in headers.iter().zip(&filters) {
        let commitments = found.commitments.check(header.merkle_root).unwrap();
        let filter = Filter::from_bytes(&found.filter, 10_000).unwrap();
        assert_eq!(filter.hash(), commitments.filter_hash);
        assert!(filter.match_any(&header.parent, [node.address().to_bytes()]));
    }
    // A block without witnesses has the same id.
    let LightAnswer::Blocks(blocks) = told(&node, &LightQuestion::Blocks { ids: vec![tip] }) else { panic!() };
    let block = Block::from_bytes(&blocks[0].0, 1 << 20).unwrap();
    assert_eq!((block.id(), block.transactions.len()), (tip, 1));
    assert!(block.transactions[0].witnesses.is_empty());
    // A transaction of it.
    let txid = block.transactions[0].txid();
    let LightAnswer::Transaction(found) = told(&node, &LightQuestion::Transaction { txid }) else { panic!() };
    let FoundTransaction::Mined { header: mined, height: Height(BLOCKS), body, proof } = *found else { panic!() };
    assert_eq!((mined.id(), body.txid()), (tip, txid));
    proof.check_transaction(&body, header.merkle_root).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_is_said() {
    let node = TestNode::with_blocks(14).await;
    let tip = node.node.chain().state().tip();
    let unavailable = |question| match told(&node, &question) {
        LightAnswer::Unavailable(why) => why,
        other => panic!("{other:?}"),
    };
    let other = BlockHash::from_bytes([9; 32]);
    let start = Height(3);
    for question in [
        LightQuestion::Work { tip: other, seed: [0; 32] },
        LightQuestion::Headers { tip: other, start, count: 1 },
        LightQuestion::Block { tip: other, height: start },
        LightQuestion::Filters { tip: other, start, count: 1 },
    ] {
        assert_eq!(unavailable(question), Unavailable::OtherChain);
    }
    assert_eq!(unavailable(LightQuestion::Transaction { txid: Txid::from_bytes([1; 32]) }), Unavailable::NotHere);
    assert_eq!(unavailable(LightQuestion::Block { tip, height: Height(15) }), Unavailable::NotHere);
    let genesis = node.node.spec().genesis().id();
    assert_eq!(unavailable(LightQuestion::Work { tip: genesis, seed: [0; 32] }), Unavailable::NotHere);
    // Questions about what lies beyond end at the tip, however large they are.
    for (start, count, expected) in [(14, u32::MAX, 1), (15, u32::MAX, 0), (u32::MAX, u32::MAX, 0), (3, 0, 0)] {
        let start = Height(start);
        let LightAnswer::Headers(headers) = told(&node, &LightQuestion::Headers { tip, start, count }) else {
            panic!()
        };
        let LightAnswer::Filters(filters) = told(&node, &LightQuestion::Filters { tip, start, count }) else {
            panic!()
        };
        assert_eq!((headers.len(), filters.len()), (expected, expected));
    }
    let LightAnswer::Blocks(none) = told(&node, &LightQuestion::Blocks { ids: vec![other, tip] }) else { panic!() };
    assert_eq!(none, []);
    let LightAnswer::Fees(fees) = told(&node, &LightQuestion::Fees { blocks: vec![0, 1, u32::MAX] }) else { panic!() };
    assert!(fees.iter().all(|rate| *rate > FeeRate::from_quanta_per_1000_bytes(0)));
    let payment = node.payment(2);
    node.submit(&payment).await;
    let LightAnswer::Transaction(found) = told(&node, &LightQuestion::Transaction { txid: payment.txid() }) else {
        panic!()
    };
    assert_eq!(*found, FoundTransaction::Waiting(payment.body));
}
