//! Calls about what waits for a block.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_mempool_that_is_not_restored_yet_is_not_written_over() {
    let world = World::new();
    world.rpc.context.is_mempool_loaded.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.ok("getmempoolinfo", json!([])).await["loaded"], json!(false));
    assert_eq!(world.fails("savemempool", json!([])).await, (-1, "The mempool was not loaded yet".to_owned()));
    world.rpc.context.is_mempool_loaded.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.ok("savemempool", json!([])).await, json!({"transactions": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mempool_shows_its_transactions_and_their_relatives() {
    let world = World::new();
    let empty = world.ok("getmempoolinfo", json!([])).await;
    assert_eq!((&empty["loaded"], &empty["size"], &empty["total_fee"]), (&json!(true), &json!(0), &json!(0.0)));
    assert_eq!((&empty["minrelaytxfee"], &empty["mempoolminfee"]), (&json!(0.00001), &json!(0.00001)));
    let coins = world.coins(1, Owner(1)).await;
    let parent = Owner(1).spend(&coins, Owner(2), 10_000);
    let made = (OutPoint { txid: parent.txid(), index: 0 }, parent.body.outputs[0].amount);
    let child = Owner(2).spend(&[made], Owner(3), 30_000);
    let ids = [world.send(&parent).await, world.send(&child).await];
    assert_eq!(world.ok("getrawmempool", json!([])).await, json!(ids));
    let sequenced = world.ok("getrawmempool", json!([false, true])).await;
    assert_eq!(sequenced["txids"], json!(ids));
    assert_eq!(world.code("getrawmempool", json!([true, true])).await, -8);
    let (sizes, tip) = ([&parent, &child].map(|tx| codec::encode(tx).len()), world.node.chain().state().height().0);
    let entry = world.ok("getmempoolentry", json!([ids[0]])).await;
    assert_eq!(
        (&entry["vsize"], &entry["height"], &entry["wtxid"]),
        (&json!(sizes[0]), &json!(tip), &json!(parent.wtxid().to_string()))
    );
    assert_eq!((&entry["ancestorcount"], &entry["descendantcount"]), (&json!(1), &json!(2)));
    assert_eq!(entry["descendantsize"], json!(sizes[0] + sizes[1]));
    assert_eq!(entry["fees"], json!({"base": 0.0001, "modified": 0.0001, "ancestor": 0.0001, "descendant": 0.0004}));
    assert_eq!((&entry["depends"], &entry["spentby"]), (&json!([]), &json!([ids[1]])));
    let verbose = world.ok("getrawmempool", json!([true])).await;
    assert_eq!(verbose[&ids[0]], entry);
    assert_eq!(verbose[&ids[1]]["depends"], json!([ids[0]]));
    let info = world.ok("getmempoolinfo", json!([])).await;
    assert_eq!(
        (&info["size"], &info["bytes"], &info["total_fee"]),
        (&json!(2), &json!(sizes[0] + sizes[1]), &json!(0.0004))
    );
    assert_eq!(world.ok("savemempool", json!([])).await, json!({"transactions": 2}));
    world.mine(1, Owner(4)).await;
    let (code, message) = world.fails("getmempoolentry", json!([ids[0]])).await;
    assert_eq!((code, message.as_str()), (-5, "Transaction not in mempool"));
}
