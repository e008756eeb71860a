//! The rules of a block: each with a case that just passes and one that just fails. The failing one is sealed again, so that
//! nothing but the one rule is broken.

use crate::support::{ALLOTTED, Draft, TestChain, TestKey, mine, pay, test};
use qbtc_core::block::{Block, Coinbase, CoinbaseError};
use qbtc_core::crypto::{CryptoError, Scheme, Signature, verify_serial};
use qbtc_core::hash::{BlockHash, FilterHash, HistoryRoot, MerkleRoot, UtxoRoot, WitnessRoot};
use qbtc_core::lock::{Lock, Proof};
use qbtc_core::pow::WorkError;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{Transaction, TxOut};
use qbtc_core::units::{Amount, Height};
use qbtc_core::verify::{
    BlockContext, BlockError, HeaderError, ResolveError, SpendError, TxError, VerifiedBlock, VerifiedCache,
    assemble_block, check_block, check_transaction, resolve_block,
};

/// Names the test of each rule, so that a rule without one does not compile.
#[allow(dead_code, reason = "it is there to be compiled")]
fn test_of(error: &BlockError) -> fn() {
    match error {
        // Its other variants ask for a place in the chain: rules_header.rs.
        BlockError::Header(_) => the_work_is_done,
        BlockError::Size { .. } => bytes_are_within_the_limit,
        BlockError::MerkleRoot { .. } => the_merkle_root_is_that_of_the_leaves,
        BlockError::DuplicateLeaves => no_siblings_are_equal,
        BlockError::WitnessRoot { .. } => the_witness_root_is_that_of_the_wtxids,
        BlockError::UtxoRoot { .. } => the_utxo_root_is_zero,
        BlockError::Coinbase(_) => the_coinbase_has_a_possible_length,
        BlockError::CoinbaseChain { .. } => the_coinbase_is_of_this_chain,
        BlockError::CoinbaseParent { .. } => the_coinbase_names_the_parent,
        BlockError::CoinbaseOutputs(_) => the_coinbase_keeps_the_rules_of_outputs,
        BlockError::Transaction { .. } => transactions_are_valid_in_isolation,
        BlockError::CoinbaseHeight { .. } => the_coinbase_states_the_height,
        BlockError::HistoryRoot { .. } => the_history_root_is_that_of_the_blocks_below,
        BlockError::Spend { .. } => no_coin_is_spent_twice_within_a_block,
        // Amounts are at most 2^63 − 1 and the sum of all coins is bounded by the supply: only coins that no chain has lead here.
        BlockError::FeeSum => transactions_are_valid_in_isolation,
        BlockError::CoinbaseAmount { .. } => the_coinbase_pays_at_most_subsidy_and_fees,
        BlockError::FilterHash { .. } => the_filter_hash_is_that_of_the_filter,
        BlockError::Signature { .. } => signatures_verify_or_the_transaction_is_named,
    }
}

/// A chain of four blocks, so that all that is allotted can be spent.
struct Scene {
    chain: TestChain,
    parent: BlockHash,
}

impl Scene {
    fn new() -> Self {
        Self::with_spec(crate::support::spec())
    }

    fn with_spec(spec: ChainSpec) -> Self {
        let mut chain = TestChain::with_spec(spec);
        let mut parent = chain.genesis();
        for _ in 0..4 {
            parent = chain.extend(&parent, Vec::new()).id();
        }
        Self { chain, parent }
    }

    /// A payment of the `index`th coin that was allotted, which leaves one quantum to the miner.
    fn payment(&self, index: usize) -> Transaction {
        let key = TestKey::new(0);
        let coin = self.chain.tip(&self.parent).spendable(key.address(), &self.chain.spec)[index];
        let rest = Amount::from_quanta(ALLOTTED.quanta() - 1).unwrap();
        key.spend(&[coin], vec![pay(TestKey::new(2).address(), rest)], &self.chain.spec)
    }

    fn draft(&self, transactions: Vec<Transaction>) -> Draft {
        self.chain.draft(&self.parent, transactions)
    }

