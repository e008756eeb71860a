//! What is documented is served, and what is served is documented.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use qbtc_core::codec;
use serde_json::Value;

use super::schema;
use crate::api::public::PublicOptions;
use crate::api::testing::{ALL_INDEXES, Answer, TestNode};

/// Every GET of the document, with values for its parameters.
async fn requests(node: &TestNode) -> Vec<(&'static str, String)> {
    let address = node.address_text();
    let tip = node.node.chain().state().tip();
    let block = node.node.chain().plain_block(&tip).unwrap().unwrap();
    let (mined, waiting) = (block.transactions[0].txid(), node.payment(2));
    node.submit(&waiting).await;
    let (coinbase, waiting) = (block.coinbase.id(), waiting.txid());
    let height = node.node.chain().state().height();
    vec![
        ("/chain", "/chain".to_owned()),
        ("/blocks", "/blocks".to_owned()),
        ("/blocks", "/blocks?before=3&limit=2".to_owned()),
        ("/blocks/{block}", format!("/blocks/{tip}")),
        ("/blocks/{block}", "/blocks/0".to_owned()),
        ("/blocks/{block}/header", format!("/blocks/{height}/header")),
        ("/blocks/{block}/raw", format!("/blocks/{tip}/raw")),
        ("/blocks/{block}/filter", format!("/blocks/{tip}/filter")),
        ("/blocks/{block}/history-proof", "/blocks/5/history-proof".to_owned()),
        ("/blocks/{block}/transactions", format!("/blocks/{tip}/transactions")),
        ("/blocks/{block}/transactions", "/blocks/0/transactions?from=0&limit=1".to_owned()),
        ("/transactions/{txid}", format!("/transactions/{mined}")),
        ("/transactions/{txid}", format!("/transactions/{waiting}")),
        ("/transactions/{txid}", format!("/transactions/{coinbase}")),
        ("/transactions/{txid}/status", format!("/transactions/{mined}/status")),
        ("/transactions/{txid}/status", format!("/transactions/{waiting}/status")),
        ("/transactions/{txid}/raw", format!("/transactions/{mined}/raw")),
        ("/transactions/{txid}/raw", format!("/transactions/{waiting}/raw")),
        ("/transactions/{txid}/proof", format!("/transactions/{mined}/proof")),
        ("/transactions/{txid}/proof", format!("/transactions/{coinbase}/proof")),
        ("/addresses/{address}", format!("/addresses/{address}")),
        ("/addresses/{address}/coins", format!("/addresses/{address}/coins?limit=3")),
        ("/addresses/{address}/history", format!("/addresses/{address}/history?limit=3")),
        ("/mempool", "/mempool".to_owned()),
        ("/mempool/transactions", "/mempool/transactions".to_owned()),
        ("/mempool/bands", "/mempool/bands".to_owned()),
        ("/fees", "/fees".to_owned()),
        ("/network", "/network".to_owned()),
        ("/headers", "/headers?from=0".to_owned()),
        ("/filters", "/filters?from=1&limit=4".to_owned()),
    ]
}

