//! Every decoder: the first byte chooses one, the rest is what it reads. Whatever decodes has exactly one encoding, and proofs and
//! partial transactions that decode are checked as their readers check them.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use qbtc_core::block::{Block, Coinbase, read_compact_size, write_compact_size};
use qbtc_core::chain::ChainState;
use qbtc_core::codec;
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::flyclient::{HeaderRules, SampledProof};
use qbtc_core::commit::merkle::MerkleProof;
use qbtc_core::commit::mmr::{BlockProof, Peaks};
use qbtc_core::hash::{BlockHash, HistoryRoot, sha256d};
use qbtc_core::lock::{Address, AddressPrefix, Witness};
use qbtc_core::net::{CompactBlock, Reconstruction};
use qbtc_core::spec::{ChainSpec, Consensus};
use qbtc_core::tx::{Transaction, TxBody};
use qbtc_core::units::Amount;
use qbtc_core::utxo::{Coin, Undo};
use qbtc_core::verify::CheckedTx;
use qbtc_core::wallet::keystore::Keystore;
use qbtc_core::wallet::message::MessageProof;
use qbtc_core::wallet::mnemonic::Mnemonic;
use qbtc_core::wallet::partial::PartialTx;
use qbtc_fuzz::{HISTORY_BLOCKS, history_rules, sampling, support};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The rules of the chain that the seed of the sampled proof is about.
static RULES: LazyLock<HeaderRules> = LazyLock::new(history_rules);

/// The chain of the seed of the compact block, where work is nearly nothing.
static SPEC: LazyLock<ChainSpec> = LazyLock::new(support::spec);

/// How many decoders there are.
const DECODERS: u8 = 25;

/// The one encoding of a value is the bytes that it came from.
fn canonical<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    if let Ok(value) = codec::decode::<T>(bytes, bytes.len()) {
        assert_eq!(codec::encode(&value), bytes);
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    match choice % DECODERS {
        0 => {
            if let Ok(block) = Block::from_bytes(bytes, bytes.len()) {
                assert_eq!(block.to_bytes(), bytes);
            }
        }
        1 => canonical::<Transaction>(bytes),
        2 => canonical::<TxBody>(bytes),
        3 => canonical::<Witness>(bytes),
        4 => {
            if let Ok(coinbase) = Coinbase::from_bytes(bytes) {
                assert_eq!(coinbase.to_bytes(), bytes);
            }
        }
        5 => {
            if let Ok(Some((number, rest))) = read_compact_size(bytes) {
                let mut again = Vec::new();
                write_compact_size(&mut again, number);
                again.extend(rest);
                assert_eq!(again, bytes);
            }
        }
        6 => {
            if let Ok(filter) = Filter::from_bytes(bytes, bytes.len()) {
                assert_eq!(filter.as_bytes(), bytes);
                let _ = filter.match_any(&BlockHash::ZERO, [[7; 32], [8; 32]]);
            }
        }
        7 => canonical::<MerkleProof>(bytes),
        8 => {
            if let Ok(proof) = BlockProof::decode(bytes) {
                assert_eq!(codec::encode(&proof), bytes);
                let _ = proof.check(HistoryRoot::ZERO, HISTORY_BLOCKS);
            }
        }
        9 => {
            if let Ok(proof) = SampledProof::decode(bytes) {
                assert_eq!(codec::encode(&proof), bytes);
                let _ = proof.check(&sampling(), &RULES);
            }
        }
        10 => canonical::<Peaks>(bytes),
        11 => canonical::<ChainState>(bytes),
        12 => canonical::<Undo>(bytes),
        13 => canonical::<Coin>(bytes),
        14 => keystore(bytes),
        15 => {
            if let Ok(partial) = PartialTx::from_bytes(bytes) {
                assert_eq!(partial.to_bytes(), bytes);
                let _ = (partial.fee(), partial.size_bytes(32), partial.missing(), partial.finalize());
            }
        }
        16 => {
            if let Ok(proof) = MessageProof::from_bytes(bytes) {
                assert_eq!(proof.to_bytes(), bytes);
            }
        }
        17 => canonical::<Consensus>(bytes),
        24 => {
            if let Ok(compact) = CompactBlock::from_bytes(bytes, bytes.len()) {
                assert_eq!(compact.to_bytes(), bytes);
                let none: [Arc<CheckedTx>; 0] = [];
                if let Ok(rebuilding) = Reconstruction::begin(compact, &none, &SPEC) {
                    let _ = rebuilding.finish(Vec::new(), &SPEC);
                }
            }
        }
        _ => texts(*choice, bytes),
    }
});

/// The header's checksum is made to fit, since no mutation would pass it.
fn keystore(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if let Some((header, checksum)) =
        bytes.get_mut(..Keystore::HEADER_BYTES).and_then(<[u8]>::split_last_chunk_mut::<8>)
    {
        checksum.copy_from_slice(&sha256d(header)[..8]);
    }
    if let Ok(keystore) = Keystore::from_bytes(&bytes) {
        assert_eq!(keystore.to_bytes(), bytes);
    }
}

fn texts(choice: u8, bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    match choice % DECODERS {
        18 => {
            let prefix: AddressPrefix = "dbqs".parse().expect("a prefix");
            if let Ok(address) = Address::from_text(text, &prefix) {
                assert_eq!(address.to_text(&prefix), text.to_lowercase());
            }
        }
        19 => {
            if let Ok(spec) = ChainSpec::from_toml(text) {
                assert_eq!(ChainSpec::from_toml(&spec.to_toml()), Ok(spec));
            }
        }
        20 => {
            if let Ok(amount) = text.parse::<Amount>() {
                assert_eq!(amount.to_string().parse(), Ok(amount));
            }
        }
        21 => drop(Mnemonic::parse(text)),
        22 => {
            if let Ok(proof) = text.parse::<MessageProof>() {
                assert_eq!(proof.to_string(), text);
            }
        }
        _ => drop(text.parse::<BlockHash>()),
    }
}
