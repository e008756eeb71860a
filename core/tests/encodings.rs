//! Every encoding: vectors of a second implementation (`tests/vectors/encodings.py`), round trips, and forms that are refused.

use std::fmt::Debug;

use crate::support::{hex, test};
use qbtc_core::block::{Block, BlockBytesError, Coinbase, Commitments, write_compact_size};
use qbtc_core::chain::ChainState;
use qbtc_core::codec::{CodecError, decode, encode};
use qbtc_core::commit::merkle::{self, MerkleProof};
use qbtc_core::commit::mmr::{BlockProof, Node, Peaks};
use qbtc_core::crypto::{PublicKey, Scheme, Signature};
use qbtc_core::hash::{BlockHash, ChainId, FilterHash, HistoryRoot, MerkleRoot, Txid, WitnessRoot, sha256};
use qbtc_core::header::Header;
use qbtc_core::lock::{
    Address, AddressTree, Condition, Conditions, ConditionsError, IndexedSignature, Lock, Path, Proof, TreeError,
    Witness,
};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, BlockTime, CompactBits, Height, Target, Work};
use qbtc_core::utxo::{Coin, Undo};
use qbtc_core::wallet::message::MessageProof;
use qbtc_core::wallet::partial::PartialTx;
use serde::Serialize;
use serde::de::DeserializeOwned;

const VECTORS: &str = include_str!("../../tests/vectors/encodings.txt");
const LIMIT: usize = 1 << 20;

/// Compares bytes with a line of the vectors: themselves if they are short, else their SHA-256.
fn assert_vector(name: &str, bytes: &[u8]) {
    let line = VECTORS.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let found = if bytes.len() <= 200 { hex(bytes) } else { hex(&sha256(bytes)) };
    assert_eq!(Some(found.as_str()), line, "{name}");
}

/// Compares an encoding with its vector, decodes it again, and refuses what is cut off, too long, or goes on.
fn assert_encoding<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let bytes = encode(value);
    assert_vector(name, &bytes);
    assert_eq!(decode::<T>(&bytes, bytes.len()).as_ref(), Ok(value));
    assert!(matches!(decode::<T>(&bytes, bytes.len() - 1), Err(CodecError::TooLong { .. })));
    let more = [&bytes[..], &[0]].concat();
    assert!(matches!(decode::<T>(&more, LIMIT), Err(CodecError::Trailing { trailing: 1, .. })));
    for length in (0..bytes.len()).step_by(1 + bytes.len() / 50) {
        assert!(matches!(decode::<T>(&bytes[..length], LIMIT), Err(CodecError::Malformed { .. })), "{name}, {length}");
    }
}

fn public_key(scheme: Scheme, seed: usize) -> PublicKey {
    let bytes: Vec<_> = (0..scheme.public_key_bytes()).map(|place| (seed + place).to_le_bytes()[0]).collect();
    PublicKey::new(scheme, bytes).unwrap()
}

fn signature(seed: usize, length: usize) -> Signature {
    Signature::new((0..length).map(|place| (seed * place).to_le_bytes()[0]).collect::<Vec<_>>()).unwrap()
}

fn alternatives() -> Vec<Conditions> {
    let keys = [2, 3, 4].map(|seed| public_key(Scheme::MlDsa44, seed)).to_vec();
    let single = Condition::Key(public_key(Scheme::MlDsa87, 1));
    let threshold = Condition::Threshold { required: 2, keys };
    let secret = Condition::preimage_of(b"secret");
    let fallback = Condition::Key(public_key(Scheme::SlhDsaSha2_128s, 5));
    let leaves = [vec![single], vec![threshold, Condition::After(Height(300))], vec![secret, fallback]];
    leaves.map(|leaf| Conditions::new(leaf).unwrap()).to_vec()
}

fn tree() -> AddressTree {
    AddressTree::new(alternatives()).unwrap()
}

