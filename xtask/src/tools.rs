//! What the steps need beyond a compiler: each found, else installed, each at a pinned version.
//!
//! Every function here is idempotent, is quick when nothing is to do, and returns one line that says what is there.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, Once, PoisonError};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{output_of, run_logged};
use crate::toolchain::{Toolchain, WASM_TARGET, has_rustup};
use crate::workspace::Workspace;
use crate::{debian, packages};

/// The version of cargo-fuzz that is installed and used.
const CARGO_FUZZ: &str = "0.13.2";

/// The version of cargo-deny that looks through the dependencies.
const CARGO_DENY: &str = "0.20.2";

/// The version of Trunk that builds the web app. Those above it want a newer compiler than the workspace does.
const TRUNK: &str = "0.21.14";

/// The oldest Node that builds, and runs the tests of core on wasm32: the one that Debian 12 installs.
const NODE_MIN: NodeVersion = (18, 0);

/// The oldest Node in which the npm package and the suites in browsers are tried.
pub(crate) const NODE_FOR_SUITES: NodeVersion = (20, 17);

/// The first two numbers of a version of Node.
pub(crate) type NodeVersion = (u32, u32);

/// Finds a toolchain that builds for wasm32, or installs one.
///
/// # Errors
/// If none can be had; the error says what to do by hand.
pub(crate) fn wasm_toolchain(workspace: &Workspace) -> Result<Toolchain> {
    if let Some(toolchain) = present_wasm_toolchain(workspace) {
        return Ok(toolchain);
    }
    if may_use_rustup() {
        let mut add = Toolchain::Default.command("rustup");
        add.args(["target", "add", WASM_TARGET]).current_dir(&workspace.root);
        // An offline machine falls through to the next way; should that fail too, the error below names this one.
        let _ = run_logged(&mut add, &workspace.log("rustup-target"));
    }
    if present_wasm_toolchain(workspace).is_none() && debian::can_install() {
        debian::install_wasm_toolchain(workspace)?;
    }
    present_wasm_toolchain(workspace).with_context(|| {
        format!(
            "no toolchain here builds for {WASM_TARGET}. Either run `rustup target add {WASM_TARGET}`, or, on Debian 12 or \
             newer, run `cargo xtask setup` as root, which installs one with apt (docs/building.md)"
        )
    })
}

fn present_wasm_toolchain(workspace: &Workspace) -> Option<Toolchain> {
    // Tried by one at a time, in one folder, and once: that takes seconds, and several parts ask.
    static FOUND: Mutex<Option<Toolchain>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if found.is_none() {
        let all = [Toolchain::Default, Toolchain::DEBIAN];
        *found = all.into_iter().find(|toolchain| toolchain.builds_wasm(workspace));
    }
    found.clone()
}

/// Whether rustup may download: it is there, and `QBTC_NO_RUSTUP=1` does not say otherwise.
fn may_use_rustup() -> bool {
    env::var_os("QBTC_NO_RUSTUP").is_none_or(|value| value != "1") && has_rustup()
}

/// Finds rustfmt and clippy, which rustup leaves out of a minimal toolchain, or adds them.
///
/// # Errors
/// If they are not there and cannot be added; the error says what to do by hand.
pub(crate) fn rust_tools(workspace: &Workspace) -> Result<String> {
    let versions = || {
        let of =
            |tool: &str| output_of(Toolchain::Default.command("cargo").args([tool, "--version"]).stderr(Stdio::null()));
        Some(format!("{}, {}", of("fmt")?, of("clippy")?))
    };
    if versions().is_none() && may_use_rustup() {
        let mut add = Toolchain::Default.command("rustup");
        add.args(["component", "add", "rustfmt", "clippy"]).current_dir(&workspace.root);
        run_logged(&mut add, &workspace.log("rustup-component"))?;
    }
    versions().context("`cargo fmt` and `cargo clippy` are not both there: run `rustup component add rustfmt clippy`")
}

