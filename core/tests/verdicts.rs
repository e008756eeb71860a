//! Two targets, one truth: a generated corpus of valid and mutated blocks gets the same verdict, and the same error, natively and on
//! wasm32.
//!
//! Both targets make the corpus from one seed and hold each verdict against `tests/vectors/verdicts.txt`. So a difference between
//! targets fails on one of them, and a rule that changes unnoticed fails on both. After a change that is meant, write the file anew
//! and look at what changed in it: `QBTC_WRITE_VERDICTS=1 cargo test -p qbtc-core verdicts`.

use std::collections::BTreeSet;
use std::fmt::Debug;

use crate::support::random::Random;
use crate::support::{ALLOTTED, Draft, TestChain, TestKey, mine, outputs, pay, test};
use qbtc_core::block::Block;
use qbtc_core::codec::encode;
use qbtc_core::crypto::{PublicKey, Scheme, Signature, verify_serial};
use qbtc_core::hash::{BlockHash, FilterHash, HistoryRoot, MerkleRoot, Txid, UtxoRoot, WitnessRoot, sha256};
use qbtc_core::lock::{Address, AddressTree, Condition, Conditions, IndexedSignature, Lock, Proof, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxOut};
use qbtc_core::units::{Amount, BlockTime, CompactBits, Height};
use qbtc_core::utxo::Coin;
use qbtc_core::verify::{
    BlockContext, HeaderContext, ResolveError, VerifiedBlock, VerifiedCache, check_block, check_header, resolve_block,
};

const GOLDEN: &str = include_str!("../../tests/vectors/verdicts.txt");

/// How many blocks are spoilt in their bytes.
const BYTE_CASES: u32 = 160;
/// How many are spoilt in their structure, by one or two changes, and sealed again.
const STRUCTURE_CASES: u32 = 400;
/// Errors that the corpus must reach, besides valid blocks. Sizes have no place here: such blocks would be too large.
const REACHED: [&str; 46] = [
    "Truncated",
    "LeafCount ",
    "LeafCountNotCanonical",
    "Trailing",
    "Malformed",
    "Coinbase(",
    "ExtraTooLong",
    "Hash {",
    "Bits(",
    "Difficulty",
    "TimeTooOld",
    "TimeTooNew",
    "MerkleRoot",
    "DuplicateLeaves",
    "WitnessRoot",
    "UtxoRoot",
    "CoinbaseChain",
    "CoinbaseParent",
    "CoinbaseOutputs",
    "CoinbaseHeight",
    "HistoryRoot",
    "CoinbaseAmount",
    "FilterHash",
    "Signature {",
    "Version",
    "NoInputs",
    "NoOutputs",
    "DuplicateInput",
    "AmountSum",
    "Amount {",
    "Data {",
    "DataAmount",
    "NeverValid",
    "Locked",
    "Expired",
    "MissingCoin",
    "Immature",
    "Overspent",
    "WitnessCount",
    "error: Address",
    "ProofCount",
    "ProofKind",
    "Scheme {",
    "SignatureCount",
    "SignatureOrder",
    "Preimage {",
];

/// An address with all it takes to spend from it.
struct Owner {
    tree: AddressTree,
    /// Which alternative is shown.
    alternative: usize,
    /// The keys that sign, with their places in the condition.
    signers: Vec<(u8, TestKey)>,
}

const SECRET: &[u8] = b"a secret";

impl Owner {
    fn new(alternatives: Vec<Vec<Condition>>, alternative: usize, signers: Vec<(u8, TestKey)>) -> Self {
        let leaves = alternatives.into_iter().map(|leaf| Conditions::new(leaf).unwrap());
        Self { tree: AddressTree::new(leaves.collect()).unwrap(), alternative, signers }
    }

    /// One alternative, in which a key signs and other conditions hold.
    fn single(key: TestKey, others: &[Condition]) -> Self {
        let conditions = [&[Condition::Key(key.secret.public_key().clone())], others].concat();
        Self::new(vec![conditions], 0, vec![(0, key)])
    }

    fn witness(&self, message: &[u8; 32]) -> Witness {
        let (conditions, path) = self.tree.alternatives()[self.alternative].clone();
        let signed = |(key, signer): &(u8, TestKey)| {
            let signature = signer.secret.sign_deterministic(message);
            IndexedSignature { key: *key, signature }
        };
        let proofs = conditions.iter().filter_map(|condition| match condition {
            Condition::Key(_) => Some(Proof::Signature(signed(&self.signers[0]).signature)),
            Condition::Threshold { .. } => Some(Proof::Signatures(self.signers.iter().map(signed).collect())),
            Condition::Preimage(_) => Some(Proof::Preimage(SECRET.into())),
            Condition::After(_) => None,
        });
        Witness { proofs: proofs.collect(), conditions, path }
    }
}

