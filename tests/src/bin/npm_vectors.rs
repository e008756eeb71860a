//! What the native wallet makes, for the npm package to read, and the other way round.
//!
//! `npm_vectors make` prints one JSON object of addresses, a signed message, a payment and an offline receipt; `npm_vectors check FILE` reads
//! what wallet-wasm/npm/tests/scenario.mjs made, checks it as a node would, and says what is wrong. Both are used by `cargo xtask test --only npm`.
#![allow(clippy::unwrap_used, reason = "a test program stops at its first surprise")]
#![allow(clippy::print_stdout, reason = "printing is what a command line does")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use qbtc_core::block::{Block, Coinbase, Commitments};
use qbtc_core::codec;
use qbtc_core::commit::flyclient::{HistorySource, Opening, SampledProof, Sampling};
use qbtc_core::commit::mmr::{BlockProof, Node, Peaks};
use qbtc_core::commit::{TxOutProof, merkle};
use qbtc_core::crypto::{Scheme, SecretKey, verify_serial};
use qbtc_core::hash::{BlockHash, MerkleRoot, Txid};
use qbtc_core::header::Header;
use qbtc_core::lock::{Address, Lock};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, Height, Target};
use qbtc_core::utxo::{Coin, CoinView};
use qbtc_core::verify::{VerifiedCache, check_transaction, resolve_transaction};
use qbtc_core::wallet::derivation::{AccountKey, AccountPath, AddressPath, Branch, ChildIndex, CoinType};
use qbtc_core::wallet::keystore::{KdfParams, Keystore, KeystoreContent, Label};
use qbtc_core::wallet::layout::{AddressKeys, AddressLayout};
use qbtc_core::wallet::message::{MessageDraft, MessageProof};
use qbtc_core::wallet::mnemonic::Mnemonic;
use qbtc_core::wallet::partial::PartialTx;
use serde_json::{Value, json};

const TEXT: &str = "I, Zoë, paid invoice 7 on 2026-11-21.";
/// With an accent that one keyboard composes and another does not.
const PASSPHRASE: &str = "caf\u{e9} au lait";

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("make") => println!("{:#}", made()),
        Some("check") => {
            let file = std::env::args().nth(2).expect("the file to check");
            check(&serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap());
            println!("what the package made holds");
        }
        _ => panic!("expected `make` or `check`"),
    }
}

fn words() -> String {
    "abandon ".repeat(23) + "art"
}

fn account(spec: &ChainSpec, index: u32) -> AccountKey {
    let seed = Mnemonic::parse(&words()).unwrap().to_seed("");
    let account = ChildIndex::new(index).unwrap();
    AccountKey::derive(&seed, AccountPath { coin: CoinType::of_chain(spec), account })
}

fn place(branch: Branch, index: u32) -> AddressPath {
    AddressPath { branch, index: ChildIndex::new(index).unwrap() }
}

fn text_of(address: &Address, spec: &ChainSpec) -> String {
    address.to_text(&spec.network().address_prefix)
}

fn made() -> Value {
    json!({
        "words": words(),
        "addresses": addresses(),
        "message": message(),
        "keystore": keystore(),
        "payment": payment(),
        "receipt": receipt(),
    })
}

fn addresses() -> Vec<Value> {
    let mut made = Vec::new();
    for name in ["main", "test", "dev"] {
        let spec = ChainSpec::by_name(name).unwrap();
        for scheme in Scheme::ALL {
            for has_fallback in [false, true] {
                let layout = match has_fallback {
                    true if scheme == AddressLayout::FALLBACK => continue,
                    true => AddressLayout::with_fallback(scheme).unwrap(),
                    false => AddressLayout::single(scheme),
                };
                let address = layout.keys(&account(&spec, 1), place(Branch::Change, 7)).tree().address();
                made.push(json!({
                    "chain": name, "account": 1, "branch": "change", "index": 7,
                    "scheme": scheme.name(), "fallback": has_fallback, "address": text_of(&address, &spec),
                }));
            }
        }
    }
    made
}

fn first_keys(spec: &ChainSpec) -> AddressKeys {
    AddressLayout::default().keys(&account(spec, 0), place(Branch::Receive, 0))
}

fn message() -> Value {
    let spec = ChainSpec::dev();
    let tree = first_keys(&spec).tree();
    let mut draft = MessageDraft::new(&spec.chain_id(), &tree, AddressKeys::SIGNING, TEXT).unwrap();
    draft.sign(&account(&spec, 0).secret_key(Scheme::default(), place(Branch::Receive, 0)), &[7; 32]);
    json!({ "chain": "dev", "address": text_of(&tree.address(), &spec), "text": TEXT,
            "proof": draft.finish().unwrap().to_string() })
}

