//! A chain of a few blocks in memory, which stands for a node in tests. Its blocks show real work, of two hashes on average, and its
//! filters are real; its signatures are not, since wallets do not verify them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;

use qbtc_core::block::{Block, Coinbase, Commitments};
use qbtc_core::codec;
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::merkle;
use qbtc_core::hash::{BlockHash, MerkleRoot, Txid, WitnessRoot};
use qbtc_core::header::Header;
use qbtc_core::lock::{Address, Lock, Proof, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, BlockTime, Height};
use qbtc_core::wallet::address_book::AddressBook;
use qbtc_core::wallet::derivation::{AccountKey, AccountPath, AddressPath, Branch, ChildIndex, CoinType};
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::mnemonic::{Mnemonic, WalletSeed};

use super::source::{BlockFilter, ChainSource};
use super::state::WalletState;
use super::sync::SyncRules;
use crate::client::ClientError;
use qbtc_core::commit::CommitmentsProof;

/// The words of everybody's test wallet, to which the dev chain allocates money.
pub(crate) const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
    abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

/// A node in memory.
pub(crate) struct FakeNode {
    pub(crate) spec: ChainSpec,
    /// From the genesis block on.
    pub(crate) blocks: Vec<Block>,
    filters: BTreeMap<BlockHash, Vec<u8>>,
    proofs: BTreeMap<BlockHash, CommitmentsProof>,
    /// Every block ever made, those of abandoned branches too.
    known: BTreeMap<BlockHash, Block>,
    /// Addresses of all outputs ever made.
    outputs: BTreeMap<OutPoint, Address>,
    pub(crate) pool: RefCell<Vec<Transaction>>,
    /// What a submitted transaction is refused with.
    pub(crate) refuses: Cell<Option<&'static str>>,
    /// Whether it can prove no filter.
    pub(crate) is_pruned: Cell<bool>,
    /// What it gives for any transaction that it is asked for.
    pub(crate) gives_instead: RefCell<Option<Transaction>>,
    /// Blocks that were fetched whole.
    pub(crate) fetched: Cell<u32>,
}

/// The dev chain with the difficulty of Bitcoin's regtest.
pub(crate) fn spec() -> ChainSpec {
    ChainSpec::from_toml(&ChainSpec::dev().to_toml().replace(&0x1f00_ffff.to_string(), &0x207f_ffff.to_string()))
        .unwrap()
}

impl FakeNode {
    pub(crate) fn new() -> Self {
        let spec = spec();
        let genesis = spec.genesis().clone();
        let addresses = genesis.coinbase.outputs.iter().filter_map(|output| output.lock.address());
        let filter = Filter::build(&BlockHash::ZERO, addresses.map(Address::to_bytes));
        let mut node = Self {
            spec,
            blocks: vec![genesis.clone()],
            filters: BTreeMap::from([(genesis.id(), filter.as_bytes().to_vec())]),
            proofs: BTreeMap::new(),
            known: BTreeMap::from([(genesis.id(), genesis.clone())]),
            outputs: BTreeMap::new(),
            pool: RefCell::default(),
            refuses: Cell::new(None),
            is_pruned: Cell::new(false),
            gives_instead: RefCell::new(None),
            fetched: Cell::new(0),
        };
        node.note_outputs(genesis.coinbase.id(), &genesis.coinbase.outputs);
        node
    }