/// A chain of five blocks, the last of which pays to addresses of every kind; the corpus is of blocks at height 6.
struct Scene {
    chain: TestChain,
    parent: BlockHash,
    owners: Vec<Owner>,
    /// The coin at place p is that of the owner p modulo [`OWNERS`].
    coins: Vec<(OutPoint, Coin)>,
    random: Random,
}

const HEIGHT: Height = Height(6);

fn public(number: u8) -> PublicKey {
    TestKey::new(number).secret.public_key().clone()
}

/// An owner of each kind.
fn owners() -> Vec<Owner> {
    let key = TestKey::new;
    let single = |number| vec![Condition::Key(public(number))];
    let threshold = Condition::Threshold { required: 2, keys: vec![public(10), public(11), public(12)] };
    vec![
        Owner::single(key(2), &[]),
        Owner::new(vec![single(3), single(4), single(5)], 2, vec![(0, key(5))]),
        Owner::single(TestKey::of_scheme(Scheme::MlDsa87, 9), &[]),
        Owner::new(vec![vec![threshold]], 0, vec![(0, key(10)), (2, key(12))]),
        Owner::single(key(6), &[Condition::preimage_of(SECRET)]),
        Owner::single(key(7), &[Condition::After(HEIGHT)]),
        // From here on the coin cannot be spent yet: the scheme or the height is too early.
        Owner::single(TestKey::of_scheme(Scheme::MlDsa65, 9), &[]),
        Owner::single(key(8), &[Condition::After(Height(7))]),
    ]
}

/// How many [`owners`] there are.
const OWNERS: usize = 8;
/// How many of them can be spent at [`HEIGHT`].
const SPENDABLE: usize = 6;

impl Scene {
    fn new() -> Self {
        let later = "{ scheme = \"ML-DSA-65\", from_height = 7 }";
        let text = crate::support::spec_text().replace("{ scheme = \"ML-DSA-65\", from_height = 0 }", later);
        let mut chain = TestChain::with_spec(ChainSpec::from_toml(&text).unwrap());
        let mut parent = chain.genesis();
        for _ in 0..4 {
            parent = chain.extend(&parent, Vec::new()).id();
        }
        let rich = TestKey::new(0);
        let coins = chain.tip(&parent).spendable(rich.address(), &chain.spec);
        // Four coins for each owner.
        let owners = owners();
        assert_eq!(owners.len(), OWNERS);
        let share = Amount::from_quanta(ALLOTTED.quanta() / 40).unwrap();
        let to: Vec<_> = (0..4).flat_map(|_| owners.iter().map(|owner| pay(owner.tree.address(), share))).collect();
        let split = rich.spend(&coins[..1], to, &chain.spec);
        let coins = outputs(split.txid(), &split.body.outputs, Height(5), false).collect();
        parent = chain.extend(&parent, vec![split]).id();
        Self { chain, parent, owners, coins, random: Random::new(2_031) }
    }

    /// A payment of some coins, signed as they demand, that leaves some quanta to the miner.
    fn pay(&mut self, from: &[usize]) -> Transaction {
        let inputs: Vec<_> = from.iter().map(|place| self.coins[*place].0).collect();
        let spent: Vec<_> = from.iter().map(|place| self.coins[*place].1).collect();
        let sum: u64 = spent.iter().map(|coin| coin.amount.quanta()).sum();
        let part = self.random.next() % (sum / 2);
        let to = |byte, quanta| pay(Address::from_bytes([byte; 32]), Amount::from_quanta(quanta).unwrap());
        let body = crate::support::body(inputs, vec![to(1, part), to(2, sum - part - 1_000)]);
        let of_outputs: Vec<_> = spent.iter().map(Coin::to_output).collect();
        let message = body.sighash(&self.chain.spec.chain_id(), &of_outputs);
        let mut seen = BTreeSet::new();
        let owners = from.iter().map(|place| place % OWNERS).filter(|owner| seen.insert(*owner));
        let witnesses = owners.map(|owner| self.owners[owner].witness(&message)).collect();
        Transaction { body, witnesses }
    }

