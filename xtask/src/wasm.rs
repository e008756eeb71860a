//! `cargo xtask wasm`: core for wasm32, as releases are built, and how large it is. What browsers load is built by `npm` and `web`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::run_shown;
use crate::toolchain::WASM_TARGET;
use crate::tools;
use crate::workspace::Workspace;

/// A package that compiles to wasm32, and the file that it leaves in the release folder.
struct Package {
    name: &'static str,
    artefact: &'static str,
}

const PACKAGES: &[Package] = &[Package { name: "qbtc-core", artefact: "libqbtc_core.rlib" }];

/// Builds each package in release and prints the sizes.
///
/// # Errors
/// If there is no toolchain for wasm32 or a package does not build.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let toolchain = tools::wasm_toolchain(workspace)?;
    for package in PACKAGES {
        let mut cargo = workspace.cargo(&toolchain);
        cargo.args(["build", "--quiet", "--release", "--locked", "--target", WASM_TARGET, "--package", package.name]);
        run_shown(&mut cargo)?;
        let file = artefact(&workspace.target, package);
        let size_bytes = fs::metadata(&file).with_context(|| format!("cargo left no {}", file.display()))?.len();
        println!("{:<20}{size_bytes:>12} bytes  {}", package.name, file.display());
    }
    Ok(())
}

fn artefact(target: &Path, package: &Package) -> PathBuf {
    target.join(WASM_TARGET).join("release").join(package.artefact)
}
