//! Where things are: the checkout, its target folder, the cache that outlives it; and how cargo is called in them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::output_of;
use crate::toolchain::Toolchain;

/// The folders of one run.
pub(crate) struct Workspace {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// Cargo's target folder: `CARGO_TARGET_DIR` or `target` in the checkout.
    pub(crate) target: PathBuf,
    /// What outlives the checkout: `QBTC_CACHE` or `~/.cache/qbtc`.
    pub(crate) cache: PathBuf,
}

impl Workspace {
    /// Finds the folders from the environment.
    ///
    /// # Errors
    /// If neither `QBTC_CACHE` nor `HOME` is set.
    pub(crate) fn find() -> Result<Self> {
        // Asked of cargo as it runs this: a program that is in a shared target folder may have been compiled in another checkout.
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = manifest.parent().context("xtask lies in the workspace")?.to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => env::current_dir()?.join(folder),
            None => root.join("target"),
        };
        let cache = match (env::var_os("QBTC_CACHE"), env::var_os("HOME")) {
            (Some(folder), _) => env::current_dir()?.join(folder),
            (None, Some(home)) => Path::new(&home).join(".cache/qbtc"),
            (None, None) => {
                anyhow::bail!("neither QBTC_CACHE nor HOME is set: set QBTC_CACHE to a folder for cached tools")
            }
        };
        Ok(Self { root, target, cache })
    }

    /// The folder of cached tools.
    pub(crate) fn tools(&self) -> PathBuf {
        self.cache.join("tools")
    }

    /// The log of the step `name`.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.target.join("xtask-logs").join(format!("{name}.log"))
    }

    /// `cargo` in the checkout with `toolchain`.
    pub(crate) fn cargo(&self, toolchain: &Toolchain) -> Command {
        let mut command = toolchain.command("cargo");
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// A flag for rustc that keeps this machine's folders out of what it builds, so that the same sources give the same bytes everywhere: panics
    /// name the files that they stand in. Those of the workspace are named from its root anyway; to name the root here would have all
    /// dependencies compiled anew for each checkout.
    ///
    /// # Errors
    /// If nobody says where cargo keeps the sources of dependencies.
    pub(crate) fn remapped(toolchain: &Toolchain) -> Result<String> {
        let cargo_home = match (env::var_os("CARGO_HOME"), env::var_os("HOME")) {
            (Some(folder), _) => PathBuf::from(folder),
            (None, Some(home)) => Path::new(&home).join(".cargo"),
            (None, None) => anyhow::bail!("neither CARGO_HOME nor HOME is set"),
        };
        let flag = |folder: &Path| format!("--remap-path-prefix={}=", folder.display());
        let sources = cargo_home.join("registry/src");
        // The registry's own folder says nothing either, and the standard library's sources lie where this toolchain is.
        let mut registries: Vec<_> =
            std::fs::read_dir(&sources).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        registries.sort();
        let sysroot = output_of(toolchain.command("rustc").args(["--print", "sysroot"]));
        let library = sysroot.map(|sysroot| Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library"));
        // Of several that fit, rustc takes the last.
        let folders = std::iter::once(sources.clone()).chain(registries).chain(library);
        Ok(folders.map(|folder| flag(&folder)).collect::<Vec<_>>().join(" "))
    }

    /// The version of `package` that Cargo.lock fixes.
    ///
    /// # Errors
    /// If Cargo.lock cannot be read or does not name the package.
    pub(crate) fn locked_version(&self, package: &str) -> Result<String> {
        let path = self.root.join("Cargo.lock");
        let lock = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        version_in_lock(&lock, package).with_context(|| format!("{} does not name {package}", path.display()))
    }
}

fn version_in_lock(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_gives_the_version_of_the_exact_name() {
        let lock =
            "[[package]]\nname = \"ab\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.0.1\"\n";
        assert_eq!(version_in_lock(lock, "a").as_deref(), Some("2.0.1"));
        assert_eq!(version_in_lock(lock, "b"), None);
    }
}
