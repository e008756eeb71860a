//! The task of one listener: it gives each packet of its socket to the connection it belongs to, and opens connections within limits.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use if_watch::IfEvent;
use if_watch::tokio::IfWatcher;
use libp2p::identity::Keypair;
use parking_lot::Mutex;
use qbtc_core::net::browser::CertHash;
use qbtc_core::net::browser::noise::prologue;
use str0m::IceCreds;
use str0m::crypto::CryptoProvider;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificate::Certificate;
use super::connection::{self, Answer, Connection, Packet, Wiring};
use super::error::ConnectionError;
use super::limits::{Budget, Counters, DATAGRAM_BYTES_MAX, Limits};
use super::muxer::Shared;
use super::router::{Dropped, PlaceId, Router, Verdict};
use super::socket::{Buffers, Datagram, Socket};

/// How long the task waits when the socket fails, and how often it may fail in a row.
const RETRY: Duration = Duration::from_millis(100);
const FAILURES_MAX: u32 = 50;

type Table = Arc<Mutex<Router<mpsc::Sender<Packet>>>>;

/// What all listeners of a transport share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) identity: Keypair,
    pub(super) certificate: Arc<Certificate>,
    pub(super) crypto: Arc<CryptoProvider>,
    pub(super) limits: Limits,
    pub(super) counters: Arc<Counters>,
    pub(super) queued: Arc<Budget>,
    pub(super) unread: Arc<Budget>,
    pub(super) tasks: TaskTracker,
}

/// What a listener tells its transport.
pub(super) enum ListenerEvent {
    /// It can be reached there.
    Up(IpAddr),
    /// It cannot any more.
    Down(IpAddr),
    /// A peer wants to prove its id.
    Incoming(Incoming),
    /// It cannot go on.
    Failed(std::io::Error),
}

/// A connection whose peer has not proved its id yet.
pub(super) struct Incoming {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) shared: Arc<Shared>,
    pub(super) prologue: Vec<u8>,
    pub(super) place: Place,
}

/// A connection's place in the table. It is free again when this is dropped by the connection's task.
pub(super) struct Place {
    table: Table,
    id: PlaceId,
}

impl Place {
    /// The peer has proved its id.
    pub(super) fn authenticated(&self) {
        self.table.lock().authenticated(self.id);
    }
}

/// Takes a connection out of the table, however its task ends.
struct Leave {
    place: Place,
    counters: Arc<Counters>,
}

