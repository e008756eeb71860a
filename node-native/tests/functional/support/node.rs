//! A node as a process, and calls to it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use nix::sys::signal::Signal;
use qbtc_core::spec::ChainSpec;
use qbtc_node::client::{Client, ClientError, cookie_login, running_node};
use qbtc_node::paths::{self, NodeAddresses};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::program::Running;
use super::{DEADLINE, eventually, qbtc};

/// A node's process. Killed when it goes out of scope.
pub(crate) struct NodeProcess {
    process: Running,
    chain_dir: PathBuf,
    pub(crate) spec: ChainSpec,
    pub(crate) addresses: NodeAddresses,
    pub(crate) client: Client,
}

/// The command that runs a node, on any free ports unless it is told which.
pub(crate) fn command(chain: &str, data_dir: &Path, options: &[&str]) -> Command {
    let mut command = qbtc();
    command.args(["node", "--chain", chain]).arg("--data-dir").arg(data_dir);
    for (flag, value) in [("--rpc", "127.0.0.1:0"), ("--http", "127.0.0.1:0"), ("--log", "warn")] {
        if !options.contains(&flag) {
            command.args([flag, value]);
        }
    }
    // Peers only where a test has some.
    if !["--p2p", "--connect", "--add-node"].iter().any(|flag| options.contains(flag)) {
        command.args(["--p2p", "off"]);
    }
    // Who shall meet whom is said by the test, unless it is about that.
    if !options.iter().any(|option| option.starts_with("--discover") || option.starts_with("--dns-seed")) {
        command.arg("--discover=false");
    }
    command.args(options);
    command
}

/// What a node says that must refuse to start.
pub(crate) fn refusal(command: &mut Command) -> String {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut process = Running::start(command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()));
    let status = process.ended();
    let said = fs::read_to_string(&log).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

impl NodeProcess {
    /// Starts a node on any free ports, and waits until it listens.
    pub(crate) fn start(chain: &str, data_dir: &Path, options: &[&str]) -> Self {
        Self::run(&mut command(chain, data_dir, options), chain, data_dir)
    }

    /// Runs the command of a node, and waits until it listens.
    pub(crate) fn run(command: &mut Command, chain: &str, data_dir: &Path) -> Self {
        let spec = qbtc_node::cli::options::load_chain(chain).unwrap();
        let chain_dir = paths::chain_dir(data_dir, spec.name());
        fs::create_dir_all(&chain_dir).unwrap();
        let log = File::create(log_file(&chain_dir)).unwrap();
        let mut process = Running::start(command.stdout(Stdio::null()).stderr(log));
        let mut found = None;
        eventually("the node starts", || {
            if let Some(status) = process.status() {
                panic!("the node ended with {status}: {}", fs::read_to_string(log_file(&chain_dir)).unwrap());
            }
            // A file of a node that was killed names another process.
            found = running_node(&chain_dir).filter(|node| node.pid == process.id());
            found.is_some()
        });
        let addresses = found.unwrap();
        let client = client(&addresses, &chain_dir);
        Self { process, chain_dir, spec, addresses, client }
    }

    /// Another client of this node.
    pub(crate) fn another_client(&self) -> Client {
        client(&self.addresses, &self.chain_dir)
    }

    /// The folder of its chain.
    pub(crate) fn chain_dir(&self) -> &Path {
        &self.chain_dir
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(log_file(&self.chain_dir)).unwrap()
    }

    /// A call that must succeed.
    pub(crate) fn call<T: DeserializeOwned>(&self, method: &str, params: impl Serialize) -> T {
        self.client.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}\n{}", self.log()))
    }

    /// What a call answers that must succeed.
    pub(crate) fn ok(&self, method: &str, params: Value) -> Value {
        self.call(method, params)
    }

    /// Code and message of a call that must fail.
    pub(crate) fn fails(&self, method: &str, params: impl Serialize) -> (i64, String) {
        match self.client.call::<Value>(method, params) {
            Err(ClientError::Rpc { code, message, .. }) => (code, message),
            other => panic!("{method}: {other:?}"),
        }
    }

    /// The height of the tip.
    pub(crate) fn height(&self) -> u32 {
        self.call("getblockcount", json!([]))
    }

    /// The id of the tip.
    pub(crate) fn tip(&self) -> String {
        self.call("getbestblockhash", json!([]))
    }

    /// The ids of what waits.
    pub(crate) fn waiting(&self) -> Vec<String> {
        self.call("getrawmempool", json!([]))
    }

    /// Ends the process at once, as a power cut would.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Asks the node to stop as a service manager does, and waits until it has.
    pub(crate) fn stop(self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until the node has stopped.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.process.ended()
    }
}

fn client(addresses: &NodeAddresses, chain_dir: &Path) -> Client {
    Client::new(addresses.rpc.as_ref().unwrap(), &cookie_login(chain_dir), Some(DEADLINE)).unwrap()
}

fn log_file(chain_dir: &Path) -> PathBuf {
    chain_dir.join("test.log")
}
