//! Writes the committed seeds anew from real values: `cargo +nightly run --example seeds`, in tests/fuzz.

use std::fs;
use std::path::Path;

use qbtc_core::block::Block;
use qbtc_core::chain::ChainState;
use qbtc_core::codec::encode;
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::merkle::MerkleProof;
use qbtc_core::crypto::{Scheme, SecretKey};
use qbtc_core::hash::BlockHash;
use qbtc_core::lock::AddressTree;
use qbtc_core::net::addresses::{AddressNews, AddressesAnswer, AddressesQuestion, PeerAddress};
use qbtc_core::net::seal::{ANSWER_ENTROPY_BYTES, Ends, OFFER_ENTROPY_BYTES, Offer, answer_offer};
use qbtc_core::net::{
    BlockBytes, Claim, CompactBlock, Hello, IdentityAnswer, IdentityQuestion, LightAnswer, LightQuestion, LightTip,
    PROTOCOL_VERSION, ProofBytes, Reason, Services, SyncAnswer, SyncQuestion, UserAgent,
};
use qbtc_core::relay::StemMessage;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::Transaction;
use qbtc_core::units::{FeeRate, Height, Work};
use qbtc_core::utxo::Undo;
use qbtc_core::verify::check_block;
use qbtc_core::wallet::keystore::{KdfParams, Keystore, KeystoreContent, Label};
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::message::{MessageDraft, MessageProof};
use qbtc_core::wallet::mnemonic::Mnemonic;
use qbtc_core::wallet::partial::PartialTx;
use qbtc_fuzz::support::TestKey;
use qbtc_fuzz::{NEXT, Scene, block_proof, sampled_proof, small_blocks};

fn main() {
    let mut scene = Scene::new();
    let payment = scene.payment(0);
    let block = scene.chain.extend(&scene.tip(), vec![payment.clone()]);
    let Scene { chain, key, coins, .. } = scene;
    let tip = chain.tip(&block.id());
    let state = ChainState::new(block.id(), tip.history.clone()).expect("it has blocks");
    let address = key.address().to_text(&chain.spec.network().address_prefix);
    let tree = AddressTree::single(key.conditions());
    let mut partial = PartialTx::new(chain.spec.chain_id(), payment.body.clone(), vec![coins[0].1.to_output()])
        .expect("the payment spends this coin");
    partial.choose_of_tree(&tree, 0).expect("the coin is the key's");
    let unsigned = partial.to_bytes();
    partial.sign(&key.secret, &[1; 32]);
    let message = message(&chain.spec, &key, &tree);
    let checked = check_block(block.clone(), &chain.spec).expect("the block is valid");
    let compact = CompactBlock::new(&checked, 7, |_| true).to_bytes();
    let decode: [(u8, &str, Vec<u8>); 24] = [
        (0, "block", block.to_bytes()),
        (1, "transaction", encode(&payment)),
        (2, "body", encode(&payment.body)),
        (3, "witness", encode(&payment.witnesses[0])),
        (4, "coinbase", block.coinbase.to_bytes()),
        (6, "filter", Filter::build(&BlockHash::ZERO, [[7; 32], [9; 32]]).as_bytes().to_vec()),
        (7, "merkle", encode(&MerkleProof::new(vec![[1; 32], [2; 32], [3; 32]], 1).expect("the leaf is there"))),
        (8, "block-proof", encode(&block_proof())),
        (9, "sampled-proof", sampled_proof()),
        (10, "peaks", encode(&tip.history)),
        (11, "state", encode(&state)),
        (12, "undo", encode(&Undo(vec![coins[0].1]))),
        (13, "coin", encode(&coins[0].1)),
        (14, "keystore", keystore()),
        (15, "partial", partial.to_bytes()),
        (15, "partial-unsigned", unsigned),
        (16, "message", message.to_bytes()),
        (17, "consensus", encode(chain.spec.consensus())),
        (18, "address", address.into_bytes()),
        (19, "spec", chain.spec.to_toml().into_bytes()),
        (20, "amount", b"20999999.99999999".to_vec()),
        (21, "mnemonic", mnemonic().phrase().as_bytes().to_vec()),
        (22, "message-text", message.to_string().into_bytes()),
        (24, "compact-block", compact.clone()),
    ];
    for (choice, name, bytes) in decode {
        write("decode", name, &[&[choice][..], &bytes].concat());
    }
    for (name, bytes) in seals() {
        write("seal", name, &bytes);
    }
    for (choice, name, bytes) in messages(&block, &payment, &compact) {
        write("messages", name, &[&[choice][..], &bytes].concat());
    }
    // A peer of each chain comes, and answers its questions; a block is passed on before and after.
    write("sync", "honest", &[0, 0, 8, 3, 0, 3, 0, 3, 0, 3, 0, 8, 5]);
    write("sync", "announced", &[1, 0, 8, 8, 2, 3, 0, 3, 1, 8, 0x45, 9, 3, 3, 0]);
    write("sync", "surveyed", &[3, 0, 8, 3, 0, 3, 0, 0, 1, 3, 0, 3, 0, 5, 1, 3, 0]);
    write("sync", "liars", &[2, 0, 0x39, 6, 0, 0, 0x1a, 6, 2, 7, 0, 9, 5, 1, 0, 0, 8, 3, 0, 6, 1, 9, 7, 5, 1]);
    // As long as inputs may be that are made of it.
    write("sync", "long", &[&[1][..], &[0, 8, 3, 0, 0, 0x1a, 8, 3, 5, 1, 6, 2, 9, 4, 1, 1].repeat(19)].concat());
    write("block", "unchanged", &[]);
    write("block", "witness", &[0, 8, 1, 3]);
    write("reorg", "fork", &[4, 0, 2, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1, 0, 0, 0, 3, 2, 1, 0, 0, 2, 0, 4, 1, 1, 3]);
}

