r"""Subject keys: the one normal form of an id, on records and on consent alike.

A subject is a pair (namespace, id). Its key is the text `namespace 0x1F id` after
normalisation, or `HMAC-SHA256(key, namespace 0x1F id)` in hex where ids are keyed.
Normalisation merges what is the same person and nothing more: integers become
decimal text (never through a float), text becomes NFC and loses the white space
around it, the namespace `email` is also case-folded. Placeholders such as `null`
or `unknown` name nobody, so they never join. There is no homoglyph or NFKC folding:
that would merge different people.

>>> normalise_ids("user_id", pa.array([7, 9007199254740993])).to_pylist()
['user_id\x1f7', 'user_id\x1f9007199254740993']
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.errors import InputError
from consentfilter.kernels import native, strings

#: Stands between namespace and id in a key; a namespace may not contain it.
SEPARATOR: Final = "\x1f"
DEFAULT_NAMESPACE: Final = "user_id"
#: The namespace whose ids are compared without regard to case.
EMAIL_NAMESPACE: Final = "email"
#: Ids that name nobody, compared without regard to case after stripping.
PLACEHOLDERS: Final = ("", "null", "none", "nan", "n/a", "unknown", "anonymous")
#: Shorter keys could be found by trying.
MIN_KEY_BYTES: Final = 16

_LONGEST_PLACEHOLDER: Final = max(map(len, PLACEHOLDERS))
_NOBODY: Final = pa.array(PLACEHOLDERS)
#: What 32-bit offsets reach.
_MOST_BYTES: Final = 2**31 - 1
_FINGERPRINT_LABEL: Final = b"consentfilter id-key fingerprint"


def normalise_ids(
    ns: pa.Array | pa.ChunkedArray | str,
    ids: pa.Array | pa.ChunkedArray,
    *,
    key: bytes | None = None,
) -> pa.Array:
    """Return the subject key of each id, null where nobody is named.

    Args:
        ns: the namespace of all ids, or one per id (text, also dictionary-encoded).
            Stripped; null and blank mean `user_id`.
        ids: text (any Arrow string type, dictionary-encoded too), integers,
            decimals of scale 0, or the null type. Null and placeholders give null,
            and so does text that is not valid UTF-8: it can match nobody.
        key: keys the result by HMAC-SHA256; None leaves it readable.

    Returns:
        `pa.string()`, as long as `ids`: `ns 0x1F id`, or 64 hex digits when keyed.

    Raises:
        InputError: the ids are of another type (a float cannot hold an id, a
            boolean or a time is none), or a namespace contains 0x1F.
        ValueError: `ns` is an array of another length than `ids`.
    """
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    if isinstance(ns, pa.ChunkedArray):
        ns = ns.combine_chunks()
    if not isinstance(ns, str) and len(ns) != len(ids):
        raise ValueError(f"{len(ns)} namespaces for {len(ids)} ids")
    if isinstance(ns, str):
        only = _namespace(ns)
        keys = _compiled(only, ids)
        if keys is None:
            keys = _join(pa.scalar(only), _text(ids, only == EMAIL_NAMESPACE))
    else:
        keys = _normalise_mixed(ns, ids)
    return keys if key is None else _keyed(keys, key)


def normalise_namespaces(ns: pa.Array) -> pa.Array:
    """Return namespaces as they stand in keys: stripped, NFC, `user_id` for none.

    Raises:
        InputError: a namespace contains 0x1F, or the column is not text.
    """
    encoded = _encoded(ns, "a namespace")
    names = [_namespace(name) for name in encoded.dictionary.to_pylist()]
    names.append(DEFAULT_NAMESPACE)
    at = pc.fill_null(encoded.indices, len(names) - 1)
    return pa.array(names, pa.string()).take(at)


def key_fingerprint(key: bytes) -> str:
    """Return 16 hex digits that tell keys apart and say nothing else about them."""
    return hmac.digest(key, _FINGERPRINT_LABEL, "sha256").hex()[:16]


def read_key(path: str | Path) -> bytes:
    """Read an id key: the bytes of the file as they are.

    Raises:
        InputError: the file cannot be read, or holds fewer than 16 bytes.
    """
    try:
        key = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the id key cannot be read ({error.strerror}); give a file "
            f"of at least {MIN_KEY_BYTES} random bytes"
        ) from error
    if len(key) < MIN_KEY_BYTES:
        raise InputError(
            f"{path}: the id key has {len(key)} bytes, at least {MIN_KEY_BYTES} are "
            "needed; make one with `head -c 32 /dev/urandom > FILE`"
        )
    return key


def _namespace(name: str | None) -> str:
    if name is not None and SEPARATOR in name:
        raise InputError(
            f"subject namespace {name!r} contains the character 0x1F, which "
            "separates namespace and id; rename the namespace"
        )
    return unicodedata.normalize("NFC", name or "").strip() or DEFAULT_NAMESPACE


def _normalise_mixed(ns: pa.Array, ids: pa.Array) -> pa.Array:
    """Normalise ids whose namespaces differ from row to row."""
    spaces = normalise_namespaces(ns)
    is_email = pc.equal(spaces, EMAIL_NAMESPACE)
    if pc.any(is_email).as_py() is not True:
        return _join(spaces, _text(ids, is_email=False))
    plain = _text(ids, is_email=False)
    folded = _text(ids.filter(is_email), is_email=True)
    return _join(spaces, pc.replace_with_mask(plain, is_email, folded))


def _compiled(namespace: str, ids: pa.Array) -> pa.Array | None:
    """Return the keys of ASCII text by the library; None for the twin, `_join`."""
    library = native.library()
    if library is None or not strings.is_plain(ids.type):
        return None
    rows, lead = len(ids), (namespace + SEPARATOR).encode()
    room = rows * len(lead) + strings.size(ids)
    if room > _MOST_BYTES:
        return None
    offsets, valid = strings.layout(rows)
    data = np.empty(room, np.uint8)
    given, nobody = strings.texts(ids), strings.texts(_NOBODY)
    size = library.cf_subject_keys(
        given.pointer,
        rows,
        lead,
        len(lead),
        namespace == EMAIL_NAMESPACE,
        nobody.pointer,
        len(_NOBODY),
        native.address(offsets),
        native.address(valid),
        native.address(data),
    )
    return None if size < 0 else strings.made(rows, valid, offsets, data[:size])


def _join(spaces: pa.Array | pa.Scalar, texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(
        spaces, texts, SEPARATOR, null_handling="emit_null"
    )


def _text(ids: pa.Array, is_email: bool) -> pa.Array:
    """Return ids of any accepted type as normalised text, null for nobody."""
    kind = ids.type
    if pa.types.is_null(kind):
        return pa.nulls(len(ids), pa.string())
    if pa.types.is_dictionary(kind):
        return _text(ids.dictionary, is_email).take(ids.indices)
    if pa.types.is_integer(kind):
        return ids.cast(pa.string())
    if pa.types.is_decimal(kind) and kind.scale == 0:
        return ids.cast(pa.string())
    if is_text(kind):
        return _strings(_as_utf8(ids), is_email)
    raise InputError(
        f"subject ids are of type {kind}, wanted text or integers; "
        + (
            "a float cannot hold an id exactly: write the ids as integers or text"
            if pa.types.is_floating(kind)
            else "bind the column that holds the id, or cast it to text"
        )
    )


def is_text(kind: pa.DataType) -> bool:
    """Tell whether an Arrow type is a string type (plain, large or view)."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def _strings(texts: pa.Array, is_email: bool) -> pa.Array:
    """Normalise `pa.string()` values; the costly forms only where needed."""
    if is_ascii(texts):
        return _narrow_strings(texts, is_email)
    wide = pc.fill_null(pc.invert(pc.string_is_ascii(texts)), False)
    out = _narrow_strings(texts, is_email)
    return pc.replace_with_mask(out, wide, _wide_strings(texts.filter(wide), is_email))


