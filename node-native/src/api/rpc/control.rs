//! Calls about the node itself.

use serde::Serialize;

use super::args::Args;
use super::error::{Code, RpcError};
use super::help;
use super::method::{Category, Handler, Kind, Method, Param, Size};
use super::protocol::Outcome;
use super::{Rpc, json};

/// The calls that need no more than the table of calls.
pub(super) fn about_calls<C: Send + Sync + 'static>() -> Vec<Method<C>> {
    let help = Method {
        name: "help",
        category: Category::Control,
        about: "Lists all calls, or tells all about one of them.",
        params: const { &[Param::optional(&["command"], Kind::Text, "all calls", "The call to tell about.")] },
        result: "\"text\"    (string) The help text",
        example: "getblock",
        size: Size::Small,
        handler: Handler::Blocking(help),
    };
    let info = Method {
        name: "getrpcinfo",
        category: Category::Control,
        about: "Tells which calls are in progress.",
        params: &[],
        result: "{\n  \"active_commands\": [\n    {\n      \"method\": \"str\",    (string) The call\n      \"duration\": n       (numeric) For how \
                 long, in microseconds\n    },...\n  ]\n}",
        example: "",
        size: Size::Small,
        handler: Handler::Blocking(rpc_info),
    };
    vec![help, info]
}

fn help<C: Send + Sync + 'static>(rpc: &Rpc<C>, args: &Args) -> Outcome {
    let Some(name) = args.text_or_none("command") else {
        let methods: Vec<_> = rpc.methods().collect();
        return json(&help::overview(&methods));
    };
    let unknown = || RpcError::new(Code::MethodNotFound, format!("help: unknown command: {}", shortened(name)));
    json(&help::page(rpc.method(name).ok_or_else(unknown)?))
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
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
