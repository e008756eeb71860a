//! A transport that listens on loopback and echoes what comes on streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::core::muxing::StreamMuxer as _;
use libp2p::core::transport::{ListenerId, Transport as _, TransportEvent};
use libp2p::futures::future::poll_fn;
use libp2p::futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Multiaddr;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use crate::p2p::transport::webrtc::muxer::{Muxer, Substream};
use crate::p2p::transport::webrtc::{Certificate, Counters, Limits, WebRtcTransport};

pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// A listening transport.
pub(super) struct Node {
    pub(super) peer: PeerId,
    pub(super) address: Multiaddr,
    pub(super) counters: Arc<Counters>,
    pub(super) tasks: TaskTracker,
    /// Connections whose peers have proved their ids, unless the node echoes.
    pub(super) accepted: mpsc::Receiver<(PeerId, Muxer)>,
    driver: AbortHandle,
}

impl Node {
    /// One that echoes on each stream.
    pub(super) async fn echoing(limits: Limits) -> Self {
        Self::start(limits, true).await
    }

    /// One that leaves connections to the test.
    pub(super) async fn accepting(limits: Limits) -> Self {
        Self::start(limits, false).await
    }

    async fn start(limits: Limits, is_echoing: bool) -> Self {
        let identity = Keypair::generate_ed25519();
        let mut transport = WebRtcTransport::new(identity.clone(), Certificate::generate().unwrap(), limits);
        let (counters, tasks) = (transport.counters(), transport.tasks());
        let id = ListenerId::next();
        transport.listen_on(id, "/ip4/127.0.0.1/udp/0/webrtc-direct".parse().unwrap()).unwrap();
        let address = match poll_fn(|cx| Pin::new(&mut transport).poll(cx)).await {
            TransportEvent::NewAddress { listener_id, listen_addr } if listener_id == id => listen_addr,
            _ => panic!("a listener tells its address first"),
        };
        let (sender, accepted) = mpsc::channel(64);
        let driver = tokio::spawn(async move {
            loop {
                let event = poll_fn(|cx| Pin::new(&mut transport).poll(cx)).await;
                let TransportEvent::Incoming { upgrade, .. } = event else { continue };
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Ok((peer, muxer)) = upgrade.await {
                        if is_echoing {
                            echo_all(muxer).await;
                        } else {
                            let _ = sender.send((peer, muxer)).await;
                        }
                    }
                });
            }
        });
        let driver = driver.abort_handle();
        Self { peer: identity.public().to_peer_id(), address, counters, tasks, accepted, driver }
    }

    /// Drops the transport, with all that it runs.
    pub(super) fn stop(&self) {
        self.driver.abort();
    }

    /// Waits until only so many tasks run.
    pub(super) async fn has_tasks(&self, count: usize) {
        until(|| self.tasks.len() == count, || format!("{} tasks, not {count}", self.tasks.len())).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits for a condition.
pub(super) async fn until(is_met: impl Fn() -> bool, found: impl Fn() -> String) {
    let deadline = Instant::now() + TIMEOUT;
    while !is_met() {
        assert!(Instant::now() < deadline, "{}", found());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Echoes on each stream until the connection ends.
pub(super) async fn echo_all(mut muxer: Muxer) {
    while let Ok(stream) = poll_fn(|cx| Pin::new(&mut muxer).poll_inbound(cx)).await {
        tokio::spawn(echo(stream));
    }
}

async fn echo(mut stream: Substream) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return stream.close().await;
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
