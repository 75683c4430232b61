"""The OpenLineage view, read by OpenLineage's own client.

The published JSON Schema of 2-0-2 is in no package that could be found. Looked into:
the wheels of openlineage-python 1.54.0, openlineage-integration-common 1.54.0,
apache-airflow-providers-openlineage 2.20.3, marquez-python 0.50.0, dagster-openlineage
0.2.1, mloda-community-openlineage 0.11.0, etlantic-openlineage 0.59.0 and
algovoi-keystone-openlineage 0.2.0; the source archives of the first two, 1.39.0;
io.openlineage:openlineage-java 1.23.0 and 1.39.0, with the sources of the latter. npm
and Debian have no package of that name.

What openlineage-python does ship are classes that its makers generate from that schema
and from the schema of every facet, with the versions of both. So the event is rebuilt
from these classes, each field held to its published type, and written back by the
client: what comes out must be what we wrote.

Two things the classes do not say were read in the schema: that a URI needs a scheme,
and the name under which a facet stands.
"""

from __future__ import annotations

import copy
import enum
import importlib
import json
import types
import typing
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attr
import pytest
from openlineage.client import event_v2, facet_v2, serde

from consentfilter.lineage import verifier, views
from consentfilter.lineage.manifest import IndexedFile
from tests.lineage import made_release

Json = dict[str, Any]

#: The module of the client in which a facet's class is, and its name in an event.
PUBLISHED = {
    "ProcessingEngineRunFacet": ("processing_engine_run", "processing_engine"),
    "DocumentationJobFacet": ("documentation_job", "documentation"),
    "DatasetVersionDatasetFacet": ("dataset_version_dataset", "version"),
    "InputStatisticsInputDatasetFacet": (
        "input_statistics_input_dataset", "inputStatistics",
    ),
    "OutputStatisticsOutputDatasetFacet": (
        "output_statistics_output_dataset", "outputStatistics",
    ),
}  # fmt: skip
OWN = "consentfilter_trainingSet"


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> Json:
    where = tmp_path_factory.mktemp("openlineage") / "one"
    parts = [
        made_release.part("a.parquet", 90),
        made_release.part("b.parquet", 5, first=99),
    ]
    release = made_release.release(where, parts)
    lines = json.loads((release / verifier.INDEX_NAME).read_bytes())
    files = [
        IndexedFile(line["path"], line["sha256"], line["size"], line["rows"])
        for line in lines
    ]
    manifest = (release / verifier.MANIFEST_NAME).read_bytes()
    return views.openlineage(manifest, files)


def test_the_clients_own_event_is_the_event(event: Json) -> None:
    written = serde.Serde.to_dict(run_event(event))
    for dataset in written["inputs"]:
        dataset.update(inputFacets=dataset["inputFacets"] or None)
    assert serde.Serde.to_dict(written) == event


def test_every_facet_is_a_published_one_but_our_own(event: Json) -> None:
    found = {name for _, facets in _slots(event) for name in facets}
    assert found == {OWN, *(name for _, name in PUBLISHED.values())}


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda event: event.pop("job"), "job"),
        (lambda event: event.pop("producer"), "producer"),
        (lambda event: event.pop("schemaURL"), "schemaURL"),
        (lambda event: event.pop("eventTime"), "eventTime"),
        (lambda event: event.update(eventType="DONE"), "DONE"),
        (lambda event: event.update(eventTime="2024-02-01"), "contain time"),
        (lambda event: event.update(producer="consentfilter"), "scheme"),
        (lambda event: event.update(query={}), "query"),
        (lambda event: event["run"].update(runId="run-1"), "badly formed"),
        (lambda event: event["job"].pop("name"), "name"),
        (lambda event: event["outputs"][0].update(name=1), "is not a str"),
        (lambda event: event["outputs"][0].update(inputFacets={}), "inputFacets"),
        (lambda event: _version(event).pop("datasetVersion"), "datasetVersion"),
        (lambda event: _version(event).update(datasetVersion=1), "is not a str"),
        (lambda event: _version(event).update(versoin="1"), "versoin"),
        (lambda event: _version(event).pop("_producer"), "_producer"),
        (
            lambda event: _version(event).update(
                _schemaURL=_version(event)["_schemaURL"].replace("1-0-1", "1-0-0")
            ),
            "1-0-0",
        ),
        (
            lambda event: event["run"]["facets"].update(version=_version(event)),
            "RunFacet",
        ),
        (
            lambda event: event["job"]["facets"].update(
                about=event["job"]["facets"].pop("documentation")
            ),
            "about",
        ),
    ],
)
def test_what_the_schema_forbids_is_noticed(
    event: Json, broken: Callable[[Json], object], says: str
) -> None:
    changed = copy.deepcopy(event)
    broken(changed)
    with pytest.raises((TypeError, ValueError), match=says):
        run_event(changed)


