#!/usr/bin/env python3
"""Key derivation as core/src/wallet/derivation.rs documents it, written a second time with hashlib and hmac alone.

Prints derivation.txt: `python3 derivation.py > derivation.txt`. Before it prints, it holds itself against SLIP-0010's published
ed25519 vector, since the construction is the same under another key.
"""
import hashlib
import hmac

HARDENED = 1 << 31


def master(domain, seed):
    digest = hmac.new(domain, seed, hashlib.sha512).digest()
    return digest[:32], digest[32:]


def child(node, index):
    key, chain = node
    digest = hmac.new(chain, b"\0" + key + (HARDENED | index).to_bytes(4, "big"), hashlib.sha512).digest()
    return digest[:32], digest[32:]


def derive(domain, seed, path):
    node = master(domain, seed)
    for level in path:
        node = child(node, level)
    return node[0]


published = derive(b"ed25519 seed", bytes(range(16)), [0, 1, 2, 2, 1_000_000_000])
assert published.hex() == "8f94d394a8e8fd6b1bc2f3f49f5c47e385281d5c17e65324b0f62483e37e8793"

PHRASES = [
    ("abandon " * 23 + "art", ""),
    ("legal winner thank year wave sausage worth useful legal winner thank yellow", "TREZOR"),
]
MAIN, TEST = int.from_bytes(b"qbtc", "big"), 1
PATHS = [
    (MAIN, 0, 3, 0, 0),
    (MAIN, 0, 3, 1, 0),
    (MAIN, 0, 4, 0, 0),
    (MAIN, 0, 1, 0, 7),
    (TEST, 5, 2, 1, 19),
    (MAIN, HARDENED - 1, 3, 0, HARDENED - 1),
]

print("# words; passphrase; path; 32-byte key seed. Made by derivation.py.")
for words, passphrase in PHRASES:
    seed = hashlib.pbkdf2_hmac("sha512", words.encode(), b"mnemonic" + passphrase.encode(), 2048)
    for levels in PATHS:
        path = [360, *levels]
        text = "m/" + "/".join(f"{level}'" for level in path)
        print(";".join([words, passphrase, text, derive(b"qbtc seed", seed, path).hex()]))
