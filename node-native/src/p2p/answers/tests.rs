//! What a node with a short chain and a payment that waits tells its peers.

use qbtc_core::net::BlockBytes;

use super::*;
use crate::api::public::PublicOptions;
use crate::api::testing::{ALL_INDEXES, TestNode};

async fn told(node: &TestNode, question: SyncQuestion) -> SyncAnswer {
    let answer = answer(&node.node, &BlocksAtHand::default(), question.clone()).unwrap();
    assert!(question.admits(&answer), "{question:?}: {answer:?}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_follow_the_fork() {
    let node = TestNode::with_blocks(14).await;
    let ids: Vec<BlockHash> =
        (0..=14).map(|height| node.node.chain().block_id(qbtc_core::units::Height(height)).unwrap().unwrap()).collect();
    let from = |locator: &[BlockHash]| {
        let SyncAnswer::Headers(headers) = headers(&node.node, locator) else { panic!() };
        headers.iter().map(qbtc_core::header::Header::id).collect::<Vec<_>>()
    };
    assert_eq!(from(&[ids[3]]), ids[4..]);
    assert_eq!(from(&[BlockHash::ZERO, ids[4], ids[1]]), ids[5..], "the first that is known");
    assert_eq!(from(&[]), ids[1..], "else the first block");
    assert_eq!(from(&[ids[14]]), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_end_where_one_is_missing() {
    let node = TestNode::with_blocks(14).await;
    let id = |height| node.node.chain().block_id(qbtc_core::units::Height(height)).unwrap().unwrap();
    let bytes = |id: &BlockHash| BlockBytes(node.node.chain().block_bytes(id).unwrap().unwrap().into());
    let ids = vec![id(2), id(1), BlockHash::ZERO, id(3)];
    let answer = told(&node, SyncQuestion::Blocks { ids }).await;
    assert_eq!(answer, SyncAnswer::Blocks(vec![bytes(&id(2)), bytes(&id(1))]));
    let none = told(&node, SyncQuestion::Blocks { ids: vec![BlockHash::ZERO] }).await;
    assert_eq!(none, SyncAnswer::Blocks(Vec::new()));
    // A block that is not stored yet is as good: whoever was told of it may ask for it whole.
    let other = TestNode::start(ALL_INDEXES, PublicOptions::default());
    let (at_hand, block) = (BlocksAtHand::default(), node.node.chain().plain_block(&id(14)).unwrap().unwrap());
    at_hand.put(Arc::new(qbtc_core::verify::check_block(block, node.node.spec()).unwrap()));
    let question = SyncQuestion::Blocks { ids: vec![id(14)] };
    assert_eq!(told(&other, question.clone()).await, SyncAnswer::Blocks(Vec::new()));
    assert_eq!(super::answer(&other.node, &at_hand, question).unwrap(), SyncAnswer::Blocks(vec![bytes(&id(14))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_those_that_wait() {
    let node = TestNode::with_blocks(14).await;
    let waiting = node.payment(2);
    node.submit(&waiting).await;
    let wtxids = vec![Wtxid::ZERO, waiting.wtxid()];
    let question = SyncQuestion::Transactions { wtxids };
    assert_eq!(told(&node, question.clone()).await, SyncAnswer::Transactions(vec![waiting.clone()]));
    // Not while it is on the stem: whoever shows that he has it then is where it began.
    node.node.own().add(waiting.txid());
    assert_eq!(told(&node, question.clone()).await, SyncAnswer::Transactions(Vec::new()));
    node.node.own().set_known(&waiting.txid());
    assert_eq!(told(&node, question).await, SyncAnswer::Transactions(vec![waiting]));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_a_block_come_all_or_none() {
    let node = TestNode::with_blocks(14).await;
    let tip = node.node.chain().state().tip();
    let block = node.node.chain().plain_block(&tip).unwrap().unwrap();
    assert_eq!(block.transactions.len(), 1);
    let ask = |block, places: &[u32]| SyncQuestion::BlockTransactions { block, places: places.to_vec() };
    assert_eq!(told(&node, ask(tip, &[0])).await, SyncAnswer::BlockTransactions(block.transactions.clone()));
    for (id, places) in [(tip, &[1][..]), (tip, &[0, 1]), (tip, &[0, 0]), (BlockHash::ZERO, &[0])] {
        assert_eq!(told(&node, ask(id, places)).await, SyncAnswer::BlockTransactions(Vec::new()), "{places:?}");
    }
    // A block that is not stored yet is as good.
    let at_hand = BlocksAtHand::default();
    let checked = qbtc_core::verify::check_block(block.clone(), node.node.spec()).unwrap();
    at_hand.put(Arc::new(checked));
    assert!(at_hand.find(&tip).is_some() && at_hand.find(&BlockHash::ZERO).is_none());
    let answer = answer(&node.node, &at_hand, ask(tip, &[0])).unwrap();
    assert_eq!(answer, SyncAnswer::BlockTransactions(block.transactions));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_says_what_it_has() {
    let node = TestNode::with_blocks(14).await;
    let hello = hello(&node.node);
    assert_eq!((hello.chain_id, hello.height.0), (node.node.spec().chain_id(), 14));
    assert_eq!(hello.tip, node.node.chain().state().tip());
    assert!(hello.services.has(Services::NODE.and(Services::ALL_BODIES).and(Services::ALL_WITNESSES)));
    assert!(hello.services.has(Services::LIGHT));
}
