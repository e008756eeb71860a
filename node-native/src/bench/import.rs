//! Importing a chain of payments.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Instant;

use qbtc_core::units::Height;
use qbtc_core::verify::VerifiedCache;

use super::chain::{BenchNode, MadeChain, Owner, make_chain, processor_time};
use super::figure::{Bound, Figure};
use super::{BenchOptions, folder, runtime};
use crate::blocks_file::BlocksReader;
use crate::driver::VERIFIED_CACHE_ENTRIES;
use crate::import::import_knowing;

/// Payments in each block.
const PAYMENTS: usize = 100;

pub(super) fn run(options: &BenchOptions, tell: &dyn Fn(&str)) -> anyhow::Result<Vec<Figure>> {
    let folder = folder(options)?;
    runtime()?.block_on(async {
        let owner = Owner::new(PAYMENTS);
        let groups = owner.allotments().into_iter().map(|coin| vec![coin]).collect();
        let chain = make_chain(folder.path(), &owner, groups, options.blocks, tell).await?;
        measure(folder.path(), &owner, &chain, tell).await
    })
}

async fn measure(folder: &Path, owner: &Owner, chain: &MadeChain, tell: &dyn Fn(&str)) -> anyhow::Result<Vec<Figure>> {
    let before = owner.raw_verification_seconds();
    tell("importing, signatures unknown");
    let unknown = time_import(folder, owner, chain, VerifiedCache::new(VERIFIED_CACHE_ENTRIES)).await?;
    let raw = f64::midpoint(before, owner.raw_verification_seconds());
    let on_all = owner.raw_on_all_processors();
    tell("importing, signatures known");
    let known = time_import(folder, owner, chain, cache(chain)).await?;
    tell("committing each block, signatures known");
    let each = commit_each_seconds(folder, owner, chain).await?;
    let cores = std::thread::available_parallelism()?.get() as f64;
    let signatures = chain.signatures as f64;
    let best = signatures * raw / cores;
    Ok(vec![
        Figure::plain("raw verification of ML-DSA-87", raw * 1e6, "µs"),
        Figure::plain("import, signatures unknown", unknown.seconds, "s"),
        Figure::bounded(
            "import / raw verifications on all processors",
            unknown.seconds / best,
            "",
            Bound::AtMost(1.35),
        ),
        Figure::plain(
            "import / raw verifications as all processors do them at once",
            unknown.seconds / (signatures * on_all.seconds),
            "",
        ),
        Figure::plain(
            "the same, processor time",
            unknown.processor_seconds / (signatures * on_all.processor_seconds),
            "",
        ),
        Figure::plain("import, signatures known", known.seconds, "s"),
        Figure::bounded(
            "commit of each block / import, signatures known",
            each / known.seconds,
            "",
            Bound::AtLeast(3.0),
        ),
    ])
}

pub(super) fn cache(chain: &MadeChain) -> VerifiedCache {
    let mut cache = VerifiedCache::new(chain.known.len());
    chain.known.iter().for_each(|wtxid| cache.insert(*wtxid, Height(0)));
    cache
}

/// What an import took.
#[derive(Clone, Copy)]
pub(super) struct Took {
    pub(super) seconds: f64,
    pub(super) processor_seconds: f64,
}

/// What it takes until a fresh node has imported and written everything.
pub(super) async fn time_import(
    folder: &Path,
    owner: &Owner,
    chain: &MadeChain,
    cache: VerifiedCache,
) -> anyhow::Result<Took> {
    let home = folder.join("importer");
    let importer = BenchNode::start_knowing(&home, &owner.spec, cache.clone())?;
    let (started, before) = (Instant::now(), processor_time());
    let source = BufReader::new(File::open(&chain.path)?);
    let done = import_knowing(&importer.node, source, cache, |_| {}).await?;
    // A node that stops has written everything.
    importer.node.save_mempool().await?;
    let node = importer.node.clone();
    importer.stop().await?;
    let took =
        Took { seconds: started.elapsed().as_secs_f64(), processor_seconds: (processor_time() - before).as_secs_f64() };
    anyhow::ensure!(u64::from(node.chain().state().height().0) == done.blocks, "not all blocks were connected");
    std::fs::remove_dir_all(home)?;
    Ok(took)
}

/// The same blocks, each on the disk before the next.
pub(super) async fn commit_each_seconds(folder: &Path, owner: &Owner, chain: &MadeChain) -> anyhow::Result<f64> {
    let home = folder.join("committer");
    let committer = BenchNode::start_knowing(&home, &owner.spec, cache(chain))?;
    let started = Instant::now();
    let limit = owner.spec.consensus().limits.block_bytes as usize;
    for block in BlocksReader::new(BufReader::new(File::open(&chain.path)?), limit) {
        committer.node.submit_block(block?).await?;
    }
    let seconds = started.elapsed().as_secs_f64();
    committer.stop().await?;
    std::fs::remove_dir_all(home)?;
    Ok(seconds)
}
