"""Which runners are used, and which are refused by name.

Beam's default, `DirectRunner`, first looks for a Prism binary to download, without
a time limit; where this project starts a pipeline it pins `FnApiRunner`, which is
part of the Python SDK. `DaskRunner` ignores tagged outputs: what was dropped would
come out as kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    StandardOptions,
)

from consentfilter.engine.cluster.carried import CarriedConsent
from consentfilter.errors import InputError

DEFAULT_RUNNER: Final = "FnApiRunner"
_DIRECT: Final = ("direct", "directrunner", "switchingdirectrunner")
_IN_PROCESS: Final = (
    "FnApiRunner",
    "DirectRunner",
    "SwitchingDirectRunner",
    "BundleBasedDirectRunner",
)
_DASK: Final = (
    "DaskRunner: refused. It ignores tagged outputs, so dropped rows would come out "
    "as kept; use FnApiRunner, Flink, Dataflow, or consentfilter.spark."
)


def pipeline_options(
    arguments: Sequence[str], *, threads: int | None = None
) -> PipelineOptions:
    """Return Beam options with the runner pinned.

    No runner and `DirectRunner` both mean `FnApiRunner`: the same in-process runner
    without the attempt to download another one.

    Args:
        arguments: Beam's options.
        threads: how many `FnApiRunner` works with, where the options do not say.

    Raises:
        InputError: the runner cannot be used, or `FnApiRunner` does not know an
            option.
    """
    options = PipelineOptions(list(arguments))
    standard = options.view_as(StandardOptions)
    name = standard.runner or DEFAULT_RUNNER
    if name.rpartition(".")[2].lower() in _DIRECT:
        name = DEFAULT_RUNNER
    refuse_runner(name, options)
    standard.runner = name
    if name == DEFAULT_RUNNER:
        _settle_direct(options, arguments, threads)
    return options


def _settle_direct(
    options: PipelineOptions, arguments: Sequence[str], threads: int | None
) -> None:
    """Refuse options that nobody knows; set the number of threads."""
    known = options.get_all_options(drop_default=False).keys()
    unknown = [
        each
        for each in arguments
        if each.startswith("--")
        and each.lstrip("-").partition("=")[0].removeprefix("no_") not in known
    ]
    if unknown:
        raise InputError(
            f"{' '.join(unknown)}: {DEFAULT_RUNNER} has no such option; wanted Beam "
            "options such as --direct_num_workers=2."
        )
    direct = options.view_as(DirectOptions)
    if threads is not None and not _says(arguments, "direct_num_workers"):
        direct.direct_num_workers = threads
        if threads > 1 and not _says(arguments, "direct_running_mode"):
            direct.direct_running_mode = "multi_threading"


def _says(arguments: Sequence[str], name: str) -> bool:
    return any(each.partition("=")[0] == f"--{name}" for each in arguments)


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


def refuse_distance(pipeline: Any, consent: CarriedConsent) -> None:
    """Refuse consent that workers in other processes would look for in vain.

    Raises:
        InputError: it is only in this process, and the runner works elsewhere.
    """
    name = type(pipeline.runner).__name__
    if consent.is_only_here and name not in _IN_PROCESS:
        raise InputError(
            f"ConsentFilter: {name} works in other processes, and the consent is too "
            "large to travel in the pipeline; name a place that all workers can read "
            "(staging=)."
        )
