//! Raw verifications of every scheme, and the verifier beside the `ml-dsa` crate in the same run, natively and on wasm32.
//!
//! `cargo xtask bench verify`, `cargo xtask bench --wasm verify`. Every verification starts from bytes, as a node's does.
#![allow(clippy::unwrap_used, reason = "a benchmark stops at its first surprise")]

use std::hint::black_box;

use ml_dsa::{MlDsa87, Verifier};
use qbtc_core::crypto::{PublicKey, Scheme, SecretKey, Signature};

#[cfg(not(target_arch = "wasm32"))]
use criterion::Criterion;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::{Criterion, wasm_bindgen_bench};

const MESSAGE: [u8; 32] = [7; 32];

fn signed(scheme: Scheme) -> (PublicKey, Signature) {
    let secret = SecretKey::from_seed(scheme, &[1; 32]);
    (secret.public_key().clone(), secret.sign(&MESSAGE, &[2; 32]))
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_bench)]
fn verify(criterion: &mut Criterion) {
    for scheme in Scheme::ALL {
        let (key, signature) = signed(scheme);
        criterion.bench_function(&format!("verify: {scheme}"), |bencher| {
            bencher.iter(|| key.verify(black_box(&MESSAGE), &signature).unwrap());
        });
    }
    let (key, signature) = signed(Scheme::MlDsa87);
    let decode_key = || ml_dsa::VerifyingKey::<MlDsa87>::decode(black_box(key.as_bytes()).try_into().unwrap());
    let decode_signature = || ml_dsa::Signature::<MlDsa87>::try_from(black_box(signature.as_bytes())).unwrap();
    criterion.bench_function("verify: ML-DSA-87, the ml-dsa crate", |bencher| {
        bencher.iter(|| decode_key().verify(&MESSAGE, &decode_signature()).unwrap());
    });
    // What a cache of expanded keys would save the second implementation; libcrux offers no such thing.
    let expanded = decode_key();
    criterion.bench_function("verify: ML-DSA-87, the ml-dsa crate, key expanded before", |bencher| {
        bencher.iter(|| expanded.verify(&MESSAGE, &decode_signature()).unwrap());
    });
}

#[cfg(not(target_arch = "wasm32"))]
criterion::criterion_group!(benches, verify);
#[cfg(not(target_arch = "wasm32"))]
criterion::criterion_main!(benches);
#[cfg(target_arch = "wasm32")]
fn main() {}
