"""Which runners are used, and which are refused by name.

Beam's default, `DirectRunner`, first looks for a Prism binary to download, without
a time limit; where this project starts a pipeline it pins `FnApiRunner`, which is
part of the Python SDK. `DaskRunner` ignores tagged outputs: what was dropped would
come out as kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from consentfilter.errors import InputError

DEFAULT_RUNNER: Final = "FnApiRunner"
_DIRECT: Final = ("direct", "directrunner", "switchingdirectrunner")
_DASK: Final = (
    "DaskRunner: refused. It ignores tagged outputs, so dropped rows would come out "
    "as kept; use FnApiRunner, Flink, Dataflow, or consentfilter.spark."
)


def pipeline_options(arguments: Sequence[str]) -> PipelineOptions:
    """Return Beam options with the runner pinned.

    No runner and `DirectRunner` both mean `FnApiRunner`: the same in-process runner
    without the attempt to download another one.

    Raises:
        InputError: the runner cannot be used.
    """
    options = PipelineOptions(list(arguments))
    standard = options.view_as(StandardOptions)
    name = standard.runner or DEFAULT_RUNNER
    if name.rpartition(".")[2].lower() in _DIRECT:
        name = DEFAULT_RUNNER
    refuse_runner(name, options)
    standard.runner = name
    return options


def refuse_runner(name: str, options: PipelineOptions | None = None) -> None:
    """Refuse a runner that would give a wrong result, or would download itself.

    Raises:
        InputError: DaskRunner; PrismRunner without `--prism_location`.
    """
    short = name.rpartition(".")[2].lower().removesuffix("runner")
    if short == "dask":
        raise InputError(_DASK)
    given = options.get_all_options() if options is not None else {}
    if options is not None and short == "prism" and not given.get("prism_location"):
        raise InputError(
            "PrismRunner: without --prism_location it downloads a binary; build one "
            "(go install github.com/apache/beam/sdks/v2/go/cmd/prism at your Beam "
            "version) and name it."
        )


def refuse_pipeline(pipeline: Any) -> None:
    """Refuse a pipeline that was made for a runner that gives a wrong result.

    Raises:
        InputError: the pipeline's runner is DaskRunner.
    """
    refuse_runner(type(pipeline.runner).__name__)
