//! The structure of the code, as a test: the order of modules, and the sizes and manners of every source file.
//!
//! Each rule is a function from one file to complaints. It is run over the whole workspace, and over a small bad sample of
//! its own, which shows that it can fail. Rust is read as tokens, so a comment or a string never counts as code.
//!
//! The order of a package's modules is the one in which its lib.rs declares them: a module names only itself and those declared
//! before it. Test code may name any.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The most lines of a file whose head does not say why it is longer.
const FILE_LINES_MAX: usize = 500;
/// The most lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// How the head of a longer file begins its reason.
const LONG_BECAUSE: &str = "//! Long because ";

/// A Rust file of the workspace.
struct Source {
    /// Relative to the workspace, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn tokens(&self) -> Vec<TokenTree> {
        let stream: TokenStream = self.text.parse().unwrap_or_else(|error| panic!("{}: {error}", self.path));
        stream.into_iter().collect()
    }

    fn head(&self) -> impl Iterator<Item = &str> {
        self.text.lines().take_while(|line| line.starts_with("//!"))
    }
}

/// Every Rust file of the workspace but what is built or downloaded.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace");
    let mut folders = vec![root.to_owned()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the workspace can be read") {
            let path: PathBuf = entry.expect("the workspace can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("names are UTF-8");
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "node_modules"].contains(&name) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative =
                    path.strip_prefix(root).expect("found below the root").to_str().expect("names are UTF-8");
                let text = fs::read_to_string(&path).expect("a source file can be read");
                sources.push(Source::new(&relative.replace('\\', "/"), &text));
            }
        }
    }
    assert!(sources.iter().any(|source| source.path == "core/src/lib.rs"), "the walk found the workspace");
    sources
}

/// Runs one rule over the workspace.
fn check(rule: impl Fn(&Source) -> Vec<String>) {
    let complaints: Vec<String> = sources().iter().flat_map(rule).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

// What every file says and how long it is.

fn opens_with_a_head(source: &Source) -> Vec<String> {
    match source.head().next() {
        Some(_) => Vec::new(),
        None => {
            vec![format!("{}:1: open the file with `//!`: what it is, its invariant, what it must not do", source.path)]
        }
    }
}

fn is_short_or_says_why(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let says_why = source.head().any(|line| line.starts_with(LONG_BECAUSE));
    if lines <= FILE_LINES_MAX || says_why {
        return Vec::new();
    }
    vec![format!(
        "{}: {lines} lines of at most {FILE_LINES_MAX}: split it, or add `{LONG_BECAUSE}…` to its head",
        source.path
    )]
}

/// What must not be committed. Written in two parts each, since this file is checked too.
fn unfinished_words() -> [String; 5] {
    [("TO", "DO"), ("FIX", "ME"), ("unimple", "mented!("), ("to", "do!("), ("#[ig", "nore")]
        .map(|(a, b)| format!("{a}{b}"))
}

fn is_finished(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        for word in unfinished_words().iter().filter(|word| line.contains(word.as_str())) {
            complaints.push(format!(
                "{}:{}: `{word}`: do it, or name it as a known limit in docs/",
                source.path,
                number + 1
            ));
        }
    }
    complaints
}

fn has_short_functions(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    measure_functions(&source.tokens(), &mut |name, first, last| {
        let lines = last - first + 1;
        if lines > FUNCTION_LINES_MAX {
            complaints
                .push(format!("{}:{first}: fn {name} has {lines} lines of at most {FUNCTION_LINES_MAX}", source.path));
        }
    });
    complaints
}

/// Calls `found` with the name and the first and last line of each function with a body, nested ones too.
fn measure_functions(tokens: &[TokenTree], found: &mut impl FnMut(&str, usize, usize)) {
    for (at, token) in tokens.iter().enumerate() {
        if let (true, Some(TokenTree::Ident(name))) = (is_word(token, "fn"), tokens.get(at + 1)) {
            let mut rest = tokens[at..].iter().take_while(|token| !is_punct(token, ';'));
            if let Some(body) = rest.find_map(braces) {
                found(&name.to_string(), token.span().start().line, body.span_close().end().line);
            }
        }
        if let TokenTree::Group(group) = token {
            measure_functions(&inside(group), found);
        }
    }
}

// The order of modules.

/// The packages whose modules are in order.
const ORDERED: [&str; 4] = ["core", "node-native", "wallet-wasm", "web"];

/// The modules that a lib.rs declares outside tests, lowest first.
fn declared_modules(lib: &Source) -> Vec<String> {
    let tokens = lib.tokens();
    let is_module = |at: &usize| is_word(&tokens[*at], "mod") && !is_for_tests(&tokens[..*at]);
    (0..tokens.len()).filter(is_module).map(|at| tokens[at + 1].to_string()).collect()
}

