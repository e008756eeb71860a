//! Chains of headers that are valid, or wrong on purpose, for tests and benches of the sampled proof.
//!
//! Blocks have no transactions behind them: their commitments are made up from their height (but for filters, where they are asked for), and the branch to the merkle root is as long
//! as a test asks. Everything else is real: mined nonces, difficulty, times, the history and its roots.
#![allow(dead_code, reason = "each test and bench uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use core::convert::Infallible;

use qbtc_core::block::Commitments;
use qbtc_core::codec;
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::flyclient::{HeaderRules, HistorySource, Opening, ProveError, SampledProof, Sampling};
use qbtc_core::commit::mmr::{HistoryError, Node, Peaks, nodes_len};
use qbtc_core::hash::{BlockHash, FilterHash, HistoryRoot, MerkleRoot, UtxoRoot, WitnessRoot, sha256d};
use qbtc_core::header::Header;
use qbtc_core::net::CommittedFilter;
use qbtc_core::pow::{Difficulty, Parent, PowAlgorithm, Retarget};
use qbtc_core::units::{BlockTime, CompactBits, Height, Target};

/// The easiest bits there are: a hash in two meets them.
pub(crate) const EASIEST: CompactBits = CompactBits(0x207f_ffff);

const GENESIS_TIME: u32 = 1_700_000_000;

/// A chain, its history, and the rules that it follows.
#[derive(Clone)]
pub(crate) struct History {
    pub(crate) rules: HeaderRules,
    pub(crate) headers: Vec<Header>,
    /// The append-only list, as a full node keeps it.
    pub(crate) nodes: Vec<Node>,
    pub(crate) peaks: Peaks,
    /// Siblings from the commitments to the merkle root: 1 with no transaction, 9 with 500.
    siblings: u32,
    /// Blocks for which the chain is ever faster, then ever slower again.
    half_wave: u32,
    /// How many addresses each block's filter is over. 0: there are no filters, and their hashes are made up.
    filter_elements: u32,
}

impl History {
    /// The genesis block.
    pub(crate) fn new(difficulty: Difficulty, spacing_s: u32, siblings: u32) -> Self {
        let genesis = Header {
            version: 1,
            parent: BlockHash::ZERO,
            merkle_root: MerkleRoot::ZERO,
            time: BlockTime(GENESIS_TIME),
            bits: EASIEST,
            nonce: 0,
        };
        let retarget = Retarget::new(difficulty, spacing_s, EASIEST, genesis.time, EASIEST).unwrap();
        Self::of_rules(HeaderRules { genesis, pow: PowAlgorithm::Sha256d, retarget }, siblings)
    }

    /// The genesis block of these rules.
    pub(crate) fn of_rules(rules: HeaderRules, siblings: u32) -> Self {
        let spacing_s = rules.retarget.spacing_s();
        let half_wave = match rules.retarget.difficulty() {
            // A tenth faster than planned for so long makes 1.5 half-lives.
            Difficulty::Asert(rule) => 15 * rule.half_life_s() / spacing_s,
            Difficulty::Interval(rule) => 7 * rule.blocks(),
            Difficulty::Fixed => 100,
        };
        let (headers, nodes) = (Vec::new(), Vec::new());
        let mut history = Self { rules, headers, nodes, peaks: Peaks::new(), siblings, half_wave, filter_elements: 0 };
        history.append(rules.genesis);
        history
    }

    /// Lets each block to come have a filter over so many addresses.
    pub(crate) fn with_filters(mut self, elements: u32) -> Self {
        self.filter_elements = elements;
        self
    }

    /// An honest chain of so many blocks.
    pub(crate) fn honest(difficulty: Difficulty, spacing_s: u32, siblings: u32, blocks: u32) -> Self {
        let mut history = Self::new(difficulty, spacing_s, siblings);
        history.grow(blocks - 1);
        history
    }

    /// Mines so many blocks, one after the other.
    pub(crate) fn grow(&mut self, blocks: u32) {
        for _ in 0..blocks {
            self.append(self.mined(self.next()));
        }
    }

    /// Mines so many blocks, the first as if the last one were `parent`.
    pub(crate) fn grow_from(&mut self, parent: Header, blocks: u32) {
        let last = core::mem::replace(self.headers.last_mut().unwrap(), parent);
        let place = self.headers.len() - 1;
        self.grow(blocks);
        self.headers[place] = last;
    }

    /// The chain's first blocks.
    pub(crate) fn cut(&self, blocks: u32) -> Self {
        let mut history = self.clone();
        history.headers.truncate(index(blocks));
        history.nodes.truncate(usize::try_from(nodes_len(blocks)).unwrap());
        history.peaks =
            Peaks::load(blocks, |position| Ok::<_, HistoryError>(self.nodes[usize::try_from(position).unwrap()]))
                .unwrap();
        history
    }

    pub(crate) fn blocks(&self) -> u32 {
        self.peaks.blocks()
    }

    pub(crate) fn tip(&self) -> Height {
        Height(self.blocks() - 1)
    }

    pub(crate) fn tip_id(&self) -> BlockHash {
        self.headers.last().unwrap().id()
    }

    /// A live challenge about the tip.
    pub(crate) fn live(&self, seed: u32) -> Sampling {
        Sampling::live(sha256d(&seed.to_le_bytes()), self.tip_id())
    }

    pub(crate) fn prove(&self, sampling: &Sampling) -> Result<SampledProof, ProveError<Infallible>> {
        SampledProof::new(self, self.tip(), sampling)
    }

    /// The bytes of a proof.
    pub(crate) fn proof(&self, sampling: &Sampling) -> Vec<u8> {
        codec::encode(&self.prove(sampling).unwrap())
    }

