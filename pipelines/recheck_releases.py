"""Which rows of many releases may no longer be used under newer consent.

python -m pipelines.recheck_releases --releases r/2026-05 r/2026-06 \
    --consent snapshot.parquet --out removals/ [BEAM OPTIONS]

Writes one removal list (Parquet) per release that has any, under its base name.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import apache_beam as beam
import pyarrow.parquet as pq

from consentfilter.engine.beam.runners import pipeline_options
from consentfilter.lineage.opened import open_release
from consentfilter.report.recheck import recheck
from pipelines.arguments import add_consent, parser_of, pipeline_of


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the pipeline that the arguments describe."""
    parser = parser_of(__doc__)
    parser.add_argument("--releases", nargs="+", required=True)
    parser.add_argument("--out", required=True)
    add_consent(parser)
    said, beam_arguments = parser.parse_known_args(arguments)
    options = {
        "dataset": said.dataset,
        "subjects": said.subjects,
        "links": said.links,
    }
    pathlib.Path(said.out).mkdir(parents=True, exist_ok=True)
    with pipeline_of(pipeline_options(beam_arguments)) as pipeline:
        _ = (
            pipeline
            | "Releases" >> beam.Create(said.releases)
            | "Spread" >> beam.Reshuffle()
            | "Check again" >> beam.Map(check_again, said.consent, options, said.out)
            | "Say so" >> beam.Map(print)
        )


def check_again(
    release: str, consent: Sequence[str], options: dict[str, str | None], out: str
) -> str:
    """Check one release; write its removal list; return what was found as JSON."""
    place = pathlib.Path(release)
    found = recheck(
        open_release(place),
        list(consent),
        dataset=options["dataset"],
        subjects=options["subjects"],
        links=options["links"],
    )
    if found.removals.num_rows:
        target = pathlib.Path(out) / f"{place.name}.parquet"
        temporary = target.with_suffix(".tmp")
        pq.write_table(found.removals, temporary, compression="zstd")
        temporary.replace(target)
    return json.dumps(
        {
            "release": release,
            "rowsToRemove": found.removals.num_rows,
            "byReason": found.by_reason,
        }
    )


if __name__ == "__main__":
    main()