    fn verify(&self, block: Block) -> Result<VerifiedBlock, BlockError> {
        let tip = self.chain.tip(&self.parent);
        let context = BlockContext { height: Height(5), history_root: tip.history.root() };
        let checked = check_block(block, &self.chain.spec)?;
        let cache = VerifiedCache::new(1);
        let resolved = resolve_block(checked, &context, &tip.coins, &cache, &self.chain.spec);
        resolved.map_err(|ResolveError::Invalid(error)| error)?.verify(verify_serial)
    }

    fn refuse(&self, block: Block) -> BlockError {
        self.verify(block).unwrap_err()
    }
}

/// What every test here starts from: nothing is wrong before it is made wrong.
#[test]
fn a_good_block_is_valid_and_says_what_it_does() {
    let scene = Scene::new();
    let (first, second) = (scene.payment(0), scene.payment(1));
    let block = scene.draft(vec![first.clone(), second.clone()]).seal();
    let verified = scene.verify(block.clone()).unwrap();
    assert_eq!(verified.fees(), Amount::from_quanta(2).unwrap());
    assert_eq!(verified.height(), Height(5));
    assert_eq!(verified.block().to_block(), block);
    assert_eq!(verified.block().size_bytes() as usize, block.to_bytes().len());
    assert_eq!(verified.filter().hash(), block.commitments.filter_hash);
    assert_eq!(verified.undo().0.len(), 2);
    let created = verified.diff().created();
    assert_eq!((created.len(), verified.diff().spent().len()), (3, 2));
}

#[test]
fn the_work_is_done() {
    let scene = Scene::new();
    let mut block = scene.draft(Vec::new()).seal();
    assert!(scene.verify(block.clone()).is_ok());
    loop {
        block.header.nonce += 1;
        match scene.verify(block.clone()) {
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, BlockError::Header(HeaderError::Work(WorkError::Hash { .. }))), "{error}");
                return assert!(error.condemns_header());
            }
        }
    }
}

#[test]
fn bytes_are_within_the_limit() {
    let text = crate::support::spec_text().replace("block_bytes = 4_194_304", "block_bytes = 32_768");
    let scene =
        Scene::with_spec(ChainSpec::from_toml(&text.replace("tx_bytes = 1_048_576", "tx_bytes = 16_384")).unwrap());
    // Coinbase outputs of 34 bytes and one of data fill the block to the byte. Two numbers of leaves fit one byte of length.
    let of_size = |bytes: usize| {
        let mut draft = scene.draft(Vec::new());
        let data = |bytes: usize| TxOut { amount: Amount::ZERO, lock: Lock::Data(vec![b'x'; bytes].into()) };
        draft.coinbase.outputs = vec![pay(scene.chain.miner, Amount::ZERO); 955];
        draft.coinbase.outputs.push(data(0));
        let without = draft.clone().seal().to_bytes().len();
        assert!(bytes - without <= 80, "within the limit of data: {}", bytes - without);
        *draft.coinbase.outputs.last_mut().unwrap() = data(bytes - without);
        draft.commit().seal()
    };
    assert_eq!(scene.verify(of_size(32_768)).unwrap().block().size_bytes(), 32_768);
    assert_eq!(scene.refuse(of_size(32_769)), BlockError::Size { found: 32_769, limit: 32_768 });
}

#[test]
fn the_merkle_root_is_that_of_the_leaves() {
    let scene = Scene::new();
    let good = scene.draft(vec![scene.payment(0), scene.payment(1)]).seal();
    assert!(scene.verify(good.clone()).is_ok());
    let mut swapped = good.clone();
    swapped.transactions.swap(0, 1);
    match scene.refuse(swapped) {
        BlockError::MerkleRoot { found, expected } => {
            assert_eq!(found, good.header.merkle_root);
            assert_ne!(expected, found);
        }
        other => panic!("{other}"),
    }
    let header = mine(qbtc_core::header::Header { merkle_root: MerkleRoot::ZERO, nonce: 0, ..good.header });
    let expected = good.header.merkle_root;
    let error = scene.refuse(Block { header, ..good });
    assert_eq!(error, BlockError::MerkleRoot { found: MerkleRoot::ZERO, expected });
    assert!(!error.condemns_header(), "somebody may have tampered with the leaves");
}

