//! Messages on streams: one question and one answer on each, with their length before them.
//!
//! Invariant: nothing is allocated for a length that is only claimed. A length above the message's limit ends the stream unread; below it,
//! memory grows with the bytes that have come.

use std::io;
use std::sync::Arc;

use futures_util::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;
use qbtc_core::hash::ChainId;
use qbtc_core::net::addresses::{AddressesAnswer, AddressesQuestion};
use qbtc_core::net::{Hello, LightAnswer, LightQuestion, SyncAnswer, SyncQuestion};
use qbtc_core::relay::StemMessage;
use qbtc_core::spec::ChainSpec;

/// Bytes of a message's length: a big-endian u32.
const LENGTH_BYTES: usize = 4;
/// What is allocated before anything has come.
const ALLOCATED_AHEAD_MAX: usize = 16 << 10;

/// The name of one of a chain's protocols. Nodes of other chains have other names, and so nothing to say to each other.
///
/// The chain is told by the first four bytes of its id, as they are encoded.
pub(super) fn protocol(chain: &ChainId, what: &str, version: u32) -> StreamProtocol {
    let chain = hex::encode(&chain.as_bytes()[..4]);
    StreamProtocol::try_from_owned(format!("/qbtc/{chain}/{what}/{version}")).expect("it begins with a slash")
}

/// Bytes of a peer that are no message. libp2p tells nobody of a question that cannot be read, so this stands in its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what came is no message")]
pub(super) struct Malformed;

/// The first words of two nodes: each way a [`Hello`].
#[derive(Clone, Copy, Debug)]
pub(super) struct HelloCodec;

/// Questions and answers about blocks and transactions.
#[derive(Clone, Debug)]
pub(super) struct SyncCodec {
    pub(super) spec: Arc<ChainSpec>,
}

/// A transaction along the stem, which is answered with nothing.
#[derive(Clone, Debug)]
pub(super) struct StemCodec {
    pub(super) spec: Arc<ChainSpec>,
}

impl Codec for StemCodec {
    type Protocol = StreamProtocol;
    type Request = Result<StemMessage, Malformed>;
    type Response = ();

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Result<StemMessage, Malformed>> {
        let bytes = read(io, StemMessage::bytes_max(&self.spec)).await;
        asked(bytes, |bytes| StemMessage::from_bytes(bytes, &self.spec).ok())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<()> {
        read(io, 0).await.map(drop)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        message: Result<StemMessage, Malformed>,
    ) -> io::Result<()> {
        write(io, &message.map_err(malformed)?.to_bytes()).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        (): (),
    ) -> io::Result<()> {
        write(io, &[]).await
    }
}

/// Addresses of nodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressesCodec;

impl Codec for AddressesCodec {
    type Protocol = StreamProtocol;
    type Request = Result<AddressesQuestion, Malformed>;
    type Response = AddressesAnswer;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Result<AddressesQuestion, Malformed>> {
        asked(read(io, AddressesQuestion::BYTES_MAX).await, |bytes| AddressesQuestion::from_bytes(bytes).ok())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<AddressesAnswer> {
        AddressesAnswer::from_bytes(&read(io, AddressesAnswer::BYTES_MAX).await?).map_err(malformed)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        question: Result<AddressesQuestion, Malformed>,
    ) -> io::Result<()> {
        write(io, &question.map_err(malformed)?.to_bytes()).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: AddressesAnswer,
    ) -> io::Result<()> {
        write(io, &answer.to_bytes()).await
    }
}

/// Questions of light clients.
#[derive(Clone, Debug)]
pub(super) struct LightCodec {
    pub(super) spec: Arc<ChainSpec>,
}

impl Codec for LightCodec {
    type Protocol = StreamProtocol;
    type Request = Result<LightQuestion, Malformed>;
    type Response = LightAnswer;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Result<LightQuestion, Malformed>> {
        let bytes = read(io, LightQuestion::bytes_max(&self.spec)).await;
        asked(bytes, |bytes| LightQuestion::from_bytes(bytes, &self.spec).ok())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<LightAnswer> {
        let bytes = read(io, LightAnswer::bytes_max(&self.spec)).await?;
        LightAnswer::from_bytes(&bytes, &self.spec).map_err(malformed)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        question: Result<LightQuestion, Malformed>,
    ) -> io::Result<()> {
        write(io, &question.map_err(malformed)?.to_bytes()).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: LightAnswer,
    ) -> io::Result<()> {
        write(io, &answer.to_bytes()).await
    }
}

impl Codec for HelloCodec {
    type Protocol = StreamProtocol;
    type Request = Result<Hello, Malformed>;
    type Response = Hello;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Result<Hello, Malformed>> {
        asked(read(io, Hello::BYTES_MAX).await, |bytes| Hello::from_bytes(bytes).ok())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Hello> {
        Hello::from_bytes(&read(io, Hello::BYTES_MAX).await?).map_err(malformed)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        hello: Result<Hello, Malformed>,
    ) -> io::Result<()> {
        write(io, &hello.map_err(malformed)?.to_bytes()).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        hello: Hello,
    ) -> io::Result<()> {
        write(io, &hello.to_bytes()).await
    }
}

impl Codec for SyncCodec {
    type Protocol = StreamProtocol;
    type Request = Result<SyncQuestion, Malformed>;
    type Response = SyncAnswer;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Result<SyncQuestion, Malformed>> {
        asked(read(io, SyncQuestion::BYTES_MAX).await, |bytes| SyncQuestion::from_bytes(bytes).ok())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<SyncAnswer> {
        let bytes = read(io, SyncAnswer::bytes_max(&self.spec)).await?;
        SyncAnswer::from_bytes(&bytes, &self.spec).map_err(malformed)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        question: Result<SyncQuestion, Malformed>,
    ) -> io::Result<()> {
        write(io, &question.map_err(malformed)?.to_bytes()).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: SyncAnswer,
    ) -> io::Result<()> {
        write(io, &answer.to_bytes()).await
    }
}

/// Whether a peer sent what is no message, as opposed to nothing or a part.
pub(super) fn is_malformed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

/// What was read as a question: that it is none is told as if it were one.
fn asked<T>(read: io::Result<Vec<u8>>, decode: impl Fn(&[u8]) -> Option<T>) -> io::Result<Result<T, Malformed>> {
    match read {
        Ok(bytes) => Ok(decode(&bytes).ok_or(Malformed)),
        Err(error) if is_malformed(&error) => Ok(Err(Malformed)),
        Err(error) => Err(error),
    }
}

fn malformed(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Reads one message of at most so many bytes.
async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; LENGTH_BYTES];
    io.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > bytes_max {
        let told = format!("a message of {length} bytes: at most {bytes_max} are allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, told));
    }
    let mut bytes = Vec::with_capacity(length.min(ALLOCATED_AHEAD_MAX));
    io.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    /// Claims a length, then sends what it has, and counts how much room it was given.
    struct Sender {
        bytes: Vec<u8>,
        at: usize,
        asked_most: usize,
    }

    impl Sender {
        fn new(length: u32, message: &[u8]) -> Self {
            Self { bytes: [&length.to_be_bytes()[..], message].concat(), at: 0, asked_most: 0 }
        }
    }

    impl AsyncRead for Sender {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
            self.asked_most = self.asked_most.max(into.len());
            let rest = &self.bytes[self.at..];
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            self.at += count;
            Poll::Ready(Ok(count))
        }
    }

