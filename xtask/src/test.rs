//! `cargo xtask test`: every check of the workspace, in named steps, of which three run at a time.
//!
//! Much of the time a step keeps one processor busy, or none: it links, optimises a whole program, or waits for nodes, browsers, or cargo's lock. A step that
//! fails does not stop the others, so that one run tells everything that is wrong.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::counts::Counts;
use crate::passed::{Inputs, Passed};
use crate::steps::{Aside, Run, STEPS, Step};
use crate::workspace::Workspace;
use crate::{parts, setup};

/// How many steps run at a time where nothing else is said: two that build, in a folder of cargo's each, beside one that waits for browsers.
const JOBS: usize = 3;

/// What `cargo xtask test` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs only these parts.
    #[arg(long, value_name = "PART", num_args = 1.., value_parser = part_names())]
    only: Vec<String>,
    /// Runs every part, also those that have passed and of which nothing has changed since.
    #[arg(long, conflicts_with = "only")]
    again: bool,
    /// How many parts run at a time [default: 3, or 1 on a single processor].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    jobs: Option<u8>,
}

fn part_names() -> PossibleValuesParser {
    PossibleValuesParser::new(STEPS.iter().map(|step| PossibleValue::new(step.name).help(step.about)))
}

/// Runs the chosen steps and reports them; the status is a failure if any step failed.
///
/// # Errors
/// If the terminal cannot be written.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let started = Instant::now();
    let is_chosen = |step: &&Step| options.only.is_empty() || options.only.iter().any(|name| name == step.name);
    let steps: Vec<&Step> = STEPS.iter().filter(is_chosen).collect();
    let mut lacking = Vec::new();
    if steps.len() > 1 {
        // Once, before steps run beside each other: two must not install the same tool.
        // Where nothing was installed before, this takes minutes, and who looks on sees for what.
        lacking = setup::quietly(workspace, |tool| {
            // A terminal that cannot be written is told of by what is printed next.
            let _ = show("", &format!("setup: {tool}"));
        });
        show(&format!("{:<12}ok      {:>6.1} s\n", "setup", started.elapsed().as_secs_f64()), "")?;
        lacking.iter().for_each(|tool| println!("{:<12}not there: {tool}", ""));
    }

    // Where git does not know the checkout, nobody can tell what has changed: then everything is done.
    // Nor is anything found or installed for a single part that does without.
    let inputs = if steps.len() > 1 { Inputs::now(workspace, &lacking).ok() } else { None };
    let passed = Passed::new(workspace, inputs);
    let is_asked_for = options.again || !options.only.is_empty();
    let before = |step: &&'static Step| if is_asked_for { None } else { passed.before(step) };
    let (done, steps): (Vec<_>, Vec<_>) =
        steps.into_iter().map(|step| (step, before(&step))).partition(|(_, before)| before.is_some());
    let mut sum = Sum::default();
    for (step, before) in done.iter().filter_map(|(step, before)| Some((step, before.as_ref()?))) {
        show(&format!("{:<12}before            {} passed {}\n", step.name, before.passed, before.ago()), "")?;
        sum.counts.passed += before.passed;
        sum.skipped.extend(before.skipped.iter().cloned());
    }
    let run = Run::new(workspace, done.iter().any(|(step, _)| step.name == "web"));
    let queue = Queue::new(steps.into_iter().map(|(step, _)| step).collect());
    let is_single = || thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
    let jobs = options.jobs.map_or_else(|| if is_single() { 1 } else { JOBS }, usize::from);
    run.share(jobs > 1 && !queue.is_single());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(|| work(&queue, &run, &passed))).collect();
        threads.into_iter().try_for_each(|thread| {
            let Sum { counts, skipped } = thread.join().expect("panics of steps are caught")?;
            sum.counts += counts;
            sum.skipped.extend(skipped);
            anyhow::Ok(())
        })
    })?;
    run.share(false);
    for (step, asides) in by_step(run.take_aside()) {
        show("", step)?;
        let (counts, report) = reported(step, |counts| parts::alone(&run, &asides, counts));
        sum.counts += counts;
        show(&report, "")?;
    }
    println!("in {:.0} s", started.elapsed().as_secs_f64());
    run.into_told().iter().for_each(|what| println!("{what}"));
    if !done.is_empty() {
        println!("before: nothing that these parts read has changed since; --again runs them all the same");
    }
    let Sum { counts: Counts { passed, failed }, skipped } = sum;
    skipped.iter().for_each(|what| println!("skipped: {what}"));
    match skipped.len() {
        0 => println!("{passed} passed, {failed} failed"),
        skipped => println!("{passed} passed, {failed} failed, {skipped} skipped"),
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came of several steps.
#[derive(Default)]
struct Sum {
    counts: Counts,
    /// What could not be checked, and why.
    skipped: Vec<String>,
}

/// Takes steps until none is left; what came of them.
fn work(queue: &Queue, run: &Run, passed: &Passed) -> Result<Sum> {
    let mut sum = Sum::default();
    while let Some(step) = queue.take()? {
        let (counts, report) = ran(step, run);
        let skipped = run.skipped(step.name);
        // What cannot be kept is done once more the next time.
        if counts.failed == 0 && !run.is_aside(step.name) && passed.keep(step, counts, &skipped).is_err() {
            run.tell(format!("cannot keep that {} has passed", step.name));
        }
        sum.counts += counts;
        sum.skipped.extend(skipped);
        queue.end(step, &report)?;
    }
    Ok(sum)
}

/// What was put aside, step by step.
fn by_step(asides: Vec<Aside>) -> BTreeMap<&'static str, Vec<Aside>> {
    let mut steps = BTreeMap::<_, Vec<_>>::new();
    asides.into_iter().for_each(|aside| steps.entry(aside.step).or_default().push(aside));
    steps
}

