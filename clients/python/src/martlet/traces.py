"""Traces: what a node's log, which anyone can check, says of a product or a file."""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from martlet.errors import MartletError


class Verdict(enum.Enum):
    """What the log says of a file."""

    GENUINE = "genuine"
    """A trace in the log has this very content."""
    UNKNOWN = "unknown"
    """No trace has this content."""


class ProofError(MartletError):
    """What a node says of its log does not hold: it is broken, or it lies."""


@dataclass(frozen=True)
class Trace:
    """A statement about a product: it was made, it was declared obsolete, and so on."""

    id: str
    event: str
    name: str
    hash: str
    """The digest of the product, in hexadecimal; for a folder that of the list of its files (docs/products.md)."""
    hash_algorithm: str
    timestamp: str
    contents: dict[str, str] = field(repr=False)
    """The digests of its files, by their paths."""
    document: dict[str, Any] = field(repr=False)
    """All of it, as the node has it."""

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Trace:
        """Read a trace from its JSON."""
        product = document["product"]
        return cls(
            id=document["id"],
            event=document["event"],
            name=product["name"],
            hash=product["hash"],
            hash_algorithm=document["hash_algorithm"],
            timestamp=document["timestamp"],
            contents={entry["path"]: entry["hash"] for entry in product.get("contents") or ()},
            document=document,
        )


def digest(path: Path) -> str:
    """The BLAKE3 of a file, or that of a folder as traces have it.

    A folder's is the BLAKE3 of the lines that `b3sum` prints for its files, in the order of their paths as bytes.
    """
    if not path.is_dir():
        return blake3.blake3(max_threads=blake3.blake3.AUTO).update_mmap(path).hexdigest()
    names = {str(file.relative_to(path)): file for file in path.rglob("*") if file.is_file()}
    lines = [f"{digest(names[name])}  {name}\n" for name in sorted(names, key=str.encode)]
    return blake3.blake3("".join(lines).encode()).hexdigest()


def verify_entry(trace: Trace, entry: bytes, bundle: str, vkey: str) -> None:
    """Check that a log holds a trace (C2SP tlog-proof, RFC 9162 §2.1.3.2).

    Args:
        trace: what is to be in the log.
        entry: the log's entry about it.
        bundle: the proof that the entry is in the log, with its signed checkpoint.
        vkey: the log's verifier key, `NAME+ID+KEY`.

    Raises:
        ProofError: if anything does not hold.

    """
    said = json.loads(entry)
    if said.get("id") != trace.id or said.get("hash") != trace.hash:
        raise ProofError("the log's entry is about something else")
    if said.get("message_sha256") != hashlib.sha256(trace.document["signature"]["message"].encode()).hexdigest():
        raise ProofError("the log's entry is about another statement")
    try:
        head, note = bundle.split("\n\n", 1)
        lines = [line for line in head.splitlines() if not line.startswith("extra ")]
        if lines[0] != "c2sp.org/tlog-proof@v1" or not lines[1].startswith("index "):
            raise ProofError("the proof is none that is known here")
        index, path = int(lines[1][6:]), [base64.b64decode(line, validate=True) for line in lines[2:]]
        origin, size, root, *_ = _checked_note(note, vkey).splitlines()
        if origin != vkey.split("+")[0]:
            raise ProofError("the checkpoint is another log's")
        if _root(hashlib.sha256(b"\0" + entry).digest(), index, int(size), path) != base64.b64decode(root):
            raise ProofError("the proof does not lead to the log's checkpoint")
    except (ValueError, IndexError, binascii.Error) as error:
        raise ProofError(f"the proof is malformed: {error}") from error


def _checked_note(note: str, vkey: str) -> str:
    """The text of a signed note (C2SP signed-note), if the log has signed it."""
    name, key_id, key = vkey.strip().split("+", 2)
    public = base64.b64decode(key, validate=True)
    if public[0] != 1 or key_id != hashlib.sha256(f"{name}\n".encode() + public).digest()[:4].hex():
        raise ProofError("the log's key is none of Ed25519, or damaged")
    text, signatures = note.split("\n\n", 1)
    text += "\n"
    for line in signatures.splitlines():
        if line.startswith(f"\u2014 {name} "):
            signature = base64.b64decode(line.split(" ")[2], validate=True)
            try:
                Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], text.encode())
            except InvalidSignature as error:
                raise ProofError("the checkpoint's signature is not that of the log") from error
            return text
    raise ProofError("the log has not signed the checkpoint")


def _root(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion path leads to; None for one of the wrong length."""
    if index >= size:
        return None
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            found = hashlib.sha256(b"\1" + sibling + found).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + sibling).digest()
        at, last = at >> 1, last >> 1
    return found if last == 0 else None
