//! Which nodes a light client asks: those that are named, or a few that it finds as nodes find each other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use qbtc_core::net::addresses::{Group, PeerAddress};
use qbtc_core::spec::ChainSpec;

use crate::cli::options::GlobalOptions;
use crate::cli::output::note;
use crate::client::running_node;
use crate::config::HostName;
use crate::light::LightOptions;
use crate::p2p::address::NodeAddress;
use crate::p2p::discovery::dns::Seeds;
use crate::p2p::discovery::{SeedNames, own_draws};
use crate::paths::light_file;

/// How many nodes are looked for where none is named: more than must answer, since some will not.
const NODES_WANTED: usize = 8;

/// Which nodes are asked, and for how long.
#[derive(Args, Clone)]
pub(super) struct NodesOptions {
    /// A node to ask: IP:PORT, or a multiaddr. May be given several times.
    #[arg(long, global = true, value_name = "ADDRESS")]
    peer: Vec<NodeAddress>,
    /// Names whose DNS records tell nodes, in place of those of the chain.
    #[arg(long, global = true, env = "QBTC_DNS_SEED", value_name = "NAME", value_delimiter = ',')]
    dns_seed: Vec<HostName>,
    /// Whom to ask for those names [default: the system's servers].
    #[arg(long, global = true, env = "QBTC_DNS_SERVER", value_name = "IP:PORT", value_delimiter = ',')]
    dns_server: Vec<SocketAddr>,
    /// Takes addresses of private networks and of this machine from others [default: true on the chains local and dev].
    #[arg(
        long,
        global = true,
        env = "QBTC_ALLOW_PRIVATE_ADDRESSES",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        require_equals = true
    )]
    allow_private_addresses: Option<bool>,
    /// How long to wait for an answer that holds, or for the next one where many are needed, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60)]
    pub(super) timeout: u64,
    /// Starts from the genesis block, and keeps nothing.
    #[arg(long, global = true)]
    anew: bool,
}

impl NodesOptions {
    /// What the client runs on. Where no node is named and few are known, DNS seeds are asked in turn.
    pub(super) async fn light(&self, global: &GlobalOptions, spec: &Arc<ChainSpec>) -> anyhow::Result<LightOptions> {
        let chain_dir = global.chain_dir(spec)?;
        let mut nodes = self.peer.clone();
        if nodes.is_empty() {
            let running = running_node(&chain_dir).map(|node| node.p2p).unwrap_or_default();
            let known = running.iter().chain(&spec.network().bootstrap_peers);
            nodes.extend(known.filter_map(|address| address.parse().ok()));
            if running.is_empty() && nodes.len() < NODES_WANTED {
                nodes.extend(self.found_by_seeds(spec, NODES_WANTED - nodes.len()).await?);
            }
        }
        if nodes.is_empty() {
            bail!(
                "no node to ask: name some with --peer, best three or more that different people run, or a DNS seed with --dns-seed; `qbtc \
                 node` on this machine is found by itself"
            );
        }
        let state_file = (!self.anew).then(|| light_file(&chain_dir));
        Ok(LightOptions { spec: Arc::clone(spec), nodes, state_file })
    }

    /// Within the time that an answer may take, and that of one seed: so many nodes at most, as far as can be of different groups of addresses: who tells all of them may have all of them.
    async fn found_by_seeds(&self, spec: &ChainSpec, most: usize) -> anyhow::Result<Vec<NodeAddress>> {
        let SeedNames { mut names, takes_private } = SeedNames::of(spec, &self.dns_seed, self.allow_private_addresses);
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let seeds = Seeds::new(&self.dns_server, spec.network().ports.p2p, takes_private)?;
        let mut draws = own_draws();
        let mut told = Vec::new();
        let (begin, limit) = (Instant::now(), Duration::from_secs(self.timeout));
        while !names.is_empty() && told.len() < most && begin.elapsed() < limit {
            let name = names.swap_remove(draws.below(names.len()));
            let found = seeds.ask(&name).await;
            if found.addresses.is_empty() {
                let why = if found.is_silent { "no name server answers" } else { "it tells no node" };
                note(&format_args!("the DNS seed {name} is of no use: {why}"));
            }
            told.extend(found.addresses);
        }
        // A random order, from which each group's first comes first.
        let mut groups: Vec<Group> = Vec::new();
        let (mut first, mut others) = (Vec::new(), Vec::new());
        while !told.is_empty() {
            let address: PeerAddress = told.swap_remove(draws.below(told.len()));
            if groups.contains(&address.group()) {
                others.push(address);
            } else {
                groups.push(address.group());
                first.push(address);
            }
        }
        let addresses = first.into_iter().chain(others).filter_map(|address| address.as_str().parse().ok());
        Ok(addresses.take(most).collect())
    }
}
