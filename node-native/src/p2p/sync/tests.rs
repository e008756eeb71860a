//! A real node and its chain on one side, peers that the test plays on the other.

use std::path::Path;
use std::time::Duration;

use qbtc_core::block::Block;
use qbtc_core::hash::BlockHash;
use qbtc_core::net::{BlockBytes, HEADERS_MAX, Hello, PROTOCOL_VERSION, Services, SyncAnswer, SyncQuestion, UserAgent};
use qbtc_core::sync::RequestId;
use qbtc_core::units::{FeeRate, Height, Work};

use super::*;
use crate::bench::chain::{BenchNode, Owner, make_chain};
use crate::blocks_file::BlocksReader;
use crate::metrics::{Format, Reading};
use crate::node::Unfollowed;

const BLOCKS: u32 = 40;

/// A node that syncs from the test.
struct Scene {
    blocks: Vec<Block>,
    owner: Owner,
    node: BenchNode,
    events: mpsc::Sender<SyncEvent>,
    commands: mpsc::Receiver<SyncCommand>,
    thread: JoinHandle<()>,
}

impl Scene {
    async fn new(folder: &Path) -> Self {
        let owner = Owner::new(2);
        let groups = owner.allotments().into_iter().map(|coin| vec![coin]).collect();
        let path = make_chain(folder, &owner, groups, BLOCKS, &|_| {}).await.unwrap().path;
        let limit = owner.spec.consensus().limits.block_bytes as usize;
        let blocks = BlocksReader::new(std::fs::File::open(path).unwrap(), limit).map(Result::unwrap).collect();
        let node = BenchNode::start(&folder.join("syncing"), &owner.spec).unwrap();
        let (events, receiver) = mpsc::channel(16);
        let (sender, commands) = mpsc::channel(16);
        let thread = start(
            &node.node,
            SyncLink { events: receiver, commands: sender },
            BlocksAtHand::default(),
            Limits::of(&owner.spec),
        )
        .unwrap();
        Self { blocks, owner, node, events, commands, thread }
    }

    async fn up(&self, peer: u64) {
        let tip = self.blocks.last().unwrap();
        let hello = Hello {
            version: PROTOCOL_VERSION,
            chain_id: self.owner.spec.chain_id(),
            tip: tip.id(),
            height: Height(BLOCKS),
            work: Work::from(2 * (u64::from(BLOCKS) + 1)),
            services: Services::NODE.and(Services::ALL_BODIES).and(Services::ALL_WITNESSES),
            fee_rate_min: FeeRate::from_quanta_per_1000_bytes(0),
            time: tip.header.time,
            user_agent: UserAgent::new("test").unwrap(),
        };
        self.events
            .send(SyncEvent::Input(Input::PeerUp { peer: PeerKey(peer), hello, is_outbound: true }))
            .await
            .unwrap();
    }

    async fn command(&mut self) -> SyncCommand {
        let limit = Duration::from_secs(60);
        tokio::time::timeout(limit, self.commands.recv()).await.expect("it goes on").expect("it runs")
    }

    fn honest(&self, question: &SyncQuestion) -> SyncAnswer {
        let place = |id: &BlockHash| self.blocks.iter().position(|block| block.id() == *id);
        match question {
            SyncQuestion::Headers { locator } => {
                let from = locator.iter().find_map(place).map_or(0, |place| place + 1);
                SyncAnswer::Headers(self.blocks[from..].iter().take(HEADERS_MAX).map(|block| block.header).collect())
            }
            SyncQuestion::Blocks { ids } => {
                let found = ids.iter().map_while(place).map(|place| self.blocks[place].to_bytes());
                SyncAnswer::of_blocks(found, &self.owner.spec)
            }
            _ => panic!("{question:?}"),
        }
    }

    async fn answer(&self, request: RequestId, answer: SyncAnswer) {
        self.events.send(SyncEvent::Input(Input::Answer { request, answer })).await.unwrap();
    }