fn keystore() -> Value {
    let content = KeystoreContent {
        mnemonic: Mnemonic::parse(&words()).unwrap(),
        layout: AddressLayout::with_fallback(Scheme::MlDsa65).unwrap(),
        birthday: Height(123_456),
        labels: vec![Label { subject: "x".into(), text: "Zoë's gift".into() }],
        account: ChildIndex::ZERO,
    };
    let file = Keystore::seal(&content, PASSPHRASE, KdfParams::new(64, 1, 1).unwrap(), &[3; 32]).unwrap();
    json!({ "file": hex::encode(file.to_bytes()), "passphrase": PASSPHRASE })
}

/// A payment of the dev chain's allocation, not signed.
fn payment() -> Value {
    let spec = ChainSpec::dev();
    let own = first_keys(&spec).tree();
    let coin = TxOut { amount: Amount::from_coins(10), lock: Lock::Address(own.address()) };
    let to = TxOut { amount: Amount::from_coins(9), lock: Lock::Address(Address::from_bytes([5; 32])) };
    let body = TxBody {
        version: TxBody::VERSION,
        inputs: vec![OutPoint { txid: Txid::from_bytes([1; 32]), index: 3 }],
        outputs: vec![to],
        lock_height: Height(5),
        expiry_height: Height(9),
    };
    let mut partial = PartialTx::new(spec.chain_id(), body, vec![coin]).unwrap();
    partial.choose_of_tree(&own, AddressKeys::SIGNING).unwrap();
    let unsigned = partial.to_bytes();
    partial.sign(&account(&spec, 0).secret_key(Scheme::default(), place(Branch::Receive, 0)), &[7; 32]);
    let signed = partial.finalize().unwrap();
    json!({
        "txid": partial.txid().to_string(), "wtxid": signed.wtxid().to_string(),
        "partial": hex::encode(unsigned), "signed": hex::encode(codec::encode(&signed)),
    })
}

/// A short chain with a payment in it, and the proof of that.
fn receipt() -> Value {
    let spec = ChainSpec::dev();
    let mut chain = ShortChain::new(&spec);
    (1..=3).for_each(|_| drop(chain.mine(&spec, Vec::new())));
    let body = codec::decode::<Transaction>(&hex::decode(payment()["signed"].as_str().unwrap()).unwrap(), 1 << 20);
    let block = chain.mine(&spec, vec![body.unwrap()]);
    (1..=2).for_each(|_| drop(chain.mine(&spec, Vec::new())));
    let txid = block.transactions[0].txid();
    let tip = Height(chain.peaks.blocks() - 1);
    let history = SampledProof::new(&chain, tip, &Sampling::receipt()).unwrap();
    let place = |position: u64| Ok::<_, Infallible>(chain.nodes[usize::try_from(position).unwrap()]);
    let in_history = BlockProof::new(block.header, Height(4), chain.peaks.blocks(), place).unwrap();
    json!({
        "chain": "dev", "txid": txid.to_string(), "height": 4, "confirmations": 3, "blockId": block.id().to_string(),
        "history": hex::encode(codec::encode(&history)),
        "block": hex::encode(codec::encode(&in_history)),
        "transaction": hex::encode(TxOutProof::new(&block, &[txid]).unwrap().to_bytes()),
    })
}

struct ShortChain {
    blocks: Vec<Block>,
    nodes: Vec<Node>,
    peaks: Peaks,
}

impl ShortChain {
    fn new(spec: &ChainSpec) -> Self {
        let mut chain = Self { blocks: Vec::new(), nodes: Vec::new(), peaks: Peaks::new() };
        chain.append(spec.genesis().clone());
        chain
    }

    fn append(&mut self, block: Block) {
        let header = block.header;
        let work = Target::from_compact(header.bits).unwrap().work();
        self.nodes.extend(self.peaks.append(Node::leaf(header.id(), work, header.time)).unwrap());
        self.blocks.push(block);
    }

    fn mine(&mut self, spec: &ChainSpec, transactions: Vec<Transaction>) -> Block {
        let parent: Header = self.blocks.last().unwrap().header;
        let height = Height(self.peaks.blocks());
        let coinbase = Coinbase {
            chain_tag: Coinbase::chain_tag(&spec.chain_id()),
            height,
            parent: parent.id(),
            extra: Box::default(),
            outputs: vec![TxOut { amount: Amount::from_coins(1), lock: Lock::Address(Address::from_bytes([9; 32])) }],
        };
        let commitments = Commitments { history_root: self.peaks.root(), ..Commitments::default() };
        let header =
            Header { version: 1, parent: parent.id(), nonce: 0, time: parent.time.saturating_add(10), ..parent };
        let mut block = Block { header, coinbase, commitments, transactions };
        let leaves = block.leaves().iter().map(|leaf| leaf.to_bytes()).collect();
        block.header.merkle_root = MerkleRoot::from_bytes(merkle::root(leaves).unwrap());
        let pow = spec.consensus().pow;
        block.header.nonce =
            (0..).find(|nonce| pow.check_work(&Header { nonce: *nonce, ..block.header }).is_ok()).unwrap();
        assert_ne!(block.id(), BlockHash::ZERO);
        self.append(block.clone());
        block
    }
}

