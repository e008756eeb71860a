//! A real node with its mempool on one side, peers that the test plays on the other.

use qbtc_core::crypto::Signature;
use qbtc_core::lock::Proof;
use qbtc_core::units::Amount;
use tokio::sync::mpsc;

use std::sync::Arc;

use super::*;
use crate::bench::chain::{BenchNode, Owned, Owner};
use crate::node::TipMoved;

struct Scene {
    _folder: tempfile::TempDir,
    owner: Owner,
    bench: BenchNode,
    events: mpsc::Sender<RelayEvent>,
    commands: mpsc::Receiver<RelayCommand>,
    task: tokio::task::JoinHandle<()>,
}

const DIALLED: PeerKey = PeerKey(1);
const OTHER: PeerKey = PeerKey(2);
const ANY: FeeRate = FeeRate::from_quanta_per_1000_bytes(0);

impl Scene {
    /// With a peer that this node dialled, or without; and one that dialled this node.
    async fn new(is_dialling: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = Owner::new(4);
        let bench = BenchNode::start(folder.path(), &owner.spec).unwrap();
        let (events, receiver) = mpsc::channel(64);
        let (sender, commands) = mpsc::channel(64);
        let relay = Relay::new(&bench.node, RelayLink { events: receiver, commands: sender }).unwrap();
        let task = tokio::spawn(relay.run());
        if is_dialling {
            events.send(RelayEvent::Up { peer: DIALLED, is_for_stem: true, fee_rate_min: ANY }).await.unwrap();
        }
        events.send(RelayEvent::Up { peer: OTHER, is_for_stem: false, fee_rate_min: ANY }).await.unwrap();
        Self { _folder: folder, owner, bench, events, commands, task }
    }

    fn payment(&self, coin: usize) -> Transaction {
        let coins: Vec<Owned> = self.owner.allotments();
        self.owner.pay(&coins[coin..=coin], 1)
    }

    async fn gossip(&self, message: u64, transaction: &Transaction) {
        let transaction = transaction.clone();
        let event = RelayEvent::Gossiped { peer: OTHER, message: MessageKey(message), transaction };
        self.events.send(event).await.unwrap();
    }

    async fn stem(&self, transaction: &Transaction) {
        self.events.send(RelayEvent::Stemmed { peer: OTHER, transaction: transaction.clone() }).await.unwrap();
    }

    async fn command(&mut self) -> RelayCommand {
        let limit = Duration::from_secs(60);
        tokio::time::timeout(limit, self.commands.recv()).await.expect("it goes on").expect("it runs")
    }

    async fn verdict(&mut self) -> (u64, Verdict) {
        match self.command().await {
            RelayCommand::Verdict { message, verdict } => (message.0, verdict),
            other => panic!("{other:?}"),
        }
    }

    fn has(&self, transaction: &Transaction) -> bool {
        self.bench.node.live().pool.entry_by_wtxid(&transaction.wtxid()).is_some()
    }

    async fn stop(self) {
        self.bench.stop().await.unwrap();
        self.task.await.unwrap();
    }
}

/// The transaction with another signature.
fn forged(transaction: &Transaction) -> Transaction {
    let mut forged = transaction.clone();
    for proof in &mut forged.witnesses[0].proofs {
        if let Proof::Signature(signature) = proof {
            let mut bytes = signature.as_bytes().to_vec();
            bytes[100] ^= 1;
            *signature = Signature::new(bytes).unwrap();
        }
    }
    forged
}

