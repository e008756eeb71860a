//! What each step of `cargo xtask test` does.

use std::env;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::counts::{Counts, test_names};
use crate::process::{Scratch, run_logged};
use crate::steps::{Aside, Run};
use crate::toolchain::WASM_TARGET;
use crate::{browser, deny, fuzz, npm as npm_package, programs, site, tools, web};

pub(crate) fn fmt(run: &Run, counts: &mut Counts) -> Result<()> {
    run.check("fmt", run.cargo().args(["fmt", "--all", "--check"]), counts)
}

pub(crate) fn clippy(run: &Run, counts: &mut Counts) -> Result<()> {
    let mut cargo = run.cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-Dwarnings"]);
    run.check("clippy", &mut cargo, counts)
}

pub(crate) fn clippy_wasm(run: &Run, counts: &mut Counts) -> Result<()> {
    let mut cargo = run.wasm_cargo()?;
    cargo.args(["clippy", "--package", "qbtc-core", "--lib", "--tests", "--locked", "--target", WASM_TARGET]);
    run.check("clippy-wasm", cargo.args(["--", "-Dwarnings"]), counts)?;
    // Each program of the npm package, as it is built, and all of it.
    let programs = npm_package::PROGRAMS
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

pub(crate) fn core(run: &Run, counts: &mut Counts) -> Result<()> {
    // By itself, not with the workspace: other packages turn on features of shared dependencies, and core must work without.
    run.test("core", run.cargo().args(["test", "--package", "qbtc-core", "--locked", "--no-fail-fast"]), counts)?;
    Ok(())
}

pub(crate) fn core_wasm(run: &Run, counts: &mut Counts) -> Result<()> {
    tools::node(run.workspace)?;
    let runner = tools::wasm_bindgen(run.workspace)?.join("wasm-bindgen-test-runner");
    let mut cargo = tools::with_node(run.workspace, run.wasm_cargo()?);
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

pub(crate) fn tests(run: &Run, counts: &mut Counts) -> Result<()> {
    let mut cargo = run.cargo();
    cargo.arg("test").args(programs::PACKAGES).args(["--locked", "--no-fail-fast"]);
    match tools::promtool(run.workspace) {
        Ok(program) => drop(cargo.env("QBTC_TEST_PROMTOOL", program)),
        Err(error) => run.skip("tests", format!("metrics as Prometheus reads them: {error:#}")),
    }
    for (variable, miner) in [("QBTC_TEST_MINERD", "minerd"), ("QBTC_TEST_CPUMINER", "cpuminer-opt")] {
        if env::var_os(variable).is_none() {
            run.skip("tests", format!("{miner} on a node: {variable} would name it"));
        }
    }
    run.test("tests", &mut cargo, counts)?;
    Ok(())
}

pub(crate) fn package(run: &Run, counts: &mut Counts) -> Result<()> {
    let package = run.build_package()?;
    for program in npm_package::PROGRAMS {
        let (found, limit) = (npm_package::size(&package, program)?.gzip, program.gzip_max);
        ensure!(found <= limit, "{} has {found} bytes after gzip: expected at most {limit}", program.name);
        counts.passed += 1;
    }
    Ok(())
}

pub(crate) fn npm(run: &Run, counts: &mut Counts) -> Result<()> {
    let package = run.build_package()?;
    if let Some(why) = tools::too_old_for_suites(run.workspace)? {
        run.skip("npm", format!("the npm package in its hosts: {why}"));
        return Ok(());
    }
    run.build_programs()?;
    npm_package::try_in_hosts(run.workspace, &package, |command| {
        let text = run.test("npm", command, counts)?;
        let skipped = text.lines().filter_map(|line| line.strip_prefix("skipped: "));
        skipped.for_each(|what| run.skip("npm", format!("the npm package: {what}")));
        Ok(())
    })
}

pub(crate) fn web_app(run: &Run, counts: &mut Counts) -> Result<()> {
    run.web_app.ensure(|| {
        web::check_loads(&web::make(run.workspace, web::How::RELEASED)?)?;
        counts.passed += 1;
        Ok(())
    })
}

pub(crate) fn build_programs(run: &Run, counts: &mut Counts) -> Result<()> {
    run.build_programs()?;
    counts.passed += 1;
    Ok(())
}

pub(crate) fn links(run: &Run, counts: &mut Counts) -> Result<()> {
    if let Some(why) = tools::too_old_for_suites(run.workspace)? {
        run.skip("links", format!("WebRTC and the light client in Chromium: {why}"));
        return Ok(());
    }
    run.build_programs()?;
    run.play("links", &browser::Suites::links(run.workspace)?, &browser::LINKS, counts)
}

pub(crate) fn pages(run: &Run, counts: &mut Counts) -> Result<()> {
    if let Some(why) = tools::too_old_for_suites(run.workspace)? {
        run.skip("browser", format!("the npm package, the web app and the extension in browsers: {why}"));
        return Ok(());
    }
    run.web_app.ensure(|| web::make(run.workspace, web::How::RELEASED).map(drop))?;
    run.build_programs()?;
    run.build_package()?;
    run.play("browser", &browser::Suites::pages(run.workspace)?, &browser::PAGES, counts)
}

/// Plays once more, while nothing else runs, the suites that failed beside other parts. Those that pass then are told all the same.
pub(crate) fn alone(run: &Run, asides: &[Aside], counts: &mut Counts) -> Result<()> {
    let mut failures = Vec::new();
    for Aside { suite, error: before, .. } in asides {
        let of = if browser::LINKS.contains(suite) { browser::Suites::links } else { browser::Suites::pages };
        let (result, counted) = run.play_once(&of(run.workspace)?, suite, &format!("browser-{suite}-alone"));
        match result {
            Ok(_) => {
                run.tell(format!("the suite {suite} failed beside other parts, and passed alone; before:\n{before:#}"));
            }
            Err(error) => failures.push(format!("{suite}: {error:#}")),
        }
        *counts += counted;
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
    Ok(())
}

pub(crate) fn demo_story(run: &Run, counts: &mut Counts) -> Result<()> {
    if let Some(why) = tools::too_old_for_suites(run.workspace)? {
        run.skip("demo", format!("the demo's story: {why}"));
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

pub(crate) fn pages_and_downloads(run: &Run, counts: &mut Counts) -> Result<()> {
    run.web_app.ensure(|| web::make(run.workspace, web::How::RELEASED).map(drop))?;
    run.build_package()?;
    // Not where the app lies: a node that is tried has no downloads.
    let folder = Scratch::new(run.workspace.target.join("site"))?;
    site::write(run.workspace, folder.path(), site::Downloads::All)?;
    counts.passed += 1;
    Ok(())
}

pub(crate) fn doc(run: &Run, counts: &mut Counts) -> Result<()> {
    let mut cargo = run.cargo();
    cargo.args(["doc", "--workspace", "--exclude", "xtask-tools", "--no-deps", "--locked"]);
    run.check("doc", cargo.env("RUSTDOCFLAGS", "-Dwarnings"), counts)
}

pub(crate) fn licences(run: &Run, counts: &mut Counts) -> Result<()> {
    deny::check_offline(run.workspace)?;
    counts.passed += 1;
    Ok(())
}

pub(crate) fn short_fuzz(run: &Run, counts: &mut Counts) -> Result<()> {
    counts.passed += fuzz::run_short(run.workspace)?;
    Ok(())
}

#[cfg(test)]
mod tests_of_parts {
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
}
