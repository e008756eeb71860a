#!/usr/bin/env python3
"""A second implementation of aserti3-2d, which writes the vectors that core's tests check: python3 aserti3_2d.py > aserti3_2d.txt

Follows the specification of Bitcoin Cash (2020-11-15) with Python's unbounded integers, so that nothing can overflow here.
With files as arguments it checks itself against them instead: the specification's own test vectors, run01 to run12, which
Bitcoin Cash Node publishes (qa-assets, test_vectors/aserti3-2d).
"""

import re
import sys


def target_of(bits):
    exponent, mantissa = bits >> 24, bits & 0x7FFFFF
    return mantissa >> 8 * (3 - exponent) if exponent <= 3 else mantissa << 8 * (exponent - 3)


def bits_of(target):
    size = (target.bit_length() + 7) // 8
    mantissa = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if mantissa & 0x800000:
        mantissa, size = mantissa >> 8, size + 1
    return size << 24 | mantissa


def truncated(numerator, denominator):
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


def next_bits(half_life, spacing, limit, anchor_bits, time_delta, height_delta):
    """time_delta counts from the anchor's parent, height_delta from the anchor."""
    exponent = truncated((time_delta - spacing * (height_delta + 1)) << 16, half_life)
    shifts, fraction = exponent >> 16, exponent & 0xFFFF
    factor = (195766423245049 * fraction + 971821376 * fraction**2 + 5127 * fraction**3 + 2**47 >> 48) + 2**16
    target = target_of(anchor_bits) * factor
    target = target << shifts if shifts >= 0 else target >> -shifts
    target >>= 16
    return bits_of(min(max(target, 1), target_of(limit)))


def check(path):
    head = open(path).read()
    anchor = {
        "height": int(re.search(r"anchor height: (\d+)", head)[1]),
        "time": int(re.search(r"anchor (?:ancestor|parent) time: (\d+)", head)[1]),
        "bits": int(re.search(r"anchor nBits: 0x(\w+)", head)[1], 16),
    }
    rows = [line.split() for line in head.splitlines() if line and not line.startswith("#")]
    for _, height, time, bits in rows:
        deltas = int(time) - anchor["time"], int(height) - anchor["height"]
        found = next_bits(172800, 600, 0x1D00FFFF, anchor["bits"], *deltas)
        assert found == int(bits, 16), f"{path}: height {height}: {found:08x}, expected {bits}"
    print(f"{path}: {len(rows)} agree")


def rows():
    """Yields half-life, spacing, limit, first bits, first time, height, time."""
    bch = 172800, 600, 0x1D00FFFF
    # On schedule, at the limit, in between and at the hardest target (as the published runs 1 to 3).
    for bits in 0x1D00FFFF, 0x1A2B3C4D, 0x01010000:
        for height in 1, 2, 9:
            yield *bch, bits, 600, height, 600 + 600 * height
    # Late by one half-life more at each block, from the hardest target; early by one, from the easiest (runs 4 and 5).
    for height in range(1, 226, 28):
        yield *bch, 0x01010000, 600, height, 600 + (172800 + 600) * height
        yield *bch, 0x1D00FFFF, 600, (1 + 288) * height, 600
    # Fast and slow blocks past 2^31 seconds and at great heights (runs 9 to 12).
    for height in 1, 2, 10, 1000:
        yield *bch, 0x1802AEE8, 2147483647, height, 2147483647 + 900 * height
        yield *bch, 0x1802AEE8, 1234567890, height, 1234567890 + 300 * height
        yield *bch, 0x1802AEE8, 1234567890, height, 1234567890 - height
    # Other numbers, and times without a pattern (a linear congruential generator).
    state = 1
    for half_life, spacing, limit, bits in (
        (172800, 600, 0x1D00FFFF, 0x1802AEE8),
        (28800, 60, 0x1E00FFFF, 0x1D00FFFF),
        (600, 10, 0x1F00FFFF, 0x1E00FFFF),
        (1, 1, 0x207FFFFF, 0x1B0404CB),
        (4294967295, 4294967295, 0x2100FFFF, 0x207FFFFF),
    ):
        for _ in range(16):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            height = state >> 34 & 0xFFFF
            swing = (state >> 8 & 0xFFFF) % (4 * half_life + 1) - 2 * half_life
            time = 1000000000 + spacing * height + swing
            yield half_life, spacing, limit, bits, 1000000000, height, min(max(time, 0), 2**32 - 1)
    # As far from the schedule as 32 bits go.
    for half_life, spacing in (1, 1), (172800, 600), (4294967295, 1):
        for first, time in (0, 2**32 - 1), (2**32 - 1, 0):
            for height in 0, 2**32 - 1:
                yield half_life, spacing, 0x1D00FFFF, 0x1C05A3F4, first, height, time


def main():
    for path in sys.argv[1:]:
        check(path)
    if len(sys.argv) > 1:
        return
    print("# half_life_s spacing_s limit first_bits first_time height time next_bits")
    for half_life, spacing, limit, bits, first, height, time in rows():
        found = next_bits(half_life, spacing, limit, bits, time - (first - spacing), height)
        print(f"{half_life} {spacing} {limit:08x} {bits:08x} {first} {height} {time} {found:08x}")


main()
