//! Rust toolchains: which one runs a command, and whether it can build for wasm32.

use std::env;
use std::fs;
use std::process::{Command, Stdio};

use crate::process::output_of;
use crate::workspace::Workspace;

/// The target of every wasm build.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A Rust toolchain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// Whatever `cargo` on PATH means in the checkout.
    Default,
    /// One that rustup knows by this name.
    Named(&'static str),
}

impl Toolchain {
    /// Debian's compiler in /usr, as `setup` links it into rustup.
    pub(crate) const DEBIAN: Self = Self::Named("debian");
    /// The one that fuzzing needs.
    pub(crate) const NIGHTLY: Self = Self::Named("nightly");

    /// How messages name it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Named(name) => name,
        }
    }

    /// `program` (cargo, rustc, …) of this toolchain, without what `cargo xtask` itself left in the environment: that would
    /// pin every child to the toolchain that runs xtask, or make cargo rebuild for a variable that means nothing to it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC"] {
            command.env_remove(variable);
        }
        for (variable, _) in env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&variable);
            }
        }
        if let Self::Named(name) = self {
            command.env("RUSTUP_TOOLCHAIN", name);
        }
        command
    }

    /// What `rustc -V` says, or `None` if there is no such toolchain.
    pub(crate) fn version(&self) -> Option<String> {
        // Without rustup a name cannot be chosen, and `rustc` would answer for another toolchain.
        if matches!(self, Self::Named(_)) && !has_rustup() {
            return None;
        }
        output_of(self.command("rustc").arg("-V").stderr(Stdio::null()))
    }

    /// The target that it compiles for where none is named.
    pub(crate) fn host(&self) -> Option<String> {
        let text = output_of(self.command("rustc").arg("-vV").stderr(Stdio::null()))?;
        text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
    }

    /// Whether it compiles and links a program that uses std for wasm32, with link-time optimisation as releases do. Only a
    /// trial tells: a standard library may lie there that another version of the compiler built.
    pub(crate) fn builds_wasm(&self, workspace: &Workspace) -> bool {
        if self.version().is_none() {
            return false;
        }
        let folder = workspace.cache.join(format!("probe-{}", std::process::id()));
        let source = folder.join("probe.rs");
        if fs::create_dir_all(&folder).and_then(|()| fs::write(&source, "fn main() { println!(\"\") }")).is_err() {
            return false;
        }
        let built = output_of(
            self.command("rustc")
                .args(["--edition=2024", "--target", WASM_TARGET, "-Copt-level=1", "-Clto=fat", "-Cpanic=abort", "-o"])
                .arg(folder.join("probe.wasm"))
                .arg(&source)
                .stderr(Stdio::null()),
        );
        // A probe that stays behind costs some kilobytes and is never read.
        let _ = fs::remove_dir_all(&folder);
        built.is_some()
    }
}

/// Whether rustup is there to switch between toolchains.
pub(crate) fn has_rustup() -> bool {
    output_of(Command::new("rustup").arg("--version").stderr(Stdio::null())).is_some()
}
