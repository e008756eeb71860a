//! `qbtc chain export`: a node's chain as a file of blocks, which another node loads without a network.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use serde::Serialize;
use serde_json::{Value, json};

use crate::blocks_file::BlocksWriter;
use crate::cli::options::{GlobalOptions, NodeOptions};
use crate::cli::output::{progress, show};
use crate::client::Client;

/// How many ids are asked for at once.
const IDS_AT_ONCE: u32 = 1_000;

const EXAMPLES: &str = "\
The blocks are those of the node's chain, from the first after the genesis block. Whoever loads them checks each, as if a peer had sent it.

Examples:
  qbtc chain export --out blocks            then, elsewhere: qbtc node --load-blocks blocks
  qbtc chain export --from 250000 --out more
  qbtc chain export --out - | zstd > blocks.zst";

/// Writes a node's chain to a file, for a machine without a network.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct ExportCommand {
    /// The file; `-` for stdout.
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The height of the first block.
    #[arg(long, value_name = "HEIGHT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    from: u32,
    /// The height of the last block [default: the tip's].
    #[arg(long, value_name = "HEIGHT")]
    to: Option<u32>,
    /// Replaces a file that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    node: NodeOptions,
}

/// What was written.
#[derive(Serialize)]
struct Exported {
    file: PathBuf,
    from: u32,
    to: u32,
    bytes: u64,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, from, to, bytes } = self;
        write!(f, "blocks {from} to {to}, {bytes} bytes, written to {}", file.display())
    }
}

impl ExportCommand {
    pub(in crate::cli) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        let client = self.node.client(global, &global.spec()?)?;
        let tip: u32 = client.call("getblockcount", json!([]))?;
        let to = self.to.unwrap_or(tip);
        if to > tip || to < self.from {
            bail!("blocks {} to {to}: the node's chain has blocks 1 to {tip}", self.from);
        }
        if self.out.as_os_str() == "-" {
            drop(self.copy(&client, to, io::stdout().lock())?);
            return Ok(());
        }
        if !self.force && self.out.exists() {
            bail!("{} is there already; --force replaces it", self.out.display());
        }
        // Beside it, so that a file that is there is whole.
        let mut draft = self.out.clone().into_os_string();
        draft.push(".new");
        let written = File::create(&draft).map_err(Into::into).and_then(|file| {
            let (file, bytes) = self.copy(&client, to, file)?;
            file.sync_all()?;
            fs::rename(&draft, &self.out)?;
            Ok(bytes)
        });
        let bytes = written.inspect_err(|_: &anyhow::Error| {
            // What is there of it is of no use; and why it failed matters more than that it stays.
            let _ = fs::remove_file(&draft);
        });
        let bytes = bytes.with_context(|| format!("{} is not written", self.out.display()))?;
        show(&Exported { file: self.out, from: self.from, to, bytes }, global.json)
    }

    /// Writes the blocks up to a height. Returns how many bytes they have.
    fn copy<W: Write>(&self, client: &Client, to: u32, target: W) -> anyhow::Result<(W, u64)> {
        let mut writer = BlocksWriter::new(BufWriter::new(target));
        let bar = progress(u64::from(to - self.from) + 1, "writing blocks");
        let (mut next, mut last, mut written) = (self.from, None, 0);
        while next <= to {
            let end = to.min(next.saturating_add(IDS_AT_ONCE - 1));
            let heights: Vec<Value> = (next..=end).map(|height| json!([height])).collect();
            let ids: Vec<String> = client.batch("getblockhash", &heights)?;
            for (height, id) in (next..).zip(ids) {
                let block: String =
                    client.call("getblock", json!([id, 0])).with_context(|| format!("block {height}"))?;
                let block = hex::decode(&block).with_context(|| format!("block {height}, as the node tells it"))?;
                let header = block.first_chunk().map(Header::from_bytes);
                let header = header.ok_or_else(|| anyhow!("block {height}, as the node tells it: too short"))?;
                if last.is_some_and(|last: BlockHash| last != header.parent) {
                    bail!("the node's chain has changed at block {height}: begin again");
                }
                last = Some(header.id());
                writer.write(&block)?;
                written += block.len() as u64;
                bar.inc(1);
            }
            next = end + 1;
        }
        bar.finish_and_clear();
        let target = writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((target, written))
    }
}
