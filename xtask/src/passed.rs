//! What has passed, so that `cargo xtask test` does not do it again while nothing that it reads has changed.
//!
//! A part is held to the contents of the files that it reads, to what compiles and runs it, and to the variables that it looks at: not to
//! times. What has passed is kept in the checkout's own folder `target`: another checkout knows nothing of it, nor does a fresh one, as that of CI.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::counts::Counts;
use crate::process::output_of;
use crate::steps::Step;
use crate::toolchain::Toolchain;
use crate::tools;
use crate::workspace::Workspace;

/// All that belongs to the project.
pub(crate) const EVERYTHING: &[&str] = &[""];

/// What every part reads, beside the files in the root: what it is run by.
const ALWAYS: [&str; 2] = [".cargo", "xtask"];

/// Variables that change what a part does, by how their names begin.
const VARIABLES: [&str; 9] = ["QBTC_", "CARGO_", "RUST", "CHROMIUM", "FIREFOX", "FIGURES", "ROUNDS", "BLOCKS", "HOURS"];

/// Those of them that do not, or that cargo sets for xtask alone.
const OTHER_VARIABLES: [&str; 6] =
    ["CARGO_TARGET_DIR", "CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "RUST_RECURSION", "RUSTUP_"];

/// What all parts depend on, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// The contents of each file, as git names them.
    files: BTreeMap<String, String>,
    /// What else there is: compilers, browsers, variables, tools that are not there.
    around: Vec<String>,
}

impl Inputs {
    /// Looks at everything. `lacking` are tools that could not be had.
    ///
    /// # Errors
    /// If git does not know the checkout.
    pub(crate) fn now(workspace: &Workspace, lacking: &[&str]) -> Result<Self> {
        let toolchains = [Toolchain::Default, tools::wasm_toolchain(workspace)?, Toolchain::NIGHTLY];
        let versions = toolchains.iter().map(|toolchain| toolchain.version().unwrap_or_default());
        let node = output_of(tools::node_command(workspace).arg("--version"));
        let browsers = [tools::chromium(workspace), tools::firefox(workspace)].into_iter();
        let browsers = browsers.map(|program| output_of(Command::new(program.ok()?).arg("--version")));
        let variables = env::vars_os().filter_map(|(name, value)| {
            let name = name.to_string_lossy();
            let begins = |with: &[&str]| with.iter().any(|start| name.starts_with(start));
            (begins(&VARIABLES) && !begins(&OTHER_VARIABLES)).then(|| format!("{name}={}", value.to_string_lossy()))
        });
        let tools = versions.chain([node.unwrap_or_default()]).chain(browsers.map(Option::unwrap_or_default));
        let lacking = lacking.iter().map(|tool| format!("without {tool}"));
        let mut around: Vec<String> = tools.chain(lacking).collect();
        around.extend(variables.collect::<BTreeSet<_>>());
        Ok(Self { files: contents(workspace)?, around })
    }

    /// The same, but with the files as they are now.
    fn again(&self, workspace: &Workspace) -> Result<Self> {
        Ok(Self { files: contents(workspace)?, around: self.around.clone() })
    }

    /// What a part depends on, in short.
    fn of(&self, step: &Step) -> String {
        // Another version of Rust may give other numbers: then everything is done once more.
        let mut hasher = DefaultHasher::new();
        step.name.hash(&mut hasher);
        self.around.hash(&mut hasher);
        let read = self.files.iter().filter(|(path, _)| is_read(path, step.reads));
        read.for_each(|file| file.hash(&mut hasher));
        format!("{:016x}", hasher.finish())
    }
}

