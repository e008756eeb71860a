//! Signatures aimed at the edges of ML-DSA's arithmetic, for each code path that may verify them.
//!
//! Under a public key whose t1 is zero, w' = A·z does not depend on the challenge (FIPS 204 algorithm 8, line 9), so a valid
//! signature can be written down for any short z and any hint: no secret is needed. An attacker who wants two implementations to
//! disagree would do just that, so these tests do it first. Signatures are made by a plain transcription of FIPS 204, with `%` and
//! 64-bit integers, and go to three verifiers: ours, which libcrux runs on AVX2 or NEON where it can; libcrux's portable path, which
//! is the one on wasm32; and the `ml-dsa` crate. The seeds of z were found by search; the tests check that each hits its edge.

use crate::support::test;
use libcrux_ml_dsa::{MLDSASignature, MLDSAVerificationKey, ml_dsa_44, ml_dsa_65, ml_dsa_87};
use ml_dsa::{MlDsa44, MlDsa65, MlDsa87, MlDsaParams};
use qbtc_core::crypto::ml_dsa::{Level, verify};
use sha3::digest::{ExtendableOutput, Update, XofReader};
use sha3::{Shake128, Shake256};

const Q: i64 = 8_380_417;
const MESSAGE: &[u8] = b"aimed at an edge";

type Poly = [i64; 256];

/// FIPS 204 table 1, as far as a verifier needs it.
struct Params {
    level: Level,
    rows: u8,
    columns: u8,
    gamma1: i64,
    gamma2: i64,
    beta: i64,
    omega: usize,
    c_tilde_bytes: usize,
}

const PARAMS_44: Params = Params {
    level: Level::MlDsa44,
    rows: 4,
    columns: 4,
    gamma1: 1 << 17,
    gamma2: (Q - 1) / 88,
    beta: 78,
    omega: 80,
    c_tilde_bytes: 32,
};

const PARAMS_65: Params = Params {
    level: Level::MlDsa65,
    rows: 6,
    columns: 5,
    gamma1: 1 << 19,
    gamma2: (Q - 1) / 32,
    beta: 196,
    omega: 55,
    c_tilde_bytes: 48,
};

const PARAMS_87: Params = Params {
    level: Level::MlDsa87,
    rows: 8,
    columns: 7,
    gamma1: 1 << 19,
    gamma2: (Q - 1) / 32,
    beta: 120,
    omega: 75,
    c_tilde_bytes: 64,
};

/// Where a coefficient r of w' lies when `decompose` (algorithm 36) has split it into r1 and r0.
#[derive(Clone, Copy, Debug)]
enum Edge {
    /// r0 = 0 with r1 > 0, where the hint's sign turns.
    ZeroRemainder,
    /// r = 0: both parts are zero, and the hint wraps r1 from 0 to its greatest value.
    Zero,
    /// r0 = γ2, the greatest remainder.
    GreatestRemainder,
    /// r0 = −γ2 + 1, the least remainder away from q.
    LeastRemainder,
    /// r = q − 1, where r1 would be one too great and becomes 0, and r0 becomes −1.
    Last,
}

impl Edge {
    fn is_at(self, params: &Params, r: i64) -> bool {
        let (r1, r0) = decompose(params, r);
        match self {
            Self::ZeroRemainder => r0 == 0 && r1 > 0,
            Self::Zero => r == 0,
            Self::GreatestRemainder => r0 == params.gamma2,
            Self::LeastRemainder => r0 == 1 - params.gamma2,
            Self::Last => r == Q - 1,
        }
    }
}

fn shake256(parts: &[&[u8]], out: &mut [u8]) {
    let mut hasher = Shake256::default();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize_xof().read(out);
}

/// The roots of unity in the order of appendix B: 1753 to the power of the bit-reversed index.
fn zetas() -> Poly {
    core::array::from_fn(|index| {
        let exponent = u8::try_from(index).unwrap().reverse_bits();
        (0..exponent).fold(1, |power, _| power * 1753 % Q)
    })
}

