"""How a `pa.RecordBatch` travels between workers: as one Arrow IPC stream.

Without a coder of its own Beam pickles a batch, and a pickled slice drags the
whole batch that it was cut from. Importing this module registers the coder; every
PCollection of batches must also be typed, or Beam falls back to pickling.
"""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import pyarrow as pa


class RecordBatchCoder(beam.coders.Coder):
    """Encodes a record batch with its schema and metadata.

    The bytes hold one schema message and one batch message; dictionaries of
    dictionary-encoded columns travel whole.
    """

    def encode(self, value: pa.RecordBatch) -> bytes:
        """Return the batch as an Arrow IPC stream."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_batch(value)
        return bytes(sink.getvalue())

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        """Return the batch that `encode` was given."""
        with pa.ipc.open_stream(encoded) as reader:
            return reader.read_next_batch()

    def is_deterministic(self) -> bool:
        """Return False: equal batches may differ in padding, so they are no keys."""
        return False

    def estimate_size(self, value: pa.RecordBatch) -> int:
        """Return about how many bytes the encoded batch has."""
        return int(value.get_total_buffer_size())

    def to_type_hint(self) -> Any:
        """Return the type that this coder is for."""
        return pa.RecordBatch

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


beam.coders.registry.register_coder(pa.RecordBatch, RecordBatchCoder)
