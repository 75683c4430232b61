"""Nobody can show one id as in and as out, however dishonestly the tree was built."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from consentfilter.lineage import proof, verifier
from consentfilter.lineage.verifier import Manifest, Refused
from tests.lineage import reference_tree

KEY = bytes(range(32))
FIELDS = ("keep", "OK_CONSENT", "00" * 32, "data/a.parquet", "0")
DEPTH = 3


def entry(record: str) -> bytes:
    return reference_tree.entry(KEY, b"record/v1", [record, *FIELDS])


def in_proof(record: str, page: bytes, siblings: list[bytes]) -> dict[str, Any]:
    salt = reference_tree.token(KEY, b"record/v1", record)[16:]
    names = verifier.BODY_FIELDS["records"]
    fields = dict(zip(names, [record, *FIELDS], strict=True))
    return {
        **out_proof(record, page, siblings),
        "kind": "in",
        "salt": salt.hex(),
        "fields": fields,
    }


def out_proof(record: str, page: bytes, siblings: list[bytes]) -> dict[str, Any]:
    return {
        "scheme": verifier.SCHEME,
        "set": "records",
        "kind": "out",
        "path": entry(record)[:16].hex(),
        "page": [page[at : at + 48].hex() for at in range(0, len(page), 48)],
        "siblings": [sibling.hex() for sibling in siblings],
    }


def signed(root: bytes, depth: int) -> Manifest:
    """What a dishonest signer could sign: any root, any depth."""
    one = {"root": root.hex(), "entries": "0", "pageBits": str(depth)}
    key = verifier.key_commitment(KEY)
    commitments = {"records": one, "subjects": one, "keyCommitment": key}
    return Manifest("valid", None, "", b"", {"commitments": commitments}, "")


def honest(records: list[str]) -> list[bytes]:
    pages: list[list[bytes]] = [[] for _ in range(2**DEPTH)]
    for record in records:
        pages[entry(record)[0] >> (8 - DEPTH)].append(entry(record))
    return [b"".join(sorted(page)) for page in pages]


def unsorted_pages(pages: list[bytes], draw: random.Random) -> list[bytes]:
    shuffled = []
    for page in pages:
        entries = [page[at : at + 48] for at in range(0, len(page), 48)]
        draw.shuffle(entries)
        shuffled.append(b"".join(entries))
    return shuffled


def wrong_pages(pages: list[bytes], draw: random.Random) -> list[bytes]:
    """Each entry also, or only, in some other page."""
    moved = list(pages)
    for page in pages:
        for at in range(0, len(page), 48):
            to = draw.randrange(len(moved))
            moved[to] = b"".join(sorted([moved[to], page[at : at + 48]]))
    return moved


def rotated_pages(pages: list[bytes], draw: random.Random) -> list[bytes]:
    return pages[1:] + pages[:1]


def doubled_pages(pages: list[bytes], draw: random.Random) -> list[bytes]:
    return [page + page for page in pages]


def hidden_entries(pages: list[bytes], draw: random.Random) -> list[bytes]:
    """A page whose bytes read differently when they are cut elsewhere."""
    return [page[24:] + page[:24] for page in pages]


def half_hidden(pages: list[bytes], draw: random.Random) -> list[bytes]:
    """Every second page is another tree's node, hashed as if it were a page."""
    node = hashlib.sha256(b"x").digest()
    return [page if at % 2 else node + node for at, page in enumerate(pages)]


DISHONEST: dict[str, Callable[[list[bytes], random.Random], list[bytes]]] = {
    "honest": lambda pages, draw: pages,
    "unsorted": unsorted_pages,
    "wrong pages": wrong_pages,
    "rotated": rotated_pages,
    "doubled": doubled_pages,
    "cut elsewhere": hidden_entries,
    "nodes as pages": half_hidden,
}


def every_way(pages: list[bytes], record: str) -> list[dict[str, Any]]:
    """All proofs an attacker can hope for: any page, any order, any way up."""
    ways = []
    present = {page[at : at + 48] for page in pages for at in range(0, len(page), 48)}
    for number, page in enumerate(pages):
        siblings = reference_tree.inclusion(number, pages)
        entries = [page[at : at + 48] for at in range(0, len(page), 48)]
        versions = {page, b"".join(sorted(entries)), b"".join(sorted(set(entries)))}
        versions |= {b"".join(e for e in entries if e != entry(record))}
        versions |= {b"".join(sorted([*entries, entry(record)]))}
        for version, up in itertools.product(
            versions, (siblings, siblings[:-1], siblings[1:], [*siblings, b"\0" * 32])
        ):
            ways += [in_proof(record, version, up), out_proof(record, version, up)]
    assert present
    return ways


def accepted(manifest: Manifest, ways: list[dict[str, Any]]) -> set[str]:
    kinds = set()
    for way in ways:
        try:
            kinds.add(verifier.check_proof(proof.proof_json(way), manifest).kind)
        except Refused:
            continue
    return kinds


@pytest.mark.parametrize("name", DISHONEST)
@pytest.mark.parametrize("depth", [DEPTH - 1, DEPTH, DEPTH + 1])
def test_no_id_is_both_in_and_out(name: str, depth: int) -> None:
    records = [f"r{n}" for n in range(40)]
    pages = DISHONEST[name](honest(records), random.Random(name))
    manifest = signed(reference_tree.merkle(pages), depth)
    seen: set[str] = set()
    for record in [*records[:12], "absent-1", "absent-2", "absent-3"]:
        kinds = accepted(manifest, every_way(pages, record))
        assert len(kinds) <= 1, f"{record} verifies as {kinds}"
        seen |= kinds
    if name == "honest":
        assert seen == ({"in", "out"} if depth == DEPTH else set())


def test_an_honest_tree_answers_for_every_id() -> None:
    records = [f"r{n}" for n in range(40)]
    pages = honest(records)
    manifest = signed(reference_tree.merkle(pages), DEPTH)
    for record in records:
        assert accepted(manifest, every_way(pages, record)) == {"in"}
    for record in ("absent-1", "absent-2"):
        assert accepted(manifest, every_way(pages, record)) == {"out"}
