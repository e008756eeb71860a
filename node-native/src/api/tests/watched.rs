//! Health and metrics.

use axum::http::StatusCode;

use crate::api::public::PublicOptions;
use crate::api::testing::{ALL_INDEXES, TestNode};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_its_work_is_healthy_and_one_that_stops_is_not() {
    let node = TestNode::with_blocks(13).await;
    let health = node.get("/health").await.ok();
    assert_eq!((&health["status"], &health["height"], &health["chain"]), (&"ok".into(), &13.into(), &"dev".into()));
    let names: Vec<_> =
        health["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["running", "store", "chain", "synced", "tip"]);
    assert!(health["checks"].as_array().unwrap().iter().all(|check| check["passes"] == true));
    node.node.stop();
    let failing = node.get("/health").await;
    assert_eq!((failing.status, &failing.json()["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"failing".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_the_node_has_done() {
    let node = TestNode::with_blocks(13).await;
    node.submit(&node.payment(2)).await;
    node.get("/api/v1/blocks/99").await;
    let answer = node.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(answer.bytes().to_vec()).unwrap();
    for line in [
        "qbtc_blockchain_height 13",
        "qbtc_header_height 13",
        "qbtc_pending_transactions 1",
        "qbtc_connected_peers_total 0",
        "qbtc_health_check_status{check=\"store\"} 1",
        "qbtc_blocks_total{outcome=\"accepted\"} 13",
        "qbtc_transactions_total{outcome=\"accepted\"} 2",
        "qbtc_mempool_removals_total{reason=\"mined\"} 1",
        "qbtc_http_requests_total{route=\"/api/v1/blocks/{block}\",status=\"404\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let coins = u32::try_from(node.node.chain().coin_count()).unwrap();
    assert!((value("qbtc_coins ") - f64::from(coins)).abs() < 0.5);
    assert!(value("qbtc_mempool_bytes ") > 1_000.0);
    assert!(value("qbtc_block_validation_seconds_sum ") > 0.0);
    assert!(value("qbtc_store_commit_seconds_count ") >= 13.0);
    assert!(value("qbtc_template_seconds_count ") >= 1.0);
    assert!(value("qbtc_store_bytes ") > 100_000.0);
    let open = node.get_with("/metrics", ("accept", "application/openmetrics-text;version=1.0.0")).await;
    assert!(open.bytes().ends_with(b"# EOF\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_told_within_the_operators_network_only() {
    let node = TestNode::start(ALL_INDEXES, PublicOptions::default());
    for near in ["127.0.0.1:1", "[::1]:1", "10.1.2.3:1", "192.168.1.9:1", "[fd00::1]:1", "[::ffff:172.16.0.1]:1"] {
        assert_eq!(node.get_from(near.parse().unwrap(), "/metrics").await.status, StatusCode::OK, "{near}");
    }
    for far in ["192.0.2.1:1", "172.32.0.1:1", "[2001:db8::1]:1", "[::ffff:8.8.8.8]:1"] {
        let far = far.parse().unwrap();
        assert_eq!(node.get_from(far, "/metrics").await.status, StatusCode::FORBIDDEN, "{far}");
        assert_eq!(node.get_from(far, "/health").await.status, StatusCode::OK, "{far}");
    }
}
