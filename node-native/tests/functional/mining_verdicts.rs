//! What a node says to blocks that break one rule each, after Bitcoin Core's `mining_template_verification.py` and `mining_basic.py`:
//! the same word (BIP 22, BIP 23) to a proposal and to a block with work, and nothing changes.

use qbtc_core::block::Block;
use qbtc_core::hash::{BlockHash, FilterHash, HistoryRoot, Txid, UtxoRoot, WitnessRoot};
use qbtc_core::lock::Proof;
use qbtc_core::tx::{OutPoint, Transaction};
use qbtc_core::units::{Amount, BlockTime, CompactBits, Height};
use qbtc_core::utxo::Coin;
use qbtc_tests::gbt::Work;
use serde_json::{Value, json};

use crate::blocks::{Draft, mine};
use crate::mining::{draft, submit, template};
use crate::support::money::{Money, TestKey};
use crate::support::{NodeProcess, Owner, Place};

/// What the node says to a block before work goes into it.
fn propose(node: &NodeProcess, block: &str) -> Value {
    node.ok("getblocktemplate", json!([{"mode": "proposal", "data": block, "rules": ["segwit"]}]))
}

/// A node with two payments of [`Owner`] 1 in its mempool, and a template of both.
struct Scene {
    _place: Place,
    node: NodeProcess,
    /// Further money of the owner: two coins that are mature, one that is not.
    coins: [Money; 3],
    /// A coin of [`TestKey`].
    signed: Money,
    draft: Draft,
}

impl Scene {
    fn new() -> Self {
        let place = Place::new();
        let node = place.start(&[]);
        let coins = node.coins(4, Owner(1));
        let young = node.coinbase_of(&node.mine(1, Owner(1))[0]);
        for coin in &coins[..2] {
            node.send(&Owner(1).spend(&[*coin], Owner(2), 10_000));
        }
        let genesis = qbtc_core::verify::genesis_block(&place.spec);
        let (outpoint, coin) = genesis.diff().created().iter().next().unwrap();
        let signed = (*outpoint, coin.amount);
        let spent = Coin { amount: coins[0].1, address: Owner(1).address(), height: Height(1), is_coinbase: true };
        let draft = draft(&template(&node, Owner(1)), vec![spent; 2]);
        Self { _place: place, node, coins: [coins[2], coins[3], young], signed, draft }
    }

    /// The block with one thing changed. Roots and work fit.
    fn with(&self, change: impl FnOnce(&mut Draft)) -> Block {
        let mut draft = self.draft.clone();
        change(&mut draft);
        draft.seal()
    }

    /// The block with one more transaction at its end, as a miner would commit to it.
    fn with_last(&self, transaction: Transaction) -> Block {
        let mut draft = self.draft.clone();
        draft.transactions.push(transaction);
        draft.commit().seal()
    }

    /// The block with one more payment of the owner, changed.
    fn with_payment(&self, change: impl FnOnce(&mut Transaction)) -> Block {
        let mut payment = Owner(1).spend(&self.coins[..1], Owner(2), 10_000);
        change(&mut payment);
        self.with_last(payment)
    }

    /// Whoever is told, the word is the same, and the node is where it was.
    fn refuses(&self, block: &Block, word: &str) {
        let before = (self.node.tip(), self.node.waiting());
        let hex = hex::encode(block.to_bytes());
        assert_eq!(propose(&self.node, &hex), word, "proposed");
        assert_eq!(submit(&self.node, &hex), word, "submitted");
        assert_eq!((self.node.tip(), self.node.waiting()), before);
    }
}

