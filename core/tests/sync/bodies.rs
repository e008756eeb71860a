//! The window of blocks: who is asked for which, and what happens to those who do not give them.

use qbtc_core::net::{Fault, Services, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{BlockOutcome, Input, PeerKey, RequestId};

use super::desk::{Chain, Desk, block_bytes, spec};
use super::support::test;

/// A desk that has the headers of a chain from peers 1 to `peers`, and the questions for blocks that it asks.
fn with_headers(chain: &Chain, peers: u64) -> (Desk, Vec<(u64, RequestId, SyncQuestion)>) {
    let mut desk = Desk::new();
    for peer in 1..=peers {
        desk.peer_up(peer, chain);
    }
    let mut blocks = Vec::new();
    while let Some((peer, request, question)) = desk.asked() {
        if matches!(question, SyncQuestion::Headers { .. }) {
            let answer = chain.answer(&question, &desk.spec);
            desk.answer(request, &answer);
        } else {
            blocks.push((peer, request, question));
        }
    }
    (desk, blocks)
}

#[test]
fn all_peers_give_blocks_and_none_is_asked_for_twice() {
    let chain = Chain::new(&spec(), 1_000, 1);
    let (mut desk, asked) = with_headers(&chain, 4);
    let mut ids: Vec<_> = Vec::new();
    for peer in 1..=4 {
        assert!(asked.iter().any(|(asked, ..)| *asked == peer), "{peer}");
    }
    for (_, _, question) in &asked {
        let SyncQuestion::Blocks { ids: more } = question else { panic!() };
        ids.extend(more.clone());
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    // In any order of arrival, they are handed out in the order of the chain.
    for (_, request, question) in asked.into_iter().rev() {
        let answer = chain.answer(&question, &spec());
        desk.answer(request, &answer);
    }
    let chains: Vec<_> = (1..=4).map(|peer| (peer, &chain)).collect();
    desk.serve(&chains);
    desk.assert_has(&chain);
    assert_eq!(desk.faults, []);
}

#[test]
fn large_blocks_are_asked_for_one_by_one_and_bytes_stay_bounded() {
    let mut chain = Chain::new(&spec(), 300, 1);
    chain.block_bytes = 163_840;
    let (mut desk, asked) = with_headers(&chain, 8);
    // The bound on bytes is looked at after each input: see `Desk::tell`.
    for (_, request, question) in asked.into_iter().rev() {
        let answer = chain.answer(&question, &spec());
        desk.answer(request, &answer);
    }
    let chains: Vec<_> = (1..=8).map(|peer| (peer, &chain)).collect();
    let mut longest = 0;
    while let Some((peer, request, question)) = desk.asked() {
        if let (SyncQuestion::Blocks { ids }, true) = (&question, desk.taken.len() > 20) {
            longest = longest.max(ids.len());
        }
        assert!(chains.iter().any(|(key, _)| *key == peer));
        let answer = chain.answer(&question, &spec());
        desk.answer(request, &answer);
    }
    desk.assert_has(&chain);
    assert_eq!(longest, 1, "an answer holds one of them");
}

#[test]
fn blocks_that_are_cut_off_are_asked_for_again() {
    let mut chain = Chain::new(&spec(), 200, 1);
    let (mut desk, asked) = with_headers(&chain, 1);
    // Of what was asked for, two fit.
    chain.block_bytes = 80_000;
    for (_, request, question) in asked {
        let answer = chain.answer(&question, &spec());
        assert!(matches!(&answer, SyncAnswer::Blocks(blocks) if blocks.len() == 2));
        desk.answer(request, &answer);
    }
    desk.serve(&[(1, &chain)]);
    desk.assert_has(&chain);
    assert_eq!(desk.faults, []);
}

#[test]
fn a_silent_peer_is_replaced() {
    let chain = Chain::new(&spec(), 100, 1);
    let (mut desk, asked) = with_headers(&chain, 2);
    for (peer, request, question) in asked {
        if peer == 2 {
            let answer = chain.answer(&question, &spec());
            desk.answer(request, &answer);
        }
    }
    desk.serve_for(70_000, &[(2, &chain)]);
    desk.assert_has(&chain);
    assert!(desk.faults_of(1).iter().all(|fault| matches!(fault, Fault::Stalled | Fault::Timeout)));
    assert!(!desk.faults_of(1).is_empty());
    assert!(desk.faults_of(2).is_empty());
}

#[test]
fn whoever_keeps_everybody_waiting_is_given_up_soon() {
    let chain = Chain::new(&spec(), 60, 1);
    let (mut desk, asked) = with_headers(&chain, 2);
    let head = chain.ids()[1];
    let is_head = |question: &SyncQuestion| matches!(question, SyncQuestion::Blocks { ids } if ids.contains(&head));
    let slow = asked.iter().find(|(_, _, question)| is_head(question)).unwrap().0;
    for (peer, request, question) in asked {
        if peer != slow {
            let answer = chain.answer(&question, &spec());
            desk.answer(request, &answer);
        }
    }
    desk.serve(&[(3 - slow, &chain)]);
    assert!(desk.taken.is_empty());
    desk.serve_for(2_500, &[(3 - slow, &chain)]);
    assert_eq!(desk.faults, [(PeerKey(slow), Fault::Stalled)]);
    desk.assert_has(&chain);
}

#[test]
fn a_slow_peer_is_not_given_up_if_nobody_else_has_the_block() {
    let chain = Chain::new(&spec(), 60, 1);
    let (mut desk, asked) = with_headers(&chain, 1);
    desk.wait(50_000);
    assert_eq!(desk.faults, []);
    for (_, request, question) in asked {
        let answer = chain.answer(&question, &spec());
        desk.answer(request, &answer);
    }
    desk.serve(&[(1, &chain)]);
    desk.assert_has(&chain);
}

#[test]
fn a_block_that_was_not_asked_for_is_a_fault() {
    let chain = Chain::new(&spec(), 5, 1);
    let (mut desk, asked) = with_headers(&chain, 1);
    let (_, request, _) = &asked[0];
    desk.answer(*request, &SyncAnswer::Blocks(vec![block_bytes(chain.body(2))]));
    assert_eq!(desk.faults, [(PeerKey(1), Fault::OtherBlock)]);
    assert!(desk.taken.is_empty());
    let (mut desk, asked) = with_headers(&chain, 1);
    desk.answer(asked[0].1, &SyncAnswer::Blocks(vec![block_bytes(vec![1, 2, 3])]));
    assert_eq!(desk.faults, [(PeerKey(1), Fault::OtherBlock)]);
    let (mut desk, asked) = with_headers(&chain, 1);
    desk.answer(asked[0].1, &SyncAnswer::Blocks(vec![]));
    assert_eq!(desk.faults, [(PeerKey(1), Fault::Withheld)]);
    // After a pause it is asked again, since nobody else is there.
    desk.serve_for(11_000, &[(1, &chain)]);
    desk.assert_has(&chain);
}

#[test]
fn a_wrong_body_is_asked_of_somebody_else() {
    let chain = Chain::new(&spec(), 3, 1);
    let (mut desk, asked) = with_headers(&chain, 2);
    desk.outcomes.insert(chain.ids()[2], BlockOutcome::WrongBody);
    let liar = asked[0].0;
    for (_, request, question) in asked {
        let answer = chain.answer(&question, &spec());
        desk.answer(request, &answer);
    }
    assert_eq!(desk.faults, [(PeerKey(liar), Fault::Body)]);
    let again = desk.asked().unwrap();
    assert_ne!(again.0, liar);
    assert_eq!(again.2, SyncQuestion::Blocks { ids: vec![chain.ids()[2]] });
    desk.answer(again.1, &chain.answer(&again.2, &spec()));
    assert_eq!(desk.tree.best_complete().id(), chain.tip());
}

#[test]
fn an_invalid_block_ends_its_chain_and_another_one_is_followed() {
    let good = Chain::new(&spec(), 20, 1);
    let bad = good.fork(10, 15, 2);
    let mut desk = Desk::new();
    desk.outcomes.insert(bad.ids()[12], BlockOutcome::Invalid);
    desk.peer_up(1, &bad);
    desk.peer_up(2, &good);
    desk.serve_for(200_000, &[(1, &bad), (2, &good)]);
    assert_eq!(desk.tree.best_complete().id(), good.tip());
    assert!(desk.faults_of(1).contains(&&Fault::InvalidBlock), "{:?}", desk.faults);
    assert_eq!(desk.faults_of(2), Vec::<&Fault>::new());
}

#[test]
fn the_window_follows_a_reorg() {
    let first = Chain::new(&spec(), 50, 1);
    let (mut desk, asked) = with_headers(&first, 1);
    // While those blocks are on their way, a better chain appears.
    let better = first.fork(20, 40, 2);
    desk.peer_up(2, &better);
    desk.wait(120_000);
    desk.serve_for(300_000, &[(2, &better)]);
    for (_, request, question) in asked {
        let answer = first.answer(&question, &spec());
        desk.answer(request, &answer);
    }
    desk.serve(&[(1, &first), (2, &better)]);
    assert_eq!(desk.tree.best_complete().id(), better.tip());
    assert!(desk.is_synced);
}

#[test]
fn a_pruned_peer_is_not_asked_for_old_blocks() {
    let chain = Chain::new(&spec(), 1_000, 1);
    let mut desk = Desk::new();
    let mut hello = chain.hello(&desk.spec);
    hello.services = Services::NODE;
    desk.tell(Input::PeerUp { peer: PeerKey(1), hello, is_outbound: true });
    let (_, request, question) = desk.asked().unwrap();
    let answer = chain.answer(&question, &spec());
    desk.answer(request, &answer);
    for (_, _, question) in desk.all_asked() {
        let SyncQuestion::Blocks { ids } = question else { panic!() };
        let low = chain.ids().iter().position(|id| *id == ids[0]).unwrap();
        assert!(low >= 1_000 - 288, "{low}");
    }
    desk.peer_up(2, &chain);
    desk.serve_for(200_000, &[(2, &chain)]);
    desk.assert_has(&chain);
}
