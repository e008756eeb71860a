//! `cargo xtask reproduce`: the programs that browsers load, built twice, from the checkout and from a copy of it in another folder with
//! nothing compiled before, and compared.
//!
//! Whoever serves them can print the hashes, and whoever doubts them can build the same commit and see the same. The compiler is part
//! of what is compared: another version of it gives other bytes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::files::{files_in, sha256};
use crate::process::{Scratch, output_of};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{npm, tools, web};

/// Builds twice, prints the hash of each program, and compares.
///
/// # Errors
/// If something does not build, or the two differ.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let toolchain = tools::wasm_toolchain(workspace)?;
    println!("compiler: {}", toolchain.version().unwrap_or_default());
    println!("building in the checkout");
    let first = programs(workspace, &toolchain)?;
    let scratch = Scratch::new(workspace.target.join("reproduce"))?;
    let root = scratch.path().join("another-folder");
    copy_sources(&workspace.root, &root)?;
    println!("building in a copy, from nothing");
    let copy = Workspace { target: root.join("target"), root, cache: workspace.cache.clone() };
    let second = programs(&copy, &toolchain)?;
    ensure!(first.len() == second.len(), "the two builds made {} and {} programs", first.len(), second.len());
    let mut differ = Vec::new();
    for ((name, one), (again, other)) in first.iter().zip(&second) {
        ensure!(name == again, "the two builds made {name} and {again}");
        println!("{one}  {name}");
        if one != other {
            println!("{other}  {name}, the second time");
            differ.push(name.as_str());
        }
    }
    ensure!(differ.is_empty(), "not the same twice: {}", differ.join(", "));
    println!("both builds are the same");
    Ok(())
}

/// Name and SHA-256 of each program, by name.
fn programs(workspace: &Workspace, toolchain: &Toolchain) -> Result<Vec<(String, String)>> {
    let package = npm::build(workspace, toolchain)?;
    web::make(workspace, web::How::RELEASED)?;
    let folders = [("@qbtc/wallet", package.join("wasm")), ("web app", workspace.root.join("web/dist"))];
    let mut programs = Vec::new();
    for (owner, folder) in folders {
        // The name of the folder of chunks says what they contain, and must be the same as well.
        let files = files_in(&folder, "")?;
        for name in files.iter().filter(|name| name.ends_with(".wasm")) {
            programs.push((format!("{owner}: {name}"), sha256(workspace, &folder.join(name))?));
        }
    }
    ensure!(!programs.is_empty(), "nothing was built");
    Ok(programs)
}

/// Copies what git tracks, as it lies in the checkout.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    let listed = output_of(Command::new("git").args(["ls-files"]).current_dir(from));
    for name in listed.context("the checkout is no git repository")?.lines() {
        let (source, target) = (from.join(name), to.join(name));
        // What was removed and not yet committed is not there.
        if source.is_file() {
            fs::create_dir_all(target.parent().context("a file lies in a folder")?)?;
            fs::copy(&source, &target).with_context(|| format!("cannot copy {name}"))?;
        }
    }
    Ok(())
}