/// CVE-2012-2459: leaves 0 1 2 and 0 1 2 2 have the same root, so the second may not condemn the header of the first.
#[test]
fn no_siblings_are_equal() {
    let scene = Scene::new();
    let good = scene.draft(vec![scene.payment(0)]).seal();
    assert!(scene.verify(good.clone()).is_ok());
    let mut doubled = good;
    doubled.transactions.push(doubled.transactions[0].clone());
    let error = scene.refuse(doubled);
    assert_eq!(error, BlockError::DuplicateLeaves);
    assert!(!error.condemns_header());
}

#[test]
fn the_witness_root_is_that_of_the_wtxids() {
    let scene = Scene::new();
    let good = scene.draft(vec![scene.payment(0)]);
    let expected = good.commitments.witness_root;
    assert!(scene.verify(good.clone().seal()).is_ok());
    let mut draft = good.clone();
    draft.commitments.witness_root = WitnessRoot::ZERO;
    let error = scene.refuse(draft.seal());
    assert_eq!(error, BlockError::WitnessRoot { found: WitnessRoot::ZERO, expected });

    // Other witnesses under the same header: the header may still be good.
    let mut stripped = good.seal();
    stripped.transactions[0].witnesses.clear();
    let error = scene.refuse(stripped);
    assert!(matches!(error, BlockError::WitnessRoot { found, .. } if found == expected), "{error}");
    assert!(!error.condemns_header());
    // Without transactions it is zero.
    assert_eq!(scene.draft(Vec::new()).commitments.witness_root, WitnessRoot::ZERO);
}

#[test]
fn the_utxo_root_is_zero() {
    let scene = Scene::new();
    let found = UtxoRoot::from_bytes([1; 32]);
    let mut draft = scene.draft(Vec::new());
    draft.commitments.utxo_root = found;
    assert_eq!(scene.refuse(draft.seal()), BlockError::UtxoRoot { found });
    assert!(scene.verify(scene.draft(Vec::new()).seal()).is_ok());
}

#[test]
fn the_coinbase_has_a_possible_length() {
    let scene = Scene::new();
    // 42 bytes, the free ones, one for the number of outputs and three for an empty one of data.
    let with_free_bytes = |bytes: usize| {
        let mut draft = scene.draft(Vec::new());
        draft.coinbase.extra = vec![0; bytes].into();
        draft.coinbase.outputs = vec![TxOut { amount: Amount::ZERO, lock: Lock::Data(Box::new([])) }];
        scene.verify(draft.commit().seal()).map(|_| ())
    };
    assert_eq!(with_free_bytes(13), Err(BlockError::Coinbase(CoinbaseError::TooShort { found: 59 })));
    assert_eq!(with_free_bytes(14), Ok(()));
    assert_eq!(with_free_bytes(17), Ok(()));
    assert_eq!(with_free_bytes(18), Err(BlockError::Coinbase(CoinbaseError::MerkleNodeSize)));
    assert_eq!(with_free_bytes(19), Ok(()));
    assert_eq!(with_free_bytes(100), Ok(()));

    // Of more free bytes no coinbase can be made, so none can be sealed.
    let mut block = scene.draft(Vec::new()).seal();
    for found in [101, 256] {
        block.coinbase.extra = vec![0; found].into();
        let error = scene.refuse(block.clone());
        assert_eq!(error, BlockError::Coinbase(CoinbaseError::ExtraTooLong { found }));
        assert!(!error.condemns_header());
    }
}

#[test]
fn the_coinbase_is_of_this_chain() {
    let scene = Scene::new();
    let (found, expected) = ([0; 4], Coinbase::chain_tag(&scene.chain.spec.chain_id()));
    let mut draft = scene.draft(Vec::new());
    assert_eq!(draft.coinbase.chain_tag, expected);
    draft.coinbase.chain_tag = found;
    assert_eq!(scene.refuse(draft.seal()), BlockError::CoinbaseChain { found, expected });
}