/// Finds Node, or installs Debian's. Where that is too old for the suites, one that is not is put in the cache, for `cargo xtask` alone.
///
/// # Errors
/// If there is no Node of a sufficient version.
pub(crate) fn node(workspace: &Workspace) -> Result<String> {
    // Tried once a run: a machine without a network would wait for it at each call.
    static FETCHED: Once = Once::new();
    let present = || output_of(node_command(workspace).arg("--version").stderr(Stdio::null()));
    if present().is_none() && debian::can_install() {
        debian::install(workspace, &["nodejs"])?;
    }
    if present().is_some_and(|version| node_version(&version) < NODE_FOR_SUITES) {
        // Who cannot have it goes on with the older one, which builds.
        FETCHED.call_once(|| drop(packages::node(workspace)));
    }
    let version = present().with_context(|| {
        let ((low, _), (major, minor)) = (NODE_MIN, NODE_FOR_SUITES);
        format!(
            "`node` is not on PATH: install Node {major}.{minor} or newer; {low} runs the wasm tests and little else"
        )
    })?;
    let (low, _) = NODE_MIN;
    ensure!(node_version(&version) >= NODE_MIN, "`node` is {version}: the wasm tests need {low} or newer");
    Ok(version)
}

/// Node, with arguments to come: the one in the cache, where there is one, else that on PATH. What it starts finds the same.
pub(crate) fn node_command(workspace: &Workspace) -> Command {
    match packages::node_folder(workspace) {
        Some(folder) => with_node(workspace, Command::new(folder.join("node"))),
        None => Command::new("node"),
    }
}

/// npm, with arguments to come, run by that Node: of packages made for several systems and versions it takes those that fit the one that runs it.
pub(crate) fn npm_command(workspace: &Workspace) -> Command {
    with_node(workspace, Command::new("npm"))
}

/// A command that finds that Node first, where there is one in the cache: for what starts `node` by itself, as the runner of wasm tests does.
pub(crate) fn with_node(workspace: &Workspace, mut command: Command) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = packages::node_folder(workspace)
        && let Ok(path) = env::join_paths(iter::once(folder).chain(env::split_paths(&path)))
    {
        command.env("PATH", path);
    }
    command
}

/// Why the npm package and the suites in browsers cannot be tried in the Node that is here; `None` if they can.
///
/// # Errors
/// If there is no Node at all.
pub(crate) fn too_old_for_suites(workspace: &Workspace) -> Result<Option<String>> {
    let version = node(workspace)?;
    let (major, minor) = NODE_FOR_SUITES;
    let is_old = node_version(&version) < NODE_FOR_SUITES;
    Ok(is_old.then(|| format!("Node is {version}, and {major}.{minor} or newer is wanted")))
}

/// The first two numbers of a version as Node writes it; zeros for another text.
fn node_version(version: &str) -> NodeVersion {
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Returns Trunk's program, built into the cache.
///
/// # Errors
/// If it does not build.
pub(crate) fn trunk(workspace: &Workspace) -> Result<PathBuf> {
    cargo_installed(workspace, "trunk", TRUNK)
}

/// Returns cargo-deny's program, built into the cache.
///
/// # Errors
/// If it does not build.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf> {
    cargo_installed(workspace, "cargo-deny", CARGO_DENY)
}

