#!/usr/bin/env python3
"""The keystore format of core/src/wallet/keystore.rs, written a second time over other libraries (argon2-cffi, PyNaCl, hmac).

Prints keystore.txt: `pip install argon2-cffi pynacl; python3 keystore.py > keystore.txt`.
"""
import hashlib
import hmac
import unicodedata

from argon2.low_level import Type, hash_secret_raw
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as xchacha_encrypt


def tagged(tag, data):
    prefix = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(prefix + prefix + data).digest()


def hkdf(secret, info):
    """RFC 5869 with SHA-256, no salt, one block."""
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, info.encode() + b"\x01", hashlib.sha256).digest()


def u32(number):
    return number.to_bytes(4, "little")


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def text(string):
    return varint(len(string.encode())) + string.encode()


def keystore(wallet_entropy, scheme, has_fallback, birthday, labels, passphrase, memory_kib, passes, lanes, entropy):
    plain = bytes([len(wallet_entropy)]) + wallet_entropy
    plain += bytes([scheme, has_fallback]) + varint(birthday) + varint(len(labels))
    plain += b"".join(text(subject) + text(label) for subject, label in labels)

    salt = tagged("qbtc/keystore-salt", entropy)[:16]
    nonce = tagged("qbtc/keystore-nonce", entropy)[:24]
    password = unicodedata.normalize("NFKD", passphrase).encode()
    stretched = hash_secret_raw(password, salt, passes, memory_kib, lanes, 32, Type.ID, 0x13)

    header = b"qbtckeys" + bytes([1, 0, 0, 0]) + u32(memory_kib) + u32(passes) + u32(lanes)
    header += salt + hkdf(stretched, "qbtc/keystore/check") + nonce + u32(len(plain) + 16) + bytes(20)
    header += hashlib.sha256(hashlib.sha256(header).digest()).digest()[:8]
    assert len(header) == 128
    return header + xchacha_encrypt(plain, header, nonce, hkdf(stretched, "qbtc/keystore/encryption"))


CASES = [
    (bytes(range(32)), 3, 1, 123_456, [("m/0'", "savings"), ("x", "Zoë's gift")], "café au lait", 64, 2, 1, bytes(32)),
    (bytes([255] * 16), 1, 0, 0, [], "", 16, 1, 2, bytes(range(32))),
]

print("# wallet entropy; scheme; fallback; birthday; labels; passphrase; KiB; passes; lanes; entropy; file. Made by keystore.py.")
for case in CASES:
    wallet_entropy, scheme, fallback, birthday, labels, passphrase, memory, passes, lanes, entropy = case
    fields = [
        wallet_entropy.hex(), scheme, fallback, birthday, "|".join(f"{s}={t}" for s, t in labels), passphrase,
        memory, passes, lanes, entropy.hex(), keystore(*case).hex(),
    ]
    print(";".join(map(str, fields)))
