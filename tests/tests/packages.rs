//! The table of packages in docs/architecture.md, held to the manifests: who may depend on whom.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The project's packages that others may depend on, and their folders.
const PACKAGES: [(&str, &str); 5] = [
    ("qbtc-core", "core"),
    ("qbtc-node", "node-native"),
    ("qbtc-wallet-wasm", "wallet-wasm"),
    ("qbtc-web", "web"),
    ("qbtc-tests", "tests"),
];

/// The folders of PACKAGES that these words name.
fn folders(words: &[&str]) -> BTreeSet<String> {
    let is_named = |folder: &&str| words.contains(folder);
    PACKAGES.iter().map(|(_, folder)| *folder).filter(is_named).map(str::to_owned).collect()
}

/// Each row of the table: a package's folder, and the folders that its last column names.
fn listed_packages(page: &str) -> Vec<(String, BTreeSet<String>)> {
    let rows = page.lines().skip_while(|line| !line.starts_with("| folder | package |")).skip(2);
    let cells = rows.take_while(|line| line.starts_with("| [")).map(|row| row.split('|').map(str::trim).collect());
    cells
        .filter(|cells: &Vec<&str>| cells[2].starts_with('`'))
        .map(|cells| {
            let folder = cells[1].trim_start_matches('[').split(']').next().unwrap_or_default();
            // What its tests have beside stands behind "its tests:".
            let words = cells[4].replace("its tests:", "");
            (folder.to_owned(), folders(&words.split([',', ';', ' ']).collect::<Vec<_>>()))
        })
        .collect()
}

/// The folders of the project's packages that a manifest depends on, for its tests too.
fn depended_on(manifest: &str) -> BTreeSet<String> {
    let keys = manifest.lines().map(|line| line.split(['.', ' ', '=']).next().unwrap_or_default());
    let named = PACKAGES.iter().filter(|(package, _)| keys.clone().any(|key| key == *package));
    named.map(|(_, folder)| (*folder).to_owned()).collect()
}

#[test]
fn the_table_of_packages_is_what_the_manifests_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let listed = listed_packages(&read("docs/architecture.md"));
    assert_eq!(listed.len(), 6, "{listed:?}");
    for (folder, named) in listed {
        assert_eq!(named, depended_on(&read(&format!("{folder}/Cargo.toml"))), "{folder}");
    }
}

#[test]
fn a_table_that_says_otherwise_is_found() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let page = "| folder | package | what | may |\n|---|---|---|---|\n| [a](../a) | `q` | x | core; its tests: tests |\n\
        | [b](../b) | `r` | x | nothing here |\n| [c](../c) | – | y | – |\n";
    let expected = [("a".to_owned(), set(&["core", "tests"])), ("b".to_owned(), set(&[]))];
    assert_eq!(listed_packages(page), expected);
    let manifest = "[package]\nname = \"qbtc-node\"\n[dependencies]\nqbtc-core.workspace = true\nqbtc-web-else = 1\n";
    assert_eq!(depended_on(manifest), set(&["core"]));
}
