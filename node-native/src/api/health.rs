//! `/health`: whether the node does its work, for people, load balancers and supervisors. `/metrics`: the same and more, for Prometheus.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use qbtc_core::pow::Difficulty;
use serde::Serialize;

use super::rate::{Cost, RateLimiter};
use super::rest::{Problem, difficulty};
use crate::metrics::{Format, Reading};
use crate::node::Node;

/// A tip is old after so many of the chain's spacings: by chance a block takes that long once in e^20 times.
const OLD_TIP_SPACINGS: u32 = 20;

/// What `/health` answers.
#[derive(Clone, Debug, Serialize)]
struct Health {
    /// `ok`, or `failing` if a check does not pass.
    status: &'static str,
    /// The program's version.
    version: &'static str,
    /// The chain's name.
    chain: String,
    /// The height of the tip.
    height: u32,
    /// The height of the best header.
    header_height: u32,
    /// How far the tip's time lies behind the clock, in seconds.
    tip_age_s: u64,
    /// Connected peers.
    peers: u64,
    /// How long the node has been running, in seconds.
    uptime_s: u64,
    /// Each check.
    checks: Vec<Check>,
}

/// One thing that must hold.
#[derive(Clone, Debug, Serialize)]
struct Check {
    name: &'static str,
    passes: bool,
    /// What was found.
    found: String,
}

#[derive(Clone, Debug)]
struct Watched {
    node: Node,
    database: Option<PathBuf>,
}

/// The two routes.
pub(super) fn router(node: Node, database: Option<PathBuf>, rate: &Arc<RateLimiter>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics_text))
        .route_layer(rate.layer(Cost::LIGHT))
        .with_state(Watched { node, database })
}

async fn health(State(Watched { node, .. }): State<Watched>) -> Result<Response, Problem> {
    let Examination { reading, checks } = examine(&node).await?;
    let is_ok = checks.iter().all(|check| check.passes);
    let status = if is_ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let health = Health {
        status: if is_ok { "ok" } else { "failing" },
        version: env!("CARGO_PKG_VERSION"),
        chain: node.spec().name().to_owned(),
        height: reading.height,
        header_height: reading.header_height,
        tip_age_s: reading.tip_age.as_secs(),
        peers: node.metrics().peers(),
        uptime_s: reading.uptime.as_secs(),
        checks,
    };
    Ok((status, [(CACHE_CONTROL, "no-store")], Json(health)).into_response())
}

async fn metrics_text(
    State(Watched { node, database }): State<Watched>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(Extension(ConnectInfo(peer))) = peer
        && !is_near(peer.ip())
    {
        return Err(Problem::forbidden("metrics are told within the operator's own network only"));
    }
    if let Some(database) = database
        && let Ok(file) = tokio::task::spawn_blocking(move || std::fs::metadata(database)).await
    {
        node.metrics().set_store_bytes(file.map_or(0, |file| file.len()));
    }
    let Examination { reading, .. } = examine(&node).await?;
    let format = Format::accepted_by(asked.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let text = node.metrics().render(&reading, format);
    Ok(([(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")], text).into_response())
}

/// Whether an address is of this machine or of a network that is not routed on the internet.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// What the node looks like, and what that means.
struct Examination {
    reading: Reading,
    checks: Vec<Check>,
}

async fn examine(node: &Node) -> Result<Examination, Problem> {
    let node = node.clone();
    // The store is asked, which may wait for the disk.
    let examined = tokio::task::spawn_blocking(move || examine_here(&node));
    examined.await.map_err(|error| Problem::fault(&error))
}

fn examine_here(node: &Node) -> Examination {
    let mut reading = read(node);
    let checks = checks(node, &reading);
    reading.checks = checks.iter().map(|check| (check.name, check.passes)).collect();
    Examination { reading, checks }
}

fn read(node: &Node) -> Reading {
    let (now, chain) = (node.now(), node.chain());
    let state = chain.state();
    let (header_height, tip) = {
        let headers = node.headers();
        (headers.best().height(), headers.node(&state.tip()).map(|tip| *tip.header()))
    };
    let tip_age_s = tip.map_or(0, |tip| now.seconds_since(tip.time));
    let live = node.live();
    let pool = &live.pool;
    Reading {
        height: state.height().0,
        header_height: header_height.0,
        tip_age: Duration::from_secs(u64::try_from(tip_age_s).unwrap_or(0)),
        difficulty: tip.map_or(0.0, |tip| difficulty(tip.bits)),
        pending_transactions: pool.len() as u64,
        mempool_bytes: pool.size_bytes(),
        mempool_usage_bytes: pool.usage_bytes(),
        mempool_limit_bytes: pool.policy().pool_bytes_max,
        mempool_fee_rate_min: pool.fee_rate_min(now).quanta_per_1000_bytes(),
        coins: chain.coin_count(),
        uptime: node.started().elapsed(),
        is_synced: node.is_synced(),
        checks: Vec::new(),
    }
}

fn checks(node: &Node, reading: &Reading) -> Vec<Check> {
    let chain = node.chain();
    let state = chain.state();
    let stored = chain.block_id(state.height());
    let unfollowed = node.unfollowed();
    let spec = node.spec();
    let tip_age_max = Duration::from_secs(u64::from(spec.consensus().spacing_s) * u64::from(OLD_TIP_SPACINGS));
    // Where the difficulty does not follow the hash rate, blocks come when somebody wants one.
    let is_paced = !matches!(spec.consensus().difficulty, Difficulty::Fixed);
    vec![
        Check {
            name: "running",
            passes: !node.stopping().is_cancelled(),
            found: if node.stopping().is_cancelled() { "the node stops" } else { "the node runs" }.to_owned(),
        },
        Check {
            name: "store",
            passes: matches!(stored, Ok(Some(id)) if id == state.tip()),
            found: match stored {
                Ok(Some(id)) => format!("tip {id}"),
                Ok(None) => "no block at the height of the tip".to_owned(),
                Err(_) => "the database cannot be read; the log says why".to_owned(),
            },
        },
        Check {
            name: "chain",
            passes: unfollowed.is_none(),
            found: unfollowed
                .map_or_else(|| "the chain with most work".to_owned(), |unfollowed| unfollowed.to_string()),
        },
        Check {
            name: "synced",
            passes: reading.is_synced,
            found: format!("height {} of {} known headers", reading.height, reading.header_height),
        },
        Check {
            name: "tip",
            passes: !is_paced || reading.tip_age <= tip_age_max,
            found: if is_paced {
                format!("{} s old, at most {} s", reading.tip_age.as_secs(), tip_age_max.as_secs())
            } else {
                format!("{} s old, on a chain where blocks come at will", reading.tip_age.as_secs())
            },
        },
    ]
}