impl Leave {
    fn new(place: Place, counters: &Arc<Counters>) -> Self {
        Counters::add(&counters.open);
        Self { place, counters: Arc::clone(counters) }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.place.table.lock().remove(self.place.id);
        self.counters.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The listener inside its task.
pub(super) struct Listener {
    common: Common,
    socket: Arc<Socket>,
    table: Table,
    events: mpsc::Sender<ListenerEvent>,
    cancel: CancellationToken,
}

impl Listener {
    pub(super) fn new(
        common: Common,
        socket: Socket,
        events: mpsc::Sender<ListenerEvent>,
        cancel: CancellationToken,
    ) -> Self {
        let table = Router::new(common.limits.clone(), Arc::clone(&common.crypto));
        Self { common, socket: Arc::new(socket), table: Arc::new(Mutex::new(table)), events, cancel }
    }

    /// Runs until it is cancelled or the socket fails for good.
    pub(super) async fn run(self) {
        let cancel = self.cancel.clone();
        let end = tokio::select! {
            () = cancel.cancelled() => Ok(()),
            end = self.watch_addresses() => end,
            error = self.receive() => Err(error),
        };
        // Connections live of the packets that came from here.
        cancel.cancel();
        if let Err(error) = end {
            // Nobody is told when nobody listens any more.
            let _ = self.events.send(ListenerEvent::Failed(error)).await;
        }
    }

    /// Tells where the listener can be reached. Ends only with an error.
    async fn watch_addresses(&self) -> std::io::Result<()> {
        let ip = self.socket.local().ip();
        if !ip.is_unspecified() {
            let _ = self.events.send(ListenerEvent::Up(ip)).await;
            return std::future::pending().await;
        }
        let mut watcher = match IfWatcher::new() {
            Ok(watcher) => watcher,
            Err(error) => {
                tracing::warn!(
                    "nobody can be told of the node's WebRTC addresses, since the system does not tell them: {error}"
                );
                return std::future::pending().await;
            }
        };
        loop {
            let event = match poll_fn(|cx| watcher.poll_if_event(cx)).await? {
                IfEvent::Up(net) => is_reachable(ip, net.addr()).then(|| ListenerEvent::Up(net.addr())),
                IfEvent::Down(net) => is_reachable(ip, net.addr()).then(|| ListenerEvent::Down(net.addr())),
            };
            if let Some(event) = event {
                let _ = self.events.send(event).await;
            }
        }
    }

    async fn receive(&self) -> std::io::Error {
        let mut buffers = Buffers::new();
        let mut failures = 0;
        loop {
            match self.socket.receive(&mut buffers).await {
                Ok(()) => {
                    failures = 0;
                    for datagram in self.socket.datagrams(&buffers) {
                        self.on_datagram(datagram);
                    }
                    // The loop never waits while packets come in a flood.
                    tokio::task::yield_now().await;
                }
                Err(error) if failures == FAILURES_MAX => return error,
                Err(_) => {
                    failures += 1;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    fn on_datagram(&self, datagram: Datagram<'_>) {
        let counters = &self.common.counters;
        Counters::add_bytes(&counters.received_bytes, datagram.bytes.len());
        if datagram.bytes.len() > DATAGRAM_BYTES_MAX || datagram.to.ip().is_unspecified() {
            return Counters::add(&counters.junk);
        }
        let mut table = self.table.lock();
        match table.route(datagram.from, datagram.bytes) {
            Verdict::Deliver(queue) => self.deliver(queue, datagram),
            Verdict::Drop(Dropped::Junk) => Counters::add(&counters.junk),
            Verdict::Drop(Dropped::Unverified) => Counters::add(&counters.unverified),
            Verdict::Drop(Dropped::Gone) => Counters::add(&counters.late),
            Verdict::Drop(Dropped::Full) => Counters::add(&counters.refused),
            Verdict::Open(credentials) => {
                let (server, client) = (credentials.server(), credentials.client());
                let (queue, packets) = mpsc::channel(self.common.limits.queue_packets_max);
                self.deliver(&queue, datagram);
                let id = table.open(datagram.from, credentials.username(), queue);
                drop(table);
                self.open(id, server, client, datagram, packets);
            }
        }
    }

    fn deliver(&self, queue: &mpsc::Sender<Packet>, datagram: Datagram<'_>) {
        let Datagram { from, to, bytes } = datagram;
        let is_delivered = self.common.queued.charge(bytes.len()).is_some_and(|charge| {
            let packet = |()| Packet { from, to, bytes: bytes.to_vec(), _charge: charge };
            queue.try_reserve().is_ok_and(|permit| {
                permit.send(packet(()));
                true
            })
        });
        if !is_delivered {
            Counters::add(&self.common.counters.overflowed);
        }
    }

    /// Starts a connection's task.
    fn open(
        &self,
        id: PlaceId,
        server: IceCreds,
        client: IceCreds,
        first: Datagram<'_>,
        packets: mpsc::Receiver<Packet>,
    ) {
        let common = &self.common;
        let place = |()| Place { table: Arc::clone(&self.table), id };
        let leave = Leave::new(place(()), &common.counters);
        let shared = Shared::new(common.limits.clone(), &common.unread, Arc::clone(&common.counters));
        let answer = Answer {
            crypto: Arc::clone(&common.crypto),
            certificate: Arc::clone(&common.certificate),
            server,
            client,
            local: first.to,
        };
        let wiring = Wiring {
            socket: Arc::clone(&self.socket),
            packets,
            shared: Arc::clone(&shared),
            counters: Arc::clone(&common.counters),
            handshake_deadline: Instant::now() + common.limits.handshake_timeout,
        };
        let (events, place) = (self.events.clone(), place(()));
        let certhash = common.certificate.cert_hash();
        let (local, remote) = (first.to, first.from);
        let announce = move |client: CertHash| {
            let prologue = prologue(&client, &certhash);
            let incoming = Incoming { local, remote, shared, prologue, place };
            events.try_send(ListenerEvent::Incoming(incoming)).map_err(|_| ConnectionError::Busy)
        };
        let cancel = self.cancel.clone();
        common.tasks.spawn(async move {
            let _leave = leave;
            match connection::answer(answer) {
                Ok(answer) => drop(Connection::new(answer, wiring, announce).run(cancel).await),
                Err(error) => tracing::debug!(%error, "a WebRTC connection was not opened"),
            }
        });
    }
}

/// Whether a wildcard of this family can be reached there by others.
fn is_reachable(wildcard: IpAddr, ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => wildcard.is_ipv4() && !ip.is_link_local() && !ip.is_unspecified(),
        // An address of a link means nothing without the link's name, which no browser takes.
        IpAddr::V6(ip) => wildcard.is_ipv6() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_same_family_that_others_can_dial() {
        let is_reachable = |wildcard: &str, ip: &str| is_reachable(wildcard.parse().unwrap(), ip.parse().unwrap());
        assert!(is_reachable("0.0.0.0", "127.0.0.1") && is_reachable("0.0.0.0", "192.0.2.1"));
        assert!(is_reachable("::", "2001:db8::1") && is_reachable("::", "::1"));
        assert!(!is_reachable("0.0.0.0", "::1") && !is_reachable("::", "192.0.2.1"));
        assert!(!is_reachable("::", "fe80::1") && !is_reachable("0.0.0.0", "169.254.1.1"));
    }
}
