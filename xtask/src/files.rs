//! Files and folders.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::process::output_of;
use crate::tools;
use crate::workspace::Workspace;

/// The names of the files of a folder and of those in it, in order, each after `prefix`.
///
/// # Errors
/// If a folder cannot be read.
pub(crate) fn files_in(folder: &Path, prefix: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => found.extend(files_in(&entry.path(), &format!("{name}/"))?),
            false => found.push(name),
        }
    }
    found.sort();
    Ok(found)
}

/// Copies the files of a folder and of those in it.
///
/// # Errors
/// If one cannot be read or written.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for name in files_in(from, "")? {
        let target = to.join(&name);
        fs::create_dir_all(target.parent().context("a file lies in a folder")?)?;
        fs::copy(from.join(&name), &target).with_context(|| format!("cannot copy {name}"))?;
    }
    Ok(())
}

/// The SHA-256 of a file, in hex.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn sha256(workspace: &Workspace, file: &Path) -> Result<String> {
    const SCRIPT: &str = "const bytes = require('node:fs').readFileSync(process.argv[1]);
        console.log(require('node:crypto').createHash('sha256').update(bytes).digest('hex'))";
    let hash = output_of(tools::node_command(workspace).args(["-e", SCRIPT]).arg(file));
    hash.with_context(|| format!("cannot hash {}", file.display()))
}
