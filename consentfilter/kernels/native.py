"""The compiled library: finding it, and handing it Arrow arrays.

`library()` is None where there is none; callers then take the twin. ctypes releases
the interpreter's lock during a call, so that workers run side by side.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

#: Where the build leaves the library.
PATH: Final = Path(__file__).with_name("_kernels.so")
#: Set (to anything): the twins are used although the library is there.
SWITCH: Final = "CONSENTFILTER_NO_KERNELS"

#: Must equal what `cf_start` returns; counted up with every change of a signature.
_VERSION: Final = 2
_TEXT32, _TEXT64, _INTEGER, _HEX, _DICTIONARY = range(5)


class _Column(ctypes.Structure):
    """`column` of `columns.h`."""

    _fields_ = (
        ("kind", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("values", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("codes", ctypes.c_void_p),
        ("valid", ctypes.c_void_p),
        ("valid_at", ctypes.c_int64),
    )


_Pointer, _Size = ctypes.c_void_p, ctypes.c_int64
_SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "cf_digest_rows": (
        ctypes.c_int,
        (_Pointer, ctypes.c_int32, _Size, _Pointer, _Size, _Pointer),
    ),
    "cf_netstrings": (
        ctypes.c_int,
        (_Pointer, ctypes.c_int32, _Size, _Pointer, _Pointer),
    ),
    "cf_digest_slices": (
        ctypes.c_int,
        (ctypes.c_char_p, _Size, *[_Pointer] * 2, _Size, _Pointer),
    ),
    "cf_same_texts": (None, (*[_Pointer] * 4, _Size, _Pointer)),
    "cf_hmac": (
        ctypes.c_int,
        (ctypes.c_char_p, ctypes.c_char_p, _Size, _Pointer, _Size, _Pointer),
    ),
    "cf_seed": (ctypes.c_uint64, (ctypes.c_uint64,)),
    "cf_hash": (ctypes.c_uint64, (ctypes.c_char_p, _Size)),
    "cf_hash_texts": (None, (_Pointer, _Size, _Pointer)),
    "cf_fill_table": (
        None,
        (_Pointer, ctypes.c_uint64, ctypes.c_int32, _Pointer, _Size),
    ),
    "cf_find": (
        None,
        (_Pointer, ctypes.c_uint64, ctypes.c_int32, *[_Pointer] * 2, _Size, _Pointer),
    ),
    "cf_take_sizes": (
        _Size,
        (_Pointer, _Size, _Pointer, _Size, *[_Pointer] * 3),
    ),
    "cf_take_bytes": (None, (_Pointer, _Pointer, _Size, _Pointer)),
    "cf_subject_keys": (
        _Size,
        (
            *(_Pointer, _Size, ctypes.c_char_p, _Size, ctypes.c_int32),
            *(_Pointer, _Size, *[_Pointer] * 3),
        ),
    ),
}


def _load(path: Path) -> tuple[ctypes.CDLL | None, str]:
    """Return the library, or None and why there is none."""
    if SWITCH in os.environ:
        return None, f"switched off by {SWITCH}"
    if not path.exists():
        return None, "no C compiler was at hand when the package was built"
    try:
        loaded = ctypes.CDLL(os.fspath(path))
        if loaded.cf_start(1) != _VERSION:
            return None, f"{path.name} is of another version; install the package again"
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
        loaded.cf_seed(int.from_bytes(os.urandom(8)))
    except (OSError, AttributeError) as problem:
        return None, f"{path.name} cannot be loaded ({problem})"
    return loaded, ""


_library, _why_not = _load(PATH)


def library() -> ctypes.CDLL | None:
    """Return the compiled library, None where callers must take the twin."""
    return _library


def why_not() -> str:
    """Return why there is no library; empty where there is one."""
    return _why_not


@contextlib.contextmanager
def without_library() -> Iterator[None]:
    """Take the twins while the block runs: for tests, which compare both."""
    global _library, _why_not
    kept = _library, _why_not
    _library, _why_not = None, "switched off"
    try:
        yield
    finally:
        _library, _why_not = kept


def address(values: npt.NDArray[Any]) -> int:
    """Return where a contiguous array lies; the caller keeps it alive."""
    assert values.flags.c_contiguous
    return int(values.ctypes.data)


class Columns:
    """Arrow arrays as the library takes them; keeps them alive.

    Text (`string`, `large_string`, `binary`, `large_binary`), `int64`, fixed-size
    bytes, and dictionaries of text with int32 codes.
    """

    def __init__(self, arrays: Sequence[pa.Array]) -> None:
        self._kept = [_plain(array) for array in arrays]
        self._columns = (_Column * len(self._kept))(*map(_column, self._kept))
        self.count = len(self._kept)

    @property
    def pointer(self) -> int:
        """Where the columns are described."""
        return ctypes.addressof(self._columns)


def _plain(array: pa.Array) -> pa.Array:
    """Return a dictionary's texts with 64-bit offsets, from their first on."""
    if not isinstance(array, pa.DictionaryArray):
        return array
    texts = array.dictionary.cast(pa.large_string())
    if texts.offset:
        texts = pa.concat_arrays([texts])
    codes = array.indices.cast(pa.int32())
    return pa.DictionaryArray.from_arrays(codes, texts, safe=False)


def _column(array: pa.Array) -> _Column:
    at = array.offset
    kind = array.type
    made = _Column(valid_at=at)
    source = array
    if isinstance(array, pa.DictionaryArray):
        source = array.dictionary
        at = 0
    buffers = source.buffers()
    if array.null_count:
        validity = array.indices if source is not array else array
        made.valid = validity.buffers()[0].address
        made.valid_at = validity.offset
    if source is not array:
        codes = array.indices
        made.kind = _DICTIONARY
        made.codes = codes.buffers()[1].address + 4 * codes.offset
        made.offsets, made.values = _address(buffers[1]), _address(buffers[2])
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        made.kind = _TEXT32
        made.offsets = _address(buffers[1]) + 4 * at
        made.values = _address(buffers[2])
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        made.kind = _TEXT64
        made.offsets = _address(buffers[1]) + 8 * at
        made.values = _address(buffers[2])
    elif pa.types.is_int64(kind):
        made.kind = _INTEGER
        made.values = _address(buffers[1]) + 8 * at
    elif pa.types.is_fixed_size_binary(kind):
        made.kind = _HEX
        made.width = kind.byte_width
        made.values = _address(buffers[1]) + kind.byte_width * at
    else:
        raise TypeError(f"{kind}: no column of the compiled library")
    return made


def _address(buffer: pa.Buffer | None) -> int:
    return 0 if buffer is None else int(buffer.address)


def refuse_failure(status: int) -> None:
    """Raise MemoryError where a call found no memory."""
    if status:
        raise MemoryError("no memory for a row's text")


def digests(rows: int) -> npt.NDArray[np.uint8]:
    """Return room for so many SHA-256 digests, shape (rows, 32)."""
    return np.empty((rows, 32), np.uint8)
