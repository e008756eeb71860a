//! Frames as the specification has them, limits that hold, and bytes that make no sense.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::testing::test;

fn frame(kind: u8, flags: u16, stream: u32, length: u32) -> Vec<u8> {
    let [f, s, l] = [&flags.to_be_bytes()[..], &stream.to_be_bytes(), &length.to_be_bytes()];
    [&[0, kind], f, s, l].concat()
}

fn data(flags: u16, stream: u32, bytes: &[u8]) -> Vec<u8> {
    [frame(DATA, flags, stream, u32::try_from(bytes.len()).unwrap()), bytes.to_vec()].concat()
}

#[test]
fn frames_are_as_the_specification_has_them() {
    let mut muxer = Muxer::default();
    let id = muxer.open().unwrap();
    assert_eq!(muxer.take_out(), [0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(muxer.write(id, b"hi"), 2);
    muxer.finish(id);
    let expected = [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2][..], b"hi", &[0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0]].concat();
    assert_eq!(muxer.take_out(), expected);
    muxer.receive(&frame(WINDOW_UPDATE, ACK, 1, 0)).unwrap();
    muxer.receive(&data(FIN, 1, b"yes")).unwrap();
    assert_eq!((muxer.read(id), muxer.read(id)), (Unread::Bytes(b"yes".to_vec()), Unread::Finished));
    muxer.forget(id);
    assert_eq!((muxer.take_out(), muxer.read(id)), (vec![], Unread::Broken));
    assert_eq!(muxer.open().unwrap(), StreamId(3));
}

#[test]
fn pings_are_answered_and_goodbyes_heard() {
    let mut muxer = Muxer::default();
    muxer.receive(&frame(PING, SYN, 0, 77)).unwrap();
    muxer.receive(&frame(PING, ACK, 0, 78)).unwrap();
    assert_eq!(muxer.take_out(), frame(PING, ACK, 0, 77));
    assert_eq!(muxer.receive(&frame(GO_AWAY, 0, 0, 2)), Err(YamuxError::GoAway { code: 2 }));
}

#[test]
fn no_more_is_sent_than_the_peer_allows() {
    let mut muxer = Muxer::default();
    let id = muxer.open().unwrap();
    let long = vec![7; 300 * 1024];
    assert_eq!(muxer.write(id, &long), WINDOW_BYTES as usize);
    assert_eq!(muxer.write(id, &long), 0);
    muxer.receive(&frame(WINDOW_UPDATE, 0, 1, 10)).unwrap();
    assert_eq!(muxer.write(id, &long), 10);
    assert_eq!(muxer.receive(&frame(WINDOW_UPDATE, 0, 1, u32::MAX)), Ok(()));
    assert_eq!(muxer.receive(&frame(WINDOW_UPDATE, 0, 1, 1)), Err(YamuxError::WindowTooLarge));
}

#[test]
fn the_peer_sends_no_more_than_it_may_and_may_as_much_again_as_was_read() {
    let mut muxer = Muxer::default();
    let id = muxer.open().unwrap();
    muxer.take_out();
    muxer.receive(&data(0, 1, &vec![1; WINDOW_BYTES as usize])).unwrap();
    assert_eq!(muxer.held_bytes(), WINDOW_BYTES as usize);
    assert!(matches!(muxer.read(id), Unread::Bytes(bytes) if bytes.len() == WINDOW_BYTES as usize));
    assert_eq!((muxer.held_bytes(), muxer.take_out()), (0, frame(WINDOW_UPDATE, 0, 1, WINDOW_BYTES)));
    muxer.receive(&data(0, 1, &vec![1; WINDOW_BYTES as usize])).unwrap();
    assert_eq!(muxer.receive(&data(0, 1, &[1])), Err(YamuxError::Window { found: 1, allowed: 0 }));
    let mut ended = Muxer::default();
    ended.open().unwrap();
    ended.receive(&frame(DATA, FIN, 1, 0)).unwrap();
    assert_eq!(ended.receive(&data(0, 1, &[1])), Err(YamuxError::Window { found: 1, allowed: 0 }));
}

#[test]
fn streams_of_the_peer_are_taken_up_to_a_limit() {
    let mut muxer = Muxer::default();
    for number in 1..=u32::try_from(STREAMS_MAX).unwrap() {
        muxer.receive(&frame(WINDOW_UPDATE, SYN, number * 2, 0)).unwrap();
        assert_eq!(muxer.arrived(), Some(StreamId(number * 2)));
    }
    muxer.take_out();
    muxer.receive(&data(SYN, 1_000, b"more")).unwrap();
    assert_eq!((muxer.arrived(), muxer.take_out()), (None, frame(WINDOW_UPDATE, RST, 1_000, 0)));
    assert_eq!(muxer.open(), Err(YamuxError::TooManyStreams));
    for wrong in [0, 1, 1_000, 2] {
        let mut muxer = Muxer::default();
        muxer.receive(&frame(WINDOW_UPDATE, SYN, 1_000, 0)).unwrap();
        assert_eq!(muxer.receive(&frame(DATA, SYN, wrong, 0)), Err(YamuxError::Number { found: wrong }));
    }
}

#[test]
fn a_stream_that_is_given_up_is_over() {
    let mut muxer = Muxer::default();
    let (one, two) = (muxer.open().unwrap(), muxer.open().unwrap());
    muxer.take_out();
    muxer.receive(&data(0, 1, b"half")).unwrap();
    muxer.receive(&frame(WINDOW_UPDATE, RST, 1, 0)).unwrap();
    assert_eq!((muxer.read(one), muxer.read(one)), (Unread::Bytes(b"half".to_vec()), Unread::Broken));
    assert_eq!(muxer.write(one, b"x"), 0);
    muxer.forget(two);
    assert_eq!(muxer.take_out(), frame(DATA, RST, 3, 0));
    // What was under way then is passed over.
    muxer.receive(&[data(0, 3, b"late"), frame(WINDOW_UPDATE, 0, 3, 9), frame(PING, SYN, 0, 1)].concat()).unwrap();
    assert_eq!((muxer.held_bytes(), muxer.take_out()), (0, frame(PING, ACK, 0, 1)));
}

#[test]
fn floods_end() {
    let mut muxer = Muxer::default();
    let pings = frame(PING, SYN, 0, 1).repeat(1_000);
    let flooded = (0..1_000).find_map(|_| muxer.receive(&pings).err());
    assert_eq!(flooded, Some(YamuxError::Flood { limit: 2 * UNSENT_BYTES_MAX }));
    let mut muxer = Muxer::default();
    let full = vec![1; WINDOW_BYTES as usize];
    let flooded = (1..=100).find_map(|number| muxer.receive(&data(SYN, number * 2, &full)).err());
    assert_eq!(flooded, Some(YamuxError::Flood { limit: UNREAD_BYTES_MAX }));
}

#[derive(Clone, Debug)]
enum Step {
    Open,
    Write(u8, u16),
    Read(u8),
    Finish(u8),
    Forget(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Open),
        (any::<u8>(), any::<u16>()).prop_map(|(stream, length)| Step::Write(stream, length)),
        any::<u8>().prop_map(Step::Read),
        any::<u8>().prop_map(Step::Finish),
        any::<u8>().prop_map(Step::Forget),
    ]
}

