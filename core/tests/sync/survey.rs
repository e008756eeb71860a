//! Chains that show little work take no room in the tree.

use qbtc_core::net::{Fault, HEADERS_MAX, SyncAnswer};
use qbtc_core::sync::{Limits, PeerKey};
use qbtc_core::units::Work;

use super::desk::{Chain, Desk, spec};
use crate::support::test;

fn desk(blocks: usize) -> Desk {
    // The genesis block counts.
    Desk::with_limits(Limits { work_min: Work::from(2 * blocks as u64), ..Limits::of(&spec()) })
}

#[test]
fn a_long_chain_is_asked_for_twice() {
    let mut desk = desk(2 * HEADERS_MAX + 2);
    let chain = Chain::new(&desk.spec, 2 * HEADERS_MAX + 500, 1);
    desk.peer_up(1, &chain);
    for _ in 0..3 {
        assert_eq!(desk.tree.len(), 1);
        let (_, request, question) = desk.asked().unwrap();
        desk.answer(request, &chain.answer(&question, &spec()));
    }
    let (_, request, question) = desk.asked().unwrap();
    desk.answer(request, &chain.answer(&question, &spec()));
    assert_eq!(desk.tree.len(), 1 + HEADERS_MAX);
    desk.serve(&[(1, &chain)]);
    desk.assert_has(&chain);
    assert_eq!(desk.faults, []);
}

#[test]
fn a_chain_with_too_little_work_takes_no_room() {
    for blocks in [10, HEADERS_MAX, 2 * HEADERS_MAX] {
        let mut desk = desk(2 * HEADERS_MAX + 3);
        let chain = Chain::new(&desk.spec, blocks, 1);
        desk.peer_up(1, &chain);
        desk.serve(&[(1, &chain)]);
        assert_eq!((desk.tree.len(), desk.faults.len()), (1, 0), "an honest peer may be behind");
    }
}

#[test]
fn other_headers_at_the_second_asking_are_not_taken() {
    let mut desk = desk(2 * HEADERS_MAX);
    let chain = Chain::new(&desk.spec, 2 * HEADERS_MAX, 1);
    let other = Chain::new(&desk.spec, 2 * HEADERS_MAX, 2);
    desk.peer_up(1, &chain);
    for chain in [&chain, &chain, &other] {
        let (_, request, question) = desk.asked().unwrap();
        desk.answer(request, &chain.answer(&question, &spec()));
    }
    assert_eq!(desk.faults, [(PeerKey(1), Fault::HeadersChanged)]);
    assert_eq!(desk.tree.len(), 1);
}

#[test]
fn headers_without_end_do_not_keep_others_from_being_asked() {
    let mut desk = desk(1_000_000);
    // A chain on schedule has four answers and a half, and its tip is old, so that one peer is asked at a time.
    let genesis = desk.spec.genesis().header.time;
    desk.clock = genesis.saturating_add(9_000 * desk.spec.consensus().spacing_s);
    let endless = Chain::new(&desk.spec, 29 * HEADERS_MAX, 1);
    desk.peer_up(1, &endless);
    desk.peer_up(2, &endless);
    // It answers soon enough, again and again.
    for _ in 0..29 {
        let asked = desk.all_asked();
        if asked.iter().any(|(peer, ..)| *peer == 2) {
            break;
        }
        desk.wait(3_900);
        for (_, request, question) in asked {
            desk.answer(request, &endless.answer(&question, &spec()));
        }
    }
    assert!(desk.now.0 < 105_000, "{:?}", desk.now);
    assert_eq!(desk.faults, [(PeerKey(1), Fault::Timeout)]);
}

#[test]
fn endless_headers_without_enough_work_are_not_held() {
    let mut desk = desk(1_000_000);
    let chain = Chain::new(&desk.spec, 10 * HEADERS_MAX, 1);
    desk.peer_up(1, &chain);
    for round in 0..10 {
        let (_, request, _) = desk.asked().unwrap();
        let headers = chain.headers()[1 + round * HEADERS_MAX..][..HEADERS_MAX].to_vec();
        desk.answer(request, &SyncAnswer::Headers(headers));
        assert_eq!((desk.tree.len(), desk.sync.held_bytes()), (1, 0));
    }
}

#[test]
fn a_fork_far_below_the_tip_is_surveyed() {
    let mut desk = Desk::new();
    let chain = Chain::new(&desk.spec, 3_000, 1);
    desk.peer_up(1, &chain);
    desk.serve(&[(1, &chain)]);
    let before = desk.tree.len();
    // An old fork with little work is not taken; one with more work than the chain is.
    let short = chain.fork(100, 2_500, 2);
    desk.peer_up(2, &short);
    desk.serve(&[(1, &chain), (2, &short)]);
    assert_eq!(desk.tree.len(), before);
    let long = chain.fork(100, 3_500, 3);
    desk.peer_up(3, &long);
    desk.serve(&[(1, &chain), (2, &short), (3, &long)]);
    assert_eq!(desk.tree.best_complete().id(), long.tip());
    assert_eq!(desk.faults, []);
}