impl HistorySource for ShortChain {
    type Error = Infallible;

    fn node(&self, position: u64) -> Result<Node, Infallible> {
        Ok(self.nodes[usize::try_from(position).unwrap()])
    }

    fn header(&self, height: Height) -> Result<Header, Infallible> {
        Ok(self.blocks[usize::try_from(height.0).unwrap()].header)
    }

    fn opening(&self, height: Height) -> Result<Opening, Infallible> {
        let block = &self.blocks[usize::try_from(height.0).unwrap()];
        let leaves = block.leaves().iter().map(|leaf| leaf.to_bytes()).collect();
        let proof = merkle::MerkleProof::new(leaves, 1).unwrap();
        Ok(Opening::new(&block.commitments, proof.branch().copied().collect()))
    }
}

/// Checks what the package made, all for the dev chain.
fn check(made: &Value) {
    let spec = ChainSpec::dev();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();

    let MessageParts { address, text: said, proof } = MessageParts::of(&made["message"], &spec);
    proof.verify(address, &said, Height(1), &spec).unwrap();
    proof.verify(address, &(said + "."), Height(1), &spec).unwrap_err();

    let opened = Keystore::from_bytes(&bytes(&made["keystore"]["file"])).unwrap();
    let opened = opened.open(text(&made["keystore"]["passphrase"]).as_str()).ok().unwrap();
    assert_eq!(*opened.mnemonic.phrase(), text(&made["keystore"]["words"]));

    let transactions = made["transactions"].as_array().unwrap();
    assert!(!transactions.is_empty());
    for made in transactions {
        let spent: Vec<TxOut> = made["spent"].as_array().unwrap().iter().map(|coin| output(coin, &spec)).collect();
        check_signed(&bytes(&made["bytes"]), &spent, &text(&made["txid"]), &spec);
    }
    // A key made by the package's own entropy is as good as any.
    let key = SecretKey::from_seed(Scheme::MlDsa44, &bytes(&made["seed"]).try_into().unwrap());
    assert_eq!(hex::encode(key.public_key().as_bytes()), text(&made["publicKey"]));
}

struct MessageParts {
    address: Address,
    text: String,
    proof: MessageProof,
}

impl MessageParts {
    fn of(value: &Value, spec: &ChainSpec) -> Self {
        let text = |key: &str| value[key].as_str().unwrap();
        let address = Address::from_text(text("address"), &spec.network().address_prefix).unwrap();
        Self { address, text: text("text").into(), proof: text("proof").parse().unwrap() }
    }
}

fn output(coin: &Value, spec: &ChainSpec) -> TxOut {
    let amount = Amount::from_quanta(coin["amount"].as_str().unwrap().parse().unwrap()).unwrap();
    let address = Address::from_text(coin["address"].as_str().unwrap(), &spec.network().address_prefix).unwrap();
    TxOut { amount, lock: Lock::Address(address) }
}

/// Keeps every rule of a transaction in a block, as a node checks them.
fn check_signed(bytes: &[u8], spent: &[TxOut], txid: &str, spec: &ChainSpec) {
    let transaction: Transaction = codec::decode(bytes, 1 << 20).unwrap();
    assert_eq!(transaction.txid().to_string(), txid);
    let coins = transaction.body.inputs.iter().copied().zip(spent.iter().cloned()).collect();
    let height = transaction.body.lock_height.max(Height(1));
    let checked = Arc::new(check_transaction(transaction, spec.consensus()).unwrap());
    let resolved = resolve_transaction(&checked, height, &Spent(coins), &VerifiedCache::new(0), spec).ok().unwrap();
    assert!(!resolved.jobs().is_empty());
    verify_serial(&resolved.jobs()).unwrap();
}

/// The coins that the package was told of.
struct Spent(HashMap<OutPoint, TxOut>);

impl CoinView for Spent {
    type Error = Infallible;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Infallible> {
        Ok(self.0.get(outpoint).and_then(|output| Coin::of_output(output, Height::GENESIS, false)))
    }
}
