//! Messages on streams: one question and one answer on each, with their length before them.
//!
//! Invariant: nothing is allocated for a length that is only claimed. A length above the message's limit ends the stream unread; below it,
//! memory grows with the bytes that have come.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::StreamProtocol;
use libp2p::request_response::{self, Codec};
use qbtc_core::hash::ChainId;
use qbtc_core::net::addresses::{AddressesAnswer, AddressesQuestion};
use qbtc_core::net::seal::{SEALED_ANSWER_OVERHEAD, SEALED_QUESTION_OVERHEAD};
use qbtc_core::net::{Hello, IdentityAnswer, IdentityQuestion, LightAnswer, LightQuestion, SyncAnswer, SyncQuestion};
use qbtc_core::relay::StemMessage;
use qbtc_core::spec::ChainSpec;

use super::sending::Sending;

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

/// What a stream can carry, one way.
pub(super) trait Message: Sized + Send + 'static {
    /// The most bytes of one.
    fn bytes_max(spec: &ChainSpec) -> usize;

    /// The message of exactly these bytes, none of which are more than [`Message::bytes_max`].
    ///
    /// # Errors
    /// [`Malformed`].
    fn decode(bytes: &[u8], spec: &ChainSpec) -> Result<Self, Malformed>;

    /// The one encoding.
    fn encode(&self) -> Vec<u8>;
}

/// Reads and writes a question and its answer.
pub(super) struct MessageCodec<Question, Answer> {
    spec: Arc<ChainSpec>,
    sending: Sending,
    carries: PhantomData<fn(Question) -> Answer>,
}

/// What libp2p does for questions of one kind. Those that come may be bytes that are none.
pub(super) type Exchange<Question, Answer> = request_response::Behaviour<MessageCodec<Question, Answer>>;

/// What happens in an [`Exchange`].
pub(super) type ExchangeEvent<Question, Answer> = request_response::Event<Result<Question, Malformed>, Answer>;

impl<Question, Answer> MessageCodec<Question, Answer> {
    pub(super) const fn new(spec: Arc<ChainSpec>, sending: Sending) -> Self {
        Self { spec, sending, carries: PhantomData }
    }
}

impl<Question, Answer> Clone for MessageCodec<Question, Answer> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.spec), self.sending.clone())
    }
}

impl<Question: Message, Answer: Message> Codec for MessageCodec<Question, Answer> {
    type Protocol = StreamProtocol;
    type Request = Result<Question, Malformed>;
    type Response = Answer;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Result<Question, Malformed>> {
        match read(io, Question::bytes_max(&self.spec)).await {
            Ok(bytes) => Ok(Question::decode(&bytes, &self.spec)),
            // That it is none is told as if it were one.
            Err(error) if is_malformed(&error) => Ok(Err(Malformed)),
            Err(error) => Err(error),
        }
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Answer> {
        let bytes = read(io, Answer::bytes_max(&self.spec)).await?;
        Ok(Answer::decode(&bytes, &self.spec)?)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        question: Result<Question, Malformed>,
    ) -> io::Result<()> {
        write(io, &question?.encode()).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: Answer,
    ) -> io::Result<()> {
        let bytes = answer.encode();
        // Whoever takes it slowly has it held once.
        drop(answer);
        let mut held = self.sending.begin(bytes.len());
        tokio::select! {
            written = write(io, &bytes) => written,
            () = held.must_go() => Err(io::Error::new(io::ErrorKind::TimedOut, "others want to be answered too")),
        }
    }
}

impl From<Malformed> for io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(io::ErrorKind::InvalidData, malformed)
    }
}

/// What is answered where there is nothing to say.
impl Message for () {
    fn bytes_max(_: &ChainSpec) -> usize {
        0
    }

