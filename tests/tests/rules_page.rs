//! docs/rules.md against the code: each variant of the error enums that it covers stands there, each name there exists in the file
//! that its row (or the section above its table) links to, and each link leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The files whose error enums are rules.
const RULE_FILES: [&str; 11] = [
    "core/src/codec.rs",
    "core/src/block/mod.rs",
    "core/src/block/coinbase.rs",
    "core/src/lock/condition.rs",
    "core/src/pow/algorithm.rs",
    "core/src/verify/header.rs",
    "core/src/verify/transaction.rs",
    "core/src/verify/resolve.rs",
    "core/src/verify/witness.rs",
    "core/src/verify/block.rs",
    "core/src/chain/header_tree/mod.rs",
];
/// Enums of those files that report no broken rule: whose fault a failure is, and what a tree may grow on.
const NO_RULES: [&str; 2] = ["ResolveError", "BaseError"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `Enum::Variant` for every variant of every public enum of a source text whose name ends in `Error`.
fn error_variants(source: &str) -> BTreeSet<String> {
    let tokens: Vec<_> = source.parse::<TokenStream>().expect("it compiles").into_iter().collect();
    let mut variants = BTreeSet::new();
    for window in tokens.windows(3) {
        let [TokenTree::Ident(keyword), TokenTree::Ident(name), rest] = window else { continue };
        let name = name.to_string();
        if keyword != "enum" || !name.ends_with("Error") || NO_RULES.contains(&name.as_str()) {
            continue;
        }
        let TokenTree::Group(body) = rest else { panic!("enum {name} has parameters, which this test does not know") };
        assert_eq!(body.delimiter(), Delimiter::Brace);
        // In the body of an enum, an identifier at the outer level is a variant; attributes and fields are groups.
        let idents = body.stream().into_iter().filter_map(|token| match token {
            TokenTree::Ident(variant) => Some(format!("{name}::{variant}")),
            _ => None,
        });
        variants.extend(idents);
    }
    variants
}

/// The texts in backquotes that name a variant.
fn named_variants(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|text| text.contains("Error::"))
}

/// The targets of Markdown links, relative to docs/.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn every_rule_stands_on_the_page_once_and_nothing_else_does() {
    let page = read("docs/rules.md");
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let named: Vec<_> = rows.flat_map(named_variants).map(str::to_owned).collect();
    let unique: BTreeSet<_> = named.iter().cloned().collect();
    assert_eq!(named.len(), unique.len(), "a rule stands twice on docs/rules.md: {named:?}");
    let in_code: BTreeSet<_> = RULE_FILES.iter().flat_map(|path| error_variants(&read(path))).collect();
    assert_eq!(unique.difference(&in_code).collect::<Vec<_>>(), Vec::<&String>::new(), "on docs/rules.md only");
    assert_eq!(in_code.difference(&unique).collect::<Vec<_>>(), Vec::<&String>::new(), "missing on docs/rules.md");
}

#[test]
fn every_row_links_to_the_file_that_has_its_rule() {
    let page = read("docs/rules.md");
    let mut section = Vec::new();
    for line in page.lines() {
        if line.starts_with('#') {
            section.clear();
        }
        let mut files: Vec<_> = links(line).collect();
        if !line.starts_with('|') {
            section.extend(files);
            continue;
        }
        files.extend(&section);
        for variant in named_variants(line) {
            let (_, name) = variant.split_once("::").expect("of the form Enum::Variant");
            let has_rule = |file: &&str| read(&format!("docs/{file}")).contains(name);
            assert!(files.iter().any(has_rule), "no file linked in this row has {variant}: {line}");
        }
    }
}

#[test]
fn links_of_all_pages_lead_somewhere() {
    let mut pages: Vec<_> = ["README.md", "docs", "docs/decisions"].map(|place| root().join(place)).into();
    let mut checked = 0;
    while let Some(page) = pages.pop() {
        if page.is_dir() {
            let entries =
                fs::read_dir(&page).expect("it can be read").map(|entry| entry.expect("it can be read").path());
            pages.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
            continue;
        }
        let text = fs::read_to_string(&page).expect("it can be read");
        for link in text.lines().flat_map(links).filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let path = link.split('#').next().expect("split gives at least one");
            let target = page.parent().expect("a file lies somewhere").join(path);
            assert!(target.exists(), "{}: link to {link}, which does not exist", page.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} links found");
}

#[test]
fn the_reader_of_enums_finds_variants_and_nothing_else() {
    let source =
        "/// Doc.\npub enum XError { /// A.\n#[error(\"a\")] A, B { c: u8 }, D(#[from] E) } pub enum Other { F }";
    assert_eq!(error_variants(source).into_iter().collect::<Vec<_>>(), ["XError::A", "XError::B", "XError::D"]);
}