    /// The next block, not yet mined: bits and time as the rules demand, committed to the history.
    pub(crate) fn next(&self) -> Header {
        let height = Height(self.blocks());
        let last = self.headers.last().unwrap();
        let parent = Parent { height: self.tip(), time: last.time, bits: last.bits };
        let time_at = |height: Height| Some(self.headers[index(height.0)].time);
        Header {
            version: 1,
            parent: last.id(),
            merkle_root: self.merkle_root(height, self.peaks.root()),
            time: self.time(height.0),
            bits: self.rules.retarget.bits_after(parent, time_at).unwrap(),
            nonce: 0,
        }
    }

    /// On schedule but for a wave of difficulty, and with times that jump back and forth as real ones do.
    fn time(&self, height: u32) -> BlockTime {
        let spacing_s = self.rules.retarget.spacing_s();
        let phase = height % (2 * self.half_wave);
        let ahead = u64::from(phase.min(2 * self.half_wave - phase)) * u64::from(spacing_s) / 10;
        let jitter = height.wrapping_mul(0x9e37_79b1) % (2 * spacing_s);
        let planned =
            u64::from(height) * u64::from(spacing_s) + u64::from(jitter) + u64::from(self.rules.genesis.time.0);
        BlockTime(u32::try_from(planned - ahead).unwrap())
    }

    /// The header with a nonce that has the work.
    pub(crate) fn mined(&self, header: Header) -> Header {
        self.nonce(header, true)
    }

    /// The header with a nonce that lacks the work.
    pub(crate) fn unmined(&self, header: Header) -> Header {
        self.nonce(header, false)
    }

    fn nonce(&self, header: Header, has_work: bool) -> Header {
        (header.nonce..)
            .map(|nonce| Header { nonce, ..header })
            .find(|header| self.rules.pow.check_work(header).is_ok() == has_work)
            .unwrap()
    }

    /// Appends a block, whatever it is.
    pub(crate) fn append(&mut self, header: Header) {
        let work = Target::from_compact(header.bits).unwrap().work();
        self.append_leaf(header, Node::leaf(header.id(), work, header.time));
    }

    /// Appends a block of which the history says something else.
    pub(crate) fn append_leaf(&mut self, header: Header, leaf: Node) {
        self.nodes.extend(self.peaks.append(leaf).unwrap());
        self.headers.push(header);
    }

    /// The merkle root of a block at a height that commits to this history.
    pub(crate) fn merkle_root(&self, height: Height, history_root: HistoryRoot) -> MerkleRoot {
        let leaf = Commitments { history_root, ..self.commitments(height) }.id();
        let mut node = *leaf.as_bytes();
        for (level, sibling) in self.branch(height).iter().enumerate() {
            let pair = if level == 0 { [*sibling, node] } else { [node, *sibling] };
            node = sha256d(pair.as_flattened());
        }
        MerkleRoot::from_bytes(node)
    }

    /// What a block commits to beside its history. The one before it must be there.
    fn commitments(&self, height: Height) -> Commitments {
        let filter_hash = match self.filter_elements {
            0 => FilterHash::from_bytes(made_up(height, 101)),
            _ => self.filter(height).hash(),
        };
        Commitments {
            witness_root: WitnessRoot::from_bytes(made_up(height, 100)),
            filter_hash,
            history_root: HistoryRoot::ZERO,
            utxo_root: UtxoRoot::ZERO,
        }
    }

    fn filter(&self, height: Height) -> Filter {
        let addresses: Vec<[u8; 32]> = (0..self.filter_elements).map(|place| made_up(height, 1_000 + place)).collect();
        Filter::build(&self.headers[index(height.0) - 1].id(), &addresses)
    }

    /// A block's filter, with the proof that the block commits to it.
    pub(crate) fn committed_filter(&self, height: Height) -> CommittedFilter {
        let history_root = self.root_before(height);
        let commitments = Commitments { history_root, ..self.commitments(height) }.to_bytes();
        // Leaf 1, and the branch, as they are encoded.
        let mut bytes = [&commitments[..], &[1, u8::try_from(self.siblings).unwrap()]].concat();
        self.branch(height).iter().for_each(|sibling| bytes.extend(sibling));
        let commitments = codec::decode(&bytes, bytes.len()).unwrap();
        CommittedFilter { filter: self.filter(height).as_bytes().into(), commitments }
    }

    /// The root of the history that a block commits to: of all blocks before it.
    fn root_before(&self, height: Height) -> HistoryRoot {
        let load = |position| Ok::<_, HistoryError>(self.nodes[usize::try_from(position).unwrap()]);
        Peaks::load(height.0, load).unwrap().root()
    }

    fn branch(&self, height: Height) -> Vec<[u8; 32]> {
        (0..self.siblings).map(|level| made_up(height, level)).collect()
    }
}

impl HistorySource for History {
    type Error = Infallible;

    fn node(&self, position: u64) -> Result<Node, Infallible> {
        Ok(self.nodes[usize::try_from(position).unwrap()])
    }

    fn header(&self, height: Height) -> Result<Header, Infallible> {
        Ok(self.headers[index(height.0)])
    }

    fn opening(&self, height: Height) -> Result<Opening, Infallible> {
        Ok(Opening::new(&self.commitments(height), self.branch(height)))
    }
}

/// 32 bytes that stand for a hash: cheap, and different everywhere.
fn made_up(height: Height, what: u32) -> [u8; 32] {
    let seed = (u64::from(height.0) << 32 | u64::from(what)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = [1, 3, 5, 7].map(|word: u64| (seed.wrapping_mul(word) ^ seed >> 29).to_le_bytes());
    words.as_flattened().try_into().unwrap()
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap()
}
