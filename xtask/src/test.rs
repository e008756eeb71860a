//! `cargo xtask test`: every check of the workspace, one named step after the other.
//!
//! To add a check, add a row to [`STEPS`] and its function. A step that fails does not stop those after it, so that one run
//! tells everything that is wrong.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::counts::{Counts, test_names};
use crate::process::run_logged;
use crate::toolchain::{Toolchain, WASM_TARGET};
use crate::workspace::Workspace;
use crate::{browser, deny, fuzz, npm, tools, web};

/// What `cargo xtask test` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs only these parts, in their usual order.
    #[arg(long, value_name = "PART", num_args = 1.., value_parser = part_names())]
    only: Vec<String>,
}

fn part_names() -> PossibleValuesParser {
    PossibleValuesParser::new(STEPS.iter().map(|step| PossibleValue::new(step.name).help(step.about)))
}

/// One part of the run.
struct Step {
    name: &'static str,
    about: &'static str,
    uses_wasm: bool,
    run: fn(&Run, &mut Counts) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", about: "Formatting", uses_wasm: false, run: fmt },
    // First of all that compiles: the node takes the built app in.
    Step { name: "web", about: "The web app in release, and what its first loads take", uses_wasm: true, run: web_app },
    Step { name: "clippy", about: "Lints of every package, natively", uses_wasm: false, run: clippy },
    Step {
        name: "clippy-wasm",
        about: "Lints of core, wallet-wasm and web on wasm32",
        uses_wasm: true,
        run: clippy_wasm,
    },
    Step { name: "core", about: "Core's tests, natively", uses_wasm: false, run: core },
    Step { name: "core-wasm", about: "The same tests on wasm32 under Node", uses_wasm: true, run: core_wasm },
    Step { name: "tests", about: "Tests of several packages and of the build itself", uses_wasm: false, run: tests },
    Step {
        name: "npm",
        about: "The npm package in Node, Deno, bundlers, Chromium, an extension",
        uses_wasm: true,
        run: npm,
    },
    Step {
        name: "browser",
        about: "WebRTC, the light client and the web app in Chromium, against real nodes",
        uses_wasm: true,
        run: browsers,
    },
    Step { name: "doc", about: "The documentation, free of warnings", uses_wasm: false, run: doc },
    Step { name: "deny", about: "Licences and sources of the dependencies", uses_wasm: false, run: licences },
    Step { name: "fuzz", about: "Each fuzz target for a few seconds", uses_wasm: false, run: short_fuzz },
];

/// What the steps work with.
struct Run<'a> {
    workspace: &'a Workspace,
    /// What could not be checked, and why.
    skipped: RefCell<Vec<String>>,
    /// Whether the web app is built as the sources are.
    has_web_app: Cell<bool>,
    /// Present whenever a step that uses wasm was chosen.
    wasm: Option<Wasm>,
}

struct Wasm {
    toolchain: Toolchain,
    /// The program that runs a test program compiled to wasm32.
    runner: PathBuf,
}

/// Runs the chosen steps and reports them; the status is a failure if any step failed.
///
/// # Errors
/// If a tool that the steps need is missing, or the terminal cannot be written.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let started = Instant::now();
    let is_chosen = |step: &&Step| options.only.is_empty() || options.only.iter().any(|name| name == step.name);
    let steps: Vec<&Step> = STEPS.iter().filter(is_chosen).collect();

    let mut run = Run { workspace, skipped: RefCell::default(), has_web_app: Cell::new(false), wasm: None };
    if steps.iter().any(|step| step.uses_wasm) {
        announce("setup")?;
        let setup_started = Instant::now();
        run.wasm = Some(set_up_wasm(workspace)?);
        println!("ok      {:>6.1} s", setup_started.elapsed().as_secs_f64());
    }

    let mut sum = Counts::default();
    for step in steps {
        sum += report(step, &run)?;
    }
    println!("in {:.0} s", started.elapsed().as_secs_f64());
    let skipped = run.skipped.into_inner();
    skipped.iter().for_each(|what| println!("skipped: {what}"));
    match skipped.len() {
        0 => println!("{} passed, {} failed", sum.passed, sum.failed),
        skipped => println!("{} passed, {} failed, {skipped} skipped", sum.passed, sum.failed),
    }
    Ok(if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn set_up_wasm(workspace: &Workspace) -> Result<Wasm> {
    tools::node(workspace)?;
    let toolchain = tools::wasm_toolchain(workspace)?;
    Ok(Wasm { toolchain, runner: tools::wasm_bindgen(workspace)?.join("wasm-bindgen-test-runner") })
}

/// Runs one step and prints its line: name, verdict, time, counts; for a failure also the output and how to repeat it.
fn report(step: &Step, run: &Run) -> Result<Counts> {
    announce(step.name)?;
    let started = Instant::now();
    let mut counts = Counts::default();
    let result = (step.run)(run, &mut counts);
    // A step that fails outside a test, or that found failed tests without failing itself, is a failure all the same.
    if result.is_err() && counts.failed == 0 {
        counts.failed = 1;
    }
    let verdict = if counts.failed == 0 { "ok" } else { "FAILED" };
    let figures = match (counts.passed, counts.failed) {
        (passed, 0) => format!("{passed} passed"),
        (passed, failed) => format!("{passed} passed, {failed} failed"),
    };
    println!("{verdict:<6}  {:>6.1} s  {figures}", started.elapsed().as_secs_f64());
    if let Err(error) = result {
        println!("\n{error:#}\nrepeat with: cargo xtask test --only {}\n", step.name);
    }
    Ok(counts)
}

/// Prints the name of what is about to run.
fn announce(name: &str) -> Result<()> {
    print!("{name:<12}");
    std::io::stdout().flush().context("cannot write to the terminal")
}

impl Run<'_> {
    /// `cargo` natively.
    fn cargo(&self) -> Command {
        self.workspace.cargo(&Toolchain::Default)
    }

    /// Runs a check that is no test; it counts as one.
    fn check(&self, name: &str, command: &mut Command, counts: &mut Counts) -> Result<()> {
        run_logged(command, &self.workspace.log(name))?;
        counts.passed += 1;
        Ok(())
    }

    /// Runs tests and counts them. A run without a single test is a failure: it means that none was found.
    fn test(&self, name: &str, command: &mut Command, counts: &mut Counts) -> Result<String> {
        let log = self.workspace.log(name);
        let result = run_logged(command, &log);
        *counts += Counts::of(&fs::read_to_string(&log).unwrap_or_default());
        let text = result?;
        ensure!(counts.passed > 0, "no test ran; the output is in {}", log.display());
        Ok(text)
    }

    fn wasm(&self) -> Result<&Wasm> {
        self.wasm.as_ref().context("a step that uses wasm says so in the table of steps")
    }
}

