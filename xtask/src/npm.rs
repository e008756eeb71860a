//! `cargo xtask npm`: the npm package `@qbtc/wallet`, and how large what it loads is.
//!
//! Each program is built by cargo for wasm32, bound by wasm-bindgen, made smaller by wasm-opt, and put together with the layer in TypeScript by
//! wallet-wasm/npm/build.mjs. The package lies in target/npm/out/package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::process::{output_of, run_logged};
use crate::toolchain::{Toolchain, WASM_TARGET};
use crate::workspace::Workspace;
use crate::{packages, programs, setup, tools};

/// What `cargo xtask npm` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Also makes pages of the package's types and their documentation
    #[arg(long)]
    docs: bool,
}

/// A program of the package.
pub(crate) struct Program {
    /// Its name in the package.
    pub(crate) name: &'static str,
    /// The features of qbtc-wallet-wasm that it is built with.
    pub(crate) features: &'static str,
    /// No other program with other flags has it.
    profile: &'static str,
    /// What rustc is told beside.
    flags: &'static str,
    /// The most bytes that it and the modules of its entry may have once a server has compressed them with gzip.
    pub(crate) gzip_max: u64,
}

/// SHA-2 as loops, and not as long lines of code: smaller, and quick enough for who hashes little.
const COMPACT_HASHES: &str = r#" --cfg sha2_backend_soft="compact""#;

/// All of them. What they may weigh keeps them from growing unseen; what they should weigh says docs/npm.md.
pub(crate) const PROGRAMS: &[Program] = &[
    Program { name: "sign", features: "sign", profile: "wasm-sign", flags: COMPACT_HASHES, gzip_max: 100_000 },
    Program { name: "wallet", features: "pay", profile: "wasm", flags: "", gzip_max: 280_000 },
    Program { name: "light", features: "light,npm", profile: "wasm-light", flags: COMPACT_HASHES, gzip_max: 300_000 },
];

/// What a program and its modules weigh, in bytes.
pub(crate) struct Size {
    pub(crate) raw: u64,
    pub(crate) gzip: u64,
    pub(crate) brotli: u64,
}

/// Builds the package and prints the sizes.
///
/// # Errors
/// If a tool is missing or something does not build.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    setup::of(workspace, &setup::FOR_NPM)?;
    println!("building the npm package; the first time takes minutes");
    let package = build(workspace, &tools::wasm_toolchain(workspace)?)?;
    for program in PROGRAMS {
        let Size { raw, gzip, brotli } = size(&package, program)?;
        println!("{:<8}{raw:>10} bytes, gzip {gzip:>8} of {}, brotli {brotli:>8}", program.name, program.gzip_max);
    }
    println!("{}", package.display());
    if options.docs {
        println!("{}", document(workspace)?.display());
    }
    Ok(())
}

/// Makes pages of the types of the built package; their folder.
///
/// # Errors
/// If typedoc cannot be had, or warns of something.
pub(crate) fn document(workspace: &Workspace) -> Result<PathBuf> {
    let out = workspace.target.join("npm/out");
    let docs = out.join("docs");
    let mut typedoc = tools::node_command(workspace);
    typedoc
        .arg(packages::of_npm_package(workspace)?.join("node_modules/typedoc/bin/typedoc"))
        .current_dir(out.join("esm"));
    typedoc.args(["--entryPoints", "src/wallet.ts", "--entryPoints", "src/sign.ts", "--entryPoints", "src/light.ts"]);
    typedoc.args(["--name", "@qbtc/wallet"]);
    typedoc.args(["--hideGenerator", "--treatWarningsAsErrors", "--readme"]);
    typedoc.arg(workspace.root.join("wallet-wasm/npm/README.md")).arg("--out").arg(&docs);
    run_logged(&mut typedoc, &workspace.log("typedoc"))?;
    Ok(docs)
}

/// The folder of the package.
pub(crate) fn package(workspace: &Workspace) -> PathBuf {
    workspace.target.join("npm/out/package")
}

/// Builds the package; its folder.
///
/// # Errors
/// If a tool is missing or something does not build.
pub(crate) fn build(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    let bindgen = tools::wasm_bindgen(workspace)?.join("wasm-bindgen");
    let npm = packages::of_npm_package(workspace)?;
    let folder = workspace.target.join("npm");
    for program in PROGRAMS {
        bind(workspace, toolchain, program, &bindgen, &npm, &folder.join("glue").join(program.name))?;
    }
    let mut node = tools::node_command(workspace);
    node.arg(workspace.root.join("wallet-wasm/npm/build.mjs")).arg(env!("CARGO_PKG_VERSION"));
    node.arg(folder.join("glue")).arg(npm).arg(folder.join("out"));
    run_logged(&mut node, &workspace.log("npm-build"))?;
    Ok(package(workspace))
}

