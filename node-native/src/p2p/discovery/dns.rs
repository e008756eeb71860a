//! DNS seeds: names whose records tell addresses of nodes.
//!
//! For a seed `NAME` three kinds of records are asked for, and whatever they tell is put together:
//! - TXT `dnsaddr=MULTIADDR` at `_dnsaddr.NAME`, as libp2p has it; `/dnsaddr/OTHER` leads on to another name;
//! - SRV at `_qbtc._udp.NAME` (QUIC) and `_qbtc._tcp.NAME` (TCP): hosts and ports;
//! - A and AAAA at `NAME`: hosts on the chain's own port, over TCP.
//!
//! Whoever answers may lie, send thousands of records, lead in circles or never answer: queries, names, addresses and time have limits, and
//! addresses that cannot be reached from everywhere are refused, unless they are wanted. Names in records are resolved here, so that none
//! leads into somebody's own network once it is dialled.

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{RData, RecordType};
use qbtc_core::net::addresses::{PeerAddress, Reach};
use tokio::time::{Instant, timeout_at};

use crate::p2p::address::NodeAddress;

/// The most addresses that are taken from one seed.
pub const SEED_ADDRESSES_MAX: usize = 256;
/// The most queries for one seed.
const QUERIES_MAX: usize = 48;
/// The most names with `dnsaddr` records that one seed leads to.
const DNSADDR_NAMES_MAX: usize = 8;
/// The most hosts of SRV records, or in multiaddrs, that are resolved for one seed.
const HOSTS_MAX: usize = 16;
/// The most records of one answer that are looked at.
const RECORDS_MAX: usize = 1_024;
/// How long one query may take.
const QUERY_TIME_MAX: Duration = Duration::from_secs(3);
/// How long one seed may take.
const SEED_TIME_MAX: Duration = Duration::from_secs(20);

/// What asks DNS seeds.
#[derive(Clone)]
pub struct Seeds {
    resolver: TokioResolver,
    port: u16,
    takes_private: bool,
}

/// What a seed told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Addresses, none of them twice.
    pub addresses: Vec<PeerAddress>,
    /// How many were refused: private, malformed, or too many.
    pub refused: usize,
    /// Whether the name servers did not answer.
    pub is_silent: bool,
}

/// There is nobody to ask.
#[derive(Debug, thiserror::Error)]
#[error("names cannot be resolved: {0}; name a server with --dns-server")]
pub struct SeedsError(#[from] NetError);

impl Seeds {
    /// Asks these servers, or the system's if none is named. Hosts without a port are on `port`.
    ///
    /// # Errors
    /// [`SeedsError`].
    pub fn new(servers: &[SocketAddr], port: u16, takes_private: bool) -> Result<Self, SeedsError> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let config = ResolverConfig::from_name_servers(servers.iter().copied().map(name_server).collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts, options.cache_size) = (QUERY_TIME_MAX / 2, 1, 0);
        Ok(Self { resolver: builder.build()?, port, takes_private })
    }

    /// Asks one seed for all that it tells, within twenty seconds.
    pub async fn ask(&self, seed: &str) -> Found {
        let deadline = Instant::now() + SEED_TIME_MAX;
        let mut search =
            Search { seeds: self, deadline, queries: 0, hosts: 0, seen: HashSet::new(), found: Found::default() };
        search.dnsaddr(seed).await;
        search.services(seed, "udp", "/quic-v1").await;
        search.services(seed, "tcp", "").await;
        for ip in search.hosts(seed, true, true).await {
            search.take(&format!("{}/tcp/{}", host(ip), self.port));
        }
        search.found
    }
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = at.port();
        connection
    });
    NameServerConfig::new(at.ip(), true, connections.into())
}

/// The host part of a multiaddr.
fn host(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => format!("/ip4/{ip}"),
        IpAddr::V6(ip) => format!("/ip6/{ip}"),
    }
}

/// What is under way for one seed.
struct Search<'a> {
    seeds: &'a Seeds,
    deadline: Instant,
    queries: usize,
    hosts: usize,
    seen: HashSet<PeerAddress>,
    found: Found,
}

