//! A wasm32 toolchain from Debian's packages alone, for machines where rustup may not download one.
//!
//! Debian ships rustc 1.96 as `rustc-web` with the source of its standard library, but no wasm32 build of that library. So
//! it is built here from that source, laid where this compiler looks for it, and the compiler is linked into rustup as
//! `debian`, so that every cargo tool can be pointed at it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{output_of, run_logged};
use crate::toolchain::{Toolchain, WASM_TARGET};
use crate::workspace::Workspace;

/// The compiler and what it needs to build a standard library, except the linker, whose name follows LLVM's version.
const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "rust-web-clippy"];

/// The oldest rustc-web that compiles this workspace (its `rust-version`).
const RUSTC_MIN: (u32, u32) = (1, 90);

/// Where Debian's compiler looks for target libraries.
const RUSTLIB: &str = "/usr/lib/rustlib";

/// Whether this user may do everything.
pub(crate) fn is_root() -> bool {
    output_of(Command::new("id").arg("-u")).as_deref() == Some("0")
}

/// Whether this machine installs packages with apt and lets this user do so.
pub(crate) fn can_install() -> bool {
    is_root() && output_of(Command::new("apt-get").arg("--version")).is_some()
}

/// Installs packages that are not installed yet. The package list is fetched only if it does not know one of them.
///
/// # Errors
/// If apt cannot install them.
pub(crate) fn install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if missing.iter().any(|package| candidate(package).is_none()) {
        update(workspace)?;
    }
    let log = workspace.log("apt-install");
    if apt(workspace, &["install", "--no-install-recommends"], &missing, "apt-install").is_err() {
        // A list that is merely old names versions that the archive has dropped since.
        update(workspace)?;
        apt(workspace, &["install", "--no-install-recommends"], &missing, "apt-install")
            .with_context(|| format!("apt-get cannot install {}; see {}", missing.join(" "), log.display()))?;
    }
    Ok(())
}

/// Unpacks a package into a folder, without installing it: nothing that it brings is started.
///
/// # Errors
/// If apt does not have it, or this is no Debian.
pub(crate) fn unpack(workspace: &Workspace, package: &str, folder: &Path) -> Result<()> {
    if candidate(package).is_none() && can_install() {
        update(workspace)?;
    }
    ensure!(candidate(package).is_some(), "apt knows no package {package}");
    // Fetched and unpacked beside its place, then moved there: no other process ever sees half of it.
    let fresh = folder.with_extension(std::process::id().to_string());
    let fetched = fresh.join("fetched");
    fs::create_dir_all(&fetched).with_context(|| format!("cannot create {}", fetched.display()))?;
    let mut download = Command::new("apt-get");
    // As root, apt would rather be another user, who may not write here.
    download.args(["-q", "-o", "APT::Sandbox::User=root", "download", package]).current_dir(&fetched);
    run_logged(&mut download, &workspace.log("apt-download"))?;
    let archive = fs::read_dir(&fetched)?.next().with_context(|| format!("apt-get left no {package}"))??;
    let mut extract = Command::new("dpkg-deb");
    extract.arg("--extract").arg(archive.path()).arg(&fresh);
    run_logged(&mut extract, &workspace.log("dpkg-deb"))?;
    fs::remove_dir_all(&fetched)?;
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    fs::rename(&fresh, folder).with_context(|| format!("cannot write {}", folder.display()))
}

/// Installs Debian's compiler, builds its standard library for wasm32 and links it into rustup.
///
/// # Errors
/// If the packages cannot be had, or the library does not build.
pub(crate) fn install_wasm_toolchain(workspace: &Workspace) -> Result<()> {
    if candidate("rustc-web").is_none_or(|version| is_too_old(&version)) {
        update(workspace)?;
    }
    let version =
        candidate("rustc-web").context("apt knows no package rustc-web: this way needs Debian 12 or newer")?;
    ensure!(
        !is_too_old(&version),
        "apt offers rustc-web {version}, and {}.{} or newer is needed: enable Debian's security archive",
        RUSTC_MIN.0,
        RUSTC_MIN.1
    );
    install(workspace, &PACKAGES)?;
    install(workspace, &[&format!("lld-{}", llvm_version()?)])?;
    build_std(workspace)?;
    link_into_rustup(workspace)
}

