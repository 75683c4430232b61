"""Filter a Parquet dump into a release.

python -m pipelines.filter_dump --records s3://dump --consent s3://snapshot.parquet \
    --policy policy.yaml --out s3://release [--sign-key key.pem] [BEAM OPTIONS]
"""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam

from consentfilter.beam import FilterParquet
from consentfilter.engine.beam.runners import pipeline_options
from pipelines.arguments import add_consent, instant, parser_of, pipeline_of


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the pipeline that the arguments describe."""
    parser = parser_of(__doc__)
    parser.add_argument("--records", nargs="+", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--policy", required=True)
    parser.add_argument("--join", choices=("auto", "broadcast", "keys"), default="auto")
    parser.add_argument("--sign-key", help="private key (PEM); without it: not signed")
    parser.add_argument("--as-of", type=instant)
    add_consent(parser)
    said, beam_arguments = parser.parse_known_args(arguments)
    with pipeline_of(pipeline_options(beam_arguments)) as pipeline:
        _ = (
            pipeline
            | "Filter the dump"
            >> FilterParquet(
                said.records,
                said.consent,
                said.policy,
                out=said.out,
                dataset=said.dataset,
                as_of=said.as_of,
                subjects=said.subjects,
                links=said.links,
                sign_key=said.sign_key,
                join=said.join,
            )
            | "Say so" >> beam.Map(lambda digest: print(f"manifest sha256 {digest}"))
        )


if __name__ == "__main__":
    main()
