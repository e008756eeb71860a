//! What an operator can set: on the command line, in the environment, or in a file, each with the same names.
//!
//! A flag wins over its variable, that over the file, and the file over the default. The file is TOML with the names of the flags
//! (`addressindex = true`, `block-interval = 5`); a name that is not known is an error, so that a slip of the pen is noticed.

mod value;

pub use value::{HostName, Listen, Origin, PeerIdentity, PeerListen, Secret, ValueError, Whole};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Args;
use serde::Deserialize;

use crate::driver::Prune;
use crate::p2p::address::NodeAddress;
use crate::stratum::session::Difficulty;

/// How many connections there may be.
pub type Connections = Whole<1, 65_536>;
/// How many connections with peers there may be.
pub type Peers = Whole<0, 4_096>;
/// How many blocks are kept: as many as a reorg may need, at least.
pub type KeptBlocks = Whole<{ Prune::DEPTH_MIN }, { u32::MAX }>;
/// An amount of memory, in MiB.
pub type Mebibytes = Whole<8, 1_048_576>;

/// The settings of a node, none of which must be given.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeConfig {
    /// Where JSON-RPC listens; port 0 takes any free one [default: 127.0.0.1 and the chain's port, 8332 on main].
    #[arg(long, env = "QBTC_RPC", value_name = "ADDR|off", hide_env_values = true)]
    pub rpc: Option<Listen>,
    /// Where REST, metrics and the web app listen [default: 127.0.0.1 and the chain's port, 8080 on main].
    #[arg(long, env = "QBTC_HTTP", value_name = "ADDR|off", hide_env_values = true)]
    pub http: Option<Listen>,
    /// Where Stratum listens for miners [default: off].
    #[arg(long, env = "QBTC_STRATUM", value_name = "ADDR|off", hide_env_values = true)]
    pub stratum: Option<Listen>,
    /// Where the node listens for peers, by TCP and QUIC, or a multiaddr; port 0 takes any free one
    /// [default: all addresses and the chain's port, 8333 on main, and the next one for browsers;
    /// nowhere with --connect].
    #[arg(long, env = "QBTC_P2P", value_name = "ADDR|off", hide_env_values = true, value_delimiter = ',')]
    pub p2p: Vec<PeerListen>,
    /// Connects with these nodes, each IP:PORT or a multiaddr, and with no others.
    #[arg(long, env = "QBTC_CONNECT", value_name = "NODE", hide_env_values = true, value_delimiter = ',')]
    pub connect: Vec<NodeAddress>,
    /// Connects with these nodes too, whatever others there are.
    #[arg(long, env = "QBTC_ADD_NODE", value_name = "NODE", hide_env_values = true, value_delimiter = ',')]
    pub add_node: Vec<NodeAddress>,
    /// Looks for nodes beside those that are named, and tells others of them [default: true; false with --connect].
    #[arg(long, env = "QBTC_DISCOVER", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub discover: Option<bool>,
    /// Names whose DNS records tell nodes, in place of those of the chain.
    #[arg(long, env = "QBTC_DNS_SEED", value_name = "NAME", value_delimiter = ',')]
    pub dns_seed: Vec<HostName>,
    /// Whom to ask for those names [default: the system's servers].
    #[arg(long, env = "QBTC_DNS_SERVER", value_name = "IP:PORT", value_delimiter = ',')]
    pub dns_server: Vec<SocketAddr>,
    /// Takes addresses of private networks and of this machine from others [default: true on the chains local and dev].
    #[arg(long, env = "QBTC_ALLOW_PRIVATE_ADDRESSES", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub allow_private_addresses: Option<bool>,
    /// How many connections others may have with this node [default: 117].
    #[arg(long, env = "QBTC_CONNECTIONS_IN_MAX", value_name = "N")]
    pub connections_in_max: Option<Peers>,
    /// How many connections this node makes with others [default: 12].
    #[arg(long, env = "QBTC_CONNECTIONS_OUT_MAX", value_name = "N")]
    pub connections_out_max: Option<Peers>,
    /// Where others can reach this node beside where it listens: the address of a router that passes a port on, for example.
    #[arg(long, env = "QBTC_EXTERNAL_ADDRESS", value_name = "ADDR", hide_env_values = true, value_delimiter = ',')]
    pub external_address: Vec<NodeAddress>,
    /// Asks peers by Kademlia too who is near an id, and answers them [default: as --discover].
    #[arg(long, env = "QBTC_KADEMLIA", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub kademlia: Option<bool>,
    /// Has peers look whether they can reach this node, and looks for them [default: as --discover; false on the chains local and dev].
    #[arg(long, env = "QBTC_AUTONAT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub autonat: Option<bool>,
    /// Asks the router by UPnP to pass the ports on which this node listens [default: false].
    #[arg(long, env = "QBTC_UPNP", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub upnp: Option<bool>,
    /// Lets nodes behind routers be reached through this one [default: false].
    #[arg(long, env = "QBTC_RELAY", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub relay: Option<bool>,
    /// Is reached through these nodes, each a multiaddr with `/p2p/PEER_ID`, whose operators gave them --relay.
    #[arg(long, env = "QBTC_RELAY_THROUGH", value_name = "NODE", hide_env_values = true, value_delimiter = ',')]
    pub relay_through: Vec<NodeAddress>,
    /// Makes connections through relays direct where the routers let them [default: true].
    #[arg(long, env = "QBTC_HOLE_PUNCHING", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub hole_punching: Option<bool>,
    /// Has only peers that show an ML-DSA key: `any`, or hashes of the keys that are admitted (`identity` in getnetworkinfo).
    #[arg(long, env = "QBTC_REQUIRE_IDENTITY", value_name = "any|HASH", value_delimiter = ',')]
    pub require_identity: Vec<PeerIdentity>,
    /// The difficulty that a Stratum miner starts with; then it follows the miner [default: 0.01].
    #[arg(long, env = "QBTC_STRATUM_DIFFICULTY", value_name = "NUMBER")]
    pub stratum_difficulty: Option<Difficulty>,
    /// How many seconds a Stratum miner should need for a share [default: 10].
    #[arg(long, env = "QBTC_STRATUM_SHARE_INTERVAL", value_name = "SECONDS")]
    pub stratum_share_interval: Option<Whole<1, 600>>,
    /// How many Stratum miners may be connected, a quarter of them from one address [default: 1024].
    #[arg(long, env = "QBTC_STRATUM_CONNECTIONS", value_name = "N")]
    pub stratum_connections: Option<Connections>,
    /// Who is paid for blocks that are made here, unless a miner names an address.
    #[arg(long, env = "QBTC_REWARD", value_name = "ADDRESS", hide_env_values = true)]
    pub reward: Option<String>,
    /// Mines with this machine's processors.
    #[arg(long, env = "QBTC_MINE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub mine: Option<bool>,
    /// How many threads mine [default: all].
    #[arg(long, env = "QBTC_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// At least so many seconds between blocks that are mined here: paces a chain of trivial difficulty.
    #[arg(long, env = "QBTC_BLOCK_INTERVAL", value_name = "SECONDS")]
    pub block_interval: Option<u32>,
    /// Keeps the witnesses of so many blocks only, at least 288; bodies, filters and headers stay.
    #[arg(long, env = "QBTC_PRUNE", value_name = "BLOCKS")]
    pub prune: Option<KeptBlocks>,
    /// Keeps the bodies of so many blocks only, at least 288; filters and headers stay.
    #[arg(long, env = "QBTC_PRUNE_BODIES", value_name = "BLOCKS")]
    pub prune_bodies: Option<KeptBlocks>,
    /// Keeps an index of all transactions by their id.
    #[arg(long, env = "QBTC_TXINDEX", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub txindex: Option<bool>,
    /// Keeps an index of all addresses: their history and coins.
    #[arg(long, env = "QBTC_ADDRESSINDEX", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub addressindex: Option<bool>,
    /// The user of JSON-RPC, beside the cookie file.
    #[arg(long, env = "QBTC_RPC_USER", value_name = "NAME", hide_env_values = true)]
    pub rpc_user: Option<String>,
    /// That user's password. On a command line others may see it: prefer the variable or the file.
    #[arg(long, env = "QBTC_RPC_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub rpc_password: Option<Secret>,
    /// Further users of JSON-RPC, as lines USER:SALT$HASH like Bitcoin's.
    #[arg(long, env = "QBTC_RPCAUTH", value_name = "LINE", hide_env_values = true, value_delimiter = ' ')]
    pub rpcauth: Vec<String>,
    /// Names under which this node is reached, beside its addresses and localhost.
    #[arg(long, env = "QBTC_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allow_host: Vec<HostName>,
    /// Origins of web pages that may read the HTTP interface, such as `https://explorer.example`.
    #[arg(long, env = "QBTC_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<Origin>,
    /// Origins of web pages that may call JSON-RPC, if they bring a login. Whoever controls such a page can do all that the login can.
    #[arg(long, env = "QBTC_RPC_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub rpc_allow_origin: Vec<Origin>,
    /// How many connections JSON-RPC has at once, a quarter of them from one address; each miner that waits for work holds one
    /// [default: 256].
    #[arg(long, env = "QBTC_RPC_CONNECTIONS", value_name = "N")]
    pub rpc_connections: Option<Connections>,
    /// How many connections the HTTP interface has at once, a quarter of them from one address [default: 256].
    #[arg(long, env = "QBTC_HTTP_CONNECTIONS", value_name = "N")]
    pub http_connections: Option<Connections>,
    /// How much an address may ask of the HTTP interface each second, and twenty times as much at once; a light request counts for 1, a
    /// block for 4, a heavy request for 20 [default: 20].
    #[arg(long, env = "QBTC_HTTP_RATE", value_name = "N")]
    pub http_rate: Option<Whole<1, 1_000_000>>,
    /// How many clients may be subscribed to events at once, a sixteenth of them from one address [default: 128].
    #[arg(long, env = "QBTC_WS_CLIENTS", value_name = "N")]
    pub ws_clients: Option<Connections>,
    /// Memory for pages of the database, in MiB [default: 128].
    #[arg(long, env = "QBTC_DB_CACHE", value_name = "MIB")]
    pub db_cache: Option<Mebibytes>,
    /// Reads all of the database first and holds it against its checksums: after a disk has failed, for example.
    #[arg(long, env = "QBTC_CHECK_DATABASE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub check_database: Option<bool>,
    /// Memory for the mempool, in MiB [default: 256].
    #[arg(long, env = "QBTC_MEMPOOL", value_name = "MIB")]
    pub mempool: Option<Mebibytes>,
    /// Takes in the blocks of a file first, each checked as if a peer had sent it.
    #[arg(long, env = "QBTC_LOAD_BLOCKS", value_name = "FILE", value_delimiter = ',')]
    pub load_blocks: Vec<PathBuf>,
    /// What is logged: error, warn, info, debug or trace, also by part, as in `info,qbtc_node::stratum=debug` [default: info].
    #[arg(long, env = "QBTC_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Writes each line of the log as JSON.
    #[arg(long, env = "QBTC_LOG_JSON", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub log_json: Option<bool>,
}