    /// A valid draft with up to two payments of up to two coins each.
    fn draft(&mut self) -> Draft {
        let mut free: Vec<_> = (0..self.coins.len()).filter(|place| place % OWNERS < SPENDABLE).collect();
        let transactions = (0..self.random.below(3)).map(|_| {
            let coins = 1 + self.random.below(2);
            let from: Vec<_> = (0..coins).map(|_| free.swap_remove(self.random.below(free.len()))).collect();
            self.pay(&from)
        });
        let transactions = transactions.collect::<Vec<_>>();
        self.chain.draft(&self.parent, transactions)
    }

    fn judge(&self, bytes: &[u8]) -> String {
        match self.verify(bytes) {
            Ok(block) => {
                let sorted = |coins: Vec<(OutPoint, Coin)>| {
                    let mut coins = coins;
                    coins.sort_unstable_by_key(|(outpoint, _)| *outpoint);
                    encode(&coins)
                };
                let copied = |(outpoint, coin): (&OutPoint, &Coin)| (*outpoint, *coin);
                let created = sorted(block.diff().created().iter().map(copied).collect());
                let spent = sorted(block.diff().spent().iter().map(copied).collect());
                let effects = [created, spent, encode(&block.undo()), block.filter().as_bytes().to_vec()].concat();
                let (id, fees, size) = (block.block().id(), block.fees(), block.block().size_bytes());
                format!("valid {id} {size} bytes, fees {fees}, effects {}", crate::support::hex(&sha256(&effects)[..8]))
            }
            Err(error) => error,
        }
    }

    fn verify(&self, bytes: &[u8]) -> Result<VerifiedBlock, String> {
        fn refused(error: impl Debug) -> String {
            format!("{error:?}")
        }
        let spec = &self.chain.spec;
        let tip = self.chain.tip(&self.parent);
        let limit = spec.consensus().limits.block_bytes;
        let block = Block::from_bytes(bytes, usize::try_from(limit).unwrap()).map_err(refused)?;
        let in_place = HeaderContext {
            height: HEIGHT,
            expected_bits: spec.consensus().genesis.bits,
            median_time_past: BlockTime(tip.header.time.0 - 20),
            now: tip.header.time,
        };
        check_header(block.header, &in_place, spec.consensus()).map_err(refused)?;
        let checked = check_block(block, spec).map_err(refused)?;
        let context = BlockContext { height: HEIGHT, history_root: tip.history.root() };
        let resolved = resolve_block(checked, &context, &tip.coins, &VerifiedCache::new(1), spec);
        resolved.map_err(|ResolveError::Invalid(error)| refused(error))?.verify(verify_serial).map_err(refused)
    }

    /// One change of the bytes.
    fn spoil_bytes(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        // Most of a block is witnesses: half of the changes go to the first 400 bytes, where the structure is.
        let span = if self.random.below(2) == 0 { bytes.len() } else { bytes.len().min(400) };
        let at = self.random.below(span);
        let other = self.random.below(span);
        let (from, to) = (at.min(other), at.max(other));
        match self.random.below(9) {
            0 | 1 => bytes[at] ^= 1 << self.random.below(8),
            2 => bytes[at] = [0, 0x7f, 0x80, 0xff][self.random.below(4)],
            3 => bytes.truncate(at),
            4 => bytes.extend_from_within(from..to),
            5 => drop(bytes.drain(from..to)),
            6 => bytes.swap(at, other),
            7 => drop(
                bytes.splice(80..81, [&[0][..], &[1], &[0xfd, 3, 0], &[0xff]][self.random.below(4)].iter().copied()),
            ),
            _ => bytes[122] = [100, 101, 255, 0][self.random.below(4)],
        }
        bytes
    }

    /// One change of the structure. Roots follow where the change is not theirs; signatures do not.
    fn spoil_structure(&mut self, draft: &mut Draft) {
        let kind = self.random.below(18);
        let count = draft.transactions.len();
        match kind {
            0 => self.spoil_header(draft),
            1 | 2 => self.spoil_coinbase(draft),
            3 => self.spoil_commitments(draft),
            _ if count == 0 => self.spoil_header(draft),
            4 => {
                draft.transactions.reverse();
                *draft = draft.clone().commit();
            }
            5 => {
                let twin = draft.transactions[self.random.below(count)].clone();
                draft.transactions.push(twin);
                *draft = draft.clone().commit();
            }
            6 => {
                // A coin that cannot be spent yet: too young, of a scheme to come, or locked for one more block.
                let place = SPENDABLE + self.random.below(2);
                let early = if self.random.below(2) == 0 { self.pay(&[place]) } else { self.immature() };
                let draft_of_all = [draft.transactions.clone(), vec![early]].concat();
                *draft = self.chain.draft(&self.parent, draft_of_all);
            }
            7..12 => {
                let place = self.random.below(count);
                self.spoil_body(&mut draft.transactions[place]);
                *draft = draft.clone().commit();
            }
            _ => {
                let place = self.random.below(count);
                self.spoil_witnesses(&mut draft.transactions[place]);
                *draft = draft.clone().commit();
            }
        }
    }