    /// What a wallet goes by that trusts nobody.
    pub(crate) fn rules(&self) -> SyncRules<'_> {
        SyncRules { spec: &self.spec, now: BlockTime(u32::MAX), trusts_filters: false }
    }

    pub(crate) fn tip(&self) -> &Block {
        self.blocks.last().unwrap()
    }

    /// Mines blocks that pay nobody known.
    pub(crate) fn mine_empty(&mut self, count: u32) {
        for _ in 0..count {
            self.mine(Address::from_bytes([0xee; 32]), Vec::new());
        }
    }

    /// Mines a block that pays this address and holds these transactions; they leave the pool.
    pub(crate) fn mine(&mut self, to: Address, transactions: Vec<Transaction>) -> BlockHash {
        let block = self.build(to, transactions);
        self.take(block)
    }

    /// Makes a block up that shows no work.
    pub(crate) fn mine_without_work(&mut self, to: Address) -> BlockHash {
        let mut block = self.build(to, Vec::new());
        while self.spec.consensus().pow.check_work(&block.header).is_ok() {
            block.header.nonce += 1;
        }
        self.take(block)
    }

    /// Gives out the proof of each of two blocks for the other.
    pub(crate) fn swap_proofs(&mut self, one: usize, other: usize) {
        let (one, other) = (self.blocks[one].id(), self.blocks[other].id());
        let proof = self.proofs[&one].clone();
        let proof = self.proofs.insert(other, proof).unwrap();
        self.proofs.insert(one, proof);
    }

    fn take(&mut self, block: Block) -> BlockHash {
        let id = block.id();
        self.note_outputs(block.coinbase.id(), &block.coinbase.outputs);
        for transaction in &block.transactions {
            self.note_outputs(transaction.txid(), &transaction.body.outputs);
            self.pool.borrow_mut().retain(|waiting| waiting.txid() != transaction.txid());
        }
        let filter = self.filter_of(&block);
        self.filters.insert(id, filter.as_bytes().to_vec());
        self.proofs.insert(id, CommitmentsProof::new(block.commitments, &block.leaves()).unwrap());
        self.known.insert(id, block.clone());
        self.blocks.push(block);
        id
    }

    /// Gives another filter out for a block.
    pub(crate) fn falsify_filter(&mut self, id: BlockHash, filter: &Filter) {
        self.filters.insert(id, filter.as_bytes().to_vec());
    }

    /// Gives another block out for an id.
    pub(crate) fn falsify_block(&mut self, id: BlockHash, block: Block) {
        self.known.insert(id, block);
    }

    fn build(&self, to: Address, transactions: Vec<Transaction>) -> Block {
        let parent = self.tip();
        let height = Height(u32::try_from(self.blocks.len()).unwrap());
        let parent_id = parent.id();
        let coinbase = Coinbase {
            chain_tag: Coinbase::chain_tag(&self.spec.chain_id()),
            height,
            parent: parent_id,
            // Blocks of two branches with the same contents shall differ.
            extra: self.known.len().to_le_bytes().into(),
            outputs: vec![TxOut { amount: Amount::from_coins(4), lock: Lock::Address(to) }],
        };
        let mut block = Block {
            header: Header { parent: parent_id, time: parent.header.time.saturating_add(10), ..parent.header },
            coinbase,
            commitments: Commitments::default(),
            transactions,
        };
        let wtxids = block.transactions.iter().map(|transaction| transaction.wtxid().to_bytes()).collect();
        block.commitments = Commitments {
            witness_root: WitnessRoot::from_bytes(merkle::root(wtxids).unwrap()),
            filter_hash: self.filter_of(&block).hash(),
            ..Commitments::default()
        };
        let leaves = block.leaves().into_iter().map(Txid::to_bytes).collect();
        block.header.merkle_root = MerkleRoot::from_bytes(merkle::root(leaves).unwrap());
        while self.spec.consensus().pow.check_work(&block.header).is_err() {
            block.header.nonce += 1;
        }
        block
    }

    fn filter_of(&self, block: &Block) -> Filter {
        let bodies = || block.transactions.iter().map(|transaction| &transaction.body);
        let made = block.coinbase.outputs.iter().chain(bodies().flat_map(|body| &body.outputs));
        let made = made.filter_map(|output| output.lock.address());
        let spent = bodies().flat_map(|body| &body.inputs).map(|input| self.outputs[input]);
        Filter::build(&block.header.parent, made.chain(spent).map(Address::to_bytes))
    }

    fn note_outputs(&mut self, txid: Txid, outputs: &[TxOut]) {
        for (index, output) in (0..).zip(outputs) {
            if let Some(address) = output.lock.address() {
                self.outputs.insert(OutPoint { txid, index }, address);
            }
        }
    }
}

/// A refusal, as a node words it.
fn refusal(method: &str, code: i64, message: &str) -> ClientError {
    ClientError::Rpc { method: method.to_owned(), code, message: message.to_owned() }
}

impl ChainSource for FakeNode {
    fn height(&self) -> Result<Height, ClientError> {
        Ok(Height(u32::try_from(self.blocks.len() - 1).unwrap()))
    }

    fn block_ids(&self, heights: Range<u32>) -> Result<Vec<BlockHash>, ClientError> {
        let block = |height: u32| self.blocks.get(usize::try_from(height).unwrap()).map(Block::id);
        let ids: Option<Vec<_>> = heights.map(block).collect();
        ids.ok_or_else(|| refusal("getblockhash", -8, "Block height out of range"))
    }

    fn headers(&self, ids: &[BlockHash]) -> Result<Vec<Header>, ClientError> {
        Ok(ids.iter().map(|id| self.known[id].header).collect())
    }

    fn filters(&self, ids: &[BlockHash]) -> Result<Vec<BlockFilter>, ClientError> {
        let proof = |id: &BlockHash| (!self.is_pruned.get()).then(|| self.proofs[id].clone());
        Ok(ids.iter().map(|id| BlockFilter { bytes: self.filters[id].clone(), proof: proof(id) }).collect())
    }

