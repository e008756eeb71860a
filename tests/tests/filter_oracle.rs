//! Compact filters held against a second implementation. Native only: rust-bitcoin brings C code with it.

use bitcoin::bip158::{GcsFilterReader, GcsFilterWriter};
use qbtc_core::commit::filter::Filter;
use qbtc_core::hash::{BlockHash, sha256d};

fn elements(count: u32) -> Vec<[u8; 32]> {
    (0..count).map(|element| sha256d(&element.to_le_bytes())).collect()
}

/// Byte for byte what rust-bitcoin makes of the same elements, and the same answers.
#[test]
fn agrees_with_rust_bitcoin() {
    for (seed, count) in [0, 1, 2, 3, 7, 100, 252, 253, 1_000, 5_000].into_iter().enumerate() {
        let parent = BlockHash::from_bytes([u8::try_from(seed).unwrap(); 32]);
        let key = parent.as_bytes();
        let half = |start: usize| u64::from_le_bytes(key[start..start + 8].try_into().unwrap());
        let (k0, k1) = (half(0), half(8));
        let mut expected = Vec::new();
        let mut writer = GcsFilterWriter::new(&mut expected, k0, k1, 784_931, 19);
        elements(count).iter().for_each(|element| writer.add_element(element));
        writer.finish().unwrap();
        let filter = Filter::build(&parent, elements(count));
        assert_eq!(filter.as_bytes(), expected);

        let reader = GcsFilterReader::new(k0, k1, 784_931, 19);
        for from in (0..2 * count + 40).step_by(40) {
            // Some windows of queries are present, some absent, some both.
            let queries: Vec<_> = (from..from + 40).map(|element| sha256d(&element.to_le_bytes())).collect();
            let mut bytes = filter.as_bytes();
            let verdict = reader.match_any(&mut bytes, queries.iter().map(|query| &query[..])).unwrap();
            assert_eq!(filter.match_any(&parent, &queries), verdict);
        }
    }
}
