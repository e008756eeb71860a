//! Where things lie on disk: one folder for all data, in it one for each chain.
//!
//! The node and the command line find each other through these paths alone, so both ask here. Nothing in this file creates, reads or
//! writes anything.
//!
//! ```text
//! DATA_DIR/CHAIN/.cookie        the password of the running node's RPC
//! DATA_DIR/CHAIN/node.json      where the running node listens, as `NodeAddresses`
//! DATA_DIR/CHAIN/light.state    what `qbtc light` goes on from
//! DATA_DIR/CHAIN/wallets/NAME/  a wallet
//! ```

use std::env;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The environment variable that names the data folder.
pub const DATA_DIR_VARIABLE: &str = "QBTC_DATA_DIR";

/// The data folder that is used unless the user names another: `QBTC_DATA_DIR`, or what the platform has for data of applications.
/// `None` where the environment names no home either.
#[must_use]
pub fn default_data_dir() -> Option<PathBuf> {
    data_dir_from(&|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

/// [`default_data_dir`] in a given environment.
fn data_dir_from(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if let Some(given) = variable(DATA_DIR_VARIABLE) {
        return Some(given);
    }
    // The XDG base directory specification: a relative path is to be ignored.
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let folder = if cfg!(windows) {
        variable("APPDATA")?
    } else if cfg!(target_os = "macos") {
        variable("HOME")?.join("Library/Application Support")
    } else {
        absolute("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")))?
    };
    Some(folder.join("qbtc"))
}

/// The folder of a chain, by the name in its spec.
#[must_use]
pub fn chain_dir(data_dir: &Path, chain_name: &str) -> PathBuf {
    data_dir.join(chain_name)
}

/// The file with the running node's RPC user and password, `user:password`, in a chain's folder.
#[must_use]
pub fn cookie_file(chain_dir: &Path) -> PathBuf {
    chain_dir.join(".cookie")
}

/// The file that says where the running node listens, in a chain's folder. Holds [`NodeAddresses`] as JSON.
#[must_use]
pub fn node_file(chain_dir: &Path) -> PathBuf {
    chain_dir.join("node.json")
}

/// What `qbtc light` goes on from, in a chain's folder.
#[must_use]
pub fn light_file(chain_dir: &Path) -> PathBuf {
    chain_dir.join("light.state")
}

/// The folder of a chain's wallets.
#[must_use]
pub fn wallets_dir(chain_dir: &Path) -> PathBuf {
    chain_dir.join("wallets")
}

/// Where a running node listens: the addresses that it has really bound, with the ports that it was given for port 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddresses {
    /// The node's process.
    pub pid: u32,
    /// JSON-RPC, as `host:port`.
    pub rpc: Option<String>,
    /// REST and metrics.
    pub http: Option<String>,
    /// Stratum.
    pub stratum: Option<String>,
    /// Peers, as multiaddrs with the node's peer id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub p2p: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_dir(variables: &[(&str, &str)]) -> Option<PathBuf> {
        data_dir_from(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_variable_wins() {
        let variables = [("QBTC_DATA_DIR", "/srv/qbtc"), ("XDG_DATA_HOME", "/x"), ("HOME", "/home/a")];
        assert_eq!(data_dir(&variables), Some("/srv/qbtc".into()));
        assert_eq!(data_dir(&[]), None);
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn the_platform_decides_otherwise() {
        assert_eq!(data_dir(&[("XDG_DATA_HOME", "/x"), ("HOME", "/home/a")]), Some("/x/qbtc".into()));
        assert_eq!(data_dir(&[("XDG_DATA_HOME", "x"), ("HOME", "/home/a")]), Some("/home/a/.local/share/qbtc".into()));
        assert_eq!(data_dir(&[("HOME", "/home/a")]), Some("/home/a/.local/share/qbtc".into()));
    }

    #[test]
    fn a_chain_has_its_own_folder() {
        let folder = chain_dir(Path::new("/d"), "dev");
        assert_eq!(cookie_file(&folder), Path::new("/d/dev/.cookie"));
        assert_eq!(node_file(&folder), Path::new("/d/dev/node.json"));
        assert_eq!(wallets_dir(&folder), Path::new("/d/dev/wallets"));
    }

    #[test]
    fn addresses_are_read_as_the_node_writes_them() {
        let text = r#"{"pid":7,"rpc":"127.0.0.1:8332","http":"127.0.0.1:8080","stratum":null}"#;
        let read: NodeAddresses = serde_json::from_str(text).unwrap();
        assert_eq!((read.pid, read.rpc.as_deref(), read.stratum.as_deref()), (7, Some("127.0.0.1:8332"), None));
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        let without: NodeAddresses = serde_json::from_str(r#"{"pid":7,"rpc":"127.0.0.1:8332"}"#).unwrap();
        assert_eq!(without.http, None);
    }
}
