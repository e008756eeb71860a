//! `cargo xtask bench`: the criterion benches of the workspace, natively and for a named processor.

use anyhow::{Result, ensure};

use crate::process::run_shown;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// What `cargo xtask bench` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs only the benches whose name contains this.
    filter: Option<String>,
    /// The processor to compile for, as rustc's `target-cpu`: `x86-64-v3` (with AVX2) is the default on x86-64; `native` is
    /// this machine's, `generic` the architecture's least.
    #[arg(long, default_value = DEFAULT_CPU)]
    cpu: String,
    /// Runs each bench once, without measuring: to see that they work.
    #[arg(long)]
    test: bool,
}

const DEFAULT_CPU: &str = if cfg!(target_arch = "x86_64") { "x86-64-v3" } else { "generic" };

/// Runs the benches.
///
/// # Errors
/// If this machine cannot run code for the chosen processor, or a bench does not build or fails.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    #[cfg(target_arch = "x86_64")]
    ensure!(
        options.cpu != "x86-64-v3" || std::is_x86_feature_detected!("avx2"),
        "this processor lacks AVX2, which x86-64-v3 has: choose another with --cpu, for instance `--cpu native`"
    );
    let mut cargo = workspace.cargo(&Toolchain::Default);
    // A folder for each processor: the flags differ, and so must criterion's baselines.
    let target = workspace.target.join("bench").join(&options.cpu);
    cargo.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", format!("-Ctarget-cpu={}", options.cpu));
    // `--bench *` leaves out the libraries, whose built-in harness does not know criterion's arguments.
    cargo.args(["bench", "--package", "qbtc-core", "--package", "qbtc-tests", "--bench", "*", "--"]);
    if options.test {
        cargo.arg("--test");
    }
    cargo.args(&options.filter);
    println!("benches for {}; results under {}", options.cpu, target.join("criterion").display());
    run_shown(&mut cargo)
}
