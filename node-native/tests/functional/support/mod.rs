//! What functional tests share: the program and its nodes, a chain on which a block takes two hashes, money to move on it.

pub(crate) mod http;
pub(crate) mod money;
pub(crate) mod node;
pub(crate) mod program;
pub(crate) mod user;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use qbtc_core::spec::ChainSpec;
use tempfile::TempDir;

pub(crate) use money::{Owner, TestKey};
pub(crate) use node::NodeProcess;
pub(crate) use program::{Ended, qbtc};
pub(crate) use user::User;

/// Whatever is waited for must come by then.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Looks until something is so.
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    within(DEADLINE, what, is_so);
}

/// Looks until something is so that may take so long.
pub(crate) fn within(time_max: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + time_max;
    while !is_so() {
        assert!(Instant::now() < until, "{what}: not within {time_max:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The rules of dev with two hashes a block, coinbases that mature soon, times that may run ahead as fast blocks make them, and one
/// allotment to [`TestKey`].
pub(crate) fn quick_spec() -> ChainSpec {
    let text = ChainSpec::dev().to_toml();
    let (rules, _) = text.split_once("[[consensus.genesis.allocations]]").unwrap();
    let rules = replace(rules, "name = \"dev\"", "name = \"quick\"");
    let rules = replace(&rules, &0x1f00_ffff_u32.to_string(), &0x207f_ffff_u32.to_string());
    let rules = replace(&rules, "coinbase_maturity = 10", "coinbase_maturity = 3");
    let rules = replace(&rules, "future_limit_s = 120", "future_limit_s = 86400");
    let owner = hex::encode(TestKey::new().address().to_bytes());
    let allotment = format!("[[consensus.genesis.allocations]]\naddress = \"{owner}\"\namount = \"1000000\"\n");
    ChainSpec::from_toml(&(rules + &allotment)).unwrap()
}

fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

/// A folder with the spec of the quick chain and the data of its nodes.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) spec: Arc<ChainSpec>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(quick_spec())
    }

    /// A folder for another chain.
    pub(crate) fn with(spec: ChainSpec) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("chain.toml"), spec.to_toml()).unwrap();
        Self { folder, spec: Arc::new(spec) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The file of the chain's rules.
    pub(crate) fn chain(&self) -> String {
        self.path().join("chain.toml").to_str().unwrap().to_owned()
    }

    /// Where a node keeps the chain.
    pub(crate) fn chain_dir(&self) -> PathBuf {
        qbtc_node::paths::chain_dir(self.path(), self.spec.name())
    }

    /// Starts a node in it.
    pub(crate) fn start(&self, options: &[&str]) -> NodeProcess {
        NodeProcess::start(&self.chain(), self.path(), options)
    }

    /// What a node says that must refuse to start.
    pub(crate) fn refused(&self, options: &[&str]) -> String {
        node::refusal(&mut node::command(&self.chain(), self.path(), options))
    }
}
