//! A full node's side of the light protocol, in memory: blocks with everything they commit to, on a chain whose work is quickly done.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use qbtc_core::block::{Block, Coinbase, Commitments};
use qbtc_core::codec;
use qbtc_core::commit::CommitmentsProof;
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::flyclient::{HistorySource, Opening, SampledProof, Sampling};
use qbtc_core::commit::merkle::{self, MerkleProof};
use qbtc_core::commit::mmr::{BlockProof, Node, Peaks, nodes_len};
use qbtc_core::hash::{BlockHash, MerkleRoot, Txid, WitnessRoot};
use qbtc_core::header::Header;
use qbtc_core::lock::Address;
use qbtc_core::net::{
    CommittedFilter, FoundTransaction, LightAnswer, LightQuestion, LightTip, ProofBytes, Unavailable,
};
use qbtc_core::pow::Parent;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction};
use qbtc_core::units::{Amount, BlockTime, FeeRate, Height, Target, Work};

use crate::support::{body, mine, pay};

/// Seconds between blocks on schedule.
pub(crate) const SPACING_S: u32 = 10;

/// A chain that begins at 64 hashes a block, and whose difficulty follows the clock down to two.
pub(crate) fn spec() -> Arc<ChainSpec> {
    let text = ChainSpec::dev().to_toml();
    let (rules, _) = text.split_once("[[consensus.genesis.allocations]]").unwrap();
    let bits = 0x1f00_ffff_u32.to_string();
    let rules = rules.replacen(&format!("bits_limit = {bits}"), &format!("bits_limit = {}", 0x207f_ffff_u32), 1);
    let rules = rules.replacen(&format!("bits = {bits}"), &format!("bits = {}", 0x2003_ffff_u32), 1);
    let rules = rules.replace("rule = \"fixed\"", "rule = \"asert\"\nhalf_life_s = 600");
    let allotment = format!(
        "[[consensus.genesis.allocations]]\naddress = \"{}\"\namount = \"1\"\n",
        crate::support::hex(&address(0).to_bytes())
    );
    Arc::new(ChainSpec::from_toml(&(rules + &allotment)).unwrap())
}

/// The same chain, whose best branch is known to have this work.
pub(crate) fn with_minimum_work(spec: &ChainSpec, work: Work) -> Arc<ChainSpec> {
    let line = |work: Work| format!("minimum_work = \"{}\"", crate::support::hex(&work.to_be_bytes()));
    let text = spec.to_toml();
    assert!(text.contains(&line(Work::ZERO)), "{text}");
    let spec = ChainSpec::from_toml(&text.replacen(&line(Work::ZERO), &line(work), 1)).unwrap();
    assert_eq!(spec.chain_id(), self::spec().chain_id(), "it changes no rule");
    Arc::new(spec)
}

/// An address that nobody needs a key for.
pub(crate) fn address(number: u8) -> Address {
    Address::from_bytes([number; 32])
}

/// A transaction that pays an address. Whether it could be valid does not matter here.
pub(crate) fn payment(to: Address, tag: u8) -> Transaction {
    let inputs = vec![OutPoint { txid: Txid::from_bytes([tag; 32]), index: 7 }];
    Transaction { body: body(inputs, vec![pay(to, Amount::from_coins(1))]), witnesses: Vec::new() }
}

/// The node. Clones go their own way.
#[derive(Clone)]
pub(crate) struct FullNode {
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) blocks: Vec<Block>,
    nodes: Vec<Node>,
    peaks: Peaks,
    heights: HashMap<BlockHash, u32>,
    filters: Vec<Filter>,
    pub(crate) waiting: Vec<Transaction>,
    pub(crate) refuses: bool,
    pub(crate) fee: u64,
}

impl FullNode {
    /// The genesis block.
    pub(crate) fn new(spec: &Arc<ChainSpec>) -> Self {
        let mut node = Self {
            spec: Arc::clone(spec),
            blocks: Vec::new(),
            nodes: Vec::new(),
            peaks: Peaks::new(),
            heights: HashMap::new(),
            filters: Vec::new(),
            waiting: Vec::new(),
            refuses: false,
            fee: 1_000,
        };
        node.push(spec.genesis().clone());
        node
    }

    /// A chain of so many blocks above the genesis block, on schedule, all paid to address 99.
    pub(crate) fn with_blocks(spec: &Arc<ChainSpec>, count: u32) -> Self {
        let mut node = Self::new(spec);
        node.grow(count);
        node
    }

    /// Mines so many blocks on schedule.
    pub(crate) fn grow(&mut self, count: u32) {
        for _ in 0..count {
            self.mine(99, SPACING_S, Vec::new());
        }
    }

