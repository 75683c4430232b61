"""Make a proof: one page, its way to the signed root, and, for `in`, the entry opened.

Example of a proof that a record is out (an `in` proof has `salt` and `fields` too)::

    {"scheme": "prefix-pages-sha256/v1", "set": "records", "kind": "out",
     "path": "5d41402abc4b2a76b9719d911017c592",
     "page": ["5d3f…", "5d52…"], "siblings": ["9b1c…"]}
"""

from __future__ import annotations

import json
from typing import Any, Literal

from consentfilter.errors import EvidenceError
from consentfilter.lineage import lookup, verifier
from consentfilter.lineage.opened import OpenedRelease

SetName = Literal["records", "subjects"]


def prove(
    release: OpenedRelease, set_name: SetName, identity: str, *, is_opened: bool = False
) -> dict[str, Any]:
    """Return the proof that a record or a subject is in or out of a release.

    Args:
        release: with `private/` at hand.
        set_name: `records` or `subjects`.
        identity: the record id or the subject key, as text.
        is_opened: include `id` and `token`, so that an auditor who has the release
            key can attest that the path is that of the id.

    Raises:
        InputError: `private/` is not at hand.
        EvidenceError: the evidence does not lead to the signed root.
    """
    token = verifier.token(release.key(), set_name, identity)
    path, salt = token[: verifier.PATH_BYTES], token[verifier.PATH_BYTES :]
    page = lookup.read_page(release, set_name, path)
    at = next((n for n, each in enumerate(page.entries) if each.startswith(path)), None)
    proof: dict[str, Any] = {
        "scheme": verifier.SCHEME,
        "set": set_name,
        "kind": "out" if at is None else "in",
        "path": path.hex(),
        "page": [entry.hex() for entry in page.entries],
        "siblings": [sibling.hex() for sibling in page.siblings],
    }
    if at is not None:
        proof["salt"] = salt.hex()
        proof["fields"] = _fields(release, set_name, page.table.slice(at, 1))
    if is_opened:
        proof |= {"id": identity, "token": token.hex()}
    try:
        verifier.check_proof(proof_json(proof), release.manifest, release.key())
    except verifier.Refused as refused:
        raise EvidenceError(
            [
                f"{release.root}: the evidence does not fit the manifest: {problem}; "
                "`consentfilter verify` says what was changed"
                for problem in refused.problems
            ]
        ) from refused
    return proof


def proof_json(proof: dict[str, Any]) -> bytes:
    """Return the bytes of a proof file: JSON for people to look at."""
    return (json.dumps(proof, ensure_ascii=False, indent=1) + "\n").encode(
        "utf-8", "surrogatepass"
    )


def _fields(release: OpenedRelease, set_name: SetName, row: Any) -> dict[str, str]:
    found = row.to_pylist()[0]
    if set_name == "subjects":
        return {
            "subject_key": found["subject_key"],
            "rows_admitted": str(found["rows_admitted"]),
            "rows_dropped": str(found["rows_dropped"]),
            "paths_sha256": found["paths_sha256"].hex(),
        }
    record = lookup.ledger_row(
        release, found["part"], found["row"], list(lookup.PROOF_COLUMNS)
    )
    return {
        "record_id": record["record_id"],
        "decision": record["decision"],
        "reason": record["reason"],
        "content_sha256": (record["content_sha256"] or b"").hex(),
        "data_path": f"data/{record['part']}",
        "out_row": str(record["out_row"]),
    }
