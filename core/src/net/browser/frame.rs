//! Frames of a stream over WebRTC: a varint of the length, then a protobuf of at most two fields, `flag` (1) and `message` (2).
//!
//! A data channel gives messages, but nobody promises that a frame is one message: some peers join frames, some split them, so that
//! what arrives is read as a stream of bytes. A frame longer than [`FRAME_BYTES_MAX`] is refused before any of it is kept.
//!
//! Written by hand, since two fields need no generator, and since a generated decoder would copy each message once more.

use alloc::vec::Vec;
use core::mem;

use super::protobuf::{self, Field};

/// The longest frame without its length, as every implementation of libp2p sends and takes it.
pub const FRAME_BYTES_MAX: usize = 16 * 1024;

/// The most data in a frame of ours: with the length, both tags and a flag it stays below [`FRAME_BYTES_MAX`] in all.
pub const DATA_BYTES_MAX: usize = FRAME_BYTES_MAX - OVERHEAD_BYTES_MAX;

/// Length (3), flag (2), tag of the message (1) and its length (3).
const OVERHEAD_BYTES_MAX: usize = 9;

/// A varint of a number up to [`FRAME_BYTES_MAX`].
const LENGTH_BYTES_MAX: usize = 3;

/// What a frame says about its stream besides data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// The sender sends nothing more.
    Fin,
    /// The sender reads nothing more.
    StopSending,
    /// The sender has given the stream up.
    Reset,
    /// The sender has got a `Fin`.
    FinAck,
}

impl Flag {
    const fn number(self) -> u8 {
        match self {
            Self::Fin => 0,
            Self::StopSending => 1,
            Self::Reset => 2,
            Self::FinAck => 3,
        }
    }

    /// Flags of a later version are no error, they mean nothing.
    const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Fin),
            1 => Some(Self::StopSending),
            2 => Some(Self::Reset),
            3 => Some(Self::FinAck),
            _ => None,
        }
    }
}

/// One frame. Its data comes before its flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it says about the stream.
    pub flag: Option<Flag>,
    /// Data, maybe none.
    pub message: &'a [u8],
}

/// Why bytes are no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is not written in the shortest way, or has too many bytes.
    #[error("the length of a frame is malformed")]
    Length,
    /// The frame is too long.
    #[error("a frame of {found} bytes, allowed are {FRAME_BYTES_MAX}")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// A field ends behind the frame, or is of a kind that protobuf does not have any more.
    #[error("a field of a frame is malformed")]
    Field,
}

/// Takes bytes as they come, and keeps what is not yet a whole frame: never more than one frame's length.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Vec<u8>,
}

impl Decoder {
    /// Gives each frame that `input` completes to `each`.
    ///
    /// # Errors
    /// [`FrameError`]; nothing that follows can be read after that.
    pub fn decode(&mut self, mut input: &[u8], mut each: impl FnMut(Frame<'_>)) -> Result<(), FrameError> {
        while !self.partial.is_empty() {
            let Some(missing) = missing(&self.partial)? else { break };
            let (taken, rest) = input.split_at(missing.min(input.len()));
            if taken.is_empty() {
                return Ok(());
            }
            self.partial.extend_from_slice(taken);
            input = rest;
        }
        // Most frames come whole, so the memory is given back rather than kept for the next that does not.
        if let Some((body, _)) = split_frame(&mem::take(&mut self.partial))? {
            each(decode_body(body)?);
        }
        while let Some((body, rest)) = split_frame(input)? {
            each(decode_body(body)?);
            input = rest;
        }
        self.partial.extend_from_slice(input);
        Ok(())
    }

    /// How many bytes wait for the rest of their frame.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.partial.len()
    }
}

/// How many bytes are surely missing to a whole frame; none when there is one.
fn missing(partial: &[u8]) -> Result<Option<usize>, FrameError> {
    Ok(match read_length(partial)? {
        None => Some(1),
        Some((length, head)) => (head + length).checked_sub(partial.len()).filter(|missing| *missing > 0),
    })
}

