"""How records meet consent: an index on every worker, or keys that travel."""

from __future__ import annotations

from typing import Any, Literal

from consentfilter.engine.beam.parts import DecideParts
from consentfilter.engine.beam.planning import ReleaseJob

Join = Literal["auto", "broadcast", "keys"]


def steps(job: ReleaseJob, how: Join) -> Any:
    """Return the transform that decides the parts of a job."""
    return DecideParts(job.footers, job.deciding, job.plan)
