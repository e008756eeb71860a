//! Reads what test programs print: how many tests passed and failed, and which they were.
//!
//! Rust's own test harness, rustdoc's and wasm-bindgen-test's write the same lines.

use std::collections::BTreeSet;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Counts {
    /// Adds up the `test result:` lines of a log.
    pub(crate) fn of(log: &str) -> Self {
        let mut sum = Self::default();
        for line in log.lines().filter_map(|line| line.trim_start().strip_prefix("test result: ")) {
            let figure = |what: &str| {
                let field = line.split(['.', ';']).find_map(|field| field.trim().strip_suffix(what));
                field.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
            };
            sum.passed += figure("passed");
            sum.failed += figure("failed");
        }
        sum
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The names of the tests in a log of core's tests, as `program::path::of::the_test`.
///
/// Natively a name stands under the line that names its program; on wasm32 it carries its crate itself. Documentation tests
/// are left out: they run natively only.
pub(crate) fn test_names(log: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut program = None;
    for line in log.lines().map(str::trim) {
        if let Some(file) = line.strip_prefix("Running ").and_then(program_of) {
            program = Some(file);
        } else if line.starts_with("Doc-tests ") {
            program = None;
        } else if let (Some(program), Some(name)) = (&program, test_of(line)) {
            let path = name.strip_prefix(&format!("{program}::")).unwrap_or(name);
            names.insert(format!("{program}::{path}"));
        }
    }
    names
}

/// The crate of a test program in `unittests src/lib.rs (target/debug/deps/qbtc_core-0123456789abcdef)`.
fn program_of(line: &str) -> Option<String> {
    let file = line.rsplit_once('(')?.1.strip_suffix(')')?;
    let name = file.rsplit('/').next()?.trim_end_matches(".wasm");
    Some(name.rsplit_once('-')?.0.to_owned())
}

/// The name in `test a::b ... ok`, also in `test a::b - should panic ... ok`.
fn test_of(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("test ")?.split_once(" ... ")?;
    Some(name.trim_end_matches(" - should panic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NATIVE: &str = "\
     Running unittests src/lib.rs (/t/debug/deps/qbtc_core-0123abcd)

running 2 tests
test codec::tests::round_trip ... ok
test codec::tests::refuses - should panic ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/wycheproof.rs (/t/debug/deps/wycheproof-0123abcd)
test level_44 ... FAILED
test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests qbtc_core
test core/src/lib.rs - (line 3) ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn counts_add_up_over_programs() {
        assert_eq!(Counts::of(NATIVE), Counts { passed: 6, failed: 1 });
        assert_eq!(Counts::of("error: could not compile\n"), Counts::default());
    }

    #[test]
    fn names_agree_between_the_two_harnesses() {
        let wasm = "\
     Running unittests src/lib.rs (/t/wasm32-unknown-unknown/debug/deps/qbtc_core-0.wasm)
running 2 tests
test qbtc_core::codec::tests::round_trip ... ok
test qbtc_core::codec::tests::refuses - should panic ... ok
     Running tests/wycheproof.rs (/t/wasm32-unknown-unknown/debug/deps/wycheproof-0.wasm)
test wycheproof::level_44 ... ok
";
        assert_eq!(test_names(NATIVE), test_names(wasm));
        assert_eq!(test_names(wasm).len(), 3);
    }

    #[test]
    fn a_test_that_one_harness_lacks_shows() {
        let fewer = NATIVE.replace("test codec::tests::round_trip ... ok\n", "");
        let lacking: Vec<String> = test_names(NATIVE).difference(&test_names(&fewer)).cloned().collect();
        assert_eq!(lacking, ["qbtc_core::codec::tests::round_trip"]);
    }
}
