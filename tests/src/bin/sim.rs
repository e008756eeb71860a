//! Runs one scenario of the simulator: what `cargo xtask sim` starts. Its arguments are those of a scenario, and `--json`.
#![allow(clippy::print_stdout, reason = "printing is what a command line does")]

use std::process::ExitCode;
use std::time::Instant;

use qbtc_tests::sim::{Scenario, run};

fn main() -> ExitCode {
    let (flags, arguments): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word == "--json");
    let scenario = match Scenario::from_arguments(&arguments) {
        Ok(scenario) => scenario,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let started = Instant::now();
    match run(&scenario) {
        Ok(report) if !flags.is_empty() => {
            println!("{}", report.to_json());
            ExitCode::SUCCESS
        }
        Ok(report) => {
            println!("{report}\nin {:.1} s", started.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