    /// The chain up to a height.
    pub(crate) fn cut(&self, height: u32) -> Self {
        let mut node = Self::new(&self.spec);
        (node.refuses, node.fee) = (self.refuses, self.fee);
        for block in &self.blocks[1..=height as usize] {
            node.push(block.clone());
        }
        node
    }

    /// Another branch from a height on, as long and a little more or less.
    pub(crate) fn fork(&self, height: u32, count: u32, miner: u8) -> Self {
        let mut node = self.cut(height);
        for _ in 0..count {
            node.mine(miner, SPACING_S, Vec::new());
        }
        node
    }

    /// Mines a block whose coinbase pays an address, so many seconds after its parent.
    pub(crate) fn mine(&mut self, miner: u8, after_s: u32, transactions: Vec<Transaction>) -> BlockHash {
        let block = self.draft(miner, after_s, transactions);
        self.push(block)
    }

    /// What [`Self::mine`] would add.
    pub(crate) fn draft(&self, miner: u8, after_s: u32, transactions: Vec<Transaction>) -> Block {
        let parent = self.tip_header();
        let place = Parent { height: self.height(), time: parent.time, bits: parent.bits };
        let bits = self.spec.retarget().bits_after(place, |_| None).unwrap();
        let coinbase = Coinbase {
            chain_tag: Coinbase::chain_tag(&self.spec.chain_id()),
            height: Height(self.height().0 + 1),
            parent: parent.id(),
            extra: Default::default(),
            outputs: vec![pay(address(miner), Amount::from_coins(4))],
        };
        let filter = filter_of(&parent.id(), &coinbase, &transactions);
        let wtxids = transactions.iter().map(|transaction| transaction.wtxid().to_bytes()).collect();
        let commitments = Commitments {
            witness_root: WitnessRoot::from_bytes(merkle::root(wtxids).unwrap()),
            filter_hash: filter.hash(),
            history_root: self.peaks.root(),
            ..Commitments::default()
        };
        let header = Header {
            version: 1,
            parent: parent.id(),
            merkle_root: MerkleRoot::ZERO,
            time: parent.time.saturating_add(after_s),
            bits,
            nonce: 0,
        };
        let mut block = Block { header, coinbase, commitments, transactions };
        block.header.merkle_root = merkle_root(&block);
        block.header = mine(block.header);
        block
    }

    /// Appends a block, whatever it is.
    pub(crate) fn push(&mut self, block: Block) -> BlockHash {
        let id = block.id();
        let work = Target::from_compact(block.header.bits).unwrap().work();
        self.nodes.extend(self.peaks.append(Node::leaf(id, work, block.header.time)).unwrap());
        self.heights.insert(id, u32::try_from(self.blocks.len()).unwrap());
        self.filters.push(filter_of(&block.header.parent, &block.coinbase, &block.transactions));
        self.blocks.push(block);
        id
    }

    pub(crate) fn height(&self) -> Height {
        Height(u32::try_from(self.blocks.len() - 1).unwrap())
    }

    pub(crate) fn tip_header(&self) -> Header {
        self.blocks.last().unwrap().header
    }

    pub(crate) fn tip(&self) -> BlockHash {
        self.tip_header().id()
    }

    pub(crate) fn work(&self) -> Work {
        self.peaks.work()
    }

    pub(crate) fn id(&self, height: u32) -> BlockHash {
        self.blocks[height as usize].id()
    }

    pub(crate) fn light_tip(&self) -> LightTip {
        LightTip { header: self.tip_header(), height: self.height(), work: self.work() }
    }

    /// What an honest node answers at once; `None`, where it waits for its tip to move.
    pub(crate) fn answer(&self, question: &LightQuestion) -> Option<LightAnswer> {
        if let LightQuestion::NextTip { known } = question
            && *known == self.tip()
        {
            return None;
        }
        Some(self.found(question).unwrap_or_else(LightAnswer::Unavailable))
    }