/// Complains of each name of a module that is declared after the file's own.
fn imports_downward(package: &str, order: &[String], source: &Source) -> Vec<String> {
    let folder = format!("{package}/src/");
    let Some(path) = source.path.strip_prefix(&folder) else { return Vec::new() };
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
    let is_test_code = parts.iter().any(|part| ["tests", "testing"].contains(part) || part.ends_with("_tests"));
    let Some(own) = order.iter().position(|module| module == parts[0]) else { return Vec::new() };
    if is_test_code {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    name_modules(
        &source.tokens(),
        parts.len(),
        &mut |name, line| match order.iter().position(|module| module == name) {
            Some(named) if named <= own => {}
            Some(_) => complaints
                .push(format!("{folder}{path}:{line}: `{}` names `{name}`, which lib.rs declares after it", parts[0])),
            None => {
                complaints.push(format!("{folder}{path}:{line}: `{name}` is no module that lib.rs declares"));
            }
        },
    );
    complaints
}

/// Calls `found` with each name that follows `crate::`, or as many `super::` as lead to the crate's root, and its line.
/// `depth` is how many modules deep the tokens are. Code for tests is passed over.
fn name_modules(tokens: &[TokenTree], depth: usize, found: &mut impl FnMut(&str, usize)) {
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        if is_word(&rest[0], "crate") && is_path(&rest[1..]) {
            first_names(&rest[3..], found);
        }
        let climbed = supers(rest);
        if climbed > 0 {
            if climbed == depth {
                first_names(&rest[climbed * 3..], found);
            }
            at += climbed * 3;
            continue;
        }
        if let TokenTree::Group(group) = &rest[0] {
            let is_module = at >= 2 && is_word(&tokens[at - 2], "mod");
            if !(group.delimiter() == Delimiter::Brace && is_for_tests(&tokens[..at])) {
                name_modules(&inside(group), depth + usize::from(is_module), found);
            }
        }
        at += 1;
    }
}

/// The names with which the paths begin that stand at the start of `tokens`: one, or those of `{a::b, c}`.
fn first_names(tokens: &[TokenTree], found: &mut impl FnMut(&str, usize)) {
    match tokens.first() {
        Some(TokenTree::Group(group)) => {
            inside(group).split(|token| is_punct(token, ',')).for_each(|path| first_names(path, found));
        }
        Some(name) => found(&name.to_string(), name.span().start().line),
        None => {}
    }
}

/// How many `super ::` follow one another at the start of `tokens`.
fn supers(tokens: &[TokenTree]) -> usize {
    tokens.chunks_exact(3).take_while(|three| is_word(&three[0], "super") && is_path(&three[1..])).count()
}

/// Whether the item whose first tokens these end with has the attribute `#[cfg(test)]`.
fn is_for_tests(before: &[TokenTree]) -> bool {
    let is_end = |token: &TokenTree| is_punct(token, ';') || braces(token).is_some();
    let item = before.iter().rev().take_while(|token| !is_end(token));
    item.filter_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => Some(group.stream().to_string()),
        _ => None,
    })
    .any(|attribute| attribute.replace(' ', "") == "cfg(test)")
}

// Tokens.

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn is_punct(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == punct)
}

/// Whether `tokens` begin with `::`.
fn is_path(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is_punct(first, ':') && is_punct(second, ':'))
}

fn braces(token: &TokenTree) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

fn inside(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

// The workspace keeps the rules.

#[test]
fn every_file_opens_with_a_head() {
    check(opens_with_a_head);
}

#[test]
fn every_file_is_short_or_says_why() {
    check(is_short_or_says_why);
}

#[test]
fn nothing_is_left_unfinished() {
    check(is_finished);
}

#[test]
fn every_function_fits_a_screen() {
    check(has_short_functions);
}

#[test]
fn modules_name_only_those_below_them() {
    for package in ORDERED {
        let root = format!("{package}/src/lib.rs");
        let lib = sources().into_iter().find(|source| source.path == root).expect("the package has a root");
        let order = declared_modules(&lib);
        assert!(order.len() > 3, "the modules of {package} were found: {order:?}");
        check(|source| imports_downward(package, &order, source));
    }
}

#[test]
fn the_lists_of_modules_in_the_documents_are_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace");
    let page = fs::read_to_string(root.join("docs/architecture.md")).expect("the page can be read");
    for package in ORDERED {
        let lib = sources().into_iter().find(|source| source.path == format!("{package}/src/lib.rs"));
        assert_eq!(
            listed_modules(&page, package),
            declared_modules(&lib.expect("the package has a root")),
            "{package}"
        );
    }
}

