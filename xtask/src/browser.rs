//! The suites of tests/browser: what runs in Chromium and Firefox, against real nodes.
//!
//! The folder demo among them is no suite: `cargo xtask demo --check` plays it against its own nodes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::run_logged;
use crate::toolchain::{Toolchain, WASM_TARGET};
use crate::workspace::Workspace;
use crate::{extension, npm, packages, programs, tools};

/// The suites, as their folders in tests/browser are named, those first whose failure explains that of the next.
pub(crate) const SUITES: [&str; 9] =
    ["webrtc", "transport", "light", "history", "day", "npm", "app", "extension", "firefox"];

/// What is less in a test than for who measures: how often large messages go there and back, how long a long chain is, and a day.
const SHORT: [(&str, &str); 3] = [("ROUNDS", "5"), ("BLOCKS", "20000"), ("HOURS", "3")];

/// All that the suites need, built and found.
pub(crate) struct Suites<'a> {
    workspace: &'a Workspace,
    chromium: PathBuf,
    /// Or why there is none.
    firefox: Result<PathBuf>,
    package: PathBuf,
    extension: PathBuf,
    deno: PathBuf,
}

impl<'a> Suites<'a> {
    /// Builds the programs that the suites start and load, but for the web app, which must be there.
    ///
    /// # Errors
    /// If something does not build, or Chromium or a package cannot be had.
    pub(crate) fn new(workspace: &'a Workspace, toolchain: &Toolchain) -> Result<Self> {
        let (chromium, firefox) = (tools::chromium(workspace)?, tools::firefox(workspace));
        programs::build(workspace)?;
        link_packages(workspace)?;
        npm::build(workspace, toolchain)?;
        let deno = packages::of_npm_package(workspace)?.join("node_modules/deno/bin.cjs");
        let extension = extension::assemble(workspace)?;
        Ok(Self { workspace, chromium, firefox, package: bind(workspace, toolchain)?, extension, deno })
    }

    /// Why a suite cannot be played here, where the others can.
    pub(crate) fn lacks(&self, suite: &str) -> Option<String> {
        let error = self.firefox.as_ref().err().filter(|_| suite == "firefox")?;
        Some(format!("{error:#}"))
    }

    /// The command that runs one suite. It leaves pictures of what it saw in target/browser.
    pub(crate) fn command(&self, suite: &str) -> Command {
        let mut node = script(self.workspace, &self.chromium, suite);
        node.env("PKG", &self.package).env("CARGO_TARGET_DIR", &self.workspace.target);
        node.env("EXTENSION", &self.extension).envs(self.firefox.iter().map(|firefox| ("FIREFOX", firefox)));
        node.env("DENO", &self.deno).env("SHOTS", self.workspace.target.join("browser").join(suite));
        node.envs(SHORT.into_iter().filter(|(name, _)| env::var_os(name).is_none()));
        node
    }
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

/// All of wallet-wasm for a page, built quickly; the folder.
fn bind(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    let mut cargo = workspace.cargo(toolchain);
    cargo.args(["build", "--locked", "--package", "qbtc-wallet-wasm", "--target", WASM_TARGET]);
    run_logged(&mut cargo, &workspace.log("browser-wallet"))?;
    let built = workspace.target.join(WASM_TARGET).join("debug/qbtc_wallet_wasm.wasm");
    let out = workspace.target.join("browser-pkg");
    let mut bindgen = Command::new(tools::wasm_bindgen(workspace)?.join("wasm-bindgen"));
    bindgen.args(["--target", "web", "--out-dir"]).arg(&out).arg(&built);
    run_logged(&mut bindgen, &workspace.log("browser-bindgen"))?;
    Ok(out)
}
