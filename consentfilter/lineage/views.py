"""What other tools read about a release: an OpenLineage event, a Croissant file.

Both are made of the manifest and the index alone, are not signed, and name the
manifest's digest: who wants to trust them checks the manifest.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any, Final

from consentfilter.lineage import verifier
from consentfilter.lineage.manifest import IndexedFile

_PRODUCER: Final = "urn:consentfilter"
_NAMESPACE: Final = "consentfilter"
_RUN_EVENT: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS: Final = "https://openlineage.io/spec/facets"
_FACET_SCHEMA: Final = "urn:consentfilter:openlineage/training-set/v1"


def openlineage(manifest: bytes, files: Sequence[IndexedFile]) -> dict[str, Any]:
    """Return the OpenLineage 2-0-2 RunEvent (COMPLETE) of a finished release.

    Args:
        manifest: the bytes of `manifest.intoto.json`.
        files: the lines of `release-index.json`.

    Raises:
        Refused: the manifest does not hold.
    """
    signed = verifier.read_manifest(manifest)
    predicate = signed.predicate
    release, run, policy = (predicate[name] for name in ("release", "run", "policy"))
    consent, records = predicate["consent"], predicate["inputs"]["records"]
    data = [file for file in files if file.path.startswith("data/")]
    commitments = predicate["commitments"]
    return {
        "eventType": "COMPLETE",
        "eventTime": run["finishedAt"],
        "producer": _PRODUCER,
        "schemaURL": _RUN_EVENT,
        "run": {
            "runId": _run_id(run["id"]),
            "facets": {
                "processing_engine": _facet(
                    "1-1-1/ProcessingEngineRunFacet",
                    name=f"consentfilter {run['engine']}",
                    version=run["toolVersion"],
                ),
            },
        },
        "job": {
            "namespace": _NAMESPACE,
            "name": f"filter.{release['dataset']}",
            "facets": {
                "documentation": _facet(
                    "1-1-0/DocumentationJobFacet",
                    description=f"Records that policy {policy['id']} "
                    f"{policy['version']} admits for {', '.join(policy['purposes'])}, "
                    f"by the consent known at {consent['asOf']}.",
                ),
            },
        },
        "inputs": [
            _dataset(
                f"{release['dataset']}.records",
                version=records["indexSha256"],
                inputFacets={
                    "inputStatistics": _facet(
                        "1-0-0/InputStatisticsInputDatasetFacet",
                        rowCount=int(records["rows"]),
                        fileCount=int(records["parts"]),
                    )
                },
            ),
            _dataset(f"{release['dataset']}.consent", version=consent["snapshotId"]),
        ],
        "outputs": [
            _dataset(
                release["dataset"],
                version=release["version"],
                more={
                    "consentfilter_trainingSet": {
                        "_producer": _PRODUCER,
                        "_schemaURL": _FACET_SCHEMA,
                        "manifestSha256": signed.sha256,
                        "recordsRoot": commitments["records"]["root"],
                        "subjectsRoot": commitments["subjects"]["root"],
                    }
                },
                outputFacets={
                    "outputStatistics": _facet(
                        "1-0-2/OutputStatisticsOutputDatasetFacet",
                        rowCount=sum(file.rows or 0 for file in data),
                        size=sum(file.size for file in data),
                        fileCount=len(data),
                    )
                },
            )
        ],
    }


def croissant(manifest: bytes, files: Sequence[IndexedFile]) -> dict[str, Any]:
    """Return the Croissant 1.1 description (JSON-LD) of a release.

    Every file of the index is there with its SHA-256; where it came from is said
    with PROV-O terms.

    Args:
        manifest: the bytes of `manifest.intoto.json`.
        files: the lines of `release-index.json`.

    Raises:
        Refused: the manifest does not hold.
    """
    signed = verifier.read_manifest(manifest)
    predicate = signed.predicate
    release, run, policy = (predicate[name] for name in ("release", "run", "policy"))
    consent = predicate["consent"]
    envelope = IndexedFile(verifier.MANIFEST_NAME, signed.sha256, len(manifest))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": release["dataset"],
        "description": (
            f"Records that policy {policy['id']} {policy['version']} admits for "
            f"{', '.join(policy['purposes'])}, by the consent known at "
            f"{consent['asOf']}. The signed manifest has SHA-256 {signed.sha256}."
        ),
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "version": release["version"],
        "datePublished": run["finishedAt"],
        "distribution": [_file_object(file) for file in [*files, envelope]],
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "@id": f"urn:consentfilter:run:{run['id']}",
            "prov:startedAtTime": run["startedAt"],
            "prov:endedAtTime": run["finishedAt"],
            "prov:wasAssociatedWith": {
                "@type": "prov:SoftwareAgent",
                "@id": f"urn:consentfilter:version:{run['toolVersion']}",
            },
            "prov:used": [
                {
                    "@type": "prov:Entity",
                    "@id": "urn:consentfilter:records:"
                    + predicate["inputs"]["records"]["indexSha256"],
                },
                {
                    "@type": "prov:Entity",
                    "@id": f"urn:consentfilter:consent:{consent['snapshotId']}",
                },
                {
                    "@type": "prov:Entity",
                    "@id": f"urn:consentfilter:policy:{policy['sha256']}",
                },
            ],
        },
        **_previous(release["previous"]),
    }


def view_json(view: dict[str, Any]) -> bytes:
    """Return the bytes of a view file."""
    return (json.dumps(view, ensure_ascii=False, indent=2) + "\n").encode()


def _previous(digest: str | None) -> dict[str, Any]:
    if digest is None:
        return {}
    before = {"@type": "prov:Entity", "@id": f"urn:consentfilter:manifest:{digest}"}
    return {"prov:wasRevisionOf": before}


def _run_id(identity: str) -> str:
    """Return the run's id if it is a UUID, else one that is derived from it."""
    try:
        return str(uuid.UUID(identity))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_PRODUCER}:run:{identity}"))


def _facet(kind: str, /, **fields: Any) -> dict[str, Any]:
    short = kind.rpartition("/")[2]
    schema = f"{_FACETS}/{kind}.json#/$defs/{short}"
    return {"_producer": _PRODUCER, "_schemaURL": schema, **fields}


def _dataset(
    name: str, *, version: str, more: dict[str, Any] | None = None, **facets: Any
) -> dict[str, Any]:
    versioned = _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=version)
    return {
        "namespace": _NAMESPACE,
        "name": name,
        "facets": {"version": versioned, **(more or {})},
        **facets,
    }


def _file_object(file: IndexedFile) -> dict[str, Any]:
    is_table = file.path.endswith(".parquet")
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.size} B",
        "encodingFormat": "application/x-parquet" if is_table else "application/json",
        "sha256": file.sha256,
    }


#: The terms as Croissant 1.1 defines them; `https://schema.org/`, since the `http`
#: form that is printed in the specification does not load.
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
