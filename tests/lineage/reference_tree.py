"""The commitment tree once more, recursively, from the text of the scheme alone."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Sequence


def merkle(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 section 2.1.1: MTH over any number of leaves."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(
        b"\1" + merkle(leaves[:split]) + merkle(leaves[split:])
    ).digest()


def inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 9162 section 2.1.3.1: PATH(m, D_n)."""
    if len(leaves) <= 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*inclusion(index, leaves[:split]), merkle(leaves[split:])]
    return [*inclusion(index - split, leaves[split:]), merkle(leaves[:split])]


def token(key: bytes, label: bytes, identity: str) -> bytes:
    return hmac.new(key, label + b"\0" + identity.encode(), hashlib.sha256).digest()


def entry(key: bytes, label: bytes, fields: Sequence[str]) -> bytes:
    t = token(key, label, fields[0])
    body = b"".join(
        str(len(f.encode())).encode() + b":" + f.encode() + b"," for f in fields
    )
    return t[:16] + hashlib.sha256(t[16:] + body).digest()


def depth(count: int) -> int:
    return max(0, math.ceil(math.log2(count / 64))) if count else 0


def pages(entries: Sequence[bytes]) -> list[bytes]:
    bits = depth(len(entries))
    found: list[list[bytes]] = [[] for _ in range(2**bits)]
    for one in entries:
        prefix = "".join(f"{byte:08b}" for byte in one[:16])[:bits]
        found[int(prefix or "0", 2)].append(one)
    return [b"".join(sorted(page)) for page in found]


def root(entries: Sequence[bytes]) -> str:
    return merkle(pages(entries)).hex()
