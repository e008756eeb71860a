//! Makes a long chain of blocks without payments, for nodes to load and light clients to be tried against. It wants a spec by which every other hash is a
//! block, and writes what `qbtc node --load-blocks` reads. Blocks are as far apart as the spec wants them, so that the difficulty stays as it is.
//!
//! `long_chain SPEC FILE=BLOCKS[xADDRESSES]…`: the first so many blocks go to the first file, the next to the next; each pays to so many addresses, or to one. The
//! spec is one of `qbtc chain new --bits 207fffff --bits-limit 207fffff --time …`.

use std::fs::{self, File};
use std::io::BufWriter;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressIterator as _};
use qbtc_core::chain::HeaderTree;
use qbtc_core::commit::mmr::{Node, Peaks};
use qbtc_core::hash::sha256d;
use qbtc_core::header::Header;
use qbtc_core::lock::{Address, Lock};
use qbtc_core::mempool::{EXTRANONCE_BYTES, Mempool, Payout, Policy, Solution, TemplateContext};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::TxOut;
use qbtc_core::units::{Amount, BlockTime, Height, Target};
use qbtc_node::blocks_file::BlocksWriter;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let spec = arguments.next().context("expected SPEC FILE=BLOCKS[xADDRESSES]…")?;
    let spec = ChainSpec::from_toml(&fs::read_to_string(&spec).with_context(|| format!("the spec {spec}"))?)?;
    let mut chain = Chain::new(&spec)?;
    for part in arguments {
        let expected = || format!("{part}: expected FILE=BLOCKS[xADDRESSES]");
        let (file, numbers) = part.rsplit_once('=').with_context(expected)?;
        let (blocks, addresses) = numbers.split_once('x').unwrap_or((numbers, "1"));
        let blocks: u32 = blocks.parse().with_context(expected)?;
        let addresses: u32 = addresses.parse().with_context(expected)?;
        let mut writer = BlocksWriter::new(BufWriter::new(File::create(file)?));
        for _ in (0..blocks).progress_with(ProgressBar::new(blocks.into())) {
            writer.write(&chain.next_block(addresses)?)?;
        }
        writer.finish()?;
    }
    Ok(())
}

/// A chain up to some block: all that the next one is made from.
struct Chain<'a> {
    spec: &'a ChainSpec,
    headers: HeaderTree,
    history: Peaks,
    tip: Header,
}

impl<'a> Chain<'a> {
    fn new(spec: &'a ChainSpec) -> anyhow::Result<Self> {
        let tip = spec.genesis().header;
        let mut chain = Self { spec, headers: HeaderTree::new(spec), history: Peaks::new(), tip };
        chain.append(tip)?;
        Ok(chain)
    }

    fn append(&mut self, header: Header) -> anyhow::Result<()> {
        let work = Target::from_compact(header.bits)?.work();
        self.history.append(Node::leaf(header.id(), work, header.time))?;
        self.tip = header;
        Ok(())
    }

    /// The bytes of one more block that pays to so many addresses.
    fn next_block(&mut self, addresses: u32) -> anyhow::Result<Vec<u8>> {
        let (parent, height) = (self.tip.id(), Height(self.history.blocks()));
        let context = TemplateContext {
            parent,
            height,
            version: self.tip.version,
            bits: self.headers.next_bits(&parent, self.spec)?,
            median_time_past: self.headers.median_time(&parent).context("the tip is in the tree")?,
            history_root: self.history.root(),
        };
        // Others each time: a wallet has use for one block in many at most.
        let address =
            |number: u32| Address::from_bytes(sha256d([height.0, number].map(u32::to_le_bytes).as_flattened()));
        let amount = Amount::from_quanta(PAID_EACH)?;
        let each = |number| TxOut { amount, lock: Lock::Address(address(number)) };
        let payout = Payout { outputs: (1..addresses).map(each).collect(), ..Payout::to(address(0)) };
        let template = Mempool::new(Policy::default(), height).template(&context, &payout, self.spec)?;
        let time = BlockTime(self.tip.time.0 + self.spec.consensus().spacing_s);
        let solution = |nonce| Solution { version: context.version, time, nonce, extranonce: [0; EXTRANONCE_BYTES] };
        let meets = |nonce: &u32| self.spec.consensus().pow.check_work(&template.header(&solution(*nonce))).is_ok();
        let nonce = (0..NONCES_MAX).find(meets).context("the spec wants too much work: give it --bits 207fffff")?;
        let block = template.block(&solution(nonce));
        self.headers.insert(block.header, time, self.spec)?;
        self.append(block.header)?;
        Ok(block.to_bytes())
    }
}

/// What each address gets but the first, which gets the rest; in quanta.
const PAID_EACH: u64 = 100_000;
/// Where every other hash is a block, so many that are none do not happen.
const NONCES_MAX: u32 = 1_000;