fn witnesses() -> [Witness; 2] {
    let signed = |key, seed| IndexedSignature { key, signature: signature(seed, 2_420) };
    let proofs = [
        vec![Proof::Signatures(vec![signed(0, 7), signed(2, 8)])],
        vec![Proof::Preimage((*b"secret").into()), Proof::Signature(signature(9, 7_856))],
    ];
    let [one, other] = proofs;
    [(1, one), (2, other)].map(|(alternative, proofs)| {
        let (conditions, path) = tree().alternatives()[alternative].clone();
        Witness { conditions, path, proofs }
    })
}

fn pays(quanta: u64, address: Address) -> TxOut {
    TxOut { amount: Amount::from_quanta(quanta).unwrap(), lock: Lock::Address(address) }
}

fn transaction() -> Transaction {
    let outpoint = |byte, index| OutPoint { txid: Txid::from_bytes([byte; 32]), index };
    let data = TxOut { amount: Amount::ZERO, lock: Lock::Data((*b"hello").into()) };
    let body = TxBody {
        version: 1,
        inputs: vec![outpoint(0x11, 0), outpoint(0x22, 300)],
        outputs: vec![pays(123_456_789, tree().address()), data],
        lock_height: Height(300),
        expiry_height: Height(100_000),
    };
    Transaction { body, witnesses: witnesses().to_vec() }
}

fn block() -> Block {
    let transaction = transaction();
    let coinbase = Coinbase {
        chain_tag: [0x33; 4],
        height: Height(65_536),
        parent: BlockHash::from_bytes([0x55; 32]),
        extra: (*b"extranonce12").into(),
        outputs: vec![pays(500_000_000, tree().address())],
    };
    let commitments = Commitments {
        witness_root: WitnessRoot::from_bytes(merkle::root(vec![transaction.wtxid().to_bytes()]).unwrap()),
        filter_hash: FilterHash::from_bytes([0x66; 32]),
        history_root: HistoryRoot::from_bytes([0x77; 32]),
        ..Commitments::default()
    };
    let leaves = [coinbase.id(), commitments.id(), transaction.txid()].map(Txid::to_bytes).to_vec();
    let header = Header {
        version: 0x2000_0000,
        parent: BlockHash::from_bytes([0x55; 32]),
        merkle_root: MerkleRoot::from_bytes(merkle::root(leaves).unwrap()),
        time: BlockTime(1_800_000_000),
        bits: CompactBits(0x1e00_ffff),
        nonce: 42,
    };
    Block { header, coinbase, commitments, transactions: vec![transaction] }
}

#[test]
fn addresses_and_witnesses() {
    for (place, conditions) in alternatives().iter().enumerate() {
        assert_vector(&format!("leaf_{place}"), &conditions.leaf_hash());
    }
    assert_vector("address", &tree().address().to_bytes());
    for (place, witness) in witnesses().iter().enumerate() {
        assert_encoding(&format!("witness_{place}"), witness);
        assert_eq!(witness.address(), tree().address());
    }
}

#[test]
fn transactions_and_ids() {
    let transaction = transaction();
    assert_encoding("body", &transaction.body);
    assert_encoding("transaction", &transaction);
    assert_vector("txid", &transaction.txid().to_bytes());
    assert_vector("wtxid", &transaction.wtxid().to_bytes());
    let spent = [pays(5, tree().address()), pays(200_000_000, Address::from_bytes([0x44; 32]))];
    assert_vector("sighash", &transaction.body.sighash(&ChainId::from_bytes([0x33; 32]), &spent));
}

#[test]
fn blocks_and_their_parts() {
    let block = block();
    assert_vector("coinbase", &block.coinbase.to_bytes());
    assert_vector("commitments", &block.commitments.to_bytes());
    assert_vector("merkle_root", &block.header.merkle_root.to_bytes());
    assert_vector("header", &block.header.to_bytes());
    assert_vector("block_id", &block.id().to_bytes());
    let bytes = block.to_bytes();
    assert_vector("block", &bytes);
    assert_eq!(Block::from_bytes(&bytes, bytes.len()), Ok(block.clone()));
    assert_eq!(block.leaves().len(), 3);

    let found = bytes.len();
    let too_long = BlockBytesError::TooLong { found, limit: found - 1 };
    assert_eq!(Block::from_bytes(&bytes, found - 1), Err(too_long));
    let more = [&bytes[..], &[0]].concat();
    assert_eq!(Block::from_bytes(&more, LIMIT), Err(BlockBytesError::Trailing { trailing: 1 }));
    for length in (0..found).step_by(97) {
        assert!(Block::from_bytes(&bytes[..length], LIMIT).is_err(), "{length}");
    }
    let stripped = block.clone().strip_witnesses();
    assert_eq!((stripped.id(), stripped.leaves()), (block.id(), block.leaves()));
}

