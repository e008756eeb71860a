//! Calls about the node itself.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_about_itself_and_stops_when_asked() {
    let world = World::new();
    assert!(world.ok("uptime", json!([])).await.as_u64().unwrap() < 600);
    let memory = world.ok("getmemoryinfo", json!([])).await;
    assert_eq!(memory["headers"], json!(1));
    #[cfg(target_os = "linux")]
    assert!(memory["resident"].as_u64().unwrap() > 1 << 20);
    assert!(!world.node.stopping().is_cancelled());
    assert_eq!(world.ok("stop", json!([])).await, json!("qBTC stopping"));
    assert!(world.node.stopping().is_cancelled());
}
