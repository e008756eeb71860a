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
    /// Builds nothing: this `qbtc` is run, with the web app that it has inside.
    #[arg(long, value_name = "FILE", conflicts_with = "debug")]
    program: Option<PathBuf>,
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
    if options.program.is_none() {
        setup::of(workspace, &setup::FOR_WEB)?;
    }
    let without_browser = tools::too_old_for_suites(workspace)?.filter(|_| options.check);
    if options.check && without_browser.is_none() {
        // Asked for now: who lacks a browser learns it before everything is built.
        setup::of(workspace, &setup::FOR_BROWSER)?;
    }
    let program = match &options.program {
        Some(program) => std::path::absolute(program)?,
        None => build(workspace, options.debug)?,
    };
    if !program.is_file() {
        bail!("there is no program {}", program.display());
    }
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
    web::make(workspace, web::How { is_release: !is_debug, is_shown: true, ..web::How::RELEASED })?;
    println!("building qbtc; the first time takes minutes");
    let mut cargo = workspace.cargo(&Toolchain::Default);
    cargo.args(["build", "--locked", "--package", "qbtc-node", "--bin", "qbtc"]);
    if !is_debug {
        cargo.arg("--release");
    }
    run_shown(&mut cargo)?;
    Ok(workspace.target.join(if is_debug { "debug" } else { "release" }).join("qbtc"))
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

/// The pages of a node: what each is, and where.
const PAGES: [(&str, &str); 5] = [
    ("wallet", "/wallet"),
    ("explorer", "/"),
    ("REST, to read and try", "/api/docs"),
    ("health", "/health"),
    ("metrics", "/metrics"),
];

/// Prints what there is to open and to try.
fn tell(network: &Network, wallet: &Wallet) -> Result<()> {
    let first = network.first();
    let (http, rpc) = (first.http()?, first.rpc()?);
    println!("\nA network of {} nodes runs, and a wallet has {} QBTC.\n", network.len(), wallet.balance()?);
    for (what, path) in PAGES {
        println!("  {what:<24} http://{http}{path}");
    }
    println!("  JSON-RPC                 http://{rpc} (login: {})", first.cookie().display());
    println!("  logs                     {}\n", network.logs().display());
    println!("To try, in another terminal:\n");
    println!("  demo() {{ {} \"$@\"; }}", wallet.command_line());
    for line in [
        "demo wallet -w demo balance",
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
