//! Prometheus's own check of metrics.

use std::io::Write;
use std::process::{Command, Stdio};

/// Names the program; `cargo xtask test` sets it to one that it has found or fetched.
const PROGRAM: &str = "QBTC_TEST_PROMTOOL";

/// Checks that Prometheus can read a text, and that its names keep to the conventions. Where there is no promtool and none was named,
/// nothing is checked.
///
/// # Panics
/// If promtool finds a fault, or the named one does not run.
pub fn check(text: &str) {
    let named = std::env::var_os(PROGRAM);
    let mut command = Command::new(named.as_deref().unwrap_or("promtool".as_ref()));
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = match command.spawn() {
        Ok(promtool) => promtool,
        Err(error) => {
            assert!(named.is_none(), "{PROGRAM}={named:?} does not run: {error}");
            eprintln!("skipped: there is no promtool (Debian package prometheus)");
            return;
        }
    };
    promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("promtool reads all");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}{}", String::from_utf8_lossy(&output.stdout));
}
