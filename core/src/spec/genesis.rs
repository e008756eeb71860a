//! The first block of a chain.
//!
//! It follows from the rules alone. It proves no work: its id is the chain's by definition, so work could not make it any more
//! right. Its coinbase pays the allocations and carries the hash of the rules, so that chains of different rules differ from
//! their first block on.

use alloc::vec::Vec;

use super::Consensus;
use crate::block::{Block, Coinbase, Commitments};
use crate::commit::filter::Filter;
use crate::commit::merkle;
use crate::commit::mmr::Peaks;
use crate::hash::{BlockHash, MerkleRoot, Txid};
use crate::header::Header;
use crate::lock::Lock;
use crate::tx::TxOut;
use crate::units::Height;

/// The genesis block of these rules.
pub(super) fn block(rules: &Consensus) -> Block {
    let genesis = &rules.genesis;
    let output =
        |allocation: &super::Allocation| TxOut { amount: allocation.amount, lock: Lock::Address(allocation.address) };
    let coinbase = Coinbase {
        chain_tag: [0; 4],
        height: Height::GENESIS,
        parent: BlockHash::ZERO,
        extra: [rules.hash().as_bytes(), genesis.message.as_bytes()].concat().into(),
        outputs: genesis.allocations.iter().map(output).collect(),
    };
    let addresses: Vec<_> = genesis.allocations.iter().map(|allocation| allocation.address.to_bytes()).collect();
    let commitments = Commitments {
        filter_hash: Filter::build(&BlockHash::ZERO, addresses).hash(),
        history_root: Peaks::default().root(),
        ..Commitments::default()
    };
    let leaves = [coinbase.id(), commitments.id()].map(Txid::to_bytes);
    let root = merkle::root(leaves.to_vec()).expect("a coinbase and commitments have different ids");
    let header = Header {
        version: 1,
        parent: BlockHash::ZERO,
        merkle_root: MerkleRoot::from_bytes(root),
        time: genesis.time,
        bits: genesis.bits,
        nonce: 0,
    };
    Block { header, coinbase, commitments, transactions: Vec::new() }
}
