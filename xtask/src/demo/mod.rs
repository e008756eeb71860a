//! `cargo xtask demo`: a network of three nodes on this machine, one of which mines, and a wallet with money in it.
//!
//! Everything is real: the program that is released, proof of work, storage, connections. Only the chain is one of its own, `local`, with a block
//! every few seconds. All of it lies in a folder that goes away at the end, unless `--keep` names one.

mod network;
mod page;
mod story;
mod wallet;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, bail};

use crate::process::{Scratch, run_shown};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{setup, tools, web};
use network::Network;
use wallet::Wallet;

/// What `cargo xtask demo` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Plays the whole story by itself, says what holds, and ends with 0 if all of it does.
    #[arg(long)]
    check: bool,
    /// Keeps everything in this folder, and goes on with what is there.
    #[arg(long, value_name = "FOLDER", conflicts_with = "check")]
    keep: Option<PathBuf>,
    /// Builds without optimisation: quicker to build, slower to run.
    #[arg(long)]
    debug: bool,
    /// At least so many seconds between blocks.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    block_interval: u32,
}

/// How long to wait for what takes a few blocks.
const PATIENCE: Duration = Duration::from_secs(180);

/// Builds, starts, and stays until it is interrupted; or plays the story.
///
/// # Errors
/// What does not build, start or hold.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    setup::of(workspace, &setup::FOR_WEB)?;
    let without_browser = tools::too_old_for_suites(workspace)?.filter(|_| options.check);
    if options.check && without_browser.is_none() {
        // Asked for now: who lacks a browser learns it before everything is built.
        setup::of(workspace, &setup::FOR_BROWSER)?;
    }
    let program = build(workspace, options.debug)?;
    let folder = Folder::new(workspace, options.keep.as_deref())?;
    println!("starting three nodes in {}", folder.path().display());
    let wallet = Wallet::open(&program, folder.path())?;
    let address = wallet.address()?;
    let mut network = Network::start(&program, folder.path(), &address, options.block_interval)?;
    if options.check {
        return story::play(workspace, &wallet, &mut network, without_browser.as_deref());
    }
    network.wait_for_money(&wallet)?;
    tell(&network, &wallet)?;
    loop {
        network.check()?;
        thread::sleep(Duration::from_millis(500));
    }
}

/// Builds the web app and the program that has it inside, with cargo's own progress on the terminal.
fn build(workspace: &Workspace, is_debug: bool) -> Result<PathBuf> {
    println!("building the web app; the first time takes minutes");
    web::make(workspace, !is_debug)?;
    println!("building qbtc; the first time takes minutes");
    let mut cargo = workspace.cargo(&Toolchain::Default);
    cargo.args(["build", "--locked", "--package", "qbtc-node", "--bin", "qbtc"]);
    if !is_debug {
        cargo.arg("--release");
    }
    run_shown(&mut cargo)?;
    let program = workspace.target.join(if is_debug { "debug" } else { "release" }).join("qbtc");
    if !program.is_file() {
        bail!("cargo left no {}", program.display());
    }
    Ok(program)
}

/// Where everything lies.
enum Folder {
    Kept(PathBuf),
    Scratch(Scratch),
}

impl Folder {
    fn new(workspace: &Workspace, kept: Option<&Path>) -> Result<Self> {
        let Some(kept) = kept else {
            let path = workspace.target.join(format!("demo-{}", std::process::id()));
            return Ok(Self::Scratch(Scratch::new(path)?));
        };
        let path = std::path::absolute(kept)?;
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self::Kept(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Scratch(scratch) => scratch.path(),
        }
    }
}

/// Prints what there is to open and to try.
fn tell(network: &Network, wallet: &Wallet) -> Result<()> {
    let first = network.first();
    let (http, rpc) = (first.http()?, first.rpc()?);
    println!("\nA network of {} nodes runs, and a wallet has {} QBTC.\n", network.len(), wallet.balance()?);
    println!("  wallet                   http://{http}/wallet");
    println!("  explorer                 http://{http}/");
    println!("  REST, to read and try    http://{http}/api/docs");
    println!("  health                   http://{http}/health");
    println!("  metrics                  http://{http}/metrics");
    println!("  JSON-RPC                 http://{rpc} (login: {})", first.cookie().display());
    println!("  logs                     {}\n", network.logs().display());
    println!("To try, in another terminal:\n");
    println!("  alias demo='{}'", wallet.command_line());
    for line in [
        "demo wallet balance",
        "demo wallet create friend",
        "demo wallet -w demo send ADDRESS=1.5",
        "demo wallet -w friend history",
        "demo rpc getpeerinfo",
    ] {
        println!("  {line}");
    }
    println!("\nThe passphrase of the wallet `demo` is `{}`. Ctrl-C ends everything.", wallet::PASSPHRASE);
    Ok(())
}