/// Leaves `qbtc_bg.js` and `qbtc_bg.wasm` in a folder.
fn bind(
    workspace: &Workspace,
    toolchain: &Toolchain,
    program: &Program,
    bindgen: &Path,
    npm: &Path,
    folder: &Path,
) -> Result<()> {
    let mut cargo = workspace.cargo(toolchain);
    // As a program and nothing else: beside the library that the manifest names too, cargo optimises no further than each crate by itself.
    cargo.args(["rustc", "--lib", "--crate-type", "cdylib", "--locked", "--package", "qbtc-wallet-wasm"]);
    cargo.args(["--target", WASM_TARGET, "--no-default-features", "--features", program.features]);
    cargo.args(["--profile", program.profile]);
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", Workspace::remapped(toolchain)? + program.flags);
    run_logged(&mut cargo, &workspace.log(&format!("npm-{}", program.name)))?;
    let built = workspace.target.join(WASM_TARGET).join(program.profile).join("qbtc_wallet_wasm.wasm");
    // The slow steps are left out where the program is the same as last time.
    let (kept, program_bytes) = (folder.join("built.wasm"), fs::read(&built)?);
    let is_made = folder.join("qbtc_bg.js").is_file() && folder.join("qbtc_bg.wasm").is_file();
    if is_made && fs::read(&kept).is_ok_and(|kept| kept == program_bytes) {
        return Ok(());
    }
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    let mut bind = Command::new(bindgen);
    bind.args(["--target", "bundler", "--no-typescript", "--remove-name-section", "--out-name", "qbtc", "--out-dir"]);
    run_logged(bind.arg(folder).arg(&built), &workspace.log("wasm-bindgen"))?;
    let bound = folder.join("bound.wasm");
    fs::rename(folder.join("qbtc_bg.wasm"), &bound)?;
    let mut optimise = tools::node_command(workspace);
    optimise.arg(npm.join("node_modules/binaryen/bin/wasm-opt")).arg("-Oz").arg(&bound).arg("-o");
    run_logged(optimise.arg(folder.join("qbtc_bg.wasm")), &workspace.log("wasm-opt"))?;
    fs::write(kept, program_bytes)?;
    Ok(())
}

/// What an entry of the built package loads: its program, and the modules that it imports. Each as node's zlib compresses it at its best.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn size(package: &Path, program: &Program) -> Result<Size> {
    const SCRIPT: &str = r"const { readFileSync } = require('node:fs'), { dirname, join } = require('node:path'), z = require('node:zlib');
        const [folder, name] = process.argv.slice(1), files = new Set([join(folder, 'wasm', `${name}.wasm`)]);
        const add = (file) => {
            if (files.has(file)) return;
            files.add(file);
            for (const [, other] of readFileSync(file, 'utf8').matchAll(/ from '(\.[^']+)'/g)) add(join(dirname(file), other));
        };
        add(join(folder, 'esm', `${name}.js`));
        const sums = [0, 0, 0], ways = [(b) => b, (b) => z.gzipSync(b, { level: 9 }), (b) => z.brotliCompressSync(b)];
        for (const file of files) ways.forEach((way, at) => (sums[at] += way(readFileSync(file)).length));
        console.log(sums.join(' '))";
    let line = output_of(tools::node_command(&Workspace::find()?).args(["-e", SCRIPT]).arg(package).arg(program.name));
    let line = line.with_context(|| format!("cannot weigh {} in {}", program.name, package.display()))?;
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    ensure!(numbers.len() == 3, "expected three numbers, found {line:?}");
    Ok(Size { raw: numbers[0], gzip: numbers[1], brotli: numbers[2] })
}

/// Tries the package in every host, by `run`, then lets core check what it made there. The native programs must be built.
///
/// # Errors
/// If a host fails, or core finds fault with what was made.
pub(crate) fn try_in_hosts(
    workspace: &Workspace,
    package: &Path,
    run: impl FnOnce(&mut Command) -> Result<()>,
) -> Result<()> {
    let vectors_program = programs::folder(workspace).join("npm_vectors");
    let folder = workspace.target.join("npm/tried");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let vectors = folder.join("vectors.json");
    let made = output_of(Command::new(&vectors_program).arg("make")).context("npm_vectors made nothing")?;
    fs::write(&vectors, made)?;
    let mut node = tools::node_command(workspace);
    node.arg(workspace.root.join("wallet-wasm/npm/tests/run.mjs"))
        .arg(package)
        .arg(packages::of_npm_package(workspace)?);
    run(node.arg(&vectors).arg(&folder).env("CARGO_TARGET_DIR", &workspace.target))?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("made-")) {
            let mut check = Command::new(&vectors_program);
            run_logged(check.arg("check").arg(&path), &workspace.log("npm-check"))
                .with_context(|| format!("core finds fault with {}", path.display()))?;
        }
    }
    Ok(())
}
