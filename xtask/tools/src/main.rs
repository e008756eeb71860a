//! `wasm-bindgen` and `wasm-bindgen-test-runner` in one program that acts by the name it is called by.
//!
//! As `wasm-bindgen` it first splits a program that asks for it ([`split`]): Trunk calls it, and calls nothing between the linker and it.
//!
//! The tool must have exactly the version of the `wasm-bindgen` library in the tested code. As a member of the workspace this
//! package takes that version from the one Cargo.lock, so the two cannot drift apart. `cargo xtask setup` builds it and
//! hard-links it under both names in the cache. It is a package of its own because it costs a minute to build, which `xtask`
//! itself must not.

mod split;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_stem().unwrap_or_default();
    let result = match name.to_str() {
        Some("wasm-bindgen") => {
            split::split(std::env::args_os().collect()).and_then(wasm_bindgen_cli::wasm_bindgen::run_cli_with_args)
        }
        Some("wasm-bindgen-test-runner") => {
            wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os())
        }
        _ => Err(anyhow::anyhow!(
            "called as `{}`: call this program as `wasm-bindgen` or `wasm-bindgen-test-runner` (`cargo xtask setup` links it so)",
            name.display()
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}
