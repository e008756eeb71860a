//! The native programs that checks start: the node, its examples, and what makes and checks vectors.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::run_logged;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// The packages that are built and tested natively together. Core is tested by itself; xtask-tools has no tests, and what it builds from is others' code.
pub(crate) const PACKAGES: [&str; 5] = ["--workspace", "--exclude", "qbtc-core", "--exclude", "xtask-tools"];

/// The folder in which they lie.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("debug")
}

/// Builds all of them, without optimisation.
///
/// The examples are asked for, and all packages, although few are needed: so cargo turns on the very features with which it builds the
/// tests, and whatever those have built is there already.
///
/// # Errors
/// If one does not build.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo(&Toolchain::Default);
    cargo.args(["build", "--locked"]).args(PACKAGES).args(["--bins", "--examples"]);
    run_logged(&mut cargo, &workspace.log("programs")).map(drop)
}