def run_event(event: Json) -> event_v2.RunEvent:
    """Return the client's event with the values of `event`.

    Raises:
        TypeError: a field is missing, unknown, or of another type than published.
        ValueError: a value, or the schema that is named, is not one of those published.
    """
    read: event_v2.RunEvent = _build(event_v2.RunEvent, event)
    return read


def _build(kind: type[Any], value: Json) -> Any:
    """Return an object of the client's class, whose own schema `value` must name."""
    hints = typing.get_type_hints(kind)
    stated = {field.name: field for field in attr.fields(kind)}
    schema = next((name for name in stated if name.endswith("schemaURL")), None)
    given = dict(value)
    for name in ("producer", "_producer", "schemaURL", "_schemaURL"):
        if name in stated and not urlsplit(given.get(name, "")).scheme:
            raise ValueError(f"{kind.__name__}.{name} is no URI with a scheme")
    if schema is not None:
        _same(given.pop(schema), kind._get_schema())
    read = {}
    for name, what in given.items():
        if name not in stated:
            raise TypeError(f"{kind.__name__} has no {name!r}")
        read[stated[name].alias] = _fit(hints[name], what)
    return kind(**read)


def _fit(hint: Any, value: Any) -> Any:
    """Return `value` as an object of the published type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        (some,) = (each for each in inner if each is not types.NoneType)
        return _fit(some, value)
    if origin is list:
        return [_fit(inner[0], each) for each in value]
    if origin is dict:
        return {name: _facet(inner[1], name, each) for name, each in value.items()}
    if attr.has(hint):
        return _build(hint, value)
    if issubclass(hint, enum.Enum):
        return hint(value)
    if type(value) is not hint:
        raise TypeError(f"{value!r} is not a {hint.__name__}")
    return value


def _facet(slot: type[Any], name: str, value: Json) -> Any:
    """Return a facet that may stand in `slot`, of the class that it says it is."""
    if name == OWN:
        extra = {key: each for key, each in value.items() if key[0] != "_"}
        _same(value["_schemaURL"], _Own._get_schema())
        return _Own(producer=value["_producer"]).with_additional_properties(**extra)
    kind = urlsplit(value["_schemaURL"]).fragment.rpartition("/")[2]
    module, known_as = PUBLISHED[kind]
    _same(name, known_as)
    published = getattr(
        importlib.import_module(f"openlineage.client.generated.{module}"), kind
    )
    if not issubclass(published, slot):
        raise TypeError(f"{kind} is no {slot.__name__}")
    return _build(published, value)


def _same(found: str, wanted: str) -> None:
    if found != wanted:
        raise ValueError(f"{found} found, {wanted} wanted")


@attr.define
class _Own(facet_v2.DatasetFacet):
    """Our facet: any dataset facet with a schema of its own may have more fields."""

    @staticmethod
    def _get_schema() -> str:
        return "urn:consentfilter:openlineage/training-set/v1"


def _slots(event: Json) -> list[tuple[str, Json]]:
    holders = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    return [
        (key, each)
        for holder in holders
        for key, each in holder.items()
        if key.lower().endswith("facets")
    ]


def _version(event: Json) -> Json:
    facet: Json = event["outputs"][0]["facets"]["version"]
    return facet
