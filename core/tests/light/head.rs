//! Which chain is followed: the one that shows the most work, whoever claims what.

use std::sync::OnceLock;

use qbtc_core::net::{Fault, LightAnswer, LightQuestion, LightTip, ProofBytes, Services};
use qbtc_core::sync::PeerKey;
use qbtc_core::sync::light::{AddressGroup, EclipseSign, HEADERS_GAP_MAX, Input, Leaving, Phase};
use qbtc_core::units::{Height, Work};

use super::node::{FullNode, clock, spec, with_minimum_work};
use super::scene::{Reply, Scene, hello, is_work, shared};
use crate::support::test;

/// More blocks than headers are fetched for without a proof.
const LONG: u32 = HEADERS_GAP_MAX + 200;

/// The long chain, made once.
fn long() -> FullNode {
    static LONG_CHAIN: OnceLock<FullNode> = OnceLock::new();
    LONG_CHAIN.get_or_init(|| FullNode::with_blocks(&spec(), LONG)).clone()
}

#[test]
fn a_long_chain_is_followed_by_a_proof_of_its_work() {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    for _ in 0..3 {
        scene.honest(&node);
    }
    assert_eq!((scene.tip(), scene.client.tip().work), (node.borrow().tip(), node.borrow().work()));
    assert_eq!(scene.asked_for(is_work), 1, "one proof is enough");
    assert_eq!(scene.client.status().phase, Phase::Live);
    assert_eq!(scene.client.status().warnings, Default::default());
    assert!(scene.statuses.iter().any(|status| status.phase == Phase::Proving));
    assert_eq!(scene.faults, []);
    // New blocks come by the long questions, one header each.
    for _ in 0..5 {
        node.borrow_mut().grow(1);
        scene.wait(1_000);
        assert_eq!(scene.tip(), node.borrow().tip());
    }
    assert_eq!(scene.asked_for(is_work), 1);
    assert_eq!(scene.tips.len(), 6);
    assert!(scene.tips.iter().all(|(_, fork)| fork.is_none()));
}

#[test]
fn a_short_chain_is_followed_by_its_headers() {
    for count in [0, 1, 5, 150] {
        let node = FullNode::with_blocks(&spec(), count);
        let mut scene = Scene::new(&node.spec, clock(&node));
        let node = shared(node);
        for _ in 0..3 {
            scene.honest(&node);
        }
        assert_eq!((scene.tip(), scene.client.status().phase), (node.borrow().tip(), Phase::Live), "{count}");
        assert_eq!(scene.asked_for(is_work), 0);
    }
}

#[test]
fn fewer_than_three_peers_are_waited_for_a_while_and_said() {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let tip = node.tip();
    scene.honest(&shared(node));
    assert_ne!(scene.tip(), tip);
    scene.wait(1_000);
    assert_eq!(scene.tip(), tip);
    assert_eq!(scene.client.status().warnings.eclipse, Some(EclipseSign::FewPeers));
}

#[test]
fn who_claims_work_that_is_not_there_is_left_and_the_next_is_heard() {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let honest = shared(node);
    let claims_too_much = |question: &LightQuestion, honest: Option<&LightAnswer>| match (question, honest) {
        (LightQuestion::Tip, Some(LightAnswer::Tip(tip))) => {
            Reply::Answer(LightAnswer::Tip(LightTip { work: Work::from(1 << 60), ..*tip }))
        }
        _ => Reply::Honest,
    };
    let forges = |question: &LightQuestion, honest: Option<&LightAnswer>| match (question, honest) {
        (LightQuestion::Tip, Some(LightAnswer::Tip(tip))) => {
            Reply::Answer(LightAnswer::Tip(LightTip { work: Work::from(1 << 59), ..*tip }))
        }
        (LightQuestion::Work { .. }, Some(LightAnswer::Work(proof))) => {
            let mut bytes = proof.0.clone();
            bytes[1_000] ^= 1;
            Reply::Answer(LightAnswer::Work(ProofBytes(bytes)))
        }
        _ => Reply::Honest,
    };
    let liar = scene.peer(&honest, claims_too_much);
    let forger = scene.peer(&honest, forges);
    scene.honest(&honest);
    scene.wait(5_000);
    assert_eq!((scene.tip(), scene.client.tip().work), (honest.borrow().tip(), honest.borrow().work()));
    assert_eq!(scene.faults_of(liar), [Fault::ClaimNotShown]);
    assert_eq!(scene.was_left(liar), Some(Leaving::Liar));
    assert!(matches!(scene.faults_of(forger)[..], [Fault::FalseProof] | [Fault::ClaimNotShown]));
    assert_eq!(scene.was_left(forger), Some(Leaving::Liar));
}