fn fmt(run: &Run, counts: &mut Counts) -> Result<()> {
    run.check("fmt", run.cargo().args(["fmt", "--all", "--check"]), counts)
}

fn clippy(run: &Run, counts: &mut Counts) -> Result<()> {
    let mut cargo = run.cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-Dwarnings"]);
    run.check("clippy", &mut cargo, counts)
}

fn clippy_wasm(run: &Run, counts: &mut Counts) -> Result<()> {
    let mut cargo = run.workspace.cargo(&run.wasm()?.toolchain);
    cargo.args(["clippy", "--package", "qbtc-core", "--lib", "--tests", "--locked", "--target", WASM_TARGET]);
    run.check("clippy-wasm", cargo.args(["--", "-Dwarnings"]), counts)?;
    // Each program of the npm package, as it is built, and all of it.
    let programs = npm::PROGRAMS
        .iter()
        .map(|program| (program.name, vec!["--no-default-features", "--features", program.features]));
    for (name, features) in programs.chain([("all", Vec::new())]) {
        let mut cargo = run.workspace.cargo(&run.wasm()?.toolchain);
        cargo.args(["clippy", "--package", "qbtc-wallet-wasm", "--lib", "--locked", "--target", WASM_TARGET]);
        run.check(&format!("clippy-wasm-{name}"), cargo.args(features).args(["--", "-Dwarnings"]), counts)?;
    }
    let mut cargo = run.workspace.cargo(&run.wasm()?.toolchain);
    cargo.args(["clippy", "--package", "qbtc-web", "--lib", "--bins", "--locked", "--target", WASM_TARGET]);
    run.check("clippy-wasm-web", cargo.args(["--", "-Dwarnings"]), counts)
}

fn core(run: &Run, counts: &mut Counts) -> Result<()> {
    // By itself, not with the workspace: other packages turn on features of shared dependencies, and core must work without.
    run.test("core", run.cargo().args(["test", "--package", "qbtc-core", "--locked", "--no-fail-fast"]), counts)?;
    Ok(())
}

fn core_wasm(run: &Run, counts: &mut Counts) -> Result<()> {
    let wasm = run.wasm()?;
    let mut cargo = run.workspace.cargo(&wasm.toolchain);
    cargo.args([
        "test",
        "--package",
        "qbtc-core",
        "--lib",
        "--tests",
        "--locked",
        "--no-fail-fast",
        "--target",
        WASM_TARGET,
    ]);
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &wasm.runner);
    let log = run.test("core-wasm", &mut cargo, counts)?;
    same_tests(&native_list(run)?, &log)
}

/// The list of core's native tests, in the form of a log in which all pass.
fn native_list(run: &Run) -> Result<String> {
    let mut cargo = run.cargo();
    cargo.args(["test", "--package", "qbtc-core", "--lib", "--tests", "--locked", "--", "--list"]);
    let list = run_logged(&mut cargo, &run.workspace.log("core-list"))?;
    let as_passed = |line: &str| match line.strip_suffix(": test") {
        Some(name) => format!("test {name} ... ok\n"),
        None => format!("{line}\n"),
    };
    Ok(list.lines().map(as_passed).collect())
}

