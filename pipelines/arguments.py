"""Arguments that several pipelines take."""

from __future__ import annotations

import argparse
import datetime as dt

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that shows a module's docstring as it is written."""
    return argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_consent(parser: argparse.ArgumentParser) -> None:
    """Add where consent lies."""
    parser.add_argument("--consent", nargs="+", required=True)
    parser.add_argument("--dataset", help="how the data is laid out (dataset.yaml)")
    parser.add_argument("--subjects", help="birth dates, places, closed accounts")
    parser.add_argument("--links", help="identities that belong to one person")


def instant(text: str) -> dt.datetime:
    """Read an RFC 3339 instant with an offset."""
    found = dt.datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r}: wanted an offset, such as …Z")
    return found


def pipeline_of(options: PipelineOptions) -> beam.Pipeline:
    """Return a pipeline that runs when its block ends."""
    return beam.Pipeline(options=options)
