//! Trees of valid blocks and moves between their tips: each move, in pieces, is undone by the way back and equals a replay from the
//! genesis block. The first byte tells how many blocks there are; five bytes make a block, two make a move.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qbtc_fuzz::support::world::World;

/// More blocks find nothing that these do not, and cost time.
const BLOCKS_MAX: usize = 12;
const MOVES_MAX: usize = 6;

fuzz_target!(|input: &[u8]| {
    let Some((count, input)) = input.split_first() else { return };
    let count = usize::from(*count) % BLOCKS_MAX;
    let Some((blocks, moves)) = input.split_at_checked(5 * count) else { return };
    let mut world = World::new();
    for block in blocks.chunks_exact(5) {
        let parent = world.blocks[usize::from(block[0]) % world.blocks.len()].id();
        let choice = u32::from_le_bytes([block[1], block[2], block[3], block[4]]);
        let transactions = world.payment(&parent, choice);
        world.extend(&parent, transactions);
    }
    for step in moves.chunks_exact(2).take(MOVES_MAX) {
        let to = world.blocks[usize::from(step[0]) % world.blocks.len()].id();
        world.travel(&to, 1 + usize::from(step[1] % 5));
    }
});
