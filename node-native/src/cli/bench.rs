//! `qbtc bench`: what this machine can do.

use std::path::PathBuf;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::ProgressBar;

use super::options::GlobalOptions;
use super::output::{print, print_json};
use crate::bench::{BenchOptions, Figure, Part};

/// Measures this machine and the node's promises of speed. Takes minutes; use a release build.
#[derive(Args)]
pub(super) struct BenchCommand {
    /// What to measure [default: everything].
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// How many blocks of 100 payments are imported.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    blocks: u32,
    /// How many coins a node is started with.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(5_000..))]
    coins: u32,
    /// How many blocks are fetched from a peer.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    sync_blocks: u32,
    /// Where data is kept meanwhile: about 3 GB for 2,000 blocks [default: the system's folder for temporary files].
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl BenchCommand {
    pub(super) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        let options =
            BenchOptions { blocks: self.blocks, coins: self.coins, sync_blocks: self.sync_blocks, folder: self.folder };
        let parts = if self.parts.is_empty() { Part::ALL.to_vec() } else { self.parts };
        let progress = ProgressBar::new_spinner();
        let mut figures = Vec::new();
        for part in parts {
            figures.extend(part.run(&options, &|doing| {
                progress.set_message(format!("{part:?}: {doing}"));
                progress.tick();
            })?);
        }
        progress.finish_and_clear();
        if cfg!(debug_assertions) {
            tracing::warn!("a debug build: its figures mean nothing");
        }
        if global.json { print_json(&figures) } else { print(&table(&figures)) }
    }
}

fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["", "measured", "", "promised", ""]);
    for figure in figures {
        let digits = if figure.measured >= 100.0 { 0 } else { 2 };
        let promised = figure.bound.map_or_else(String::new, |bound| bound.to_string());
        let verdict = match figure.bound {
            None => "",
            Some(_) if figure.is_met() => "met",
            Some(_) => "MISSED",
        };
        let measured = format!("{:.digits$}", figure.measured);
        table.add_row([figure.claim.as_str(), &measured, figure.unit, &promised, verdict]);
    }
    for column in [1, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
