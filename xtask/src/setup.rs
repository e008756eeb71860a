//! `cargo xtask setup`: everything that the other commands need, found or installed.

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{packages, tools};

/// Finds or installs every tool, one line each.
///
/// # Errors
/// If one is missing and cannot be installed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    ensure("wasm32 toolchain", || {
        let toolchain = tools::wasm_toolchain(workspace)?;
        Ok(format!("{} ({})", toolchain.name(), toolchain.version().unwrap_or_default()))
    })?;
    ensure("node", || tools::node(workspace))?;
    ensure("wasm-bindgen", || Ok(tools::wasm_bindgen(workspace)?.display().to_string()))?;
    ensure("npm packages", || Ok(packages::of_npm_package(workspace)?.display().to_string()))?;
    ensure("packages of tests", || Ok(packages::of_browser_tests(workspace)?.display().to_string()))?;
    ensure("chromium", || Ok(tools::chromium(workspace)?.display().to_string()))?;
    ensure("trunk", || Ok(tools::trunk(workspace)?.display().to_string()))?;
    ensure("cargo-deny", || Ok(tools::cargo_deny(workspace)?.display().to_string()))?;
    ensure("cargo-fuzz", || Ok(tools::cargo_fuzz(workspace)?.1.display().to_string()))?;
    // The only one that can be done without: what it checks is then skipped, and `cargo xtask test` says so.
    if let Err(error) = ensure("promtool", || Ok(tools::promtool(workspace)?.display().to_string())) {
        println!("                  {error:#}");
    }
    Ok(())
}

/// Prints the name of a tool before the work and what came of it after.
fn ensure(name: &str, find_or_install: impl FnOnce() -> Result<String>) -> Result<()> {
    print!("{name:<18}");
    std::io::stdout().flush()?;
    let started = Instant::now();
    let found = find_or_install();
    match &found {
        Ok(found) => println!("{found}  {:.1} s", started.elapsed().as_secs_f64()),
        Err(_) => println!("missing"),
    }
    found.map(|_| ()).with_context(|| format!("cannot set up {name}"))
}
