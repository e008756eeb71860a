//! The manners of the scripts, in JavaScript and TypeScript: each says what it is, and none is too long.

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a script.
const FILE_LINES_MAX: usize = 500;

/// Where scripts lie that are ours.
const SCRIPTS: [&str; 5] = ["wallet-wasm/npm", "tests/browser", "www", "web/src", "xtask/src"];

/// A script, and its path in the workspace.
struct Script {
    path: String,
    text: String,
}

fn scripts() -> Vec<Script> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace");
    let mut folders: Vec<PathBuf> = SCRIPTS.iter().map(|folder| root.join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                if !path.ends_with("node_modules") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ending| ["js", "mjs", "ts"].iter().any(|known| ending == *known)) {
                let text = fs::read_to_string(&path).expect("a script can be read");
                let path = path.strip_prefix(root).expect("found below").to_string_lossy().into_owned();
                sources.push(Script { path, text });
            }
        }
    }
    sources
}

fn is_a_tidy_script(source: &Script) -> Vec<String> {
    let mut complaints = Vec::new();
    if !["//", "/*", "#!"].iter().any(|head| source.text.starts_with(head)) {
        complaints.push(format!("{}:1: open the file with a comment that says what it is", source.path));
    }
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        complaints.push(format!("{}: {lines} lines of at most {FILE_LINES_MAX}: split it", source.path));
    }
    complaints
}

#[test]
fn every_script_has_a_head_and_is_short() {
    let scripts = scripts();
    assert!(scripts.iter().any(|script| script.path.ends_with("npm/src/types.ts")), "the walk found the scripts");
    let complaints: Vec<String> = scripts.iter().flat_map(is_a_tidy_script).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn an_untidy_script_is_found() {
    let script = |path: &str, text: &str| Script { path: path.to_owned(), text: text.to_owned() };
    assert_eq!(is_a_tidy_script(&script("a.ts", "// What it is.\n")).len(), 0);
    assert_eq!(is_a_tidy_script(&script("a.ts", "import a;\n")).len(), 1);
    let long = format!("// What it is.\n{}", "\n".repeat(FILE_LINES_MAX));
    assert_eq!(is_a_tidy_script(&script("a.ts", &long)).len(), 1);
}