#[test]
fn headers_that_break_a_rule() {
    let scene = Scene::new();
    let header = |change: fn(&mut qbtc_core::header::Header)| {
        let mut block = scene.with(|_| {});
        change(&mut block.header);
        Block { header: mine(block.header), ..block }
    };
    scene.refuses(&header(|header| header.bits = CompactBits(0x2100_ffff)), "bad-diffbits");
    scene.refuses(&header(|header| header.bits = CompactBits(0x1f00_ffff)), "bad-diffbits");
    scene.refuses(&header(|header| header.time = BlockTime(1)), "time-too-old");
    scene.refuses(&header(|header| header.time = BlockTime(u32::MAX)), "time-too-new");
    scene.refuses(&header(|header| header.merkle_root = Default::default()), "bad-txnmrklroot");
    // Where the parent is another, a proposal is no mistake of the miner's.
    let mut orphan = scene.draft.clone();
    (orphan.header.parent, orphan.coinbase.parent) = (BlockHash::from_bytes([7; 32]), BlockHash::from_bytes([7; 32]));
    let orphan = hex::encode(orphan.seal().to_bytes());
    assert_eq!(propose(&scene.node, &orphan), "inconclusive-not-best-prevblk");
    assert_eq!(submit(&scene.node, &orphan), "bad-prevblk");
    // A proposal has no work yet.
    let work = Work::new(&template(&scene.node, Owner(1)));
    let idle = work.block(work.nonce(false));
    assert_eq!((propose(&scene.node, &idle), submit(&scene.node, &idle)), (Value::Null, json!("high-hash")));
}

#[test]
fn coinbases_and_commitments_that_break_a_rule() {
    let scene = Scene::new();
    scene.refuses(&scene.with(|block| block.coinbase.height = Height(1)), "bad-cb-height");
    scene.refuses(&scene.with(|block| block.coinbase.chain_tag[0] ^= 1), "bad-cb-chain");
    scene.refuses(&scene.with(|block| block.coinbase.parent = BlockHash::ZERO), "bad-cb-parent");
    let taking = |more: i64| {
        scene.with(|block| {
            let amount = &mut block.coinbase.outputs[0].amount;
            *amount = Amount::from_quanta(amount.quanta().saturating_add_signed(more)).unwrap();
        })
    };
    scene.refuses(&taking(1), "bad-cb-amount");
    let modest = hex::encode(taking(-1).to_bytes());
    assert_eq!(propose(&scene.node, &modest), Value::Null, "a miner may take less");
    scene.refuses(&scene.with(|block| block.commitments.witness_root = WitnessRoot::ZERO), "bad-witness-merkle-match");
    scene.refuses(&scene.with(|block| block.commitments.filter_hash = FilterHash::ZERO), "bad-filter-hash");
    scene.refuses(&scene.with(|block| block.commitments.history_root = HistoryRoot::ZERO), "bad-history-root");
    scene.refuses(&scene.with(|block| block.commitments.utxo_root = UtxoRoot::from_bytes([1; 32])), "bad-utxo-root");
}

/// The block is right in all but the last of its transactions.
#[test]
fn transactions_that_break_a_rule_late_in_their_block() {
    let scene = Scene::new();
    let unknown = OutPoint { txid: Txid::from_bytes([9; 32]), index: 0 };
    scene.refuses(&scene.with_payment(|tx| tx.body.inputs[0] = unknown), "bad-txns-inputs-missingorspent");
    scene.refuses(&scene.with_payment(|tx| tx.body.inputs.clear()), "bad-txns-vin-empty");
    scene.refuses(&scene.with_payment(|tx| tx.body.outputs.clear()), "bad-txns-vout-empty");
    scene.refuses(&scene.with_payment(|tx| tx.body.inputs.push(tx.body.inputs[0])), "bad-txns-inputs-duplicate");
    scene.refuses(&scene.with_payment(|tx| tx.body.version = 9), "version");
    let too_much = Amount::from_quanta(21_000_000 * 100_000_000).unwrap();
    scene.refuses(&scene.with_payment(|tx| tx.body.outputs[0].amount = too_much), "bad-txns-in-belowout");
    scene.refuses(&scene.with_payment(|tx| tx.body.lock_height = Height(1_000)), "bad-txns-nonfinal");
    scene.refuses(&scene.with_payment(|tx| tx.body.expiry_height = Height(2)), "tx-expired");
    scene.refuses(&scene.with_payment(|tx| tx.witnesses = vec![Owner(2).witness()]), "bad-witness-address");
    scene.refuses(&scene.with_payment(|tx| tx.witnesses.clear()), "bad-witness-count");
    let wrong = |tx: &mut Transaction| tx.witnesses[0].proofs = vec![Proof::Preimage([2].into())];
    scene.refuses(&scene.with_payment(wrong), "bad-witness-preimage");
    let young = Owner(1).spend(&scene.coins[2..], Owner(2), 10_000);
    scene.refuses(&scene.with_last(young), "bad-txns-premature-spend-of-coinbase");
    let again = scene.draft.transactions[0].clone();
    scene.refuses(&scene.with_last(again), "bad-txns-inputs-missingorspent");
    let mut forged = TestKey::new().pay(scene.signed, 1, &scene.node.spec);
    forged.body.outputs[0].amount = forged.body.outputs[0].amount.checked_sub(Amount::from_quanta(1).unwrap()).unwrap();
    scene.refuses(&scene.with_last(forged), "bad-witness-signature");
}

