//! What comes from npm, each set of packages in a folder of the cache, at fixed versions.
//!
//! A folder is fetched anew as a whole when what it should hold has changed, and is marked last: a fetch that was cut off is repeated.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process::{output_of, run_logged};
use crate::workspace::Workspace;
use crate::{debian, tools};

/// What the verifier on wasm32 is measured beside.
const NOBLE: [&str; 1] = ["@noble/post-quantum@0.7.1"];

/// Its `wasm-opt` makes programs for browsers smaller.
const BINARYEN: [&str; 1] = ["binaryen@132.0.0"];

/// What the npm package is built with, and tried in. TypeScript 6 is the last that typedoc reads.
const NPM_PACKAGES: [&str; 9] = [
    "@types/node@26.6.6",
    "binaryen@132.0.0",
    "deno@2.9.6",
    "playwright-core@1.65.1",
    "typedoc@0.28.20",
    "typescript@6.0.3",
    "vite@8.3.8",
    "webpack@5.112.2",
    "webpack-cli@7.3.1",
];

/// Returns a folder in whose `node_modules` lies @noble/post-quantum.
///
/// # Errors
/// If npm is missing or cannot fetch it.
pub(crate) fn noble(workspace: &Workspace) -> Result<PathBuf> {
    named(workspace, "noble", &NOBLE)
}

/// Returns the folder of `wasm-opt`.
///
/// # Errors
/// If npm is missing or cannot fetch it.
pub(crate) fn binaryen(workspace: &Workspace) -> Result<PathBuf> {
    Ok(named(workspace, "binaryen", &BINARYEN)?.join("node_modules/.bin"))
}

/// Returns a folder in whose `node_modules` lies all that the npm package is built with and tried in.
///
/// # Errors
/// If npm is missing or cannot fetch it.
pub(crate) fn of_npm_package(workspace: &Workspace) -> Result<PathBuf> {
    named(workspace, "npm-packages", &NPM_PACKAGES)
}

/// Returns a folder in whose `node_modules` lies what tests/browser/package.json names, at the versions of its lock.
///
/// # Errors
/// If npm is missing or cannot fetch it.
pub(crate) fn of_browser_tests(workspace: &Workspace) -> Result<PathBuf> {
    let source = workspace.root.join("tests/browser");
    let read = |file: &str| fs::read_to_string(source.join(file)).with_context(|| format!("cannot read {file}"));
    let files = [("package.json", read("package.json")?), ("package-lock.json", read("package-lock.json")?)];
    fetched(workspace, "browser-packages", &files[1].1, |folder, npm| {
        for (name, text) in &files {
            fs::write(folder.join(name), text)?;
        }
        // Scripts of packages are not run: those here only look for what is there anyway.
        npm.args(["ci", "--ignore-scripts"]);
        Ok(())
    })
}

/// A folder with packages that are named with their versions.
fn named(workspace: &Workspace, name: &str, packages: &[&str]) -> Result<PathBuf> {
    fetched(workspace, name, &packages.join("\n"), |_, npm| {
        npm.args(["install", "--no-save"]).args(packages);
        Ok(())
    })
}

/// The folder `name`, which holds what `wanted` says: as it is, or fetched by what `prepare` makes of npm's command.
fn fetched(
    workspace: &Workspace,
    name: &str,
    wanted: &str,
    prepare: impl FnOnce(&Path, &mut Command) -> Result<()>,
) -> Result<PathBuf> {
    tools::node(workspace)?;
    let folder = workspace.tools().join(name);
    let marker = folder.join("installed");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if output_of(Command::new("npm").arg("--version")).is_none() && debian::can_install() {
        debian::install(workspace, &["npm"])?;
    }
    // Anew: what another version left behind would be found first.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let mut npm = Command::new("npm");
    prepare(&folder, &mut npm)?;
    npm.args(["--no-audit", "--no-fund"]).current_dir(&folder);
    run_logged(&mut npm, &workspace.log(name)).with_context(|| format!("npm could not fetch {name}"))?;
    fs::write(marker, wanted)?;
    Ok(folder)
}
