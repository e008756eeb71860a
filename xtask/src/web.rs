//! `cargo xtask web`: the web app in release, as the node serves it, and how large it is.
//!
//! Trunk compiles, binds and optimises. The `wasm-bindgen` that it is given splits the page's program into chunks first (xtask/tools); those are optimised
//! here. Then each file gets its compressed forms beside it, so that the node compresses nothing while it serves. The folder is part of the node's
//! program the next time that is built.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::process::{output_of, run_logged, run_shown};
use crate::site::{self, Downloads};
use crate::workspace::Workspace;
use crate::{npm, packages, passed, setup, tools};

/// What the first page of a visitor may take, of the explorer or of the wallet, compressed with gzip, in bytes: all that is fetched until it is there and
/// can be used. The suite of the app in Chromium holds back everything else (tests/browser/app/chunks.mjs).
const PAGE_BYTES_MAX: u64 = 500_000;
/// The same for the light client, which a worker of either page loads once the page is there.
const LIGHT_BYTES_MAX: u64 = 300_000;

/// What loads chunks.
const LOADER: &str = "load.js";

/// What `cargo xtask web` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Builds quickly, without optimisation, to try things out.
    #[arg(long)]
    dev: bool,
    /// Also builds the extension and the npm package, for the node to hand out
    #[arg(long)]
    downloads: bool,
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
    setup::of(workspace, &setup::FOR_WEB)?;
    println!("building the web app; the first time takes minutes");
    let downloads = if options.downloads { Downloads::All } else { Downloads::None };
    if downloads == Downloads::All {
        setup::of(workspace, &setup::FOR_NPM)?;
        npm::build(workspace, &tools::wasm_toolchain(workspace)?)?;
    }
    let built = make(workspace, How { is_release: !options.dev, is_shown: true, downloads })?;
    println!("{:<56}{:>12}{:>12}{:>12}", "", "raw", "gzip", "brotli");
    for Size { name, raw, gzip, brotli } in &built.sizes {
        println!("{name:<56}{raw:>12}{gzip:>12}{brotli:>12}");
    }
    for load in LOADS {
        let sum = |part: fn(&Size) -> u64| built.of(&load).map(part).sum::<u64>();
        let (raw, gzip, brotli) = (sum(|size| size.raw), sum(|size| size.gzip), sum(|size| size.brotli));
        println!("{:<56}{raw:>12}{gzip:>12}{brotli:>12}", format!("first load: {}", load.name));
    }
    if options.dev { Ok(()) } else { check_loads(&built) }
}

/// How the app is built.
#[derive(Clone, Copy)]
pub(crate) struct How {
    /// Small and quick, which takes longer.
    pub(crate) is_release: bool,
    /// With Trunk's and cargo's progress on the terminal.
    pub(crate) is_shown: bool,
    /// What is handed out beside it.
    pub(crate) downloads: Downloads,
}

impl How {
    /// As it is released, into a log.
    pub(crate) const RELEASED: Self = Self { is_release: true, is_shown: false, downloads: Downloads::None };
}

/// Builds the app and the pages of documents, with the compressed form of each file beside it.
///
/// # Errors
/// If a tool is missing, or the app does not build.
pub(crate) fn make(workspace: &Workspace, how: How) -> Result<Built> {
    // Until it is built and held to its limits once more.
    passed::forget(workspace, "web")?;
    build(workspace, how)?;
    let folder = chunks_folder(workspace)?;
    if how.is_release {
        optimise(workspace, &folder)?;
    }
    site::write(workspace, &workspace.root.join("web/dist"), how.downloads)?;
    let list = folder.join("chunks.json");
    let chunks = serde_json::from_slice(&fs::read(&list).with_context(|| format!("cannot read {}", list.display()))?)?;
    Ok(Built { sizes: compress(workspace)?, chunks })
}

/// The app as it was built: its files, and which chunks of the page's program are fetched for which of its parts.
pub(crate) struct Built {
    sizes: Vec<Size>,
    chunks: BTreeMap<String, Vec<String>>,
}

