//! What light clients are shown of the stored chain: blocks without witnesses, and what proofs are made of.
//!
//! All of it can be read from blocks whose witnesses are pruned, and what proofs are made of without their bodies too.

use qbtc_core::codec;
use qbtc_core::commit::flyclient::Opening;
use qbtc_core::commit::merkle::MerkleProof;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::tx::TxBody;
use qbtc_core::units::Height;

use super::body::StoredBody;
use super::{ChainView, StoreError, TxPlace};

/// A transaction of the chain, without witnesses, and what shows that it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenTransaction {
    /// The header of its block.
    pub header: Header,
    /// The transaction.
    pub body: TxBody,
    /// Its branch to the header's merkle root.
    pub proof: MerkleProof,
}

impl ChainView {
    /// A block's bytes without witnesses; `None` if it is unknown or its body is pruned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stripped_block_bytes(&self, id: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.gate.pass(|| {
            let Some(body) = self.stored_body(id)? else { return Ok(None) };
            Ok(Some(StoredBody::parse(&body)?.strip()))
        })
    }

    /// A transaction and the proof that its block holds it; `None` for a coinbase, or if the block's body is pruned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn proven_transaction(&self, place: &TxPlace) -> Result<Option<ProvenTransaction>, StoreError> {
        self.gate.pass(|| {
            let damaged = |what: String| StoreError::inconsistent(format!("block {}: {what}", place.block));
            let Some(index) = place.place.checked_sub(1) else { return Ok(None) };
            let Some(body) = self.stored_body(&place.block)? else { return Ok(None) };
            let body = StoredBody::parse(&body)?;
            let header = body.envelope.first_chunk().map(Header::from_bytes);
            let header = header.ok_or_else(|| damaged("a stored block's beginning is damaged".to_owned()))?;
            let Some(bytes) = body.bodies.get(index as usize) else { return Ok(None) };
            let transaction = codec::decode(bytes, bytes.len()).map_err(|error| damaged(error.to_string()))?;
            // The coinbase and the commitments stand before the transactions.
            let proof = MerkleProof::new(leaves(&body)?, index + 2).map_err(|error| damaged(error.to_string()))?;
            Ok(Some(ProvenTransaction { header, body: transaction, proof }))
        })
    }

    /// What the block at a height of the chain commits to; `None` if there is none, or as for [`ChainView::commitments_proof`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn opening(&self, height: Height) -> Result<Option<Opening>, StoreError> {
        let Some(id) = self.block_id(height)? else { return Ok(None) };
        Ok(self.commitments_proof(&id)?.map(|proof| Opening::of_proof(&proof)))
    }
}

fn leaves(body: &StoredBody<'_>) -> Result<Vec<[u8; 32]>, StoreError> {
    let (coinbase, commitments, txids) = body.leaves()?;
    Ok([coinbase, commitments.id()].into_iter().chain(txids).map(Txid::to_bytes).collect())
}
