//! What documents tell people to type after `cargo xtask` is understood.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};

use crate::Cli;

/// Where commands stand: the project's own documents.
const FOLDERS: [&str; 5] = [".", "docs", "docs/decisions", "wallet-wasm/npm", "tests/browser"];

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = FOLDERS.iter().flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect()
}

/// The arguments after each `cargo xtask` of a text: to the end of its line in a block of code, to the closing backtick elsewhere, and
/// never beyond what joins commands. What stands in brackets may be left out, and is.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (place, part) in text.split("```").enumerate() {
        let end: &[char] = if place % 2 == 1 { &['\n', '&', '|', ';', '#'] } else { &['`', '&', '|', ';', '#'] };
        for rest in part.split("cargo xtask ").skip(1) {
            let command = rest.split(end).next().unwrap_or_default();
            let words = command.split_whitespace().filter(|word| !word.starts_with('['));
            found.push(unquoted(words));
        }
    }
    found
}

/// Words in quotes as one.
fn unquoted<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    let mut is_open = false;
    for word in words {
        match joined.last_mut().filter(|_| is_open) {
            Some(last) => *last += &format!(" {}", word.trim_end_matches('"')),
            None => joined.push(word.trim_matches('"').to_owned()),
        }
        is_open ^= word.matches('"').count() % 2 == 1;
    }
    joined
}

#[test]
fn commands_in_documents_are_understood() {
    Cli::command().debug_assert();
    let mut count = 0;
    for path in documents() {
        for arguments in commands(&fs::read_to_string(&path).unwrap()) {
            let line = ["cargo xtask".to_owned()].into_iter().chain(arguments.iter().cloned());
            if let Err(error) = Cli::try_parse_from(line) {
                panic!("{}: cargo xtask {}: {error}", path.display(), arguments.join(" "));
            }
            count += 1;
        }
    }
    assert!(count > 20, "only {count} commands were found");
}

#[test]
fn commands_are_found_where_they_stand() {
    let text = "`cargo xtask bench\n--wasm` and `cargo xtask web && x`\n```sh\ncargo xtask test --only core\nls\n```\n`cargo xtask bench \"a b\" [C]`";
    let expected = [vec!["bench", "--wasm"], vec!["web"], vec!["test", "--only", "core"], vec!["bench", "a b"]];
    assert_eq!(commands(text), expected);
    assert!(Cli::try_parse_from(["cargo xtask", "test", "--only", "nothing"]).is_err());
}