impl Built {
    /// The files of a first load.
    fn of<'a>(&'a self, load: &'a Load) -> impl Iterator<Item = &'a Size> {
        let chunks = load.chunk.and_then(|chunk| self.chunks.get(chunk)).map_or(&[][..], Vec::as_slice);
        self.sizes.iter().filter(|size| load.has(&size.name, chunks))
    }
}

/// What a first page consists of.
struct Load {
    name: &'static str,
    /// How its program's files begin.
    program: &'static str,
    /// What it shows of the page's program; none for a worker beside a page, which loads its program and nothing else.
    chunk: Option<&'static str>,
    bytes_max: u64,
}

const LOADS: [Load; 3] = [
    Load { name: "explorer", program: "qbtc-web", chunk: Some("explorer"), bytes_max: PAGE_BYTES_MAX },
    Load { name: "wallet", program: "qbtc-web", chunk: Some("setup"), bytes_max: PAGE_BYTES_MAX },
    Load { name: "light client", program: "qbtc-light", chunk: None, bytes_max: LIGHT_BYTES_MAX },
];

impl Load {
    /// Whether it needs this file: its program, what loads chunks and these of them, and what all pages share.
    fn has(&self, name: &str, chunks: &[String]) -> bool {
        let is_program = name.strip_prefix(self.program).is_some_and(|rest| [".js", "_bg.wasm"].contains(&rest));
        let is_shared = ["index.html", "start.js", "icon.svg"].contains(&name) || name.ends_with(".css");
        let is_chunk =
            |file: &str| file == LOADER || file.strip_suffix(".wasm").is_some_and(|file| is_in(chunks, file));
        let in_snippets = || name.strip_prefix("snippets/").and_then(|name| name.split_once('/'));
        is_program || (self.chunk.is_some() && (is_shared || in_snippets().is_some_and(|(_, file)| is_chunk(file))))
    }
}

fn is_in(names: &[String], name: &str) -> bool {
    names.iter().any(|known| known == name)
}

/// Holds the first loads to their limits.
///
/// # Errors
/// If one is too large, or has no chunk.
pub(crate) fn check_loads(built: &Built) -> Result<()> {
    for load in LOADS {
        if let Some(chunk) = load.chunk {
            ensure!(built.chunks.contains_key(chunk), "the page's program has no chunk {chunk}");
        }
        let gzip: u64 = built.of(&load).map(|size| size.gzip).sum();
        ensure!(
            gzip <= load.bytes_max,
            "the first load of the {} takes {gzip} bytes with gzip: the limit is {}",
            load.name,
            load.bytes_max
        );
    }
    Ok(())
}

/// The folder of the page's chunks, whose name says what they contain.
pub(crate) fn chunks_folder(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.root.join("web/dist/snippets");
    let found = fs::read_dir(&folder).with_context(|| format!("no chunks lie in {}", folder.display()))?;
    let found: Vec<PathBuf> = found.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let is_page =
        |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("qbtc-web-"));
    let mut of_page = found.iter().filter(is_page);
    match (of_page.next(), of_page.next()) {
        (Some(folder), None) => Ok(folder.clone()),
        _ => bail!(
            "{} folders of chunks lie in {}: one is wanted",
            found.iter().filter(is_page).count(),
            folder.display()
        ),
    }
}

/// Makes the chunks smaller, as Trunk does with programs.
fn optimise(workspace: &Workspace, folder: &Path) -> Result<()> {
    let wasm_opt = packages::binaryen(workspace)?.join("wasm-opt");
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "wasm") {
            let mut command = Command::new(&wasm_opt);
            command.arg("-Oz").arg(&file).arg("-o").arg(&file);
            run_logged(&mut command, &workspace.log("wasm-opt"))?;
        }
    }
    Ok(())
}

