//! `cargo xtask web`: the web app in release, as the node serves it, and how large it is.
//!
//! Trunk compiles, binds and optimises; then each file gets its compressed forms beside it, so that the node compresses nothing while it
//! serves. The folder is part of the node's program the next time that is built.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{output_of, run_logged};
use crate::workspace::Workspace;
use crate::{packages, tools};

/// What the first page of a visitor of the explorer may take, compressed with gzip, in bytes.
const EXPLORER_BYTES_MAX: u64 = 500_000;
/// The same for the wallet, which brings every signature scheme along. Not to grow; docs/web-app.md names it as a known limit.
const WALLET_BYTES_MAX: u64 = 900_000;
/// The same for the light client, which a worker of either page loads once the page is there.
const LIGHT_BYTES_MAX: u64 = 300_000;

/// What `cargo xtask web` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Builds quickly, without optimisation, to try things out.
    #[arg(long)]
    dev: bool,
}

/// A file of the app and what it takes on the way, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    name: String,
    raw: u64,
    gzip: u64,
    brotli: u64,
}

/// Builds the app and prints the size of each file.
///
/// # Errors
/// If a tool is missing, the app does not build, or its first page is too large.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let sizes = make(workspace, !options.dev)?;
    println!("{:<24}{:>12}{:>12}{:>12}", "", "raw", "gzip", "brotli");
    for Size { name, raw, gzip, brotli } in &sizes {
        println!("{name:<24}{raw:>12}{gzip:>12}{brotli:>12}");
    }
    for load in LOADS {
        let sum = |part: fn(&Size) -> u64| sizes.iter().filter(|size| load.has(&size.name)).map(part).sum::<u64>();
        let (raw, gzip, brotli) = (sum(|size| size.raw), sum(|size| size.gzip), sum(|size| size.brotli));
        println!("{:<24}{raw:>12}{gzip:>12}{brotli:>12}", format!("first load: {}", load.name));
    }
    if options.dev { Ok(()) } else { check_loads(&sizes) }
}

/// Builds the app, with the compressed form of each file beside it.
///
/// # Errors
/// If a tool is missing, or the app does not build.
pub(crate) fn make(workspace: &Workspace, is_release: bool) -> Result<Vec<Size>> {
    build(workspace, is_release)?;
    compress(workspace)
}

/// What a first page consists of.
struct Load {
    name: &'static str,
    /// How its program's files begin.
    program: &'static str,
    bytes_max: u64,
    /// Whether it is a page; a worker beside one loads its program and nothing else.
    is_page: bool,
}

const LOADS: [Load; 3] = [
    Load { name: "explorer", program: "qbtc-web", bytes_max: EXPLORER_BYTES_MAX, is_page: true },
    Load { name: "wallet", program: "qbtc-wallet", bytes_max: WALLET_BYTES_MAX, is_page: true },
    Load { name: "light client", program: "qbtc-light", bytes_max: LIGHT_BYTES_MAX, is_page: false },
];

impl Load {
    /// Whether it needs this file: its program, and what both pages share.
    fn has(&self, name: &str) -> bool {
        let is_shared = ["index.html", "start.js", "icon.svg"].contains(&name) || name.ends_with(".css");
        (self.is_page && is_shared)
            || name.strip_prefix(self.program).is_some_and(|rest| [".js", "_bg.wasm"].contains(&rest))
    }
}

/// Holds the first loads to their limits.
///
/// # Errors
/// If one is too large.
pub(crate) fn check_loads(sizes: &[Size]) -> Result<()> {
    for load in LOADS {
        let gzip: u64 = sizes.iter().filter(|size| load.has(&size.name)).map(|size| size.gzip).sum();
        ensure!(
            gzip <= load.bytes_max,
            "the first load of the {} takes {gzip} bytes with gzip: the limit is {}",
            load.name,
            load.bytes_max
        );
    }
    Ok(())
}

fn build(workspace: &Workspace, is_release: bool) -> Result<()> {
    let toolchain = tools::wasm_toolchain(workspace)?;
    tools::node(workspace)?;
    let trunk = tools::trunk(workspace)?;
    let path = path_with(&[tools::wasm_bindgen(workspace)?, packages::binaryen(workspace)?])?;
    let mut command = toolchain.command(&trunk.to_string_lossy());
    command.args(["build", "--quiet"]).current_dir(&workspace.root);
    command.env("CARGO_TARGET_DIR", &workspace.target).env("PATH", path);
    // Types of views a hundred levels deep would make the program, and its build, half as large again.
    command.env("RUSTFLAGS", format!("--cfg erase_components {}", Workspace::remapped(&toolchain)?));
    // Trunk reads the convention "any value" as a flag of its own, which wants true or false.
    command.env_remove("NO_COLOR");
    if is_release {
        command.arg("--release");
    }
    run_logged(&mut command, &workspace.log("web")).map(|_| ()).context("the web app does not build")
}

/// These folders, then those of PATH.
fn path_with(folders: &[PathBuf]) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(folders.iter().cloned().chain(env::split_paths(&path)))?)
}

/// Writes the compressed forms of each file beside it.
fn compress(workspace: &Workspace) -> Result<Vec<Size>> {
    let script = workspace.root.join("xtask/src/compress.mjs");
    let dist = workspace.root.join("web/dist");
    let printed = output_of(Command::new("node").arg(script).arg(&dist));
    sizes(&printed.context("the files of the web app could not be compressed")?, &dist)
}

fn sizes(printed: &str, dist: &Path) -> Result<Vec<Size>> {
    let size = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        let number = |name: &str| value.get(name)?.as_u64();
        let name = value.get("name")?.as_str()?.to_owned();
        Some(Size { name, raw: number("raw")?, gzip: number("gzip")?, brotli: number("brotli")? })
    };
    let sizes: Option<Vec<_>> = printed.lines().map(size).collect();
    let sizes = sizes.context("compress.mjs printed something else than sizes")?;
    ensure!(sizes.iter().any(|size| size.name.ends_with(".wasm")), "no program lies in {}", dist.display());
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(name: &str, gzip: u64) -> Size {
        Size { name: name.to_owned(), raw: 3 * gzip, gzip, brotli: gzip }
    }

    #[test]
    fn a_first_load_is_held_to_its_limit() {
        let page = [size("index.html", 1_000), size("qbtc-web_bg.wasm", 499_000), size("about.html", 9_000)];
        assert!(check_loads(&page).is_ok());
        let larger = [size("index.html", 1_000), size("qbtc-web_bg.wasm", 499_001)];
        assert!(check_loads(&larger).unwrap_err().to_string().contains("500001"));
        let wallet = [size("qbtc-wallet_bg.wasm", 890_000), size("qbtc-wallet.js", 10_001)];
        assert!(check_loads(&wallet).unwrap_err().to_string().contains("900001"));
        let light = [size("index.html", 300_000), size("qbtc-light_bg.wasm", 300_000)];
        assert!(check_loads(&light).is_ok(), "a worker loads no page");
    }

    #[test]
    fn what_is_printed_is_read() {
        let line = r#"{"name":"a.wasm","raw":30,"gzip":20,"brotli":10}"#;
        let expected = Size { name: "a.wasm".to_owned(), raw: 30, gzip: 20, brotli: 10 };
        assert_eq!(sizes(line, Path::new("d")).unwrap(), [expected]);
        assert!(sizes("", Path::new("d")).is_err() && sizes("{}", Path::new("d")).is_err());
    }
}