fn check(document: &Value, path: &str, method: &str, answer: &Answer) {
    let operation = &document["paths"][format!("/api/v1{path}")][method];
    let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{method} {path} is not documented"));
    let status = answer.status.as_str();
    let response = responses.get(status).or_else(|| responses.get("default")).expect("a default");
    let content = response["content"].as_object().expect("every answer has a body");
    let kind = answer.header("content-type");
    let (_, described) = content.iter().find(|(documented, _)| kind == *documented).unwrap_or_else(|| {
        panic!("{method} {path}: {kind} is not documented for {status}: {content:?}");
    });
    if kind.ends_with("json") {
        schema::check(document, &described["schema"], &answer.json(), "answer")
            .unwrap_or_else(|error| panic!("{method} {path}: {error} in {}", answer.json()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_as_documented() {
    let node = TestNode::with_blocks(14).await;
    let document = node.get("/api/v1/openapi.json").await.ok();
    let requests = requests(&node).await;
    for (path, request) in &requests {
        let answer = node.get(&format!("/api/v1{request}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{request}: {answer:?}");
        check(&document, path, "get", &answer);
    }
    let paths = document["paths"].as_object().unwrap();
    let documented = paths.iter().filter(|(_, methods)| methods.get("get").is_some());
    let documented: BTreeSet<_> = documented.map(|(path, _)| path.strip_prefix("/api/v1").unwrap()).collect();
    assert_eq!(documented, requests.iter().map(|(path, _)| *path).collect());
}

/// What tools that make clients from the document trip over.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_whole() {
    let node = TestNode::start(ALL_INDEXES, PublicOptions::default());
    let document = node.get("/api/v1/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let operations: Vec<&Value> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .collect();
    let ids: BTreeSet<_> = operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len(), "each operation has a name of its own");
    let tags: BTreeSet<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).map(Value::as_str).collect();
    for operation in operations {
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("200") && responses.contains_key("default"), "{operation}");
        assert!(responses.values().all(|response| response["description"].is_string()), "{operation}");
        assert!(operation["summary"].is_string(), "{operation}");
        assert!(operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(&tag.as_str())), "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_in_is_answered_as_documented() {
    let node = TestNode::with_blocks(14).await;
    let document = node.get("/api/v1/openapi.json").await.ok();
    let tx = codec::encode(&node.payment(2));
    for path in ["/transactions/test", "/transactions"] {
        let answer = node.post(&format!("/api/v1{path}"), "application/octet-stream", tx.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        check(&document, path, "post", &answer);
        let refused = node.post(&format!("/api/v1{path}"), "text/plain", "xyz").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        check(&document, path, "post", &refused);
    }
    let posts = document["paths"].as_object().unwrap().values().filter(|methods| methods.get("post").is_some());
    assert_eq!(posts.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_are_answered_as_documented() {
    let node = TestNode::with_blocks(14).await;
    let document = node.get("/api/v1/openapi.json").await.ok();
    let (txid, address) = ("ab".repeat(32), node.address_text());
    for (path, request, status, code) in [
        ("/blocks/{block}", "/blocks/15".to_owned(), 404, "not_found"),
        ("/blocks/{block}", "/blocks/tip".to_owned(), 400, "bad_request"),
        ("/blocks/{block}", "/blocks/%ff".to_owned(), 400, "bad_request"),
        ("/blocks/{block}/header", format!("/blocks/{txid}/header"), 404, "not_found"),
        ("/blocks", "/blocks?limit=51".to_owned(), 400, "bad_request"),
        ("/blocks", "/blocks?limit=2&limit=3".to_owned(), 400, "bad_request"),
        ("/blocks", "/blocks?height=3".to_owned(), 400, "bad_request"),
        ("/transactions/{txid}", format!("/transactions/{txid}"), 404, "not_found"),
        ("/transactions/{txid}", format!("/transactions/{}", txid.to_uppercase()), 400, "bad_request"),
        ("/addresses/{address}", format!("/addresses/{}", &address[..address.len() - 1]), 400, "bad_request"),
        ("/addresses/{address}/coins", format!("/addresses/{address}/coins?after=x"), 400, "bad_request"),
        ("/addresses/{address}/history", format!("/addresses/{address}/history?before=1"), 400, "bad_request"),
        ("/mempool/transactions", "/mempool/transactions?after=-1".to_owned(), 400, "bad_request"),
        ("/headers", "/headers".to_owned(), 400, "bad_request"),
        ("/headers", "/headers?from=15".to_owned(), 404, "not_found"),
        ("/filters", "/filters?from=0&limit=1001".to_owned(), 400, "bad_request"),
    ] {
        let answer = node.get(&format!("/api/v1{request}")).await;
        assert_eq!(answer.status.as_u16(), status, "{request}: {answer:?}");
        assert_eq!(answer.json()["code"], code);
        assert_eq!(answer.json()["status"], status);
        check(&document, path, "get", &answer);
    }
}
