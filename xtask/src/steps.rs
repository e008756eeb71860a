//! The steps of `cargo xtask test`, in their order, and what they work with.
//!
//! To add a check, add a row to [`STEPS`], and its function to [`crate::parts`].

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{fs, mem};

use anyhow::{Result, ensure};

use crate::counts::Counts;
use crate::passed::EVERYTHING;
use crate::process::run_logged;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;
use crate::{browser, npm, parts, tools};

/// One part of the run.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The steps that must have ended before, where they are part of the run.
    pub(crate) after: &'static [&'static str],
    /// The folders that decide what comes of it, beside those that every step reads ([`crate::passed`]).
    pub(crate) reads: &'static [&'static str],
    /// What it leaves in the checkout for others; nothing if empty.
    pub(crate) leaves: &'static str,
    pub(crate) run: fn(&Run, &mut Counts) -> Result<()>,
}

/// Whatever is compiled, served or played.
const CODE: &[&str] = &["core", "node-native", "tests", "wallet-wasm", "web", "www"];
/// What core and its tests are made of.
const CORE: &[&str] = &["core", "tests/vectors"];

/// In the order in which they are begun: those first that others wait for, and of those that compile for long each beside one that tests.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "fmt", about: "Formatting", after: &[], reads: CODE, leaves: "", run: parts::fmt },
    Step {
        name: "programs",
        about: "The programs that other parts start",
        after: &[],
        reads: CODE,
        leaves: "",
        run: parts::build_programs,
    },
    Step {
        name: "web",
        about: "The web app in release, and what its first loads take",
        after: &[],
        reads: &[
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "README.md",
            "SECURITY.md",
            "core",
            "docs",
            "tests/vectors",
            "wallet-wasm",
            "web",
            "www",
        ],
        leaves: "web/dist/index.html",
        run: parts::web_app,
    },
    Step {
        name: "package",
        about: "The npm package, and what its programs weigh",
        after: &[],
        reads: &["core", "tests/vectors", "wallet-wasm"],
        leaves: "",
        run: parts::package,
    },
    Step {
        name: "links",
        about: "WebRTC and the light client in Chromium, against real nodes",
        after: &["programs"],
        reads: CODE,
        leaves: "",
        run: parts::links,
    },
    Step {
        name: "browser",
        about: "The npm package, the web app and the extension in browsers, against real nodes",
        // Two parts with browsers beside each other would be in each other's way.
        after: &["programs", "web", "package", "links"],
        reads: CODE,
        leaves: "",
        run: parts::pages,
    },
    Step {
        name: "tests",
        about: "Tests of several packages and of the build itself",
        // The node serves the app.
        after: &["web"],
        reads: EVERYTHING,
        leaves: "",
        run: parts::tests,
    },
    Step {
        name: "npm",
        about: "The npm package in Node, Deno, bundlers, Chromium, an extension",
        after: &["programs", "package"],
        reads: CODE,
        leaves: "",
        run: parts::npm,
    },
    Step {
        name: "clippy",
        about: "Lints of every package, natively",
        after: &[],
        reads: CODE,
        leaves: "",
        run: parts::clippy,
    },
    Step { name: "core", about: "Core's tests, natively", after: &[], reads: CORE, leaves: "", run: parts::core },
    Step {
        name: "core-wasm",
        about: "The same tests on wasm32 under Node",
        after: &["core"],
        reads: CORE,
        leaves: "",
        run: parts::core_wasm,
    },
    Step {
        name: "clippy-wasm",
        about: "Lints of core, wallet-wasm and web on wasm32",
        after: &[],
        reads: &["core", "tests/vectors", "wallet-wasm", "web"],
        leaves: "",
        run: parts::clippy_wasm,
    },
    Step {
        name: "fuzz",
        about: "Each fuzz target for a few seconds",
        after: &[],
        reads: CODE,
        leaves: "",
        run: parts::short_fuzz,
    },
    Step {
        name: "demo",
        about: "The story of `cargo xtask demo --check`",
        after: &["programs", "web", "browser"],
        reads: CODE,
        leaves: "",
        run: parts::demo_story,
    },
    Step {
        name: "site",
        about: "The documents as pages, and what a node hands out",
        after: &["web", "package"],
        reads: EVERYTHING,
        leaves: "",
        run: parts::pages_and_downloads,
    },
    Step {
        name: "doc",
        about: "The documentation, free of warnings",
        after: &[],
        reads: CODE,
        leaves: "",
        run: parts::doc,
    },
    Step {
        name: "deny",
        about: "Licences and sources of the dependencies",
        after: &[],
        reads: &["tests/fuzz/Cargo.lock"],
        leaves: "",
        run: parts::licences,
    },
];

/// What the steps work with.
pub(crate) struct Run<'a> {
    pub(crate) workspace: &'a Workspace,
    /// What could not be checked, and why, with the step that would have.
    skipped: Mutex<Vec<(&'static str, String)>>,
    /// What is to be told beside.
    told: Mutex<Vec<String>>,
    /// Suites that failed while other parts ran.
    aside: Mutex<Vec<Aside>>,
    /// Whether parts run beside each other now.
    is_shared: AtomicBool,
    /// What is built as the sources are: the programs, the npm package, the web app.
    programs: Once,
    package: Once,
    pub(crate) web_app: Once,
}

