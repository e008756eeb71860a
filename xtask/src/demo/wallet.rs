//! The demo's wallets, by the command line that users have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::network::CHAIN;

/// The passphrase of the demo's wallets. There is nothing of value in them.
pub(super) const PASSPHRASE: &str = "demo";
/// The name of the wallet that is paid for blocks.
pub(super) const MINER: &str = "demo";

/// The wallets beside the first node.
pub(super) struct Wallet {
    program: PathBuf,
    data_dir: PathBuf,
    passphrase: PathBuf,
}

impl Wallet {
    /// Makes the wallet that is paid, unless it is there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn open(program: &Path, folder: &Path) -> Result<Self> {
        let passphrase = folder.join("passphrase");
        fs::write(&passphrase, format!("{PASSPHRASE}\n"))?;
        let wallet = Self { program: program.to_owned(), data_dir: folder.join("node-1"), passphrase };
        if !wallet.data_dir.join(CHAIN).join("wallets").join(MINER).is_dir() {
            wallet.create(MINER)?;
        }
        Ok(wallet)
    }

    /// Makes a wallet, and returns its first address.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn create(&self, name: &str) -> Result<String> {
        text(&self.run(&["create", name])?, "address")
    }

    /// An address to be paid to for blocks.
    ///
    /// # Errors
    /// If the wallet cannot be read.
    pub(super) fn address(&self) -> Result<String> {
        text(&self.run(&["--offline", "-w", MINER, "address"])?, "address")
    }

    /// What the wallet that mines can spend.
    ///
    /// # Errors
    /// If there is no node to ask.
    pub(super) fn balance(&self) -> Result<String> {
        self.balance_of(MINER)
    }

    /// What a wallet can spend.
    ///
    /// # Errors
    /// If there is no node to ask.
    pub(super) fn balance_of(&self, name: &str) -> Result<String> {
        text(&self.run(&["-w", name, "balance"])?, "available")
    }

    /// Whether there is something to spend.
    ///
    /// # Errors
    /// If there is no node to ask.
    pub(super) fn has_money(&self) -> Result<bool> {
        Ok(self.balance()? != "0")
    }

    /// Pays from the wallet that mines, and returns the transaction's id.
    ///
    /// # Errors
    /// If it cannot.
    pub(super) fn send(&self, to: &str, amount: &str) -> Result<String> {
        text(&self.run(&["-w", MINER, "send", &format!("{to}={amount}"), "--yes"])?, "txid")
    }

    /// What a user types in a shell to be at this wallet.
    pub(super) fn command_line(&self) -> String {
        format!("QBTC_CHAIN={CHAIN} QBTC_DATA_DIR={} {}", quoted(&self.data_dir), quoted(&self.program))
    }

    /// Runs `qbtc wallet`, and returns what it says as JSON.
    fn run(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command.args(["wallet", "--json", "--chain", CHAIN, "--data-dir"]).arg(&self.data_dir);
        let output = command.arg("--passphrase-file").arg(&self.passphrase).args(arguments).output()?;
        if !output.status.success() {
            bail!("`qbtc wallet {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// A path as a word of a shell's line.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("no `{name}` in {value}"))?.to_owned())
}