def _narrow_strings(texts: pa.Array, is_email: bool) -> pa.Array:
    """Normalise ASCII text (what is not ASCII comes out unfinished)."""
    out = pc.utf8_trim_whitespace(texts)
    return _without_placeholders(pc.ascii_lower(out) if is_email else out)


def _wide_strings(texts: pa.Array, is_email: bool) -> pa.Array:
    """Normalise text beyond ASCII, each distinct value once.

    Not `pc.utf8_normalize`: its NFC leaves decomposed text decomposed.
    """
    encoded = texts.dictionary_encode()
    normal = _folded if is_email else _composed
    distinct = pa.array(map(normal, encoded.dictionary.to_pylist()), pa.string())
    return _without_placeholders(distinct).take(encoded.indices)


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _folded(text: str) -> str:
    """Fold case completely; both NFC and NFD spellings fold to one text."""
    decomposed = unicodedata.normalize("NFD", text.strip())
    return unicodedata.normalize("NFC", decomposed.casefold())


def _without_placeholders(texts: pa.Array) -> pa.Array:
    """Turn placeholders into null; looks closer only at what may be one.

    No placeholder is long, or ends with a digit as most ids do.
    """
    sizes = pc.fill_null(pc.binary_length(texts), 0).to_numpy()
    at = np.flatnonzero(sizes <= _LONGEST_PLACEHOLDER + 2)
    _, starts, data = texts.buffers()
    if len(at) and data is not None and data.size:
        ends = np.frombuffer(starts, np.int32)[texts.offset + at + 1]
        last = np.frombuffer(data, np.uint8)[np.maximum(ends - 1, 0)]
        at = at[(sizes[at] == 0) | (last < ord("0")) | (last > ord("9"))]
    if not len(at):
        return texts
    short = pc.utf8_lower(texts.take(pa.array(at)))
    nobody = pc.is_in(short, value_set=_NOBODY)
    nobody_at = at[nobody.to_numpy(zero_copy_only=False)]
    if not len(nobody_at):
        return texts
    mask = np.zeros(len(texts), bool)
    mask[nobody_at] = True
    return pc.if_else(pa.array(mask), None, texts)