/// A suite that failed while other parts ran, which is to be played alone.
pub(crate) struct Aside {
    pub(crate) step: &'static str,
    pub(crate) suite: &'static str,
    /// How it failed.
    pub(crate) error: anyhow::Error,
}

/// Something that is done once in a run, by whoever needs it first. Others wait.
#[derive(Default)]
pub(crate) struct Once(Mutex<bool>);

impl Once {
    pub(crate) fn ensure(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut is_done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_done {
            work()?;
            *is_done = true;
        }
        Ok(())
    }
}

impl<'a> Run<'a> {
    /// `has_app`: the web app is there as the sources have it.
    pub(crate) fn new(workspace: &'a Workspace, has_app: bool) -> Self {
        Self {
            workspace,
            skipped: Mutex::default(),
            told: Mutex::default(),
            aside: Mutex::default(),
            is_shared: AtomicBool::new(false),
            programs: Once::default(),
            package: Once::default(),
            web_app: Once(Mutex::new(has_app)),
        }
    }

    /// What is to be told beside.
    pub(crate) fn into_told(self) -> Vec<String> {
        self.told.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a step could not check, and why.
    pub(crate) fn skipped(&self, step: &str) -> Vec<String> {
        let skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        skipped.iter().filter(|(by, _)| *by == step).map(|(_, what)| what.clone()).collect()
    }

    pub(crate) fn tell(&self, what: String) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    pub(crate) fn skip(&self, step: &'static str, what: String) {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner).push((step, what));
    }

    /// `cargo` natively.
    pub(crate) fn cargo(&self) -> Command {
        self.workspace.cargo(&Toolchain::Default)
    }

    /// Runs a check that is no test; it counts as one.
    pub(crate) fn check(&self, name: &str, command: &mut Command, counts: &mut Counts) -> Result<()> {
        run_logged(command, &self.workspace.log(name))?;
        counts.passed += 1;
        Ok(())
    }

    /// Runs tests and counts them. A run without a single test is a failure: it means that none was found.
    pub(crate) fn test(&self, name: &str, command: &mut Command, counts: &mut Counts) -> Result<String> {
        let result = run_logged(command, &self.workspace.log(name));
        *counts += Counts::of(&self.log(name));
        let text = result?;
        ensure!(counts.passed > 0, "no test ran; the output is in {}", self.workspace.log(name).display());
        Ok(text)
    }

    /// What a part has written.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.workspace.log(name)).unwrap_or_default()
    }

    /// Builds the programs that suites and hosts start, and what suites load of wallet-wasm.
    pub(crate) fn build_programs(&self) -> Result<()> {
        self.programs.ensure(|| browser::build(self.workspace, &tools::wasm_toolchain(self.workspace)?))
    }

    /// Builds the npm package; its folder.
    pub(crate) fn build_package(&self) -> Result<PathBuf> {
        self.package.ensure(|| npm::build(self.workspace, &tools::wasm_toolchain(self.workspace)?).map(drop))?;
        Ok(npm::package(self.workspace))
    }

    /// Says whether other parts run beside those that are begun from now on.
    pub(crate) fn share(&self, is_shared: bool) {
        self.is_shared.store(is_shared, Ordering::Relaxed);
    }

    /// Takes what was put aside.
    pub(crate) fn take_aside(&self) -> Vec<Aside> {
        mem::take(&mut *self.aside.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether something of a step was put aside, so that it is not known yet whether it passes.
    pub(crate) fn is_aside(&self, step: &str) -> bool {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|aside| aside.step == step)
    }

    /// Plays suites in browsers. One whose browser crashed is played once more, and that is told. One that fails while other parts keep the machine
    /// busy, where people's patience with a page is short, is put aside.
    pub(crate) fn play(
        &self,
        step: &'static str,
        suites: &browser::Suites,
        names: &[&'static str],
        counts: &mut Counts,
    ) -> Result<()> {
        let mut failures = Vec::new();
        for suite in names.iter().copied() {
            if let Some(why) = suites.lacks(suite) {
                self.skip(step, format!("the suite {suite}: {why}"));
                continue;
            }
            let log = format!("browser-{suite}");
            let (mut result, mut passed) = self.play_once(suites, suite, &log);
            if result.is_err() && browser::has_crashed(&self.log(&log)) {
                self.tell(format!("the suite {suite} was played twice: the first time, the browser itself crashed"));
                (result, passed) = self.play_once(suites, suite, &format!("{log}-again"));
            }
            if let Err(error) = result {
                if self.is_shared.load(Ordering::Relaxed) {
                    self.aside.lock().unwrap_or_else(PoisonError::into_inner).push(Aside { step, suite, error });
                    continue;
                }
                failures.push(format!("{suite}: {error:#}"));
            }
            *counts += passed;
        }
        ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
        Ok(())
    }

    /// Plays a suite; what came of it, and what it counted.
    pub(crate) fn play_once(&self, suites: &browser::Suites, suite: &str, log: &str) -> (Result<String>, Counts) {
        let mut counts = Counts::default();
        let result = self.test(log, &mut suites.command(suite), &mut counts);
        if result.is_err() {
            // One that stopped half-way has counted nothing.
            counts.failed = counts.failed.max(1);
        }
        (result, counts)
    }

    /// `cargo` for wasm32.
    pub(crate) fn wasm_cargo(&self) -> Result<Command> {
        Ok(self.workspace.cargo(&tools::wasm_toolchain(self.workspace)?))
    }
}

#[cfg(test)]
mod tests_of_steps {
    use super::*;

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
