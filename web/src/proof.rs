//! Proofs that the tab checks by itself: that a transaction lies in a block, and how much work stands behind that block.
//!
//! The file that keeps a proof is the one that `qbtc wallet proof` writes and `qbtc rpc verifytxoutproof` reads: [`TxOutProof`], in hex. It
//! needs no network to be checked. It shows that whoever mined the block has spent the work that its header claims on a block with this
//! transaction in it. That the block is in the chain is another matter: the tip's proof shows it, or a node says it.

use qbtc_core::block::{Block, Coinbase};
use qbtc_core::codec;
use qbtc_core::commit::TxOutProof;
use qbtc_core::commit::merkle::MerkleProof;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::pow::WorkError;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::Transaction;
use qbtc_core::units::{Target, Work};

/// The longest proof file that is read, in characters.
pub const FILE_CHARACTERS_MAX: usize = 4 << 20;
/// The longest transaction, in bytes, that is looked at beside its branch.
const TX_BYTES_MAX: usize = 2 << 20;
/// The longest branch with its index, in bytes.
const BRANCH_BYTES_MAX: usize = 16 + 32 * MerkleProof::DEPTH_MAX;

/// What a proof shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The transactions.
    pub txids: Vec<Txid>,
    /// The block.
    pub block: BlockHash,
    /// The block's header.
    pub header: Header,
    /// The work that the header alone shows.
    pub work: Work,
}

/// Why something is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Too long to be one.
    #[error("{found} characters are too many for a proof: at most {FILE_CHARACTERS_MAX} are read")]
    TooLong {
        /// Characters found.
        found: usize,
    },
    /// Not the file that it should be.
    #[error("this is no proof of a payment: {0}")]
    File(String),
    /// A part that cannot be read.
    #[error("the proof's {0} cannot be read")]
    Part(&'static str),
    /// Of another block.
    #[error("it is about block {found}, not about {expected}")]
    OtherBlock {
        /// The block found.
        found: BlockHash,
        /// The block that was asked for.
        expected: String,
    },
    /// Of another transaction.
    #[error("it is about another transaction than {expected}")]
    OtherTransaction {
        /// The transaction that was asked for.
        expected: Txid,
    },
    /// The header shows no work.
    #[error("the block shows no work on this chain: {0}")]
    Work(WorkError),
    /// The transaction is not in the block.
    #[error("the transaction is not in the block: {0}")]
    Branch(String),
}

/// Checks that a header shows the work that it claims. The genesis block, which the chain's rules name, need not.
///
/// # Errors
/// [`WorkError`].
pub fn check_work(header: &Header, spec: &ChainSpec) -> Result<Target, WorkError> {
    if header.id() == spec.genesis().id() {
        return Target::from_compact(header.bits).map_err(WorkError::from);
    }
    spec.consensus().pow.check_work(header)
}

/// Checks that bytes in hex are the header of a block and show the work that they claim.
///
/// # Errors
/// [`ProofError`].
pub fn check_header(hex_text: &str, id: &str, spec: &ChainSpec) -> Result<Header, ProofError> {
    let bytes = hex::decode(hex_text).map_err(|_| ProofError::Part("header"))?;
    let whole = bytes.first_chunk().filter(|_| bytes.len() == Header::BYTES);
    let header = Header::from_bytes(whole.ok_or(ProofError::Part("header"))?);
    if header.id().to_string() != id {
        return Err(ProofError::OtherBlock { found: header.id(), expected: id.chars().take(64).collect() });
    }
    check_work(&header, spec).map_err(ProofError::Work)?;
    Ok(header)
}

/// Checks that a transaction, given as bytes, is in the block of a header: by its branch, encoded, in hex.
///
/// # Errors
/// [`ProofError`].
pub fn check_branch(expected: &Txid, bytes: &[u8], branch: &str, header: &Header) -> Result<(), ProofError> {
    let branch = hex::decode(branch).map_err(|_| ProofError::Part("branch"))?;
    let branch: MerkleProof = codec::decode(&branch, BRANCH_BYTES_MAX).map_err(|_| ProofError::Part("branch"))?;
    let (found, checked) = if branch.index() == 0 {
        let coinbase = Coinbase::from_bytes(bytes).map_err(|_| ProofError::Part("coinbase"))?;
        (coinbase.id(), branch.check_coinbase(&coinbase, header.merkle_root))
    } else {
        let transaction: Transaction =
            codec::decode(bytes, TX_BYTES_MAX).map_err(|_| ProofError::Part("transaction"))?;
        (transaction.txid(), branch.check_transaction(&transaction.body, header.merkle_root))
    };
    if found != *expected {
        return Err(ProofError::OtherTransaction { expected: *expected });
    }
    checked.map_err(|error| ProofError::Branch(error.to_string()))
}

