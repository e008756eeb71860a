//! Whoever sits at the command line, with a folder of his own, on the dev chain.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{Ended, NodeProcess, qbtc};

/// A user.
pub(crate) struct User {
    folder: TempDir,
}

impl User {
    /// A user with a file `pass` that holds a passphrase.
    pub(crate) fn new() -> Self {
        let user = Self { folder: tempfile::tempdir().unwrap() };
        user.write("pass", "open sesame\n");
        user
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A command in the user's folder, on the dev chain.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = qbtc();
        command.args(args).current_dir(self.folder.path());
        command.env("QBTC_DATA_DIR", self.path("data")).env("QBTC_CHAIN", "dev");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Ended::of(&mut self.command(args))
    }

    /// Runs with this on stdin.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Ended {
        Ended::with_input(&mut self.command(args), stdin)
    }

    /// What a command prints that must succeed.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended.stdout.trim_end().to_owned()
    }

    /// A wallet command that must succeed, with the passphrase, as JSON.
    pub(crate) fn wallet(&self, args: &[&str]) -> Value {
        let all = [&["wallet", "--json", "--passphrase-file", "pass"], args].concat();
        serde_json::from_str(&self.done(&all)).unwrap()
    }

    /// What a command tells that must fail with this code.
    pub(crate) fn refused(&self, code: i32, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {}{}", ended.stdout, ended.stderr);
        ended.stderr
    }

    /// Starts a node where this user's commands look for it.
    pub(crate) fn start_node(&self, options: &[&str]) -> NodeProcess {
        NodeProcess::start("dev", &self.path("data"), options)
    }
}