#[test]
fn the_coinbase_names_the_parent() {
    let scene = Scene::new();
    let mut draft = scene.draft(Vec::new());
    draft.coinbase.parent = scene.chain.genesis();
    let (found, expected) = (scene.chain.genesis(), scene.parent);
    assert_eq!(scene.refuse(draft.seal()), BlockError::CoinbaseParent { found, expected });
}

#[test]
fn the_coinbase_keeps_the_rules_of_outputs() {
    let scene = Scene::new();
    let with = |outputs| {
        let mut draft = scene.draft(Vec::new());
        draft.coinbase.extra = vec![0; 30].into();
        draft.coinbase.outputs = outputs;
        scene.verify(draft.commit().seal()).map(|_| ())
    };
    let data = |amount, bytes| TxOut { amount, lock: Lock::Data(vec![0; bytes].into()) };
    let (one, limit) = (Amount::from_quanta(1).unwrap(), scene.chain.spec.consensus().supply_max);
    let refused = |error| Err(BlockError::CoinbaseOutputs(error));
    assert_eq!(with(vec![data(Amount::ZERO, 80)]), Ok(()));
    assert_eq!(with(vec![data(Amount::ZERO, 81)]), refused(TxError::Data { index: 0, found: 81, limit: 80 }));
    assert_eq!(with(vec![data(one, 1)]), refused(TxError::DataAmount { index: 0, found: one }));
    assert_eq!(with(Vec::new()), refused(TxError::NoOutputs));
    let rich = pay(scene.chain.miner, limit);
    assert_eq!(with(vec![rich.clone(), rich]), refused(TxError::AmountSum { limit }));
}

#[test]
fn transactions_are_valid_in_isolation() {
    let scene = Scene::new();
    let mut bad = scene.payment(1);
    bad.body.version = 9;
    let draft = scene.draft(vec![scene.payment(0), bad]);
    let error = TxError::Version { found: 9 };
    assert_eq!(scene.refuse(draft.seal()), BlockError::Transaction { index: 1, error });
}

/// Whoever relays a block can put any transaction under its header: that must not keep the true block out for ever.
#[test]
fn a_transaction_under_a_strange_header_does_not_condemn_it() {
    let scene = Scene::new();
    let good = scene.draft(vec![scene.payment(0)]).seal();
    let refuse = |change: fn(&mut Transaction)| {
        let mut block = good.clone();
        change(&mut block.transactions[0]);
        assert_eq!(block.header, good.header);
        scene.refuse(block)
    };
    let body = refuse(|transaction| transaction.body.version = 9);
    assert_eq!(body, BlockError::Transaction { index: 0, error: TxError::Version { found: 9 } });
    let padded = refuse(|transaction| {
        let one = transaction.witnesses[0].clone();
        transaction.witnesses.resize(300, one);
    });
    assert!(matches!(padded, BlockError::Transaction { index: 0, error: TxError::Size { .. } }), "{padded}");
    assert!(!body.condemns_header() && !padded.condemns_header());
    assert!(scene.verify(good).is_ok());
}

#[test]
fn the_coinbase_states_the_height() {
    let scene = Scene::new();
    let mut draft = scene.draft(Vec::new());
    draft.coinbase.height = Height(6);
    let (found, expected) = (Height(6), Height(5));
    assert_eq!(scene.refuse(draft.seal()), BlockError::CoinbaseHeight { found, expected });
}

#[test]
fn the_history_root_is_that_of_the_blocks_below() {
    let scene = Scene::new();
    let mut draft = scene.draft(Vec::new());
    let (found, expected) = (HistoryRoot::ZERO, draft.commitments.history_root);
    draft.commitments.history_root = found;
    let error = scene.refuse(draft.seal());
    assert_eq!(error, BlockError::HistoryRoot { found, expected });
    assert!(error.condemns_header());
}

