//! Streams that the node has opened: its pings, its hello, and whatever this side does not speak.
//!
//! A stream that the node has opened is closed by the node. On WebRTC, if we did so first, its number would be free on one side only, the browser would use
//! it again, and the new stream would be lost.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use hashbrown::HashMap;

use super::error::TransportError;
use super::exchange::{Framing, PING, PING_BYTES, read_message, select, write_message};
use super::stream::Stream;
use super::time::{Cancel, Limit};

/// The most bytes of a question of the node.
pub(super) const QUESTION_BYTES_MAX: usize = 4_096;
/// How long the node may take to say what it wants, and to close a stream that has ended.
const OPENING_TIME_MAX_MS: u32 = 20_000;
const CLOSING_TIME_MAX_MS: u32 = 60_000;

/// What the node is answered, by protocol, whatever its question.
pub(super) type Answers = Rc<RefCell<HashMap<String, Vec<u8>>>>;

/// Serves a stream to its end.
pub(super) async fn serve(channel: Stream, answers: Answers) {
    // What goes wrong here is the node's affair: it has opened the stream, and sees it end.
    let _ = answer(&channel, &answers).await;
    let closing = Limit { what: "closing a stream", limit_ms: CLOSING_TIME_MAX_MS, cancel: &Cancel::default() };
    let _ = closing
        .wait(async {
            channel.gone().await;
            Ok(())
        })
        .await;
}

async fn answer(channel: &Stream, answers: &Answers) -> Result<(), TransportError> {
    let cancel = Cancel::default();
    let opening = Limit { what: "the node's question", limit_ms: OPENING_TIME_MAX_MS, cancel: &cancel };
    let is_spoken = |name: &str| name == PING || answers.borrow().contains_key(name);
    let (protocol, begun) = opening.wait(select(channel, is_spoken)).await?;
    if protocol == PING {
        return echo(channel, begun).await;
    }
    opening.wait(read_message(channel, Framing::Length, begun, QUESTION_BYTES_MAX)).await?;
    let answer = answers.borrow().get(&protocol).cloned().unwrap_or_default();
    let mut bytes = Vec::new();
    write_message(&mut bytes, Framing::Length, &answer)?;
    channel.send(&bytes).await?;
    channel.finish()
}

/// Gives pings back, as long as the node sends some.
async fn echo(channel: &Stream, mut waiting: Vec<u8>) -> Result<(), TransportError> {
    loop {
        let whole = waiting.len() - waiting.len() % PING_BYTES;
        if whole > 0 {
            channel.send(&waiting[..whole]).await?;
            waiting.drain(..whole);
        }
        match channel.read().await? {
            Some(bytes) => waiting.extend_from_slice(&bytes),
            None => return channel.finish(),
        }
    }
}
