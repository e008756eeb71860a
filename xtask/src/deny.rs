//! `cargo xtask deny`: the dependencies against deny.toml, by cargo-deny: licences, sources, and known vulnerabilities.

use std::process::Command;

use anyhow::Result;

use crate::process::{run_logged, run_shown};
use crate::toolchain::Toolchain;
use crate::tools;
use crate::workspace::Workspace;

/// What needs nothing but the sources of the dependencies.
const OFFLINE: [&str; 3] = ["licenses", "bans", "sources"];

/// Checks all, on the user's terminal. Vulnerabilities are looked up in the database of `RustSec`, which is fetched.
///
/// # Errors
/// If something is found, or the database cannot be had.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    run_shown(deny(workspace)?.arg("check").args(OFFLINE))?;
    run_shown(deny(workspace)?.args(["check", "advisories"]))
}

/// Checks what needs no network.
///
/// # Errors
/// If something is found.
pub(crate) fn check_offline(workspace: &Workspace) -> Result<()> {
    run_logged(deny(workspace)?.arg("check").args(OFFLINE), &workspace.log("deny")).map(drop)
}

fn deny(workspace: &Workspace) -> Result<Command> {
    let mut command = Toolchain::Default.command(&tools::cargo_deny(workspace)?.to_string_lossy());
    // Every source is on this machine once something was built.
    command.args(["--locked", "--log-level", "error"]).current_dir(&workspace.root);
    Ok(command)
}
