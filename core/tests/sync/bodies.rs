//! The window of blocks: who is asked for which, and what happens to those who do not give them.

use qbtc_core::net::{Fault, Services, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{BlockOutcome, Input, PeerKey, RequestId};

use super::desk::{Chain, Desk, block_bytes, spec};
use crate::support::test;

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

/// A desk with the headers of two chains of the same length, of which the first is the best because it came first; its last block is withheld.
fn with_a_withheld_tip(withheld: &Chain, rival: &Chain) -> Desk {
    let mut desk = Desk::new();
    desk.peer_up(1, withheld);
    while let Some((_, request, question)) = desk.asked() {
        let SyncQuestion::Blocks { ids } = &question else {
            let answer = withheld.answer(&question, &desk.spec);
            desk.answer(request, &answer);
            continue;
        };
        let given = ids.iter().filter(|id| **id != withheld.tip()).copied().collect();
        let answer = withheld.answer(&SyncQuestion::Blocks { ids: given }, &desk.spec);
        desk.answer(request, &answer);
        if desk.tree.best_complete().height().0 as usize + 2 == withheld.ids().len() {
            break;
        }
    }
    assert_eq!(desk.tree.best().id(), withheld.tip());
    desk.peer_up(2, rival);
    desk
}

/// Answers as the second peer, with this chain; the first one says nothing.
fn serve_but_the_first(desk: &mut Desk, rival: &Chain, ms: u64) {
    let end = desk.now.plus(ms);
    while desk.now < end {
        desk.now = desk.sync.deadline().min(end).max(desk.now.plus(1));
        desk.tell(Input::Tick);
        while let Some((peer, request, question)) = desk.asked() {
            if peer == 2 {
                let answer = rival.answer(&question, &desk.spec);
                desk.answer(request, &answer);
            }
        }
    }
}

#[test]
fn a_withheld_block_does_not_keep_a_node_from_its_rival() {
    let withheld = Chain::new(&spec(), 30, 1);
    for length in 1..=3 {
        let rival = withheld.fork(30 - length, length, 2);
        let mut desk = with_a_withheld_tip(&withheld, &rival);
        let before = desk.taken.len();
        serve_but_the_first(&mut desk, &rival, 30_000);
        assert_eq!(desk.tree.best_complete().id(), rival.tip(), "a rival of {length} blocks");
        assert!(desk.is_synced, "there is no chain of more work");
        assert_eq!(desk.taken[before..], rival.ids()[31 - length..], "nothing else is asked for");
        assert_eq!(desk.faults_of(2), Vec::<&Fault>::new());
        // The withheld block comes in the end, and its child makes it the best.
        let longer = withheld.fork(30, 1, 3);
        desk.peer_up(3, &longer);
        desk.serve_for(200_000, &[(2, &rival), (3, &longer)]);
        assert_eq!(desk.tree.best_complete().id(), longer.tip());
        assert_eq!(desk.sync.held_bytes(), 0);
    }
}

#[test]
fn a_rival_that_is_withheld_too_or_wrong_is_asked_of_others() {
    let withheld = Chain::new(&spec(), 30, 1);
    let rival = withheld.fork(29, 1, 2);
    let mut desk = with_a_withheld_tip(&withheld, &rival);
    desk.peer_up(3, &rival);
    let end = desk.now.plus(120_000);
    let (mut silent, mut asked) = (None, 0);
    while desk.now < end && desk.tree.best_complete().id() != rival.tip() {
        desk.now = desk.sync.deadline().min(end).max(desk.now.plus(1));
        desk.tell(Input::Tick);
        while let Some((peer, request, question)) = desk.asked() {
            let SyncQuestion::Blocks { ids } = &question else {
                let chain = if peer == 1 { &withheld } else { &rival };
                let answer = chain.answer(&question, &desk.spec);
                desk.answer(request, &answer);
                continue;
            };
            if !ids.contains(&rival.tip()) {
                continue;
            }
            asked += 1;
            // Whoever is asked first gives another block.
            let other = block_bytes(rival.body(3));
            if *silent.get_or_insert(peer) == peer {
                desk.answer(request, &SyncAnswer::Blocks(vec![other]));
            } else {
                let answer = rival.answer(&question, &desk.spec);
                desk.answer(request, &answer);
            }
        }
    }
    assert_eq!((desk.tree.best_complete().id(), asked), (rival.tip(), 2));
    assert_eq!(desk.faults_of(silent.unwrap()), [&Fault::OtherBlock]);
}

#[test]
fn a_chain_of_less_work_is_no_way_around() {
    let withheld = Chain::new(&spec(), 30, 1);
    let rival = withheld.fork(25, 4, 2);
    let mut desk = with_a_withheld_tip(&withheld, &rival);
    let before = desk.taken.clone();
    serve_but_the_first(&mut desk, &rival, 300_000);
    assert_eq!(desk.taken, before);
}
