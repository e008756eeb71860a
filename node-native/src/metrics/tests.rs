//! Everything is counted under its name, and tools of Prometheus take the text.

use super::*;

fn reading() -> Reading {
    Reading {
        height: 7,
        header_height: 9,
        tip_age: Duration::from_millis(1_500),
        difficulty: 1.25,
        pending_transactions: 2,
        mempool_bytes: 15_000,
        uptime: Duration::from_secs(60),
        is_synced: true,
        checks: vec![("store", true), ("tip", false)],
        ..Reading::default()
    }
}

fn webrtc(open: u64) -> WebRtcReading {
    let failed = [("full", 0), ("credentials", 3), ("handshake", 4), ("lost", 5), ("broken", 6)];
    WebRtcReading { open, opened: 7, failed, received_bytes: 8_000, sent_bytes: 9_000 }
}

/// Metrics in which every family has a sample.
fn used() -> Metrics {
    let metrics = Metrics::new("dev");
    let took = Duration::from_millis(3);
    metrics.blocks_applied(1, took);
    metrics.block_refused();
    metrics.reorg(2);
    metrics.transaction_accepted(took);
    metrics.transaction_refused(took);
    metrics.mempool_removal(&RemovalReason::Evicted);
    metrics.template_made(took);
    metrics.store_committed(took, 5_000);
    metrics.set_store_bytes(1 << 20);
    metrics.rpc_call("getblock", CallOutcome::Ok, took);
    metrics.rpc_call("getblock", CallOutcome::Refused, took);
    metrics.http_request("/api/v1/blocks/{block}", 404, took);
    metrics.request_rejected(Interface::Http, Rejection::Rate);
    metrics.connection_rejected(Interface::Rpc);
    metrics.subscriber_dropped();
    metrics.share(ShareOutcome::LowDifficulty);
    metrics.block_found(BlockSource::Stratum);
    metrics.miner_hashed(1_000_000);
    metrics.miner_hash_rate(2.5e6);
    metrics.network().reached(Reached::CircuitIn);
    metrics.network().found_by_kademlia(2);
    metrics.network().seed_asked(true, false);
    metrics.network().seed_asked(false, true);
    metrics.network().felt(true);
    metrics.network().felt(false);
    metrics.network().peer_at_fault("no_work");
    metrics.network().banned();
    metrics.network().set_banned(3);
    metrics.network().set_peer_bytes("quic", 7_000, 5_000);
    metrics.network().webrtc(&webrtc(1));
    // What is read anew takes the place of what was read before.
    metrics.network().webrtc(&webrtc(2));
    metrics
}

#[test]
fn everything_is_counted_under_its_name() {
    let metrics = used();
    metrics.set_peers(3);
    let connection = metrics.connection(Interface::Stratum);
    let text = metrics.render(&reading(), Format::Prometheus);
    for line in [
        "qbtc_build_info{version=\"0.1.0\",chain=\"dev\"} 1",
        "qbtc_connected_peers_total 3",
        "qbtc_reachability_events_total{event=\"circuit_in\"} 1",
        "qbtc_kademlia_addresses_total 2",
        "qbtc_dns_seeds_asked_total{outcome=\"found\"} 1",
        "qbtc_dns_seeds_asked_total{outcome=\"silent\"} 1",
        "qbtc_feelers_total{outcome=\"found\"} 1",
        "qbtc_feelers_total{outcome=\"failed\"} 1",
        "qbtc_peer_faults_total{fault=\"no_work\"} 1",
        "qbtc_bans_total 1",
        "qbtc_banned_subnets 3",
        "qbtc_peer_received_bytes_total{transport=\"quic\"} 7000",
        "qbtc_peer_sent_bytes_total{transport=\"quic\"} 5000",
        "qbtc_webrtc_connections 2",
        "qbtc_webrtc_opened_total 7",
        "qbtc_webrtc_failed_total{reason=\"credentials\"} 3",
        "qbtc_webrtc_failed_total{reason=\"broken\"} 6",
        "qbtc_webrtc_received_bytes_total 8000",
        "qbtc_webrtc_sent_bytes_total 9000",
        "qbtc_blockchain_height 7",
        "qbtc_header_height 9",
        "qbtc_tip_age_seconds 1.5",
        "qbtc_difficulty 1.25",
        "qbtc_pending_transactions 2",
        "qbtc_mempool_bytes 15000",
        "qbtc_uptime_seconds 60.0",
        "qbtc_synced 1",
        "qbtc_health_check_status{check=\"store\"} 1",
        "qbtc_health_check_status{check=\"tip\"} 0",
        "qbtc_blocks_total{outcome=\"accepted\"} 1",
        "qbtc_blocks_total{outcome=\"refused\"} 1",
        "qbtc_block_validation_seconds_count 1",
        "qbtc_block_validation_seconds_bucket{le=\"0.005\"} 1",
        "qbtc_reorgs_total 1",
        "qbtc_reorg_depth_blocks_sum 2.0",
        "qbtc_transactions_total{outcome=\"refused\"} 1",
        "qbtc_transaction_admission_seconds_count 2",
        "qbtc_mempool_removals_total{reason=\"evicted\"} 1",
        "qbtc_template_seconds_count 1",
        "qbtc_store_commit_seconds_count 1",
        "qbtc_store_commit_bytes_bucket{le=\"16000.0\"} 1",
        "qbtc_store_bytes 1048576",
        "qbtc_rpc_requests_total{method=\"getblock\",outcome=\"refused\"} 1",
        "qbtc_rpc_request_seconds_count{method=\"getblock\"} 2",
        "qbtc_http_requests_total{route=\"/api/v1/blocks/{block}\",status=\"404\"} 1",
        "qbtc_rejected_requests_total{interface=\"http\",reason=\"rate\"} 1",
        "qbtc_rejected_connections_total{interface=\"rpc\"} 1",
        "qbtc_connections{interface=\"stratum\"} 1",
        "qbtc_ws_dropped_total 1",
        "qbtc_stratum_shares_total{outcome=\"low_difficulty\"} 1",
        "qbtc_blocks_found_total{source=\"stratum\"} 1",
        "qbtc_miner_hashes_total 1000000",
        "qbtc_miner_hashes_per_second 2500000.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    drop(connection);
    assert!(metrics.render(&reading(), Format::Prometheus).contains("qbtc_connections{interface=\"stratum\"} 0\n"));
    assert_eq!(metrics.last_miner_hash_rate(), 2.5e6);
}

#[test]
fn open_metrics_end_with_their_mark() {
    let text = used().render(&reading(), Format::OpenMetrics);
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE qbtc_reorgs counter\nqbtc_reorgs_total 1\n"));
}

/// `promtool check metrics` refuses what Prometheus could not read, and names that break its conventions.
#[test]
fn promtool_takes_the_text() {
    let metrics = used();
    let _connection = metrics.connection(Interface::WebSocket);
    let text = metrics.render(&reading(), Format::Prometheus);
    qbtc_tests::promtool::check(&text);
}
