//! What a browser, or somebody in its name, may send to the WebRTC transport: frames of streams, lines of multistream-select, proofs of ids, user
//! names, packets to the socket; what a node may send to a browser by WebSocket; and addresses. The first
//! byte chooses. For packets: `port, kind, length` and as many bytes, where of the kinds one is sent as it is, one is made a request of
//! that user name and signed with the password that belongs to it, and others let connections prove an id or go.
#![no_main]

use std::collections::HashSet;
use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use qbtc_core::net::browser::Address;
use qbtc_core::net::browser::frame::{DATA_BYTES_MAX, Decoder, FRAME_BYTES_MAX, Flag, FrameError, encode};
use qbtc_core::net::browser::multistream::{LINE_BYTES_MAX, Proposal, Selection};
use qbtc_core::net::browser::noise::read_payload;
use qbtc_core::net::browser::yamux::{Muxer, UNREAD_BYTES_MAX};
use qbtc_node::p2p::transport::webrtc::Limits;
use qbtc_node::p2p::transport::webrtc::certificate::crypto;
use qbtc_node::p2p::transport::webrtc::credentials::{Credentials, request};
use qbtc_node::p2p::transport::webrtc::router::{Router, Verdict};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    match choice % 7 {
        0 => frames(bytes),
        1 => user_name(bytes),
        2 => packets(bytes),
        3 => lines(bytes),
        4 => address(bytes),
        5 => drop(read_payload(bytes)),
        _ => streams(bytes),
    }
});

/// The head of a frame of streams.
const HEAD_BYTES_MAX: usize = 12;

type Frames = (Vec<(Option<Flag>, Vec<u8>)>, Result<(), FrameError>);

/// Bytes mean the same however they are cut, and what was read can be written and read again.
fn frames(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let (found, result) = decode(bytes, bytes.len().max(1));
    assert_eq!(decode(bytes, usize::from(*cut) + 1), (found.clone(), result));
    for (flag, data) in found {
        assert!(data.len() <= FRAME_BYTES_MAX);
        if data.len() <= DATA_BYTES_MAX {
            let mut again = Vec::new();
            encode(&mut again, flag, [&data, &[]]);
            assert_eq!(decode(&again, again.len()), (vec![(flag, data)], Ok(())));
        }
    }
}

/// Streams over a WebSocket mean the same however their bytes are cut, and no more is held than allowed.
fn streams(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let told = |size: usize| {
        let mut muxer = Muxer::default();
        let mut ids = vec![muxer.open().expect("the first stream has room")];
        let mut result = Ok(());
        for part in bytes.chunks(size) {
            result = muxer.receive(part);
            assert!(muxer.held_bytes() <= UNREAD_BYTES_MAX + HEAD_BYTES_MAX);
            if result.is_err() {
                break;
            }
        }
        ids.extend(std::iter::from_fn(|| muxer.arrived()));
        let reads: Vec<_> = ids.into_iter().map(|id| (id, muxer.read(id))).collect();
        (result, reads, muxer.take_out())
    };
    assert_eq!(told(bytes.len().max(1)), told(usize::from(*cut) + 1));
}

fn decode(bytes: &[u8], cut: usize) -> Frames {
    let mut decoder = Decoder::default();
    let mut found = Vec::new();
    for part in bytes.chunks(cut) {
        let result = decoder.decode(part, |frame| found.push((frame.flag, frame.message.to_vec())));
        if result.is_err() {
            return (found, result);
        }
        assert!(decoder.held_bytes() <= FRAME_BYTES_MAX + 3);
    }
    (found, Ok(()))
}

/// A side agrees on the same name, answers the same, and leaves the same, however the lines are cut.
fn lines(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let select = |cut: usize| {
        let (mut selection, mut out, mut found) = (Selection::default(), Vec::new(), None::<(String, Vec<u8>)>);
        for part in bytes.chunks(cut) {
            match &mut found {
                Some((_, rest)) => rest.extend_from_slice(part),
                None => match selection.receive(part, |name| name.starts_with('/'), &mut out) {
                    Ok(selected) => found = selected,
                    Err(error) => return (Err(error), out),
                },
            }
        }
        (Ok(found), out)
    };
    let whole = select(bytes.len().max(1));
    assert!(whole.1.len() <= 32 * LINE_BYTES_MAX);
    assert_eq!(select(usize::from(*cut) + 1), whole);
    let _ = Proposal::new("/a").receive(bytes);
}

/// An address that is understood is written in a form that means the same.
fn address(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}

fn user_name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(credentials) = Credentials::from_username(text) else { return };
    let (server, client) = (credentials.server(), credentials.client());
    assert_eq!(format!("{}:{}", server.ufrag, client.ufrag), text);
    assert!(server.ufrag.ends_with(&client.pass));
    for name in [&server.ufrag, &client.ufrag] {
        assert!((4..=256).contains(&name.len()));
    }
    for password in [&server.pass, &client.pass] {
        assert!((22..=256).contains(&password.len()));
    }
}

/// Limits hold, only signed requests open connections, no name opens two, and nothing is left when all have gone.
fn packets(mut bytes: &[u8]) {
    let limits = Limits { connections_max: 6, connections_per_source_max: 3, handshakes_max: 4, ..Limits::default() };
    let crypto = crypto();
    let mut router = Router::new(limits, crypto.clone());
    let mut open = Vec::new();
    let mut names = HashSet::new();
    while let [port, kind, length, rest @ ..] = bytes {
        let (content, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        let from = SocketAddr::from(([192, 0, 2, port % 4], u16::from(*port)));
        let packet = match kind % 4 {
            0 => content.to_vec(),
            1 => {
                let Ok(name) = std::str::from_utf8(content) else { continue };
                request(name, name.split(':').next().unwrap_or(""), &crypto)
            }
            2 => {
                if let Some(id) = open.get(usize::from(*port)) {
                    router.authenticated(*id);
                }
                continue;
            }
            _ => {
                if !open.is_empty() {
                    router.remove(open.swap_remove(usize::from(*port) % open.len()));
                }
                continue;
            }
        };
        let name = match router.route(from, &packet) {
            Verdict::Open(credentials) => credentials.username().to_owned(),
            Verdict::Deliver(()) | Verdict::Drop(_) => continue,
        };
        assert_eq!(kind % 4, 1, "a packet that nobody has signed opens a connection");
        // The oldest of very many are forgotten.
        assert!(names.insert(name.clone()) || names.len() > 1_000, "{name} is back");
        open.push(router.open(from, &name, ()));
        assert_eq!(router.len(), open.len());
        assert!(open.len() <= 6);
    }
    for id in open {
        router.remove(id);
    }
    assert!(router.is_empty());
}