/// Algorithm 41.
fn ntt(w: &mut Poly, zetas: &Poly) {
    let mut m = 0;
    for length in [128, 64, 32, 16, 8, 4, 2, 1] {
        for start in (0..256).step_by(2 * length) {
            m += 1;
            for j in start..start + length {
                let t = zetas[m] * w[j + length] % Q;
                w[j + length] = (w[j] - t).rem_euclid(Q);
                w[j] = (w[j] + t) % Q;
            }
        }
    }
}

/// Algorithm 42.
fn ntt_inverse(w: &mut Poly, zetas: &Poly) {
    let mut m = 256;
    for length in [1, 2, 4, 8, 16, 32, 64, 128] {
        for start in (0..256).step_by(2 * length) {
            m -= 1;
            for j in start..start + length {
                let t = w[j];
                w[j] = (t + w[j + length]) % Q;
                w[j + length] = (-zetas[m] * (t - w[j + length])).rem_euclid(Q);
            }
        }
    }
    w.iter_mut().for_each(|coefficient| *coefficient = *coefficient * 8_347_681 % Q);
}

/// Algorithm 30, for the entry of matrix A at a row and a column (algorithm 32).
fn matrix_entry(rho: &[u8; 32], row: u8, column: u8) -> Poly {
    let mut hasher = Shake128::default();
    hasher.update(rho);
    hasher.update(&[column, row]);
    let mut reader = hasher.finalize_xof();
    core::array::from_fn(|_| {
        loop {
            let mut bytes = [0; 3];
            reader.read(&mut bytes);
            let coefficient = i64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2] & 0x7f, 0]));
            if coefficient < Q {
                break coefficient;
            }
        }
    })
}

/// A zero key's matrix, and what is needed to multiply with it.
struct ZeroKey<'a> {
    params: &'a Params,
    bytes: Vec<u8>,
    matrix: Vec<Vec<Poly>>,
    zetas: Poly,
}

impl<'a> ZeroKey<'a> {
    fn new(params: &'a Params) -> Self {
        let rho = [0x71; 32];
        let bytes = [&rho[..], &vec![0; 320 * usize::from(params.rows)]].concat();
        let row = |row| (0..params.columns).map(|column| matrix_entry(&rho, row, column)).collect();
        Self { params, bytes, matrix: (0..params.rows).map(row).collect(), zetas: zetas() }
    }

    /// A·z, its coefficients in 0 … q − 1.
    fn product(&self, z: &[Poly]) -> Vec<Poly> {
        let mut z = z.to_vec();
        z.iter_mut().for_each(|poly| ntt(poly, &self.zetas));
        let row = |row: &Vec<Poly>| {
            let mut sum: Poly =
                core::array::from_fn(|i| row.iter().zip(&z).fold(0, |sum, (a, z)| (sum + a[i] * z[i]).rem_euclid(Q)));
            ntt_inverse(&mut sum, &self.zetas);
            sum
        };
        self.matrix.iter().map(row).collect()
    }

    /// The signature with this z and hint whose challenge commits to w1 (algorithm 8, line 12).
    fn signature(&self, z: &[Poly], hint: &[[bool; 256]], w1: &[Poly]) -> Vec<u8> {
        let (mut tr, mut mu) = ([0; 64], [0; 64]);
        shake256(&[&self.bytes], &mut tr);
        shake256(&[&tr, &[0, 0], MESSAGE], &mut mu);

        let w1_bits = if self.params.level == Level::MlDsa44 { 6 } else { 4 };
        let mut signature = vec![0; self.params.c_tilde_bytes];
        shake256(&[&mu, &pack(w1.as_flattened().iter().copied(), w1_bits)], &mut signature);

        let z_bits = 1 + self.params.gamma1.ilog2();
        signature.extend(pack(z.as_flattened().iter().map(|z| self.params.gamma1 - z), z_bits));
        signature.extend(self.hint_bytes(hint));
        signature
    }

