//! The steps of `cargo xtask test`: what each runs, and what it counts.
//!
//! To add a check, add a row to [`STEPS`] and its function.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};

use crate::counts::{Counts, test_names};
use crate::process::run_logged;
use crate::toolchain::{Toolchain, WASM_TARGET};
use crate::workspace::Workspace;
use crate::{browser, deny, fuzz, npm, programs, tools, web};

/// One part of the run.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The steps that must have ended before, where they are part of the run.
    pub(crate) after: &'static [&'static str],
    pub(crate) run: fn(&Run, &mut Counts) -> Result<()>,
}

/// In the order in which they are begun: those first that others wait for, and of those that compile for long each beside one that tests.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "fmt", about: "Formatting", after: &[], run: fmt },
    Step { name: "programs", about: "The programs that other parts start", after: &[], run: build_programs },
    Step { name: "web", about: "The web app in release, and what its first loads take", after: &[], run: web_app },
    Step { name: "package", about: "The npm package, and what its programs weigh", after: &[], run: package },
    Step {
        name: "links",
        about: "WebRTC and the light client in Chromium, against real nodes",
        after: &["programs"],
        run: links,
    },
    Step {
        name: "browser",
        about: "The npm package, the web app and the extension in browsers, against real nodes",
        // Two parts with browsers beside each other would be in each other's way.
        after: &["programs", "web", "package", "links"],
        run: pages,
    },
    Step {
        name: "tests",
        about: "Tests of several packages and of the build itself",
        // The node serves the app.
        after: &["web"],
        run: tests,
    },
    Step {
        name: "npm",
        about: "The npm package in Node, Deno, bundlers, Chromium, an extension",
        after: &["programs", "package"],
        run: npm,
    },
    Step { name: "clippy", about: "Lints of every package, natively", after: &[], run: clippy },
    Step { name: "core", about: "Core's tests, natively", after: &[], run: core },
    Step { name: "core-wasm", about: "The same tests on wasm32 under Node", after: &["core"], run: core_wasm },
    Step { name: "clippy-wasm", about: "Lints of core, wallet-wasm and web on wasm32", after: &[], run: clippy_wasm },
    Step { name: "fuzz", about: "Each fuzz target for a few seconds", after: &[], run: short_fuzz },
    Step {
        name: "demo",
        about: "The story of `cargo xtask demo --check`",
        after: &["programs", "web", "browser"],
        run: demo_story,
    },
    Step { name: "doc", about: "The documentation, free of warnings", after: &[], run: doc },
    Step { name: "deny", about: "Licences and sources of the dependencies", after: &[], run: licences },
];

/// What the steps work with.
pub(crate) struct Run<'a> {
    pub(crate) workspace: &'a Workspace,
    /// What could not be checked, and why.
    skipped: Mutex<Vec<String>>,
    /// What is to be told beside.
    told: Mutex<Vec<String>>,
    /// What is built as the sources are: the programs, the npm package, the web app.
    programs: Once,
    package: Once,
    web_app: Once,
}

/// Something that is done once in a run, by whoever needs it first. Others wait.
#[derive(Default)]
struct Once(Mutex<bool>);

impl Once {
    fn ensure(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut is_done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_done {
            work()?;
            *is_done = true;
        }
        Ok(())
    }
}

impl<'a> Run<'a> {
    pub(crate) fn new(workspace: &'a Workspace) -> Self {
        Self {
            workspace,
            skipped: Mutex::default(),
            told: Mutex::default(),
            programs: Once::default(),
            package: Once::default(),
            web_app: Once::default(),
        }
    }

    /// What is to be told beside, and what could not be checked, and why.
    pub(crate) fn into_told_and_skipped(self) -> (Vec<String>, Vec<String>) {
        let inner = |list: Mutex<_>| list.into_inner().unwrap_or_else(PoisonError::into_inner);
        (inner(self.told), inner(self.skipped))
    }

    fn tell(&self, what: String) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    fn skip(&self, what: String) {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

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
        let result = run_logged(command, &self.workspace.log(name));
        *counts += Counts::of(&self.log(name));
        let text = result?;
        ensure!(counts.passed > 0, "no test ran; the output is in {}", self.workspace.log(name).display());
        Ok(text)
    }