#[test]
fn the_number_of_leaves_is_in_its_shortest_form_and_can_be() {
    let bytes = block().to_bytes();
    let with_count = |count: &[u8]| Block::from_bytes(&[&bytes[..80], count, &bytes[81..]].concat(), LIMIT);
    assert!(with_count(&[3]).is_ok());
    assert_eq!(with_count(&[0xfd, 3, 0]), Err(BlockBytesError::LeafCountNotCanonical));
    let limit = 2 + (bytes.len() as u64 - 81) / 39;
    for found in [0, 1] {
        assert_eq!(with_count(&[found]), Err(BlockBytesError::LeafCount { found: found.into(), limit }));
    }
    let mut most = Vec::new();
    write_compact_size(&mut most, u64::MAX);
    assert_eq!(with_count(&most), Err(BlockBytesError::LeafCount { found: u64::MAX, limit }));
    let one_more =
        BlockBytesError::Transaction { index: 1, error: CodecError::Malformed { what: "Transaction", found: 0 } };
    assert_eq!(with_count(&[4]), Err(one_more));
}

#[test]
fn coins() {
    let address = tree().address();
    let amount = Amount::from_quanta(500_000_000).unwrap();
    let coin = Coin { amount, address, height: Height(65_536), is_coinbase: true };
    let address = Address::from_bytes([0x44; 32]);
    let other = Coin { amount: Amount::ZERO, address, height: Height(1), is_coinbase: false };
    assert_encoding("coin", &coin);
    assert_encoding("undo", &Undo(vec![coin, other]));
}

/// A history of four blocks, of which the third is known whole.
#[test]
fn histories_and_proofs() {
    let times = [1_000, 1_060, 1_050, 1_200].map(BlockTime);
    let header = Header { time: times[2], ..block().header };
    let id = |byte| BlockHash::from_bytes([byte; 32]);
    let ids = [id(0x80), id(0x81), header.id(), id(0x83)];
    let works = [Work::from(3), Work::from(300), Target::from_compact(header.bits).unwrap().work(), Work::from(5)];
    let mut peaks = Peaks::new();
    let mut nodes = Vec::new();
    for height in 0..4 {
        nodes.extend(peaks.append(Node::leaf(ids[height], works[height], times[height])).unwrap());
        if height == 2 {
            assert_encoding("peaks", &peaks);
            assert_encoding("chain_state", &ChainState::new(ids[2], peaks.clone()).unwrap());
        }
    }
    let node = |position| nodes.get(usize::try_from(position).unwrap()).copied().ok_or(());
    let proof = BlockProof::new(header, Height(2), 4, node).unwrap();
    assert_encoding("block_proof", &proof);
    assert_eq!(proof.check(peaks.root(), 4).map(|proven| proven.id), Ok(header.id()));

    let leaves = block().leaves().into_iter().map(Txid::to_bytes).collect();
    assert_encoding("merkle_proof", &MerkleProof::new(leaves, 2).unwrap());
}

