//! One UDP socket that knows to which of the machine's addresses a packet came, and answers from there.
//!
//! On a wildcard address the system would choose the source of an answer by its routes, and a browser that asked another address takes no such
//! answer. So both go with each packet (`IP_PKTINFO`), through the same layer that QUIC uses.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Buffers that are filled at once.
const BATCH: usize = 8;
/// One buffer takes several packets, where the system joins them.
const BUFFER_BYTES: usize = 64 * 1024;
/// What the system may hold for us while we are busy; it gives what it allows.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// The socket.
#[derive(Debug)]
pub(super) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

/// A packet, and between which addresses it went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: &'a [u8],
}

/// Where packets are read into, made once.
pub(super) struct Buffers {
    bytes: Vec<u8>,
    metas: [RecvMeta; BATCH],
    filled: usize,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BATCH * BUFFER_BYTES], metas: [RecvMeta::default(); BATCH], filled: 0 }
    }
}

impl Socket {
    /// Binds. An IPv6 wildcard does not take IPv4 as well: that has an address of its own.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let io = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new((&io).into())?;
        // A small buffer only costs repeated packets.
        let _ = state.set_recv_buffer_size((&io).into(), RECEIVE_BUFFER_BYTES);
        let local = io.local_addr()?;
        Ok(Self { io, state, local })
    }

    pub(super) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits for packets.
    pub(super) async fn receive(&self, buffers: &mut Buffers) -> io::Result<()> {
        loop {
            self.io.readable().await?;
            let Buffers { bytes, metas, filled } = buffers;
            let mut chunks = bytes.chunks_mut(BUFFER_BYTES);
            let mut slices: [IoSliceMut<'_>; BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().expect("as many chunks as buffers")));
            let read = || self.state.recv((&self.io).into(), &mut slices, metas);
            match self.io.try_io(Interest::READABLE, read) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    *filled = count;
                    return Ok(());
                }
            }
        }
    }

    /// What [`Socket::receive`] got.
    pub(super) fn datagrams<'a>(&'a self, buffers: &'a Buffers) -> impl Iterator<Item = Datagram<'a>> {
        let chunks = buffers.bytes.chunks(BUFFER_BYTES).zip(&buffers.metas).take(buffers.filled);
        chunks.flat_map(|(chunk, meta)| {
            let ip = meta.dst_ip.unwrap_or(self.local.ip());
            let to = SocketAddr::new(ip, self.local.port());
            let joined = &chunk[..meta.len.min(chunk.len())];
            joined.chunks(meta.stride.max(1)).map(move |bytes| Datagram { from: meta.addr, to, bytes })
        })
    }

    /// Sends a packet. One that the system does not take is lost like any other.
    pub(super) async fn send(&self, from: IpAddr, to: SocketAddr, contents: &[u8]) {
        let transmit = Transmit { destination: to, ecn: None, contents, segment_size: None, src_ip: Some(from) };
        loop {
            let write = || self.state.try_send((&self.io).into(), &transmit);
            match self.io.try_io(Interest::WRITABLE, write) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.io.writable().await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_come_from_where_was_asked() {
        let socket = Socket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let target = SocketAddr::from(([127, 0, 0, 1], socket.local().port()));
        client.send_to(b"hello", target).await.unwrap();
        let mut buffers = Buffers::new();
        socket.receive(&mut buffers).await.unwrap();
        let datagrams: Vec<_> = socket.datagrams(&buffers).collect();
        assert_eq!(datagrams.len(), 1);
        let Datagram { from, to, bytes } = datagrams[0];
        assert_eq!((from, to, bytes), (client.local_addr().unwrap(), target, &b"hello"[..]));
        socket.send(to.ip(), from, b"world").await;
        let mut buffer = [0; 16];
        let (count, source) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..count], source), (&b"world"[..], target));
    }

    #[tokio::test]
    async fn both_wildcards_on_one_port() {
        let four = Socket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let address = SocketAddr::from(([0_u16; 8], four.local().port()));
        match Socket::bind(address) {
            Ok(six) => assert_eq!(six.local().port(), four.local().port()),
            // A machine without IPv6.
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::AddrInUse),
        }
    }
}
