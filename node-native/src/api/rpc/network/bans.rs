//! Calls about bans and the address book.

use std::net::IpAddr;
use std::sync::Arc;

use qbtc_core::net::Subnet;
use qbtc_core::net::addresses::{Entry, Reach};
use qbtc_core::units::BlockTime;
use serde::Serialize;

use super::super::args::Args;
use super::super::context::Context;
use super::super::error::{Code, RpcError};
use super::super::method::{Category, Method};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json};
use super::p2p;
use crate::api::shortened;

/// How long a ban is unless it is said: a day.
const BAN_SECONDS: u32 = 86_400;

pub(super) fn methods() -> [Method<Context>; 4] {
    const SET: &[Param] = &[
        Param::required(&["subnet"], Kind::Text, "An IP address, or a subnet such as 192.0.2.0/24."),
        Param::required(&["command"], Kind::Text, "add or remove."),
        Param::optional(&["bantime"], Kind::Number, "86400", "For how many seconds, or until when."),
        Param::optional(&["absolute"], Kind::Bool, "false", "Whether `bantime` is a time, in Unix time."),
    ];
    const NODES: &[Param] = &[
        Param::optional(&["count"], Kind::Number, "1", "How many at most; 0 for all."),
        Param::optional(&["network"], Kind::Text, "all", "ipv4 or ipv6."),
    ];
    [
        Method::waiting("setban", Category::Network, |rpc, args| Box::pin(set_ban(rpc, args)))
            .about("Bans an address or a subnet, or lifts a ban. Peers there are parted with. Bans are kept over restarts.", "null")
            .takes(SET, "\"192.0.2.0/24\" \"add\" 3600"),
        Method::waiting("listbanned", Category::Network, |rpc, _| Box::pin(list_banned(rpc))).about(
            "Lists the bans, those that peers have earned as well.",
            "[\n  {\n    \"address\": \"str\",       (string) The subnet\n    \"ban_created\": n,       (numeric) Since when, in Unix time\n    \
             \"banned_until\": n,      (numeric) Until when\n    \"ban_duration\": n,      (numeric) How long, in seconds\n    \
             \"time_remaining\": n,    (numeric) How much longer\n    \"ban_reason\": \"str\"     (string) Why\n  },...\n]",
        ),
        Method::waiting("clearbanned", Category::Network, |rpc, _| Box::pin(clear_banned(rpc))).about("Lifts all bans.", "null"),
        Method::waiting("getnodeaddresses", Category::Network, |rpc, args| Box::pin(node_addresses(rpc, args)))
            .about(
                "Tells random nodes of the address book.",
                "[\n  {\n    \"time\": n,          (numeric) When it was last known to be there, in Unix time\n    \"services\": n,      \
                 (numeric) What it does for others\n    \"address\": \"str\",   (string) Its IP address or name\n    \"port\": n,          \
                 (numeric) Its port\n    \"network\": \"str\",   (string) ipv4, ipv6 or not_publicly_routable\n    \"multiaddr\": \"str\"  \
                 (string) The whole address\n  },...\n]",
            )
            .takes(NODES, "8"),
    ]
}

async fn set_ban(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let (p2p, now) = (p2p(&rpc)?, rpc.context.node.now());
    let (command, is_absolute) = (args.text("command"), args.bool("absolute", false));
    if !["add", "remove"].contains(&command) {
        return Err(RpcError::parameter(format!("command {}: expected add or remove", shortened(command))));
    }
    let subnet: Subnet =
        args.text("subnet").parse().map_err(|_| RpcError::new(Code::InvalidSubnet, "Error: Invalid IP/Subnet"))?;
    if command == "remove" {
        let message = "Error: Unban failed. Requested address/subnet was not previously manually banned.";
        let is_lifted = p2p.lift_ban(subnet, now).await?;
        return if is_lifted { json(&()) } else { Err(RpcError::new(Code::InvalidSubnet, message)) };
    }
    let time = args.int("bantime")?.unwrap_or(0);
    let seconds = u32::try_from(time).map_err(|_| RpcError::parameter("bantime: out of range"))?;
    let until = match (is_absolute, seconds) {
        (true, _) => BlockTime(seconds),
        (false, 0) => now.saturating_add(BAN_SECONDS),
        (false, seconds) => now.saturating_add(seconds),
    };
    if until <= now {
        return Err(RpcError::parameter("Error: Absolute timestamp is in the past"));
    }
    match p2p.ban(subnet, until, now).await? {
        Ok(()) => json(&()),
        Err(_) => Err(RpcError::new(Code::NodeAlreadyAdded, "Error: IP/Subnet already banned")),
    }
}

#[derive(Serialize)]
struct Banned {
    address: String,
    ban_created: u32,
    banned_until: u32,
    ban_duration: u32,
    time_remaining: u32,
    ban_reason: String,
}

async fn list_banned(rpc: Arc<Rpc<Context>>) -> Outcome {
    let now = rpc.context.node.now();
    let told = p2p(&rpc)?.bans(now).into_iter().map(|(subnet, ban)| Banned {
        address: subnet.to_string(),
        ban_created: ban.since.0,
        banned_until: ban.until.0,
        ban_duration: ban.until.0.saturating_sub(ban.since.0),
        time_remaining: ban.until.0.saturating_sub(now.0),
        ban_reason: ban.why,
    });
    json(&told.collect::<Vec<_>>())
}

async fn clear_banned(rpc: Arc<Rpc<Context>>) -> Outcome {
    p2p(&rpc)?.clear_bans().await?;
    json(&())
}

#[derive(Serialize)]
struct KnownNode {
    time: u32,
    services: u64,
    address: String,
    port: u16,
    network: &'static str,
    multiaddr: String,
}

impl From<Entry> for KnownNode {
    fn from(entry: Entry) -> Self {
        let network = match (entry.address.reach(), entry.address.ip().map(|ip| ip.to_canonical())) {
            (Reach::Public, Some(IpAddr::V4(_))) => "ipv4",
            (Reach::Public, Some(IpAddr::V6(_))) => "ipv6",
            _ => "not_publicly_routable",
        };
        Self {
            time: entry.last_seen.0,
            services: entry.services.0,
            address: entry.address.host_text(),
            port: entry.address.port(),
            network,
            multiaddr: entry.address.to_string(),
        }
    }
}

async fn node_addresses(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let count = usize::try_from(args.int("count")?.unwrap_or(1))
        .map_err(|_| RpcError::parameter("Address count out of range"))?;
    let network = args.text_or_none("network");
    if let Some(network) = network.filter(|network| !["ipv4", "ipv6"].contains(network)) {
        return Err(RpcError::parameter(format!("Network not recognized: {}", shortened(network))));
    }
    let most = if count == 0 { usize::MAX } else { count };
    let known = p2p(&rpc)?.nodes(usize::MAX).await?.into_iter().map(KnownNode::from);
    let told = known.filter(|node| network.is_none_or(|network| node.network == network)).take(most);
    json(&told.collect::<Vec<_>>())
}
