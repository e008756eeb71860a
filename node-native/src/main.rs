//! `qbtc`.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(missing) = qbtc_node::cpu::missing_instructions() {
        eprintln!("error: {missing}");
        return ExitCode::FAILURE;
    }
    qbtc_node::cli::main()
}
