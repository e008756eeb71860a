//! The error codes that the npm package promises in its types are those that the program can throw.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Codes that the layer in TypeScript makes by itself.
const OF_THE_LAYER: [&str; 3] = ["aborted", "freed", "load"];
/// Where an error's code stands beside its variant.
const TABLES: [&str; 2] = ["transport/error.rs", "npm/light/shown.rs"];

fn wallet_wasm() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").join("wallet-wasm")
}

/// The literals that follow a call, whatever white space rustfmt has put between.
fn literals_after<'a>(text: &'a str, call: &str) -> Vec<&'a str> {
    let calls = text.split(call).skip(1);
    let literal = |rest: &'a str| rest.trim_start().strip_prefix('"')?.split('"').next();
    calls.filter_map(literal).collect()
}

fn thrown() -> BTreeSet<String> {
    let source = wallet_wasm().join("src");
    let mut files = vec![source.join("amount.rs")];
    let mut folders = vec![source.join("failure"), source.join("npm")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut codes = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file can be read");
        for call in ["Failure::new(", "Self::new("] {
            codes.extend(literals_after(&text, call).into_iter().map(str::to_owned));
        }
    }
    for table in TABLES {
        let text = fs::read_to_string(source.join(table)).expect("a source file can be read");
        let rows =
            text.lines().map(str::trim).filter(|line| line.starts_with("Self::") || line.starts_with("QueryError::"));
        codes.extend(rows.flat_map(|row| literals_after(row, "=> ")).map(str::to_owned));
    }
    codes
}

fn promised() -> BTreeSet<String> {
    let text = fs::read_to_string(wallet_wasm().join("npm/src/errors.ts")).expect("the types are there");
    let (_, union) = text.split_once("export type ErrorCode =").expect("the union of codes");
    let (union, _) = union.split_once(';').expect("the end of the union");
    let lines = union.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split('\'').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn every_code_that_is_thrown_is_promised_and_the_other_way_round() {
    let (mut thrown, promised) = (thrown(), promised());
    assert!(thrown.len() > 100, "{thrown:?}");
    thrown.extend(OF_THE_LAYER.map(str::to_owned));
    let unknown: Vec<_> = thrown.difference(&promised).collect();
    let never: Vec<_> = promised.difference(&thrown).collect();
    assert!(unknown.is_empty(), "wallet-wasm/npm/src/errors.ts lacks {unknown:?}");
    assert!(never.is_empty(), "nothing throws {never:?}");
}

/// The errors of core that reach who only signs, as wallet-wasm/src/failure/codes.rs names them.
const OF_SIGNING: [&str; 12] = [
    "AmountError",
    "AddressTextError",
    "MnemonicError",
    "PathError",
    "CryptoError",
    "PartialError",
    "MessageError",
    "ConditionsError",
    "TreeError",
    "LayoutError",
    "HashTextError",
    "CodecError",
];
/// Modules with exports for who only signs, beside what they convert from core's errors.
const MODULES_OF_SIGNING: [&str; 10] = [
    "amount.rs",
    "npm/account.rs",
    "npm/chain.rs",
    "npm/coins.rs",
    "npm/message.rs",
    "npm/mnemonic.rs",
    "npm/mod.rs",
    "npm/partial.rs",
    "npm/tree.rs",
    "npm/value.rs",
];
/// Of those, what only the other programs throw: they verify, take in what other signers give, read paths as text, and name the place of a panic.
const NOT_BY_SIGNING: [&str; 12] = [
    "context-length",
    "fatal",
    "message-base64",
    "message-not-one",
    "message-version",
    "message-witness",
    "partial-different",
    "path-branch",
    "path-form",
    "path-purpose",
    "path-scheme",
    "signature-invalid",
];

#[test]
fn who_only_signs_has_a_sentence_for_each_error() {
    let source = wallet_wasm().join("src");
    let read = |name: &str| fs::read_to_string(source.join(name)).expect("a source file can be read");
    let conversions = read("failure/codes.rs");
    let of_signing = conversions.split("\nimpl From<").skip(1).filter(|conversion| {
        OF_SIGNING.iter().any(|error| conversion.strip_prefix(error).is_some_and(|rest| rest.starts_with('>')))
    });
    let mut thrown: BTreeSet<String> =
        of_signing.flat_map(|text| literals_after(text, "Self::new(")).map(str::to_owned).collect();
    for name in MODULES_OF_SIGNING {
        thrown.extend(literals_after(&read(name), "Failure::new(").into_iter().map(str::to_owned));
    }
    let table = fs::read_to_string(wallet_wasm().join("npm/src/sentences.ts")).expect("the sentences are there");
    let rows = table.lines().filter_map(|line| line.strip_prefix("  '")?.split_once("': '"));
    let sentences: BTreeSet<String> = rows.map(|(code, _)| code.to_owned()).collect();
    let dumb: Vec<_> = thrown.difference(&sentences).filter(|code| !NOT_BY_SIGNING.contains(&code.as_str())).collect();
    let never: Vec<_> = sentences.difference(&thrown).collect();
    assert!(dumb.is_empty(), "wallet-wasm/npm/src/sentences.ts lacks {dumb:?}");
    assert!(never.is_empty(), "no program without sentences throws {never:?}");
}

#[test]
fn literals_are_found_across_lines() {
    let text = "Failure::new(\"one\", x); Failure::new(\n    \"two\",\n y); Failure::new(code, z)";
    assert_eq!(literals_after(text, "Failure::new("), ["one", "two"]);
}
