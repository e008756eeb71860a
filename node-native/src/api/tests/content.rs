//! What is told is true: held against the node's own chain, and against core's verifiers.

use axum::http::StatusCode;
use qbtc_core::block::{Block, Coinbase, read_compact_size};
use qbtc_core::codec;
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::merkle::MerkleProof;
use qbtc_core::commit::mmr::BlockProof;
use qbtc_core::header::Header;
use qbtc_core::tx::Transaction;
use qbtc_core::units::Height;
use serde_json::{Value, json};

use crate::api::public::PublicOptions;
use crate::api::testing::{ALL_INDEXES, FEE, TestNode};
use crate::driver::Prune;
use crate::store::Indexes;

fn bytes_of_hex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn header_of(bytes: &[u8]) -> Header {
    Header::from_bytes(bytes.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_told_by_id_and_height_and_as_bytes() {
    let node = TestNode::with_blocks(14).await;
    let chain = node.node.chain();
    let tip = chain.state().tip();
    let details = node.get("/api/v1/blocks/14").await.ok();
    assert_eq!(details, node.get(&format!("/api/v1/blocks/{tip}")).await.ok());
    assert_eq!((&details["header"]["id"], &details["transactions"]), (&json!(tip.to_string()), &json!(1)));
    assert_eq!((&details["header"]["confirmations"], &details["header"]["next"]), (&json!(1), &Value::Null));
    let raw = node.get(&format!("/api/v1/blocks/{tip}/raw")).await;
    let block = Block::from_bytes(raw.bytes(), 1 << 22).unwrap();
    assert_eq!(block.id(), tip);
    assert_eq!(details["size_bytes"], raw.body.len());
    assert_eq!(header_of(&bytes_of_hex(&details["header"]["hex"])), block.header);
    let first = node.get("/api/v1/blocks/1/header").await.ok();
    assert_eq!(first["confirmations"], 14);
    assert_eq!(first["next"], chain.block_id(Height(2)).unwrap().unwrap().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_blocks_come_in_pages_without_gaps() {
    let node = TestNode::with_blocks(14).await;
    let (mut heights, mut query) = (Vec::new(), String::new());
    loop {
        let page = node.get(&format!("/api/v1/blocks?limit=4{query}")).await.ok();
        let blocks = page["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 4);
        for block in blocks {
            let raw = node.get(&format!("/api/v1/blocks/{}/raw", block["id"].as_str().unwrap())).await;
            let whole = Block::from_bytes(raw.bytes(), raw.body.len()).unwrap();
            assert_eq!(block["size_bytes"], raw.body.len(), "{block}");
            assert_eq!(block["transactions"], whole.transactions.len(), "{block}");
            assert_eq!(block["fees"]["quanta"], whole.transactions.len() as u64 * FEE, "{block}");
            heights.push(block["height"].as_u64().unwrap());
        }
        let Some(next) = page["next"].as_u64() else { break };
        query = format!("&before={next}");
    }
    assert_eq!(heights, (0..=14).rev().collect::<Vec<_>>());
    assert_eq!(node.get("/api/v1/blocks?before=0").await.ok()["blocks"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_followed_from_the_mempool_into_a_block() {
    let node = TestNode::with_blocks(14).await;
    let tx = node.payment(2);
    let (txid, hex) = (tx.txid(), hex::encode(codec::encode(&tx)));
    assert_eq!(node.get(&format!("/api/v1/transactions/{txid}")).await.status, StatusCode::NOT_FOUND);
    let tested = node.post("/api/v1/transactions/test", "text/plain; charset=utf-8", format!("{hex}\n")).await.ok();
    assert_eq!(tested["fee"], json!({"quanta": FEE, "qbtc": "0.001"}));
    assert_eq!(node.get("/api/v1/mempool").await.ok()["transactions"], 0, "a test changes nothing");

    let answer = node.post("/api/v1/transactions", "text/plain", hex.clone()).await.ok();
    assert_eq!(answer, json!({"txid": txid.to_string(), "is_new": true}));
    let again = node.post("/api/v1/transactions", "text/plain", hex).await.ok();
    assert_eq!(again, json!({"txid": txid.to_string(), "is_new": false}));
    let waiting = node.get(&format!("/api/v1/transactions/{txid}")).await.ok();
    assert_eq!(waiting["status"]["state"], "pending");
    assert_eq!(waiting["fee"]["quanta"], FEE);
    assert_eq!(waiting["inputs"][0]["address"], node.address_text());
    assert_eq!(waiting["outputs"][1]["data"], hex::encode("note"));
    assert_eq!(waiting["witnesses"][0]["conditions"], json!(["key ML-DSA-44"]));
    let raw = node.get(&format!("/api/v1/transactions/{txid}/raw")).await;
    assert_eq!(codec::decode::<Transaction>(raw.bytes(), 1 << 20).unwrap(), tx);
    let page = node.get("/api/v1/mempool/transactions").await.ok();
    assert_eq!(page["transactions"][0]["txid"], txid.to_string());
    let coins = node.get(&format!("/api/v1/addresses/{}/coins?limit=500", node.address_text())).await.ok();
    let spent = coins["coins"].as_array().unwrap().iter().filter(|coin| coin["is_spent_in_mempool"] == true).count();
    assert_eq!(spent, 1);

    let block = node.mine().await;
    let mined = node.get(&format!("/api/v1/transactions/{txid}")).await.ok();
    assert_eq!(mined["status"]["state"], "confirmed");
    assert_eq!((&mined["status"]["block"], &mined["status"]["place"]), (&json!(block.to_string()), &json!(1)));
    for part in ["wtxid", "fee", "fee_rate", "size_bytes", "inputs", "outputs", "witnesses"] {
        assert_eq!(mined[part], waiting[part], "{part}");
    }
    let status = node.get(&format!("/api/v1/transactions/{txid}/status")).await.ok();
    assert_eq!(status, mined["status"]);
    assert_eq!(node.get(&format!("/api/v1/transactions/{txid}/raw")).await.bytes(), raw.bytes());
    let page = node.get(&format!("/api/v1/blocks/{block}/transactions?from=1")).await.ok();
    assert_eq!(page["transactions"], json!([mined]));
    assert_eq!(page["next"], Value::Null);
    let first = node.get(&format!("/api/v1/blocks/{block}/transactions?limit=1")).await.ok();
    assert_eq!((&first["transactions"][0]["is_coinbase"], &first["next"]), (&json!(true), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_are_those_that_light_clients_check() {
    let node = TestNode::with_blocks(14).await;
    let chain = node.node.chain();
    let block = chain.plain_block(&chain.state().tip()).unwrap().unwrap();
    let told = node.get(&format!("/api/v1/transactions/{}/proof", block.transactions[0].txid())).await.ok();
    let header = header_of(&bytes_of_hex(&told["header"]));
    assert_eq!(header, block.header);
    let proof: MerkleProof = codec::decode(&bytes_of_hex(&told["proof"]), 1 << 12).unwrap();
    assert_eq!(proof.check_transaction(&block.transactions[0].body, header.merkle_root), Ok(()));
    assert_eq!(proof.index(), 2);
    let branch: Vec<_> = told["branch"].as_array().unwrap().iter().map(bytes_of_hex).collect();
    assert!(
        proof.branch().zip(&branch).all(|(one, other)| one[..] == other[..]) && branch.len() == proof.branch().len()
    );

    let told = node.get(&format!("/api/v1/transactions/{}/proof", block.coinbase.id())).await.ok();
    let proof: MerkleProof = codec::decode(&bytes_of_hex(&told["proof"]), 1 << 12).unwrap();
    let raw = node.get(&format!("/api/v1/transactions/{}/raw", block.coinbase.id())).await;
    let coinbase = Coinbase::from_bytes(raw.bytes()).unwrap();
    assert_eq!(proof.check_coinbase(&coinbase, block.header.merkle_root), Ok(()));

    for height in [0, 1, 7, 14] {
        let proof = node.get(&format!("/api/v1/blocks/{height}/history-proof")).await;
        let proven = BlockProof::decode(proof.bytes()).unwrap().check(chain.state().history_root(), 15).unwrap();
        assert_eq!(proven.height.0, height);
        assert_eq!(Some(proven.id), chain.block_id(proven.height).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_whole_and_fit_the_chain() {
    let node = TestNode::with_blocks(14).await;
    let headers = node.get("/api/v1/headers?from=0").await;
    let (headers, rest) = headers.bytes().as_chunks::<{ Header::BYTES }>();
    assert_eq!((headers.len(), rest.len()), (15, 0));
    let headers: Vec<_> = headers.iter().map(Header::from_bytes).collect();
    assert!(headers.windows(2).all(|pair| pair[1].parent == pair[0].id()));
    assert_eq!(node.get("/api/v1/headers?from=14&limit=2000").await.bytes().len(), Header::BYTES);
    assert_eq!(node.get("/api/v1/headers?from=3&limit=2").await.bytes().len(), 2 * Header::BYTES);

    let filters = node.get("/api/v1/filters?from=1").await;
    let mut rest = &filters.bytes()[..];
    for header in &headers[1..] {
        let (id, after) = rest.split_at(32);
        assert_eq!(id, header.id().as_bytes());
        let (length, after) = read_compact_size(after).unwrap().unwrap();
        let (filter, after) = after.split_at(usize::try_from(length).unwrap());
        let known = Filter::from_bytes(filter, 1 << 20).unwrap();
        assert!(known.match_any(&header.parent, [node.address().as_bytes()]));
        assert_eq!(node.get(&format!("/api/v1/blocks/{}/filter", header.id())).await.bytes(), filter);
        rest = after;
    }
    assert!(rest.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_its_history_coins_and_balance() {
    let node = TestNode::with_blocks(14).await;
    let base = format!("/api/v1/addresses/{}", node.address_text());
    let (mut events, mut query) = (Vec::new(), String::new());
    loop {
        let page = node.get(&format!("{base}/history?limit=4{query}")).await.ok();
        events.extend(page["events"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        query = format!("&before={next}");
    }
    // One coinbase a block, and the payment in the last.
    assert_eq!(events.len(), 15);
    let place = |event: &Value| (event["height"].as_u64().unwrap(), event["place"].as_u64().unwrap());
    assert!(events.windows(2).all(|pair| place(&pair[0]) > place(&pair[1])));
    let (paid, got) = (&events[0]["spent"]["quanta"], &events[0]["received"]["quanta"]);
    assert_eq!(paid.as_u64().unwrap() - got.as_u64().unwrap(), FEE);

    let (mut coins, mut query) = (Vec::new(), String::new());
    loop {
        let page = node.get(&format!("{base}/coins?limit=4{query}")).await.ok();
        coins.extend(page["coins"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        query = format!("&after={next}");
    }
    assert_eq!(coins.len(), 14);
    let sum = |coins: &[&Value]| coins.iter().map(|coin| coin["amount"]["quanta"].as_u64().unwrap()).sum::<u64>();
    let balance = node.get(&base).await.ok();
    assert_eq!(balance["balance"]["quanta"], sum(&coins.iter().collect::<Vec<_>>()));
    let immature: Vec<_> = coins.iter().filter(|coin| coin["spendable_from"].as_u64().unwrap() > 15).collect();
    assert!(!immature.is_empty() && immature.len() < coins.len());
    assert_eq!(balance["immature"]["quanta"], sum(&immature));
    assert_eq!((&balance["coins"], &balance["is_partial"]), (&json!(14), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_indexes_says_which_option_is_missing() {
    let node = TestNode::start(Indexes::default(), PublicOptions::default());
    node.mine().await;
    let txid = node.node.chain().plain_block(&node.node.chain().state().tip()).unwrap().unwrap().coinbase.id();
    let unknown = node.get(&format!("/api/v1/transactions/{txid}")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.json()["mend"].as_str().unwrap().contains("--txindex"));
    for path in ["", "/coins", "/history"] {
        let answer = node.get(&format!("/api/v1/addresses/{}{path}", node.address_text())).await;
        assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED);
        assert_eq!(answer.json()["code"], "index_off");
        assert!(answer.json()["mend"].as_str().unwrap().contains("--addressindex"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mempool_is_told_in_pages_and_bands() {
    let node = TestNode::with_blocks(16).await;
    for height in [2, 3, 4] {
        node.submit(&node.payment(height)).await;
    }
    let summary = node.get("/api/v1/mempool").await.ok();
    assert_eq!((&summary["transactions"], &summary["next_height"]), (&json!(3), &json!(17)));
    let first = node.get("/api/v1/mempool/transactions?limit=2").await.ok();
    let next = first["next"].as_u64().unwrap();
    let second = node.get(&format!("/api/v1/mempool/transactions?limit=2&after={next}")).await.ok();
    let count = |page: &Value| page["transactions"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second), &second["next"]), (2, 1, &Value::Null));
    let size: u64 = [&first, &second]
        .iter()
        .flat_map(|page| page["transactions"].as_array().unwrap())
        .map(|tx| tx["size_bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(summary["size_bytes"], size);

    let bands = node.get("/api/v1/mempool/bands").await.ok();
    let sum =
        |field: &str| bands["bands"].as_array().unwrap().iter().map(|band| band[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("transactions"), sum("size_bytes")), (3, size));
    let fees = node.get("/api/v1/fees").await.ok();
    assert_eq!(fees["estimates"].as_array().unwrap().len(), 8);
    assert_eq!((&fees["estimates"][0]["basis"], &fees["estimates"][0]["fee_rate"]), (&json!("floor"), &json!(1_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_beside_the_chain_is_told_apart() {
    let node = TestNode::start(ALL_INDEXES, PublicOptions::default());
    let (abandoned, kept) = (node.block(), node.block());
    let id = abandoned.id();
    node.node.submit_checked(abandoned).await.unwrap();
    node.node.submit_checked(kept.clone()).await.unwrap();
    node.node.invalidate(id).await.unwrap();
    node.node.reconsider(id).await.unwrap();
    assert_eq!(node.node.chain().state().tip(), kept.id(), "the chain stays where it is without more work");
    let details = node.get(&format!("/api/v1/blocks/{id}")).await.ok();
    assert_eq!((&details["header"]["confirmations"], &details["header"]["next"]), (&Value::Null, &Value::Null));
    let page = node.get(&format!("/api/v1/blocks/{id}/transactions")).await.ok();
    assert_eq!(page["transactions"][0]["status"], json!({"state": "abandoned", "block": id.to_string(), "place": 0}));
    assert_eq!(node.get(&format!("/api/v1/blocks/{id}/history-proof")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pruned_is_told_as_gone_and_the_rest_is_still_there() {
    let node = TestNode::start(ALL_INDEXES, PublicOptions::default());
    for _ in 0..Prune::DEPTH_MIN + 5 {
        node.mine().await;
    }
    let below = node.node.prune(Height(u32::MAX)).await.unwrap();
    assert_eq!(below, Height(5), "as far as reorgs allow");
    assert_eq!(node.get("/api/v1/chain").await.ok()["pruned_below"], below.0);
    assert_eq!(node.get(&format!("/api/v1/blocks/{below}/raw")).await.status, StatusCode::OK);
    for path in ["", "/raw", "/transactions"] {
        let gone = node.get(&format!("/api/v1/blocks/1{path}")).await;
        assert_eq!((gone.status, &gone.json()["code"]), (StatusCode::GONE, &json!("pruned")), "{path}");
    }
    for path in ["/header", "/filter", "/history-proof"] {
        assert_eq!(node.get(&format!("/api/v1/blocks/1{path}")).await.status, StatusCode::OK, "{path}");
    }
    let list = node.get("/api/v1/blocks?before=2&limit=1").await.ok();
    assert_eq!((&list["blocks"][0]["height"], &list["blocks"][0]["size_bytes"]), (&json!(1), &Value::Null));
    let history = node.get(&format!("/api/v1/addresses/{}/history?before=2-0&limit=1", node.address_text())).await.ok();
    let coinbase = history["events"][0]["txid"].as_str().unwrap();
    assert_eq!(node.get(&format!("/api/v1/transactions/{coinbase}/status")).await.ok()["height"], 1);
    assert_eq!(node.get(&format!("/api/v1/transactions/{coinbase}")).await.status, StatusCode::GONE);
}
