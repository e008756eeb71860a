//! Making keys and signing: what a wallet's user waits for.
//!
//! `cargo xtask bench sign`.
#![allow(clippy::unwrap_used, reason = "a benchmark stops at its first surprise")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use qbtc_core::crypto::{Scheme, SecretKey};

const MESSAGE: [u8; 32] = [7; 32];

fn keygen(c: &mut Criterion) {
    let mut group = c.benchmark_group("keygen");
    for scheme in [Scheme::MlDsa44, Scheme::MlDsa65, Scheme::MlDsa87] {
        group.bench_function(scheme.name(), |b| b.iter(|| SecretKey::from_seed(scheme, black_box(&[1; 32]))));
    }
    group.finish();
}

fn sign(c: &mut Criterion) {
    let mut group = c.benchmark_group("sign");
    for scheme in [Scheme::MlDsa44, Scheme::MlDsa65, Scheme::MlDsa87] {
        let secret = SecretKey::from_seed(scheme, &[1; 32]);
        let mut entropy = [0; 32];
        let mut count = 0_u64;
        group.bench_function(scheme.name(), |b| {
            b.iter(|| {
                // Rejection sampling makes single signatures differ many times in cost: each takes other entropy.
                count += 1;
                entropy[..8].copy_from_slice(&count.to_le_bytes());
                secret.sign(&MESSAGE, &entropy)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, keygen, sign);
criterion_main!(benches);