    fn decode(_: &[u8], _: &ChainSpec) -> Result<Self, Malformed> {
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// Whether a peer sent what is no message, as opposed to nothing or a part.
pub(super) fn is_malformed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
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

/// Core's messages under the names that the codec knows: those whose bound is a number, and those whose bound follows from the chain's rules.
macro_rules! messages {
    ($($message:ty),+) => {$(
        impl Message for $message {
            fn bytes_max(_: &ChainSpec) -> usize {
                Self::BYTES_MAX
            }

            fn decode(bytes: &[u8], _: &ChainSpec) -> Result<Self, Malformed> {
                Self::from_bytes(bytes).map_err(|_| Malformed)
            }

            fn encode(&self) -> Vec<u8> {
                self.to_bytes()
            }
        }
    )+};
    (bounded by the rules: $($message:ty),+) => {$(
        impl Message for $message {
            fn bytes_max(spec: &ChainSpec) -> usize {
                Self::bytes_max(spec)
            }

            fn decode(bytes: &[u8], spec: &ChainSpec) -> Result<Self, Malformed> {
                Self::from_bytes(bytes, spec).map_err(|_| Malformed)
            }

            fn encode(&self) -> Vec<u8> {
                self.to_bytes()
            }
        }
    )+};
}

messages!(Hello, IdentityQuestion, IdentityAnswer, SyncQuestion, AddressesQuestion, AddressesAnswer);
messages!(bounded by the rules: SyncAnswer, StemMessage, LightQuestion, LightAnswer);

/// Bytes that only the two ends of a connection can read. What they are is told by who knows the connection, not by the codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed<Inner> {
    pub(super) bytes: Vec<u8>,
    holds: PhantomData<fn() -> Inner>,
}

impl<Inner> Sealed<Inner> {
    pub(super) const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, holds: PhantomData }
    }
}

impl<Inner: Message> Message for Sealed<Inner> {
    fn bytes_max(spec: &ChainSpec) -> usize {
        const _: () = assert!(SEALED_ANSWER_OVERHEAD <= SEALED_QUESTION_OVERHEAD);
        Inner::bytes_max(spec) + SEALED_QUESTION_OVERHEAD
    }

    fn decode(bytes: &[u8], _: &ChainSpec) -> Result<Self, Malformed> {
        Ok(Self::new(bytes.to_vec()))
    }

    fn encode(&self) -> Vec<u8> {
        self.bytes.clone()
    }
}

/// One side's part of the exchange that a seal begins with, in so many bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealing<const BYTES: usize>(pub(super) Vec<u8>);

impl<const BYTES: usize> Message for Sealing<BYTES> {
    fn bytes_max(_: &ChainSpec) -> usize {
        BYTES
    }

    fn decode(bytes: &[u8], _: &ChainSpec) -> Result<Self, Malformed> {
        if bytes.len() == BYTES { Ok(Self(bytes.to_vec())) } else { Err(Malformed) }
    }

    fn encode(&self) -> Vec<u8> {
        self.0.clone()
    }
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

    /// Takes nothing.
    struct Stuck;

    impl AsyncWrite for Stuck {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_gives_way() {
        let (spec, sending) = (Arc::new(ChainSpec::dev()), Sending::default());
        let name = protocol(&spec.chain_id(), "sync", 1);
        let mut codec = MessageCodec::<SyncQuestion, SyncAnswer>::new(spec, sending.clone());
        let answer = SyncAnswer::Transactions(Vec::new());
        let mut stream = Stuck;
        let sent = codec.write_response(&name, &mut stream, answer);
        let others = async { drop(sending.begin(usize::MAX)) };
        let (sent, ()) = tokio::join!(sent, others);
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn bytes_that_are_no_message_are_told_from_none() {
        let name = protocol(&ChainSpec::dev().chain_id(), "sync", 1);
        let spec = Arc::new(ChainSpec::dev());
        let mut codec = MessageCodec::<SyncQuestion, SyncAnswer>::new(Arc::clone(&spec), Sending::default());
        let mut greeting = MessageCodec::<Hello, Hello>::new(spec, Sending::default());
        let (question, mut bytes) = (SyncQuestion::Blocks { ids: Vec::new() }, Vec::new());
        codec.write_request(&name, &mut bytes, Ok(question.clone())).await.unwrap();
        assert_eq!(codec.read_request(&name, &mut &bytes[..]).await.unwrap(), Ok(question));
        *bytes.last_mut().unwrap() = 0xff;
        assert_eq!(codec.read_request(&name, &mut &bytes[..]).await.unwrap(), Err(Malformed));
        assert!(is_malformed(&codec.read_response(&name, &mut &bytes[..]).await.unwrap_err()));
        assert_eq!(greeting.read_request(&name, &mut &[0xff; 600][..]).await.unwrap(), Err(Malformed));
        assert!(codec.read_request(&name, &mut &bytes[..3]).await.is_err());
        assert!(!is_malformed(&greeting.read_response(&name, &mut &[][..]).await.unwrap_err()));
    }

    #[test]
    fn each_chain_has_its_names() {
        let [dev, main] = [ChainSpec::dev(), ChainSpec::main()].map(|spec| protocol(&spec.chain_id(), "hello", 1));
        assert_ne!(dev, main);
        let parts: Vec<&str> = dev.as_ref().split('/').collect();
        assert_eq!((parts[1], parts[2].len(), parts[3], parts[4]), ("qbtc", 8, "hello", "1"));
    }
}
