"""How records meet consent: an index on every worker, or keys that travel."""

from __future__ import annotations

from typing import Final, Literal

from consentfilter.engine.prepare import Deciders

Join = Literal["auto", "broadcast", "keys"]
#: Consent of more bytes is not given to every worker whole.
BROADCAST_BYTES: Final = 1 << 30


def choose(how: Join, deciders: Deciders) -> Literal["broadcast", "keys"]:
    """Return the join: as asked, or by the size of the consent."""
    if how != "auto":
        return how
    tables = (
        deciders.consent.snapshot.statements,
        deciders.consent.subjects,
        deciders.consent.links,
    )
    size = sum(table.nbytes for table in tables if table is not None)
    return "keys" if size > BROADCAST_BYTES else "broadcast"
