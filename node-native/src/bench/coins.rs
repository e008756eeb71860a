//! Importing blocks that move many coins: what the store can do.

use super::chain::{Owned, Owner, make_chain};
use super::figure::{Bound, Figure};
use super::import::{cache, commit_each_seconds, time_import};
use super::{BenchOptions, folder, runtime};

/// Transactions in each block.
const TRANSACTIONS: usize = 10;
/// Coins that each spends and makes.
const COINS: usize = 500;
/// Blocks.
const BLOCKS: u32 = 100;

pub(super) fn run(options: &BenchOptions, tell: &dyn Fn(&str)) -> anyhow::Result<Vec<Figure>> {
    let folder = folder(options)?;
    runtime()?.block_on(async {
        // A spec holds at most 4,096 allotments; the rest of each group is made by the first block.
        let owner = Owner::new(TRANSACTIONS * COINS / 2);
        let coins = owner.allotments();
        let groups: Vec<Vec<Owned>> = coins.chunks(COINS / 2).map(<[_]>::to_vec).collect();
        let chain = make_chain(folder.path(), &owner, groups, BLOCKS, tell).await?;
        tell("importing, signatures known");
        let batched = time_import(folder.path(), &owner, &chain, cache(&chain)).await?.seconds;
        tell("committing each block, signatures known");
        let each = commit_each_seconds(folder.path(), &owner, &chain).await?;
        let operations = chain.coin_operations as f64;
        Ok(vec![
            Figure::bounded("coin operations of an import", operations / batched, "/s", Bound::AtLeast(150_000.0)),
            Figure::plain("coin operations, each block committed", operations / each, "/s"),
            Figure::plain("commit of each block / import, many coins", each / batched, ""),
        ])
    })
}