#[test]
fn what_was_refused_is_known_and_what_was_taken_too() {
    let scene = Scene::new();
    let node = &scene.node;
    let greedy = scene.with_payment(|tx| tx.witnesses = vec![Owner(2).witness()]);
    let bad = hex::encode(greedy.to_bytes());
    assert_eq!(submit(node, &bad), "bad-witness-address");
    assert_eq!((submit(node, &bad), propose(node, &bad)), (json!("duplicate-invalid"), json!("duplicate-invalid")));
    let mut child = scene.draft.clone();
    (child.header.parent, child.coinbase.parent) = (greedy.id(), greedy.id());
    assert_eq!(submit(node, &hex::encode(child.seal().to_bytes())), "bad-prevblk");

    let good = hex::encode(scene.with(|_| {}).to_bytes());
    for malformed in ["", "zz", "00", &good[..good.len() - 2], &(good.clone() + "00")] {
        for (call, params) in [
            ("submitblock", json!([malformed])),
            ("getblocktemplate", json!([{"mode": "proposal", "data": malformed}])),
        ] {
            let (code, message) = node.fails(call, params);
            assert!(code == -22 && message.starts_with("Block decode failed"), "{call} {message}");
        }
    }
    assert_eq!(propose(node, &good), Value::Null);
    assert_eq!(node.waiting().len(), 2, "a proposal changes nothing");
    assert_eq!(node.ok("submitheader", json!([good[..160]])), Value::Null);
    assert_eq!(propose(node, &good), "duplicate-inconclusive");
    assert_eq!(submit(node, &good), Value::Null);
    assert_eq!((submit(node, &good), propose(node, &good)), (json!("duplicate"), json!("duplicate")));
    assert!(node.waiting().is_empty());
}

/// Bytes that were spoilt on their way have the header of the block that they were: it must not be refused for their sake
/// (CVE-2012-2459).
#[test]
fn a_spoilt_copy_does_not_stand_in_the_way_of_the_block() {
    let scene = Scene::new();
    let good = scene.with_payment(|_| {});
    let spoilt = |change: fn(&mut Block)| {
        let mut copy = good.clone();
        change(&mut copy);
        assert_eq!(copy.id(), good.id());
        copy
    };
    let twice = spoilt(|block| block.transactions.push(block.transactions[2].clone()));
    assert_eq!(twice.transactions.len(), 4, "six leaves: the last two are siblings");
    for _ in 0..2 {
        scene.refuses(&twice, "bad-txns-duplicate");
        scene.refuses(&spoilt(|block| drop(block.transactions.pop())), "bad-txnmrklroot");
        scene.refuses(&spoilt(|block| block.coinbase.height = Height(1)), "bad-txnmrklroot");
        scene.refuses(&spoilt(|block| block.transactions[0].witnesses.clear()), "bad-witness-merkle-match");
    }
    assert_eq!(submit(&scene.node, &hex::encode(good.to_bytes())), Value::Null);
    assert_eq!(scene.node.tip(), good.id().to_string());
}
