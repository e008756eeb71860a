//! What one stream is: bytes that came and wait to be read, bytes that wait to be sent, and how far either side has finished.
//!
//! Sans-io. The states are those of libp2p's WebRTC specification. Two points are not in it, and both are about what others do:
//! - a `FIN_ACK` is sent only when our own side has finished too, unless the peer has shown that it knows it: to rust-libp2p an unknown
//!   flag is a `FIN`, and it would take our answer for ended before it has begun;
//! - a stream that the peer opened is never closed by us first: an id that is free on one side only is used again by browsers, and the
//!   new stream is lost. It lingers until the peer closes it.

use std::collections::VecDeque;
use std::task::Waker;

use qbtc_core::net::browser::frame::{DATA_BYTES_MAX, Decoder, Flag, Frame, encode};

/// Who has opened a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Ours,
    Theirs,
    /// The channel of the handshake: it opens by agreement, and nothing is said on it when it is no longer used.
    Handshake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Open,
    /// The peer has sent all.
    Finished,
    /// Nobody reads any more.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Open,
    /// `FIN` follows what waits to be sent.
    Finishing,
    /// `FIN` is sent.
    Finished,
    /// The peer does not read any more.
    Refused,
}

/// What a read gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Bytes(usize),
    Pending,
    Reset,
}

