//! What a header fixes before its nonce is known: computed once, used by every kernel for every nonce.

use sha2::block_api::compress256;

use qbtc_core::header::Header;

/// The words that SHA-256 adds in its rounds (FIPS 180-4 §4.2.2).
#[rustfmt::skip]
pub(super) const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The state that SHA-256 begins with (FIPS 180-4 §5.3.3).
pub(super) const IV: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The one bit that follows a message.
pub(super) const END: u32 = 0x8000_0000;
/// The length of a header in bits: the last word of its second block.
pub(super) const HEADER_BITS: u32 = 640;
/// The length of a hash in bits: the last word of the second hash's only block.
pub(super) const HASH_BITS: u32 = 256;

/// A header without its nonce, hashed as far as that goes, and what its hash is compared with.
///
/// A header is two blocks of 64 bytes. Of the second one's words, 0 to 2 are the header's, 3 is the nonce and 4 to 15 are padding.
/// So the first block, three rounds of the second and the message schedule's words 16 and 17 are the same for all nonces.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// The state after the first block.
    pub(super) midstate: [u32; 8],
    /// The state after four rounds of the second block with a nonce of zero. The nonce itself is only an addend of round 3: it is to be
    /// added to the first and the fifth word.
    pub(super) state: [u32; 8],
    /// The second block's words before the nonce.
    pub(super) tail: [u32; 3],
    /// The target's highest word. A hash whose highest word is greater does not meet the target.
    pub(super) top: u32,
}

impl Job {
    /// What `header` fixes, whatever its nonce is, and the highest word of a target of 32 big-endian bytes.
    pub(super) fn new(header: &Header, target: [u8; 32]) -> Self {
        let bytes = header.to_bytes();
        let (first, rest) = bytes.split_first_chunk::<64>().expect("a header is longer than one block");
        let mut midstate = IV;
        compress256(&mut midstate, &[*first]);
        let word = |at: usize| u32::from_be_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        let tail = [word(0), word(4), word(8)];
        let mut state = midstate;
        for (k, w) in K.into_iter().zip(tail.into_iter().chain([0])) {
            state = round(state, k.wrapping_add(w));
        }
        let [a, b, c, d, ..] = target;
        Self { midstate, state, tail, top: u32::from_be_bytes([a, b, c, d]) }
    }
}

/// One round of FIPS 180-4 §6.2.2; `kw` is the sum of its two words.
fn round([a, b, c, d, e, f, g, h]: [u32; 8], kw: u32) -> [u32; 8] {
    let sigma1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let sigma0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let t1 = [kw, sigma1, (e & f) ^ (!e & g)].into_iter().fold(h, u32::wrapping_add);
    let t2 = sigma0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
    [t1.wrapping_add(t2), a, b, c, d.wrapping_add(t1), e, f, g]
}

/// The lowest hit of a group of nonces that is in the range. Bit i of `hits` stands for the nonce `base + i`; a group may begin
/// before the range and end after it, but not after the last nonce there is.
#[inline]
pub(super) fn lowest_hit(base: u32, mut hits: u32, first: u32, last: u32) -> Option<u32> {
    while hits != 0 {
        let nonce = base + hits.trailing_zeros();
        if (first..=last).contains(&nonce) {
            return Some(nonce);
        }
        hits &= hits - 1;
    }
    None
}