/// Why a file holds no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the settings in {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is no TOML, or names what is not known.
    #[error("the settings in {} are wrong: {message}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        message: String,
    },
}

impl NodeConfig {
    /// Reads a file of settings.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.into(), error })?;
        toml::from_str(&text).map_err(|error| ConfigError::Toml { path: path.into(), message: error.to_string() })
    }

    /// These settings, and where they say nothing, others.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        fn longer<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
            if first.is_empty() { second } else { first }
        }
        Self {
            rpc: self.rpc.or(other.rpc),
            http: self.http.or(other.http),
            stratum: self.stratum.or(other.stratum),
            p2p: longer(self.p2p, other.p2p),
            external_address: longer(self.external_address, other.external_address),
            require_identity: longer(self.require_identity, other.require_identity),
            kademlia: self.kademlia.or(other.kademlia),
            autonat: self.autonat.or(other.autonat),
            upnp: self.upnp.or(other.upnp),
            relay: self.relay.or(other.relay),
            relay_through: longer(self.relay_through, other.relay_through),
            hole_punching: self.hole_punching.or(other.hole_punching),
            connect: longer(self.connect, other.connect),
            add_node: longer(self.add_node, other.add_node),
            discover: self.discover.or(other.discover),
            dns_seed: longer(self.dns_seed, other.dns_seed),
            dns_server: longer(self.dns_server, other.dns_server),
            allow_private_addresses: self.allow_private_addresses.or(other.allow_private_addresses),
            connections_in_max: self.connections_in_max.or(other.connections_in_max),
            connections_out_max: self.connections_out_max.or(other.connections_out_max),
            stratum_difficulty: self.stratum_difficulty.or(other.stratum_difficulty),
            stratum_share_interval: self.stratum_share_interval.or(other.stratum_share_interval),
            stratum_connections: self.stratum_connections.or(other.stratum_connections),
            reward: self.reward.or(other.reward),
            mine: self.mine.or(other.mine),
            threads: self.threads.or(other.threads),
            block_interval: self.block_interval.or(other.block_interval),
            prune: self.prune.or(other.prune),
            prune_bodies: self.prune_bodies.or(other.prune_bodies),
            txindex: self.txindex.or(other.txindex),
            addressindex: self.addressindex.or(other.addressindex),
            rpc_user: self.rpc_user.or(other.rpc_user),
            rpc_password: self.rpc_password.or(other.rpc_password),
            rpcauth: longer(self.rpcauth, other.rpcauth),
            allow_host: longer(self.allow_host, other.allow_host),
            allow_origin: longer(self.allow_origin, other.allow_origin),
            rpc_allow_origin: longer(self.rpc_allow_origin, other.rpc_allow_origin),
            rpc_connections: self.rpc_connections.or(other.rpc_connections),
            http_connections: self.http_connections.or(other.http_connections),
            http_rate: self.http_rate.or(other.http_rate),
            ws_clients: self.ws_clients.or(other.ws_clients),
            db_cache: self.db_cache.or(other.db_cache),
            check_database: self.check_database.or(other.check_database),
            mempool: self.mempool.or(other.mempool),
            load_blocks: longer(self.load_blocks, other.load_blocks),
            log: self.log.or(other.log),
            log_json: self.log_json.or(other.log_json),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_names_of_the_flags_and_the_flags_win() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        fs::write(&path, "rpc = \"127.0.0.1:1\"\nhttp = \"off\"\nblock-interval = 5\naddressindex = true\n").unwrap();
        let file = NodeConfig::read(&path).unwrap();
        let flags = NodeConfig { rpc: Some("127.0.0.1:2".parse().unwrap()), ..NodeConfig::default() };
        let both = flags.or(file);
        assert_eq!(both.rpc, Some(Listen::At(([127, 0, 0, 1], 2).into())));
        assert_eq!((both.http, both.block_interval, both.addressindex), (Some(Listen::Off), Some(5), Some(true)));
    }

    #[test]
    fn slips_of_the_pen_are_told_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        for (text, told) in [
            ("txindexx = true", "txindexx"),
            ("rpc = \"here\"", "127.0.0.1:8332"),
            ("mine = 1", "line 1"),
            ("stratum-difficulty = 0.0", "above zero"),
            ("stratum-share-interval = 0", "from 1 to 600"),
            ("prune = 5", "at least 288"),
            ("p2p = [\"here\"]", "0.0.0.0:8333"),
            ("connect = [\"node.example\"]", "IP:PORT"),
            ("relay-through = [\"node.example\"]", "IP:PORT"),
            ("upnp = \"yes\"", "line 1"),
            ("connections-in-max = 5000", "from 0 to 4096"),
            ("db-cache = -1", "from 8"),
            ("allow-origin = [\"https://explorer.example/\"]", "without a path"),
            ("allow-host = [\"node.example:8332\"]", "without scheme and port"),
        ] {
            fs::write(&path, text).unwrap();
            let error = NodeConfig::read(&path).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