    /// What a part has written.
    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.workspace.log(name)).unwrap_or_default()
    }

    /// Builds the programs that suites and hosts start, and what suites load of wallet-wasm.
    fn build_programs(&self) -> Result<()> {
        self.programs.ensure(|| browser::build(self.workspace, &tools::wasm_toolchain(self.workspace)?))
    }

    /// Builds the npm package; its folder.
    fn build_package(&self) -> Result<PathBuf> {
        self.package.ensure(|| npm::build(self.workspace, &tools::wasm_toolchain(self.workspace)?).map(drop))?;
        Ok(npm::package(self.workspace))
    }

    /// Plays suites in browsers. One whose browser crashed is played once more, and that is told.
    fn play(&self, suites: &browser::Suites, names: &[&str], counts: &mut Counts) -> Result<()> {
        let mut failures = Vec::new();
        for suite in names {
            if let Some(why) = suites.lacks(suite) {
                self.skip(format!("the suite {suite}: {why}"));
                continue;
            }
            let play = |log: &str| {
                let mut passed = Counts::default();
                (self.test(log, &mut suites.command(suite), &mut passed), passed)
            };
            let log = format!("browser-{suite}");
            let (mut result, mut passed) = play(&log);
            if result.is_err() && browser::has_crashed(&self.log(&log)) {
                self.tell(format!("the suite {suite} was played twice: the first time, the browser itself crashed"));
                (result, passed) = play(&format!("{log}-again"));
            }
            if let Err(error) = result {
                // One that stopped half-way has counted nothing.
                passed.failed = passed.failed.max(1);
                failures.push(format!("{suite}: {error:#}"));
            }
            *counts += passed;
        }
        ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
        Ok(())
    }

    /// `cargo` for wasm32.
    fn wasm_cargo(&self) -> Result<Command> {
        Ok(self.workspace.cargo(&tools::wasm_toolchain(self.workspace)?))
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
    let mut cargo = run.wasm_cargo()?;
    cargo.args(["clippy", "--package", "qbtc-core", "--lib", "--tests", "--locked", "--target", WASM_TARGET]);
    run.check("clippy-wasm", cargo.args(["--", "-Dwarnings"]), counts)?;
    // Each program of the npm package, as it is built, and all of it.
    let programs = npm::PROGRAMS
        .iter()
        .map(|program| (program.name, vec!["--no-default-features", "--features", program.features]));
    for (name, features) in programs.chain([("all", Vec::new())]) {
        let mut cargo = run.wasm_cargo()?;
        cargo.args(["clippy", "--package", "qbtc-wallet-wasm", "--lib", "--locked", "--target", WASM_TARGET]);
        run.check(&format!("clippy-wasm-{name}"), cargo.args(features).args(["--", "-Dwarnings"]), counts)?;
    }
    // The page of the web app, and its workers, which are built without the page.
    for (name, features) in [("web", &[][..]), ("web-workers", &["--no-default-features"][..])] {
        let mut cargo = run.wasm_cargo()?;
        cargo.args(["clippy", "--package", "qbtc-web", "--lib", "--bins", "--locked", "--target", WASM_TARGET]);
        run.check(&format!("clippy-wasm-{name}"), cargo.args(features).args(["--", "-Dwarnings"]), counts)?;
    }
    Ok(())
}

fn core(run: &Run, counts: &mut Counts) -> Result<()> {
    // By itself, not with the workspace: other packages turn on features of shared dependencies, and core must work without.
    run.test("core", run.cargo().args(["test", "--package", "qbtc-core", "--locked", "--no-fail-fast"]), counts)?;
    Ok(())
}

