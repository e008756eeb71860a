//! Golomb–Rice codes in a stream of bits, highest bit first.

use alloc::vec::Vec;

/// The bits end before the code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended;

/// Appends codes to bytes.
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet, at the low end.
    pending: u64,
    /// How many; fewer than 8 between calls.
    pending_bits: u32,
}

impl BitWriter {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, pending: 0, pending_bits: 0 }
    }

    /// Writes a number as its quotient by 2^`remainder_bits` in ones, a zero, and the remainder.
    pub(super) fn write_delta(&mut self, delta: u64, remainder_bits: u32) {
        let mut ones = delta >> remainder_bits;
        while ones > 0 {
            let some = ones.min(32);
            self.write(!(u64::MAX << some), u32::try_from(some).expect("at most 32"));
            ones -= some;
        }
        let remainder = delta & !(u64::MAX << remainder_bits);
        self.write(remainder, 1 + remainder_bits);
    }

    /// Writes the lowest `count` bits of a number that has no others; at most 32.
    fn write(&mut self, bits: u64, count: u32) {
        self.pending = self.pending << count | bits;
        self.pending_bits += count;
        while self.pending_bits >= 8 {
            self.pending_bits -= 8;
            let [.., byte] = (self.pending >> self.pending_bits).to_be_bytes();
            self.bytes.push(byte);
        }
        self.pending &= !(u64::MAX << self.pending_bits);
    }

    /// The bytes, the last one filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.pending_bits > 0 {
            self.write(0, 8 - self.pending_bits);
        }
        self.bytes
    }
}

/// Reads codes from bytes.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits that were taken from the bytes and not read yet, at the high end; zeros below.
    ahead: u64,
    /// How many.
    ahead_bits: u32,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, ahead: 0, ahead_bits: 0 }
    }

    /// Reads what [`BitWriter::write_delta`] writes. The quotient is at most the number of bits, so the number fits as long as
    /// there are fewer than 2^(64 − `remainder_bits`) of them.
    pub(super) fn read_delta(&mut self, remainder_bits: u32) -> Result<u64, Ended> {
        let mut quotient = 0;
        loop {
            self.refill();
            let ones = self.ahead.leading_ones();
            quotient += u64::from(ones);
            if ones < self.ahead_bits {
                self.skip(ones + 1);
                break;
            }
            if self.bytes.is_empty() {
                return Err(Ended);
            }
            self.skip(ones);
        }
        self.refill();
        if self.ahead_bits < remainder_bits {
            return Err(Ended);
        }
        let remainder = self.ahead >> (u64::BITS - remainder_bits);
        self.skip(remainder_bits);
        Ok(quotient << remainder_bits | remainder)
    }

    /// Whether nothing is left but the zeros that fill the last byte.
    pub(super) fn is_at_end(&self) -> bool {
        self.bytes.is_empty() && self.ahead_bits < 8 && self.ahead == 0
    }

    /// Takes bytes until more than 56 bits are ahead, or none are left.
    fn refill(&mut self) {
        while self.ahead_bits <= 56 {
            let Some((byte, rest)) = self.bytes.split_first() else { return };
            self.ahead |= u64::from(*byte) << (56 - self.ahead_bits);
            self.ahead_bits += 8;
            self.bytes = rest;
        }
    }

    fn skip(&mut self, bits: u32) {
        self.ahead = self.ahead.checked_shl(bits).unwrap_or(0);
        self.ahead_bits -= bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn codes_round_trip() {
        let deltas = [0, 1, 7, 8, 0x7_ffff, 0x8_0000, 64 << 19, 1_000 << 19 | 5, 0];
        let mut writer = BitWriter::new(Vec::new());
        deltas.iter().for_each(|delta| writer.write_delta(*delta, 19));
        let bytes = writer.finish();
        let mut reader = BitReader::new(&bytes);
        for delta in deltas {
            assert!(!reader.is_at_end() || delta == 0);
            assert_eq!(reader.read_delta(19), Ok(delta));
        }
        assert!(reader.is_at_end());
        assert_eq!(reader.read_delta(19), Err(Ended));
    }

    /// By hand, with remainders of 2 bits: 0 = 0 00, 5 = 10 01, 11 = 110 11, then padding.
    #[test]
    fn codes_by_hand() {
        let mut writer = BitWriter::new(Vec::new());
        [0, 5, 11].iter().for_each(|delta| writer.write_delta(*delta, 2));
        assert_eq!(writer.finish(), [0b0001_0011, 0b1011_0000]);
    }

    #[test]
    fn every_cut_is_noticed() {
        let mut writer = BitWriter::new(Vec::new());
        writer.write_delta(200 << 19, 19);
        let bytes = writer.finish();
        for end in 0..bytes.len() {
            assert_eq!(BitReader::new(&bytes[..end]).read_delta(19), Err(Ended));
        }
        assert_eq!(BitReader::new(&[0xff; 100]).read_delta(19), Err(Ended));
    }
}