impl Search<'_> {
    /// Records of a name. None, if there are none, or no query is left.
    async fn lookup(&mut self, name: &str, kind: RecordType) -> Vec<RData> {
        if self.queries == QUERIES_MAX || self.found.is_silent || !is_name(name) {
            return Vec::new();
        }
        self.queries += 1;
        // A name with a dot at its end is not looked for in the system's own domains.
        let deadline = self.deadline.min(Instant::now() + QUERY_TIME_MAX);
        match timeout_at(deadline, self.seeds.resolver.lookup(format!("{name}."), kind)).await {
            Ok(Ok(answer)) => {
                let records = answer.answers().iter().take(RECORDS_MAX);
                records.map(|record| record.data.clone()).filter(|data| data.record_type() == kind).collect()
            }
            // The name has no such records, or its server refuses to say.
            Ok(Err(NetError::Dns(_))) => Vec::new(),
            Ok(Err(error)) => {
                tracing::debug!(name, "no answer from DNS: {error}");
                self.found.is_silent = true;
                Vec::new()
            }
            Err(_) => {
                self.found.is_silent = true;
                Vec::new()
            }
        }
    }

    /// IP addresses of a name.
    async fn hosts(&mut self, name: &str, four: bool, six: bool) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for (is_wanted, kind) in [(four, RecordType::A), (six, RecordType::AAAA)] {
            let records = if is_wanted { self.lookup(name, kind).await } else { Vec::new() };
            found.extend(records.into_iter().filter_map(|data| match data {
                RData::A(ip) => Some(IpAddr::V4(ip.0)),
                RData::AAAA(ip) => Some(IpAddr::V6(ip.0)),
                _ => None,
            }));
        }
        found
    }

    /// IP addresses of a name that a record led to.
    async fn hosts_of_record(&mut self, name: &str, four: bool, six: bool) -> Vec<IpAddr> {
        if self.hosts == HOSTS_MAX {
            self.found.refused += 1;
            return Vec::new();
        }
        self.hosts += 1;
        self.hosts(name, four, six).await
    }

    async fn dnsaddr(&mut self, seed: &str) {
        let (mut waiting, mut asked) = (VecDeque::from([seed.to_owned()]), HashSet::new());
        while let Some(name) = waiting.pop_front() {
            if asked.len() == DNSADDR_NAMES_MAX || !asked.insert(name.clone()) {
                continue;
            }
            for data in self.lookup(&format!("_dnsaddr.{name}"), RecordType::TXT).await {
                let RData::TXT(text) = data else { continue };
                let text = String::from_utf8(text.txt_data.concat()).unwrap_or_default();
                // Other texts may stand there too, and are for others.
                let Some(address) = text.strip_prefix("dnsaddr=") else { continue };
                match address.strip_prefix("/dnsaddr/") {
                    Some(other) if waiting.len() < DNSADDR_NAMES_MAX => {
                        waiting.extend(other.split('/').next().map(str::to_lowercase));
                    }
                    Some(_) => self.found.refused += 1,
                    None => self.take_or_resolve(address).await,
                }
            }
        }
    }

    async fn services(&mut self, seed: &str, carrier: &str, rest: &str) {
        let records = self.lookup(&format!("_qbtc._{carrier}.{seed}"), RecordType::SRV).await;
        let mut all: Vec<SRV> = records
            .into_iter()
            .filter_map(|data| if let RData::SRV(service) = data { Some(service) } else { None })
            .collect();
        all.sort_by_key(|service| service.priority);
        for service in all {
            let name = service.target.to_ascii().to_lowercase();
            for ip in self.hosts_of_record(name.trim_end_matches('.'), true, true).await {
                self.take(&format!("{}/{carrier}/{}{rest}", host(ip), service.port));
            }
        }
    }

    /// Takes an address; one with a name at the name's IP addresses.
    async fn take_or_resolve(&mut self, text: &str) {
        let named = text.parse::<PeerAddress>().ok().filter(|address| address.ip().is_none());
        let Some(address) = named else { return self.take(text) };
        let mut parts = text.splitn(4, '/').skip(1);
        let (Some(kind), Some(name), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return };
        debug_assert_eq!(address.host_text(), name);
        for ip in self.hosts_of_record(name, kind != "dns6", kind != "dns4").await {
            self.take(&format!("{}/{rest}", host(ip)));
        }
    }

    fn take(&mut self, text: &str) {
        let address = text.parse::<PeerAddress>().ok().filter(|_| text.parse::<NodeAddress>().is_ok());
        let fits = |address: &PeerAddress| {
            address.ip().is_some() && (address.reach() == Reach::Public || self.seeds.takes_private)
        };
        match address.filter(fits) {
            Some(address) if self.seen.contains(&address) => {}
            Some(address) if self.found.addresses.len() < SEED_ADDRESSES_MAX => {
                self.seen.insert(address.clone());
                self.found.addresses.push(address);
            }
            _ => self.found.refused += 1,
        }
    }
}

/// Whether this can be a name in DNS. Records of liars hold anything.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
