//! Many streams over one connection: yamux, the side that has connected. A machine that does no I/O.
//!
//! WebRTC has streams of its own; over a WebSocket they are these. What a frame says is taken as it comes: of a frame that is not whole only its head is
//! held. Nobody can make this side hold more than what it has allowed: each stream has a window, which opens as it is read, and no more than
//! [`UNREAD_BYTES_MAX`] lie unread on all.
//!
//! The protocol: <https://github.com/hashicorp/yamux/blob/master/spec.md>. Numbers of the side that has connected are odd.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// The protocol's name.
pub const NAME: &str = "/yamux/1.0.0";
/// How much may be sent on a new stream before it was read, in both directions.
pub const WINDOW_BYTES: u32 = 256 * 1024;
/// The most streams that are open: those that this side opens, and those that the peer does.
pub const STREAMS_MAX: usize = 128;
/// The most bytes that lie unread on all streams.
pub const UNREAD_BYTES_MAX: usize = 16 << 20;
/// The most bytes that wait to be sent before the peer is held to flood this side with what must be answered.
pub const UNSENT_BYTES_MAX: usize = 1 << 20;
/// The most data in a frame of ours.
const DATA_BYTES_MAX: usize = 16 * 1024;

const HEAD_BYTES: usize = 12;
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 1;
const PING: u8 = 2;
const GO_AWAY: u8 = 3;
const SYN: u16 = 1;
const ACK: u16 = 2;
const FIN: u16 = 4;
const RST: u16 = 8;

/// The number of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u32);

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum YamuxError {
    /// Another version, or a kind of frame that there is not.
    #[error("a frame of version {version} and kind {kind}: expected version 0 and kinds 0 to 3")]
    Head {
        /// The version found.
        version: u8,
        /// The kind found.
        kind: u8,
    },
    /// A stream of the peer's with a number that is not its, or was used before.
    #[error("the peer has opened stream {found}, which it must not")]
    Number {
        /// The number found.
        found: u32,
    },
    /// More data than the window allows.
    #[error("the peer has sent {found} bytes where {allowed} were allowed")]
    Window {
        /// The length found.
        found: u32,
        /// What was left of the window.
        allowed: u32,
    },
    /// A window beyond 32 bits.
    #[error("the peer has opened a window beyond what there can be")]
    WindowTooLarge,
    /// More lies unread, or waits to be sent, than this side holds.
    #[error("the peer makes this side hold more than {limit} bytes")]
    Flood {
        /// The limit.
        limit: usize,
    },
    /// The peer ends the connection.
    #[error("the peer has ended the connection, with code {code}")]
    GoAway {
        /// The code: 0 is no error.
        code: u32,
    },
    /// More streams than this side opens.
    #[error("{STREAMS_MAX} streams are open already")]
    TooManyStreams,
}

/// What there is to read on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// So many bytes; at least one.
    Bytes(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// The peer has sent all.
    Finished,
    /// The peer has given the stream up, or there is none.
    Broken,
}

#[derive(Debug, Default)]
struct Stream {
    /// How much this side may still send, and the peer.
    send_window: u32,
    receive_window: u32,
    /// What was read, and is not yet given back to the peer's window.
    to_give_back: u32,
    unread: Vec<u8>,
    is_finished_here: bool,
    is_finished_there: bool,
    is_broken: bool,
}

/// The data of a frame that is coming in; without a stream where nobody wants it.
#[derive(Debug)]
struct Body {
    stream: Option<StreamId>,
    missing: u32,
    is_last: bool,
}

/// A connection of streams.
#[derive(Debug)]
pub struct Muxer {
    head: Vec<u8>,
    body: Option<Body>,
    streams: BTreeMap<StreamId, Stream>,
    arrived: VecDeque<StreamId>,
    next: u32,
    last_of_peer: u32,
    unread_bytes: usize,
    out: Vec<u8>,
}

impl Default for Muxer {
    fn default() -> Self {
        Self {
            head: Vec::with_capacity(HEAD_BYTES),
            body: None,
            streams: BTreeMap::new(),
            arrived: VecDeque::new(),
            next: 1,
            last_of_peer: 0,
            unread_bytes: 0,
            out: Vec::new(),
        }
    }
}