/// Runs one step; what it counted, and its report.
fn ran(step: &Step, run: &Run) -> (Counts, String) {
    reported(step.name, |counts| (step.run)(run, counts))
}

/// Does work of a step; what it counted, and its report: name, verdict, time, counts; for a failure also the output and how to repeat it.
fn reported(name: &str, work: impl FnOnce(&mut Counts) -> Result<()>) -> (Counts, String) {
    let started = Instant::now();
    let mut counts = Counts::default();
    // A panic must not leave those that wait for the step waiting.
    let result = catch_unwind(AssertUnwindSafe(|| work(&mut counts)))
        .unwrap_or_else(|_| Err(anyhow!("the step panicked, as told on stderr")));
    // A step that fails outside a test, or that found failed tests without failing itself, is a failure all the same.
    if result.is_err() && counts.failed == 0 {
        counts.failed = 1;
    }
    let verdict = if counts.failed == 0 { "ok" } else { "FAILED" };
    let figures = match (counts.passed, counts.failed) {
        (passed, 0) => format!("{passed} passed"),
        (passed, failed) => format!("{passed} passed, {failed} failed"),
    };
    let mut report = format!("{name:<12}{verdict:<6}  {:>6.1} s  {figures}\n", started.elapsed().as_secs_f64());
    if let Err(error) = result {
        report += &format!("\n{error:#}\nrepeat with: cargo xtask test --only {name}\n\n");
    }
    (counts, report)
}

/// The steps that have not ended.
struct Queue {
    state: Mutex<State>,
    /// A step has ended: others may be free to begin.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<&'static Step>,
    running: Vec<&'static str>,
}

impl Queue {
    fn new(steps: Vec<&'static Step>) -> Self {
        Self { state: Mutex::new(State { waiting: steps, running: Vec::new() }), ended: Condvar::new() }
    }

    fn is_single(&self) -> bool {
        self.state().waiting.len() == 1
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next step that need not wait for another; once none is left, `None`.
    fn take(&self) -> Result<Option<&'static Step>> {
        let mut state = self.state();
        loop {
            if state.waiting.is_empty() {
                return Ok(None);
            }
            if let Some(step) = state.next() {
                state.running.push(step.name);
                state.show("")?;
                return Ok(Some(step));
            }
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Prints the report of a step.
    fn end(&self, step: &Step, report: &str) -> Result<()> {
        let mut state = self.state();
        state.running.retain(|name| *name != step.name);
        self.ended.notify_all();
        state.show(report)
    }
}

impl State {
    fn next(&mut self) -> Option<&'static Step> {
        let is_open = |name: &&str| self.running.contains(name) || self.waiting.iter().any(|step| step.name == *name);
        let place = self.waiting.iter().position(|step| !step.after.iter().any(is_open))?;
        Some(self.waiting.remove(place))
    }

    /// Prints a report, and for who looks on what runs now.
    fn show(&self, report: &str) -> Result<()> {
        show(report, &self.running.join(", "))
    }
}

/// Prints lines, and, for who looks on, below them what runs now.
fn show(lines: &str, running: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let shown = if out.is_terminal() { write!(out, "\r\x1b[K{lines}{running}") } else { write!(out, "{lines}") };
    shown.and_then(|()| out.flush()).context("cannot write to the terminal")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn step(name: &'static str, after: &'static [&'static str]) -> Step {
        Step { name, about: "", after, reads: &[], leaves: "", run: |_, _| Ok(()) }
    }

    const TWO: [Step; 2] = [step("first", &[]), step("second", &["first", "left out"])];

    #[test]
    fn a_step_begins_once_those_before_it_have_ended() {
        static STEPS: [Step; 2] = TWO;
        let mut state = State { waiting: STEPS.iter().collect(), running: Vec::new() };
        assert_eq!(state.next().map(|step| step.name), Some("first"));
        state.running.push("first");
        assert!(state.next().is_none(), "it would run beside what it needs");
        state.running.clear();
        assert_eq!(state.next().map(|step| step.name), Some("second"));
        assert!(state.next().is_none() && state.waiting.is_empty());
    }

    #[test]
    fn several_threads_run_every_step_once() {
        static STEPS: [Step; 2] = TWO;
        let queue = Queue::new(STEPS.iter().collect());
        let taken = || {
            let mut names = Vec::new();
            while let Some(step) = queue.take().unwrap() {
                names.push(step.name);
                queue.end(step, "").unwrap();
            }
            names
        };
        let mut all = thread::scope(|scope| {
            let threads = [scope.spawn(taken), scope.spawn(taken), scope.spawn(taken)];
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        all.sort_unstable();
        assert_eq!(all, ["first", "second"]);
    }
}