/// Makes the file that proves a transaction, from the bytes of its block.
///
/// # Errors
/// [`ProofError`], if the bytes are no block, or do not hold the transaction.
pub fn make_file(txid: &Txid, block: &[u8]) -> Result<String, ProofError> {
    let block = Block::from_bytes(block, block.len()).map_err(|error| ProofError::File(error.to_string()))?;
    let proof = TxOutProof::new(&block, &[*txid]).map_err(|error| ProofError::Branch(error.to_string()))?;
    Ok(format!("{}\n", hex::encode(proof.to_bytes())))
}

/// Checks a file, without a network.
///
/// # Errors
/// [`ProofError`], the first thing that does not hold.
pub fn check_file(text: &str, spec: &ChainSpec) -> Result<Shown, ProofError> {
    if text.len() > FILE_CHARACTERS_MAX {
        return Err(ProofError::TooLong { found: text.len() });
    }
    let file = |error: String| ProofError::File(error);
    let bytes = hex::decode(text.trim()).map_err(|error| file(error.to_string()))?;
    let proof = TxOutProof::from_bytes(&bytes).map_err(|error| file(error.to_string()))?;
    let header = *proof.header();
    let target = check_work(&header, spec).map_err(ProofError::Work)?;
    let txids = proof.proven().map_err(|error| ProofError::Branch(error.to_string()))?;
    Ok(Shown { txids, block: header.id(), header, work: target.work() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn genesis() -> (ChainSpec, Txid, Vec<u8>) {
        let spec = ChainSpec::dev();
        let genesis = spec.genesis();
        let (txid, bytes) = (genesis.coinbase.id(), genesis.to_bytes());
        (spec, txid, bytes)
    }

    #[test]
    fn a_file_shows_its_transaction_and_the_work() {
        let (spec, txid, block) = genesis();
        let text = make_file(&txid, &block).unwrap();
        let shown = check_file(&text, &spec).unwrap();
        assert_eq!((shown.txids, shown.block), (vec![txid], spec.genesis().id()));
        assert!(matches!(make_file(&Txid::ZERO, &block), Err(ProofError::Branch(_))));
        assert!(matches!(make_file(&txid, &block[1..]), Err(ProofError::File(_))));
    }

    #[test]
    fn what_is_altered_shows_nothing() {
        let (spec, txid, block) = genesis();
        let text = make_file(&txid, &block).unwrap();
        let mut bytes = hex::decode(text.trim()).unwrap();
        // A byte of the merkle root: no work is shown by the header any more, or the branch leads elsewhere.
        bytes[40] ^= 1;
        assert!(check_file(&hex::encode(&bytes), &spec).is_err());
        for broken in ["", "zz", "00", &text[..text.len() / 2]] {
            assert!(matches!(check_file(broken, &spec), Err(ProofError::File(_))), "{broken}");
        }
        assert!(matches!(check_file(&"0".repeat(FILE_CHARACTERS_MAX + 1), &spec), Err(ProofError::TooLong { .. })));
    }

    #[test]
    fn headers_are_those_of_their_ids() {
        let (spec, ..) = genesis();
        let header = spec.genesis().header;
        let (hex_text, id) = (hex::encode(header.to_bytes()), header.id().to_string());
        assert_eq!(check_header(&hex_text, &id, &spec), Ok(header));
        assert!(matches!(check_header(&hex_text, &"0".repeat(64), &spec), Err(ProofError::OtherBlock { .. })));
        assert_eq!(check_header("00", &id, &spec), Err(ProofError::Part("header")));
        let idle = Header { nonce: header.nonce ^ 1, ..header };
        let (hex_text, id) = (hex::encode(idle.to_bytes()), idle.id().to_string());
        assert!(matches!(check_header(&hex_text, &id, &spec), Err(ProofError::Work(_))));
    }

    #[test]
    fn a_branch_leads_from_the_transaction_to_the_header() {
        let (spec, txid, _) = genesis();
        let (header, coinbase) = (spec.genesis().header, spec.genesis().coinbase.to_bytes());
        let leaves = spec.genesis().leaves().into_iter().map(Txid::to_bytes).collect();
        let branch = hex::encode(codec::encode(&MerkleProof::new(leaves, 0).unwrap()));
        assert_eq!(check_branch(&txid, &coinbase, &branch, &header), Ok(()));
        let other = check_branch(&Txid::ZERO, &coinbase, &branch, &header);
        assert_eq!(other, Err(ProofError::OtherTransaction { expected: Txid::ZERO }));
        let elsewhere = Header { merkle_root: qbtc_core::hash::MerkleRoot::ZERO, ..header };
        assert!(matches!(check_branch(&txid, &coinbase, &branch, &elsewhere), Err(ProofError::Branch(_))));
        assert_eq!(check_branch(&txid, &[1, 2], &branch, &header), Err(ProofError::Part("coinbase")));
        assert_eq!(check_branch(&txid, &coinbase, "xy", &header), Err(ProofError::Part("branch")));
    }
}
