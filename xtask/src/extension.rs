//! `cargo xtask extension`: the browser extension, as a folder that Chromium loads, and as the archive that is handed out.
//!
//! It is the web app's own programs and styles, with the scripts of `www/extension` beside them. Both lie in the target folder.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use crate::files::files_in;
use crate::process::Scratch;
use crate::workspace::Workspace;
use crate::{setup, web};

/// What of the web app it consists of, beside the chunks of its program: the programs of the page, the light client and the helper, what starts workers,
/// and how all looks.
const OF_APP: [&str; 11] = [
    "base.css",
    "icon.svg",
    "pages.css",
    "parts.css",
    "qbtc-light.js",
    "qbtc-light_bg.wasm",
    "qbtc-vault.js",
    "qbtc-vault_bg.wasm",
    "qbtc-web.js",
    "qbtc-web_bg.wasm",
    "worker.js",
];

/// What `cargo xtask extension` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Builds quickly, without optimisation, to try things out
    #[arg(long)]
    dev: bool,
}

/// Builds the web app and puts the extension together.
///
/// # Errors
/// If the app does not build, or a file is missing.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    setup::of(workspace, &setup::FOR_WEB)?;
    println!("building the web app; the first time takes minutes");
    web::make(workspace, web::How { is_release: !options.dev, is_shown: true, ..web::How::RELEASED })?;
    let folder = assemble(workspace)?;
    println!("{}: load it in chrome://extensions, with “Developer mode” on, by “Load unpacked”", folder.display());
    let (archive, bytes) = (workspace.target.join("qbtc-extension.zip"), pack(&folder)?);
    fs::write(&archive, &bytes).with_context(|| format!("cannot write {}", archive.display()))?;
    println!("{}: {} bytes", archive.display(), bytes.len());
    Ok(())
}

/// The archive of the extension, put together from the web app as it was built last.
///
/// # Errors
/// As [`assemble`].
pub(crate) fn archive(workspace: &Workspace) -> Result<Vec<u8>> {
    // Not where a browser may have loaded it from.
    let folder = Scratch::new(workspace.target.join("extension-archive"))?;
    assemble_in(workspace, folder.path())?;
    pack(folder.path())
}

/// Puts the extension together from the web app as it was built last; its folder.
///
/// # Errors
/// If the app was not built, or the manifest names a file that is not there.
pub(crate) fn assemble(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("extension");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    assemble_in(workspace, &folder)?;
    Ok(folder)
}

fn assemble_in(workspace: &Workspace, folder: &Path) -> Result<()> {
    let app = workspace.root.join("web/dist");
    for name in OF_APP {
        let from = app.join(name);
        fs::copy(&from, folder.join(name))
            .with_context(|| format!("{}: run `cargo xtask web` first", from.display()))?;
    }
    let chunks = web::chunks_folder(workspace)?;
    let place = folder.join(chunks.strip_prefix(&app)?);
    fs::create_dir_all(&place)?;
    for entry in fs::read_dir(&chunks)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "js" || extension == "wasm") {
            fs::copy(&file, place.join(file.file_name().unwrap_or_default()))?;
        }
    }
    for entry in fs::read_dir(workspace.root.join("www/extension"))? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    check(&fs::read_to_string(folder.join("manifest.json"))?, &|name| folder.join(name).is_file())
}

/// The files of a folder as a zip archive whose bytes depend on them alone: names in order, and no times.
///
/// # Errors
/// If one cannot be read.
fn pack(folder: &Path) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default().last_modified_time(DateTime::default()).unix_permissions(0o644);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for name in files_in(folder, "")? {
        let bytes = fs::read(folder.join(&name)).with_context(|| format!("cannot read {name}"))?;
        archive.start_file(name, options)?;
        archive.write_all(&bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Holds the manifest to what is there, and to what the extension may do.
///
/// # Errors
/// What is wrong with it.
fn check(manifest: &str, is_there: &dyn Fn(&str) -> bool) -> Result<()> {
    let manifest: Value = serde_json::from_str(manifest).context("the manifest is no JSON")?;
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let texts = |pointer: &str| -> Vec<String> {
        let values = manifest.pointer(pointer).map(|value| match value {
            Value::Array(values) => values.iter().collect(),
            Value::Object(values) => values.values().collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let ours = env!("CARGO_PKG_VERSION");
    let version = text("/version").unwrap_or_default();
    ensure!(version == ours, "the manifest has version {version}, and this is {ours}");
    let single = ["/action/default_popup", "/background/service_worker"].into_iter().filter_map(text);
    let lists = ["/icons", "/action/default_icon", "/content_scripts/0/js", "/content_scripts/1/js"];
    for name in single.chain(lists.into_iter().flat_map(texts)) {
        ensure!(is_there(&name), "the manifest names {name}, which is not there");
    }
    let permissions = texts("/permissions");
    ensure!(permissions == ["offscreen", "storage", "unlimitedStorage"], "the manifest asks for {permissions:?}");
    ensure!(manifest.get("host_permissions").is_none(), "the manifest asks for pages");
    let policy = text("/content_security_policy/extension_pages").unwrap_or_default();
    ensure!(
        policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
            && !policy.contains("unsafe-inline"),
        "the manifest's policy is {policy:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = include_str!("../../www/extension/manifest.json");

    #[test]
    fn the_manifest_names_what_is_there() {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/extension");
        check(MANIFEST, &|name| scripts.join(name).is_file()).unwrap();
        let error = check(MANIFEST, &|name| name != "provider.js").unwrap_err();
        assert!(error.to_string().contains("provider.js"));
    }

    #[test]
    fn an_archive_depends_on_the_files_alone() {
        let folder = |name: &str| std::env::temp_dir().join(format!("xtask-extension-{name}-{}", std::process::id()));
        let made = |folder: PathBuf, names: [&str; 2]| {
            fs::create_dir_all(&folder).unwrap();
            fs::create_dir_all(folder.join("chunks")).unwrap();
            names.iter().for_each(|name| fs::write(folder.join(name), name.repeat(100)).unwrap());
            let archive = pack(&folder).unwrap();
            fs::remove_dir_all(&folder).unwrap();
            archive
        };
        let archive = made(folder("one"), ["chunks/b.js", "a.js"]);
        assert_eq!(archive, made(folder("other"), ["a.js", "chunks/b.js"]));
        let mut read = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        assert_eq!(
            (0..read.len()).map(|at| read.by_index(at).unwrap().name().unwrap().to_string()).collect::<Vec<_>>(),
            ["a.js", "chunks/b.js"]
        );
        let text = std::io::read_to_string(read.by_name("chunks/b.js").unwrap()).unwrap();
        assert_eq!(text, "chunks/b.js".repeat(100));
    }

    #[test]
    fn the_manifest_does_not_ask_for_more_than_it_needs() {
        let refused = |from: &str, to: &str| {
            let other = MANIFEST.replacen(from, to, 1);
            assert_ne!(other, MANIFEST, "{from}");
            assert!(check(&other, &|_| true).is_err(), "{to}");
        };
        refused("\"storage\"", "\"storage\", \"tabs\"");
        refused("\"permissions\"", "\"host_permissions\": [], \"permissions\"");
        refused("style-src 'self'", "style-src 'self' 'unsafe-inline'");
        refused("default-src 'none'", "default-src *");
        refused("\"version\": \"", "\"version\": \"9");
    }
}