    fn immature(&self) -> Transaction {
        let miner = TestKey::new(1);
        let coins = self.chain.tip(&self.parent).coins.iter();
        let young = coins.filter(|(_, coin)| coin.is_coinbase && coin.height >= Height(4));
        let (outpoint, coin) = young.map(|(outpoint, coin)| (*outpoint, *coin)).min_by_key(|(at, _)| *at).unwrap();
        miner.spend(&[(outpoint, coin)], vec![pay(miner.address(), Amount::ZERO)], &self.chain.spec)
    }

    fn spoil_header(&mut self, draft: &mut Draft) {
        let header = &mut draft.header;
        match self.random.below(4) {
            0 => header.bits = CompactBits([0x207f_fffe, 0x0480_0001, 0, 0x2300_0001][self.random.below(4)]),
            1 => header.time = BlockTime(header.time.0 - 30),
            2 => header.time = BlockTime(header.time.0 + 110 + u32::try_from(self.random.below(2)).unwrap()),
            _ => header.version = u32::try_from(self.random.next() % (1 << 32)).unwrap(),
        }
    }

    fn spoil_coinbase(&mut self, draft: &mut Draft) {
        let Some(first) = draft.coinbase.outputs.first() else { return };
        let amount = first.amount.quanta();
        let data = |bytes: usize, quanta| TxOut {
            amount: Amount::from_quanta(quanta).unwrap(),
            lock: Lock::Data(vec![1; bytes].into()),
        };
        let coinbase = &mut draft.coinbase;
        match self.random.below(10) {
            0 => coinbase.height = Height(7),
            1 => coinbase.parent = self.chain.genesis(),
            2 => coinbase.chain_tag = [0; 4],
            3 => coinbase.outputs[0].amount = Amount::from_quanta(amount + 1).unwrap(),
            4 => coinbase.outputs[0].amount = Amount::from_quanta(amount / 2).unwrap(),
            5 => coinbase.outputs.clear(),
            6 => coinbase.outputs.push(data(81, 0)),
            7 => coinbase.outputs.push(data(2, 1)),
            8 => coinbase.extra = vec![7; self.random.below(101)].into(),
            _ => coinbase.outputs = vec![pay(self.chain.miner, self.chain.spec.consensus().supply_max); 2],
        }
        *draft = draft.clone().commit();
    }

    fn spoil_commitments(&mut self, draft: &mut Draft) {
        let (roots, bytes) = (&mut draft.commitments, [3; 32]);
        match self.random.below(4) {
            0 => roots.witness_root = WitnessRoot::from_bytes(bytes),
            1 => roots.filter_hash = FilterHash::from_bytes(bytes),
            2 => roots.history_root = HistoryRoot::from_bytes(bytes),
            _ => roots.utxo_root = UtxoRoot::from_bytes(bytes),
        }
    }

    fn spoil_body(&mut self, transaction: &mut Transaction) {
        let body = &mut transaction.body;
        if body.inputs.is_empty() || body.outputs.len() < 2 {
            return;
        }
        let supply = self.chain.spec.consensus().supply_max;
        let too_many = Amount::from_quanta(supply.quanta() + 1).unwrap();
        match self.random.below(16) {
            0 => body.version = 2,
            1 => body.inputs.clear(),
            2 => body.outputs.clear(),
            3 => body.inputs.push(body.inputs[0]),
            4 => body.inputs.reverse(),
            5 => body.inputs[0].index ^= 1 << self.random.below(8),
            6 => body.inputs[0].txid = Txid::from_bytes([4; 32]),
            7 => body.outputs[0].amount = too_many,
            8 => body.outputs = vec![pay(Address::from_bytes([5; 32]), supply); 2],
            9 => body.outputs[1].amount = ALLOTTED,
            10 => body.outputs[0].lock = Lock::Data(Box::new([1])),
            11 => body.outputs.push(TxOut { amount: Amount::ZERO, lock: Lock::Data(vec![0; 81].into()) }),
            12 => body.lock_height = Height(7),
            13 => (body.lock_height, body.expiry_height) = (Height(5), Height(5)),
            14 => (body.lock_height, body.expiry_height) = (Height(6), Height(5)),
            _ => body.outputs[0].amount = Amount::ZERO,
        }
    }