type Split<'a> = Option<(&'a [u8], &'a [u8])>;

/// The first frame, without its length, and what follows it; none when it is not whole.
fn split_frame(bytes: &[u8]) -> Result<Split<'_>, FrameError> {
    let Some((length, head)) = read_length(bytes)? else { return Ok(None) };
    Ok(bytes[head..].split_at_checked(length))
}

/// The length at the beginning, and how many bytes it takes; none when it is not whole.
fn read_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().take(LENGTH_BYTES_MAX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if *byte == 0 && index > 0 {
                return Err(FrameError::Length);
            }
            if length > FRAME_BYTES_MAX {
                return Err(FrameError::TooLong { found: length });
            }
            return Ok(Some((length, index + 1)));
        }
    }
    if bytes.len() < LENGTH_BYTES_MAX { Ok(None) } else { Err(FrameError::Length) }
}

/// Reads the protobuf. As everywhere, unknown fields are passed over, and of a repeated field the last counts.
fn decode_body(body: &[u8]) -> Result<Frame<'_>, FrameError> {
    let mut frame = Frame { flag: None, message: &[] };
    protobuf::read(body, |number, field| match (number, field) {
        (1, Field::Varint(flag)) => frame.flag = Flag::from_number(flag),
        (2, Field::Bytes(message)) => frame.message = message,
        _ => {}
    })
    .map_err(|_| FrameError::Field)?;
    Ok(frame)
}

/// Appends a frame with its length. The data is at most [`DATA_BYTES_MAX`] long, or else no peer takes it.
pub fn encode(out: &mut Vec<u8>, flag: Option<Flag>, message: [&[u8]; 2]) {
    let data = message[0].len() + message[1].len();
    debug_assert!(data <= DATA_BYTES_MAX, "{data} bytes are too many for a frame");
    let mut field = [0_u8; LENGTH_BYTES_MAX];
    let field = write_varint(data, &mut field);
    let flags = if flag.is_some() { 2 } else { 0 };
    let body = flags + if data > 0 { 1 + field.len() + data } else { 0 };
    let mut length = [0_u8; LENGTH_BYTES_MAX];
    out.extend_from_slice(write_varint(body, &mut length));
    if let Some(flag) = flag {
        out.extend_from_slice(&[1 << 3, flag.number()]);
    }
    if data > 0 {
        out.push(2 << 3 | 2);
        out.extend_from_slice(field);
        out.extend_from_slice(message[0]);
        out.extend_from_slice(message[1]);
    }
}

