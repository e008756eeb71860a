//! A valid block with two payments, edited and perhaps sealed again, through every stage of validity. A block that passes can be
//! taken back.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use qbtc_core::block::Block;
use qbtc_core::crypto::verify_serial;
use qbtc_core::utxo::MemoryCoins;
use qbtc_core::verify::{BlockContext, VerifiedCache, check_block, resolve_block};
use qbtc_fuzz::support::{Draft, mine};
use qbtc_fuzz::{NEXT, Scene};

struct Target {
    scene: Scene,
    draft: Draft,
    bytes: Vec<u8>,
}

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let scene = Scene::new();
    let draft = scene.chain.draft(&scene.tip(), vec![scene.payment(0), scene.payment(1)]);
    let bytes = draft.clone().seal().to_bytes();
    Target { scene, draft, bytes }
});

// Edits are triples of a place (two bytes) and a value that is added there. The last odd byte says how the block is sealed.
fuzz_target!(|input: &[u8]| {
    let target = &*TARGET;
    let mut bytes = target.bytes.clone();
    let edits = input.chunks_exact(3);
    let sealing = edits.remainder().first().copied().unwrap_or(0);
    for edit in edits {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
        bytes[place] = bytes[place].wrapping_add(edit[2]);
    }
    let limit = target.scene.chain.spec.consensus().limits.block_bytes as usize;
    let Ok(mut block) = Block::from_bytes(&bytes, limit) else { return };
    if sealing & 1 != 0 {
        // Roots and work fit whatever the transactions are, so that deeper rules are reached.
        let Block { header, coinbase, commitments, transactions } = block;
        let mut draft = Draft { header, coinbase, commitments, transactions, spent: target.draft.spent.clone() };
        draft.header.bits = target.draft.header.bits;
        block = if sealing & 2 != 0 { draft.commit().seal() } else { draft.seal() };
    } else if sealing & 4 != 0 {
        block.header.bits = target.draft.header.bits;
        block.header = mine(block.header);
    }
    verify(target, block);
});

fn verify(target: &Target, block: Block) {
    let chain = &target.scene.chain;
    let before = chain.tip(&target.draft.header.parent);
    let Ok(checked) = check_block(block, &chain.spec) else { return };
    let context = BlockContext { height: NEXT, history_root: before.history.root() };
    let resolved = resolve_block(checked, &context, &before.coins, &VerifiedCache::new(1), &chain.spec);
    let Ok(verified) = resolved.map(|block| block.verify(verify_serial)) else { return };
    let Ok(verified) = verified else { return };
    let mut coins: MemoryCoins = before.coins.clone();
    coins.apply(verified.diff()).expect("a verified block starts from these coins");
    let coinbase = (verified.block().coinbase_id(), &verified.block().coinbase().outputs[..]);
    let bodies = verified.block().transactions().iter().map(|tx| (tx.txid(), tx.body()));
    let again = verified.undo().diff(NEXT, coinbase, bodies).expect("its own undo data");
    assert_eq!(&again, verified.diff());
    coins.apply(&again.reversed()).expect("what was applied can be taken back");
    assert_eq!(coins, before.coins);
}
