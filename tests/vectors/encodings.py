#!/usr/bin/env python3
"""Encodings and ids as docs/protocol.md describes them, written a second time with hashlib alone.

Prints encodings.txt: `python3 encodings.py > encodings.txt`. Each line is a name and hex: the encoding itself if it is short, else
its SHA-256; ids and roots in the order in which they are hashed.
"""
import hashlib


def sha256(data):
    return hashlib.sha256(data).digest()


def sha256d(data):
    return sha256(sha256(data))


def tagged(tag, data):
    prefix = sha256(tag.encode())
    return sha256(prefix + prefix + data)


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def listed(items):
    return varint(len(items)) + b"".join(items)


def varbytes(data):
    return varint(len(data)) + data


KEY_BYTES = {1: 1312, 2: 1952, 3: 2592, 4: 32}


def public_key(scheme, seed):
    return bytes([scheme]) + varbytes(bytes((seed + place) & 0xFF for place in range(KEY_BYTES[scheme])))


def signature(seed, length):
    return varbytes(bytes((seed * place) & 0xFF for place in range(length)))


def key(public):
    return varint(0) + public


def threshold(required, publics):
    return varint(1) + bytes([required]) + listed(publics)


def preimage(data):
    return varint(2) + sha256(data)


def after(height):
    return varint(3) + varint(height)


def leaf(conditions):
    return tagged("qbtc/leaf", listed(conditions))


def branch(one, other):
    return tagged("qbtc/branch", min(one, other) + max(one, other))


def merkle_root(leaves):
    if not leaves:
        return bytes(32)
    while len(leaves) > 1:
        if len(leaves) % 2:
            leaves = leaves + leaves[-1:]
        leaves = [sha256d(leaves[at] + leaves[at + 1]) for at in range(0, len(leaves), 2)]
    return leaves[0]


def show(name, data):
    print(name, data.hex() if len(data) <= 200 else sha256(data).hex())


# Three alternatives; the third has no neighbour and moves up as it is.
first = [key(public_key(3, 1))]
second = [threshold(2, [public_key(1, seed) for seed in (2, 3, 4)]), after(300)]
third = [preimage(b"secret"), key(public_key(4, 5))]
leaves = [leaf(conditions) for conditions in (first, second, third)]
for number, hash in enumerate(leaves):
    show(f"leaf_{number}", hash)
pair = branch(leaves[0], leaves[1])
address = branch(pair, leaves[2])
show("address", address)

# Witnesses of the second and of the third alternative.
one = (second, [leaves[0], leaves[2]], [varint(1) + listed([b"\0" + signature(7, 2420), b"\2" + signature(8, 2420)])])
other = (third, [pair], [varint(2) + varbytes(b"secret"), varint(0) + signature(9, 7856)])


def witness(conditions, path, proofs):
    return listed(conditions) + listed(path) + listed(proofs)


def witness_hash(conditions, path, proofs):
    return tagged("qbtc/witness", leaf(conditions) + listed(path) + listed(proofs))


show("witness_0", witness(*one))
show("witness_1", witness(*other))
show("witness_hash_0", witness_hash(*one))

# A transaction with two inputs, money, and data.
inputs = [bytes([0x11] * 32) + varint(0), bytes([0x22] * 32) + varint(300)]
outputs = [varint(123_456_789) + varint(0) + address, varint(0) + varint(1) + varbytes(b"hello")]
body = b"\1" + listed(inputs) + listed(outputs) + varint(300) + varint(100_000)
transaction = body + listed([witness(*one), witness(*other)])
txid = sha256d(body)
wtxid = tagged("qbtc/wtxid", txid + witness_hash(*one) + witness_hash(*other))
show("body", body)
show("transaction", transaction)
show("txid", txid)
show("wtxid", wtxid)
chain_id = bytes([0x33] * 32)
spent = [varint(5) + varint(0) + address, varint(200_000_000) + varint(0) + bytes([0x44] * 32)]
show("sighash", tagged("qbtc/sighash", chain_id + txid + tagged("qbtc/spent", listed(spent))))

# A block with that transaction.
extra = b"extranonce12"
coinbase = b"\1" + chain_id[:4] + (65_536).to_bytes(4, "little") + bytes([0x55] * 32)
coinbase += bytes([len(extra)]) + extra + listed([varint(500_000_000) + varint(0) + address])
commitments = merkle_root([wtxid]) + bytes([0x66] * 32) + bytes([0x77] * 32) + bytes(32)
root = merkle_root([sha256d(coinbase), sha256d(commitments), txid])
header = (0x2000_0000).to_bytes(4, "little") + bytes([0x55] * 32) + root
header += (1_800_000_000).to_bytes(4, "little") + (0x1E00FFFF).to_bytes(4, "little") + (42).to_bytes(4, "little")
show("coinbase", coinbase)
show("commitments", commitments)
show("merkle_root", root)
show("header", header)
show("block", header + b"\3" + coinbase + commitments + transaction)
show("block_id", sha256d(header))

# Coins, as undo data keeps them: amount, address, height, whether a coinbase made it.
coin = varint(500_000_000) + address + varint(65_536) + b"\1"
show("coin", coin)
show("undo", listed([coin, varint(0) + bytes([0x44] * 32) + varint(1) + b"\0"]))


# A history of four blocks of these headers' ids, works and times, and the proof of the third.
def node(hash, work, first, last):
    return hash + work.to_bytes(32, "big") + first.to_bytes(4, "little") + last.to_bytes(4, "little")


def zigzag(number):
    return varint(number * 2 if number >= 0 else -number * 2 - 1)


def subtree(hash, work, gap, duration):
    return hash + varbytes(work.to_bytes(32, "big").lstrip(b"\0")) + zigzag(gap) + zigzag(duration)


times = [1_000, 1_060, 1_050, 1_200]
third_header = header[:68] + times[2].to_bytes(4, "little") + header[72:]
ids = [bytes([0x80] * 32), bytes([0x81] * 32), sha256d(third_header), bytes([0x83] * 32)]
works = [3, 300, (1 << 256) // ((0xFFFF << 216) + 1), 5]
left = [node(ids[height], works[height], times[height], times[height]) for height in (0, 1)]
pair = tagged("qbtc/history/node", left[0] + left[1])
third = node(ids[2], works[2], times[2], times[2])
peaks = varint(3) + listed([node(pair, 303, 1_000, 1_060), third])
show("peaks", peaks)
show("chain_state", ids[2] + peaks)
proof = [subtree(pair, 303, 1_000, 60), subtree(ids[3], 5, 150, 0)]
show("block_proof", varint(2) + third_header + listed(proof))
show("merkle_proof", varint(2) + listed([txid, sha256d(sha256d(coinbase) + sha256d(commitments))]))

# What wallets pass around: a partial transaction of which one alternative is chosen, and a signed message.
chosen = listed(second) + listed([leaves[0], leaves[2]]) + listed([varint(0) + listed([])])
partial = chain_id + body + listed(spent) + listed([b"\1" + chosen, b"\0"])
show("partial", b"qbtcptx\1" + partial)
show("message_proof", b"qbtcmsg\1" + witness(first, [bytes(32)], [varint(0) + signature(3, 4627)]))