fn build(workspace: &Workspace, how: How) -> Result<()> {
    let toolchain = tools::wasm_toolchain(workspace)?;
    tools::node(workspace)?;
    // Trunk would copy the chunks of the build before as well.
    let bound = workspace.target.join("wasm-bindgen");
    if bound.exists() {
        fs::remove_dir_all(&bound)?;
    }
    let trunk = tools::trunk(workspace)?;
    let path = path_with(&[tools::wasm_bindgen(workspace)?, packages::binaryen(workspace)?])?;
    let mut command = toolchain.command(&trunk.to_string_lossy());
    command.arg("build").current_dir(&workspace.root);
    command.env("CARGO_TARGET_DIR", &workspace.target).env("PATH", path);
    // Types of views a hundred levels deep would make the program, and its build, half as large again.
    command.env("RUSTFLAGS", format!("--cfg erase_components {}", Workspace::remapped(&toolchain)?));
    // Trunk reads the convention "any value" as a flag of its own, which wants true or false.
    command.env_remove("NO_COLOR");
    if how.is_release {
        command.arg("--release");
    }
    let built = if how.is_shown {
        run_shown(&mut command)
    } else {
        run_logged(command.arg("--quiet"), &workspace.log("web")).map(drop)
    };
    built.context("the web app does not build")
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
    let printed = output_of(tools::node_command(workspace).arg(script).arg(&dist));
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

    fn built(sizes: &[Size]) -> Built {
        let chunk = |name: &str, files: [&str; 2]| (name.to_owned(), files.map(str::to_owned).to_vec());
        let chunks = [chunk("explorer", ["chunk_1", "split_explorer"]), chunk("setup", ["chunk_1", "split_setup"])];
        Built { sizes: sizes.to_vec(), chunks: chunks.into_iter().collect() }
    }

    #[test]
    fn a_first_load_is_held_to_its_limit() {
        let other = [size("about.html", 9_000), size("snippets/qbtc-web-0/split_wallet.wasm", 400_000)];
        let page = |main: u64| [&[size("index.html", 1_000), size("qbtc-web_bg.wasm", main)], &other[..]].concat();
        assert!(check_loads(&built(&page(499_000))).is_ok());
        assert!(check_loads(&built(&page(499_001))).unwrap_err().to_string().contains("500001"));
        let light = [size("index.html", 300_000), size("qbtc-light_bg.wasm", 300_000)];
        assert!(check_loads(&built(&light)).is_ok(), "a worker loads no page");
        let none = Built { sizes: page(1).to_vec(), chunks: BTreeMap::new() };
        assert!(check_loads(&none).unwrap_err().to_string().contains("chunk explorer"));
    }

    #[test]
    fn what_loads_chunks_and_those_of_the_first_page_count() {
        let chunk = |name: &str, gzip: u64| size(&format!("snippets/qbtc-web-0/{name}"), gzip);
        let mut sizes = vec![
            size("qbtc-web_bg.wasm", 300_000),
            chunk("load.js", 1_000),
            chunk("chunk_1.wasm", 99_000),
            chunk("chunk_2.wasm", 400_000),
            chunk("split_explorer.wasm", 90_000),
            chunk("split_setup.wasm", 100_000),
        ];
        assert!(check_loads(&built(&sizes)).is_ok());
        sizes.push(chunk("other_split_setup.wasm", 1));
        assert!(check_loads(&built(&sizes)).is_ok());
        sizes[2].gzip += 1;
        let error = check_loads(&built(&sizes)).unwrap_err().to_string();
        assert!(error.contains("wallet") && error.contains("500001"), "{error}");
    }

    #[test]
    fn what_is_printed_is_read() {
        let line = r#"{"name":"a.wasm","raw":30,"gzip":20,"brotli":10}"#;
        let expected = Size { name: "a.wasm".to_owned(), raw: 30, gzip: 20, brotli: 10 };
        assert_eq!(sizes(line, Path::new("d")).unwrap(), [expected]);
        assert!(sizes("", Path::new("d")).is_err() && sizes("{}", Path::new("d")).is_err());
    }
}
