//! Calls about the chain, after Bitcoin Core's `rpc_blockchain.py`, `rpc_txoutproof.py`, `rpc_getblockfilter.py`,
//! `rpc_getchaintips.py` and `rpc_invalidateblock.py`.

use qbtc_core::block::Block;
use qbtc_core::header::Header;

use super::*;

const UNKNOWN: &str = "00000000000000000000000000000000000000000000000000000000deadbeef";

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_tells_where_it_stands() {
    let world = World::new();
    let genesis = world.node.spec().genesis().id().to_string();
    let info = world.ok("getblockchaininfo", json!([])).await;
    assert_eq!((&info["chain"], &info["blocks"], &info["headers"]), (&json!("dev"), &json!(0), &json!(0)));
    assert_eq!((&info["chainid"], &info["bestblockhash"]), (&json!(genesis), &json!(genesis)));
    assert_eq!((&info["bits"], &info["pruned"], &info["coins"]), (&json!("207fffff"), &json!(false), &json!(1)));
    assert_eq!((&info["initialblockdownload"], &info["verificationprogress"]), (&json!(false), &json!(1.0)));
    assert!(info["size_on_disk"].as_u64().unwrap() > 0);
    let ids = world.mine(7, Owner(1)).await;
    assert_eq!(world.ok("getblockcount", json!([])).await, json!(7));
    assert_eq!(world.ok("getbestblockhash", json!([])).await, json!(ids[6]));
    assert_eq!(world.ok("getblockhash", json!([0])).await, json!(genesis));
    assert_eq!(world.ok("getblockhash", json!({"height": 7})).await, json!(ids[6]));
    for beyond in [json!(8), json!(-1), json!(4_294_967_296_u64)] {
        let (code, message) = world.fails("getblockhash", json!([beyond])).await;
        assert!(code == -8 && message.starts_with("Block height out of range"), "{message}");
    }
    assert_eq!(world.code("getblockhash", json!([1.5])).await, -1);
    // 0x7fffff is 2^7 times 0xffff, and three bytes higher.
    let difficulty = world.ok("getdifficulty", json!([])).await.as_f64().unwrap();
    assert!((difficulty - 4.656_542e-10).abs() < 1e-15, "{difficulty}");
    let info = world.ok("getblockchaininfo", json!([])).await;
    // A genesis block and seven more of two hashes each.
    assert_eq!(info["chainwork"], json!(format!("{:064x}", 16)));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_headers_show_what_they_hold() {
    let world = World::new();
    let ids = world.mine(3, Owner(1)).await;
    let header = world.ok("getblockheader", json!([ids[1]])).await;
    assert_eq!((&header["hash"], &header["height"]), (&json!(ids[1]), &json!(2)));
    assert_eq!((&header["confirmations"], &header["version"]), (&json!(2), &json!(0x2000_0000)));
    assert_eq!((&header["previousblockhash"], &header["nextblockhash"]), (&json!(ids[0]), &json!(ids[2])));
    let bytes = world.ok("getblockheader", json!([ids[1], false])).await;
    let mut raw = [0; 80];
    hex::decode_to_slice(bytes.as_str().unwrap(), &mut raw).unwrap();
    assert_eq!(Header::from_bytes(&raw).id().to_string(), ids[1]);
    let whole = world.ok("getblock", json!([ids[1], 0])).await;
    let whole = hex::decode(whole.as_str().unwrap()).unwrap();
    let block = Block::from_bytes(&whole, whole.len()).unwrap();
    let shown = world.ok("getblock", json!([ids[1]])).await;
    for member in ["hash", "height", "time", "mediantime", "chainwork", "nonce", "bits", "target", "difficulty"] {
        assert_eq!(shown[member], header[member], "{member}");
    }
    assert_eq!(shown["tx"], json!([block.coinbase.id().to_string()]));
    assert_eq!((&shown["size"], &shown["nTx"]), (&json!(whole.len()), &json!(1)));
    assert_eq!(shown["commitments"]["id"], json!(block.commitments.id().to_string()));
    assert_eq!(world.ok("getblock", json!([ids[1], true])).await, shown);
    assert_eq!(world.ok("getblock", json!([ids[1], false])).await, json!(hex::encode(&whole)));
    assert!(world.ok("getblockheader", json!([ids[2]])).await.get("nextblockhash").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_a_block_show_fees_and_what_they_spend() {
    let world = World::new();
    let coins = world.coins(2, Owner(1)).await;
    let first = Owner(1).spend(&coins[..1], Owner(2), 10_000);
    let second = Owner(1).spend(&coins[1..], Owner(2), 25_000);
    let sent = [world.send(&first).await, world.send(&second).await];
    let block = &world.mine(1, Owner(3)).await[0];
    let shown = world.ok("getblock", json!([block, 3])).await;
    let transactions = shown["tx"].as_array().unwrap();
    assert_eq!(transactions.len(), 3);
    for (transaction, fee) in [(&first, 0.0001), (&second, 0.00025)] {
        let txid = json!(transaction.txid().to_string());
        assert!(sent.iter().any(|sent| txid == json!(sent)));
        let entry = transactions.iter().find(|entry| entry["txid"] == txid).unwrap();
        assert_eq!(entry["fee"].as_f64().unwrap(), fee);
        assert_eq!(entry["hex"], json!(hex_of(transaction)));
        let prevout = &entry["vin"][0]["prevout"];
        assert_eq!((&prevout["value"], &prevout["generated"]), (&json!(4.0), &json!(true)));
        assert_eq!(prevout["scriptPubKey"]["address"], json!(world.text_of(Owner(1))));
    }
    let without = world.ok("getblock", json!([block, 2])).await;
    assert!(without["tx"][1]["fee"].is_number() && without["tx"][1]["vin"][0].get("prevout").is_none());
    assert_eq!(shown["tx"][0]["vout"][0]["value"].as_f64().unwrap(), 4.00035);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_has_its_error() {
    let world = World::new();
    for method in ["getblock", "getblockheader", "getblockfilter", "invalidateblock", "reconsiderblock"] {
        assert_eq!(world.fails(method, json!([UNKNOWN])).await, (-5, "Block not found".to_owned()), "{method}");
        let (code, message) = world.fails(method, json!(["00"])).await;
        assert_eq!((code, message.as_str()), (-8, "blockhash must be of length 64 (not 2, for '00')"), "{method}");
    }
    assert_eq!(world.code("getblock", json!([UNKNOWN, 4])).await, -8);
    assert_eq!(world.code("getblockfilter", json!([UNKNOWN, "extended"])).await, -5);
    let genesis = world.node.spec().genesis().id().to_string();
    assert_eq!(world.code("invalidateblock", json!([genesis])).await, -8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_known_by_its_header_only_is_not_available() {
    let world = World::new();
    let header = mined_header(&world);
    let id = header.id().to_string();
    world.ok("submitheader", json!([hex::encode(header.to_bytes())])).await;
    let (code, message) = world.fails("getblockfilter", json!([header.id().to_string()])).await;
    assert_eq!((code, &*message), (-5, "Filter not found. Block was not connected to active chain."));
    assert_eq!(world.ok("getblockheader", json!([id])).await["confirmations"], json!(-1));
    let (code, message) = world.fails("getblock", json!([id])).await;
    assert_eq!((code, message.as_str()), (-1, "Block not available (not fully downloaded)"));
    let tips = world.ok("getchaintips", json!([])).await;
    let expected = json!({"height": 1, "hash": id, "branchlen": 1, "status": "headers-only"});
    assert!(tips.as_array().unwrap().contains(&expected), "{tips}");
    assert_eq!(world.ok("getblockchaininfo", json!([])).await["verificationprogress"], json!(0.5));
}

/// A header with its work on top of the tip, of a block that nobody has.
fn mined_header(world: &World) -> Header {
    let chain = world.node.chain();
    let tip = world.node.headers().node(&chain.state().tip()).unwrap().clone();
    let mut header = *tip.header();
    (header.parent, header.time.0) = (tip.id(), header.time.0 + 1);
    header.merkle_root = qbtc_core::hash::MerkleRoot::from_bytes([5; 32]);
    while world.node.spec().consensus().pow.check_work(&header).is_err() {
        header.nonce += 1;
    }
    header
}

#[tokio::test(flavor = "multi_thread")]
async fn coins_are_shown_with_and_without_the_mempool() {
    let world = World::new();
    let coins = world.coins(1, Owner(1)).await;
    let (outpoint, amount) = coins[0];
    let place = json!([outpoint.txid.to_string(), outpoint.index]);
    let coin = world.ok("gettxout", place.clone()).await;
    assert_eq!((&coin["confirmations"], &coin["coinbase"]), (&json!(MATURITY + 1), &json!(true)));
    assert_eq!(coin["value"].to_string().parse(), Ok(amount));
    assert_eq!(coin["scriptPubKey"]["address"], json!(world.text_of(Owner(1))));
    assert_eq!(coin["bestblock"], world.ok("getbestblockhash", json!([])).await);
    let transaction = Owner(1).spend(&coins, Owner(2), 10_000);
    let txid = world.send(&transaction).await;
    assert_eq!(world.ok("gettxout", place.clone()).await, Value::Null, "spent in the mempool");
    assert_eq!(world.ok("gettxout", json!([outpoint.txid.to_string(), 0, false])).await, coin);
    let made = world.ok("gettxout", json!([txid, 0])).await;
    assert_eq!((&made["confirmations"], &made["coinbase"]), (&json!(0), &json!(false)));
    assert_eq!(world.ok("gettxout", json!([txid, 0, false])).await, Value::Null);
    assert_eq!(world.ok("gettxout", json!([txid, 1])).await, Value::Null);
    world.mine(1, Owner(3)).await;
    assert_eq!(world.ok("gettxout", json!([txid, 0, false])).await["confirmations"], json!(1));
    assert_eq!(world.code("gettxout", json!([txid, -1])).await, -8);
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_that_cannot_be_made_say_why() {
    let world = World::with(Indexes::default(), |_| {});
    let coins = world.coins(1, Owner(1)).await;
    let txid = world.send(&Owner(1).spend(&coins, Owner(2), 10_000)).await;
    assert_eq!(world.code("gettxoutproof", json!([[txid]])).await, -5, "not yet in a block");
    let block = world.mine(1, Owner(3)).await.remove(0);
    assert!(world.ok("gettxoutproof", json!([[txid]])).await.is_string(), "found by its coin, without an index");
    let spent = coins[0].0.txid.to_string();
    let (code, message) = world.fails("gettxoutproof", json!([[spent]])).await;
    assert!(code == -5 && message.contains("--txindex"), "{message}");
    assert_eq!(world.code("gettxoutproof", json!([[spent], block])).await, -5, "in another block");
    assert_eq!(world.code("gettxoutproof", json!([[txid], UNKNOWN])).await, -5);
    let empty = world.fails("gettxoutproof", json!([[]])).await;
    assert_eq!(empty, (-8, "Parameter 'txids' cannot be empty".to_owned()));
    assert_eq!(world.code("gettxoutproof", json!([[txid, txid]])).await, -8);
    assert_eq!(world.code("gettxoutproof", json!([["00"]])).await, -8);
    assert_eq!(world.code("gettxoutproof", json!([[1]])).await, -3);
    assert_eq!(world.code("gettxoutproof", json!([vec![UNKNOWN; 101]])).await, -8);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_those_that_blocks_commit_to() {
    let world = World::new();
    let block = world.mine(1, Owner(1)).await.remove(0);
    let filter = world.ok("getblockfilter", json!([block])).await;
    let shown = world.ok("getblock", json!([block])).await;
    assert_eq!(filter["hash"], shown["commitments"]["filterhash"]);
    // Whoever has the header needs to believe neither.
    let proof = hex::decode(filter["proof"].as_str().unwrap()).unwrap();
    let proof = qbtc_core::commit::CommitmentsProof::from_bytes(&proof).unwrap();
    let header = world.ok("getblockheader", json!([block, false])).await;
    let header = hex::decode(header.as_str().unwrap()).unwrap();
    let header = Header::from_bytes(header.first_chunk().unwrap());
    assert_eq!(json!(proof.check(header.merkle_root).unwrap().filter_hash.to_string()), filter["hash"]);
    let bytes = hex::decode(filter["filter"].as_str().unwrap()).unwrap();
    let filter = qbtc_core::commit::filter::Filter::from_bytes(&bytes, bytes.len()).unwrap();
    let parent = world.node.spec().genesis().id();
    assert!(filter.match_any(&parent, [Owner(1).address().as_bytes()]));
    assert!(!filter.match_any(&parent, [Owner(2).address().as_bytes()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_fault_moves_the_chain_and_can_be_taken_back() {
    let world = World::new();
    let ids = world.mine(4, Owner(1)).await;
    assert_eq!(world.ok("invalidateblock", json!([ids[1]])).await, Value::Null);
    assert_eq!(world.ok("getbestblockhash", json!([])).await, json!(ids[0]));
    let fork = world.mine(1, Owner(2)).await.remove(0);
    let tips = world.ok("getchaintips", json!([])).await;
    let invalid = json!({"height": 4, "hash": ids[3], "branchlen": 3, "status": "invalid"});
    let active = json!({"height": 2, "hash": fork, "branchlen": 0, "status": "active"});
    assert_eq!(tips, json!([invalid, active]));
    assert_eq!(world.ok("getblock", json!([ids[3]])).await["confirmations"], json!(-1));
    assert_eq!(world.ok("reconsiderblock", json!([ids[1]])).await, Value::Null);
    assert_eq!(world.ok("getbestblockhash", json!([])).await, json!(ids[3]));
    let tips = world.ok("getchaintips", json!([])).await;
    assert_eq!(tips[1], json!({"height": 2, "hash": fork, "branchlen": 1, "status": "valid-fork"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_goes_as_far_as_reorgs_allow() {
    let world = World::new();
    world.mine(5, Owner(1)).await;
    let (code, message) = world.fails("pruneblockchain", json!([6])).await;
    assert!(code == -8 && message.starts_with("Blockchain is shorter"), "{message}");
    assert_eq!(world.code("pruneblockchain", json!([-1])).await, -8);
    // All blocks may still be needed for a reorg.
    assert_eq!(world.ok("pruneblockchain", json!([5])).await, json!(0));
    let past = world.fails("pruneblockchain", json!([1_000_000_001])).await;
    assert!(past.0 == -8 && past.1.contains("timestamp"), "{past:?}");
}