#[test]
fn what_wallets_pass_around() {
    let spent = vec![pays(5, tree().address()), pays(200_000_000, Address::from_bytes([0x44; 32]))];
    let mut partial = PartialTx::new(ChainId::from_bytes([0x33; 32]), transaction().body, spent).unwrap();
    partial.choose_of_tree(&tree(), 1).unwrap();
    let bytes = partial.to_bytes();
    assert_vector("partial", &bytes);
    assert_eq!(PartialTx::from_bytes(&bytes), Ok(partial));

    let witness = Witness {
        conditions: alternatives()[0].clone(),
        path: decode(&[&[1][..], &[0; 32]].concat(), LIMIT).unwrap(),
        proofs: vec![Proof::Signature(signature(3, 4_627))],
    };
    let bytes = [&b"qbtcmsg\x01"[..], &encode(&witness)].concat();
    assert_vector("message_proof", &bytes);
    let proof = MessageProof::from_bytes(&bytes).unwrap();
    assert_eq!((proof.to_bytes(), proof.address()), (bytes, witness.address()));
}

/// The same values, their numbers in a longer form with a needless zero at the end.
#[test]
fn overlong_numbers_are_not_canonical() {
    let longer = |bytes: &[u8], last_byte: usize| {
        let mut longer = bytes.to_vec();
        longer[last_byte] |= 0x80;
        longer.insert(last_byte + 1, 0);
        longer
    };
    // The number of inputs, the indices of both (the second takes two bytes), the number of outputs, the amount of the first.
    let body = encode(&transaction().body);
    for last_byte in [1, 34, 68, 69, 73] {
        let refused = decode::<TxBody>(&longer(&body, last_byte), LIMIT);
        assert_eq!(refused, Err(CodecError::NotCanonical { what: "TxBody" }), "at {last_byte}");
    }
    let witness = longer(&encode(&witnesses()[0]), 0);
    assert_eq!(decode::<Witness>(&witness, LIMIT), Err(CodecError::NotCanonical { what: "Witness" }));
}

fn refused<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) -> bool {
    matches!(decode::<T>(bytes, LIMIT), Err(CodecError::Malformed { .. }))
}

#[test]
fn conditions_keep_their_bounds() {
    let key = |seed| public_key(Scheme::SlhDsaSha2_128s, seed);
    let keys = |count| (0..count).map(key).collect::<Vec<_>>();
    let after = |count| vec![Condition::After(Height(1)); count];
    assert_eq!(Conditions::new(after(0)), Err(ConditionsError::Empty));
    assert!(Conditions::new(after(16)).is_ok());
    assert_eq!(Conditions::new(after(17)), Err(ConditionsError::TooMany { found: 17 }));
    let threshold = |required, count| vec![Condition::Threshold { required, keys: keys(count) }];
    for (required, count) in [(1, 1), (16, 16), (1, 16)] {
        let conditions = Conditions::new(threshold(required, count)).unwrap();
        assert_eq!(decode::<Conditions>(&encode(&conditions), LIMIT), Ok(conditions));
    }
    for (required, count) in [(0, 1), (2, 1), (17, 17), (1, 17), (0, 0)] {
        let expected = ConditionsError::Threshold { required, keys: count };
        assert_eq!(Conditions::new(threshold(required, count)), Err(expected));
        assert!(refused::<Conditions>(&encode(&threshold(required, count))));
    }
    assert!(refused::<Conditions>(&encode(&after(0))) && refused::<Conditions>(&encode(&after(17))));
    // An unknown kind of condition, an unknown scheme, a key that is a byte too short or too long.
    assert!(refused::<Conditions>(&[1, 4, 0]));
    for (scheme, length) in [(0, 32), (5, 32), (4, 31), (4, 33), (1, 1_311), (3, 2_593)] {
        let length_bytes = encode(&u32::try_from(length).unwrap());
        let bytes = [&[1, 0, scheme][..], &length_bytes, &vec![0; length]].concat();
        assert!(refused::<Conditions>(&bytes), "scheme {scheme}, {length} bytes");
    }
}

