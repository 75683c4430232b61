"""Taking and comparing texts that are spread over a column of any size."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.kernels import native, strings

#: Offsets of `pa.string()` do not reach further.
_MOST_BYTES: Final = (1 << 31) - 1


def taken(values: pa.Array, positions: npt.NDArray[np.int64]) -> pa.Array:
    """Return the texts at some positions, each taken at most once.

    Args:
        values: `large_string` without nulls; so is the result.
        positions: 0 <= position < len(values).
    """
    if native.library() is None or strings.size(values) > _MOST_BYTES:
        return values.take(pa.array(positions))
    return strings.take(values, positions).cast(pa.large_string())


def same_texts(
    texts: pa.Array, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Tell of each pair of positions whether the same text stands at both.

    Args:
        texts: `large_string` or `large_binary`, without nulls.
        first: positions.
        second: as many of them.
    """
    library = native.library()
    if library is None or not len(first):
        one, other = texts.take(pa.array(first)), texts.take(pa.array(second))
        return np.asarray(pc.equal(one, other).to_numpy(zero_copy_only=False), bool)
    first, second = (np.ascontiguousarray(at, np.int64) for at in (first, second))
    _, offsets, data = texts.buffers()
    same = np.empty(len(first), np.bool_)
    library.cf_same_texts(
        offsets.address + 8 * texts.offset,
        data.address if data is not None else None,
        native.address(first),
        native.address(second),
        len(first),
        native.address(same),
    )
    return same
