//! What comes back into the mempool, in whatever order it was written.

use crate::api::public::PublicOptions;
use crate::api::testing::{ALL_INDEXES, TestNode};

use super::*;

/// A node on which what the first two blocks have mined can be spent.
async fn funded() -> TestNode {
    let test = TestNode::start(ALL_INDEXES, PublicOptions::default());
    for _ in 0..test.node.spec().consensus().coinbase_maturity + 2 {
        test.mine().await;
    }
    test
}

#[tokio::test(flavor = "multi_thread")]
async fn children_that_come_before_their_parents_are_taken_back() {
    let test = funded().await;
    let parent = test.payment(1);
    let child = test.payment_of(&parent);
    let grandchild = test.payment_of(&child);
    let backwards = vec![grandchild.clone(), child.clone(), parent.clone()];
    assert_eq!(take_back(&test.node, backwards).await, Some(3));
    let live = test.node.live();
    assert!([parent, child, grandchild].iter().all(|tx| live.pool.entry(&tx.txid()).is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_for_good_are_given_up() {
    let test = funded().await;
    let parent = test.payment(1);
    assert_eq!(take_back(&test.node, vec![test.payment_of(&parent), test.payment(2)]).await, Some(1));
}