#[test]
fn no_coin_is_spent_twice_within_a_block() {
    let scene = Scene::new();
    let key = TestKey::new(0);
    let coin = scene.chain.tip(&scene.parent).spendable(key.address(), &scene.chain.spec)[0];
    let other = key.spend(&[coin], vec![pay(TestKey::new(3).address(), ALLOTTED)], &scene.chain.spec);
    let error = SpendError::MissingCoin { outpoint: coin.0 };
    let twice = scene.draft(vec![scene.payment(0), other.clone()]).seal();
    assert_eq!(scene.refuse(twice), BlockError::Spend { index: 1, error });

    // What a transaction made, a later one may spend, and not an earlier one.
    let receiver = TestKey::new(3);
    let made = crate::support::outputs(other.txid(), &other.body.outputs, Height(5), false).next().unwrap();
    let next = receiver.spend(&[made], vec![pay(key.address(), ALLOTTED)], &scene.chain.spec);
    assert!(scene.verify(scene.draft(vec![other.clone(), next.clone()]).seal()).is_ok());
    let error = SpendError::MissingCoin { outpoint: made.0 };
    assert_eq!(scene.refuse(scene.draft(vec![next, other]).seal()), BlockError::Spend { index: 0, error });
}

#[test]
fn the_coinbase_pays_at_most_subsidy_and_fees() {
    let scene = Scene::new();
    let limit = Amount::from_quanta(scene.chain.spec.consensus().subsidy(Height(5)).quanta() + 1).unwrap();
    let pays = |quanta| {
        let mut draft = scene.draft(vec![scene.payment(0)]);
        draft.coinbase.outputs[0].amount = Amount::from_quanta(quanta).unwrap();
        scene.verify(draft.seal()).map(|_| ())
    };
    assert_eq!(pays(limit.quanta()), Ok(()));
    assert_eq!(pays(0), Ok(()), "less is the miner's loss");
    let found = Amount::from_quanta(limit.quanta() + 1).unwrap();
    assert_eq!(pays(found.quanta()), Err(BlockError::CoinbaseAmount { found, limit }));
}

#[test]
fn the_filter_hash_is_that_of_the_filter() {
    let scene = Scene::new();
    let mut draft = scene.draft(vec![scene.payment(0)]);
    let expected = draft.commitments.filter_hash;
    draft.commitments.filter_hash = FilterHash::ZERO;
    assert_eq!(scene.refuse(draft.seal()), BlockError::FilterHash { found: FilterHash::ZERO, expected });
    // One that leaves out the spent coins' addresses.
    let mut draft = scene.draft(vec![scene.payment(0)]);
    draft.spent.clear();
    let draft = draft.commit();
    let found = draft.commitments.filter_hash;
    assert_eq!(scene.refuse(draft.seal()), BlockError::FilterHash { found, expected });
}

#[test]
fn signatures_verify_or_the_transaction_is_named() {
    let scene = Scene::new();
    let mut bad = scene.payment(1);
    let Proof::Signature(signature) = &bad.witnesses[0].proofs[0] else { panic!("a payment is signed") };
    let mut bytes = signature.as_bytes().to_vec();
    bytes[100] ^= 1;
    bad.witnesses[0].proofs[0] = Proof::Signature(Signature::new(bytes).unwrap());
    let draft = scene.draft(vec![scene.payment(0), bad, scene.payment(2)]);
    let error = scene.refuse(draft.seal());
    let invalid = CryptoError::InvalidSignature { scheme: Scheme::MlDsa44 };
    assert_eq!(error, BlockError::Signature { index: 1, error: invalid });
    assert!(error.condemns_header(), "the header commits to the witnesses");
}

/// A block from transactions that were checked before is the same block.
#[test]
fn a_block_can_be_put_together_from_checked_transactions() {
    let scene = Scene::new();
    let block = scene.draft(vec![scene.payment(0), scene.payment(1)]).seal();
    let rules = scene.chain.spec.consensus();
    let checked = block.transactions.iter().cloned().map(|tx| check_transaction(tx, rules).unwrap().into()).collect();
    let Block { header, coinbase, commitments, .. } = block.clone();
    let assembled = assemble_block(header, coinbase, commitments, checked, &scene.chain.spec).unwrap();
    assert_eq!(assembled, check_block(block, &scene.chain.spec).unwrap());
}
