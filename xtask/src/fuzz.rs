//! `cargo xtask fuzz`: the cargo-fuzz targets of tests/fuzz, a workspace of its own because it needs nightly.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::{LIMIT, output_of, run_logged, run_shown, run_shown_for};
use crate::toolchain::Toolchain;
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
    /// What watches over memory while a target runs.
    #[arg(long, default_value = SANITIZER, value_parser = ["none", "address", "leak"])]
    sanitizer: String,
    /// Lists the targets and does nothing else.
    #[arg(long)]
    list: bool,
}

/// How long a short run is: enough to replay every seed and to find a decoder that panics on its first odd byte.
const SHORT_SECONDS: u32 = 5;

/// What one input may take and use before libFuzzer reports it: every limit on hostile data keeps far below both.
const INPUT_LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=2048"];

/// All code that is fuzzed is safe Rust but for one small file, and a sanitizer of memory slows both building and running: it is left out
/// unless it is asked for. Assertions and checks of overflow are on.
const SANITIZER: &str = "none";

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
    let (toolchain, _) = tools::cargo_fuzz(workspace)?;
    println!("building");
    run_shown(&mut build(workspace, options.target.as_deref(), &options.sanitizer)?)?;
    let built = Built::new(workspace, &toolchain)?;
    for target in &chosen {
        println!("fuzzing {target} for {seconds} s");
        // What was found before is replayed whole, however long that takes.
        let limit = Duration::from_secs(seconds.into()) + LIMIT;
        run_shown_for(&mut built.run(target, seconds)?, Some(limit)).with_context(|| repeat(target))?;
    }
    Ok(())
}

/// Runs every target for a few seconds, as many at a time as there are processors, and returns how many there are.
///
/// # Errors
/// If one does not build or an input makes it fail.
pub(crate) fn run_short(workspace: &Workspace) -> Result<usize> {
    let targets = targets(workspace)?;
    let (toolchain, _) = tools::cargo_fuzz(workspace)?;
    run_logged(&mut build(workspace, None, SANITIZER)?, &workspace.log("fuzz-build"))?;
    let built = Built::new(workspace, &toolchain)?;
    let next = AtomicUsize::new(0);
    let run_each = || -> Result<()> {
        while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            let log = workspace.log(&format!("fuzz-{target}"));
            run_logged(&mut built.run(target, SHORT_SECONDS)?, &log).with_context(|| repeat(target))?;
        }
        Ok(())
    };
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(run_each)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no step of a run panics"))
    })?;
    Ok(targets.len())
}

fn repeat(target: &str) -> String {
    format!(
        "the fuzz target {target} failed; inputs that make it fail are kept in tests/fuzz/artifacts/{target}, and \
         `cargo xtask fuzz {target}` tries them first"
    )
}

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let list = output_of(cargo_fuzz(workspace, "list")?.arg("--fuzz-dir").arg("tests/fuzz"));
    let list = list.context("`cargo fuzz list` failed in tests/fuzz")?;
    let targets: Vec<String> = list.lines().map(str::to_owned).collect();
    ensure!(
        !targets.is_empty(),
        "there is nothing to fuzz: {} names no target",
        workspace.root.join("tests/fuzz").display()
    );
    Ok(targets)
}

fn cargo_fuzz(workspace: &Workspace, action: &str) -> Result<Command> {
    let (toolchain, program) = tools::cargo_fuzz(workspace)?;
    let mut command = toolchain.command(&program.to_string_lossy());
    command.args(["fuzz", action]).current_dir(&workspace.root);
    Ok(command)
}

/// `cargo fuzz build` of one target, or of all at once: `cargo fuzz run` would go through the whole build twice for each.
fn build(workspace: &Workspace, target: Option<&str>, sanitizer: &str) -> Result<Command> {
    let mut command = cargo_fuzz(workspace, "build")?;
    command.args(["--fuzz-dir", "tests/fuzz", "--sanitizer", sanitizer, "--target-dir"]).arg(fuzz_folder(workspace));
    command.args(target);
    Ok(command)
}

fn fuzz_folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("fuzz")
}

/// The programs that were built.
struct Built<'a> {
    workspace: &'a Workspace,
    programs: PathBuf,
}

impl<'a> Built<'a> {
    fn new(workspace: &'a Workspace, toolchain: &Toolchain) -> Result<Self> {
        let host = toolchain.host().context("`rustc --version --verbose` names no host")?;
        Ok(Self { workspace, programs: fuzz_folder(workspace).join(host).join("release") })
    }

    /// A run with the found corpus, the committed seeds and the inputs that failed before.
    fn run(&self, target: &str, seconds: u32) -> Result<Command> {
        let folder = self.workspace.root.join("tests/fuzz");
        let [corpus, artifacts, seeds] =
            ["corpus", "artifacts", "seeds"].map(|inputs| folder.join(inputs).join(target));
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let mut command = Command::new(self.programs.join(target));
        command.current_dir(&self.workspace.root).args(INPUT_LIMITS);
        // The slash at the end makes it a folder and not the beginning of a name.
        command.arg(format!("-artifact_prefix={}/", artifacts.display())).arg(format!("-max_total_time={seconds}"));
        command.args([&corpus, &artifacts]);
        if seeds.is_dir() {
            command.arg(seeds);
        }
        Ok(command)
    }
}