    /// Answers honestly until the node has the chain.
    async fn serve(&mut self) {
        let tip = self.blocks.last().unwrap().id();
        let mut tips = self.node.node.tip();
        let limit = tokio::time::Instant::now() + Duration::from_secs(120);
        while tips.borrow_and_update().id != tip {
            tokio::select! {
                command = self.commands.recv() => {
                    let Some(SyncCommand::Ask { request, question, .. }) = command else { panic!("{command:?}") };
                    self.answer(request, self.honest(&question)).await;
                }
                _ = tips.changed() => {}
                () = tokio::time::sleep_until(limit) => panic!("at {:?}", tips.borrow()),
            }
        }
    }

    async fn stop(self) {
        self.node.stop().await.unwrap();
        tokio::task::spawn_blocking(|| self.thread.join()).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_gets_the_chain_of_its_peer() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(folder.path()).await;
    scene.up(1).await;
    scene.serve().await;
    assert!(scene.node.node.is_synced());
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_body_costs_a_peer_the_connection_and_not_the_block() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(folder.path()).await;
    scene.up(1).await;
    let SyncCommand::Ask { request, question, .. } = scene.command().await else { panic!() };
    scene.answer(request, scene.honest(&question)).await;
    let SyncCommand::Ask { request, question, .. } = scene.command().await else { panic!() };
    let SyncQuestion::Blocks { ids } = &question else { panic!("{question:?}") };
    let mut bytes: Vec<Vec<u8>> = ids.iter().take(3).map(|_| Vec::new()).collect();
    for (place, bytes) in bytes.iter_mut().enumerate() {
        *bytes = scene.blocks[place].to_bytes();
    }
    assert_eq!(ids[0], scene.blocks[0].id());
    // The third ends with another transaction's last byte.
    *bytes[2].last_mut().unwrap() ^= 1;
    let answer = SyncAnswer::Blocks(bytes.into_iter().map(|bytes| BlockBytes(bytes.into())).collect());
    scene.answer(request, answer).await;
    loop {
        match scene.command().await {
            SyncCommand::Disconnect { peer, fault, is_banned } => {
                assert_eq!((peer, fault, is_banned), (PeerKey(1), Fault::Body, true));
                break;
            }
            SyncCommand::Ask { .. } | SyncCommand::Verdict { .. } => {}
        }
    }
    let counted = scene.node.node.metrics().render(&Reading::default(), Format::Prometheus);
    assert!(counted.contains("qbtc_peer_faults_total{fault=\"body\"} 1"), "{counted}");
    scene.events.send(SyncEvent::Input(Input::PeerDown { peer: PeerKey(1) })).await.unwrap();
    scene.up(2).await;
    scene.serve().await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_chain_that_cannot_be_followed_is_no_liar() {
    for cannot_follow in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut scene = Scene::new(folder.path()).await;
        let (node, first) = (scene.node.node.clone(), scene.blocks[0].header);
        node.submit_headers(vec![first]).await.unwrap();
        let (id, below) = (first.id(), Height(1));
        node.shared().headers.write().mark_invalid(&id).unwrap();
        if cannot_follow {
            let unfollowed = Unfollowed { fork: Height(0), first: id, below, work: Work::from(u64::MAX) };
            *node.shared().unfollowed.lock() = Some(unfollowed);
        }
        let mut parted = Vec::new();
        for peer in 1..=3 {
            scene.up(peer).await;
            loop {
                match scene.command().await {
                    SyncCommand::Ask { request, question, .. } => {
                        scene.answer(request, scene.honest(&question)).await;
                        if cannot_follow {
                            break;
                        }
                    }
                    SyncCommand::Disconnect { peer, fault, .. } => {
                        assert!(matches!(fault, Fault::Header(InsertError::Invalid { .. })), "{fault}");
                        parted.push(peer);
                        break;
                    }
                    SyncCommand::Verdict { .. } => {}
                }
            }
        }
        let all = [1, 2, 3].map(PeerKey).to_vec();
        assert_eq!(parted, if cannot_follow { Vec::new() } else { all });
        scene.stop().await;
    }
}
