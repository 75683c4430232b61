"""OpenLineage and Croissant views: derived from what is signed alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consentfilter.lineage import verifier, views
from consentfilter.lineage.manifest import IndexedFile
from tests.lineage import made_release


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [
        made_release.part("a.parquet", 90),
        made_release.part("b.parquet", 5, first=99),
    ]
    where = tmp_path_factory.mktemp("views") / "one"
    return made_release.release(where, parts, previous="9" * 64)


def inputs(release: Path) -> tuple[bytes, list[IndexedFile]]:
    manifest = (release / verifier.MANIFEST_NAME).read_bytes()
    lines = json.loads((release / verifier.INDEX_NAME).read_bytes())
    files = [
        IndexedFile(line["path"], line["sha256"], line["size"], line["rows"])
        for line in lines
    ]
    return manifest, files


def test_the_event_says_what_is_signed(release: Path) -> None:
    event = views.openlineage(*inputs(release))
    assert event["eventType"] == "COMPLETE"
    (output,) = event["outputs"]
    facet = output["facets"]["consentfilter_trainingSet"]
    signed = verifier.read_manifest(inputs(release)[0])
    assert facet["manifestSha256"] == signed.sha256
    assert facet["recordsRoot"] == signed.predicate["commitments"]["records"]["root"]
    assert set(facet) == {
        "_producer", "_schemaURL", "manifestSha256", "recordsRoot", "subjectsRoot",
    }  # fmt: skip
    rows = output["outputFacets"]["outputStatistics"]["rowCount"]
    assert rows == int(signed.predicate["commitments"]["records"]["entries"])
    assert event["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"] == 95


def test_a_run_id_that_is_a_uuid_is_kept() -> None:
    given = "7bd52a99-02ed-4eaf-9460-d90dbcda9b58"
    assert views._run_id(given) == given
    assert views._run_id("run-1") == views._run_id("run-1") != views._run_id("run-2")


def test_croissant_loads_with_every_file_and_digest(
    release: Path, tmp_path: Path
) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    manifest, files = inputs(release)
    made = views.croissant(manifest, files)
    path = tmp_path / "croissant.json"
    path.write_bytes(views.view_json(made))
    loaded = mlcroissant.Dataset(jsonld=str(path))
    assert not loaded.metadata.issues.errors
    found = {each.id: each.sha256 for each in loaded.metadata.distribution}
    assert found == {
        **{file.path: file.sha256 for file in files},
        verifier.MANIFEST_NAME: verifier.read_manifest(manifest).sha256,
    }
    assert made["@context"]["@vocab"] == "https://schema.org/"
    assert made["prov:wasRevisionOf"]["@id"].endswith("9" * 64)
    assert "prov:used" in made["prov:wasGeneratedBy"]


def test_views_are_the_same_each_time_and_name_the_manifest(release: Path) -> None:
    manifest, files = inputs(release)
    digest = verifier.read_manifest(manifest).sha256
    for make in (views.openlineage, views.croissant):
        once = views.view_json(make(manifest, files))
        assert once == views.view_json(make(manifest, files))
        assert digest.encode() in once


def test_views_of_a_manifest_that_does_not_hold_are_refused(release: Path) -> None:
    manifest, files = inputs(release)
    for make in (views.openlineage, views.croissant):
        with pytest.raises(verifier.Refused):
            make(manifest[:-1], files)
