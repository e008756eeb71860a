//! `qbtc chain export`: a node's chain as a file of blocks, which another node loads without a network.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
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

/// How many blocks are asked for at once: as many of the largest as an answer may hold.
const BLOCKS_AT_ONCE: u32 = 16;

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
        let is_stdout = self.out.as_os_str() == "-";
        let target: Box<dyn Write> = if is_stdout { Box::new(io::stdout().lock()) } else { Box::new(self.create()?) };
        let mut writer = BlocksWriter::new(BufWriter::new(target));
        let bytes = self.copy(&client, to, &mut writer)?;
        writer.finish().with_context(|| format!("cannot write {}", self.out.display()))?;
        if is_stdout {
            return Ok(());
        }
        show(&Exported { file: self.out, from: self.from, to, bytes }, global.json)
    }

    fn create(&self) -> anyhow::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).create_new(!self.force);
        options.open(&self.out).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => anyhow!("{} is there already; --force replaces it", self.out.display()),
            _ => anyhow!("cannot write {}: {error}", self.out.display()),
        })
    }

    /// Writes the blocks up to a height. Returns how many bytes they have.
    fn copy(&self, client: &Client, to: u32, writer: &mut BlocksWriter<impl Write>) -> anyhow::Result<u64> {
        let bar = progress(u64::from(to - self.from) + 1, "writing blocks");
        let (mut next, mut last, mut written) = (self.from, None, 0);
        while next <= to {
            let end = to.min(next.saturating_add(BLOCKS_AT_ONCE - 1));
            for (height, block) in (next..).zip(blocks(client, next, end)?) {
                let block = hex::decode(&block).with_context(|| format!("block {height}, as the node tells it"))?;
                let header = block.first_chunk().map(Header::from_bytes);
                let header = header.ok_or_else(|| anyhow!("block {height}, as the node tells it: too short"))?;
                if last.is_some_and(|last: BlockHash| last != header.parent) {
                    bail!("the node's chain has changed at block {height}: begin again");
                }
                last = Some(header.id());
                writer.write(&block).with_context(|| format!("cannot write {}", self.out.display()))?;
                written += block.len() as u64;
                bar.inc(1);
            }
            next = end + 1;
        }
        bar.finish_and_clear();
        Ok(written)
    }
}

/// The bytes of blocks at these heights of the node's chain, in hex.
fn blocks(client: &Client, from: u32, to: u32) -> anyhow::Result<Vec<String>> {
    let heights: Vec<Value> = (from..=to).map(|height| json!([height])).collect();
    let ids: Vec<String> = client.batch("getblockhash", &heights)?;
    let wanted: Vec<Value> = ids.into_iter().map(|id| json!([id, 0])).collect();
    client.batch("getblock", &wanted).with_context(|| format!("blocks {from} to {to}"))
}