    fn found(&self, question: &LightQuestion) -> Result<LightAnswer, Unavailable> {
        Ok(match question {
            LightQuestion::Tip | LightQuestion::NextTip { .. } => LightAnswer::Tip(self.light_tip()),
            LightQuestion::Work { tip, seed } => {
                let height = self.height_of(tip)?;
                let proof = SampledProof::new(self, Height(height), &Sampling::live(*seed, *tip));
                LightAnswer::Work(ProofBytes(codec::encode(&proof.map_err(|_| Unavailable::NotHere)?).into()))
            }
            LightQuestion::Headers { tip, start, count } => {
                LightAnswer::Headers(self.stretch(tip, *start, *count)?.map(|block| block.header).collect())
            }
            LightQuestion::Block { tip, height } => {
                let top = self.height_of(tip)?;
                let block =
                    self.blocks.get(height.0 as usize).filter(|_| height.0 <= top).ok_or(Unavailable::NotHere)?;
                let Ok(proof) = BlockProof::new(block.header, *height, top + 1, |at| self.node(at));
                LightAnswer::Block(Box::new(proof))
            }
            LightQuestion::Filters { tip, start, count } => {
                let filters = self.stretch(tip, *start, *count)?.map(|block| self.committed(block));
                LightAnswer::of_filters(filters, &self.spec)
            }
            LightQuestion::Blocks { ids } => {
                let found = ids.iter().map_while(|id| self.height_of(id).ok());
                let bytes = found.map(|height| self.blocks[height as usize].clone().strip_witnesses().to_bytes());
                LightAnswer::of_blocks(bytes, &self.spec)
            }
            LightQuestion::Transaction { txid } => LightAnswer::Transaction(Box::new(self.transaction(txid)?)),
            LightQuestion::Submit { .. } if self.refuses => {
                LightAnswer::Refused(qbtc_core::net::Reason::new("the fee is too low"))
            }
            LightQuestion::Submit { transaction } => LightAnswer::Submitted(transaction.txid()),
            LightQuestion::Fees { blocks } => {
                let rate = |blocks: &u32| FeeRate::from_quanta_per_1000_bytes(self.fee / u64::from(*blocks));
                LightAnswer::Fees(blocks.iter().map(rate).collect())
            }
        })
    }

    fn height_of(&self, id: &BlockHash) -> Result<u32, Unavailable> {
        self.heights.get(id).copied().ok_or(Unavailable::OtherChain)
    }

    fn stretch(&self, tip: &BlockHash, start: Height, count: u32) -> Result<impl Iterator<Item = &Block>, Unavailable> {
        let end = (start.0.saturating_add(count.min(2_000))).min(self.height_of(tip)? + 1);
        Ok((start.0..end).map(|height| &self.blocks[height as usize]))
    }

    pub(crate) fn committed(&self, block: &Block) -> CommittedFilter {
        let height = self.heights[&block.id()];
        CommittedFilter {
            filter: self.filters[height as usize].as_bytes().into(),
            commitments: CommitmentsProof::new(block.commitments, &block.leaves()).unwrap(),
        }
    }

    fn transaction(&self, txid: &Txid) -> Result<FoundTransaction, Unavailable> {
        if let Some(waiting) = self.waiting.iter().find(|waiting| waiting.txid() == *txid) {
            return Ok(FoundTransaction::Waiting(waiting.body.clone()));
        }
        for (height, block) in (0..).map(Height).zip(&self.blocks) {
            let Some(place) = block.leaves().iter().position(|leaf| leaf == txid).filter(|place| *place >= 2) else {
                continue;
            };
            let leaves = block.leaves().iter().map(|leaf| leaf.to_bytes()).collect();
            return Ok(FoundTransaction::Mined {
                header: block.header,
                height,
                body: block.transactions[place - 2].body.clone(),
                proof: MerkleProof::new(leaves, u32::try_from(place).unwrap()).unwrap(),
            });
        }
        Err(Unavailable::NotHere)
    }
}

impl HistorySource for FullNode {
    type Error = Infallible;

    fn node(&self, position: u64) -> Result<Node, Infallible> {
        assert!(position < nodes_len(self.peaks.blocks()));
        Ok(self.nodes[usize::try_from(position).unwrap()])
    }

    fn header(&self, height: Height) -> Result<Header, Infallible> {
        Ok(self.blocks[height.0 as usize].header)
    }

    fn opening(&self, height: Height) -> Result<Opening, Infallible> {
        let block = &self.blocks[height.0 as usize];
        let leaves = block.leaves().iter().map(|leaf| leaf.to_bytes()).collect();
        let proof = MerkleProof::new(leaves, 1).unwrap();
        Ok(Opening::new(&block.commitments, proof.branch().copied().collect()))
    }
}

/// The filter of a block whose transactions spend nobody's coins.
fn filter_of(parent: &BlockHash, coinbase: &Coinbase, transactions: &[Transaction]) -> Filter {
    let in_transactions = transactions.iter().flat_map(|transaction| &transaction.body.outputs);
    let made = coinbase.outputs.iter().chain(in_transactions).filter_map(|output| output.lock.address());
    Filter::build(parent, made.map(Address::to_bytes))
}

pub(crate) fn merkle_root(block: &Block) -> MerkleRoot {
    let leaves = block.leaves().iter().map(|leaf| leaf.to_bytes()).collect();
    MerkleRoot::from_bytes(merkle::root(leaves).unwrap())
}

/// A time by which all these chains were made.
pub(crate) fn clock(node: &FullNode) -> BlockTime {
    node.tip_header().time.saturating_add(5)
}
