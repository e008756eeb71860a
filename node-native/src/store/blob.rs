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

/// The first bytes, as many as are in the first piece, and how many there are in all; `None` if there are none under this number. Reads
/// two pieces, however many there are.
pub(super) fn peek(
    table: &impl ReadableTable<(u64, u32), &'static [u8]>,
    number: u64,
) -> Result<Option<(Vec<u8>, usize)>, StoreError> {
    let mut pieces = table.range((number, 0)..=(number, u32::MAX))?;
    let Some(first) = pieces.next().transpose()? else { return Ok(None) };
    let first = first.1.value().to_vec();
    let length = match pieces.next_back().transpose()? {
        // All pieces but the last are full.
        Some((place, last)) => PIECE_BYTES.saturating_mul(place.value().1 as usize) + last.value().len(),
        None => first.len(),
    };
    Ok(Some((first, length)))
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

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase, TableDefinition};

    use super::*;

    const TABLE: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("blobs");

    #[test]
    fn lengths_are_those_of_what_was_put() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let lengths = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 3 * PIECE_BYTES + 7];
        let writing = database.begin_write().unwrap();
        {
            let mut table = writing.open_table(TABLE).unwrap();
            for (number, length) in (0..).zip(lengths) {
                put(&mut table, number, &vec![7; length]).unwrap();
            }
        }
        writing.commit().unwrap();
        let reading = database.begin_read().unwrap();
        let table = reading.open_table(TABLE).unwrap();
        for (number, length) in (0..).zip(lengths) {
            let (first, found) = peek(&table, number).unwrap().unwrap();
            assert_eq!((first.len(), found), (length.min(PIECE_BYTES), length));
            assert_eq!(read(&table, number).unwrap().unwrap().len(), length);
        }
        assert!(peek(&table, 99).unwrap().is_none());
    }
}
