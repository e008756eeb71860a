//! Writes the committed seeds anew from real values: `cargo +nightly run --example seeds`, in tests/fuzz.

#[path = "../../../core/tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use qbtc_core::chain::ChainState;
use qbtc_core::codec::encode;
use qbtc_core::commit::filter::Filter;
use qbtc_core::hash::BlockHash;
use qbtc_core::utxo::Undo;
use support::{ALLOTTED, TestChain, TestKey, pay};

fn main() {
    let mut chain = TestChain::new();
    let mut parent = chain.genesis();
    for _ in 0..4 {
        parent = chain.extend(&parent, Vec::new()).id();
    }
    let key = TestKey::new(0);
    let coins = chain.tip(&parent).spendable(key.address(), &chain.spec);
    let payment = key.spend(&coins[..1], vec![pay(key.address(), ALLOTTED)], &chain.spec);
    let block = chain.extend(&parent, vec![payment.clone()]);
    let tip = chain.tip(&block.id());
    let state = ChainState::new(block.id(), tip.history.clone()).expect("it has blocks");
    let address = key.address().to_text(&chain.spec.network().address_prefix);
    let decode: [(u8, &str, Vec<u8>); 13] = [
        (0, "block", block.to_bytes()),
        (1, "transaction", encode(&payment)),
        (2, "body", encode(&payment.body)),
        (3, "witness", encode(&payment.witnesses[0])),
        (4, "coinbase", block.coinbase.to_bytes()),
        (6, "filter", Filter::build(&BlockHash::ZERO, [[7; 32], [9; 32]]).as_bytes().to_vec()),
        (10, "peaks", encode(&tip.history)),
        (11, "state", encode(&state)),
        (12, "undo", encode(&Undo(vec![coins[0].1]))),
        (17, "consensus", encode(chain.spec.consensus())),
        (18, "address", address.into_bytes()),
        (19, "spec", chain.spec.to_toml().into_bytes()),
        (20, "amount", b"20999999.99999999".to_vec()),
    ];
    for (choice, name, bytes) in decode {
        write("decode", name, &[&[choice][..], &bytes].concat());
    }
    write("block", "unchanged", &[]);
    write("block", "witness", &[0, 8, 1, 3]);
    write("reorg", "fork", &[4, 0, 2, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1, 0, 0, 0, 3, 2, 1, 0, 0, 2, 0, 4, 1, 1, 3]);
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&folder).expect("the folder can be made");
    fs::write(folder.join(name), bytes).expect("the seed can be written");
}
