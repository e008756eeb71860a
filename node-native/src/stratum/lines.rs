//! Lines over a connection, with every length and every wait bounded.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, LinesCodec, LinesCodecError};

use super::session::LINE_BYTES_MAX;

/// A connection of lines.
#[derive(Debug)]
pub(super) struct Lines {
    stream: TcpStream,
    codec: LinesCodec,
    read: BytesMut,
    pace: Pace,
    write_max: Duration,
}

/// Why nothing more can be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// A line without an end.
    #[error("a line of more than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// The miner does not read what it is sent.
    #[error("does not read what it is sent within {limit:?}")]
    Slow {
        /// The time that it had.
        limit: Duration,
    },
    /// The connection failed, or the bytes are no text.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Lines {
    /// Lines over this stream, whose other side may take so long to make room for what it is sent.
    pub(super) fn new(stream: TcpStream, write_max: Duration) -> Self {
        let codec = LinesCodec::new_with_max_length(LINE_BYTES_MAX);
        Self { stream, codec, read: BytesMut::new(), pace: Pace::new(Instant::now()), write_max }
    }

    /// The next line; none at the end. Can be given up at any time and called again: nothing is lost.
    ///
    /// Whoever sends more than a miner ever does is read more slowly, and so slows down only itself.
    pub(super) async fn next(&mut self) -> Result<Option<String>, LineError> {
        tokio::time::sleep_until(self.pace.ready_at()).await;
        loop {
            if let Some(line) = self.codec.decode(&mut self.read)? {
                self.pace.take(Instant::now());
                return Ok(Some(line));
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Sends lines that end already.
    pub(super) async fn send(&mut self, text: &str) -> Result<(), LineError> {
        let slow = LineError::Slow { limit: self.write_max };
        timeout(self.write_max, self.stream.write_all(text.as_bytes())).await.map_err(|_| slow)??;
        Ok(())
    }

    /// Tells the other side that nothing follows.
    pub(super) async fn close(&mut self) {
        // Whether it hears it is its own matter.
        let _ = timeout(self.write_max, self.stream.shutdown()).await;
    }
}

impl From<LinesCodecError> for LineError {
    fn from(error: LinesCodecError) -> Self {
        match error {
            LinesCodecError::MaxLineLengthExceeded => Self::TooLong,
            LinesCodecError::Io(error) => Self::Io(error),
        }
    }
}

/// How many lines are read: a burst, and then so many a second.
#[derive(Debug)]
struct Pace {
    /// When the burst would be whole again.
    whole_at: Instant,
}

impl Pace {
    /// Between two lines, in the long run: 200 a second. A share is aimed at every ten seconds; a miner on a chain for developers,
    /// where every share is a block, finds some dozens a second.
    const BETWEEN: Duration = Duration::from_millis(5);
    /// The lines that may come at once: what a fast machine finds until its difficulty has reached it.
    const BURST: u32 = 400;

    const fn new(now: Instant) -> Self {
        Self { whole_at: now }
    }

    /// When the next line may be read.
    fn ready_at(&self) -> Instant {
        self.whole_at.checked_sub(Self::BETWEEN * Self::BURST).unwrap_or(self.whole_at)
    }

    /// A line was read.
    fn take(&mut self, now: Instant) {
        self.whole_at = self.whole_at.max(now) + Self::BETWEEN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn pair() -> (Lines, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Lines::new(listener.accept().await.unwrap().0, Duration::from_millis(200)), client)
    }

    #[tokio::test]
    async fn lines_come_whole_however_they_are_cut() {
        let (mut lines, mut client) = pair().await;
        client.write_all(b"fi").await.unwrap();
        // Given up halfway.
        assert!(timeout(Duration::from_millis(20), lines.next()).await.is_err());
        client.write_all(b"rst\r\nsecond\n\nunfinished").await.unwrap();
        assert_eq!(lines.next().await.unwrap().as_deref(), Some("first"));
        assert_eq!(lines.next().await.unwrap().as_deref(), Some("second"));
        assert_eq!(lines.next().await.unwrap().as_deref(), Some(""));
        drop(client);
        assert_eq!(lines.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_line_at_the_limit_is_read_and_a_longer_one_ends_it() {
        let (mut lines, mut client) = pair().await;
        client.write_all(format!("{}\n", "x".repeat(LINE_BYTES_MAX)).as_bytes()).await.unwrap();
        assert_eq!(lines.next().await.unwrap().map(|line| line.len()), Some(LINE_BYTES_MAX));
        client.write_all("x".repeat(LINE_BYTES_MAX + 1).as_bytes()).await.unwrap();
        assert!(matches!(lines.next().await, Err(LineError::TooLong)));
        let (mut lines, mut client) = pair().await;
        client.write_all(b"\xff\xfe\n").await.unwrap();
        assert!(matches!(lines.next().await, Err(LineError::Io(_))));
    }

    #[tokio::test]
    async fn who_does_not_read_is_given_up() {
        let (mut lines, _client) = pair().await;
        let text = "x".repeat(1 << 20);
        let ended = loop {
            if let Err(error) = lines.send(&text).await {
                break error;
            }
        };
        assert!(matches!(ended, LineError::Slow { .. }), "{ended}");
    }

    #[test]
    fn a_burst_is_read_at_once_and_a_flood_at_its_pace() {
        let now = Instant::now() + Duration::from_secs(60);
        let mut pace = Pace::new(now);
        for _ in 0..=Pace::BURST {
            assert!(pace.ready_at() <= now);
            pace.take(now);
        }
        assert_eq!(pace.ready_at(), now + Pace::BETWEEN);
        let later = now + Duration::from_secs(60);
        pace.take(later);
        assert!(pace.ready_at() <= later);
    }
}