impl Muxer {
    /// Opens a stream.
    ///
    /// # Errors
    /// [`YamuxError::TooManyStreams`], also where all numbers have been used.
    pub fn open(&mut self) -> Result<StreamId, YamuxError> {
        let id = StreamId(self.next);
        if self.streams.len() >= STREAMS_MAX {
            return Err(YamuxError::TooManyStreams);
        }
        self.next = self.next.checked_add(2).ok_or(YamuxError::TooManyStreams)?;
        self.streams.insert(id, Stream::new());
        self.frame(WINDOW_UPDATE, SYN, id.0, 0);
        Ok(id)
    }

    /// A stream that the peer has opened, if one waits.
    pub fn arrived(&mut self) -> Option<StreamId> {
        self.arrived.pop_front()
    }

    /// Sends bytes, and returns how many the peer's window and what waits already leave room for; 0 on a stream that is over.
    pub fn write(&mut self, id: StreamId, bytes: &[u8]) -> usize {
        let room = UNSENT_BYTES_MAX.saturating_sub(self.out.len());
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.is_finished_here && !stream.is_broken)
        else {
            return 0;
        };
        let window = usize::try_from(stream.send_window).unwrap_or(usize::MAX);
        let count = bytes.len().min(window).min(room);
        stream.send_window -= u32::try_from(count).unwrap_or(stream.send_window);
        for part in bytes[..count].chunks(DATA_BYTES_MAX) {
            self.frame(DATA, 0, id.0, u32::try_from(part.len()).unwrap_or(0));
            self.out.extend_from_slice(part);
        }
        count
    }

    /// Says that nothing more follows on a stream.
    pub fn finish(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.is_finished_here && !stream.is_broken) {
            stream.is_finished_here = true;
            self.frame(DATA, FIN, id.0, 0);
        }
    }

    /// Whether a stream can take bytes no more, since the peer has given it up or it was never there.
    #[must_use]
    pub fn is_broken(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_none_or(|stream| stream.is_broken)
    }

    /// Whether the peer has sent all that it will on a stream, however it has ended.
    #[must_use]
    pub fn is_ended_there(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_none_or(|stream| stream.is_broken || stream.is_finished_there)
    }

    /// What has come on a stream since it was asked last. The peer may send as much again.
    pub fn read(&mut self, id: StreamId) -> Unread {
        let Some(stream) = self.streams.get_mut(&id) else { return Unread::Broken };
        if stream.unread.is_empty() {
            return match stream {
                Stream { is_broken: true, .. } => Unread::Broken,
                Stream { is_finished_there: true, .. } => Unread::Finished,
                _ => Unread::Nothing,
            };
        }
        let bytes = core::mem::take(&mut stream.unread);
        self.unread_bytes -= bytes.len();
        stream.to_give_back = stream.to_give_back.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let is_due = stream.to_give_back >= WINDOW_BYTES / 2 && !stream.is_finished_there && !stream.is_broken;
        if is_due {
            let more = core::mem::take(&mut stream.to_give_back);
            stream.receive_window = stream.receive_window.saturating_add(more);
            self.frame(WINDOW_UPDATE, 0, id.0, more);
        }
        Unread::Bytes(bytes)
    }

    /// Forgets a stream. If it is not over on both sides, the peer is told.
    pub fn forget(&mut self, id: StreamId) {
        self.arrived.retain(|arrived| *arrived != id);
        let Some(stream) = self.streams.remove(&id) else { return };
        self.unread_bytes -= stream.unread.len();
        let is_over = stream.is_broken || (stream.is_finished_here && stream.is_finished_there);
        if !is_over {
            self.frame(DATA, RST, id.0, 0);
        }
    }

    /// Says goodbye.
    pub fn close(&mut self) {
        self.frame(GO_AWAY, 0, 0, 0);
    }

    /// The bytes that are to be sent.
    pub fn take_out(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.out)
    }

    /// How many bytes this side holds of the peer's.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.unread_bytes + self.head.len()
    }

    /// Takes what has come.
    ///
    /// # Errors
    /// [`YamuxError`]; the connection is of no use then.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<(), YamuxError> {
        loop {
            if let Some(body) = self.body.take() {
                bytes = self.data(body, bytes)?;
                if self.body.is_some() {
                    return Ok(());
                }
            }
            let (part, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head.len()));
            self.head.extend_from_slice(part);
            bytes = rest;
            let Some(head) = self.head.first_chunk::<HEAD_BYTES>().copied() else { return Ok(()) };
            self.head.clear();
            self.head(head)?;
            if self.out.len() > 2 * UNSENT_BYTES_MAX {
                return Err(YamuxError::Flood { limit: 2 * UNSENT_BYTES_MAX });
            }
        }
    }

    fn head(&mut self, head: [u8; HEAD_BYTES]) -> Result<(), YamuxError> {
        let [version, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = head;
        let (flags, number) = (u16::from_be_bytes([f0, f1]), u32::from_be_bytes([s0, s1, s2, s3]));
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        if version != 0 || kind > GO_AWAY {
            return Err(YamuxError::Head { version, kind });
        }
        match kind {
            PING if flags & SYN != 0 => self.frame(PING, ACK, 0, length),
            PING => {}
            GO_AWAY => return Err(YamuxError::GoAway { code: length }),
            _ => self.of_stream(kind, flags, StreamId(number), length)?,
        }
        Ok(())
    }

    fn of_stream(&mut self, kind: u8, flags: u16, id: StreamId, length: u32) -> Result<(), YamuxError> {
        if flags & SYN != 0 {
            self.opened_by_peer(id)?;
        }
        let mut wants_data = false;
        if let Some(stream) = self.streams.get_mut(&id) {
            if kind == WINDOW_UPDATE {
                let window = stream.send_window.checked_add(length);
                stream.send_window = window.ok_or(YamuxError::WindowTooLarge)?;
            } else {
                let allowed = if stream.is_finished_there { 0 } else { stream.receive_window };
                if length > allowed {
                    return Err(YamuxError::Window { found: length, allowed });
                }
                stream.receive_window -= length;
                wants_data = !stream.is_broken;
            }
            stream.is_broken |= flags & RST != 0;
            // Data comes before the end that its frame tells of.
            stream.is_finished_there |= flags & FIN != 0 && (kind == WINDOW_UPDATE || length == 0);
        } else if kind == DATA && length > WINDOW_BYTES {
            // What was under way on a stream that is forgotten is passed over, but no peer can have so much under way.
            return Err(YamuxError::Window { found: length, allowed: WINDOW_BYTES });
        }
        if kind == DATA && length > 0 {
            let stream = wants_data.then_some(id);
            self.body = Some(Body { stream, missing: length, is_last: flags & FIN != 0 });
        }
        Ok(())
    }

    fn opened_by_peer(&mut self, id: StreamId) -> Result<(), YamuxError> {
        if id.0 == 0 || id.0 % 2 == 1 || id.0 <= self.last_of_peer {
            return Err(YamuxError::Number { found: id.0 });
        }
        self.last_of_peer = id.0;
        if self.streams.len() >= STREAMS_MAX {
            self.frame(WINDOW_UPDATE, RST, id.0, 0);
            return Ok(());
        }
        self.streams.insert(id, Stream::new());
        self.arrived.push_back(id);
        self.frame(WINDOW_UPDATE, ACK, id.0, 0);
        Ok(())
    }

    /// Takes data of a frame, and returns what follows it.
    fn data<'a>(&mut self, mut body: Body, bytes: &'a [u8]) -> Result<&'a [u8], YamuxError> {
        let wanted = usize::try_from(body.missing).unwrap_or(usize::MAX);
        let (part, rest) = bytes.split_at(bytes.len().min(wanted));
        body.missing -= u32::try_from(part.len()).unwrap_or(body.missing);
        let stream = body.stream.and_then(|id| self.streams.get_mut(&id)).filter(|stream| !stream.is_broken);
        if let Some(stream) = stream {
            stream.unread.extend_from_slice(part);
            self.unread_bytes += part.len();
            stream.is_finished_there |= body.is_last && body.missing == 0;
        }
        if self.unread_bytes > UNREAD_BYTES_MAX {
            return Err(YamuxError::Flood { limit: UNREAD_BYTES_MAX });
        }
        if body.missing > 0 {
            self.body = Some(body);
        }
        Ok(rest)
    }

    fn frame(&mut self, kind: u8, flags: u16, stream: u32, length: u32) {
        self.out.extend_from_slice(&[0, kind]);
        self.out.extend_from_slice(&flags.to_be_bytes());
        self.out.extend_from_slice(&stream.to_be_bytes());
        self.out.extend_from_slice(&length.to_be_bytes());
    }
}

impl Stream {
    fn new() -> Self {
        Self { send_window: WINDOW_BYTES, receive_window: WINDOW_BYTES, ..Self::default() }
    }
}

#[cfg(test)]
mod tests;