proptest! {
    /// Whatever comes: no panic, and no more is held than allowed.
    #[test]
    fn any_bytes_are_bounded(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..40)) {
        let mut muxer = Muxer::default();
        muxer.open().unwrap();
        for part in parts {
            if muxer.receive(&part).is_err() {
                break;
            }
            prop_assert!(muxer.held_bytes() <= UNREAD_BYTES_MAX + HEAD_BYTES && muxer.streams.len() <= STREAMS_MAX);
        }
    }

    /// Frames that make sense, cut anywhere, are read alike.
    #[test]
    fn however_the_bytes_are_cut(
        frames in prop::collection::vec((0_u8..4, 0_u16..16, 0_u32..8, 0_u32..40), 0..30),
        cuts in prop::collection::vec(1_usize..30, 1..20),
    ) {
        let bytes: Vec<u8> = frames.into_iter().flat_map(|(kind, flags, stream, length)| {
            let body = if kind == DATA { length as usize } else { 0 };
            [frame(kind, flags, stream, length), vec![5; body]].concat()
        }).collect();
        let (mut whole, mut cut) = (Muxer::default(), Muxer::default());
        whole.open().unwrap();
        cut.open().unwrap();
        let expected = whole.receive(&bytes);
        let (mut found, mut rest) = (Ok(()), &bytes[..]);
        for size in cuts.iter().cycle() {
            let (part, next) = rest.split_at((*size).min(rest.len()));
            found = cut.receive(part);
            rest = next;
            if rest.is_empty() || found.is_err() {
                break;
            }
        }
        prop_assert_eq!(found, expected);
        for id in (0..8).map(StreamId) {
            prop_assert_eq!(cut.read(id), whole.read(id));
        }
        prop_assert_eq!(cut.take_out(), whole.take_out());
    }

    /// Against a peer that keeps its own account of every stream: what is said there is heard here, in order, and windows hold.
    #[test]
    fn a_peer_hears_what_was_written(steps in prop::collection::vec(step(), 0..60)) {
        let mut muxer = Muxer::default();
        let (mut open, mut written, mut heard) = (Vec::new(), BTreeMap::<u32, usize>::new(), BTreeMap::<u32, usize>::new());
        for step in steps {
            let pick = |place: u8| open.get(usize::from(place) % open.len().max(1)).copied();
            match step {
                Step::Open => open.extend(muxer.open().ok()),
                Step::Write(place, length) => if let Some(id) = pick(place) {
                    *written.entry(id.0).or_default() += muxer.write(id, &vec![9; usize::from(length)]);
                },
                Step::Read(place) => drop(pick(place).map(|id| muxer.read(id))),
                Step::Finish(place) => { if let Some(id) = pick(place) { muxer.finish(id); } }
                Step::Forget(place) => { if let Some(id) = pick(place) { muxer.forget(id); } }
            }
            let out = muxer.take_out();
            let mut rest = &out[..];
            while let Some((head, next)) = rest.split_first_chunk::<HEAD_BYTES>() {
                let length = u32::from_be_bytes(*head.last_chunk().unwrap());
                let number = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
                let body = if head[1] == DATA { length as usize } else { 0 };
                *heard.entry(number).or_default() += body;
                rest = &next[body..];
            }
        }
        for (number, count) in written {
            prop_assert_eq!(heard.get(&number).copied().unwrap_or(0), count);
            prop_assert!(count <= WINDOW_BYTES as usize);
        }
    }
}