/// A chain that was made slowly is easy: more blocks, less work.
#[test]
fn a_longer_chain_with_less_work_is_not_followed() {
    let node = long();
    let mut fake = FullNode::new(&node.spec);
    // One block late by six half-lives, and the next ones cost nothing.
    fake.mine(5, 3_600, Vec::new());
    for _ in 0..LONG + 100 {
        fake.mine(5, 7, Vec::new());
    }
    assert!(fake.height() > node.height() && fake.work() < node.work());
    let clock = clock(&node).max(clock(&fake));
    let honest_work = node.work();
    // Honest about its work, or not.
    for claimed in [fake.work(), Work::from(1 << 50)] {
        let mut scene = Scene::new(&node.spec, clock);
        let (honest, fake) = (shared(node.clone()), shared(fake.clone()));
        let claims = move |question: &LightQuestion, honest: Option<&LightAnswer>| match (question, honest) {
            (LightQuestion::Tip, Some(LightAnswer::Tip(tip))) => {
                Reply::Answer(LightAnswer::Tip(LightTip { work: claimed, ..*tip }))
            }
            _ => Reply::Honest,
        };
        scene.peer(&fake, claims);
        scene.peer(&fake, claims);
        scene.honest(&honest);
        scene.wait(10_000);
        assert_eq!((scene.tip(), scene.client.tip().work), (honest.borrow().tip(), honest_work));
    }
}

#[test]
fn a_silent_peer_costs_two_seconds() {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node));
    let honest = shared(node);
    let mut heavier = honest.borrow().clone();
    heavier.grow(1);
    let silent = |question: &LightQuestion, _: Option<&LightAnswer>| match question {
        LightQuestion::Tip => Reply::Honest,
        _ => Reply::Silence,
    };
    let peer = scene.peer(&shared(heavier), silent);
    scene.honest(&honest);
    scene.honest(&honest);
    assert_ne!(scene.tip(), honest.borrow().tip());
    scene.wait(2_000);
    assert_eq!(scene.tip(), honest.borrow().tip());
    scene.wait(200_000);
    assert!(scene.faults_of(peer).iter().all(|fault| *fault == Fault::Timeout));
    assert!(!scene.faults_of(peer).is_empty());
    assert_eq!((scene.tip(), scene.client.status().phase), (honest.borrow().tip(), Phase::Live));
}

#[test]
fn reorgs_within_what_is_kept_are_followed_by_headers() {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node).saturating_add(200));
    let honest = shared(node);
    for _ in 0..3 {
        scene.honest(&honest);
    }
    for depth in [3, 40] {
        let before = honest.borrow().height().0;
        let branch = honest.borrow().fork(before - depth, depth + 1, 50);
        let fork = branch.id(before - depth);
        *honest.borrow_mut() = branch;
        scene.wait(3_000);
        assert_eq!(scene.tip(), honest.borrow().tip());
        let (_, told) = scene.tips.last().unwrap();
        assert_eq!(told.map(|mark| (mark.height.0, mark.id)), Some((before - depth, fork)));
    }
    assert_eq!(scene.asked_for(is_work), 1);
}

#[test]
fn a_deeper_fork_needs_a_new_proof() {
    let node = long();
    let mut scene = Scene::new(&node.spec, clock(&node).saturating_add(200));
    let honest = shared(node);
    for _ in 0..3 {
        scene.honest(&honest);
    }
    let branch = honest.borrow().fork(LONG - 150, 151, 50);
    *honest.borrow_mut() = branch;
    scene.wait(3_000);
    assert_eq!(scene.tip(), honest.borrow().tip());
    assert_eq!(scene.asked_for(is_work), 2);
    assert_eq!(scene.tips.last().unwrap().1, None, "nothing that both have is still known");
    assert_eq!(scene.faults, []);
}

#[test]
fn signs_of_an_eclipse_are_told() {
    let node = FullNode::with_blocks(&spec(), 50);
    let mut scene = Scene::new(&node.spec, clock(&node));
    let shorter = shared(node.cut(40));
    let honest = shared(node);
    let eclipse = |scene: &Scene| scene.client.status().warnings.eclipse;
    let peers = [1, 1, 1].map(|_| scene.peer_in(&honest, AddressGroup(1), |_, _| Reply::Honest));
    assert_eq!(eclipse(&scene), Some(EclipseSign::OneGroup));
    let other = scene.peer_in(&honest, AddressGroup(2), |_, _| Reply::Honest);
    assert_eq!(eclipse(&scene), None);
    // All that are left have less than what was shown before.
    for _ in 0..3 {
        scene.honest(&shorter);
    }
    for peer in peers.into_iter().chain([other]) {
        scene.gone(peer);
    }
    assert_eq!(eclipse(&scene), Some(EclipseSign::LessWork));
    assert_eq!(scene.tip(), honest.borrow().tip(), "what was shown is not forgotten");
}