/// The names in the first column of the page's table of a package's modules.
fn listed_modules(page: &str, package: &str) -> Vec<String> {
    let head = format!("| module of {package} |");
    let rows =
        page.lines().skip_while(|line| !line.starts_with(&head)).skip(2).take_while(|line| line.starts_with("| `"));
    rows.filter_map(|row| row.split('`').nth(1)).map(str::to_owned).collect()
}

// The rules can fail.

#[test]
fn a_file_without_head_is_found() {
    assert_eq!(opens_with_a_head(&Source::new("a.rs", "// no head\nfn f() {}\n")).len(), 1);
    assert_eq!(opens_with_a_head(&Source::new("a.rs", "//! A head.\n")).len(), 0);
}

#[test]
fn a_long_file_is_found_unless_its_head_says_why() {
    let lines = |count: usize| "\n".repeat(count);
    assert_eq!(is_short_or_says_why(&Source::new("a.rs", &lines(FILE_LINES_MAX))).len(), 0);
    assert_eq!(is_short_or_says_why(&Source::new("a.rs", &lines(FILE_LINES_MAX + 1))).len(), 1);
    let reasoned = format!("//! A table.\n{LONG_BECAUSE}it is one.\n{}", lines(FILE_LINES_MAX));
    assert_eq!(is_short_or_says_why(&Source::new("a.rs", &reasoned)).len(), 0);
    let below_the_head = format!("//! A table.\n\n{LONG_BECAUSE}it is one.\n{}", lines(FILE_LINES_MAX));
    assert_eq!(is_short_or_says_why(&Source::new("a.rs", &below_the_head)).len(), 1);
}

#[test]
fn unfinished_work_is_found() {
    for word in unfinished_words() {
        assert_eq!(is_finished(&Source::new("a.rs", &format!("//! A.\nfn f() {{}} // {word}"))).len(), 1, "{word}");
    }
}

#[test]
fn a_long_function_is_found_wherever_it_is() {
    let function = |lines: usize| format!("fn f() {{{}}}", "\n".repeat(lines - 1));
    let count = |text: &str| has_short_functions(&Source::new("a.rs", text)).len();
    assert_eq!(count(&function(FUNCTION_LINES_MAX)), 0);
    assert_eq!(count(&function(FUNCTION_LINES_MAX + 1)), 1);
    assert_eq!(count(&format!("impl A {{ {} }}", function(FUNCTION_LINES_MAX + 1))), 1);
    assert_eq!(count(&format!("trait A {{ fn g(); const B: () = {{ {} }}; }}", "\n".repeat(FUNCTION_LINES_MAX))), 0);
}

#[test]
fn the_order_is_that_of_the_root() {
    let lib = Source::new(
        "core/src/lib.rs",
        "pub mod low;\n/// High.\npub mod high;\n#[cfg(test)]\nmod testing;\nmod top;\n",
    );
    assert_eq!(declared_modules(&lib), ["low", "high", "top"]);
}

#[test]
fn a_name_from_above_is_found_however_it_is_written() {
    let order = ["low", "mid", "high"].map(String::from);
    let complaints = |path: &str, text: &str| imports_downward("core", &order, &Source::new(path, text)).len();
    let from_mid = |text: &str| complaints("core/src/mid/part.rs", text);
    for good in [
        "use crate::low::A;",
        "use crate::{low::{self, B}, mid::C};",
        "use super::D;",
        "use super::super::low::E;",
        "// crate::high::A\nconst S: &str = \"crate::high::A\";",
        "#[cfg(test)]\nmod tests { use crate::high::A; use crate::testing::test; }",
        "pub(crate) struct A; mod inner { use super::super::B; }",
    ] {
        assert_eq!(from_mid(good), 0, "{good}");
    }
    for bad in [
        "use crate::high::A;",
        "use crate::{low::B, high::A};",
        "use super::super::high::A;",
        "mod inner { use super::super::super::high::A; }",
        "fn f() -> crate::high::A { g() }",
        "fn f() { assert_eq!(crate::high::A, 1) }",
        "use crate::unheard_of::A;",
        "use crate::*;",
        "#[cfg(test)]\nmod tests { use crate::low::A; }\nmod inner { use crate::high::A; }",
    ] {
        assert_eq!(from_mid(bad), 1, "{bad}");
    }
    assert_eq!(complaints("core/src/low.rs", "use super::mid::A;"), 1);
    assert_eq!(complaints("core/src/mid/mod.rs", "use super::low::A;"), 0);
    assert_eq!(complaints("core/src/mid/tests.rs", "use crate::high::A;"), 0);
    assert_eq!(complaints("xtask/src/main.rs", "use crate::high::A;"), 0);
}
