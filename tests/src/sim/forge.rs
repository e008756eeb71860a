//! Blocks, headers and compact blocks that are wrong on purpose, with all else about them right.

use std::sync::Arc;

use qbtc_core::block::{Block, Coinbase, Commitments};
use qbtc_core::codec;
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::merkle;
use qbtc_core::hash::{BlockHash, MerkleRoot, Txid, WitnessRoot};
use qbtc_core::header::Header;
use qbtc_core::lock::Address;
use qbtc_core::net::{CompactBlock, Prefilled, ShortId};
use qbtc_core::pow::PowAlgorithm;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::{BlockTime, CompactBits};
use qbtc_core::utxo::CoinView;
use qbtc_core::verify::{CheckedBlock, check_block};

use super::chain::{Chain, solution};
use super::library::Library;

/// The easiest bits that the rules of the simulation know.
pub(super) const EASIEST: CompactBits = CompactBits(0x207f_ffff);

/// The next block on a chain, spoilt and made to fit together again: with its work, but perhaps not valid.
pub(super) fn block(
    chain: &Chain,
    address: Address,
    number: u64,
    clock: BlockTime,
    library: &Library,
    spoil: impl FnOnce(&mut Block),
) -> Option<Arc<CheckedBlock>> {
    let template = chain.template(address, library);
    let mut block = template.block(&solution(number, template.time_min().max(clock)));
    spoil(&mut block);
    let wtxids = block.transactions.iter().map(|tx| tx.wtxid().to_bytes()).collect();
    block.commitments.witness_root = WitnessRoot::from_bytes(merkle::root(wtxids).ok()?);
    let spent = block.transactions.iter().flat_map(|tx| &tx.body.inputs).filter_map(|outpoint| {
        let Ok(coin) = chain.coins.coin(outpoint);
        Some(coin?.address)
    });
    let made = block.transactions.iter().flat_map(|tx| &tx.body.outputs);
    let made = block.coinbase.outputs.iter().chain(made).filter_map(|output| output.lock.address());
    let elements: Vec<_> = made.chain(spent).map(Address::to_bytes).collect();
    block.commitments.filter_hash = Filter::build(&block.header.parent, elements).hash();
    let leaves = block.leaves().into_iter().map(Txid::to_bytes).collect();
    block.header.merkle_root = MerkleRoot::from_bytes(merkle::root(leaves).ok()?);
    mine(&mut block.header);
    check_block(block, library.spec()).ok().map(Arc::new)
}

/// A header on a parent that is right by itself, but for bits that are its maker's wish.
pub(super) fn header(parent: BlockHash, time: BlockTime, bits: CompactBits, number: u64) -> Header {
    let mut root = [0; 32];
    root[..8].copy_from_slice(&number.to_le_bytes());
    Header { version: 0x2000_0000, parent, merkle_root: MerkleRoot::from_bytes(root), time, bits, nonce: 0 }
}

/// Finds the work that a header's bits ask for.
pub(super) fn mine(header: &mut Header) {
    while PowAlgorithm::Sha256d.check_work(header).is_err() {
        header.nonce += 1;
    }
}

/// Sees to it that a header has no work.
pub(super) fn spoil_work(header: &mut Header) {
    while PowAlgorithm::Sha256d.check_work(header).is_ok() {
        header.nonce += 1;
    }
}

/// A compact block of any parts.
pub(super) fn compact(
    header: &Header,
    coinbase: &Coinbase,
    commitments: &Commitments,
    salt: u64,
    ids: Vec<ShortId>,
    prefilled: Vec<Prefilled>,
    spec: &ChainSpec,
) -> Option<CompactBlock> {
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend(coinbase.to_bytes());
    bytes.extend(commitments.to_bytes());
    bytes.extend(codec::encode(&(salt, ids, prefilled)));
    // What cannot be decoded never gets to the machine.
    CompactBlock::from_bytes(&bytes, spec.consensus().limits.block_bytes as usize).ok()
}

#[cfg(test)]
mod tests {
    use super::super::money::Purse;
    use super::*;
    use qbtc_core::verify::BlockError;

    #[test]
    fn a_forged_block_breaks_only_the_rule_that_it_should() {
        let purse = Purse::new();
        let mut library = Library::new(purse.rules(30, 131_072));
        let mut chain = Chain::new(&library);
        let mut clock = library.spec().genesis().header.time;
        for number in 0..10 {
            clock = clock.saturating_add(30);
            let mined = chain.mine(purse.address(), number, clock, &library);
            chain.take_block(&mined, clock, &mut library);
        }
        let genesis = library.spec().genesis().coinbase.id();
        let outpoint = qbtc_core::tx::OutPoint { txid: genesis, index: 0 };
        let coin = chain.spendable(&outpoint).unwrap();
        let payment = purse.pay(outpoint, &coin, &[], library.spec());
        let forge = |spoil: &dyn Fn(&mut Block), library: &mut Library| {
            let forged = block(&chain, purse.address(), 99, clock.saturating_add(30), library, |block| spoil(block));
            let forged = forged.unwrap();
            library.add(&forged);
            library.verify(&forged.id()).map(drop)
        };
        assert_eq!(forge(&|block| block.transactions.push(payment.clone()), &mut library), Ok(()));
        let wrong = purse.pay_wrongly(outpoint, &coin);
        let found = forge(&|block| block.transactions.push(wrong.clone()), &mut library);
        assert!(matches!(found, Err(BlockError::Signature { index: 0, .. })), "{found:?}");
    }
}