#[test]
fn a_chain_with_less_work_than_is_known_to_exist_is_not_followed() {
    for count in [50, LONG] {
        let node = if count == LONG { long() } else { FullNode::with_blocks(&spec(), count) };
        let mut scene = Scene::new(&with_minimum_work(&node.spec, node.work()), clock(&node));
        let (genesis, shorter) = (node.id(0), shared(node.cut(count - 1)));
        for _ in 0..3 {
            scene.honest(&shorter);
        }
        scene.wait(5_000);
        assert_eq!(scene.tip(), genesis);
        assert_eq!(scene.client.status().warnings.eclipse, Some(EclipseSign::LessWork));
        assert!(scene.client.status().phase < Phase::Scanning);
        assert_eq!(scene.faults, [], "they may not know better");
        // To claim the work is not enough.
        let least = node.work();
        let liar = scene.peer(&shorter, move |question, honest| match (question, honest) {
            (LightQuestion::Tip, Some(LightAnswer::Tip(tip))) => {
                Reply::Answer(LightAnswer::Tip(LightTip { work: least, ..*tip }))
            }
            _ => Reply::Honest,
        });
        scene.wait(5_000);
        assert_eq!((scene.tip(), scene.faults_of(liar)), (genesis, vec![Fault::ClaimNotShown]));
        let honest = shared(node);
        scene.honest(&honest);
        scene.wait(5_000);
        assert_eq!((scene.tip(), scene.client.status().phase), (honest.borrow().tip(), Phase::Live));
    }
}

#[test]
fn an_old_tip_is_called_stale() {
    let node = FullNode::with_blocks(&spec(), 20);
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    for _ in 0..3 {
        scene.honest(&node);
    }
    assert!(!scene.client.status().warnings.is_stale);
    scene.wait(190_000);
    assert!(!scene.client.status().warnings.is_stale);
    scene.wait(30_000);
    assert!(scene.client.status().warnings.is_stale);
    assert!(scene.client.tip().age_s(scene.clock) > 200);
    node.borrow_mut().mine(99, 230, Vec::new());
    scene.wait(3_000);
    assert!(!scene.client.status().warnings.is_stale);
}

#[test]
fn all_peers_may_go_and_others_come() {
    let node = FullNode::with_blocks(&spec(), 30);
    let mut scene = Scene::new(&node.spec, clock(&node).saturating_add(1_000));
    let node = shared(node);
    let peers = [1, 2, 3].map(|_| scene.honest(&node));
    for peer in peers {
        scene.gone(peer);
    }
    assert_eq!(scene.client.status().phase, Phase::Connecting);
    scene.wait(60_000);
    node.borrow_mut().grow(20);
    scene.honest(&node);
    scene.wait(1_000);
    assert_eq!((scene.tip(), scene.client.status().phase), (node.borrow().tip(), Phase::Live));
}

#[test]
fn who_is_of_no_use_is_left() {
    let node = FullNode::with_blocks(&spec(), 3);
    let mut scene = Scene::new(&node.spec, clock(&node));
    let mut other = hello(&node);
    other.chain_id = qbtc_core::hash::ChainId::from_bytes([3; 32]);
    scene.tell(Input::PeerUp { peer: PeerKey(100), hello: other, group: None });
    let mut plain = hello(&node);
    plain.services = Services::NODE;
    scene.tell(Input::PeerUp { peer: PeerKey(101), hello: plain, group: None });
    let node = shared(node);
    for _ in 0..20 {
        scene.honest(&node);
    }
    assert_eq!(scene.was_left(100), Some(Leaving::OtherChain));
    assert_eq!(scene.was_left(101), Some(Leaving::NotServing));
    assert_eq!(scene.left.iter().filter(|(_, why)| *why == Leaving::Enough).count(), 4);
}

#[test]
fn a_tip_from_the_future_waits() {
    let node = long();
    let early = qbtc_core::units::BlockTime(node.tip_header().time.0 - 130);
    let mut scene = Scene::new(&node.spec, early);
    let (tip, node) = (node.tip(), shared(node));
    for _ in 0..3 {
        scene.honest(&node);
    }
    scene.wait(1_000);
    assert_ne!(scene.tip(), tip);
    scene.wait(120_000);
    assert_eq!(scene.tip(), tip);
    assert_eq!(scene.left, [], "the clock of the client may be the one that is wrong");
}

#[test]
fn a_claim_about_a_known_block_must_be_right() {
    let node = FullNode::with_blocks(&spec(), 20);
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    for _ in 0..3 {
        scene.honest(&node);
    }
    let lies = |question: &LightQuestion, honest: Option<&LightAnswer>| match (question, honest) {
        (LightQuestion::Tip, Some(LightAnswer::Tip(tip))) => {
            Reply::Answer(LightAnswer::Tip(LightTip { height: Height(tip.height.0 + 1), ..*tip }))
        }
        _ => Reply::Honest,
    };
    let liar = scene.peer(&node, lies);
    assert_eq!(scene.faults_of(liar), [Fault::ClaimNotShown]);
    let forged = |question: &LightQuestion, honest: Option<&LightAnswer>| match (question, honest) {
        (LightQuestion::Tip, Some(LightAnswer::Tip(tip))) => {
            let mut tip = *tip;
            // Some nonce without work.
            tip.header.nonce = (0..)
                .find(|nonce| {
                    let header = qbtc_core::header::Header { nonce: *nonce, ..tip.header };
                    qbtc_core::pow::PowAlgorithm::Sha256d.check_work(&header).is_err()
                })
                .unwrap();
            Reply::Answer(LightAnswer::Tip(tip))
        }
        _ => Reply::Honest,
    };
    let forger = scene.peer(&node, forged);
    assert_eq!(scene.faults_of(forger), [Fault::NoWork]);
}
