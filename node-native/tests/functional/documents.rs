//! What documents tell their readers to type is typed, and what they show is what comes.
//!
//! Blocks that are marked `console` are run, all those of one document in one shell: each line after `$ ` is a command, which must
//! succeed, and the lines below it are what it prints, with `…` for whatever else. `console background` is a program that goes on
//! running to the end of the document, and is then interrupted and must end well.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::qbtc;

/// How long one command may take.
const COMMAND_MAX: Duration = Duration::from_secs(120);
/// Stands for any text in a line; alone in a line, for any lines.
const ANYTHING: &str = "…";

/// Where documents let miners connect: in a test, on any port that is free.
const STRATUM: &str = "--stratum 127.0.0.1:3333";

#[test]
fn what_is_said_of_mining_holds() {
    follow("docs/stratum.md");
}

#[test]
fn what_is_said_of_the_light_client_holds() {
    follow("docs/light-client.md");
}

#[test]
fn the_tutorial_holds() {
    follow("docs/tutorial.md");
}

#[test]
fn the_readme_holds() {
    follow("README.md");
}

fn follow(document: &str) {
    let path = format!("{}/../{document}", env!("CARGO_MANIFEST_DIR"));
    let steps = steps(&fs::read_to_string(path).unwrap());
    assert!(!steps.is_empty(), "{document} shows nothing to type");
    let mut shell = Shell::start();
    for step in &steps {
        let printed = shell.run(step);
        assert!(
            is_shown(&step.shown, &printed),
            "{document}: {}\nshown:\n{}\nprinted:\n{}",
            step.command,
            step.shown.join("\n"),
            printed.join("\n")
        );
    }
    shell.end();
}

/// A command and what the document shows below it.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    command: String,
    is_background: bool,
    shown: Vec<String>,
}

/// The steps of a document, in order.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut block = None;
    for line in text.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some("console")) => block = Some(false),
            (None, Some("console background")) => block = Some(true),
            (Some(_), Some(_)) => block = None,
            (Some(is_background), None) => match line.strip_prefix("$ ") {
                Some(command) => {
                    steps.push(Step { command: command.to_owned(), is_background, shown: Vec::new() });
                }
                None => steps.last_mut().expect("a block begins with a command").shown.push(line.to_owned()),
            },
            (None, _) => {}
        }
    }
    steps
}

/// Whether what was printed is what is shown.
fn is_shown(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == ANYTHING => {
            (0..=printed.len()).any(|skipped| is_shown(rest, &printed[skipped..]))
        }
        Some((first, rest)) => match printed.split_first() {
            Some((line, after)) => fits(first.trim_end(), line.trim_end()) && is_shown(rest, after),
            None => false,
        },
    }
}

/// Whether a line is as a pattern with [`ANYTHING`] in it; runs of spaces count as one, since columns move.
fn fits(pattern: &str, line: &str) -> bool {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (pattern, line) = (squeeze(pattern), squeeze(line));
    let mut parts = pattern.split(ANYTHING);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut is_open = false;
    for part in parts {
        is_open = true;
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || (is_open && pattern.ends_with(ANYTHING))
}

/// One shell, in a folder of its own, where `qbtc` is the program under test and nothing listens on a port that is known beforehand.
struct Shell {
    folder: TempDir,
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    backgrounds: usize,
}

impl Shell {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = qbtc().get_program().to_owned();
        let programs = std::path::Path::new(&program).parent().unwrap().to_owned();
        let path = std::env::join_paths(
            std::iter::once(programs).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QBTC_")) {
            command.env_remove(name);
        }
        command.args(["--norc", "--noprofile"]).current_dir(folder.path()).env("PATH", path.unwrap());
        command.env("QBTC_DATA_DIR", folder.path().join("data")).env("QBTC_PASSPHRASE", "open sesame, open sesame");
        command.env("QBTC_HTTP", "127.0.0.1:0").env("QBTC_P2P", "127.0.0.1:0").env("QBTC_THREADS", "1");
        // The node may listen anywhere, and the other commands find it by what it has written.
        command.env("QBTC_DISCOVER", "false");
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let errors = BufReader::new(process.stderr.take().unwrap());
        std::thread::spawn(move || errors.lines().map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        let input = process.stdin.take();
        Self { folder, process, input, lines, backgrounds: 0 }
    }

    /// Types a command; what it prints, once it has ended.
    fn run(&mut self, step: &Step) -> Vec<String> {
        if step.is_background {
            let log = self.folder.path().join("background.log");
            // On a port that is free; the node tells the others which.
            let command = step.command.replace(STRATUM, "--stratum 127.0.0.1:0");
            let line = format!("QBTC_RPC=127.0.0.1:0 {command} > {} 2>&1 &", log.display());
            self.backgrounds += 1;
            assert_eq!(self.typed(&line, &step.command), [""; 0]);
            let answers = "until qbtc rpc uptime > /dev/null 2>&1; do sleep 0.1; done";
            return self.typed(answers, "waiting for the node");
        }
        self.typed(&step.command, &step.command)
    }

    fn typed(&mut self, line: &str, name: &str) -> Vec<String> {
        const END: &str = "the command has ended:";
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}\necho \"{END} $?\"").unwrap();
        let until = Instant::now() + COMMAND_MAX;
        let mut printed = Vec::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.strip_prefix(END) {
                    Some(status) => {
                        assert_eq!(status, " 0", "{name}:\n{}", printed.join("\n"));
                        return printed;
                    }
                    None => printed.push(line),
                },
                Err(RecvTimeoutError::Timeout) => panic!("{name}: not within {COMMAND_MAX:?}\n{}", printed.join("\n")),
                Err(RecvTimeoutError::Disconnected) => panic!("{name}: the shell has ended\n{}", printed.join("\n")),
            }
        }
    }

    /// Interrupts what runs in the background, and sees that it ends well.
    fn end(mut self) {
        for number in 1..=self.backgrounds {
            self.typed(&format!("kill -INT %{number}; wait %{number}"), "the end of what runs in the background");
        }
        drop(self.input.take());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.input.take());
        // Nothing is left of it where it has ended as it should.
        let _ = killpg(Pid::from_raw(self.process.id().try_into().unwrap()), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

#[test]
fn documents_are_read() {
    let text = "a\n```sh\n$ no\n```\n```console\n$ one\n1\n…\n$ two\n```\n```console background\n$ three &\n```\n";
    let step = |command: &str, is_background, shown: &[&str]| Step {
        command: command.to_owned(),
        is_background,
        shown: shown.iter().map(|&line| line.to_owned()).collect(),
    };
    assert_eq!(steps(text), [step("one", false, &["1", "…"]), step("two", false, &[]), step("three &", true, &[])]);
}

#[test]
fn what_is_shown_is_compared() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (shown, printed) in
        [("", ""), ("a", "a"), ("…", ""), ("…", "a\nb"), ("a\n…\nc", "a\nb\nb\nc"), ("x  … y", "x 1 2  y")]
    {
        assert!(is_shown(&lines(shown), &lines(printed)), "{shown:?} {printed:?}");
    }
    for (shown, printed) in [("", "a"), ("a", ""), ("a", "ab"), ("a …", "b c"), ("a\n…\nc", "a\nb"), ("x … y", "x 1")]
    {
        assert!(!is_shown(&lines(shown), &lines(printed)), "{shown:?} {printed:?}");
    }
}
