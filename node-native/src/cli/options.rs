//! Options that several commands share: which chain, where its data is, which node.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use qbtc_core::spec::ChainSpec;
use zeroize::Zeroizing;

use crate::client::{Client, Login, cookie_login, running_node};
use crate::paths;

/// The chain that is used unless the user names another.
pub const DEFAULT_CHAIN: &str = "main";

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct GlobalOptions {
    /// Prints results as JSON; errors too, on stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// Which chain: main, test, local, dev, or the file of a chain spec [default: main].
    #[arg(long, global = true, env = "QBTC_CHAIN", value_name = "CHAIN|FILE", hide_env_values = true)]
    pub chain: Option<String>,
    /// Where node and wallets keep their data [default: what your system has for data of applications].
    #[arg(long, global = true, env = "QBTC_DATA_DIR", value_name = "FOLDER", hide_env_values = true)]
    pub data_dir: Option<PathBuf>,
}

impl GlobalOptions {
    /// The chain's spec.
    ///
    /// # Errors
    /// If there is no such chain or file, or the file is no chain spec.
    pub fn spec(&self) -> anyhow::Result<ChainSpec> {
        load_chain(self.chain.as_deref().unwrap_or(DEFAULT_CHAIN))
    }

    /// The folder of all data.
    ///
    /// # Errors
    /// If none is given and the environment names no home.
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        let given = self.data_dir.clone().or_else(paths::default_data_dir);
        given.ok_or_else(|| anyhow!("no home folder is known to keep data in; name one with --data-dir"))
    }

    /// The folder of a chain.
    ///
    /// # Errors
    /// As [`GlobalOptions::data_dir`].
    pub fn chain_dir(&self, spec: &ChainSpec) -> anyhow::Result<PathBuf> {
        Ok(paths::chain_dir(&self.data_dir()?, spec.name()))
    }
}

/// Which node, and who asks it. It has no `Debug`, since it holds a password.
#[derive(Args, Clone, Default)]
pub struct NodeOptions {
    /// Where the node listens [default: what the running node has written to its data folder when it started].
    #[arg(long, global = true, env = "QBTC_RPC", value_name = "HOST:PORT", hide_env_values = true)]
    rpc: Option<String>,
    /// The user that the node knows you as [default: by the node's cookie file].
    #[arg(long, global = true, env = "QBTC_RPC_USER", value_name = "NAME", hide_env_values = true)]
    rpc_user: Option<String>,
    /// The user's password. On a command line others may see it: prefer the variable.
    #[arg(long, global = true, env = "QBTC_RPC_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    rpc_password: Option<String>,
    /// How long to wait for the node, in seconds; 0 for ever.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60)]
    rpc_timeout: u64,
}

impl NodeOptions {
    /// A client of that node. Connects to nothing yet.
    ///
    /// # Errors
    /// If the options do not fit together, or the cookie cannot be read.
    pub fn client(&self, global: &GlobalOptions, spec: &ChainSpec) -> anyhow::Result<Client> {
        let chain_dir = global.chain_dir(spec)?;
        let login = match (&self.rpc_user, &self.rpc_password) {
            (Some(user), Some(password)) => {
                Login::Password { user: user.clone(), password: Zeroizing::new(password.clone()) }
            }
            (None, None) => cookie_login(&chain_dir),
            (Some(_), None) => bail!("--rpc-user needs --rpc-password, or QBTC_RPC_PASSWORD"),
            (None, Some(_)) => bail!("--rpc-password needs --rpc-user, or QBTC_RPC_USER"),
        };
        let written = || running_node(&chain_dir).and_then(|node| node.rpc);
        let by_spec = || format!("127.0.0.1:{}", spec.network().ports.rpc);
        let address = self.rpc.clone().or_else(written).unwrap_or_else(by_spec);
        let timeout = (self.rpc_timeout > 0).then(|| Duration::from_secs(self.rpc_timeout));
        Ok(Client::new(&address, &login, timeout)?.with_advice(how_to_start(global)))
    }
}

/// The command that starts the node which these options look for.
fn how_to_start(global: &GlobalOptions) -> String {
    let mut command = "start one with `qbtc node".to_owned();
    if let Some(chain) = &global.chain {
        command.push_str(&format!(" --chain {chain}"));
    }
    if let Some(folder) = global.data_dir.as_ref().filter(|_| env::var_os(paths::DATA_DIR_VARIABLE).is_none()) {
        command.push_str(&format!(" --data-dir {}", folder.display()));
    }
    command.push_str("`, or say with --rpc where it is");
    command
}

/// The spec of a built-in chain, or of a file.
///
/// # Errors
/// If there is no such chain or file, or the file is no chain spec.
pub fn load_chain(name_or_file: &str) -> anyhow::Result<ChainSpec> {
    if let Some(spec) = ChainSpec::by_name(name_or_file) {
        return Ok(spec);
    }
    let path = Path::new(name_or_file);
    if !path.exists() {
        bail!("{name_or_file:?} is neither a chain (main, test, local, dev) nor a file; `qbtc chain new` makes one");
    }
    let length = fs::metadata(path).with_context(|| format!("cannot read {name_or_file}"))?.len();
    if length > ChainSpec::TEXT_BYTES_MAX as u64 {
        bail!("{name_or_file} is no chain spec: it has {length} bytes, of at most {}", ChainSpec::TEXT_BYTES_MAX);
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {name_or_file}"))?;
    ChainSpec::from_toml(&text).with_context(|| format!("{name_or_file} is no chain spec"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_found_by_name_and_by_file() {
        assert_eq!(load_chain("dev").unwrap(), ChainSpec::dev());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("acme.toml");
        fs::write(&file, ChainSpec::dev().to_toml().replace("name = \"dev\"", "name = \"acme\"")).unwrap();
        assert_eq!(load_chain(file.to_str().unwrap()).unwrap().name(), "acme");
        fs::write(&file, "name = 1").unwrap();
        let error = format!("{:#}", load_chain(file.to_str().unwrap()).unwrap_err());
        assert!(error.contains("is no chain spec") && error.contains("name"), "{error}");
        assert!(load_chain("regtest").unwrap_err().to_string().contains("qbtc chain new"));
    }

    #[test]
    fn half_a_login_is_refused() {
        let global = GlobalOptions { data_dir: Some("/nowhere".into()), ..GlobalOptions::default() };
        let options = NodeOptions { rpc_user: Some("a".to_owned()), ..NodeOptions::default() };
        assert!(options.client(&global, &ChainSpec::dev()).err().unwrap().to_string().contains("--rpc-password"));
    }

    #[test]
    fn the_node_is_looked_for_where_it_says_or_else_where_the_chain_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let global = GlobalOptions { data_dir: Some(folder.path().to_owned()), ..GlobalOptions::default() };
        let url = |options: NodeOptions| options.client(&global, &ChainSpec::dev()).unwrap().url().to_owned();
        assert_eq!(url(NodeOptions::default()), "http://127.0.0.1:38332");
        fs::create_dir(folder.path().join("dev")).unwrap();
        fs::write(folder.path().join("dev/node.json"), r#"{"pid":1,"rpc":"127.0.0.1:5"}"#).unwrap();
        assert_eq!(url(NodeOptions::default()), "http://127.0.0.1:5");
        assert_eq!(url(NodeOptions { rpc: Some("host:6".to_owned()), ..NodeOptions::default() }), "http://host:6");
    }
}
