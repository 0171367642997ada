"""A verifier of C2SP transparency logs, from their specifications alone: tiles, checkpoints, proofs (RFC 6962 §2.1)."""

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(root(hashes[:split]), root(hashes[split:]))


def root_by_path(leaf, index, size, path):
    """The root that an inclusion path leads to (RFC 9162 §2.1.3.2); None for a path of the wrong length."""
    if index >= size:
        return None
    at, last, hash = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            hash = node_hash(sibling, hash)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            hash = node_hash(hash, sibling)
        at >>= 1
        last >>= 1
    return hash if last == 0 else None


def verify_note(note, vkey):
    """Checks the log's Ed25519 signature of a signed note and returns its text."""
    name, key_id, key = vkey.split("+", 2)
    public = base64.b64decode(key)
    assert public[0] == 1 and len(public) == 33, "an Ed25519 key is expected"
    assert key_id == hashlib.sha256(name.encode() + b"\n" + public).digest()[:4].hex()
    text, signatures = note.split("\n\n", 1)
    text += "\n"
    mine = [line for line in signatures.splitlines() if line.startswith(f"\u2014 {name} ")]
    assert mine, f"no signature by {name}"
    signature = base64.b64decode(mine[0].split(" ")[2])
    assert signature[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], text.encode())
    return text


def checkpoint(note, vkey):
    """Origin, size and root hash of a signed checkpoint."""
    origin, size, root_hash, *_ = verify_note(note, vkey).splitlines()
    assert origin == vkey.split("+")[0]
    return origin, int(size), base64.b64decode(root_hash)


def tile_name(index, width=WIDTH):
    groups = []
    while True:
        groups.insert(0, f"{index % 1000:03}" if not groups else f"x{index % 1000:03}")
        index //= 1000
        if not index:
            break
    return "/".join(groups) + (f".p/{width}" if width < WIDTH else "")


def tiles(fetch, size, kind):
    """The bytes of all tiles of one kind (`0`, `entries`) with their widths."""
    for index in range(-(-size // WIDTH)):
        width = min(WIDTH, size - index * WIDTH)
        yield fetch(f"tile/{kind}/{tile_name(index, width)}"), width


def entries(fetch, size):
    found = []
    for data, width in tiles(fetch, size, "entries"):
        at, count = 0, 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 2], "big")
            found.append(data[at + 2 : at + 2 + length])
            at += 2 + length
            count += 1
        assert count == width and at == len(data)
    return found


def hashes(fetch, size):
    found = []
    for data, width in tiles(fetch, size, "0"):
        assert len(data) == 32 * width
        found += [data[at : at + 32] for at in range(0, len(data), 32)]
    return found


def bundle(text):
    """Index, path and checkpoint of a `.tlog-proof`."""
    head, note = text.split("\n\n", 1)
    first, *lines = head.splitlines()
    assert first == "c2sp.org/tlog-proof@v1"
    if lines[0].startswith("extra "):
        lines.pop(0)
    assert lines[0].startswith("index ")
    return int(lines[0][6:]), [base64.b64decode(line) for line in lines[1:]], note
