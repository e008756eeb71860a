//! `cargo xtask setup`: everything that the other commands need, found or installed.

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{packages, tools};

/// A tool: its name, and what finds or installs it and tells where it is.
type Tool = (&'static str, fn(&Workspace) -> Result<String>);

const TOOLS: [Tool; 11] = [
    ("rustfmt, clippy", tools::rust_tools),
    ("wasm32 toolchain", |workspace| {
        let toolchain = tools::wasm_toolchain(workspace)?;
        Ok(format!("{} ({})", toolchain.name(), toolchain.version().unwrap_or_default()))
    }),
    ("node", tools::node),
    ("wasm-bindgen", |workspace| Ok(tools::wasm_bindgen(workspace)?.display().to_string())),
    ("wasm-opt", |workspace| Ok(packages::binaryen(workspace)?.display().to_string())),
    ("npm packages", |workspace| Ok(packages::of_npm_package(workspace)?.display().to_string())),
    ("packages of tests", |workspace| Ok(packages::of_browser_tests(workspace)?.display().to_string())),
    ("chromium", |workspace| Ok(tools::chromium(workspace)?.display().to_string())),
    ("trunk", |workspace| Ok(tools::trunk(workspace)?.display().to_string())),
    ("cargo-deny", |workspace| Ok(tools::cargo_deny(workspace)?.display().to_string())),
    ("cargo-fuzz", |workspace| Ok(tools::cargo_fuzz(workspace)?.1.display().to_string())),
];

/// Those that can be done without: what they check is then skipped, and `cargo xtask test` says so.
const CHECKERS: [Tool; 2] = [
    ("firefox", |workspace| Ok(tools::firefox(workspace)?.display().to_string())),
    ("promtool", |workspace| Ok(tools::promtool(workspace)?.display().to_string())),
];

/// Those of them that build the web app.
pub(crate) const FOR_WEB: [&str; 5] = ["wasm32 toolchain", "node", "wasm-bindgen", "wasm-opt", "trunk"];

/// Those that play a story in a browser.
pub(crate) const FOR_BROWSER: [&str; 2] = ["packages of tests", "chromium"];

/// Those that build the npm package.
pub(crate) const FOR_NPM: [&str; 4] = ["wasm32 toolchain", "node", "wasm-bindgen", "npm packages"];

/// Finds or installs every tool, one line each.
///
/// # Errors
/// If one is missing and cannot be installed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    TOOLS.iter().try_for_each(|tool| ensure(workspace, tool))?;
    for checker in &CHECKERS {
        if let Err(error) = ensure(workspace, checker) {
            println!("                  {error:#}");
        }
    }
    Ok(())
}

/// Finds or installs the tools of these names, one line each, so that who waits sees for what. What builds asks for them by itself; where they were
/// never installed, that takes minutes.
///
/// # Errors
/// As [`run`].
pub(crate) fn of(workspace: &Workspace, names: &[&str]) -> Result<()> {
    TOOLS.iter().filter(|(name, _)| names.contains(name)).try_for_each(|tool| ensure(workspace, tool))
}

/// Finds or installs what it can, telling the name of each before; the names of what it cannot. Who needs one of those says what is wrong with it.
pub(crate) fn quietly(workspace: &Workspace, mut tell: impl FnMut(&str)) -> Vec<&'static str> {
    let mut lacking = Vec::new();
    for (name, find_or_install) in TOOLS.iter().chain(&CHECKERS) {
        tell(name);
        if find_or_install(workspace).is_err() {
            lacking.push(*name);
        }
    }
    lacking
}

/// Prints the name of a tool before the work and what came of it after.
fn ensure(workspace: &Workspace, (name, find_or_install): &Tool) -> Result<()> {
    print!("{name:<18}");
    std::io::stdout().flush()?;
    let started = Instant::now();
    let found = find_or_install(workspace);
    match &found {
        Ok(found) => println!("{found}  {:.1} s", started.elapsed().as_secs_f64()),
        Err(_) => println!("missing"),
    }
    found.map(|_| ()).with_context(|| format!("cannot set up {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_asked_for_by_names_that_there_are() {
        let known = |name: &&str| TOOLS.iter().any(|(tool, _)| tool == name);
        for names in [&FOR_WEB[..], &FOR_BROWSER, &FOR_NPM] {
            assert!(names.iter().all(known), "{names:?}");
        }
    }
}
