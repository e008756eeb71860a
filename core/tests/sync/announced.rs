//! New blocks as compact blocks: what is passed on, what is asked for, and when the block is fetched whole.

use std::sync::Arc;

use qbtc_core::crypto::verify_serial;
use qbtc_core::hash::BlockHash;
use qbtc_core::mempool::{Mempool, Policy};
use qbtc_core::net::{BlockBytes, CompactBlock, Fault, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{Announcement, BlockOutcome, Input, Output, PeerKey, RequestId, Verdict};
use qbtc_core::tx::Transaction;
use qbtc_core::units::{Amount, BlockTime};
use qbtc_core::verify::{CheckedBlock, VerifiedCache, check_block, check_transaction};

use super::desk::{Chain, Desk, spec};
use crate::support::{ALLOTTED, TestChain, TestKey, pay, test};

const NOW: BlockTime = BlockTime(2_000_000_000);

/// A desk whose chain is complete, and two valid blocks on top of it, the first with three payments.
struct Scene {
    desk: Desk,
    parent: BlockHash,
    blocks: [CheckedBlock; 2],
}

impl Scene {
    /// The first `pooled` payments wait in the desk's mempool.
    fn new(pooled: usize) -> Self {
        let mut desk = Desk::new();
        let mut chain = TestChain::with_spec(spec());
        let mut parent = chain.genesis();
        let mut headers = vec![chain.spec.genesis().header];
        for _ in 0..4 {
            let block = chain.extend(&parent, vec![]);
            headers.push(block.header);
            parent = block.id();
        }
        let known = Chain::of(headers);
        desk.peer_up(1, &known);
        desk.serve(&[(1, &known)]);
        desk.assert_has(&known);
        desk.taken.clear();
        let owner = TestKey::new(0);
        let tip = chain.tip(&parent).clone();
        let payments: Vec<Transaction> = tip
            .spendable(owner.address(), &chain.spec)
            .iter()
            .take(3)
            .zip(1..)
            .map(|(coin, number)| {
                let amount = ALLOTTED.checked_sub(Amount::from_coins(number)).unwrap();
                owner.spend(std::slice::from_ref(coin), vec![pay(TestKey::new(9).address(), amount)], &chain.spec)
            })
            .collect();
        desk.pool = Mempool::new(Policy::default(), tip.height.next().unwrap());
        for payment in &payments[..pooled] {
            let tx = Arc::new(check_transaction(payment.clone(), chain.spec.consensus()).unwrap());
            let mut cache = VerifiedCache::new(10);
            let candidate = desk.pool.resolve(&tx, &tip.coins, &cache, &chain.spec, NOW).unwrap();
            desk.pool.insert(candidate.verify(verify_serial).unwrap(), &mut cache, NOW).unwrap();
        }
        let first = chain.extend(&parent, payments);
        let second = chain.extend(&first.id(), vec![]);
        let blocks = [first, second].map(|block| check_block(block, &chain.spec).unwrap());
        Self { desk, parent, blocks }
    }

    /// A peer that has come by itself, and has what is known here.
    fn visitor(&mut self, peer: u64) {
        let hello = Chain::new(&spec(), 0, 1).hello(&self.desk.spec);
        self.desk.tell(Input::PeerUp { peer: PeerKey(peer), hello, is_outbound: false });
    }

    fn announce(&mut self, peer: u64, block: usize, number: u64) {
        let block = CompactBlock::new(&self.blocks[block], number, |_| false);
        self.desk.tell(Input::Announced { peer: PeerKey(peer), block, announcement: Announcement(number) });
    }

    fn verdict(&mut self) -> Option<(u64, Verdict)> {
        let is_verdict = |output: &Output| matches!(output, Output::Verdict { .. });
        let place = self.desk.said.iter().position(is_verdict)?;
        match self.desk.said.remove(place) {
            Some(Output::Verdict { announcement, verdict }) => Some((announcement.0, verdict)),
            _ => None,
        }
    }

    fn transactions(&self, places: &[u32]) -> Vec<Transaction> {
        let all = self.blocks[0].transactions();
        places.iter().map(|place| all[usize::try_from(*place).unwrap()].transaction().clone()).collect()
    }

    /// The question for what the first block misses.
    fn asked_for_missing(&mut self) -> (RequestId, Vec<u32>) {
        self.asked_for_missing_of(1)
    }

    fn asked_for_missing_of(&mut self, expected: u64) -> (RequestId, Vec<u32>) {
        let (peer, request, question) = self.desk.asked().unwrap();
        let SyncQuestion::BlockTransactions { block, places } = question else { panic!("{question:?}") };
        assert_eq!((peer, block), (expected, self.blocks[0].id()));
        (request, places)
    }

    /// Answers the question for the whole first block, which must be there.
    fn give_whole(&mut self) {
        let (_, request, question) = self.desk.asked().unwrap();
        assert_eq!(question, SyncQuestion::Blocks { ids: vec![self.blocks[0].id()] });
        let bytes = BlockBytes(self.blocks[0].to_block().to_bytes().into());
        self.desk.answer(request, &SyncAnswer::Blocks(vec![bytes]));
        self.assert_has_first();
    }

    fn assert_has_first(&self) {
        assert_eq!(self.desk.taken, [self.blocks[0].id()]);
        assert_eq!(self.desk.tree.best_complete().id(), self.blocks[0].id());
    }
}

#[test]
fn a_block_whose_transactions_wait_here_needs_no_question() {
    let mut scene = Scene::new(3);
    scene.announce(1, 0, 7);
    assert_eq!(scene.verdict(), Some((7, Verdict::Accept)));
    scene.assert_has_first();
    assert!(scene.desk.asked().is_none());
    // The same from somebody else is of no use, and no fault.
    scene.announce(1, 0, 8);
    assert_eq!(scene.verdict(), Some((8, Verdict::Ignore)));
    assert_eq!(scene.desk.faults, []);
}

#[test]
fn what_is_missing_is_asked_for_and_nothing_else() {
    let mut scene = Scene::new(2);
    scene.announce(1, 0, 7);
    assert_eq!(scene.verdict(), None, "nobody is told of what cannot be given yet");
    let (request, places) = scene.asked_for_missing();
    assert_eq!(places.len(), 1);
    assert!(scene.desk.sync.held_bytes() > 0);
    let found = scene.transactions(&places);
    scene.desk.answer(request, &SyncAnswer::BlockTransactions(found));
    assert_eq!(scene.verdict(), Some((7, Verdict::Accept)));
    scene.assert_has_first();
    assert_eq!((scene.desk.sync.held_bytes(), scene.desk.faults.len()), (0, 0));
}

#[test]
fn a_block_is_fetched_whole_if_its_announcer_cannot_help() {
    // It does not give them; it does not answer; it leaves.
    for case in 0..3 {
        let mut scene = Scene::new(0);
        scene.visitor(2);
        scene.announce(1, 0, 7);
        let (request, _) = scene.asked_for_missing();
        scene.announce(2, 0, 8);
        match case {
            0 => scene.desk.answer(request, &SyncAnswer::BlockTransactions(vec![])),
            1 => scene.desk.wait(5_000),
            _ => scene.desk.tell(Input::PeerDown { peer: PeerKey(1) }),
        }
        assert_eq!(scene.verdict(), Some((8, Verdict::Ignore)));
        assert_eq!(scene.verdict(), Some((7, Verdict::Ignore)));
        scene.give_whole();
    }
}

#[test]
fn who_is_silent_keeps_nobody_elses_block_out() {
    let mut scene = Scene::new(3);
    let theirs = Chain::of(vec![spec().genesis().header, *scene.blocks[0].header()]);
    let mut block = CompactBlock::new(&scene.blocks[0], 6, |_| false);
    block.coinbase = scene.blocks[1].coinbase().clone();
    scene.desk.tell(Input::Announced { peer: PeerKey(1), block, announcement: Announcement(6) });
    // Another block comes of it, as by short ids that collide: that may be chance. Its announcer is asked for all of it, and says nothing.
    assert_eq!(scene.verdict(), Some((6, Verdict::Ignore)));
    let (peer, silent, question) = scene.desk.asked().unwrap();
    assert_eq!((peer, &question), (1, &SyncQuestion::Blocks { ids: vec![theirs.tip()] }));
    scene.desk.peer_up(2, &Chain::new(&spec(), 0, 1));
    scene.announce(2, 0, 7);
    assert_eq!(scene.verdict(), Some((7, Verdict::Accept)));
    scene.assert_has_first();
    // What comes too late is of no use, and does no harm.
    let bytes = BlockBytes(scene.blocks[0].to_block().to_bytes().into());
    scene.desk.answer(silent, &SyncAnswer::Blocks(vec![bytes]));
    scene.assert_has_first();
    assert_eq!((scene.desk.sync.held_bytes(), scene.desk.faults.len()), (0, 0));
}

#[test]
fn whoever_is_silent_is_not_the_only_one_that_is_asked_for_what_is_missing() {
    let mut scene = Scene::new(2);
    scene.desk.peer_up(2, &Chain::new(&spec(), 0, 1));
    scene.desk.peer_up(3, &Chain::new(&spec(), 0, 1));
    scene.announce(1, 0, 7);
    let (silent, places) = scene.asked_for_missing();
    scene.announce(2, 0, 8);
    let (request, missing) = scene.asked_for_missing_of(2);
    assert_eq!(missing, places);
    scene.announce(3, 0, 9);
    assert_eq!(scene.verdict(), Some((9, Verdict::Ignore)), "two are enough");
    let found = SyncAnswer::BlockTransactions(scene.transactions(&places));
    scene.desk.answer(request, &found);
    scene.assert_has_first();
    assert_eq!((scene.verdict(), scene.verdict()), (Some((8, Verdict::Accept)), Some((7, Verdict::Ignore))));
    // What comes too late is of no use, and does no harm.
    scene.desk.answer(silent, &found);
    scene.assert_has_first();
    assert_eq!((scene.desk.sync.held_bytes(), scene.desk.faults.len()), (0, 0));
}

#[test]
fn whoever_was_asked_in_vain_comes_last() {
    let mut scene = Scene::new(2);
    scene.desk.peer_up(2, &Chain::new(&spec(), 0, 1));
    scene.announce(1, 0, 7);
    scene.asked_for_missing();
    scene.desk.wait(5_000);
    assert_eq!(scene.desk.faults, [(PeerKey(1), Fault::Timeout)]);
    assert_eq!(scene.verdict(), Some((7, Verdict::Ignore)));
    scene.announce(1, 0, 8);
    assert_eq!(scene.verdict(), Some((8, Verdict::Ignore)));
    assert!(scene.desk.asked().is_none());
    scene.announce(2, 0, 9);
    let (request, places) = scene.asked_for_missing_of(2);
    let found = scene.transactions(&places);
    scene.desk.answer(request, &SyncAnswer::BlockTransactions(found));
    assert_eq!(scene.verdict(), Some((9, Verdict::Accept)));
    scene.assert_has_first();
}

#[test]
fn a_block_whose_transactions_wait_here_is_taken_while_others_are_asked() {
    let mut scene = Scene::new(2);
    scene.announce(1, 0, 7);
    scene.asked_for_missing();
    for peer in [2, 3] {
        scene.visitor(peer);
        let block = CompactBlock::new(&scene.blocks[0], peer, |_| true);
        let announcement = Announcement(peer);
        scene.desk.tell(Input::Announced { peer: PeerKey(peer), block, announcement });
    }
    assert_eq!(scene.verdict(), Some((2, Verdict::Accept)), "it brings all of them");
    scene.assert_has_first();
}

#[test]
fn a_second_one_is_asked_for_a_block_that_takes_long() {
    for is_first_late in [false, true] {
        let mut scene = Scene::new(2);
        scene.announce(1, 0, 7);
        let (request, places) = scene.asked_for_missing();
        // Whoever announces it too has it.
        scene.visitor(2);
        scene.announce(2, 0, 8);
        assert_eq!(scene.verdict(), Some((8, Verdict::Ignore)));
        scene.desk.wait(1_999);
        assert!(scene.desk.asked().is_none());
        scene.desk.wait(1);
        let (peer, beside, question) = scene.desk.asked().unwrap();
        assert_eq!((peer, &question), (2, &SyncQuestion::Blocks { ids: vec![scene.blocks[0].id()] }));
        let found = SyncAnswer::BlockTransactions(scene.transactions(&places));
        let whole = SyncAnswer::Blocks(vec![BlockBytes(scene.blocks[0].to_block().to_bytes().into())]);
        let answers = [(request, found), (beside, whole)];
        for place in if is_first_late { [1, 0] } else { [0, 1] } {
            let (request, answer) = &answers[place];
            scene.desk.answer(*request, answer);
            scene.assert_has_first();
        }
        assert_eq!(scene.verdict(), Some((7, Verdict::Accept)));
        assert_eq!((scene.desk.sync.held_bytes(), scene.desk.faults.len()), (0, 0));
    }
}

#[test]
fn wrong_transactions_are_a_fault() {
    let mut scene = Scene::new(2);
    scene.announce(1, 0, 7);
    let (request, places) = scene.asked_for_missing();
    let other = scene.transactions(&[(places[0] + 1) % 3]);
    scene.desk.answer(request, &SyncAnswer::BlockTransactions(other));
    assert_eq!(scene.verdict(), Some((7, Verdict::Reject)));
    assert!(matches!(scene.desk.faults[..], [(PeerKey(1), Fault::CompactBlock(_))]));
    // It is paused; somebody else gives the block.
    let theirs = Chain::of(vec![spec().genesis().header, *scene.blocks[0].header()]);
    scene.desk.peer_up(2, &theirs);
    scene.give_whole();
}

#[test]
fn an_orphan_leads_to_its_parents() {
    let mut scene = Scene::new(3);
    scene.announce(1, 1, 7);
    assert_eq!(scene.verdict(), Some((7, Verdict::Ignore)));
    let (_, _, question) = scene.desk.asked().unwrap();
    let SyncQuestion::Headers { locator } = question else { panic!() };
    assert_eq!(locator[0], scene.parent);
    assert_eq!(scene.desk.faults, []);
}

#[test]
fn work_is_looked_at_first() {
    let mut scene = Scene::new(3);
    let mut block = CompactBlock::new(&scene.blocks[0], 1, |_| false);
    while spec().consensus().pow.check_work(&block.header).is_ok() {
        block.header.nonce += 1;
    }
    scene.desk.tell(Input::Announced { peer: PeerKey(1), block, announcement: Announcement(7) });
    assert_eq!(scene.verdict(), Some((7, Verdict::Reject)));
    assert_eq!(scene.desk.faults, [(PeerKey(1), Fault::NoWork)]);
}

#[test]
fn an_invalid_block_was_passed_on_in_good_faith() {
    let mut scene = Scene::new(3);
    let id = scene.blocks[0].id();
    scene.desk.outcomes.insert(id, BlockOutcome::Invalid);
    scene.announce(1, 0, 7);
    assert_eq!(scene.verdict(), Some((7, Verdict::Accept)));
    assert_eq!(scene.desk.faults, [], "it cannot be known before the signatures are verified");
    // Others, and what builds on it, may be on their way from somebody who does not know it yet.
    scene.announce(1, 0, 8);
    assert_eq!(scene.verdict(), Some((8, Verdict::Ignore)));
    scene.announce(1, 1, 9);
    assert_eq!(scene.verdict(), Some((9, Verdict::Ignore)));
    assert_eq!(scene.desk.faults, []);
}

#[test]
fn an_invalid_block_may_be_given_whole_in_good_faith_too() {
    let mut scene = Scene::new(0);
    scene.desk.outcomes.insert(scene.blocks[0].id(), BlockOutcome::Invalid);
    scene.announce(1, 0, 7);
    let (request, _) = scene.asked_for_missing();
    scene.desk.answer(request, &SyncAnswer::BlockTransactions(vec![]));
    scene.desk.faults.clear();
    scene.desk.wait(20_000);
    let (_, request, _) = scene.desk.asked().unwrap();
    let bytes = BlockBytes(scene.blocks[0].to_block().to_bytes().into());
    scene.desk.answer(request, &SyncAnswer::Blocks(vec![bytes]));
    assert_eq!(scene.desk.taken, [scene.blocks[0].id()]);
    assert_eq!(scene.desk.faults, [], "it has passed the block on, and never said that it is in its chain");
}

#[test]
fn a_withheld_block_does_not_stop_others() {
    let mut scene = Scene::new(3);
    // Somebody shows a header, and has nothing else to give.
    let parent = *scene.desk.tree.node(&scene.parent).unwrap().header();
    let withheld = super::desk::headers(&parent, 1, 9);
    scene.desk.tree.insert(withheld[0], NOW, &spec()).unwrap();
    scene.desk.wait(1);
    assert_eq!(scene.desk.tree.best().id(), withheld[0].id());
    scene.announce(1, 0, 7);
    assert_eq!(scene.verdict(), Some((7, Verdict::Accept)));
    scene.assert_has_first();
    assert_eq!(scene.desk.sync.held_bytes(), 0);
    // One that makes no longer chain is of no use.
    let mut other = CompactBlock::new(&scene.blocks[0], 8, |_| false);
    other.header = super::desk::headers(&parent, 1, 10)[0];
    scene.desk.tell(Input::Announced { peer: PeerKey(1), block: other, announcement: Announcement(8) });
    assert_eq!(scene.verdict(), Some((8, Verdict::Ignore)));
}

#[test]
fn a_block_on_its_way_can_be_passed_on() {
    let mut scene = Scene::new(3);
    let id = scene.blocks[0].id();
    assert!(scene.desk.sync.block_at_hand(&id).is_none());
    let block = CompactBlock::new(&scene.blocks[0], 1, |_| false);
    let Desk { now, tree, pool, spec, sync, .. } = &mut scene.desk;
    let at = qbtc_core::sync::Surroundings { now: *now, clock: NOW, tree, pool, spec };
    tree_with(at, block, |input, at| sync.handle(input, at));
    while let Some(output) = scene.desk.sync.poll() {
        if let Output::TakeHeaders { ticket, headers } = output {
            let Desk { now, tree, pool, spec, sync, .. } = &mut scene.desk;
            tree.insert(headers[0], NOW, spec).unwrap();
            let at = qbtc_core::sync::Surroundings { now: *now, clock: NOW, tree, pool, spec };
            sync.handle(Input::HeadersTaken { ticket, outcome: Ok(()) }, &at);
        }
    }
    assert_eq!(scene.desk.sync.block_at_hand(&id).unwrap().id(), id);
}

fn tree_with(
    at: qbtc_core::sync::Surroundings<'_>,
    block: CompactBlock,
    mut handle: impl FnMut(Input, &qbtc_core::sync::Surroundings<'_>),
) {
    handle(Input::Announced { peer: PeerKey(1), block, announcement: Announcement(1) }, &at);
}
