//! Splitting a program into chunks, between the linker and wasm-bindgen: a page then fetches the rest of it when it is needed.
//!
//! The program says by `#[wasm_split(NAME)]` where; which function comes into which chunk follows from who calls it, as the linker has noted. A program
//! without such places is left as it is. The chunks lie in a folder whose name is made of what they contain: a page that was loaded from one
//! build never gets a chunk of another.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use sha2::{Digest as _, Sha256};
use wasm_split_cli_support::{Options, SplitWasm, transform};

/// How the names begin by which a program marks its doors.
const DOOR: &[u8] = b"__wasm_split_00";
/// The folder from which Trunk takes what belongs to a program.
const SNIPPETS: &str = "snippets";
/// What loads the chunks.
const LOADER: &str = "load.js";
/// Which chunks are loaded for which name.
const LIST: &str = "chunks.json";

/// Splits the program that wasm-bindgen is called for, and returns the arguments by which it is to be called for what is left of it.
///
/// # Errors
/// If the program cannot be read or split, or the chunks cannot be written.
pub(crate) fn split(mut args: Vec<OsString>) -> Result<Vec<OsString>> {
    let option = |name: &str| args.iter().find_map(|arg| arg.to_str()?.strip_prefix(name)).map(str::to_owned);
    let (folder, name) = (option("--out-dir="), option("--out-name="));
    let (Some(folder), Some(name), Some(at)) = (folder, name, args.iter().position(|arg| is_program(arg))) else {
        return Ok(args);
    };
    let program = fs::read(&args[at]).with_context(|| format!("cannot read {}", args[at].display()))?;
    if !program.windows(DOOR.len()).any(|bytes| bytes == DOOR) {
        return Ok(args);
    }
    let folder = PathBuf::from(folder);
    let main = write_chunks(&program, &folder, &name)?;
    args[at] = main.into_os_string();
    // The chunks use what the linker exports.
    args.push("--keep-lld-exports".into());
    Ok(args)
}

fn is_program(arg: &OsStr) -> bool {
    Path::new(arg).extension().is_some_and(|extension| extension == "wasm")
}

/// Writes the chunks of a program, and what loads them, to where Trunk takes them from. Returns where its main part lies.
fn write_chunks(program: &[u8], folder: &Path, name: &str) -> Result<PathBuf> {
    let scratch = folder.join(format!("{name}-split"));
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    // Once to learn what the chunks contain, and once more to say where they lie.
    let hash = hash_of(&transformed(program, &scratch, name, LOADER)?.split_modules)?;
    let place = format!("{SNIPPETS}/{name}-{hash}");
    fs::create_dir_all(scratch.join(&place))?;
    let split = transformed(program, &scratch, name, &format!("./{place}/{LOADER}"))?;
    ensure!(hash_of(&split.split_modules)? == hash, "the chunks of {name} are not the same twice");
    let made = scratch.join(&place);
    for chunk in &split.split_modules {
        fs::rename(chunk, made.join(chunk.file_name().context("a chunk has a name")?))?;
    }
    let list: BTreeMap<_, _> = split.prefetch_map.iter().collect();
    fs::write(made.join(LIST), serde_json::to_string_pretty(&list)?)?;
    // All at once: Trunk may be copying for another program.
    let target = folder.join(&place);
    fs::create_dir_all(folder.join(SNIPPETS))?;
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }
    fs::rename(&made, &target)?;
    Ok(scratch.join("main.wasm"))
}

fn transformed(program: &[u8], folder: &Path, name: &str, loader: &str) -> Result<SplitWasm> {
    let (main, script) = (folder.join("main.wasm"), format!("../../{name}.js"));
    let mut options = Options::new(program);
    options.output_dir = folder;
    options.main_out_path = &main;
    options.link_name = loader;
    options.main_module = &script;
    transform(options).map_err(|error| anyhow!("{name} cannot be split: {error:?}"))
}

/// What names the contents of files.
fn hash_of(files: &[PathBuf]) -> Result<String> {
    let mut files = files.to_vec();
    files.sort();
    let mut hasher = Sha256::new();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        hasher.update(Sha256::digest(&bytes));
    }
    Ok(hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}