#[test]
fn trees_keep_their_bounds() {
    let leaf = |height| Conditions::new(vec![Condition::After(Height(height))]).unwrap();
    assert_eq!(AddressTree::new(Vec::new()), Err(TreeError::Empty));
    assert_eq!(AddressTree::new((0..257).map(leaf).collect()), Err(TreeError::TooMany { found: 257 }));
    let most = AddressTree::new((0..256).map(leaf).collect()).unwrap();
    for (conditions, path) in most.alternatives() {
        assert_eq!(path.depth(), 8);
        assert_eq!(path.root_from(conditions.leaf_hash()), most.address());
    }
    for leaves in 1..40 {
        let tree = AddressTree::new((0..leaves).map(leaf).collect()).unwrap();
        assert!(tree.alternatives().iter().all(|(leaf, path)| path.root_from(leaf.leaf_hash()) == tree.address()));
    }
    assert!(decode::<Path>(&[&[8][..], &[0; 8 * 32]].concat(), LIMIT).is_ok());
    assert!(refused::<Path>(&[&[9][..], &[0; 9 * 32]].concat()));
}

#[test]
fn proofs_keep_their_bounds() {
    let preimage = |length: usize| encode(&Proof::Preimage(vec![1; length].into()));
    assert!(decode::<Proof>(&preimage(1_024), LIMIT).is_ok());
    assert!(refused::<Proof>(&preimage(1_025)));
    let signed = |count| {
        let signature = |key| IndexedSignature { key, signature: signature(1, 4) };
        encode(&Proof::Signatures((0..count).map(signature).collect()))
    };
    assert!(decode::<Proof>(&signed(16), LIMIT).is_ok());
    assert!(refused::<Proof>(&signed(17)));
    // Signatures of up to the longest scheme's length; whether it is the key's is a rule.
    let of_length = |length: usize| [&[0][..], &encode(&u32::try_from(length).unwrap()), &vec![0; length]].concat();
    assert!(decode::<Proof>(&of_length(7_856), LIMIT).is_ok());
    assert!(refused::<Proof>(&of_length(7_857)));
    assert!(refused::<Proof>(&[3]));
}

#[test]
fn outputs_keep_their_bounds() {
    let data = |length: usize| encode(&TxOut { amount: Amount::ZERO, lock: Lock::Data(vec![1; length].into()) });
    assert!(decode::<TxOut>(&data(65_536), LIMIT).is_ok());
    assert!(refused::<TxOut>(&data(65_537)));
    assert!(refused::<TxOut>(&[0, 2, 0]), "an unknown lock");
    // More than any amount can be: 2^63.
    assert!(refused::<TxOut>(&[&encode(&(1_u64 << 63))[..], &[0], &[0; 32]].concat()));
}

/// Sizes are the rule: whatever fits a block can be decoded, in however many small parts it comes.
#[test]
fn counts_are_bounded_by_sizes_alone() {
    let empty = TxOut { amount: Amount::ZERO, lock: Lock::Data(Box::default()) };
    assert_eq!(encode(&empty).len(), TxBody::OUTPUT_BYTES_MIN);
    assert_eq!(encode(&OutPoint { txid: Txid::ZERO, index: 0 }).len(), TxBody::INPUT_BYTES_MIN);
    let main = ChainSpec::main().consensus().clone();
    let count = 340_000;
    let body = TxBody { outputs: vec![empty; count], ..transaction().body };
    assert!(encode(&body).len() < main.limits.tx_bytes as usize);
    assert_eq!(decode::<TxBody>(&encode(&body), 1 << 20), Ok(body));
    // The coins of all transactions of a block, of a chain that allows more than main does.
    let coin =
        Coin { amount: Amount::ZERO, address: Address::from_bytes([1; 32]), height: Height(1), is_coinbase: false };
    let undo = Undo(vec![coin; 140_000]);
    assert_eq!(decode::<Undo>(&encode(&undo), 1 << 23), Ok(undo));
}

/// A count is no reason to allocate: four billion elements are stated in a few bytes, and refused when these end.
#[test]
fn stated_counts_allocate_nothing() {
    let count = encode(&u32::MAX);
    assert!(refused::<TxBody>(&[&[1][..], &count].concat()));
    assert!(refused::<Undo>(&count));
    assert!(refused::<Witness>(&count));
    assert!(refused::<Path>(&count));
    assert!(refused::<Proof>(&[&[1][..], &count].concat()));
    assert!(refused::<Proof>(&[&[2][..], &count].concat()));
    assert!(refused::<TxOut>(&[&[0, 1][..], &count].concat()));
}