/// A message of each kind.
/// An offer, its answer, and a conversation of a few steps, each with the byte that chooses before it.
fn seals() -> Vec<(&'static str, Vec<u8>)> {
    let ends = Ends { protocol: "/qbtc/00000000/seal/1", asker: &[1; 38], answerer: &[2; 38] };
    let offer = Offer::new(&[3; OFFER_ENTROPY_BYTES]);
    let (answer, _) = answer_offer(offer.bytes(), &[4; ANSWER_ENTROPY_BYTES], &ends).expect("the offer is whole");
    // Three questions; the last first, the first with a changed byte and then as it is, the last again, and a part of the second.
    let steps = [
        [0, 1, 5, 0],
        [0, 2, 6, 0],
        [0, 3, 7, 0],
        [3, 2, 0, 0],
        [1, 0, 9, 1],
        [3, 0, 0, 1],
        [3, 2, 0, 0],
        [2, 1, 8, 0],
    ];
    let sealed = |choice: u8, bytes: &[u8]| [&[choice][..], bytes].concat();
    vec![
        ("offer", sealed(0, offer.bytes())),
        ("answer", sealed(1, &answer)),
        ("conversation", sealed(2, steps.as_flattened())),
    ]
}

fn messages(block: &Block, payment: &Transaction, compact: &[u8]) -> Vec<(u8, &'static str, Vec<u8>)> {
    let (id, txid) = (block.id(), payment.txid());
    let address: PeerAddress = "/ip4/192.0.2.1/udp/8333/quic-v1".parse().expect("an address");
    let news = AddressNews { address: address.clone(), services: Services::NODE, last_seen: block.header.time };
    let hello = Hello {
        version: PROTOCOL_VERSION,
        chain_id: small_blocks().chain_id(),
        tip: id,
        height: NEXT,
        work: Work::from(12),
        services: Services::NODE,
        fee_rate_min: FeeRate::from_quanta_per_1000_bytes(1_000),
        time: block.header.time,
        user_agent: UserAgent::new("qbtc/0.1.0").expect("a short name"),
    };
    let light = |question: LightQuestion| question.to_bytes();
    let tip = LightTip { header: block.header, height: NEXT, work: Work::from(12) };
    let blocks = || vec![BlockBytes(block.to_bytes().into())];
    vec![
        (0, "hello", hello.to_bytes()),
        (1, "headers-question", SyncQuestion::Headers { locator: vec![id, BlockHash::ZERO] }.to_bytes()),
        (1, "transactions-question", SyncQuestion::BlockTransactions { block: id, places: vec![0, 5] }.to_bytes()),
        (2, "headers", SyncAnswer::Headers(vec![block.header; 2]).to_bytes()),
        (2, "blocks", SyncAnswer::Blocks(blocks()).to_bytes()),
        (2, "transactions", SyncAnswer::Transactions(vec![payment.clone()]).to_bytes()),
        (3, "light-work-question", light(LightQuestion::Work { tip: id, seed: [7; 32] })),
        (3, "light-filters-question", light(LightQuestion::Filters { tip: id, start: Height(1), count: 9 })),
        (3, "light-submit", light(LightQuestion::Submit { transaction: Box::new(payment.clone()) })),
        (4, "light-tip", LightAnswer::Tip(tip).to_bytes()),
        (4, "light-work", LightAnswer::Work(ProofBytes(sampled_proof().into())).to_bytes()),
        (4, "light-block", LightAnswer::Block(Box::new(block_proof())).to_bytes()),
        (4, "light-refused", LightAnswer::Refused(Reason::new("no")).to_bytes()),
        (4, "light-submitted", LightAnswer::Submitted(txid).to_bytes()),
        (5, "stem", StemMessage(payment.clone()).to_bytes()),
        (6, "compact-block", compact.to_vec()),
        (7, "addresses-question", AddressesQuestion { own: vec![address] }.to_bytes()),
        (8, "identity-question", IdentityQuestion { nonce: [7; 32] }.to_bytes()),
        (9, "identity", identity().to_bytes()),
        (10, "addresses", AddressesAnswer { addresses: vec![news] }.to_bytes()),
    ]
}

fn identity() -> IdentityAnswer {
    let key = SecretKey::from_seed(IdentityAnswer::SCHEME, &[7; 32]);
    let chain = small_blocks().chain_id();
    let claim = Claim { chain: &chain, channel: &[3; 32], asker: &[1; 38], answerer: &[2; 38], nonce: &[7; 32] };
    IdentityAnswer::new(&key, &claim, &[8; 32])
}

fn mnemonic() -> Mnemonic {
    Mnemonic::from_entropy(&[7; 16]).expect("16 bytes make 12 words")
}

fn keystore() -> Vec<u8> {
    let content = KeystoreContent {
        mnemonic: mnemonic(),
        layout: AddressLayout::single(Scheme::MlDsa44),
        birthday: Height(7),
        labels: vec![Label { subject: "txid".into(), text: "rent".into() }],
        account: ChildIndex::ZERO,
    };
    let kdf = KdfParams::new(8, 1, 1).expect("the least costs");
    Keystore::seal(&content, "passphrase", kdf, &[3; 32]).expect("8 KiB are to be had").to_bytes()
}

fn message(spec: &ChainSpec, key: &TestKey, tree: &AddressTree) -> MessageProof {
    let mut draft = MessageDraft::new(&spec.chain_id(), tree, 0, "hello").expect("the alternative has a key");
    draft.sign(&key.secret, &[2; 32]);
    draft.finish().expect("its one key has signed")
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&folder).expect("the folder can be made");
    fs::write(folder.join(name), bytes).expect("the seed can be written");
}
