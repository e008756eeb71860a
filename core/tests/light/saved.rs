//! What is kept over a restart: the next start is cheap, and what is damaged or foreign is refused.

use std::sync::Arc;

use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::Moment;
use qbtc_core::sync::light::{At, HEADERS_GAP_MAX, LightClient, STATE_BYTES_MAX, StateError};

use super::node::{FullNode, address, clock, spec};
use super::scene::{Scene, Shared, is_work, shared};
use crate::support::test;

const BLOCKS: u32 = HEADERS_GAP_MAX + 100;

/// A client that has followed a node's chain and looked through it, and that node.
fn followed() -> (Scene, Shared) {
    let node = FullNode::with_blocks(&spec(), BLOCKS);
    let mut scene = Scene::new(&node.spec, clock(&node));
    let node = shared(node);
    for _ in 0..3 {
        scene.honest(&node);
    }
    scene.watch(&[address(1)], BLOCKS - 50);
    assert_eq!(scene.tip(), node.borrow().tip());
    (scene, node)
}

fn resume(node: &Shared, bytes: &[u8]) -> Result<Scene, StateError> {
    let (spec, clock) = (Arc::clone(&node.borrow().spec), clock(&node.borrow()));
    let client = LightClient::resume(Arc::clone(&spec), [8; 32], bytes, At { now: Moment(0), clock })?;
    Ok(Scene::with(&spec, clock, client))
}

#[test]
fn a_warm_start_takes_headers_alone() {
    let (first, node) = followed();
    let bytes = first.client.save();
    assert!(bytes.len() <= STATE_BYTES_MAX);
    for missing in [0, 1, 300] {
        node.borrow_mut().grow(missing);
        let mut scene = resume(&node, &bytes).unwrap();
        assert_eq!(scene.client.tip().mark, first.client.tip().mark, "known before anybody is asked");
        assert_eq!(scene.client.scanned(), first.client.scanned());
        for _ in 0..3 {
            scene.honest(&node);
        }
        assert_eq!((scene.tip(), scene.asked_for(is_work)), (node.borrow().tip(), 0));
        let bytes = scene.client.traffic().bytes();
        let headers = u64::from(missing) * 80;
        assert!(bytes < headers + 2_000, "{bytes} for {missing} headers");
    }
}

#[test]
fn the_scan_goes_on_where_it_stood() {
    let (first, node) = followed();
    let mut scene = resume(&node, &first.client.save()).unwrap();
    scene.scanned = first.client.scanned();
    node.borrow_mut().mine(1, 10, Vec::new());
    for _ in 0..3 {
        scene.honest(&node);
    }
    scene.watch(&[address(1)], BLOCKS + 1);
    assert_eq!((scene.found_heights(), scene.rolled_back.len()), (vec![BLOCKS + 1], 0));
}

#[test]
fn a_long_sleep_needs_a_new_proof() {
    let (first, node) = followed();
    node.borrow_mut().grow(HEADERS_GAP_MAX + 1);
    let mut scene = resume(&node, &first.client.save()).unwrap();
    scene.scanned = first.client.scanned();
    scene.watch(&[address(99)], BLOCKS + 900);
    for _ in 0..3 {
        scene.honest(&node);
    }
    assert_eq!((scene.tip(), scene.asked_for(is_work)), (node.borrow().tip(), 1));
    // What lies between was looked through on the way, and the scan goes on above what it knows.
    assert_eq!(scene.found_heights().first(), Some(&(BLOCKS + 1)));
    assert_eq!((scene.found.len(), scene.rolled_back.len()), (1_001, 0));
}

#[test]
fn a_chain_that_turned_meanwhile_is_followed() {
    let (first, node) = followed();
    let branch = node.borrow().fork(BLOCKS - 30, 31, 1);
    *node.borrow_mut() = branch;
    let mut scene = resume(&node, &first.client.save()).unwrap();
    scene.scanned = first.client.scanned();
    for _ in 0..3 {
        scene.honest(&node);
    }
    scene.watch(&[address(1)], BLOCKS - 30);
    assert_eq!((scene.tip(), scene.asked_for(is_work)), (node.borrow().tip(), 0));
    assert_eq!(scene.found_heights(), (BLOCKS - 29..=BLOCKS + 1).collect::<Vec<_>>());
}

#[test]
fn what_is_damaged_or_foreign_is_refused() {
    let (first, node) = followed();
    let bytes = first.client.save();
    assert!(resume(&node, &bytes).is_ok());
    for place in (0..bytes.len()).step_by(if cfg!(target_arch = "wasm32") { 97 } else { 7 }) {
        let mut other = bytes.clone();
        other[place] ^= 1;
        let error = resume(&node, &other).err().unwrap();
        assert_eq!(error, if place < 12 { StateError::Version } else { StateError::Checksum });
    }
    assert_eq!(resume(&node, &bytes[..bytes.len() - 1]).err(), Some(StateError::Checksum));
    assert_eq!(resume(&node, &[]).err(), Some(StateError::Version));
    assert_eq!(resume(&node, b"qbtc-light01").err(), Some(StateError::Checksum));
    let other = Arc::new(ChainSpec::dev());
    let at = At { now: Moment(0), clock: clock(&node.borrow()) };
    let error = LightClient::resume(Arc::clone(&other), [8; 32], &bytes, at).err();
    let found = node.borrow().spec.chain_id();
    assert_eq!(error, Some(StateError::OtherChain { found, expected: other.chain_id() }));
}

#[test]
fn a_state_is_one_string_of_bytes() {
    let (first, node) = followed();
    let bytes = first.client.save();
    assert_eq!(resume(&node, &bytes).unwrap().client.save(), bytes);
    // Before anything is known, too.
    let new = LightClient::new(Arc::clone(&node.borrow().spec), [0; 32], At { now: Moment(0), clock: first.clock });
    assert_eq!(resume(&node, &new.save()).unwrap().client.save(), new.save());
}
