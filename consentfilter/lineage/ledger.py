"""The ledger: one row per input record, why it is in or out, and where it went."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

_WORD: Final = pa.dictionary(pa.int32(), pa.string())

#: Columns of `private/ledger/<part>`; row i is the i-th record of the input part.
LEDGER_SCHEMA: Final = pa.schema(
    [
        pa.field("record_id", pa.string()),
        pa.field("decision", _WORD, nullable=False),
        pa.field("reason", _WORD, nullable=False),
        pa.field("redacted", pa.list_(pa.string())),
        pa.field("rule", _WORD),
        pa.field("subject_key", pa.string()),
        pa.field("grant_id", pa.string()),
        pa.field("denial_id", pa.string()),
        pa.field("part", _WORD, nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("out_row", pa.int64()),
        pa.field("content_sha256", pa.binary(32)),
    ]
)

#: What `decision` says.
KEEP: Final = "keep"
REDACT: Final = "redact"
DROP: Final = "drop"
