//! What lies in a folder.

use std::fs;
use std::path::Path;

use anyhow::Result;

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
