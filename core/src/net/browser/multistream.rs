//! Which protocol a stream speaks: multistream-select 1.0.0, lines of text with a varint of their length before them.
//!
//! The side that opens a stream sends the greeting, the name of one protocol, and at once what it has to say in it, without waiting for the
//! answer: where only one name is proposed, waiting gains nothing. The other side greets, too, and repeats the name or says `na`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The greeting of both sides.
const GREETING: &str = "/multistream/1.0.0";
/// The answer to a name that is not known.
const NOT_AVAILABLE: &str = "na";
/// The longest line, without its length. Names are far shorter.
pub const LINE_BYTES_MAX: usize = 512;
/// The most names that a peer may propose on one stream.
pub const PROPOSALS_MAX: usize = 16;

/// Why there is no agreement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultistreamError {
    /// A line is too long.
    #[error("a line of a multistream is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// A line does not end with a line feed, or is no text.
    #[error("what came is no line of multistream-select")]
    Form,
    /// Something came before the greeting, or another version's.
    #[error("the peer does not greet as {GREETING} does")]
    Greeting,
    /// The peer does not speak the protocol.
    #[error("the peer does not speak {protocol}")]
    Unsupported {
        /// Which.
        protocol: String,
    },
    /// The peer has proposed too many names.
    #[error("the peer proposes more than {PROPOSALS_MAX} protocols")]
    TooManyProposals,
}

/// Appends what opens a stream for a protocol.
pub fn propose(out: &mut Vec<u8>, protocol: &str) {
    write_line(out, GREETING);
    write_line(out, protocol);
}

/// The side that has opened a stream, while it waits for the peer's agreement.
#[derive(Clone, Debug)]
pub struct Proposal {
    protocol: String,
    lines: Lines,
    is_greeted: bool,
}

impl Proposal {
    /// Waits for the answer to [`propose`].
    #[must_use]
    pub fn new(protocol: &str) -> Self {
        Self { protocol: protocol.to_string(), lines: Lines::default(), is_greeted: false }
    }

    /// Takes what came. Once the peer has agreed: the bytes that follow, which belong to the protocol.
    ///
    /// # Errors
    /// [`MultistreamError`]; the stream is of no use then.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, MultistreamError> {
        self.lines.push(bytes);
        while let Some(line) = self.lines.next()? {
            if !self.is_greeted {
                if line != GREETING {
                    return Err(MultistreamError::Greeting);
                }
                self.is_greeted = true;
            } else if line == self.protocol {
                return Ok(Some(self.lines.take_rest()));
            } else {
                return Err(MultistreamError::Unsupported { protocol: self.protocol.clone() });
            }
        }
        Ok(None)
    }
}

/// The side for which a stream was opened.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    lines: Lines,
    is_greeted: bool,
    proposals: usize,
}

impl Selection {
    /// Takes what came and appends the answer. Once a name that `is_spoken` has come: that name, and the bytes that follow it.
    ///
    /// # Errors
    /// [`MultistreamError`]; the stream is of no use then.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        is_spoken: impl Fn(&str) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<(String, Vec<u8>)>, MultistreamError> {
        self.lines.push(bytes);
        while let Some(line) = self.lines.next()? {
            if !self.is_greeted {
                if line != GREETING {
                    return Err(MultistreamError::Greeting);
                }
                self.is_greeted = true;
                write_line(out, GREETING);
            } else if is_spoken(&line) {
                write_line(out, &line);
                return Ok(Some((line, self.lines.take_rest())));
            } else {
                self.proposals += 1;
                if self.proposals > PROPOSALS_MAX {
                    return Err(MultistreamError::TooManyProposals);
                }
                write_line(out, NOT_AVAILABLE);
            }
        }
        Ok(None)
    }
}

/// Lines out of bytes that come in any parts. What is held of a line that is not whole is at most a line; what follows the last line is the
/// protocol's, and is bounded by whoever reads the stream.
#[derive(Clone, Debug, Default)]
struct Lines {
    held: Vec<u8>,
    taken: usize,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.taken);
        self.taken = 0;
        self.held.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Result<Option<String>, MultistreamError> {
        let rest = &self.held[self.taken..];
        let (length, head) = match *rest {
            [] => return Ok(None),
            [length @ 0..=0x7f, ..] => (usize::from(length), 1),
            [_] => return Ok(None),
            [low, high @ 1..=0x7f, ..] => (usize::from(low & 0x7f) | usize::from(high) << 7, 2),
            [_, 0, ..] => return Err(MultistreamError::Form),
            [_, _, ..] => return Err(MultistreamError::TooLong),
        };
        if length > LINE_BYTES_MAX {
            return Err(MultistreamError::TooLong);
        }
        let Some(line) = rest.get(head..head + length) else { return Ok(None) };
        let text = line.strip_suffix(b"\n").and_then(|line| core::str::from_utf8(line).ok());
        let text = text.ok_or(MultistreamError::Form)?.to_string();
        self.taken += head + length;
        Ok(Some(text))
    }

    fn take_rest(&mut self) -> Vec<u8> {
        self.held.drain(..self.taken);
        self.taken = 0;
        core::mem::take(&mut self.held)
    }
}