fn core_wasm(run: &Run, counts: &mut Counts) -> Result<()> {
    tools::node(run.workspace)?;
    let runner = tools::wasm_bindgen(run.workspace)?.join("wasm-bindgen-test-runner");
    let mut cargo = run.wasm_cargo()?;
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
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
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
    cargo.arg("test").args(programs::PACKAGES).args(["--locked", "--no-fail-fast"]);
    match tools::promtool(run.workspace) {
        Ok(program) => drop(cargo.env("QBTC_TEST_PROMTOOL", program)),
        Err(error) => run.skip(format!("metrics as Prometheus reads them: {error:#}")),
    }
    for (variable, miner) in [("QBTC_TEST_MINERD", "minerd"), ("QBTC_TEST_CPUMINER", "cpuminer-opt")] {
        if env::var_os(variable).is_none() {
            run.skip(format!("{miner} on a node: {variable} would name it"));
        }
    }
    run.test("tests", &mut cargo, counts)?;
    Ok(())
}

fn package(run: &Run, counts: &mut Counts) -> Result<()> {
    let package = run.build_package()?;
    for program in npm::PROGRAMS {
        let (found, limit) = (npm::size(&package, program)?.gzip, program.gzip_max);
        ensure!(found <= limit, "{} has {found} bytes after gzip: expected at most {limit}", program.name);
        counts.passed += 1;
    }
    Ok(())
}

fn npm(run: &Run, counts: &mut Counts) -> Result<()> {
    let package = run.build_package()?;
    if let Some(why) = tools::too_old_for_suites(run.workspace)? {
        run.skip(format!("the npm package in its hosts: {why}"));
        return Ok(());
    }
    run.build_programs()?;
    npm::try_in_hosts(run.workspace, &package, |command| {
        let text = run.test("npm", command, counts)?;
        let skipped = text.lines().filter_map(|line| line.strip_prefix("skipped: "));
        skipped.for_each(|what| run.skip(format!("the npm package: {what}")));
        Ok(())
    })
}

fn web_app(run: &Run, counts: &mut Counts) -> Result<()> {
    run.web_app.ensure(|| {
        web::check_loads(&web::make(run.workspace, web::How::RELEASED)?)?;
        counts.passed += 1;
        Ok(())
    })
}

fn build_programs(run: &Run, counts: &mut Counts) -> Result<()> {
    run.build_programs()?;
    counts.passed += 1;
    Ok(())
}

fn links(run: &Run, counts: &mut Counts) -> Result<()> {
    if let Some(why) = tools::too_old_for_suites(run.workspace)? {
        run.skip(format!("WebRTC and the light client in Chromium: {why}"));
        return Ok(());
    }
    run.build_programs()?;
    run.play(&browser::Suites::links(run.workspace)?, &browser::LINKS, counts)
}

fn pages(run: &Run, counts: &mut Counts) -> Result<()> {
    if let Some(why) = tools::too_old_for_suites(run.workspace)? {
        run.skip(format!("the npm package, the web app and the extension in browsers: {why}"));
        return Ok(());
    }
    run.web_app.ensure(|| web::make(run.workspace, web::How::RELEASED).map(drop))?;
    run.build_programs()?;
    run.build_package()?;
    run.play(&browser::Suites::pages(run.workspace)?, &browser::PAGES, counts)
}

fn demo_story(run: &Run, counts: &mut Counts) -> Result<()> {
    if let Some(why) = tools::too_old_for_suites(run.workspace)? {
        run.skip(format!("the demo's story: {why}"));
        return Ok(());
    }
    run.web_app.ensure(|| web::make(run.workspace, web::How::RELEASED).map(drop))?;
    run.build_programs()?;
    // As a newcomer would, but for the building. The program that runs may have been replaced: it is one of those that were built.
    let programs = programs::folder(run.workspace);
    let mut demo = Command::new(programs.join("xtask"));
    demo.args(["demo", "--check", "--block-interval", "1", "--program"]).arg(programs.join("qbtc"));
    let told = run_logged(&mut demo, &run.workspace.log("demo"))?;
    counts.passed += told.lines().filter(|line| line.starts_with("ok ")).count();
    ensure!(counts.passed > 0, "the story tells nothing");
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

    #[test]
    fn a_step_waits_only_for_steps_above_it() {
        for (place, step) in STEPS.iter().enumerate() {
            let is_above = |name: &&str| STEPS[..place].iter().any(|above| above.name == *name);
            assert!(step.after.iter().all(is_above), "{} would wait for ever, or in vain", step.name);
        }
    }
}
