//! Raw costs of the signature schemes, and the verifier beside the `ml-dsa` crate in the same run.
//!
//! `RUSTFLAGS=-Ctarget-cpu=x86-64-v3 cargo bench -p qbtc-core --bench crypto`. Every verification starts from bytes, as a node's does.
#![allow(clippy::unwrap_used, reason = "a benchmark stops at its first surprise")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ml_dsa::{MlDsa87, Verifier};
use qbtc_core::crypto::{PublicKey, Scheme, SecretKey, Signature};

const MESSAGE: [u8; 32] = [7; 32];

fn signed(scheme: Scheme) -> (PublicKey, Signature) {
    let secret = SecretKey::from_seed(scheme, &[1; 32]);
    (secret.public_key().clone(), secret.sign(&MESSAGE, &[2; 32]))
}

fn verify(c: &mut Criterion) {
    let mut group = c.benchmark_group("verify");
    for scheme in Scheme::ALL {
        let (key, signature) = signed(scheme);
        group.bench_function(scheme.name(), |b| b.iter(|| key.verify(black_box(&MESSAGE), &signature).unwrap()));
    }

    let (key, signature) = signed(Scheme::MlDsa87);
    let decode_key = || ml_dsa::VerifyingKey::<MlDsa87>::decode(black_box(key.as_bytes()).try_into().unwrap());
    let decode_signature = || ml_dsa::Signature::<MlDsa87>::try_from(black_box(signature.as_bytes())).unwrap();
    group.bench_function("ML-DSA-87 by the ml-dsa crate", |b| {
        b.iter(|| decode_key().verify(&MESSAGE, &decode_signature()).unwrap());
    });
    // What a cache of expanded keys would save the second implementation; libcrux offers no such thing.
    let expanded = decode_key();
    group.bench_function("ML-DSA-87 by the ml-dsa crate, key expanded before", |b| {
        b.iter(|| expanded.verify(&MESSAGE, &decode_signature()).unwrap());
    });
    group.finish();
}

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

criterion_group!(benches, verify, keygen, sign);
criterion_main!(benches);
