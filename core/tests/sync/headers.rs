//! Which peer is asked for headers, and what is believed of them.

use qbtc_core::chain::InsertError;
use qbtc_core::net::{Fault, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{Input, Limits, PeerKey};
use qbtc_core::units::{BlockTime, Work};

use super::desk::{CLOCK, Chain, Desk, headers, spec};
use crate::support::{mine, test};

#[test]
fn who_waits_for_peers_has_not_caught_up_before_one_has_told_its_headers() {
    let chain = Chain::new(&spec(), 3, 1);
    let mut desk = Desk::with_limits(Limits { waits_for_peers: true, ..Limits::of(&spec()) });
    desk.is_synced = false;
    desk.wait(1_000);
    assert!(!desk.is_synced, "nobody was asked");
    desk.peer_up(1, &chain);
    assert!(!desk.is_synced, "nobody has answered");
    desk.serve(&[(1, &chain)]);
    desk.assert_has(&chain);
    // A peer that has nothing new says as much.
    let mut desk = Desk::with_limits(Limits { waits_for_peers: true, ..Limits::of(&spec()) });
    desk.is_synced = false;
    let genesis = Chain::new(&spec(), 0, 1);
    desk.peer_up(1, &genesis);
    desk.serve(&[(1, &genesis)]);
    assert!(desk.is_synced);
}

#[test]
fn a_node_gets_the_chain_of_its_peer() {
    let mut desk = Desk::new();
    let chain = Chain::new(&desk.spec, 4_100, 1);
    desk.peer_up(1, &chain);
    desk.serve(&[(1, &chain)]);
    desk.assert_has(&chain);
    assert_eq!(desk.faults, []);
}

#[test]
fn a_peer_with_the_same_chain_is_asked_nothing_until_news_are_due() {
    let mut desk = Desk::new();
    let chain = Chain::new(&desk.spec, 0, 1);
    desk.peer_up(1, &chain);
    assert!(desk.asked().is_none());
    desk.wait(120_000);
    assert!(matches!(desk.asked(), Some((1, _, SyncQuestion::Headers { .. }))));
}

#[test]
fn a_peer_that_has_caught_up_says_so_and_is_asked() {
    let mut desk = Desk::new();
    let (before, after) = (Chain::new(&desk.spec, 0, 1), Chain::new(&desk.spec, 30, 1));
    desk.peer_up(1, &before);
    assert!(desk.asked().is_none());
    let hello = after.hello(&desk.spec);
    desk.tell(Input::Told { peer: PeerKey(1), hello });
    desk.serve(&[(1, &after)]);
    desk.assert_has(&after);
    assert_eq!(desk.faults, []);
}

#[test]
fn one_peer_is_asked_while_the_tip_is_old_and_the_next_if_it_does_not_answer() {
    let mut desk = Desk::new();
    let (short, long) = (Chain::new(&desk.spec, 10, 1), Chain::new(&desk.spec, 20, 2));
    desk.peer_up(1, &short);
    desk.peer_up(2, &long);
    desk.peer_up(3, &long);
    let asked = desk.all_asked();
    assert_eq!(asked.iter().map(|(peer, ..)| *peer).collect::<Vec<_>>(), [1], "the first that came");
    desk.wait(20_000);
    assert_eq!(desk.faults, [(PeerKey(1), Fault::Timeout)]);
    // Of the others, one with the most work.
    let asked = desk.all_asked();
    assert_eq!(asked.len(), 1);
    let (peer, request, question) = &asked[0];
    assert!([2, 3].contains(peer));
    desk.answer(*request, &long.answer(question, &spec()));
    desk.serve(&[(2, &long), (3, &long)]);
    desk.assert_has(&long);
}

#[test]
fn a_slow_giver_does_not_keep_others_from_being_asked() {
    let mut desk = Desk::new();
    let chain = Chain::new(&desk.spec, 40_000, 1);
    desk.peer_up(1, &chain);
    desk.peer_up(2, &chain);
    // It answers just in time, again and again.
    for _ in 0..10 {
        let asked = desk.all_asked();
        if asked.iter().any(|(peer, ..)| *peer == 2) {
            break;
        }
        desk.wait(19_000);
        for (_, request, question) in asked {
            if matches!(question, SyncQuestion::Headers { .. }) {
                desk.answer(request, &chain.answer(&question, &spec()));
            }
        }
    }
    assert!(desk.faults_of(1).contains(&&Fault::Timeout));
    assert!(desk.now.0 < 120_000, "{:?}", desk.now);
}

#[test]
fn headers_that_do_not_fit_are_faults_and_change_nothing() {
    let long = Chain::new(&spec(), 20, 1);
    let genesis = long.headers()[0];
    let swapped = [long.headers()[2], long.headers()[1]].to_vec();
    let workless = {
        let mut header = long.headers()[1];
        while spec().consensus().pow.check_work(&header).is_ok() {
            header.nonce += 1;
        }
        vec![header]
    };
    let floating = headers(&headers(&genesis, 1, 9)[0], 1, 9);
    for (answer, fault) in [(swapped, Fault::Unlinked), (workless, Fault::NoWork), (floating, Fault::Unlinked)] {
        let mut desk = Desk::new();
        desk.peer_up(1, &long);
        let (_, request, _) = desk.asked().unwrap();
        desk.answer(request, &SyncAnswer::Headers(answer));
        assert_eq!(desk.faults, [(PeerKey(1), fault)]);
        assert_eq!(desk.tree.len(), 1);
    }
    // What the tree refuses.
    let mut desk = Desk::new();
    desk.peer_up(1, &long);
    let (_, request, _) = desk.asked().unwrap();
    let old = mine(qbtc_core::header::Header { time: BlockTime(1), nonce: 0, ..long.headers()[1] });
    desk.answer(request, &SyncAnswer::Headers(vec![old]));
    assert!(matches!(desk.faults[..], [(PeerKey(1), Fault::Header(InsertError::Header { .. }))]));
    assert_eq!(Fault::BAN_POINTS, desk.faults[0].1.points());
}

#[test]
fn a_clock_that_is_off_is_no_reason_for_a_ban() {
    let mut desk = Desk::new();
    let chain = Chain::new(&desk.spec, 1, 1);
    desk.peer_up(1, &chain);
    let (_, request, _) = desk.asked().unwrap();
    let early = mine(qbtc_core::header::Header { time: BlockTime(CLOCK.0 + 8_000), nonce: 0, ..chain.headers()[1] });
    desk.answer(request, &SyncAnswer::Headers(vec![early]));
    assert_eq!(desk.faults.len(), 1);
    assert!(desk.faults[0].1.points() < 10, "{:?}", desk.faults);
}

#[test]
fn a_claim_must_be_shown() {
    let mut desk = Desk::new();
    let chain = Chain::new(&desk.spec, 5, 1);
    let mut hello = chain.hello(&desk.spec);
    hello.work = Work::from(1_000_000);
    desk.tell(Input::PeerUp { peer: PeerKey(1), hello, is_outbound: false });
    desk.serve(&[(1, &chain)]);
    assert_eq!(desk.faults, [(PeerKey(1), Fault::ClaimNotShown)]);
    // What it did show is good.
    desk.assert_has(&chain);
    desk.serve_for(300_000, &[(1, &chain)]);
    assert_eq!(desk.faults.len(), 1, "once is enough");
}

#[test]
fn a_claim_that_grows_while_headers_come_is_asked_for_and_no_fault() {
    let mut desk = Desk::new();
    let chain = Chain::new(&desk.spec, 6, 1);
    let before = Chain::of(chain.headers()[..=5].to_vec());
    desk.peer_up(1, &before);
    let (_, request, question) = desk.asked().unwrap();
    // Its hello overtakes its answer.
    desk.tell(Input::Told { peer: PeerKey(1), hello: chain.hello(&spec()) });
    desk.answer(request, &before.answer(&question, &spec()));
    assert_eq!(desk.faults, []);
    desk.serve(&[(1, &chain)]);
    desk.assert_has(&chain);
    assert_eq!(desk.faults, []);
}

#[test]
fn those_who_came_by_themselves_take_no_place_of_those_that_were_chosen() {
    let mut desk = Desk::new();
    let chain = Chain::new(&desk.spec, 20, 1);
    for peer in 1..=10 {
        let hello = Chain::new(&desk.spec, 2_000, u8::try_from(peer + 1).unwrap()).hello(&desk.spec);
        desk.tell(Input::PeerUp { peer: PeerKey(peer), hello, is_outbound: false });
    }
    // They say nothing.
    let kept = desk.all_asked();
    assert!((1..=4).contains(&kept.len()), "{kept:?}");
    desk.peer_up(11, &chain);
    desk.serve(&[(11, &chain)]);
    desk.assert_has(&chain);
}

#[test]
fn an_answer_to_another_question_is_a_fault() {
    let mut desk = Desk::new();
    let chain = Chain::new(&desk.spec, 5, 1);
    desk.peer_up(1, &chain);
    let (_, request, _) = desk.asked().unwrap();
    desk.answer(request, &SyncAnswer::Blocks(vec![]));
    assert_eq!(desk.faults, [(PeerKey(1), Fault::OtherAnswer)]);
    // Late and invented answers are nothing at all.
    desk.answer(request, &chain.answer(&SyncQuestion::Headers { locator: vec![] }, &spec()));
    assert_eq!((desk.tree.len(), desk.faults.len()), (1, 1));
}

#[test]
fn a_peer_that_ends_leaves_nothing_behind() {
    let mut desk = Desk::new();
    let chain = Chain::new(&desk.spec, 500, 1);
    desk.peer_up(1, &chain);
    let (_, request, question) = desk.asked().unwrap();
    desk.answer(request, &chain.answer(&question, &spec()));
    assert!(!desk.is_synced);
    desk.tell(Input::PeerDown { peer: PeerKey(1) });
    let blocks = desk.all_asked();
    assert!(!blocks.is_empty());
    assert!(blocks.iter().all(|(peer, ..)| *peer == 1));
    // Another one takes over.
    desk.peer_up(2, &chain);
    desk.serve(&[(2, &chain)]);
    desk.assert_has(&chain);
    assert_eq!(desk.faults, []);
}
