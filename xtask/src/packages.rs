//! What comes from npm, each set of packages in a folder of the cache, at fixed versions.
//!
//! A folder is fetched anew as a whole when what it should hold has changed, and is marked last: a fetch that was cut off is repeated.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process::{output_of, run_logged};
use crate::workspace::Workspace;
use crate::{debian, tools};

/// The file of a folder that says what was fetched into it.
const MARKER: &str = "installed";

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

/// Node itself, which npm has too, as a package for each system: for machines whose own is too old for what is tried in it.
const NODE: &str = "20.20.2";

/// Puts a Node of [`NODE`]'s version in the cache.
///
/// # Errors
/// If npm is missing, cannot fetch it, or has none for this system.
pub(crate) fn node(workspace: &Workspace) -> Result<()> {
    let wanted = format!("{}@{NODE}", node_package());
    fetched_as_it_is(workspace, "node", &wanted, |_, npm| {
        npm.args(["install", "--no-save", &wanted]);
        Ok(())
    })
    .map(drop)
}

/// The folder of that Node's program, if all of it is there.
pub(crate) fn node_folder(workspace: &Workspace) -> Option<PathBuf> {
    let (folder, package) = (workspace.tools().join("node"), node_package());
    let is_there =
        fs::read_to_string(folder.join(MARKER)).is_ok_and(|installed| installed == format!("{package}@{NODE}"));
    is_there.then(|| folder.join("node_modules").join(package).join("bin"))
}

fn node_package() -> String {
    let processor = if env::consts::ARCH == "aarch64" { "arm64" } else { "x64" };
    let system = if env::consts::OS == "macos" { "darwin" } else { env::consts::OS };
    format!("node-{system}-{processor}")
}

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
    // What fits one version of Node may not fit another.
    let node = tools::node(workspace)?;
    fetched_as_it_is(workspace, name, &format!("{wanted}\nfor Node {node}"), prepare)
}

/// The same in whichever Node is there.
fn fetched_as_it_is(
    workspace: &Workspace,
    name: &str,
    wanted: &str,
    prepare: impl FnOnce(&Path, &mut Command) -> Result<()>,
) -> Result<PathBuf> {
    let folder = workspace.tools().join(name);
    let marker = folder.join(MARKER);
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if output_of(Command::new("npm").arg("--version")).is_none() && debian::can_install() {
        debian::install(workspace, &["npm"])?;
    }
    // Anew: what another version left behind would be found first.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let mut npm = tools::npm_command(workspace);
    prepare(&folder, &mut npm)?;
    npm.args(["--no-audit", "--no-fund"]).current_dir(&folder);
    run_logged(&mut npm, &workspace.log(name)).with_context(|| format!("npm could not fetch {name}"))?;
    fs::write(marker, wanted)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Scratch;

    #[test]
    fn a_node_counts_once_all_of_it_is_fetched() {
        let scratch = Scratch::new(env::temp_dir().join(format!("xtask-packages-{}", std::process::id()))).unwrap();
        let cache = scratch.path().to_owned();
        let workspace = Workspace { root: cache.clone(), target: cache.clone(), cache };
        let folder = workspace.tools().join("node");
        let program = folder.join("node_modules").join(node_package()).join("bin");
        fs::create_dir_all(&program).unwrap();
        assert_eq!(node_folder(&workspace), None, "the fetch was cut off");
        fs::write(folder.join(MARKER), format!("{}@18.0.0", node_package())).unwrap();
        assert_eq!(node_folder(&workspace), None, "another version was fetched");
        assert_eq!(tools::node_command(&workspace).get_program(), "node");
        fs::write(folder.join(MARKER), format!("{}@{NODE}", node_package())).unwrap();
        assert_eq!(node_folder(&workspace), Some(program.clone()));
        assert_eq!(tools::node_command(&workspace).get_program(), program.join("node"));
    }
}