    #[tokio::test]
    async fn messages_come_back() {
        for length in [0, 1, 500, 100_000] {
            let message: Vec<u8> = (0..=255).cycle().take(length).collect();
            let mut bytes = Vec::new();
            write(&mut bytes, &message).await.unwrap();
            assert_eq!(bytes.len(), LENGTH_BYTES + length);
            assert_eq!(read(&mut &bytes[..], length).await.unwrap(), message);
        }
    }

    #[tokio::test]
    async fn what_is_too_long_is_not_read() {
        let mut sender = Sender::new(513, &[0; 513]);
        let error = read(&mut sender, 512).await.unwrap_err();
        assert!(is_malformed(&error) && error.to_string().contains("513"), "{error}");
        assert_eq!((sender.at, sender.asked_most), (LENGTH_BYTES, LENGTH_BYTES), "only the length was read");
    }

    #[tokio::test]
    async fn a_claim_takes_no_memory() {
        let mut sender = Sender::new(4 << 20, &[7; 10]);
        let error = read(&mut sender, 4 << 20).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(sender.asked_most <= ALLOCATED_AHEAD_MAX, "{}", sender.asked_most);
    }

    #[tokio::test]
    async fn bytes_that_are_no_message_are_told_from_none() {
        let name = protocol(&ChainSpec::dev().chain_id(), "sync", 1);
        let mut codec = SyncCodec { spec: ChainSpec::dev().into() };
        let (question, mut bytes) = (SyncQuestion::Blocks { ids: Vec::new() }, Vec::new());
        codec.write_request(&name, &mut bytes, Ok(question.clone())).await.unwrap();
        assert_eq!(codec.read_request(&name, &mut &bytes[..]).await.unwrap(), Ok(question));
        *bytes.last_mut().unwrap() = 0xff;
        assert_eq!(codec.read_request(&name, &mut &bytes[..]).await.unwrap(), Err(Malformed));
        assert!(is_malformed(&codec.read_response(&name, &mut &bytes[..]).await.unwrap_err()));
        assert_eq!(HelloCodec.read_request(&name, &mut &[0xff; 600][..]).await.unwrap(), Err(Malformed));
        assert!(codec.read_request(&name, &mut &bytes[..3]).await.is_err());
        assert!(!is_malformed(&HelloCodec.read_response(&name, &mut &[][..]).await.unwrap_err()));
    }

    #[test]
    fn each_chain_has_its_names() {
        let [dev, main] = [ChainSpec::dev(), ChainSpec::main()].map(|spec| protocol(&spec.chain_id(), "hello", 1));
        assert_ne!(dev, main);
        let parts: Vec<&str> = dev.as_ref().split('/').collect();
        assert_eq!((parts[1], parts[2].len(), parts[3], parts[4]), ("qbtc", 8, "hello", "1"));
    }
}