fn update(workspace: &Workspace) -> Result<()> {
    apt(workspace, &["update"], &[], "apt-update").context("cannot fetch the package lists")
}

fn apt(workspace: &Workspace, action: &[&str], packages: &[&str], log: &str) -> Result<()> {
    let mut command = Command::new("apt-get");
    // Another apt on the same machine is waited for instead of failing at its lock.
    command.args(["-q", "-y", "-o", "DPkg::Lock::Timeout=600"]).args(action).args(packages);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    run_logged(&mut command, &workspace.log(log)).map(|_| ())
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f=${Status}", package]).stderr(Stdio::null());
    output_of(&mut query).is_some_and(|status| status == "install ok installed")
}

/// The version that apt would install.
fn candidate(package: &str) -> Option<String> {
    candidate_in(&output_of(Command::new("apt-cache").args(["policy", package]).env("LC_ALL", "C"))?)
}

fn candidate_in(policy: &str) -> Option<String> {
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (line != "(none)").then(|| line.to_owned())
}

fn is_too_old(version: &str) -> bool {
    let mut parts = version.split(['.', '+', '~', '-']).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < RUSTC_MIN
}

/// The major version of the LLVM in Debian's compiler: its linker must be of the same.
fn llvm_version() -> Result<String> {
    let about = output_of(Command::new("/usr/bin/rustc").arg("-vV")).context("/usr/bin/rustc does not run")?;
    let version = about.lines().find_map(|line| line.strip_prefix("LLVM version: ")).context("rustc names its LLVM")?;
    Ok(version.split('.').next().unwrap_or(version).to_owned())
}

/// Builds the standard library from Debian's source and moves it in place in one rename, so that no other process ever sees
/// half of it. The bitcode is what link-time optimisation reads.
fn build_std(workspace: &Workspace) -> Result<()> {
    let folder = workspace.cache.join(format!("std-{}", std::process::id()));
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    fs::write(
        folder.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n",
    )?;
    let mut cargo = Toolchain::Default.command("/usr/bin/cargo");
    cargo
        .args(["build", "--release", "-Zbuild-std=std,panic_abort,proc_macro,test", "--target", WASM_TARGET])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes");
    run_logged(&mut cargo, &workspace.log("build-std")).context("the standard library does not build for wasm32")?;

    let built = folder.join("target").join(WASM_TARGET).join("release/deps");
    let place = Path::new(RUSTLIB).join(WASM_TARGET);
    let fresh = Path::new(RUSTLIB).join(format!("{WASM_TARGET}.new-{}", std::process::id()));
    let copied = copy_libraries(&built, &fresh.join("lib"))?;
    if copied == 0 {
        bail!("cargo left no library in {}", built.display());
    }
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot replace {}", place.display()))?;
    }
    fs::rename(&fresh, &place).with_context(|| format!("cannot write {}", place.display()))?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Copies each library but the empty crate's own, and returns how many there were.
fn copy_libraries(from: &Path, to: &Path) -> Result<usize> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let mut copied = 0;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(entry.path(), to.join(&*name))?;
            copied += 1;
        }
    }
    Ok(copied)
}

fn link_into_rustup(workspace: &Workspace) -> Result<()> {
    if Toolchain::DEBIAN.version().is_some() {
        return Ok(());
    }
    let mut link = Toolchain::Default.command("rustup");
    link.args(["toolchain", "link", Toolchain::DEBIAN.name(), "/usr"]);
    run_logged(&mut link, &workspace.log("rustup-link")).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_without_candidate_gives_none() {
        let known = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(candidate_in(known).as_deref(), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(candidate_in("x:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate_in(""), None);
    }

    #[test]
    fn versions_below_the_minimum_are_too_old() {
        assert!(is_too_old("1.85.0+dfsg3-1~deb12u3"));
        assert!(is_too_old("1.89.9"));
        assert!(!is_too_old("1.90.0+dfsg1-1"));
        assert!(!is_too_old("1.96.0+dfsg1-1~deb12u2"));
        assert!(is_too_old("nonsense"));
    }
}