/// Appends a line. Names of ours are far shorter than a line may be.
fn write_line(out: &mut Vec<u8>, line: &str) {
    let length = line.len() + 1;
    debug_assert!(length <= LINE_BYTES_MAX);
    let [low, high] = [length & 0x7f, length >> 7].map(|part| u8::try_from(part).unwrap_or(0x7f));
    if high == 0 {
        out.push(low);
    } else {
        out.extend_from_slice(&[low | 0x80, high]);
    }
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::test;

    #[test]
    fn the_bytes_of_the_specification() {
        // https://github.com/multiformats/multistream-select: the length counts the line feed.
        let mut bytes = Vec::new();
        propose(&mut bytes, "/ipfs/ping/1.0.0");
        assert_eq!(bytes, b"\x13/multistream/1.0.0\n\x11/ipfs/ping/1.0.0\n");
        let long = format!("/{}", "x".repeat(200));
        let mut bytes = Vec::new();
        write_line(&mut bytes, &long);
        assert_eq!(bytes[..3], [0xca, 1, b'/']);
    }

    #[test]
    fn both_sides_agree() {
        let mut opened = Vec::new();
        propose(&mut opened, "/echo/1");
        opened.extend_from_slice(b"hello");
        let (mut selection, mut answer) = (Selection::default(), Vec::new());
        let selected = selection.receive(&opened, |name| name == "/echo/1", &mut answer).unwrap();
        assert_eq!(selected, Some(("/echo/1".into(), b"hello".to_vec())));
        answer.extend_from_slice(b"yes");
        assert_eq!(Proposal::new("/echo/1").receive(&answer), Ok(Some(b"yes".to_vec())));
    }

    #[test]
    fn what_is_not_spoken_is_told() {
        let mut opened = Vec::new();
        propose(&mut opened, "/other/1");
        let (mut selection, mut answer) = (Selection::default(), Vec::new());
        assert_eq!(selection.receive(&opened, |name| name == "/echo/1", &mut answer), Ok(None));
        assert_eq!(answer, b"\x13/multistream/1.0.0\n\x03na\n");
        let refused = Proposal::new("/other/1").receive(&answer).unwrap_err();
        assert_eq!(refused, MultistreamError::Unsupported { protocol: "/other/1".into() });
        // A second proposal on the same stream.
        let mut second = Vec::new();
        write_line(&mut second, "/echo/1");
        let selected = selection.receive(&second, |name| name == "/echo/1", &mut answer).unwrap();
        assert_eq!(selected, Some(("/echo/1".into(), Vec::new())));
    }

    #[test]
    fn hostile_lines_end_the_stream() {
        let greeted = |rest: &[u8]| {
            let bytes = [b"\x13/multistream/1.0.0\n", rest].concat();
            Selection::default().receive(&bytes, |_| false, &mut Vec::new())
        };
        assert_eq!(greeted(&[0x80, 0]), Err(MultistreamError::Form));
        assert_eq!(greeted(&[0x81, 0x04]), Err(MultistreamError::TooLong));
        assert_eq!(greeted(&[0x80, 0x80]), Err(MultistreamError::TooLong));
        assert_eq!(greeted(b"\x02ab"), Err(MultistreamError::Form));
        assert_eq!(greeted(b"\x02\xff\n"), Err(MultistreamError::Form));
        assert_eq!(greeted(&[0]), Err(MultistreamError::Form));
        assert_eq!(greeted(&b"\x02a\n".repeat(PROPOSALS_MAX)), Ok(None));
        assert_eq!(greeted(&b"\x02a\n".repeat(PROPOSALS_MAX + 1)), Err(MultistreamError::TooManyProposals));
        let first = Selection::default().receive(b"\x03na\n", |_| true, &mut Vec::new());
        assert_eq!(first, Err(MultistreamError::Greeting));
        assert_eq!(Proposal::new("/a").receive(b"\x03/a\n"), Err(MultistreamError::Greeting));
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut(cut in 1_usize..40, data in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = Vec::new();
            propose(&mut bytes, "/unknown/1");
            write_line(&mut bytes, "/echo/1");
            bytes.extend_from_slice(&data);
            let (mut selection, mut out, mut found) = (Selection::default(), Vec::new(), None::<(String, Vec<u8>)>);
            for part in bytes.chunks(cut) {
                match &mut found {
                    Some((_, rest)) => rest.extend_from_slice(part),
                    None => found = selection.receive(part, |name| name == "/echo/1", &mut out).unwrap(),
                }
            }
            prop_assert_eq!(found, Some(("/echo/1".into(), data)));
            let expected = [&b"\x13/multistream/1.0.0\n"[..], b"\x03na\n", b"\x08/echo/1\n"].concat();
            prop_assert_eq!(out, expected);
        }

        #[test]
        fn no_bytes_are_held_beyond_a_line(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let mut selection = Selection::default();
            for part in bytes.chunks(7) {
                if selection.receive(part, |_| false, &mut vec![]).is_err() {
                    break;
                }
                prop_assert!(selection.lines.held.len() <= LINE_BYTES_MAX + 2 + 7);
            }
        }
    }
}
