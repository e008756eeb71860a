//! Runs child processes: quietly into a log, or on the user's terminal; never longer than a limit, never left behind.
//!
//! Every child leads a process group of its own, so that a signal to `xtask` or an expired limit ends the whole tree below it
//! (cargo, rustc, test programs, Node) and not only its root.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The process group of the running child; 0 while there is none. `xtask` runs one child at a time.
static RUNNING: AtomicI32 = AtomicI32::new(0);

/// How long a child may run before it is taken for hung. A cold build of everything on two cores stays far below it.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// How long a child that was asked to stop may take before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// The status with which a shell reports a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Makes SIGINT, SIGTERM and SIGHUP end the running child's whole group, then `xtask` itself.
pub(crate) fn install_signal_handler() -> Result<()> {
    ctrlc::set_handler(|| {
        end_group(RUNNING.load(Ordering::SeqCst));
        std::process::exit(INTERRUPTED);
    })
    .context("cannot install the signal handler")
}

/// Asks a process group to stop, and kills what is left of it after a grace period.
fn end_group(group: i32) {
    if group == 0 {
        return;
    }
    let group = Pid::from_raw(group);
    let asked = Instant::now();
    // An error means that no process of the group is left.
    while killpg(group, Signal::SIGTERM).is_ok() {
        if asked.elapsed() > GRACE {
            // What remains now is stuck, or dead and not yet collected by its parent: more waiting helps neither.
            let _ = killpg(group, Signal::SIGKILL);
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `command` with its output on the user's terminal.
///
/// # Errors
/// If it cannot be started or does not succeed.
pub(crate) fn run_shown(command: &mut Command) -> Result<()> {
    let status = run(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs `command` with stdout and stderr in the file `log`, and returns the log's text when it succeeds.
///
/// # Errors
/// If it cannot be started or does not succeed; the error then carries the end of the log and where all of it is.
pub(crate) fn run_logged(command: &mut Command, log: &Path) -> Result<String> {
    let folder = log.parent().context("a log has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdout(file.try_clone()?).stderr(file);
    let result = run(command);
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    match result {
        Ok(status) if status.success() => Ok(text),
        Ok(status) => {
            bail!("{}\n`{}` failed ({status}); its whole output: {}", tail(&text), shown(command), log.display())
        }
        Err(error) => Err(error.context(tail(&text))),
    }
}

/// Returns what a short command prints on stdout, or `None` if it cannot be started or fails.
pub(crate) fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn run(command: &mut Command) -> Result<ExitStatus> {
    use std::os::unix::process::CommandExt as _;
    let mut child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start `{}`: is it installed and on PATH?", shown(command)))?;
    let group = i32::try_from(child.id()).context("a process id fits an i32")?;
    RUNNING.store(group, Ordering::SeqCst);
    let status = wait(&mut child, LIMIT);
    // What the child left running (a server of a test, a compiler whose cargo died) ends with it.
    end_group(group);
    RUNNING.store(0, Ordering::SeqCst);
    match status? {
        Some(status) => Ok(status),
        None => bail!("`{}` was ended: it ran for more than {} minutes", shown(command), LIMIT.as_secs() / 60),
    }
}

/// Waits for `child`; `None` if it still runs after `limit`.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > limit {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The last lines of a log without cargo's progress: enough for any compiler error or failed test, short enough to read.
fn tail(text: &str) -> String {
    const LINES_MAX: usize = 150;
    let lines: Vec<&str> = text.lines().filter(|line| !is_progress(line)).collect();
    let skipped = lines.len().saturating_sub(LINES_MAX);
    let mut shown = lines[skipped..].join("\n");
    if skipped > 0 {
        shown.insert_str(0, &format!("… {skipped} lines before this\n"));
    }
    shown
}

/// Whether cargo wrote this line to show that it is at work.
fn is_progress(line: &str) -> bool {
    const VERBS: [&str; 9] = [
        "Compiling",
        "Checking",
        "Documenting",
        "Downloading",
        "Downloaded",
        "Blocking",
        "Finished",
        "Updating",
        "Adding",
    ];
    // Cargo sets its verbs flush right, so that they end in column 12.
    line.get(..13).is_some_and(|verb| verb.ends_with(' ') && VERBS.contains(&verb.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_drops_progress_and_keeps_the_end() {
        let log = "   Compiling a v1.0.0\n    Checking b v1.0.0\nerror: Checking failed\n";
        assert_eq!(tail(log), "error: Checking failed");
        let long: String = (0..200).map(|line| format!("{line}\n")).collect();
        assert!(tail(&long).starts_with("… 50 lines before this\n50\n"));
        assert!(tail(&long).ends_with("\n199"));
    }

    #[test]
    fn a_failing_command_is_an_error_with_its_output() {
        let log = std::env::temp_dir().join(format!("xtask-process-{}.log", std::process::id()));
        let error = run_logged(Command::new("sh").args(["-c", "echo seen; exit 3"]), &log).unwrap_err().to_string();
        assert!(error.contains("seen") && error.contains("exit status: 3"), "{error}");
        assert_eq!(run_logged(Command::new("sh").args(["-c", "echo out; echo err >&2"]), &log).unwrap(), "out\nerr\n");
        fs::remove_file(&log).unwrap();
    }
}
