//! Bytes of any length in a table, cut into pieces.
//!
//! redb gives each large value a run of pages of a power of two, so that 4.1 MiB would take 8: pieces that just fit 64 KiB waste
//! next to nothing.

use redb::{ReadableTable, Table};

use super::StoreError;

/// The most bytes in a piece: 64 KiB less what redb adds to a page with one value.
pub(super) const PIECE_BYTES: usize = (64 << 10) - 128;

/// A table of pieces, for writing.
pub(super) type BlobWriter<'a> = Table<'a, (u64, u32), &'static [u8]>;

/// Writes bytes, of which there must be none under this number. No bytes at all are one empty piece, so that they can be told from
/// nothing.
pub(super) fn put(table: &mut BlobWriter<'_>, number: u64, bytes: &[u8]) -> Result<(), StoreError> {
    if bytes.is_empty() {
        table.insert((number, 0), bytes)?;
    }
    for (piece, place) in bytes.chunks(PIECE_BYTES).zip(0..) {
        table.insert((number, place), piece)?;
    }
    Ok(())
}

/// Reads bytes; `None` if there are none under this number.
pub(super) fn read(
    table: &impl ReadableTable<(u64, u32), &'static [u8]>,
    number: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut bytes = None;
    for piece in table.range((number, 0)..=(number, u32::MAX))? {
        let (_, piece) = piece?;
        bytes.get_or_insert_with(Vec::new).extend_from_slice(piece.value());
    }
    Ok(bytes)
}

/// Whether there are bytes under this number.
pub(super) fn has(table: &impl ReadableTable<(u64, u32), &'static [u8]>, number: u64) -> Result<bool, StoreError> {
    Ok(table.get((number, 0))?.is_some())
}

/// Removes bytes, if there are any.
pub(super) fn remove(table: &mut BlobWriter<'_>, number: u64) -> Result<(), StoreError> {
    table.retain_in((number, 0)..=(number, u32::MAX), |_, _| false)?;
    Ok(())
}
