"""Keyed pseudonyms: of constant form, the same within a release, to nobody else.

HMAC-SHA256 under the release key, over a label and what is replaced, cut to 64
(mentions) or 128 bits (fields). Without the release key, which is private, neither
the value nor a link to another release can be found from a pseudonym.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

MENTION_LABEL: Final = b"consentfilter/mention/v1\x00"
FIELD_LABEL: Final = b"consentfilter/field/v1\x00"
#: Characters of a mention's pseudonym: `@p_` and 16 hex digits.
MENTION_SIZE: Final = 19
#: The namespace of a pseudonymised mention.
NAMESPACE: Final = "pseudonym"


def mention_pseudonyms(keys: pa.Array, ids: pa.Array, release_key: bytes) -> pa.Array:
    """Return `@p_` and 16 hex digits per mention.

    Args:
        keys: subject key per mention; where it is null
        ids: the id as written stands in for it (nothing at all for a null id).
        release_key: the release's key.
    """
    spoken = pc.coalesce(keys, ids, "")
    encoded = spoken.dictionary_encode()
    names = [
        "@p_" + _hmac(release_key, MENTION_LABEL + text.encode())[:16]
        for text in encoded.dictionary.to_pylist()
    ]
    return pa.array(names, pa.string()).take(encoded.indices)


def field_pseudonyms(name: str, texts: pa.Array, release_key: bytes) -> pa.Array:
    """Return `p_` and 32 hex digits per value of a column, null for null.

    The same value has the same pseudonym in one column and another in the next.

    Args:
        name: the column.
        texts: `pa.string()` values.
        release_key: the release's key.
    """
    label = FIELD_LABEL + name.encode() + b"\x00"
    encoded = texts.dictionary_encode()
    names = [
        "p_" + _hmac(release_key, label + text.encode())[:32]
        for text in encoded.dictionary.to_pylist()
    ]
    return pa.array(names, pa.string()).take(encoded.indices)


def _hmac(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, hashlib.sha256).hex()
