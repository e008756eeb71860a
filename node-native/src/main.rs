//! `qbtc`.

use std::process::ExitCode;

fn main() -> ExitCode {
    qbtc_node::cli::main()
}