/// Why a stream was given up while something came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// More came than may wait.
    Unread,
    /// What came is no frame.
    Malformed,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    origin: Origin,
    decoder: Decoder,
    unread: VecDeque<u8>,
    unsent: VecDeque<u8>,
    reading: Reading,
    writing: Writing,
    /// Given up by either side.
    is_reset: bool,
    /// The data channel is gone.
    is_channel_closed: bool,
    has_acked: bool,
    owes_ack: bool,
    owes_stop: bool,
    owes_reset: bool,
    /// Nobody holds it any more.
    pub(super) is_released: bool,
    /// It is in line to send.
    pub(super) is_queued: bool,
    /// It is in line to be closed.
    pub(super) is_retired: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Stream {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            decoder: Decoder::default(),
            unread: VecDeque::new(),
            unsent: VecDeque::new(),
            reading: Reading::Open,
            writing: Writing::Open,
            is_reset: false,
            is_channel_closed: false,
            has_acked: false,
            owes_ack: false,
            owes_stop: false,
            owes_reset: false,
            is_released: false,
            is_queued: false,
            is_retired: false,
            reader: None,
            writer: None,
        }
    }

    pub(super) const fn origin(&self) -> Origin {
        self.origin
    }

    pub(super) fn unread_bytes(&self) -> usize {
        self.unread.len()
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    /// Whether the peer has said that it got our `FIN`, and with it all that we have sent.
    pub(super) const fn has_acked(&self) -> bool {
        self.has_acked
    }

    pub(super) const fn is_channel_closed(&self) -> bool {
        self.is_channel_closed
    }

    /// Takes what came. `grow` asks whether so many bytes more may wait.
    pub(super) fn receive(&mut self, bytes: &[u8], mut grow: impl FnMut(usize, usize) -> bool) -> Result<(), Fault> {
        if self.is_reset {
            return Ok(());
        }
        let mut decoder = std::mem::take(&mut self.decoder);
        let mut is_too_much = false;
        let decoded = decoder.decode(bytes, |frame| {
            let is_read = self.reading == Reading::Open && !self.is_reset;
            if is_read && !is_too_much && !frame.message.is_empty() {
                is_too_much = !grow(self.unread.len(), frame.message.len());
                if !is_too_much {
                    self.unread.extend(frame.message);
                }
            }
            self.on_flag(frame);
        });
        self.decoder = decoder;
        if decoded.is_err() {
            Err(Fault::Malformed)
        } else if is_too_much {
            Err(Fault::Unread)
        } else {
            Ok(())
        }
    }

    fn on_flag(&mut self, frame: Frame<'_>) {
        match frame.flag {
            None => {}
            Some(Flag::Fin) => {
                if self.reading == Reading::Open {
                    self.reading = Reading::Finished;
                }
                self.owes_ack = true;
            }
            Some(Flag::StopSending) => {
                if matches!(self.writing, Writing::Open | Writing::Finishing) {
                    self.writing = Writing::Refused;
                }
                self.unsent = VecDeque::new();
            }
            Some(Flag::Reset) => self.abandon(),
            Some(Flag::FinAck) => self.has_acked = true,
        }
        if frame.flag.is_some() {
            self.wake();
        }
    }

    /// Forgets what waits. Whoever holds the stream gets an error.
    fn abandon(&mut self) {
        self.is_reset = true;
        self.unread = VecDeque::new();
        self.unsent = VecDeque::new();
        self.decoder = Decoder::default();
        self.wake();
    }

    /// Gives the stream up, and tells the peer.
    pub(super) fn reset(&mut self) {
        if !self.is_reset {
            self.owes_reset = !self.is_channel_closed && self.origin != Origin::Handshake;
            self.abandon();
        }
    }

    /// The data channel is gone. What has come can still be read.
    pub(super) fn channel_closed(&mut self) {
        self.is_channel_closed = true;
        self.unsent = VecDeque::new();
        self.decoder = Decoder::default();
        self.wake();
    }

    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Copies what waits. `Bytes(0)` is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Read {
        if self.is_reset {
            return Read::Reset;
        }
        if !self.unread.is_empty() {
            let (front, _) = self.unread.as_slices();
            let count = front.len().min(buffer.len());
            buffer[..count].copy_from_slice(&front[..count]);
            self.unread.drain(..count);
            if self.unread.is_empty() {
                self.unread = VecDeque::new();
            }
            return Read::Bytes(count);
        }
        match self.reading {
            Reading::Finished | Reading::Stopped => Read::Bytes(0),
            Reading::Open if self.is_channel_closed => Read::Reset,
            Reading::Open => Read::Pending,
        }
    }

    pub(super) fn can_write(&self) -> bool {
        self.writing == Writing::Open && !self.is_reset && !self.is_channel_closed
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.unsent.extend(bytes);
    }

    /// `FIN` follows what waits to be sent.
    pub(super) fn finish(&mut self) {
        if self.writing == Writing::Open {
            self.writing = Writing::Finishing;
        }
    }

    /// Whether nothing of ours waits to be sent, or it never will be.
    pub(super) fn is_flushed(&self) -> bool {
        self.unsent.is_empty() || self.is_reset || self.is_channel_closed
    }

    /// Whether our side has ended.
    pub(super) fn is_finished(&self) -> bool {
        matches!(self.writing, Writing::Finished | Writing::Refused) || self.is_reset || self.is_channel_closed
    }

    /// Whether it was given up before our side had ended in order.
    pub(super) fn is_broken(&self) -> bool {
        (self.is_reset || self.is_channel_closed) && self.writing != Writing::Finished
    }

    /// Nobody holds it any more: what has not ended in order is given up.
    pub(super) fn release(&mut self) {
        self.is_released = true;
        self.reader = None;
        self.writer = None;
        if self.origin == Origin::Handshake {
            self.abandon();
            return;
        }
        if self.writing == Writing::Open {
            self.reset();
        } else if self.reading == Reading::Open {
            self.owes_stop = !self.is_reset && !self.is_channel_closed;
        }
        if self.reading == Reading::Open {
            self.reading = Reading::Stopped;
        }
        self.unread = VecDeque::new();
    }

    /// Whether something can be sent. `knows_acks` tells whether the peer has ever sent a `FIN_ACK`.
    pub(super) fn has_frame(&self, knows_acks: bool) -> bool {
        if self.is_channel_closed {
            return false;
        }
        if self.is_reset {
            return self.owes_reset;
        }
        !self.unsent.is_empty() || self.writing == Writing::Finishing || self.owes_stop || self.may_ack(knows_acks)
    }

    fn may_ack(&self, knows_acks: bool) -> bool {
        self.owes_ack && (knows_acks || self.is_finished())
    }

    /// Appends the next frame. Flags go alone, as all peers understand them; data goes before `FIN`.
    pub(super) fn next_frame(&mut self, knows_acks: bool, out: &mut Vec<u8>) {
        if self.is_reset {
            self.owes_reset = false;
            return encode(out, Some(Flag::Reset), [&[], &[]]);
        }
        if !self.unsent.is_empty() {
            let count = self.unsent.len().min(DATA_BYTES_MAX);
            let (front, back) = self.unsent.as_slices();
            let front = &front[..count.min(front.len())];
            encode(out, None, [front, &back[..count - front.len()]]);
            self.unsent.drain(..count);
            if self.unsent.is_empty() {
                self.unsent = VecDeque::new();
            }
        } else if self.owes_stop {
            self.owes_stop = false;
            encode(out, Some(Flag::StopSending), [&[], &[]]);
        } else if self.writing == Writing::Finishing {
            self.writing = Writing::Finished;
            encode(out, Some(Flag::Fin), [&[], &[]]);
        } else if self.may_ack(knows_acks) {
            self.owes_ack = false;
            encode(out, Some(Flag::FinAck), [&[], &[]]);
        }
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }

    /// Whether both sides have ended and all is said, so that the channel may go.
    pub(super) fn is_done(&self) -> bool {
        if self.origin == Origin::Handshake || self.is_channel_closed {
            return false;
        }
        if self.is_reset {
            return !self.owes_reset;
        }
        self.is_finished()
            && self.reading != Reading::Open
            && self.unsent.is_empty()
            && !self.owes_stop
            && !self.may_ack(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(flag: Option<Flag>, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, flag, [data, &[]]);
        out
    }

    fn receive(stream: &mut Stream, flag: Option<Flag>, data: &[u8]) {
        stream.receive(&frame(flag, data), |_, _| true).unwrap();
    }

    fn sent(stream: &mut Stream, knows_acks: bool) -> Vec<(Option<Flag>, Vec<u8>)> {
        let mut frames = Vec::new();
        while stream.has_frame(knows_acks) {
            let mut bytes = Vec::new();
            stream.next_frame(knows_acks, &mut bytes);
            Decoder::default().decode(&bytes, |frame| frames.push((frame.flag, frame.message.to_vec()))).unwrap();
        }
        frames
    }

    fn read_all(stream: &mut Stream) -> (Vec<u8>, Read) {
        let mut found = Vec::new();
        let mut buffer = [0; 7];
        loop {
            match stream.read(&mut buffer) {
                Read::Bytes(count) if count > 0 => found.extend_from_slice(&buffer[..count]),
                end => return (found, end),
            }
        }
    }

    #[test]
    fn a_question_and_its_answer() {
        let mut stream = Stream::new(Origin::Theirs);
        receive(&mut stream, None, b"what is ");
        receive(&mut stream, Some(Flag::Fin), b"the tip?");
        assert_eq!(read_all(&mut stream), (b"what is the tip?".to_vec(), Read::Bytes(0)));
        assert_eq!(sent(&mut stream, false), [], "to a peer that may not know it, no FIN_ACK before our FIN");
        stream.write(b"block 7");
        stream.finish();
        assert!(!stream.is_finished() && !stream.is_done());
        let frames = sent(&mut stream, false);
        assert_eq!(frames, [(None, b"block 7".to_vec()), (Some(Flag::Fin), vec![]), (Some(Flag::FinAck), vec![])]);
        assert!(stream.is_finished() && stream.is_done() && !stream.has_acked());
        receive(&mut stream, Some(Flag::FinAck), &[]);
        assert!(stream.has_acked());
    }

    #[test]
    fn a_peer_that_knows_fin_ack_gets_it_at_once() {
        let mut stream = Stream::new(Origin::Theirs);
        receive(&mut stream, Some(Flag::Fin), &[]);
        assert_eq!(sent(&mut stream, true), [(Some(Flag::FinAck), vec![])]);
        assert!(stream.can_write());
    }

    #[test]
    fn large_data_goes_in_frames_in_order() {
        let mut stream = Stream::new(Origin::Ours);
        let data: Vec<u8> = (0..3 * DATA_BYTES_MAX + 5).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let mut frames = Vec::new();
        // What is sent in between turns the ring, so that it lies in two parts.
        for part in data.chunks(DATA_BYTES_MAX / 2 + 1) {
            stream.write(part);
            if stream.unsent_bytes() > DATA_BYTES_MAX {
                let mut bytes = Vec::new();
                stream.next_frame(false, &mut bytes);
                Decoder::default().decode(&bytes, |frame| frames.push((frame.flag, frame.message.to_vec()))).unwrap();
            }
        }
        stream.finish();
        frames.extend(sent(&mut stream, false));
        let joined: Vec<u8> = frames.iter().flat_map(|(_, data)| data.clone()).collect();
        assert!(joined == data);
        assert_eq!(frames.iter().map(|(_, data)| data.len()).max(), Some(DATA_BYTES_MAX));
        let flags: Vec<_> = frames.iter().map(|(flag, _)| *flag).collect();
        assert_eq!(flags, [None, None, None, None, Some(Flag::Fin)]);
    }

    #[test]
    fn either_side_may_give_up() {
        let mut stream = Stream::new(Origin::Theirs);
        receive(&mut stream, None, b"lost");
        receive(&mut stream, Some(Flag::Reset), &[]);
        assert_eq!(read_all(&mut stream), (vec![], Read::Reset));
        assert!(!stream.can_write() && stream.is_broken() && stream.is_done());
        assert_eq!(sent(&mut stream, true), [], "a reset is not answered");
        receive(&mut stream, None, b"more");
        assert_eq!(stream.unread_bytes(), 0);

        let mut stream = Stream::new(Origin::Ours);
        stream.write(b"unsent");
        stream.release();
        assert!(!stream.is_done());
        assert_eq!(sent(&mut stream, true), [(Some(Flag::Reset), vec![])]);
        assert!(stream.is_done());
    }

    #[test]
    fn who_has_answered_and_leaves_does_not_take_the_answer_back() {
        let mut stream = Stream::new(Origin::Theirs);
        receive(&mut stream, None, b"question");
        stream.write(b"answer");
        stream.finish();
        stream.release();
        let flags: Vec<_> = sent(&mut stream, false).into_iter().map(|(flag, _)| flag).collect();
        assert_eq!(flags, [None, Some(Flag::StopSending), Some(Flag::Fin)]);
        receive(&mut stream, None, b"to nobody");
        assert_eq!(stream.unread_bytes(), 0);
        assert!(stream.is_done());
    }

    #[test]
    fn a_peer_that_stops_reading_gets_nothing_more() {
        let mut stream = Stream::new(Origin::Theirs);
        stream.write(b"unsent");
        receive(&mut stream, Some(Flag::StopSending), &[]);
        assert!(!stream.can_write() && stream.is_finished() && stream.is_flushed());
        assert_eq!(sent(&mut stream, true), []);
        receive(&mut stream, None, b"but it speaks");
        assert_eq!(read_all(&mut stream).0, b"but it speaks");
    }

    #[test]
    fn what_nobody_reads_is_bounded() {
        let mut stream = Stream::new(Origin::Theirs);
        let room = |held: usize, more: usize| held + more <= 10;
        assert_eq!(stream.receive(&frame(None, b"12345678"), room), Ok(()));
        assert_eq!(stream.receive(&frame(None, b"123"), room), Err(Fault::Unread));
        assert_eq!(stream.unread_bytes(), 8);
        assert_eq!(stream.receive(&[0xff; 4], room), Err(Fault::Malformed));
        stream.reset();
        assert_eq!(stream.unread_bytes(), 0);
    }

    #[test]
    fn a_channel_that_closes_early_is_no_orderly_end() {
        let mut stream = Stream::new(Origin::Theirs);
        receive(&mut stream, None, b"half of");
        stream.channel_closed();
        assert_eq!(read_all(&mut stream), (b"half of".to_vec(), Read::Reset));
        assert!(stream.is_broken() && !stream.has_frame(true));
        let mut stream = Stream::new(Origin::Theirs);
        receive(&mut stream, Some(Flag::Fin), b"all");
        stream.channel_closed();
        assert_eq!(read_all(&mut stream), (b"all".to_vec(), Read::Bytes(0)));
    }
}
