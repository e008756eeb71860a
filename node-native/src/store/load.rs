//! What a node reads back of the headers when it starts.

use qbtc_core::chain::{HeaderNode, HeaderTree};
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::units::BlockTime;
use redb::{ReadableDatabase, ReadableTable};

use super::tables::{BODIES, HEADERS, INVALID};
use super::{Store, StoreError, blob};

/// The header tree as it was.
#[derive(Debug)]
pub struct LoadedTree {
    /// The tree.
    pub tree: HeaderTree,
    /// Headers that are left out, since a checkpoint is new.
    pub left_out: usize,
}

impl Store {
    /// Reads all headers back. Each is checked as on the day it came, when it was not too far in the future: what the clock says today is
    /// nothing to them.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Inconsistent`] too, if the chain's tip is not among them.
    pub fn load_tree(&self) -> Result<LoadedTree, StoreError> {
        self.gate.pass(|| {
            let view = self.view()?;
            let transaction = self.database.begin_read()?;
            let headers = transaction.open_table(HEADERS)?;
            let bodies = transaction.open_table(BODIES)?;
            // The chain's blocks were all there, though some may be pruned by now. Looking for a body reads a part of it: only those are looked for
            // that may be missing.
            let is_in_chain = |node: &HeaderNode| Ok::<_, StoreError>(view.block_id(node.height())? == Some(node.id()));
            let mut tree = HeaderTree::new(&self.spec);
            let mut left_out = 0;
            for row in headers.iter()? {
                let (number, header) = row?;
                let header = Header::from_bytes(header.value());
                let id = header.id();
                if tree.insert(header, BlockTime(u32::MAX), &self.spec).is_err() {
                    left_out += 1;
                } else if tree.node(&id).map_or(Ok(false), is_in_chain)? || blob::has(&bodies, number.value())? {
                    tree.add_body(&id).expect("the header was inserted just now");
                }
            }
            let tip = view.state().tip();
            if tree.node(&tip).is_none() {
                return Err(StoreError::inconsistent(format!(
                    "the tip {tip} breaks the rules for headers, or is not among them"
                )));
            }
            for row in transaction.open_table(INVALID)?.iter()? {
                // A block that is not in the tree needs no mark.
                let _ = tree.mark_invalid(&BlockHash::from_bytes(*row?.0.value()));
            }
            Ok(LoadedTree { tree, left_out })
        })
    }

    /// The blocks that were found invalid; those that build on them are not listed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn invalid_blocks(&self) -> Result<Vec<BlockHash>, StoreError> {
        self.gate.pass(|| {
            let table = self.database.begin_read()?.open_table(INVALID)?;
            table.iter()?.map(|row| Ok(BlockHash::from_bytes(*row?.0.value()))).collect()
        })
    }
}
