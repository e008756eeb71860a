//! The suites of tests/browser: what runs in Chromium and Firefox, against real nodes.
//!
//! The folder demo among them is no suite: `cargo xtask demo --check` plays it against its own nodes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process::run_logged;
use crate::toolchain::{Toolchain, WASM_TARGET};
use crate::workspace::Workspace;
use crate::{debian, extension, packages, programs, tools};

/// The suites that need no more than the programs, as their folders in tests/browser are named, those first whose failure explains that of the next.
pub(crate) const LINKS: [&str; 5] = ["webrtc", "transport", "history", "day", "network"];

/// Those that play what is released: the npm package, the web app, the extension.
pub(crate) const PAGES: [&str; 5] = ["light", "npm", "app", "extension", "firefox"];

/// What Playwright says where the browser itself has crashed.
const CRASHED: &str = "Target crashed";

/// What is less in a test than for who measures: how often large messages go there and back, how long a long chain is, and a day.
const SHORT: [(&str, &str); 3] = [("ROUNDS", "5"), ("BLOCKS", "20000"), ("HOURS", "3")];

/// All that the suites need, built and found.
pub(crate) struct Suites<'a> {
    workspace: &'a Workspace,
    chromium: PathBuf,
    released: Option<Released>,
}

/// What the suites of [`PAGES`] need beside.
struct Released {
    /// Or why there is none.
    firefox: Result<PathBuf>,
    extension: PathBuf,
    deno: PathBuf,
}

impl<'a> Suites<'a> {
    /// For [`LINKS`]. The programs must be built ([`build`]).
    ///
    /// # Errors
    /// If Chromium or a package cannot be had.
    pub(crate) fn links(workspace: &'a Workspace) -> Result<Self> {
        link_packages(workspace)?;
        Ok(Self { workspace, chromium: tools::chromium(workspace)?, released: None })
    }

    /// For [`PAGES`]. The programs, the npm package and the web app must be built.
    ///
    /// # Errors
    /// If Chromium, a package or a file of the web app cannot be had.
    pub(crate) fn pages(workspace: &'a Workspace) -> Result<Self> {
        let deno = packages::of_npm_package(workspace)?.join("node_modules/deno/bin.cjs");
        let (firefox, extension) = (tools::firefox(workspace), extension::assemble(workspace)?);
        let released = Some(Released { firefox, extension, deno });
        Ok(Self { released, ..Self::links(workspace)? })
    }

    /// Why a suite cannot be played here, where the others can.
    pub(crate) fn lacks(&self, suite: &str) -> Option<String> {
        if suite == "network" {
            return has_network_namespaces().err().map(|error| format!("{error:#}"));
        }
        let firefox = &self.released.as_ref().filter(|_| suite == "firefox")?.firefox;
        Some(format!("{:#}", firefox.as_ref().err()?))
    }

    /// The command that runs one suite. It leaves pictures of what it saw in target/browser.
    pub(crate) fn command(&self, suite: &str) -> Command {
        let mut node = script(self.workspace, &self.chromium, suite);
        node.env("CARGO_TARGET_DIR", &self.workspace.target).env("PKG", package(self.workspace));
        node.env("SHOTS", self.workspace.target.join("browser").join(suite));
        if suite == "extension" {
            // Chromium has crashed in it: what it says then is to be known.
            node.env("DEBUG", "pw:browser");
        }
        if let Some(Released { firefox, extension, deno }) = &self.released {
            node.env("EXTENSION", extension).env("DENO", deno);
            node.envs(firefox.iter().map(|firefox| ("FIREFOX", firefox)));
        }
        node.envs(SHORT.into_iter().filter(|(name, _)| env::var_os(name).is_none()));
        node
    }
}

/// Whether this user may make networks of his own, and has what makes them: the suite `network` is played in some.
fn has_network_namespaces() -> Result<()> {
    let probe = ["--net", "ip", "link", "add", "probe", "type", "bridge"];
    let mut unshare = Command::new("unshare");
    if !debian::is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let found = unshare.args(probe).output().context("`unshare` of util-linux does not start")?;
    let said = String::from_utf8_lossy(&found.stderr);
    ensure!(found.status.success(), "no networks of one's own, or no `ip` of iproute2: {}", said.trim());
    Ok(())
}

/// Whether a suite ended because the browser itself crashed, which says nothing about what was tried.
pub(crate) fn has_crashed(log: &str) -> bool {
    log.contains(CRASHED)
}

/// Builds what the suites start and load, but for what is released: the native programs, and all of wallet-wasm for a page.
///
/// # Errors
/// If something does not build.
pub(crate) fn build(workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
    programs::build(workspace)?;
    bind(workspace, toolchain)
}

/// The command that plays the folder demo: with Chromium and all packages, and against nodes that run.
///
/// # Errors
/// If Chromium or a package cannot be had.
pub(crate) fn demo(workspace: &Workspace) -> Result<Command> {
    let chromium = tools::chromium(workspace)?;
    link_packages(workspace)?;
    Ok(script(workspace, &chromium, "demo"))
}

fn script(workspace: &Workspace, chromium: &Path, name: &str) -> Command {
    let mut node = tools::node_command(workspace);
    node.arg("run.mjs").current_dir(folder(workspace).join(name)).env("CHROMIUM", chromium);
    node
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("tests/browser")
}

/// Lets the suites find their packages, which lie in the cache, where Node looks for them: in `node_modules` beside them.
fn link_packages(workspace: &Workspace) -> Result<()> {
    let packages = packages::of_browser_tests(workspace)?.join("node_modules");
    let link = folder(workspace).join("node_modules");
    if fs::read_link(&link).is_ok_and(|target| target == packages) {
        return Ok(());
    }
    if link.is_symlink() {
        fs::remove_file(&link)?;
    }
    if link.exists() {
        bail!("{} is no link to the cached packages: remove it", link.display());
    }
    std::os::unix::fs::symlink(&packages, &link).with_context(|| format!("cannot link {}", link.display()))
}

/// The folder with all of wallet-wasm for a page.
fn package(workspace: &Workspace) -> PathBuf {
    workspace.target.join("browser-pkg")
}

/// Builds what lies there, quickly.
fn bind(workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
    let mut cargo = workspace.cargo(toolchain);
    cargo.args(["build", "--locked", "--package", "qbtc-wallet-wasm", "--target", WASM_TARGET]);
    run_logged(&mut cargo, &workspace.log("browser-wallet"))?;
    let built = workspace.target.join(WASM_TARGET).join("debug/qbtc_wallet_wasm.wasm");
    let mut bindgen = Command::new(tools::wasm_bindgen(workspace)?.join("wasm-bindgen"));
    bindgen.args(["--target", "web", "--out-dir"]).arg(package(workspace)).arg(&built);
    run_logged(&mut bindgen, &workspace.log("browser-bindgen")).map(drop)
}
