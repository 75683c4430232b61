"""Tables as bytes: what is in them, and nothing of what they were cut from.

A pickled slice drags the whole table it was cut from; Arrow IPC writes the slice.
"""

from __future__ import annotations

import pyarrow as pa


def to_bytes(table: pa.Table) -> bytes:
    """Return a table as one Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def from_bytes(content: bytes) -> pa.Table:
    """Return the table that `to_bytes` wrote."""
    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()


def alone(table: pa.Table) -> pa.Table:
    """Return a table that shares no memory with a larger one; itself if it does not."""
    if table.get_total_buffer_size() <= 2 * table.nbytes:
        return table
    return from_bytes(to_bytes(table))
