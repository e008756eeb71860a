//! Calls about the node itself.

use std::sync::Mutex;

use super::super::LogControl;
use super::*;
use crate::metrics::{Format, Reading};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_can_be_changed() {
    let applied = Arc::new(Mutex::new(Vec::new()));
    let filters = Arc::clone(&applied);
    let control = LogControl::new("info", move |filter| {
        filters.lock().unwrap().push(filter.to_owned());
        Ok(())
    });
    let world = World::with(Indexes::default(), |context| context.log = Some(control));
    let nothing = world.ok("logging", json!([])).await;
    assert!(nothing.as_object().unwrap().values().all(|on| *on == json!(false)) && nothing["store"].is_boolean());
    let two = world.ok("logging", json!([["store", "api"]])).await;
    assert_eq!((&two["store"], &two["api"], &two["miner"]), (&json!(true), &json!(true), &json!(false)));
    let one = world.ok("logging", json!([["store"], ["api"]])).await;
    assert_eq!((&one["store"], &one["api"]), (&json!(true), &json!(false)));
    assert_eq!(world.ok("logging", json!([[], ["all"]])).await, nothing);
    let expected = ["info,qbtc_node::api=trace,qbtc_node::store=trace", "info,qbtc_node::store=trace", "info"];
    assert_eq!(*applied.lock().unwrap(), expected);
    for unknown in [json!(["nosuch"]), json!([5])] {
        assert_eq!(world.code("logging", json!([unknown])).await, -8);
    }
    assert_eq!(World::new().code("logging", json!([])).await, -1, "where the log is fixed");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_by_method_and_outcome() {
    let world = World::new();
    world.ok("getblockcount", json!([])).await;
    world.ok("getblockcount", json!([])).await;
    world.code("getblockhash", json!([99])).await;
    world.code("getblockcount", json!([1, 2, 3])).await;
    // Names that nobody knows make no series of their own.
    world.code("nonsense", json!([])).await;
    world.code("other nonsense", json!([])).await;
    let text = world.node.metrics().render(&Reading::default(), Format::Prometheus);
    for line in [
        "qbtc_rpc_requests_total{method=\"getblockcount\",outcome=\"ok\"} 2",
        "qbtc_rpc_requests_total{method=\"getblockcount\",outcome=\"refused\"} 1",
        "qbtc_rpc_requests_total{method=\"getblockhash\",outcome=\"refused\"} 1",
        "qbtc_rpc_requests_total{method=\"unknown\",outcome=\"refused\"} 2",
        "qbtc_rpc_request_seconds_count{method=\"getblockcount\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
