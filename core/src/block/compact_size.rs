//! Bitcoin's CompactSize integers, used in the envelope of a block and in compact filters.

use alloc::vec::Vec;

/// The number is not in its shortest form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CompactSize is not in its shortest form")]
pub struct CompactSizeError;

/// Appends a CompactSize of 1, 3, 5 or 9 bytes.
pub fn write_compact_size(bytes: &mut Vec<u8>, number: u64) {
    let all = number.to_le_bytes();
    match number {
        0..=0xfc => bytes.push(all[0]),
        0xfd..=0xffff => {
            bytes.push(0xfd);
            bytes.extend(&all[..2]);
        }
        0x1_0000..=0xffff_ffff => {
            bytes.push(0xfe);
            bytes.extend(&all[..4]);
        }
        _ => {
            bytes.push(0xff);
            bytes.extend(all);
        }
    }
}

/// Reads a CompactSize and returns it with what follows; `None` if the bytes end early.
///
/// # Errors
/// [`CompactSizeError`] for a number that a shorter form could hold.
pub fn read_compact_size(bytes: &[u8]) -> Result<Option<(u64, &[u8])>, CompactSizeError> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
    let (length, least) = match first {
        0xfd => (2, 0xfd),
        0xfe => (4, 0x1_0000),
        0xff => (8, 0x1_0000_0000),
        small => return Ok(Some((u64::from(*small), rest))),
    };
    let Some((low, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    let mut all = [0; 8];
    all[..length].copy_from_slice(low);
    let number = u64::from_le_bytes(all);
    if number < least {
        return Err(CompactSizeError);
    }
    Ok(Some((number, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    /// The forms of the Bitcoin developer reference, at each edge.
    #[test]
    fn forms_at_their_edges() {
        for (number, hex_bytes) in [
            (0, "00"),
            (0xfc, "fc"),
            (0xfd, "fdfd00"),
            (515, "fd0302"),
            (0xffff, "fdffff"),
            (0x1_0000, "fe00000100"),
            (0xffff_ffff, "feffffffff"),
            (0x1_0000_0000, "ff0000000001000000"),
        ] {
            let mut bytes = Vec::new();
            write_compact_size(&mut bytes, number);
            assert_eq!(hex::encode(&bytes), hex_bytes);
            assert_eq!(read_compact_size(&bytes), Ok(Some((number, &[][..]))));
            for end in 0..bytes.len() {
                assert_eq!(read_compact_size(&bytes[..end]), Ok(None));
            }
        }
    }

    #[test]
    fn longer_forms_than_needed_are_refused() {
        for overlong in ["fdfc00", "feffff0000", "ffffffffff00000000"] {
            assert_eq!(read_compact_size(&hex::decode(overlong).unwrap()), Err(CompactSizeError));
        }
    }
}
