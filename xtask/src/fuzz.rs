//! `cargo xtask fuzz`: the cargo-fuzz targets of tests/fuzz, a workspace of its own because it needs nightly.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::{output_of, run_logged, run_shown};
use crate::tools;
use crate::workspace::Workspace;

/// What `cargo xtask fuzz` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The target to run; without it each one in turn.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Runs each target for a few seconds, as `cargo xtask test` does.
    #[arg(long, conflicts_with = "seconds")]
    short: bool,
    /// Lists the targets and does nothing else.
    #[arg(long)]
    list: bool,
}

/// How long a short run is: enough to replay every seed and to find a decoder that panics on its first odd byte.
const SHORT_SECONDS: u32 = 5;

/// What one input may take and use before libFuzzer reports it: every limit on hostile data keeps far below both.
const INPUT_LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=2048"];

/// Whether there is anything to fuzz.
pub(crate) fn has_targets(workspace: &Workspace) -> bool {
    workspace.root.join("tests/fuzz/Cargo.toml").is_file()
}

/// Runs one target or all of them on the user's terminal.
///
/// # Errors
/// If the tools are missing, the target is unknown, or an input makes it fail.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let known = targets(workspace)?;
    if options.list {
        known.iter().for_each(|target| println!("{target}"));
        return Ok(());
    }
    let chosen = match &options.target {
        None => known,
        Some(target) => {
            ensure!(known.contains(target), "there is no fuzz target `{target}`; there are: {}", known.join(", "));
            vec![target.clone()]
        }
    };
    let seconds = if options.short { SHORT_SECONDS } else { options.seconds };
    for target in &chosen {
        println!("fuzzing {target} for {seconds} s");
        run_shown(&mut fuzz_run(workspace, target, seconds)?).with_context(|| repeat(target))?;
    }
    Ok(())
}

/// Runs every target for a few seconds, and returns how many there are.
///
/// # Errors
/// If one does not build or an input makes it fail.
pub(crate) fn run_short(workspace: &Workspace) -> Result<usize> {
    let targets = targets(workspace)?;
    for target in &targets {
        let log = workspace.log(&format!("fuzz-{target}"));
        run_logged(&mut fuzz_run(workspace, target, SHORT_SECONDS)?, &log).with_context(|| repeat(target))?;
    }
    Ok(targets.len())
}

fn repeat(target: &str) -> String {
    format!(
        "the fuzz target {target} failed; inputs that make it fail are kept in tests/fuzz/artifacts/{target}, and \
         `cargo xtask fuzz {target}` tries them first"
    )
}

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    ensure!(has_targets(workspace), "there is nothing to fuzz: tests/fuzz holds no Cargo.toml");
    let list = output_of(cargo_fuzz(workspace, "list")?.arg("--fuzz-dir").arg("tests/fuzz"));
    let list = list.context("`cargo fuzz list` failed in tests/fuzz")?;
    Ok(list.lines().map(str::to_owned).collect())
}

fn cargo_fuzz(workspace: &Workspace, action: &str) -> Result<Command> {
    let (toolchain, program) = tools::cargo_fuzz(workspace)?;
    let mut command = toolchain.command(&program.to_string_lossy());
    command.args(["fuzz", action]).current_dir(&workspace.root);
    Ok(command)
}

/// `cargo fuzz run` with the found corpus, the committed seeds and the inputs that failed before.
fn fuzz_run(workspace: &Workspace, target: &str, seconds: u32) -> Result<Command> {
    let mut command = cargo_fuzz(workspace, "run")?;
    command.args(["--fuzz-dir", "tests/fuzz", "--target-dir"]).arg(workspace.target.join("fuzz")).arg(target);
    let folder = workspace.root.join("tests/fuzz");
    let corpus = folder.join("corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    command.arg(corpus);
    for inputs in ["seeds", "artifacts"] {
        let inputs = folder.join(inputs).join(target);
        if inputs.is_dir() {
            command.arg(inputs);
        }
    }
    command.arg("--").args(INPUT_LIMITS).arg(format!("-max_total_time={seconds}"));
    Ok(command)
}
