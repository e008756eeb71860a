//! What functional tests share: real processes of `qbtc`, and a chain on which a block takes two hashes.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(unreachable_pub, reason = "it is a module of several test crates")]
#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use qbtc_core::crypto::{Scheme, SecretKey};
use qbtc_core::lock::{Address, AddressTree, Conditions, Lock, Proof, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, Height};
use qbtc_core::utxo::Coin;
use qbtc_node::client::{Client, Login, cookie_login, running_node};
use qbtc_node::paths::NodeAddresses;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Whatever is waited for must come by then.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The rules of dev with two hashes a block, times that may run ahead as fast blocks make them, and one allotment to [`TestKey`].
pub fn quick_spec() -> ChainSpec {
    let text = ChainSpec::dev().to_toml();
    let (rules, _) = text.split_once("[[consensus.genesis.allocations]]").unwrap();
    let rules = rules.replace("name = \"dev\"", "name = \"quick\"");
    let rules = rules.replace(&0x1f00_ffff_u32.to_string(), &0x207f_ffff_u32.to_string());
    let rules = rules.replace("future_limit_s = 120", "future_limit_s = 86400");
    let owner = hex::encode(TestKey::new().address().to_bytes());
    let allotment = format!("[[consensus.genesis.allocations]]\naddress = \"{owner}\"\namount = \"1000000\"\n");
    ChainSpec::from_toml(&(rules + &allotment)).unwrap()
}

/// A key with its ordinary address.
pub struct TestKey(SecretKey);

impl TestKey {
    #[allow(clippy::new_without_default, reason = "there is nothing default about a key")]
    pub fn new() -> Self {
        Self(SecretKey::from_seed(Scheme::MlDsa44, &[5; 32]))
    }

    pub fn address(&self) -> Address {
        AddressTree::single(Conditions::key(self.0.public_key().clone())).address()
    }

    /// A payment of everything but a fee back to this key, in so many coins.
    pub fn pay(&self, (outpoint, coin): (OutPoint, Coin), outputs: usize, spec: &ChainSpec) -> Transaction {
        let amount = Amount::from_quanta((coin.amount.quanta() - 20_000) / outputs as u64).unwrap();
        let output = TxOut { amount, lock: Lock::Address(self.address()) };
        let body = TxBody {
            version: TxBody::VERSION,
            inputs: vec![outpoint],
            outputs: vec![output; outputs],
            lock_height: Height(0),
            expiry_height: Height(0),
        };
        let message = body.sighash(&spec.chain_id(), &[coin.to_output()]);
        let proofs = vec![Proof::Signature(self.0.sign_deterministic(&message))];
        let conditions = Conditions::key(self.0.public_key().clone());
        Transaction { body, witnesses: vec![Witness { conditions, path: Default::default(), proofs }] }
    }
}

/// A node's process. Killed when it goes out of scope.
pub struct NodeProcess {
    child: Child,
    chain_dir: PathBuf,
    pub addresses: NodeAddresses,
    pub client: Client,
}

/// The program.
pub fn qbtc() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qbtc"));
    // Nothing of whoever runs the tests counts.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QBTC_")) {
        command.env_remove(name);
    }
    command
}

impl NodeProcess {
    /// Starts a node on any free ports, and waits until it listens.
    pub fn start(chain: &str, data_dir: &Path, options: &[&str]) -> Self {
        Self::try_start(chain, data_dir, options).unwrap_or_else(|status| panic!("the node ended with {status}"))
    }

    /// [`NodeProcess::start`], where the node may refuse.
    pub fn try_start(chain: &str, data_dir: &Path, options: &[&str]) -> Result<Self, ExitStatus> {
        let spec = qbtc_node::cli::options::load_chain(chain).unwrap();
        let chain_dir = qbtc_node::paths::chain_dir(data_dir, spec.name());
        let mut command = qbtc();
        command.args(["node", "--rpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log", "warn", "--chain", chain]);
        command.arg("--data-dir").arg(data_dir).args(options).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let started = Instant::now();
        loop {
            // A file of a node that was killed names another process.
            if let Some(addresses) = running_node(&chain_dir).filter(|node| node.pid == child.id()) {
                let login = cookie_login(&chain_dir);
                let client = Client::new(addresses.rpc.as_ref().unwrap(), &login, Some(DEADLINE)).unwrap();
                return Ok(Self { child, chain_dir, addresses, client });
            }
            if let Some(status) = child.try_wait().unwrap() {
                return Err(status);
            }
            assert!(started.elapsed() < DEADLINE, "the node does not start");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Another client of this node.
    pub fn another_client(&self, login: Option<Login>) -> Client {
        let login = login.unwrap_or_else(|| cookie_login(&self.chain_dir));
        Client::new(self.addresses.rpc.as_ref().unwrap(), &login, Some(DEADLINE)).unwrap()
    }

    /// A call that must succeed.
    pub fn call<T: DeserializeOwned>(&self, method: &str, params: impl Serialize) -> T {
        self.client.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Ends the process at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the node to stop as a service manager does, and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