    /// Algorithm 20.
    fn hint_bytes(&self, hint: &[[bool; 256]]) -> Vec<u8> {
        let (mut positions, mut ends) = (Vec::new(), Vec::new());
        for row in hint {
            positions.extend((0..=255).filter(|&i| row[usize::from(i)]));
            ends.push(u8::try_from(positions.len()).unwrap());
        }
        positions.resize(self.params.omega, 0_u8);
        [positions, ends].concat()
    }
}

/// Algorithms 16 and 17: each number in so many bits, the lowest first.
fn pack(numbers: impl Iterator<Item = i64>, bits: u32) -> Vec<u8> {
    let (mut bytes, mut held, mut held_bits) = (Vec::new(), 0, 0);
    for number in numbers {
        held |= number << held_bits;
        held_bits += bits;
        while held_bits >= 8 {
            bytes.push(u8::try_from(held & 0xff).unwrap());
            held >>= 8;
            held_bits -= 8;
        }
    }
    bytes
}

/// Algorithm 36.
fn decompose(params: &Params, r: i64) -> (i64, i64) {
    let modulus = 2 * params.gamma2;
    let mut r0 = r % modulus;
    if r0 > params.gamma2 {
        r0 -= modulus;
    }
    if r - r0 == Q - 1 { (0, r0 - 1) } else { ((r - r0) / modulus, r0) }
}

/// Algorithm 40, for a coefficient whose hint is set; `upwards` is what the standard makes of r0 > 0.
fn use_hint(params: &Params, r: i64, upwards: bool) -> i64 {
    let (r1, _) = decompose(params, r);
    let count = (Q - 1) / (2 * params.gamma2);
    (r1 + if upwards { 1 } else { -1 }).rem_euclid(count)
}

/// A z with coefficients well inside the bound, drawn from a seed.
fn response(params: &Params, seed: u32) -> Vec<Poly> {
    let mut bytes = vec![0; usize::from(params.columns) * 256 * 3];
    shake256(&[b"z", &seed.to_le_bytes()], &mut bytes);
    let bound = params.gamma1 - params.beta;
    let coefficients: Vec<i64> = bytes
        .chunks_exact(3)
        .map(|b| i64::from(u32::from_le_bytes([b[0], b[1], b[2], 0])) % (2 * bound - 1) - (bound - 1))
        .collect();
    coefficients.chunks_exact(256).map(|poly| poly.try_into().unwrap()).collect()
}

/// The three verdicts, which must be one.
fn verdict<P: MlDsaParams>(level: Level, key: &[u8], signature: &[u8]) -> bool {
    let chosen = verify(level, key, MESSAGE, &[], signature).is_ok();
    let portable = match level {
        Level::MlDsa44 => {
            let key = MLDSAVerificationKey::new(key.try_into().unwrap());
            ml_dsa_44::portable::verify(&key, MESSAGE, &[], &MLDSASignature::new(signature.try_into().unwrap())).is_ok()
        }
        Level::MlDsa65 => {
            let key = MLDSAVerificationKey::new(key.try_into().unwrap());
            ml_dsa_65::portable::verify(&key, MESSAGE, &[], &MLDSASignature::new(signature.try_into().unwrap())).is_ok()
        }
        Level::MlDsa87 => {
            let key = MLDSAVerificationKey::new(key.try_into().unwrap());
            ml_dsa_87::portable::verify(&key, MESSAGE, &[], &MLDSASignature::new(signature.try_into().unwrap())).is_ok()
        }
    };
    let key = ml_dsa::VerifyingKey::<P>::decode(key.try_into().unwrap());
    let second = ml_dsa::Signature::<P>::try_from(signature).is_ok_and(|s| key.verify_with_context(MESSAGE, &[], &s));
    assert_eq!((chosen, chosen), (portable, second), "chosen path, portable path and ml-dsa differ");
    chosen
}