/// A program that cargo installs, in a folder of the cache.
fn cargo_installed(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf> {
    let folder = workspace.tools().join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if !program.is_file() {
        let mut install = workspace.cargo(&Toolchain::Default);
        let package = format!("{name}@{version}");
        install.args(["install", "--locked", "--debug", "--no-default-features", &package, "--root"]).arg(&folder);
        // Nobody debugs it, and that is a good part of what there is to write.
        install.env("CARGO_PROFILE_DEV_DEBUG", "0");
        run_logged(&mut install, &workspace.log(name)).with_context(|| format!("{name} does not build"))?;
    }
    Ok(program)
}

/// Finds Chromium, where `CHROMIUM` says or where Debian has it, or installs Debian's.
///
/// # Errors
/// If it is not there and cannot be had.
pub(crate) fn chromium(workspace: &Workspace) -> Result<PathBuf> {
    browser(workspace, "Chromium", "CHROMIUM", "chromium")
}

/// Finds Firefox, where `FIREFOX` says or where Debian has it, or installs Debian's.
///
/// # Errors
/// If it is not there and cannot be had.
pub(crate) fn firefox(workspace: &Workspace) -> Result<PathBuf> {
    browser(workspace, "Firefox", "FIREFOX", "firefox-esr")
}

fn browser(workspace: &Workspace, name: &str, variable: &str, package: &str) -> Result<PathBuf> {
    let program = env::var_os(variable).map_or_else(|| Path::new("/usr/bin").join(package), PathBuf::from);
    if !program.is_file() && debian::can_install() {
        debian::install(workspace, &[package])?;
    }
    ensure!(
        program.is_file(),
        "the tests in a browser want {name}, and there is no {}: install it, or name one by {variable}",
        program.display()
    );
    Ok(program)
}

/// What `wasm-bindgen` is made of beside the libraries.
const WASM_BINDGEN: [&str; 2] = [include_str!("../tools/src/main.rs"), include_str!("../tools/src/split.rs")];

/// Returns the folder of `wasm-bindgen` and `wasm-bindgen-test-runner`, built from the version in Cargo.lock.
///
/// # Errors
/// If they do not build.
pub(crate) fn wasm_bindgen(workspace: &Workspace) -> Result<PathBuf> {
    // It splits programs first, which is ours, and is another program with each change of that.
    let mut hasher = DefaultHasher::new();
    (WASM_BINDGEN, workspace.locked_version("wasm_split_cli_support")?).hash(&mut hasher);
    let name = format!("wasm-bindgen-{}-{:016x}", workspace.locked_version("wasm-bindgen")?, hasher.finish());
    let folder = workspace.tools().join(name);
    let names = ["wasm-bindgen", "wasm-bindgen-test-runner"];
    if names.iter().all(|name| folder.join(name).is_file()) {
        return Ok(folder);
    }
    let mut build = workspace.cargo(&Toolchain::Default);
    build.args(["build", "--locked", "--package", "xtask-tools"]);
    run_logged(&mut build, &workspace.log("xtask-tools")).context("wasm-bindgen does not build")?;
    fs::create_dir_all(&folder)?;
    // Copied to a name of its own first: a reader never meets half a program.
    let fresh = folder.join(format!("new-{}", std::process::id()));
    fs::copy(workspace.target.join("debug/xtask-tools"), &fresh)?;
    for name in names {
        link(&fresh, &folder.join(name))?;
    }
    fs::remove_file(&fresh)?;
    Ok(folder)
}

fn link(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_file(to)?;
    }
    fs::hard_link(from, to).with_context(|| format!("cannot link {}", to.display()))
}

/// Finds promtool, which checks metrics as Prometheus reads them, or unpacks Debian's into the cache. Not installed: Debian's package
/// would start a server.
///
/// # Errors
/// If it is not there and cannot be had.
pub(crate) fn promtool(workspace: &Workspace) -> Result<PathBuf> {
    let runs = |program: &Path| output_of(Command::new(program).arg("--version").stderr(Stdio::null())).is_some();
    let installed = PathBuf::from("promtool");
    if runs(&installed) {
        return Ok(installed);
    }
    let folder = workspace.tools().join("prometheus");
    let program = folder.join("usr/bin/promtool");
    if !runs(&program) {
        debian::unpack(workspace, "prometheus", &folder)
            .context("promtool is not there, and Debian's package prometheus, which has it, cannot be had")?;
    }
    ensure!(runs(&program), "{} does not run: remove {} and repeat", program.display(), folder.display());
    Ok(program)
}

/// Returns the toolchain that fuzzing needs, and puts cargo-fuzz in the cache; the second is its program.
///
/// # Errors
/// If there is no nightly toolchain, or cargo-fuzz does not build.
pub(crate) fn cargo_fuzz(workspace: &Workspace) -> Result<(Toolchain, PathBuf)> {
    if Toolchain::NIGHTLY.version().is_none() && may_use_rustup() {
        let mut install = Toolchain::Default.command("rustup");
        install.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
        run_logged(&mut install, &workspace.log("rustup-nightly"))?;
    }
    if Toolchain::NIGHTLY.version().is_none() {
        bail!("fuzzing needs a nightly toolchain: run `rustup toolchain install nightly --profile minimal`");
    }
    let program = cargo_installed(workspace, "cargo-fuzz", CARGO_FUZZ)?;
    let mut version = Command::new(&program);
    version.args(["fuzz", "--version"]).stderr(Stdio::null());
    ensure!(output_of(&mut version).is_some(), "{} does not run: remove it and repeat", program.display());
    Ok((Toolchain::NIGHTLY, program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_told_apart() {
        assert_eq!(node_version("v20.17.0"), NODE_FOR_SUITES);
        assert!(node_version("v20.9.1") < NODE_FOR_SUITES && node_version("v22.1.0") > NODE_FOR_SUITES);
        assert!(node_version("v18.20.4") >= NODE_MIN && node_version("v16.9.0") < NODE_MIN);
        assert_eq!(node_version("no version"), (0, 0));
    }
}