/// Checks that wasm32 ran the tests that exist natively. A test whose module lacks `use crate::testing::test;` compiles there
/// to nothing, and nobody would miss it.
fn same_tests(native: &str, wasm: &str) -> Result<()> {
    let (native, wasm) = (test_names(native), test_names(wasm));
    let lacking: Vec<&str> = native.difference(&wasm).map(String::as_str).collect();
    let surplus: Vec<&str> = wasm.difference(&native).map(String::as_str).collect();
    ensure!(
        lacking.is_empty(),
        "these tests run natively but not on wasm32; does their module begin with `use crate::testing::test;`?\n{}",
        lacking.join("\n")
    );
    ensure!(surplus.is_empty(), "these tests run on wasm32 but not natively:\n{}", surplus.join("\n"));
    Ok(())
}

fn tests(run: &Run, counts: &mut Counts) -> Result<()> {
    let mut cargo = run.cargo();
    cargo.args([
        "test",
        "--workspace",
        "--exclude",
        "qbtc-core",
        "--exclude",
        "xtask-tools",
        "--locked",
        "--no-fail-fast",
    ]);
    match tools::promtool(run.workspace) {
        Ok(program) => drop(cargo.env("QBTC_TEST_PROMTOOL", program)),
        Err(error) => run.skipped.borrow_mut().push(format!("metrics as Prometheus reads them: {error:#}")),
    }
    run.test("tests", &mut cargo, counts)?;
    Ok(())
}

fn npm(run: &Run, counts: &mut Counts) -> Result<()> {
    let package = npm::build(run.workspace, &run.wasm()?.toolchain)?;
    for program in npm::PROGRAMS {
        let (found, limit) = (npm::size(&package, program)?.gzip, program.gzip_max);
        ensure!(found <= limit, "{} has {found} bytes after gzip: expected at most {limit}", program.name);
        counts.passed += 1;
    }
    let node = tools::node(run.workspace)?;
    if tools::node_major(&node) < npm::NODE_MIN {
        let what = format!("the npm package in its hosts: Node is {node}, and they want {} or newer", npm::NODE_MIN);
        run.skipped.borrow_mut().push(what);
        return Ok(());
    }
    npm::try_in_hosts(run.workspace, &package, |command| {
        let text = run.test("npm", command, counts)?;
        let skipped = text.lines().filter_map(|line| line.strip_prefix("skipped: "));
        run.skipped.borrow_mut().extend(skipped.map(|what| format!("the npm package: {what}")));
        Ok(())
    })
}

fn web_app(run: &Run, counts: &mut Counts) -> Result<()> {
    let sizes = web::make(run.workspace, true)?;
    run.has_web_app.set(true);
    web::check_loads(&sizes)?;
    counts.passed += 1;
    Ok(())
}

fn browsers(run: &Run, counts: &mut Counts) -> Result<()> {
    if !run.has_web_app.replace(true) {
        web::make(run.workspace, true)?;
    }
    let suites = browser::Suites::new(run.workspace, &run.wasm()?.toolchain)?;
    let mut failures = Vec::new();
    for suite in browser::SUITES {
        let mut passed = Counts::default();
        if let Err(error) = run.test(&format!("browser-{suite}"), &mut suites.command(suite), &mut passed) {
            // One that stopped half-way has counted nothing.
            passed.failed = passed.failed.max(1);
            failures.push(format!("{suite}: {error:#}"));
        }
        *counts += passed;
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
    Ok(())
}

fn doc(run: &Run, counts: &mut Counts) -> Result<()> {
    let mut cargo = run.cargo();
    cargo.args(["doc", "--workspace", "--exclude", "xtask-tools", "--no-deps", "--locked"]);
    run.check("doc", cargo.env("RUSTDOCFLAGS", "-Dwarnings"), counts)
}

fn licences(run: &Run, counts: &mut Counts) -> Result<()> {
    deny::check_offline(run.workspace)?;
    counts.passed += 1;
    Ok(())
}

fn short_fuzz(run: &Run, counts: &mut Counts) -> Result<()> {
    counts.passed += fuzz::run_short(run.workspace)?;
    Ok(())
}

#[cfg(test)]
mod tests_of_steps {
    use super::*;

    #[test]
    fn a_test_missing_on_either_side_is_an_error() {
        let both = "Running unittests src/lib.rs (t/qbtc_core-0)\ntest a::x ... ok\ntest a::y ... ok\n";
        let one = "Running unittests src/lib.rs (t/qbtc_core-0)\ntest a::x ... ok\n";
        assert!(same_tests(both, both).is_ok());
        let lacking = same_tests(both, one).unwrap_err().to_string();
        assert!(lacking.contains("qbtc_core::a::y") && lacking.contains("crate::testing::test"), "{lacking}");
        assert!(same_tests(one, both).is_err());
    }

    #[test]
    fn steps_have_distinct_names() {
        let names: std::collections::BTreeSet<_> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
    }
}