/// Whether a part that reads these folders reads a file.
fn is_read(path: &str, reads: &[&str]) -> bool {
    let lies_in = |folder: &&str| {
        folder.is_empty() || path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_of_root = !path.contains('/') && !path.ends_with(".md");
    is_of_root || ALWAYS.iter().chain(reads).any(lies_in)
}

/// Every file that git does not ignore, and its contents' name.
fn contents(workspace: &Workspace) -> Result<BTreeMap<String, String>> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&workspace.root).stderr(Stdio::null());
        command
    };
    let list = git(&["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).output()?;
    ensure!(list.status.success(), "git does not know {}", workspace.root.display());
    let list = String::from_utf8(list.stdout).context("the name of a file is not UTF-8")?;
    // One that is gone is in git's index still, and one of a name with a line end would be taken for two.
    let is_file = |path: &&str| !path.contains('\n') && workspace.root.join(path).is_file();
    let paths: Vec<&str> = list.split_terminator('\0').filter(is_file).collect();
    let mut hash = git(&["hash-object", "--stdin-paths"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = hash.stdin.take().context("no way to git")?;
    let lines: String = paths.iter().map(|path| format!("{path}\n")).collect();
    // Beside reading: git answers while it is asked.
    let asking = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let names = hash.wait_with_output()?;
    asking.join().expect("writing does not panic")?;
    let names = String::from_utf8(names.stdout)?;
    let names: Vec<&str> = names.lines().collect();
    ensure!(names.len() == paths.len(), "git has named {} of {} files", names.len(), paths.len());
    Ok(paths.into_iter().map(str::to_owned).zip(names.into_iter().map(str::to_owned)).collect())
}

/// What passed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) passed: usize,
    pub(crate) skipped: Vec<String>,
    since: u64,
}

impl Before {
    /// How long ago, for people.
    pub(crate) fn ago(&self) -> String {
        let minutes = seconds_now().saturating_sub(self.since) / 60;
        match minutes {
            0..=1 => "a minute ago".to_owned(),
            2..120 => format!("{minutes} minutes ago"),
            120..2880 => format!("{} hours ago", minutes / 60),
            _ => format!("{} days ago", minutes / 1440),
        }
    }
}

/// What has passed in this checkout.
pub(crate) struct Passed<'a> {
    workspace: &'a Workspace,
    /// As everything was when the run began; `None` where that cannot be told.
    inputs: Option<Inputs>,
}

impl<'a> Passed<'a> {
    /// What is kept, held against everything as it was when the run began.
    pub(crate) const fn new(workspace: &'a Workspace, inputs: Option<Inputs>) -> Self {
        Self { workspace, inputs }
    }

    /// When a part passed with all that it reads as it is now; `None` if it never did, or what it left is gone.
    pub(crate) fn before(&self, step: &Step) -> Option<Before> {
        let inputs = self.inputs.as_ref()?.of(step);
        let found = read(&path(self.workspace)).remove(step.name)?;
        if found["inputs"] != inputs.as_str() || !self.workspace.root.join(step.leaves).exists() {
            return None;
        }
        let skipped = found["skipped"].as_array()?.iter().map(|what| what.as_str().map(str::to_owned));
        Some(Before {
            passed: usize::try_from(found["passed"].as_u64()?).ok()?,
            skipped: skipped.collect::<Option<_>>()?,
            since: found["since"].as_u64()?,
        })
    }

    /// Keeps that a part has passed, unless something that it reads has changed while it ran.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn keep(&self, step: &Step, counts: Counts, skipped: &[String]) -> Result<()> {
        let Some(inputs) = &self.inputs else { return Ok(()) };
        let before = inputs.of(step);
        if inputs.again(self.workspace)?.of(step) != before {
            return Ok(());
        }
        let entry = json!({ "inputs": before, "passed": counts.passed, "skipped": skipped, "since": seconds_now() });
        change(self.workspace, |kept| drop(kept.insert(step.name.to_owned(), entry)))
    }
}

/// Forgets that a part has passed.
///
/// # Errors
/// If that cannot be written.
pub(crate) fn forget(workspace: &Workspace, name: &str) -> Result<()> {
    if path(workspace).exists() { change(workspace, |kept| drop(kept.remove(name))) } else { Ok(()) }
}

fn path(workspace: &Workspace) -> PathBuf {
    // Not in a target folder that several checkouts share.
    workspace.root.join("target/xtask-passed.json")
}

/// What is kept. Nothing, where it cannot be read: then everything is done.
fn read(path: &Path) -> BTreeMap<String, Value> {
    fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn change(workspace: &Workspace, change: impl FnOnce(&mut BTreeMap<String, Value>)) -> Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let path = path(workspace);
    let mut kept = read(&path);
    change(&mut kept);
    fs::create_dir_all(workspace.root.join("target"))?;
    fs::write(&path, serde_json::to_vec_pretty(&kept)?).with_context(|| format!("cannot write {}", path.display()))
}