def is_ascii(texts: pa.Array) -> bool:
    """Tell whether a `pa.string()` array holds ASCII only; looks at whole buffers."""
    data = texts.buffers()[2]
    if data is None or not len(texts):
        return True
    offsets = np.frombuffer(texts.buffers()[1], np.int32)
    start = int(offsets[texts.offset])
    stop = int(offsets[texts.offset + len(texts)])
    if start == stop:
        return True
    return bool(np.frombuffer(data, np.uint8)[start:stop].max() < 0x80)


def _as_utf8(texts: pa.Array) -> pa.Array:
    """Return text as `pa.string()` that is valid UTF-8; null where it was not."""
    texts = texts.cast(pa.string())
    if is_ascii(texts):
        return texts
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        encoded = texts.cast(pa.binary()).dictionary_encode()
        valid = [_decoded(raw) for raw in encoded.dictionary.to_pylist()]
        return pa.array(valid, pa.string()).take(encoded.indices)
    return texts


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _encoded(values: pa.Array, what: str) -> pa.DictionaryArray:
    """Dictionary-encode a text column."""
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), pa.string()).dictionary_encode()
    if pa.types.is_dictionary(values.type) and is_text(values.type.value_type):
        dictionary = values.dictionary.cast(pa.string())
        return pa.DictionaryArray.from_arrays(values.indices, dictionary)
    if is_text(values.type):
        return values.cast(pa.string()).dictionary_encode()
    raise InputError(f"{what} is of type {values.type}, wanted text")


def _keyed(keys: pa.Array, key: bytes) -> pa.Array:
    """Replace readable keys by their HMAC, each distinct key once."""
    encoded = keys.dictionary_encode()
    digests = [
        hmac.digest(key, text.encode(), hashlib.sha256).hex()
        for text in encoded.dictionary.to_pylist()
    ]
    return pa.array(digests, pa.string()).take(encoded.indices)
