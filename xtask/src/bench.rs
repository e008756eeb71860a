//! `cargo xtask bench`: the benches of the workspace, natively for a named processor, or on wasm32 under Node.

use anyhow::{Context, Result, ensure};

use crate::figures;
use crate::process::{output_of, run_shown_for};
use crate::toolchain::{Toolchain, WASM_TARGET};
use crate::workspace::Workspace;
use crate::{packages, tools};

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
    #[arg(long, conflicts_with = "wasm")]
    test: bool,
    /// Runs, on wasm32 under Node, the benches that are written for it too.
    #[arg(long, conflicts_with = "cpu")]
    wasm: bool,
}

/// The benches of core that compile to wasm32, where criterion does not and wasm-bindgen-test stands in for it.
const WASM_BENCHES: &[&str] = &["verify", "history", "scan"];

const DEFAULT_CPU: &str = if cfg!(target_arch = "x86_64") { "x86-64-v3" } else { "generic" };

/// Runs the benches.
///
/// # Errors
/// If this machine cannot run code for the chosen processor, or a bench does not build or fails. A figure that is missed is no
/// error.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.wasm { run_wasm(workspace, options) } else { run_native(workspace, options) }
}

fn run_wasm(workspace: &Workspace, options: &Options) -> Result<()> {
    tools::node(workspace)?;
    let runner = tools::wasm_bindgen(workspace)?.join("wasm-bindgen-test-runner");
    let mut cargo = tools::with_node(workspace, workspace.cargo(&tools::wasm_toolchain(workspace)?));
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
    // Without this the runner gives up after 20 seconds, and a bench may take longer to prepare.
    cargo.env("WASM_BINDGEN_TEST_TIMEOUT", "600");
    cargo.args(["bench", "--locked", "--target", WASM_TARGET, "--package", "qbtc-core"]);
    for bench in WASM_BENCHES {
        cargo.args(["--bench", bench]);
    }
    cargo.arg("--").args(&options.filter);
    println!("benches on wasm32");
    // The runner reads the file of the run before, to compare, and adds to it.
    let results = workspace.target.join("wasm-bench.json");
    cargo.env("WASM_BINDGEN_BENCH_RESULT", &results);
    run_shown_for(&mut cargo, None)?;
    let results = figures::read_json(&results)?;
    let noble_s = noble_s(workspace)?;
    println!("{}: {:.0} µs", figures::NOBLE, noble_s * 1e6);
    figures::print(figures::WASM, |bench| {
        Ok(if bench == figures::NOBLE { Some(noble_s) } else { figures::median_s(&results[bench]["estimates"]) })
    })
}

/// The time of a verification by the JavaScript library that wallets on the web would use otherwise.
fn noble_s(workspace: &Workspace) -> Result<f64> {
    let folder = packages::noble(workspace)?;
    let script = workspace.root.join("xtask/src/noble.mjs");
    let nanoseconds = output_of(tools::node_command(workspace).arg(script).current_dir(folder));
    let nanoseconds: f64 = nanoseconds.context("noble.mjs failed")?.parse().context("noble.mjs prints a number")?;
    Ok(nanoseconds * 1e-9)
}

fn run_native(workspace: &Workspace, options: &Options) -> Result<()> {
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
    run_shown_for(&mut cargo, None)?;
    if options.test {
        Ok(())
    } else {
        let criterion = target.join("criterion");
        figures::print(figures::NATIVE, |bench| figures::native_median_s(&criterion, bench))
    }
}