    fn block(&self, id: &BlockHash) -> Result<Vec<u8>, ClientError> {
        self.fetched.set(self.fetched.get() + 1);
        Ok(self.known[id].to_bytes())
    }

    fn waiting(&self) -> Result<Vec<Txid>, ClientError> {
        Ok(self.pool.borrow().iter().map(Transaction::txid).collect())
    }

    fn transactions(&self, ids: &[Txid]) -> Result<Vec<Transaction>, ClientError> {
        if let Some(other) = &*self.gives_instead.borrow() {
            return Ok(vec![other.clone()]);
        }
        Ok(self.pool.borrow().iter().filter(|transaction| ids.contains(&transaction.txid())).cloned().collect())
    }

    fn submit(&self, transaction: &Transaction) -> Result<(), ClientError> {
        if let Some(message) = self.refuses.get() {
            return Err(refusal("sendrawtransaction", -26, message));
        }
        let is_made = |input: &OutPoint| self.pool.borrow().iter().any(|other| other.txid() == input.txid);
        if !transaction.body.inputs.iter().all(|input| self.outputs.contains_key(input) || is_made(input)) {
            return Err(refusal("sendrawtransaction", -25, "bad-txns-inputs-missingorspent"));
        }
        // A replacement pushes out what it conflicts with.
        let conflicts =
            |other: &Transaction| other.body.inputs.iter().any(|input| transaction.body.inputs.contains(input));
        let mut pool = self.pool.borrow_mut();
        pool.retain(|other| !conflicts(other));
        pool.push(transaction.clone());
        Ok(())
    }
}

/// The secret of everybody's test wallet.
pub(crate) fn key() -> AccountKey {
    AccountKey::derive(&Mnemonic::parse(WORDS).unwrap().to_seed(""), AccountPath::first(CoinType::TEST))
}

/// A wallet of another seed, with short keys that are made fast.
pub(crate) fn other_key() -> AccountKey {
    AccountKey::derive(&WalletSeed::from_bytes([5; 64]), AccountPath::first(CoinType::TEST))
}

pub(crate) fn layout() -> AddressLayout {
    AddressLayout::single(qbtc_core::crypto::Scheme::MlDsa44)
}

/// The state of a fresh wallet with the other key.
pub(crate) fn state(birthday: u32) -> WalletState {
    WalletState::new(&spec(), layout(), Height(birthday), AddressBook::GAP_LIMIT, &other_key())
}

/// An address of the wallet with the other key, whether it has made it yet or not.
pub(crate) fn address(branch: Branch, index: u32) -> Address {
    let path = AddressPath { branch, index: ChildIndex::new(index).unwrap() };
    layout().keys(&other_key(), path).tree().address()
}

/// A transaction that nobody has signed.
pub(crate) fn unsigned(inputs: &[OutPoint], outputs: &[(Address, u64)]) -> Transaction {
    let output = |(to, quanta): &(Address, u64)| TxOut {
        amount: Amount::from_quanta(*quanta).unwrap(),
        lock: Lock::Address(*to),
    };
    let body = TxBody {
        version: TxBody::VERSION,
        inputs: inputs.to_vec(),
        outputs: outputs.iter().map(output).collect(),
        lock_height: Height::GENESIS,
        expiry_height: Height::GENESIS,
    };
    // Witnesses make ids differ from bodies that happen to have the size of a merkle node; check_block wants none.
    debug_assert_ne!(codec::encoded_len(&body), 64);
    Transaction { body, witnesses: Vec::new() }
}

/// The same transaction, which spends these outputs, all of one address of the wallet with the other key, signed for it.
pub(crate) fn signed(
    transaction: Transaction,
    spent: &[TxOut],
    (branch, index): (Branch, u32),
    spec: &ChainSpec,
) -> Transaction {
    let path = AddressPath { branch, index: ChildIndex::new(index).unwrap() };
    let tree = layout().keys(&other_key(), path).tree();
    let (conditions, path_up) = tree.alternatives()[0].clone();
    let message = transaction.body.sighash(&spec.chain_id(), spent);
    let secret = other_key().secret_key(layout().scheme(), path);
    let proofs = vec![Proof::Signature(secret.sign(&message, &[7; 32]))];
    Transaction { witnesses: vec![Witness { conditions, path: path_up, proofs }], ..transaction }
}

/// The place of a coinbase's coin.
pub(crate) fn coinbase_coin(block: &Block) -> OutPoint {
    OutPoint { txid: block.coinbase.id(), index: 0 }
}
