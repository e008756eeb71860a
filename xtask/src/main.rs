//! `cargo xtask`: the build's own commands. docs/building.md tells what each is for.
#![allow(clippy::print_stdout, reason = "printing is what a command line does")]

mod bench;
mod browser;
mod counts;
mod debian;
mod demo;
mod deny;
#[cfg(test)]
mod documents_tests;
mod extension;
mod figures;
mod files;
mod fuzz;
mod npm;
mod packages;
mod parts;
mod passed;
mod process;
mod programs;
mod reproduce;
mod setup;
mod sim;
mod site;
mod steps;
mod test;
mod toolchain;
mod tools;
mod wasm;
mod web;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::workspace::Workspace;

const ENVIRONMENT: &str = "\
Environment:
  QBTC_CACHE        Where tools are cached [default: ~/.cache/qbtc]
  QBTC_NO_RUSTUP=1  Keeps rustup from downloading anything
  CARGO_TARGET_DIR  Where cargo builds, as everywhere";

/// The build's own commands
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = ENVIRONMENT)]
enum Cli {
    /// Finds or installs what the other commands need; does nothing where all is there
    Setup,
    /// Builds everything, starts a network on this machine, and prints what to open and to try
    Demo(demo::Options),
    /// Runs every check: format, lints, tests natively, on wasm32 and in Chromium, documentation, short fuzzing
    Test(test::Options),
    /// Measures the criterion benches, natively
    Bench(bench::Options),
    /// Builds core for wasm32 in release and prints its size
    Wasm,
    /// Builds the npm package @qbtc/wallet and prints what it loads
    Npm(npm::Options),
    /// Builds the web app in release, as the node serves it, and prints its sizes
    Web(web::Options),
    /// Builds the browser extension: a folder to load, and an archive of it
    Extension(extension::Options),
    /// Builds what browsers load twice, in two folders, and prints the hashes, which must be the same
    Reproduce,
    /// Holds the dependencies to deny.toml: licences, sources, known vulnerabilities
    Deny,
    /// Runs the fuzz targets of tests/fuzz
    Fuzz(fuzz::Options),
    /// Runs the simulator of the network: hundreds of nodes, hours of their time
    Sim(sim::Options),
}

fn main() -> ExitCode {
    match run() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let cli = Cli::parse();
    process::install_signal_handler()?;
    let workspace = Workspace::find()?;
    match cli {
        Cli::Setup => setup::run(&workspace)?,
        Cli::Demo(options) => demo::run(&workspace, &options)?,
        Cli::Test(options) => return test::run(&workspace, &options),
        Cli::Bench(options) => bench::run(&workspace, &options)?,
        Cli::Wasm => wasm::run(&workspace)?,
        Cli::Npm(options) => npm::run(&workspace, &options)?,
        Cli::Web(options) => web::run(&workspace, &options)?,
        Cli::Extension(options) => extension::run(&workspace, &options)?,
        Cli::Reproduce => reproduce::run(&workspace)?,
        Cli::Deny => deny::run(&workspace)?,
        Cli::Fuzz(options) => fuzz::run(&workspace, &options)?,
        Cli::Sim(options) => sim::run(&workspace, &options)?,
    }
    Ok(ExitCode::SUCCESS)
}