#[tokio::test(flavor = "multi_thread")]
async fn what_everybody_hears_is_verified_first() {
    let mut scene = Scene::new(true).await;
    let (good, bad) = (scene.payment(0), forged(&scene.payment(1)));
    scene.gossip(1, &good).await;
    assert_eq!(scene.verdict().await, (1, Verdict::Accept));
    assert!(scene.has(&good));
    // It came another way before: whoever passes it on now does no wrong, and others may not have it.
    scene.gossip(2, &good).await;
    assert_eq!(scene.verdict().await, (2, Verdict::Accept));
    scene.gossip(3, &bad).await;
    let RelayCommand::Fault { peer: OTHER, fault: Fault::Transaction } = scene.command().await else { panic!() };
    assert_eq!(scene.verdict().await, (3, Verdict::Reject));
    // What spends unknown coins may be early.
    let mut early = scene.payment(2);
    early.body.outputs[0].amount = Amount::from_coins(1);
    early.body.inputs[0].txid = Txid::from_bytes([9; 32]);
    scene.gossip(4, &early).await;
    assert_eq!(scene.verdict().await, (4, Verdict::Ignore));
    assert!(!scene.has(&bad) && !scene.has(&early));
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_starts_here_goes_to_a_peer_that_was_dialled_and_back_to_everybody() {
    let mut scene = Scene::new(true).await;
    let payment = scene.payment(0);
    scene.bench.node.spread_transaction(payment.clone()).await.unwrap();
    let RelayCommand::Stem { peer: DIALLED, transaction } = scene.command().await else { panic!() };
    assert_eq!(transaction, payment);
    assert!(scene.has(&payment), "its wallet sees it");
    // It has gone in a circle.
    scene.stem(&payment).await;
    let RelayCommand::Publish(transaction) = scene.command().await else { panic!() };
    assert_eq!(transaction, payment);
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_the_stem_is_shown_to_nobody() {
    // One in ten epochs gives everything to everybody; so it takes a few nodes to see one that does not.
    for _ in 0..20 {
        let mut scene = Scene::new(true).await;
        let payment = scene.payment(0);
        scene.stem(&forged(&payment)).await;
        let RelayCommand::Fault { peer: OTHER, fault: Fault::Transaction } = scene.command().await else { panic!() };
        scene.stem(&payment).await;
        let command = scene.command().await;
        let has = scene.has(&payment);
        scene.stop().await;
        match command {
            RelayCommand::Stem { peer: DIALLED, transaction } => {
                assert_eq!((transaction, has), (payment, false));
                return;
            }
            RelayCommand::Publish(_) => assert!(has),
            other => panic!("{other:?}"),
        }
    }
    panic!("twenty diffusers in a row");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_peer_to_go_to_the_stem_ends() {
    let mut scene = Scene::new(false).await;
    let payment = scene.payment(0);
    scene.stem(&payment).await;
    let RelayCommand::Publish(transaction) = scene.command().await else { panic!() };
    assert_eq!(transaction, payment);
    assert!(scene.has(&payment));
    scene.bench.node.spread_transaction(scene.payment(1)).await.unwrap();
    assert!(matches!(scene.command().await, RelayCommand::Publish(_)));
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_handed_in_is_lost_however_much_else_happens() {
    let mut scene = Scene::new(false).await;
    // Another relay, which is behind.
    let (_events, receiver) = mpsc::channel(64);
    let (sender, commands) = mpsc::channel(64);
    let late = Relay::new(&scene.bench.node, RelayLink { events: receiver, commands: sender }).unwrap();
    scene.commands = commands;
    let block = scene.bench.mine(scene.owner.address).unwrap();
    let (id, payment) = (block.id(), scene.payment(0));
    scene.bench.node.submit_checked(block).await.unwrap();
    scene.bench.node.spread_transaction(payment.clone()).await.unwrap();
    let moved = Arc::new(TipMoved { disconnected: Vec::new(), connected: Vec::new() });
    for _ in 0..5_000 {
        drop(scene.bench.node.shared().events.send(Event::Tip(Arc::clone(&moved))));
    }
    let late = tokio::spawn(late.run());
    let (mut has_payment, mut has_block) = (false, false);
    while !(has_payment && has_block) {
        match scene.command().await {
            RelayCommand::Publish(transaction) => has_payment |= transaction == payment,
            RelayCommand::PublishBlock(compact) => has_block |= compact.id() == id,
            other => panic!("{other:?}"),
        }
    }
    scene.stop().await;
    late.await.unwrap();
}

/// A relay that does only what it is told to, of a node that runs.
struct Still {
    _folder: tempfile::TempDir,
    owner: Owner,
    bench: BenchNode,
    relay: Relay,
    commands: mpsc::Receiver<RelayCommand>,
}

impl Still {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = Owner::new(4);
        let bench = BenchNode::start(folder.path(), &owner.spec).unwrap();
        // Nobody sends events but by `hear`.
        let (_, events) = mpsc::channel(1);
        let (sender, commands) = mpsc::channel(64);
        let relay = Relay::new(&bench.node, RelayLink { events, commands: sender }).unwrap();
        Self { _folder: folder, owner, bench, relay, commands }
    }

    fn payment(&self) -> Transaction {
        self.owner.pay(&self.owner.allotments()[..1], 1)
    }

    /// Has a payment handed in and sent on its way.
    async fn spread(&mut self, payment: &Transaction) {
        self.bench.node.spread_transaction(payment.clone()).await.unwrap();
        let handed_in = self.relay.handed_in.transactions.recv().await.unwrap();
        self.relay.spread(&handed_in).await.unwrap();
    }

    /// A peer wants no payment of ours.
    async fn wants_more(&mut self, peer: PeerKey) {
        let fee_rate_min = FeeRate::from_quanta_per_1000_bytes(1_000_000_000);
        self.relay.hear(RelayEvent::Told { peer, fee_rate_min }).await.unwrap();
    }

    async fn up(&mut self, peer: PeerKey, is_for_stem: bool) {
        self.relay.hear(RelayEvent::Up { peer, is_for_stem, fee_rate_min: ANY }).await.unwrap();
    }

    /// What is done so much later.
    async fn later(&mut self, seconds: u64) -> Vec<RelayCommand> {
        self.relay.started = self.relay.started.checked_sub(Duration::from_secs(seconds)).unwrap();
        self.relay.due().await.unwrap();
        self.told()
    }

    /// What it has told the network, but for what it delays.
    fn told(&mut self) -> Vec<RelayCommand> {
        std::iter::from_fn(|| self.commands.try_recv().ok()).collect()
    }

    /// To whom the transaction goes along the stem.
    async fn stemmed(&mut self) -> (PeerKey, Transaction) {
        self.relay.leaving.next().await.expect("something is on its way")
    }

    /// What has happened since the last time.
    fn happen(&mut self) {
        while let Ok(event) = self.relay.events.try_recv() {
            self.relay.happened(&event);
        }
    }

    fn unheard(&self) -> usize {
        self.bench.node.own().unheard()
    }
}

fn published(commands: &[RelayCommand], payment: &Transaction) -> usize {
    assert!(
        commands.iter().all(|command| matches!(command, RelayCommand::Publish(tx) if tx == payment)),
        "{commands:?}"
    );
    commands.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_starts_here_is_given_to_everybody_again_until_it_is_mined() {
    let mut still = Still::new();
    let payment = still.payment();
    still.up(DIALLED, true).await;
    still.spread(&payment).await;
    still.happen();
    assert_eq!(still.stemmed().await, (DIALLED, payment.clone()));
    assert_eq!((still.unheard(), still.told().len()), (1, 0), "the next one of the stem may keep it to itself");
    assert!(still.bench.node.own().is_secret(&payment.txid()));
    assert!(published(&still.later(300).await, &payment) > 0);
    assert_eq!(still.unheard(), 0);
    for _ in 0..2 {
        assert_eq!(published(&still.later(3 * 60 * 60).await, &payment), 1);
        assert_eq!(published(&still.later(1).await, &payment), 0);
    }
    // Others pass it on.
    let gossip = RelayEvent::Gossiped { peer: OTHER, message: MessageKey(1), transaction: payment.clone() };
    still.relay.hear(gossip).await.unwrap();
    assert!(matches!(still.told()[..], [RelayCommand::Verdict { verdict: Verdict::Accept, .. }]));
    assert_eq!(published(&still.later(11 * 60 * 60).await, &payment), 0, "whoever says it again is where it began");
    assert_eq!(published(&still.later(26 * 60 * 60).await, &payment), 1);
    let block = still.bench.mine(still.owner.address).unwrap();
    still.bench.node.submit_checked(block).await.unwrap();
    assert!(!still.bench.node.own().has(&payment.txid()));
    still.happen();
    assert_eq!((still.later(24 * 60 * 60).await.len(), still.relay.turns.deadline()), (0, None));
    still.bench.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_could_hear_waits_for_a_peer_that_was_dialled() {
    let mut still = Still::new();
    let payment = still.payment();
    still.spread(&payment).await;
    assert_eq!((published(&still.told(), &payment), still.unheard()), (1, 1), "there was nobody");
    assert!(!still.bench.node.own().is_secret(&payment.txid()), "it went to everybody there was");
    still.up(OTHER, false).await;
    assert!(still.relay.leaving.is_empty() && still.told().is_empty(), "who came by itself may only look who pays");
    still.up(DIALLED, true).await;
    assert_eq!(still.stemmed().await, (DIALLED, payment.clone()));
    // It comes back from others.
    let gossip = RelayEvent::Gossiped { peer: OTHER, message: MessageKey(1), transaction: payment };
    still.relay.hear(gossip).await.unwrap();
    assert_eq!(still.unheard(), 0);
    still.up(PeerKey(3), true).await;
    assert!(still.relay.leaving.is_empty(), "it is on its way");
    still.bench.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_started_here_before_a_restart_goes_on_its_way() {
    let mut still = Still::new();
    let payment = still.payment();
    // As the start of a node does.
    still.bench.node.own().restore([(payment.txid(), false)].into());
    still.bench.node.submit_transaction(payment.clone()).await.unwrap();
    still.happen();
    still.up(DIALLED, true).await;
    assert_eq!(still.stemmed().await, (DIALLED, payment.clone()));
    // A relay that is made later, or that missed what happened, finds it too.
    let (_, events) = mpsc::channel(1);
    let (commands, _kept) = mpsc::channel(64);
    let late = Relay::new(&still.bench.node, RelayLink { events, commands }).unwrap();
    assert!(late.turns.has(&payment.txid()) && late.turns.deadline().is_some());
    drop(late);
    still.bench.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_be_paid_more_learns_nothing_of_what_starts_here() {
    let mut still = Still::new();
    let [first, second] = [0, 1].map(|coin| still.owner.pay(&still.owner.allotments()[coin..=coin], 1));
    let third = PeerKey(3);
    still.up(DIALLED, true).await;
    still.up(third, true).await;
    still.wants_more(DIALLED).await;
    still.spread(&first).await;
    assert_eq!(still.stemmed().await, (third, first));
    still.wants_more(third).await;
    still.spread(&second).await;
    assert!(still.relay.leaving.is_empty() && still.told().is_empty(), "it is not given to everybody at once");
    assert!(still.later(300).await.iter().any(|command| matches!(command, RelayCommand::Publish(tx) if *tx == second)));
    still.bench.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_makes_no_peer_part_with_this_node() {
    let mut still = Still::new();
    let payment = still.payment();
    let sent = |relay: &mut Relay, origin| (0..10_000).filter(|_| relay.may_send(DIALLED, origin, &payment)).count();
    let at_once = usize::try_from(STEM_SENT.0.at_once).unwrap();
    let of_others = sent(&mut still.relay, Origin::Peer(OTHER));
    assert!(of_others.abs_diff(at_once / 2) < 20, "{of_others} of {at_once}");
    let own = sent(&mut still.relay, Origin::Here);
    assert!((of_others + own).abs_diff(at_once) < 40, "{own}: what starts here has the other half");
    still.bench.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coin_that_is_spent_twice_goes_along_the_stem_once() {
    let mut still = Still::new();
    still.up(DIALLED, true).await;
    let coins = still.owner.allotments();
    let [first, second] = [1, 2].map(|amount| still.owner.pay(&coins[..1], amount));
    assert_ne!(first.txid(), second.txid());
    for (transaction, expected) in [(first, true), (second, false)] {
        let wtxid = transaction.wtxid();
        let from = Source::Stem(OTHER);
        still.relay.verified(Verified { from, transaction, outcome: Ok(None) }).await.unwrap();
        // One in ten epochs gives everything to everybody.
        let is_public = still.told().iter().any(|command| matches!(command, RelayCommand::Publish(_)));
        assert_eq!(is_public || still.relay.held.has(&wtxid), expected);
    }
    still.bench.stop().await.unwrap();
}
