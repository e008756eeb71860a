//! Streams between two ends of one connection, driven by hand.

use libp2p::core::muxing::StreamMuxerExt as _;

use super::*;

#[test]
fn streams_learn_of_a_task_that_has_failed() {
    let budget = Budget::new(1_000);
    let shared = Shared::new(Limits::default(), &budget, Arc::default());
    let task = EndOnDrop(Arc::clone(&shared));
    let mut muxer = Muxer::new(Arc::clone(&shared));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(mut ours)) = muxer.poll_outbound_unpin(&mut cx) else { panic!("there is room") };
    let key = shared.arrived().unwrap();
    shared.received(key, &[4, 0x12, 2, b'h', b'i']);
    let Poll::Ready(Ok(mut theirs)) = muxer.poll_inbound_unpin(&mut cx) else { panic!("one has arrived") };
    assert!(Pin::new(&mut ours).poll_read(&mut cx, &mut [0; 9]).is_pending());
    assert_eq!(budget.used(), 2);
    drop(task);
    assert!(matches!(Pin::new(&mut ours).poll_read(&mut cx, &mut [0; 9]), Poll::Ready(Err(_))));
    // What has come can still be read.
    assert!(matches!(Pin::new(&mut theirs).poll_read(&mut cx, &mut [0; 9]), Poll::Ready(Ok(2))));
    assert!(matches!(muxer.poll_inbound_unpin(&mut cx), Poll::Ready(Err(ConnectionError::Lost))));
    assert!(matches!(muxer.poll_close_unpin(&mut cx), Poll::Ready(Ok(()))));
    assert_eq!(budget.used(), 0);
    drop((ours, theirs));
    assert!(shared.inner.lock().streams.len() == 1, "only the handshake's");
}

#[test]
fn what_waits_to_be_sent_is_bounded() {
    let budget = Budget::new(1_000);
    let shared = Shared::new(Limits::default(), &budget, Arc::default());
    let mut muxer = Muxer::new(Arc::clone(&shared));
    let mut cx = Context::from_waker(Waker::noop());
    let mut streams = Vec::new();
    let mut taken = 0;
    for _ in 0..20 {
        let Poll::Ready(Ok(mut stream)) = muxer.poll_outbound_unpin(&mut cx) else { panic!("there is room") };
        while let Poll::Ready(count) = Pin::new(&mut stream).poll_write(&mut cx, &[0; 50_000]) {
            taken += count.unwrap();
        }
        streams.push(stream);
    }
    assert!((UNSENT_BYTES_MAX..UNSENT_BYTES_MAX + 20 * 1_024).contains(&taken), "{taken}");
    let mut sent = 0;
    let mut frame = Vec::new();
    while shared.next_frame(&mut |_| true, &mut frame).is_some() {
        sent += frame.len();
        frame.clear();
    }
    assert!(sent > taken);
    assert!(Pin::new(&mut streams[0]).poll_write(&mut cx, &[0; 9]).is_ready());
}

#[test]
fn streams_that_have_ended_go_by_their_time_or_when_they_are_many() {
    let limits = Limits { streams_in_max: 4, linger: Duration::from_secs(60), ..Limits::default() };
    let shared = Shared::new(limits, &Budget::new(1_000), Arc::default());
    let mut muxer = Muxer::new(Arc::clone(&shared));
    let mut cx = Context::from_waker(Waker::noop());
    let now = Instant::now();
    let mut keys = Vec::new();
    let mut ended = |shared: &Shared, muxer: &mut Muxer| {
        let key = shared.arrived().unwrap();
        shared.received(key, &[2, 0x08, 2]);
        assert!(matches!(muxer.poll_inbound_unpin(&mut cx), Poll::Ready(Ok(_))));
        keys.push(key);
        key
    };
    let first = ended(&shared, &mut muxer);
    assert_eq!(shared.next_to_close(now), None, "the peer should close it");
    assert_eq!(shared.next_to_close(now + Duration::from_secs(70)), Some(first));
    let second = ended(&shared, &mut muxer);
    ended(&shared, &mut muxer);
    assert_eq!(shared.next_to_close(now), Some(second), "three of four are too many to wait for");
    ended(&shared, &mut muxer);
    assert_eq!(shared.arrived(), Err(ConnectionError::TooManyStreams(4)));
    for key in keys {
        shared.channel_closed(key);
    }
    assert!(shared.arrived().is_ok());
    assert_eq!(shared.close_deadline(), None);
}