fn write_varint(mut number: usize, out: &mut [u8; LENGTH_BYTES_MAX]) -> &[u8] {
    let mut count = 0;
    loop {
        let byte = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        out[count] = if number > 0 { byte | 0x80 } else { byte };
        count += 1;
        if number == 0 || count == out.len() {
            return &out[..count];
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::test;

    type Owned = (Option<Flag>, Vec<u8>);

    fn decode(decoder: &mut Decoder, input: &[u8]) -> Result<Vec<Owned>, FrameError> {
        let mut frames = Vec::new();
        decoder.decode(input, |frame| frames.push((frame.flag, frame.message.to_vec())))?;
        Ok(frames)
    }

    fn decode_all(input: &[u8]) -> Result<Vec<Owned>, FrameError> {
        decode(&mut Decoder::default(), input)
    }

    #[test]
    fn as_protobuf_has_it() {
        // Encoded by hand after the protobuf manual: field 1 as a varint, field 2 as bytes.
        let mut bytes = Vec::new();
        encode(&mut bytes, Some(Flag::Fin), [&[], &[]]);
        assert_eq!(bytes, [2, 0x08, 0]);
        bytes.clear();
        encode(&mut bytes, Some(Flag::FinAck), [b"a", b"b"]);
        assert_eq!(bytes, [6, 0x08, 3, 0x12, 2, b'a', b'b']);
        assert_eq!(decode_all(&bytes), Ok(vec![(Some(Flag::FinAck), b"ab".to_vec())]));
        // The fields in the other order, fields of a later version, a flag that we do not know.
        let later = [16, 0x12, 1, b'x', 0x18, 0x96, 1, 0x25, 1, 2, 3, 4, 0x2a, 1, 9, 0x08, 1];
        assert_eq!(decode_all(&later), Ok(vec![(Some(Flag::StopSending), b"x".to_vec())]));
        assert_eq!(decode_all(&[2, 0x08, 9]), Ok(vec![(None, Vec::new())]));
        assert_eq!(decode_all(&[0]), Ok(vec![(None, Vec::new())]));
    }

    #[test]
    fn the_longest_frames_pass_and_longer_ones_do_not() {
        let mut bytes = Vec::new();
        encode(&mut bytes, Some(Flag::Fin), [&[7; DATA_BYTES_MAX], &[]]);
        assert!(bytes.len() <= FRAME_BYTES_MAX);
        assert_eq!(decode_all(&bytes), Ok(vec![(Some(Flag::Fin), vec![7; DATA_BYTES_MAX])]));
        let mut longest = vec![0x80, 0x80, 0x01, 0x12, 0xfd, 0x7f];
        longest.extend([1; FRAME_BYTES_MAX - 3]);
        assert_eq!(decode_all(&longest).map(|frames| frames[0].1.len()), Ok(FRAME_BYTES_MAX - 3));
        assert_eq!(decode_all(&[0x81, 0x80, 0x01]), Err(FrameError::TooLong { found: FRAME_BYTES_MAX + 1 }));
    }

    #[test]
    fn malformed_frames_are_refused() {
        for length in [&[0x80, 0][..], &[0x80, 0x80, 0x80], &[0xff; 10]] {
            assert_eq!(decode_all(length), Err(FrameError::Length), "{length:?}");
        }
        // Cut inside a varint, data that ends behind the frame, a length that does not fit in memory, a group, field 0.
        let long = [11, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        for body in
            [&[1, 0x08][..], &[2, 0x08, 0x80], &[3, 0x12, 2, 0], &long, &[1, 0x0b], &[2, 0x00, 0x00], &[1, 0x25]]
        {
            assert_eq!(decode_all(body), Err(FrameError::Field), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut(
            frames in prop::collection::vec((0_u8..5, prop::collection::vec(any::<u8>(), 0..300)), 0..8),
            cuts in prop::collection::vec(1_usize..200, 1..20),
        ) {
            let flags = [None, Some(Flag::Fin), Some(Flag::StopSending), Some(Flag::Reset), Some(Flag::FinAck)];
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (flag, data) in frames {
                let flag = flags[usize::from(flag)];
                encode(&mut bytes, flag, [&data[..data.len() / 2], &data[data.len() / 2..]]);
                expected.push((flag, data));
            }
            let mut decoder = Decoder::default();
            let mut found = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                let (part, next) = rest.split_at((*cut).min(rest.len()));
                found.extend(decode(&mut decoder, part).unwrap());
                prop_assert!(decoder.held_bytes() <= FRAME_BYTES_MAX + LENGTH_BYTES_MAX);
                rest = next;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(decoder.held_bytes(), 0);
        }

        #[test]
        fn any_bytes_are_read_alike_at_once_and_one_by_one(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut decoder = Decoder::default();
            let mut found = Ok(Vec::new());
            for byte in &bytes {
                let one = decode(&mut decoder, &[*byte]);
                found = found.and_then(|mut found: Vec<Owned>| { found.extend(one?); Ok(found) });
                if found.is_err() {
                    break;
                }
            }
            prop_assert_eq!(found, decode_all(&bytes));
        }
    }
}