/// At each edge, the signature that moves r1 as the standard says is valid, and the one that moves it the other way is not.
fn hints_at_edges<P: MlDsaParams>(params: &Params, seeds: [(Edge, u32); 5]) {
    let key = ZeroKey::new(params);
    for (edge, seed) in seeds {
        let z = response(params, seed);
        let w = key.product(&z);
        let at_edge = |&(row, i): &(usize, usize)| edge.is_at(params, w[row][i]);
        let all = || (0..w.len()).flat_map(|row| (0..256).map(move |i| (row, i)));
        let (row, i) = all().find(at_edge).expect("the seed was found to hit its edge");

        // The hints go to the edge and then to every 23rd coefficient, until there are ω of them.
        let mut hint = vec![[false; 256]; w.len()];
        hint[row][i] = true;
        all().step_by(23).filter(|&at| at != (row, i)).take(params.omega - 1).for_each(|(row, i)| hint[row][i] = true);
        let mut w1: Vec<Poly> = w.iter().map(|poly| poly.map(|r| decompose(params, r).0)).collect();
        for (row, i) in all().filter(|&(row, i)| hint[row][i]) {
            w1[row][i] = use_hint(params, w[row][i], decompose(params, w[row][i]).1 > 0);
        }
        assert!(verdict::<P>(params.level, &key.bytes, &key.signature(&z, &hint, &w1)), "{edge:?}");

        w1[row][i] = use_hint(params, w[row][i], decompose(params, w[row][i]).1 <= 0);
        assert!(!verdict::<P>(params.level, &key.bytes, &key.signature(&z, &hint, &w1)), "{edge:?} the other way");
        w1[row][i] = decompose(params, w[row][i]).0;
        assert!(!verdict::<P>(params.level, &key.bytes, &key.signature(&z, &hint, &w1)), "{edge:?} without its hint");
    }
}

/// ‖z‖∞ < γ1 − β (algorithm 8, line 13): the last z that is short enough, and those that are not.
fn norms_at_their_bound<P: MlDsaParams>(params: &Params) {
    let key = ZeroKey::new(params);
    let bound = params.gamma1 - params.beta;
    let no_hint = vec![[false; 256]; usize::from(params.rows)];
    for (coefficient, is_short) in [
        (bound - 1, true),
        (1 - bound, true),
        (bound, false),
        (-bound, false),
        (params.gamma1, false),
        (1 - params.gamma1, false),
    ] {
        // The first and last places of a vector register and of the vector.
        for (poly, i) in [(0, 0), (0, 7), (0, 8), (usize::from(params.columns) - 1, 255)] {
            let mut z = response(params, 0);
            z[poly][i] = coefficient;
            let w1: Vec<Poly> = key.product(&z).iter().map(|poly| poly.map(|r| decompose(params, r).0)).collect();
            let signature = key.signature(&z, &no_hint, &w1);
            assert_eq!(verdict::<P>(params.level, &key.bytes, &signature), is_short, "{coefficient} at {poly}, {i}");
        }
    }
}

const fn seeds(found: [u32; 5]) -> [(Edge, u32); 5] {
    [
        (Edge::ZeroRemainder, found[0]),
        (Edge::Zero, found[1]),
        (Edge::GreatestRemainder, found[2]),
        (Edge::LeastRemainder, found[3]),
        (Edge::Last, found[4]),
    ]
}

#[test]
fn hints_44() {
    hints_at_edges::<MlDsa44>(&PARAMS_44, seeds([147, 4378, 96, 68, 8222]));
}

#[test]
fn hints_65() {
    hints_at_edges::<MlDsa65>(&PARAMS_65, seeds([9, 8288, 781, 729, 2941]));
}

#[test]
fn hints_87() {
    hints_at_edges::<MlDsa87>(&PARAMS_87, seeds([9, 429, 538, 328, 2276]));
}

#[test]
fn norms_44() {
    norms_at_their_bound::<MlDsa44>(&PARAMS_44);
}

#[test]
fn norms_65() {
    norms_at_their_bound::<MlDsa65>(&PARAMS_65);
}

#[test]
fn norms_87() {
    norms_at_their_bound::<MlDsa87>(&PARAMS_87);
}