fn seconds_now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().as_ref().map_or(0, Duration::as_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Scratch;
    use crate::steps::STEPS;

    const CORE: Step =
        Step { name: "core", about: "", after: &[], reads: &["core", "tests/vectors"], leaves: "", run: |_, _| Ok(()) };

    fn git(workspace: &Workspace, arguments: &[&str]) {
        let status = Command::new("git").args(arguments).current_dir(&workspace.root).status();
        assert!(status.is_ok_and(|status| status.success()), "git {arguments:?}");
    }

    fn inputs(workspace: &Workspace) -> Inputs {
        Inputs { files: contents(workspace).unwrap(), around: vec!["rustc 1".to_owned()] }
    }

    #[test]
    fn a_part_is_done_again_when_something_that_it_reads_has_changed() {
        let scratch = Scratch::new(env::temp_dir().join(format!("qbtc-passed-{}", std::process::id()))).unwrap();
        let root = scratch.path().to_owned();
        let workspace = Workspace { target: root.join("target"), cache: root.join("cache"), root };
        git(&workspace, &["init", "--quiet"]);
        let write = |name: &str, text: &str| {
            let path = workspace.root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(".gitignore", "/target\n");
        write("core/a.rs", "1");
        write("corex/a.rs", "1");
        write("docs/a.md", "1");
        let passed = Passed::new(&workspace, Some(inputs(&workspace)));
        assert_eq!(passed.before(&CORE), None);
        let skipped = ["a miner".to_owned()];
        passed.keep(&CORE, Counts { passed: 7, failed: 0 }, &skipped).unwrap();
        let now = || Passed::new(&workspace, Some(inputs(&workspace))).before(&CORE);
        let before = now().unwrap();
        assert_eq!((before.passed, &before.skipped[..], &*before.ago()), (7, &skipped[..], "a minute ago"));

        // Neither what it does not read, nor a time, nor what git knows of it.
        write("docs/a.md", "2");
        write("corex/a.rs", "2");
        write("core/a.rs", "1");
        git(&workspace, &["add", "--all"]);
        assert!(now().is_some());
        // A file that it reads, one that is new, one that is gone; what lies in the root.
        for (name, text) in [("core/a.rs", "2"), ("core/new.rs", ""), ("tests/vectors/new.txt", ""), ("Cargo.lock", "")]
        {
            write(name, text);
            assert_eq!(now(), None, "{name}");
            passed.keep(&CORE, Counts::default(), &[]).unwrap();
            assert_eq!(now(), None, "{name}: it ran before that was so");
            Passed::new(&workspace, Some(inputs(&workspace))).keep(&CORE, Counts::default(), &[]).unwrap();
            assert!(now().is_some(), "{name}");
        }
        fs::remove_file(workspace.root.join("core/new.rs")).unwrap();
        assert_eq!(now(), None);
        write("core/new.rs", "");
        assert!(now().is_some());

        let mut other = inputs(&workspace);
        other.around = vec!["rustc 2".to_owned()];
        assert_eq!(Passed::new(&workspace, Some(other)).before(&CORE), None);
        let leaves = Step { leaves: "web/dist/index.html", ..CORE };
        assert_eq!(Passed::new(&workspace, Some(inputs(&workspace))).before(&leaves), None, "what it left is gone");
        forget(&workspace, "core").unwrap();
        assert_eq!(now(), None);
    }

    /// A part that reads a package reads what that is built of, and what it looks at beside itself.
    #[test]
    fn parts_read_what_their_packages_are_made_of() {
        let workspace = Workspace::find().unwrap();
        let manifest = fs::read_to_string(workspace.root.join("Cargo.toml")).unwrap();
        let folder_of = |package: &str| {
            let line = manifest.lines().find(|line| line.starts_with(&format!("{package} = {{")))?;
            line.split("path = \"").nth(1)?.split('"').next()
        };
        let files = contents(&workspace).unwrap();
        let mut seen = 0;
        for step in STEPS {
            for path in files.keys().filter(|path| is_read(path, step.reads) && !is_read(path, &[])) {
                let text = fs::read(workspace.root.join(path)).unwrap();
                let text = String::from_utf8_lossy(&text);
                if path.ends_with("Cargo.toml") {
                    for package in
                        text.lines().filter_map(|line| line.split_once(".workspace = true")).map(|(name, _)| name)
                    {
                        let Some(folder) = folder_of(package) else { continue };
                        assert!(
                            is_read(&format!("{folder}/x"), step.reads),
                            "{} reads {path}, and not {folder}",
                            step.name
                        );
                        seen += 1;
                    }
                }
                if path.ends_with(".rs") {
                    for included in text.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                        let file = workspace.root.join(path).parent().unwrap().join(included).canonicalize();
                        let Ok(file) = file else { continue };
                        let file = file.strip_prefix(workspace.root.canonicalize().unwrap()).unwrap().to_owned();
                        assert!(
                            is_read(&file.to_string_lossy(), step.reads),
                            "{} reads {path}, and not {}",
                            step.name,
                            file.display()
                        );
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 50, "{seen}");
    }
}
