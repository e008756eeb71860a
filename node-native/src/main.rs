//! `qbtc`.

use std::process::ExitCode;

/// Nothing but the question comes before the answer: this function, too, is compiled for the processor that may not be there.
fn main() -> ExitCode {
    if qbtc_node::cpu::is_fit() { run() } else { ExitCode::FAILURE }
}

#[inline(never)]
fn run() -> ExitCode {
    qbtc_node::cli::main()
}
