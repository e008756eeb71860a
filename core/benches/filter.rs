//! Compact filters beside those of rust-bitcoin, and the merkle tree.

use std::hint::black_box;

use bitcoin::bip158::{GcsFilterReader, GcsFilterWriter};
use criterion::{Criterion, criterion_group, criterion_main};
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::merkle;
use qbtc_core::hash::{BlockHash, sha256d};

const M: u64 = 784_931;
const P: u8 = 19;

fn addresses(from: u32, count: u32) -> Vec<[u8; 32]> {
    (from..from + count).map(|address| sha256d(&address.to_le_bytes())).collect()
}

/// One filter of 1,000 elements; 100 addresses that are not in it, so that the whole filter is read.
fn filters(criterion: &mut Criterion) {
    let parent = BlockHash::from_bytes(sha256d(b"parent"));
    let half = |start: usize| u64::from_le_bytes(parent.as_bytes()[start..start + 8].try_into().expect("eight bytes"));
    let (k0, k1) = (half(0), half(8));
    let (present, absent) = (addresses(0, 1_000), addresses(1 << 20, 100));
    let filter = Filter::build(&parent, &present);
    assert!(!filter.match_any(&parent, &absent), "the queries are absent");

    let mut group = criterion.benchmark_group("filter");
    group.bench_function("build 1,000", |bencher| bencher.iter(|| Filter::build(&parent, black_box(&present))));
    group.bench_function("build 1,000, rust-bitcoin", |bencher| {
        bencher.iter(|| {
            let mut bytes = Vec::new();
            let mut writer = GcsFilterWriter::new(&mut bytes, k0, k1, M, P);
            black_box(&present).iter().for_each(|element| writer.add_element(element));
            writer.finish().expect("a vector takes all");
            bytes
        });
    });
    group.bench_function("check 1,000", |bencher| {
        bencher.iter(|| Filter::from_bytes(black_box(filter.as_bytes()), usize::MAX));
    });
    group.bench_function("match 100 in 1,000", |bencher| {
        bencher.iter(|| black_box(&filter).match_any(&parent, black_box(&absent)));
    });
    group.bench_function("match 100 in 1,000, rust-bitcoin", |bencher| {
        let reader = GcsFilterReader::new(k0, k1, M, P);
        bencher.iter(|| {
            let mut bytes = black_box(filter.as_bytes());
            reader.match_any(&mut bytes, black_box(&absent).iter().map(|query| &query[..]))
        });
    });
    group.finish();
}

fn merkle_trees(criterion: &mut Criterion) {
    let leaves = addresses(0, 500);
    criterion.bench_function("merkle root of 500", |bencher| bencher.iter(|| merkle::root(black_box(&leaves).clone())));
}

criterion_group!(benches, filters, merkle_trees);
criterion_main!(benches);
