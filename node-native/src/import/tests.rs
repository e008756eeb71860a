//! Blocks of payments, each spending what the block before it made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use qbtc_core::block::Block;
use qbtc_core::commit::merkle;
use qbtc_core::crypto::Signature;
use qbtc_core::hash::{MerkleRoot, Txid, WitnessRoot};
use qbtc_core::lock::Proof;
use qbtc_core::units::Height;
use qbtc_core::verify::BlockError;

use super::*;
use crate::bench::chain::{BenchNode, Owner, make_chain};
use crate::blocks_file::BlocksWriter;

const BLOCKS: u32 = 6;

/// A file of blocks with a few payments each.
async fn file(folder: &Path, owner: &Owner) -> PathBuf {
    let groups = owner.allotments().into_iter().map(|coin| vec![coin]).collect();
    make_chain(folder, owner, groups, BLOCKS, &|_| {}).await.unwrap().path
}

fn open(path: &Path) -> std::fs::File {
    std::fs::File::open(path).unwrap()
}

fn blocks(path: &Path, owner: &Owner) -> Vec<Block> {
    let limit = owner.spec.consensus().limits.block_bytes as usize;
    BlocksReader::new(open(path), limit).map(Result::unwrap).collect()
}

/// Nothing is given to the node, so that its chain shows none of the coins but the first.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_verified_before_the_chain_shows_their_coins() {
    let folder = tempfile::tempdir().unwrap();
    let owner = Owner::new(3);
    let path = file(folder.path(), &owner).await;
    let importer = BenchNode::start(&folder.path().join("importer"), &owner.spec).unwrap();
    let mut ahead = verify_ahead(&importer.node, VerifiedCache::new(1), check_ahead(&importer.node, open(&path)));
    let mut count = 0;
    while let Some(verifying) = ahead.recv().await {
        let Verifying { blocks, verified } = verifying;
        let blocks: Vec<_> = blocks.into_iter().map(Result::unwrap).collect();
        let transactions = blocks.iter().flat_map(|block| block.transactions());
        let expected: Vec<_> = transactions.map(|tx| (tx.wtxid(), Height(0))).collect();
        assert_eq!(verified.await.unwrap(), expected);
        count += blocks.len();
    }
    assert_eq!(count, BLOCKS as usize);
    importer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_signature_is_refused_in_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let owner = Owner::new(3);
    let path = file(folder.path(), &owner).await;
    let bad = 4;
    let mut writer = BlocksWriter::new(Vec::new());
    for (number, mut block) in blocks(&path, &owner).into_iter().enumerate() {
        if number == bad {
            forge(&mut block, &owner);
        }
        writer.write(&block.to_bytes()).unwrap();
    }
    let importer = BenchNode::start(&folder.path().join("importer"), &owner.spec).unwrap();
    let outcome = import(&importer.node, std::io::Cursor::new(writer.finish().unwrap()), |_| {}).await;
    match outcome {
        Err(ImportError::Refused { number, refusal: BlockRefusal::Block(BlockError::Signature { .. }) }) => {
            assert_eq!(number, bad as u64);
        }
        other => panic!("{other:?}"),
    }
    let node = importer.node.clone();
    importer.stop().await.unwrap();
    // The file has no genesis block, so the number of good blocks is the height of the last of them.
    assert_eq!(node.chain().state().height(), Height(u32::try_from(bad).unwrap()));
}

/// Signs one payment wrongly, and makes all else of the block right again.
fn forge(block: &mut Block, owner: &Owner) {
    let [Proof::Signature(signature)] = &mut block.transactions[1].witnesses[0].proofs[..] else { panic!() };
    let mut bytes = signature.as_bytes().to_vec();
    bytes[100] ^= 1;
    *signature = Signature::new(bytes).unwrap();
    complete(block, owner);
}

/// Makes a block's roots and work right again.
fn complete(block: &mut Block, owner: &Owner) {
    let wtxids = block.transactions.iter().map(|transaction| transaction.wtxid().to_bytes()).collect();
    block.commitments.witness_root = WitnessRoot::from_bytes(merkle::root(wtxids).unwrap());
    let leaves = block.leaves().into_iter().map(Txid::to_bytes).collect();
    block.header.merkle_root = MerkleRoot::from_bytes(merkle::root(leaves).unwrap());
    while owner.spec.consensus().pow.check_work(&block.header).is_err() {
        block.header.nonce += 1;
    }
}

/// Coins of blocks that the chain shows already are looked up there.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_imported_twice() {
    let folder = tempfile::tempdir().unwrap();
    let owner = Owner::new(3);
    let path = file(folder.path(), &owner).await;
    let importer = BenchNode::start(&folder.path().join("importer"), &owner.spec).unwrap();
    let node = importer.node.clone();
    let first = import(&node, open(&path), |_| {}).await.unwrap();
    assert_eq!((first.blocks, first.transactions), (u64::from(BLOCKS), 3 * u64::from(BLOCKS)));
    assert_eq!(import(&node, open(&path), |_| {}).await.unwrap(), first);
    importer.stop().await.unwrap();
    assert_eq!(node.chain().state().height(), Height(BLOCKS));
}

/// A view takes disk space for as long as it is kept, and blocks take memory.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_blocks_keeps_nothing_of_those_that_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let owner = Owner::new(3);
    let path = file(folder.path(), &owner).await;
    let importer = BenchNode::start(&folder.path().join("importer"), &owner.spec).unwrap();
    let node = importer.node.clone();
    let (runs, waiting) = mpsc::channel(1);
    let mut ahead = verify_ahead::<Fault>(&node, VerifiedCache::new(1), waiting);
    let run: Vec<_> = blocks(&path, &owner).into_iter().map(|block| check_block(block, &owner.spec).unwrap()).collect();
    let run: Vec<_> = run.into_iter().map(Arc::new).collect();
    // One that states a height that no chain will reach soon keeps none of the others.
    let mut strange = blocks(&path, &owner).remove(0);
    strange.coinbase.height = Height(u32::MAX >> 1);
    complete(&mut strange, &owner);
    let strange = Arc::new(check_block(strange, &owner.spec).unwrap());
    let (checked, checking) = oneshot::channel();
    checked.send([&strange].into_iter().chain(&run).cloned().map(Ok).collect()).unwrap();
    runs.send(checking).await.unwrap();
    let verified = ahead.recv().await.unwrap().verified.await.unwrap();
    let view = Arc::downgrade(&node.chain());
    let kept = Arc::downgrade(&run[0]);
    node.import_at_once(run, verified).await.unwrap().finish().await.unwrap();
    assert_eq!(node.chain().state().height(), Height(BLOCKS));
    let is_forgotten = async {
        while view.strong_count() + kept.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), is_forgotten).await.expect("both are kept");
    importer.stop().await.unwrap();
}
