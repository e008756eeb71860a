//! What is said on one stream: the protocol's name, a question, an answer.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use qbtc_core::net::browser::multistream::{Proposal, Selection, propose};

use super::error::TransportError;
use super::stream::Stream;

/// Bytes of a message's length: a big-endian u32.
const LENGTH_BYTES: usize = 4;

/// The protocol of libp2p's ping: 32 bytes that come back.
pub(super) const PING: &str = "/ipfs/ping/1.0.0";
/// How many.
pub(super) const PING_BYTES: usize = 32;

/// Where a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Its length stands before it: the node's own protocols.
    Length,
    /// With its stream.
    Stream,
    /// After so many bytes.
    Fixed(usize),
}

/// Opens a protocol on a new stream, asks, and waits for the answer.
pub(super) async fn ask(
    channel: &Stream,
    protocol: &str,
    framing: Framing,
    question: &[u8],
    answer_max: usize,
) -> Result<Vec<u8>, TransportError> {
    channel.opened().await?;
    let mut opening = Vec::with_capacity(question.len() + 128);
    propose(&mut opening, protocol);
    write_message(&mut opening, framing, question)?;
    channel.send(&opening).await?;
    channel.finish()?;
    let mut proposal = Proposal::new(protocol);
    loop {
        let bytes = channel.read().await?.ok_or(TransportError::TurnedDown)?;
        if let Some(rest) = proposal.receive(&bytes)? {
            return read_message(channel, framing, rest, answer_max).await;
        }
    }
}

/// Waits for the name of a protocol on a stream that the node has opened, and answers it. The name, and what has come of the question.
pub(super) async fn select(
    channel: &Stream,
    is_spoken: impl Fn(&str) -> bool,
) -> Result<(String, Vec<u8>), TransportError> {
    let mut selection = Selection::default();
    loop {
        let bytes = channel.read().await?.ok_or(TransportError::TurnedDown)?;
        let mut answer = Vec::new();
        let selected = selection.receive(&bytes, &is_spoken, &mut answer)?;
        channel.send(&answer).await?;
        if let Some(selected) = selected {
            return Ok(selected);
        }
    }
}

/// Appends a message.
pub(super) fn write_message(out: &mut Vec<u8>, framing: Framing, message: &[u8]) -> Result<(), TransportError> {
    if framing == Framing::Length {
        let limit = u32::MAX as usize;
        let length = u32::try_from(message.len()).map_err(|_| TransportError::TooLong { limit })?;
        out.extend_from_slice(&length.to_be_bytes());
    }
    out.extend_from_slice(message);
    Ok(())
}

/// Reads a message of at most so many bytes, of which some have come. Memory grows with what has come, not with what is claimed.
pub(super) async fn read_message(
    channel: &Stream,
    framing: Framing,
    begun: Vec<u8>,
    bytes_max: usize,
) -> Result<Vec<u8>, TransportError> {
    let mut message = Message { framing, bytes: begun, bytes_max };
    loop {
        if let Some(whole) = message.whole()? {
            return Ok(whole);
        }
        match channel.read().await? {
            Some(bytes) => message.bytes.extend_from_slice(&bytes),
            None => return message.end(),
        }
    }
}

/// A message that is coming in.
struct Message {
    framing: Framing,
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Message {
    /// The message, once all of it has come.
    fn whole(&mut self) -> Result<Option<Vec<u8>>, TransportError> {
        let too_long = TransportError::TooLong { limit: self.bytes_max };
        let (head, length) = match self.framing {
            Framing::Length => match self.bytes.first_chunk::<LENGTH_BYTES>() {
                Some(length) => (LENGTH_BYTES, u32::from_be_bytes(*length) as usize),
                None => return Ok(None),
            },
            Framing::Fixed(length) => (0, length),
            Framing::Stream if self.bytes.len() > self.bytes_max => return Err(too_long),
            Framing::Stream => return Ok(None),
        };
        if length > self.bytes_max {
            return Err(too_long);
        }
        if self.bytes.len() < head + length {
            return Ok(None);
        }
        self.bytes.truncate(head + length);
        self.bytes.drain(..head);
        Ok(Some(mem::take(&mut self.bytes)))
    }

    /// The stream has ended.
    fn end(self) -> Result<Vec<u8>, TransportError> {
        if self.framing == Framing::Stream { Ok(self.bytes) } else { Err(TransportError::TurnedDown) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(framing: Framing, bytes: &[u8], bytes_max: usize) -> Result<Option<Vec<u8>>, TransportError> {
        Message { framing, bytes: bytes.to_vec(), bytes_max }.whole()
    }

    #[test]
    fn messages_end_where_they_should() {
        let mut bytes = Vec::new();
        write_message(&mut bytes, Framing::Length, b"hello").unwrap();
        assert_eq!(bytes, b"\0\0\0\x05hello");
        for length in 0..bytes.len() {
            assert_eq!(whole(Framing::Length, &bytes[..length], 5), Ok(None), "{length}");
        }
        assert_eq!(whole(Framing::Length, &bytes, 5), Ok(Some(b"hello".to_vec())));
        assert_eq!(whole(Framing::Length, &[&bytes[..], b"more"].concat(), 5), Ok(Some(b"hello".to_vec())));
        assert_eq!(whole(Framing::Fixed(3), b"ab", 9), Ok(None));
        assert_eq!(whole(Framing::Fixed(3), b"abcd", 9), Ok(Some(b"abc".to_vec())));
        assert_eq!(whole(Framing::Stream, b"abcd", 9), Ok(None));
        assert_eq!(whole(Framing::Length, b"\0\0\0\0", 0), Ok(Some(Vec::new())));
    }

    #[test]
    fn what_is_too_long_is_refused_by_its_length() {
        assert_eq!(whole(Framing::Length, b"\xff\xff\xff\xff", 5), Err(TransportError::TooLong { limit: 5 }));
        assert_eq!(whole(Framing::Stream, b"123456", 5), Err(TransportError::TooLong { limit: 5 }));
        let cut = Message { framing: Framing::Length, bytes: b"\0\0\0\x05hel".to_vec(), bytes_max: 5 };
        assert_eq!(cut.end(), Err(TransportError::TurnedDown));
        let whole = Message { framing: Framing::Stream, bytes: b"hel".to_vec(), bytes_max: 5 };
        assert_eq!(whole.end(), Ok(b"hel".to_vec()));
    }
}
