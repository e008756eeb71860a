//! Runs child processes: quietly into a log, on the user's terminal, or beside `xtask`; never longer than a limit, but for what the user wants to run
//! for long; never left behind.
//!
//! Every child leads a process group of its own, so that a signal to `xtask` or an expired limit ends the whole tree below it
//! (cargo, rustc, test programs, Node) and not only its root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// The process groups of the running children.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// How long a child may run before it is taken for hung. A cold build of everything on two cores stays far below it.
pub(crate) const LIMIT: Duration = Duration::from_secs(45 * 60);

/// How long a child that was asked to stop may take before it is killed: a node writes everything first.
const GRACE: Duration = Duration::from_secs(10);

/// The status with which a shell reports a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Makes SIGINT, SIGTERM and SIGHUP end the running children's whole groups, then `xtask` itself.
pub(crate) fn install_signal_handler() -> Result<()> {
    ctrlc::set_handler(|| {
        // Held to the end: no child is started any more.
        let running = running();
        for group in running.iter() {
            // An error means that no process of the group is left.
            let _ = killpg(*group, Signal::SIGTERM);
        }
        running.iter().for_each(|group| end_group(*group));
        scratch_folders().iter().for_each(|folder| drop(fs::remove_dir_all(folder)));
        std::process::exit(INTERRUPTED);
    })
    .context("cannot install the signal handler")
}

fn running() -> std::sync::MutexGuard<'static, Vec<Pid>> {
    // Whoever panicked meanwhile has left a list that is whole.
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The folders that go when `xtask` ends.
static SCRATCH: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn scratch_folders() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    SCRATCH.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A folder that is removed when this is dropped, and when `xtask` is interrupted.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn new(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        scratch_folders().push(path.clone());
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays: it lies in the target folder.
        let _ = fs::remove_dir_all(&self.0);
        scratch_folders().retain(|folder| *folder != self.0);
    }
}

/// Asks a process group to stop, once, and kills what is left of it after a grace period.
fn end_group(group: Pid) {
    let asked = Instant::now();
    // Every error below means that no process of the group is left, or that its leader has been collected.
    let mut is_there = killpg(group, Signal::SIGTERM).is_ok();
    while is_there {
        if asked.elapsed() > GRACE {
            // What remains now is stuck: more waiting does not help.
            let _ = killpg(group, Signal::SIGKILL);
            return;
        }
        thread::sleep(Duration::from_millis(20));
        // A dead leader would count as there until it is collected.
        let _ = waitpid(group, Some(WaitPidFlag::WNOHANG));
        is_there = killpg(group, None).is_ok();
    }
}

/// A child that runs beside `xtask`. It is asked to stop when this is dropped, and when `xtask` is interrupted.
pub(crate) struct Beside {
    child: Child,
    group: Pid,
}

impl Beside {
    /// Starts `command` with stdout and stderr in the file `log`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdout(file.try_clone()?).stderr(file);
        let (child, group) = spawn(command)?;
        Ok(Self { child, group })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// If the system does not tell.
    pub(crate) fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.ended()?.is_none())
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    /// If the system does not tell.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        // When `xtask` is interrupted, this waits for its end: that the child stops then is no news.
        let _running = running();
        self.child.try_wait()
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn kill(mut self) -> io::Result<()> {
        // Dead already is as good.
        let _ = killpg(self.group, Signal::SIGKILL);
        self.child.wait().map(drop)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        end_group(self.group);
        // It is dead by now, and may have been collected.
        let _ = self.child.wait();
        forget(self.group);
    }
}

/// Runs `command` with its output on the user's terminal.
///
/// # Errors
/// If it cannot be started or does not succeed.
pub(crate) fn run_shown(command: &mut Command) -> Result<()> {
    run_shown_for(command, Some(LIMIT))
}

/// The same for what the user has asked to run for so long, or, without a limit, until it is done.
///
/// # Errors
/// As [`run_shown`].
pub(crate) fn run_shown_for(command: &mut Command, limit: Option<Duration>) -> Result<()> {
    let status = run(command, limit)?;
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
    let result = run(command, Some(LIMIT));
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

/// Starts a child in a group of its own.
fn spawn(command: &mut Command) -> Result<(Child, Pid)> {
    use std::os::unix::process::CommandExt as _;
    let mut running = running();
    let child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start `{}`: is it installed and on PATH?", shown(command)))?;
    let group = Pid::from_raw(i32::try_from(child.id()).context("a process id fits an i32")?);
    running.push(group);
    Ok((child, group))
}

fn forget(group: Pid) {
    running().retain(|running| *running != group);
}

fn run(command: &mut Command, limit: Option<Duration>) -> Result<ExitStatus> {
    let (mut child, group) = spawn(command)?;
    let status = wait(&mut child, limit);
    // What the child left running (a server of a test, a compiler whose cargo died) ends with it.
    end_group(group);
    forget(group);
    match status? {
        Some(status) => Ok(status),
        None => {
            let limit_s = limit.unwrap_or_default().as_secs();
            bail!("`{}` was ended: it ran for more than {limit_s} s", shown(command))
        }
    }
}

/// Waits for `child`; `None` if it still runs after `limit`.
fn wait(child: &mut Child, limit: Option<Duration>) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if limit.is_some_and(|limit| started.elapsed() > limit) {
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
    fn a_command_ends_at_its_limit_and_without_one_by_itself() {
        let sleeps = |s: &str| {
            let mut command = Command::new("sleep");
            command.arg(s);
            command
        };
        let error = run_shown_for(&mut sleeps("60"), Some(Duration::from_millis(50))).unwrap_err().to_string();
        assert!(error.contains("`sleep 60` was ended"), "{error}");
        run_shown_for(&mut sleeps("0.1"), None).unwrap();
        run_shown_for(&mut sleeps("0.1"), Some(LIMIT)).unwrap();
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