    fn spoil_witnesses(&mut self, transaction: &mut Transaction) {
        let choice = self.random.below(14);
        if transaction.witnesses.is_empty() {
            return;
        }
        let place = self.random.below(transaction.witnesses.len());
        let witnesses = &mut transaction.witnesses;
        match choice {
            0 => drop(witnesses.remove(place)),
            1 => witnesses.push(witnesses[place].clone()),
            2 => witnesses.reverse(),
            3 => witnesses[place].conditions = TestKey::new(77).conditions(),
            4 => witnesses[place].path = Default::default(),
            5 => drop(witnesses[place].proofs.pop()),
            6 => witnesses[place].proofs.reverse(),
            7 => witnesses[place].proofs = vec![Proof::Preimage(Box::new([1])); witnesses[place].proofs.len()],
            _ if witnesses[place].proofs.is_empty() => {}
            _ => {
                let proofs = &mut witnesses[place].proofs;
                let at = self.random.below(proofs.len());
                proofs[at] = self.spoil_proof(proofs[at].clone());
            }
        }
    }

    fn spoil_proof(&mut self, proof: Proof) -> Proof {
        match proof {
            Proof::Signature(signature) => Proof::Signature(self.spoil_signature(&signature)),
            Proof::Preimage(_) => Proof::Preimage(Box::new([9; 8])),
            Proof::Signatures(mut list) => {
                match self.random.below(4) {
                    0 => list.reverse(),
                    1 => drop(list.pop()),
                    _ if list.len() < 2 => {}
                    2 => list[1].key = [0, 1, 3, 255][self.random.below(4)],
                    _ => list[1].signature = self.spoil_signature(&list[1].signature),
                }
                Proof::Signatures(list)
            }
        }
    }

    fn spoil_signature(&mut self, signature: &Signature) -> Signature {
        let mut bytes = signature.as_bytes().to_vec();
        if self.random.below(8) == 0 {
            bytes.truncate(self.random.below(bytes.len().max(1)));
        } else if !bytes.is_empty() {
            let at = self.random.below(bytes.len());
            bytes[at] ^= 1 << self.random.below(8);
        }
        Signature::new(bytes).unwrap()
    }

    fn case(&mut self, number: u32) -> String {
        let mut draft = self.draft();
        if number < BYTE_CASES {
            let bytes = draft.seal().to_bytes();
            let bytes = self.spoil_bytes(bytes);
            return format!("bytes {number}: {}", self.judge(&bytes));
        }
        for _ in 0..self.random.below(3) {
            self.spoil_structure(&mut draft);
        }
        let mut block = draft.seal();
        if self.random.below(40) == 0 {
            block.header = mine(qbtc_core::header::Header { merkle_root: MerkleRoot::ZERO, ..block.header });
        }
        format!("structure {number}: {}", self.judge(&block.to_bytes()))
    }
}

#[test]
fn both_targets_agree_on_every_block() {
    let mut scene = Scene::new();
    let verdicts: Vec<_> = (0..BYTE_CASES + STRUCTURE_CASES).map(|number| scene.case(number)).collect();
    #[cfg(not(target_arch = "wasm32"))]
    if std::env::var_os("QBTC_WRITE_VERDICTS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/verdicts.txt");
        std::fs::write(path, verdicts.join("\n") + "\n").unwrap();
        return;
    }
    let valid = verdicts.iter().filter(|verdict| verdict.contains(": valid ")).count();
    assert!((50..400).contains(&valid), "{valid} of the blocks are valid");
    let missing: Vec<_> = REACHED.iter().filter(|name| !verdicts.iter().any(|line| line.contains(**name))).collect();
    assert!(missing.is_empty(), "the corpus does not reach {missing:?}");
    for (verdict, golden) in verdicts.iter().zip(GOLDEN.lines()) {
        assert_eq!(verdict, golden);
    }
    assert_eq!(verdicts.len(), GOLDEN.lines().count());
}
