//! Calls about the node itself.
//!
//! Those that need no more than the table of calls work without a node.

mod logging;

pub use logging::LogControl;

use serde::Serialize;

use super::args::Args;
use super::context::Context;
use super::help;
use super::method::{Category, Method};
use super::param::{Kind, Param};
use super::protocol::Outcome;
use super::{Rpc, json};
use crate::api::shortened;

/// The calls that need no more than the table of calls.
pub(super) fn about_calls<C: Send + Sync + 'static>() -> Vec<Method<C>> {
    const COMMAND: &[Param] = &[Param::optional(&["command"], Kind::Text, "all calls", "The call to tell about.")];
    let help = Method::blocking("help", Category::Control, help)
        .about("Lists all calls, or tells all about one of them.", "\"text\"    (string) The help text")
        .takes(COMMAND, "getblock");
    let info = Method::blocking("getrpcinfo", Category::Control, rpc_info).about(
        "Tells which calls are in progress.",
        "{\n  \"active_commands\": [\n    {\n      \"method\": \"str\",    (string) The call\n      \"duration\": n       \
         (numeric) For how long, in microseconds\n    },...\n  ]\n}",
    );
    vec![help, info]
}

/// The calls that need a node.
pub(super) fn methods() -> Vec<Method<Context>> {
    let own = [
        Method::blocking("uptime", Category::Control, |rpc: &Rpc<Context>, _| json(&rpc.context.node.started().elapsed().as_secs()))
            .about("Tells for how long the node has been running.", "n    (numeric) Seconds"),
        Method::blocking("stop", Category::Control, |rpc: &Rpc<Context>, _| {
            rpc.context.node.stop();
            json("qBTC stopping")
        })
        .about("Stops the node.", "\"str\"    (string) \"qBTC stopping\""),
        Method::blocking("getmemoryinfo", Category::Control, memory).about(
            "Tells how much memory the node uses.",
            "{\n  \"resident\": n,    (numeric, on Linux) What the whole process has in memory, in bytes\n  \"mempool\": n,     \
             (numeric) What the mempool takes of it, in bytes\n  \"headers\": n      (numeric) How many headers are in memory\n}",
        ),
    ];
    own.into_iter().chain(logging::methods()).collect()
}

#[derive(Serialize)]
struct Memory {
    #[serde(skip_serializing_if = "Option::is_none")]
    resident: Option<u64>,
    mempool: u64,
    headers: usize,
}

fn memory(rpc: &Rpc<Context>, _: &Args) -> Outcome {
    let node = &rpc.context.node;
    let mempool = node.live().pool.usage_bytes();
    json(&Memory { resident: resident_bytes(), mempool, headers: node.headers().len() })
}

/// What the process has in memory, as Linux tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

fn help<C: Send + Sync + 'static>(rpc: &Rpc<C>, args: &Args) -> Outcome {
    let Some(name) = args.text_or_none("command") else {
        let methods: Vec<_> = rpc.methods().collect();
        return json(&help::overview(&methods));
    };
    // That there is none is told as a result, as Bitcoin Core does.
    json(&rpc.method(name).map_or_else(|| format!("help: unknown command: {}", shortened(name)), help::page))
}

#[derive(Serialize)]
struct RpcInfo {
    active_commands: Vec<ActiveCommand>,
}

#[derive(Serialize)]
struct ActiveCommand {
    method: &'static str,
    duration: u64,
}

fn rpc_info<C: Send + Sync + 'static>(rpc: &Rpc<C>, _: &Args) -> Outcome {
    let active = rpc.active().into_iter().map(|(method, since)| {
        let duration = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        ActiveCommand { method, duration }
    });
    json(&RpcInfo { active_commands: active.collect() })
}
