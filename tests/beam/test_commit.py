"""Attempts, retries, commits: what is published is whole, single, and nobody else's."""

from __future__ import annotations

import pathlib
import pickle
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from consentfilter.beam import FilterParquet, RecordBatchCoder
from consentfilter.engine.beam import parts
from consentfilter.engine.beam.run import run_beam
from consentfilter.engine.beam.runners import pipeline_options
from consentfilter.engine.cluster import attempts, buckets, files
from consentfilter.engine.cluster.attempts import Plan, commit_part, list_done
from consentfilter.engine.cluster.committed import DonePart
from consentfilter.engine.filtering import filter_dataset
from consentfilter.engine.storage import Location
from consentfilter.errors import ConsentFilterError, InputError, StorageError
from consentfilter.policy import Policy
from tests import made
from tests.beam.releases import Dump, make_dump, tree

pytestmark = pytest.mark.beam
SAME = {"as_of": made.AS_OF, "release_key": bytes(32)}


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Dump:
    return make_dump(tmp_path_factory.mktemp("dump"), scale=0.05)


def _run(dump: Dump, out: pathlib.Path, *options: str, join: Any = "auto") -> None:
    run_beam(
        dump.records,
        dump.consent,
        dump.files.policy,
        out=out,
        beam_options=options,
        join=join,
        **dump.options,
    )


@pytest.mark.parametrize(
    "options",
    [
        ("--direct_num_workers=1",),
        ("--direct_num_workers=2", "--direct_running_mode=multi_threading"),
        ("--direct_num_workers=1", "--direct_runner_bundle_repeat=1"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("join", ["broadcast", "keys"])
def test_the_release_is_byte_for_byte_the_local_one(
    join: str,
    options: tuple[str, ...],
    dump: Dump,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Small buckets, so that people of one part lie in many.
    monkeypatch.setattr(buckets.write_buckets, "__kwdefaults__", {"bucket_rows": 37})
    _run(dump, tmp_path / "release", *options, join=join)
    assert tree(tmp_path / "release") == tree(dump.release)
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


def test_the_transform_makes_the_same_release_in_somebodys_pipeline(
    dump: Dump, tmp_path: pathlib.Path
) -> None:
    options = pipeline_options(["--direct_runner_bundle_repeat=1"])
    with beam.Pipeline(options=options) as pipeline:
        _ = pipeline | FilterParquet(
            dump.records,
            dump.consent,
            dump.files.policy,
            out=tmp_path / "release",
            **dump.options,
        )
    assert tree(tmp_path / "release") == tree(dump.release)
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


def test_a_bundle_that_fails_after_writing_leaves_no_release(
    dump: Dump, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = attempts.write_attempt
    calls: list[str] = []

    def fail_late(*arguments: Any) -> DonePart:
        done = written(*arguments)
        calls.append(done.attempt)
        if len(calls) == 3:
            raise OSError("the worker lost its disk")
        return done

    monkeypatch.setattr(parts, "write_attempt", fail_late)
    with pytest.raises(StorageError, match="the worker lost its disk"):
        _run(dump, tmp_path / "release")
    assert not list(tmp_path.iterdir())


def _plan(root: pathlib.Path, *, count: int = 1, rows: int = 10) -> Plan:
    here = pafs.LocalFileSystem()
    return Plan(
        root=Location(here, str(root / "release"), "release"),
        work=Location(here, str(root / "work"), "work"),
        parts=count,
        rows=rows,
    )


def _attempts(tmp_path: pathlib.Path, plan: Plan, count: int) -> list[bytes]:
    """Make so many attempts at one part, as retries do."""
    from consentfilter.engine.inputs import open_records
    from consentfilter.engine.prepare import compile_run, load_deciders

    pq.write_table(made.records(10), tmp_path / "part.parquet")
    deciders = load_deciders(
        made.events(), Policy.from_dict(made.POLICY), as_of=made.AS_OF
    )
    (footer,) = open_records([tmp_path / "part.parquet"], deciders.dataset)
    run = compile_run(deciders, release_key=bytes(32))
    return [attempts.write_attempt(footer, run, plan).to_json() for _ in range(count)]


def test_a_commit_may_be_done_again_and_by_another_attempt(
    tmp_path: pathlib.Path,
) -> None:
    plan = _plan(tmp_path)
    first, second = _attempts(tmp_path, plan, 2)
    done = commit_part("part.parquet", [first, second], plan)
    content = (tmp_path / "release/data/part.parquet").read_bytes()
    assert commit_part("part.parquet", [first, second], plan) == done
    again = commit_part("part.parquet", [second], plan)
    assert again.record == done.record
    assert (tmp_path / "release/data/part.parquet").read_bytes() == content


def test_a_commit_of_files_that_are_gone_fails(tmp_path: pathlib.Path) -> None:
    plan = _plan(tmp_path)
    (only,) = _attempts(tmp_path, plan, 1)
    files.remove_tree(plan.work)
    with pytest.raises(StorageError, match="is gone, and .* is not there"):
        commit_part("part.parquet", [only], plan)


@pytest.mark.parametrize(
    ("found", "count", "rows"),
    [(0, 1, 10), (2, 1, 10), (1, 2, 10), (1, 1, 11)],
    ids=["none", "twice", "one missing", "a row missing"],
)
def test_the_last_step_refuses_counts_that_are_not_the_inputs(
    found: int, count: int, rows: int, tmp_path: pathlib.Path
) -> None:
    plan = _plan(tmp_path, count=count, rows=rows)
    done = _attempts(tmp_path, plan, found)
    with pytest.raises(StorageError, match="nothing is published"):
        list_done(done, plan)
    assert not (tmp_path / "work" / "done.json").exists()


def test_duplicate_ids_across_parts_refuse_the_release(tmp_path: pathlib.Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    pq.write_table(made.records(10), records / "a.parquet")
    pq.write_table(made.records(3, start=9), records / "b.parquet")
    with pytest.raises(InputError, match="'r9' occurs more than once") as caught:
        run_beam(
            [records],
            made.events(),
            Policy.from_dict(made.POLICY),
            out=tmp_path / "release",
            **SAME,
        )
    assert "a.parquet row 9, b.parquet row 0" in str(caught.value)
    assert not list(tmp_path.glob("*release*"))


def test_duplicate_ids_are_dropped_if_the_policy_says_so(
    tmp_path: pathlib.Path,
) -> None:
    records = tmp_path / "records"
    records.mkdir()
    pq.write_table(made.records(10), records / "a.parquet")
    pq.write_table(made.records(3, start=5), records / "b.parquet")
    policy = Policy.from_dict({**made.POLICY, "on_duplicate": "drop"})
    filter_dataset([records], made.events(), policy, out=tmp_path / "r", **SAME)
    (tmp_path / "b").mkdir()
    run_beam([records], made.events(), policy, out=tmp_path / "b" / "r", **SAME)
    assert tree(tmp_path / "b" / "r") == tree(tmp_path / "r")


@pytest.mark.parametrize("has_place", [True, False])
def test_a_dry_run_writes_the_ledger_at_most(
    has_place: bool, dump: Dump, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "look" if has_place else None
    summary = run_beam(
        dump.records,
        dump.consent,
        dump.files.policy,
        out=out,
        dry_run=True,
        **dump.options,
    )
    assert summary.release is None
    assert summary.rows > summary.admitted_rows > 0
    found = {p.relative_to(tmp_path).parts[:3] for p in tmp_path.rglob("*.parquet")}
    assert found == ({("look", "private", "ledger")} if has_place else set())
    assert len(list(tmp_path.iterdir())) == has_place


def test_unknown_beam_options_are_refused() -> None:
    with pytest.raises(InputError, match="--direct_nun_workers=2: FnApiRunner has no"):
        pipeline_options(["--direct_nun_workers=2"])


@pytest.mark.parametrize("name", ["DaskRunner", "dask", "PrismRunner"])
def test_runners_that_would_go_wrong_are_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=name.removesuffix("Runner").capitalize()):
        pipeline_options([f"--runner={name}"])


def test_the_default_runner_downloads_nothing() -> None:
    for arguments in ([], ["--runner=DirectRunner"], ["--runner=direct"]):
        options = pipeline_options(arguments).get_all_options()
        assert options["runner"] == "FnApiRunner"


def test_a_slice_travels_without_the_batch_it_was_cut_from() -> None:
    batch = made.records(2_000).combine_chunks().to_batches()[0]
    part = batch.slice(100, 10)
    coder = RecordBatchCoder()
    encoded = coder.encode(part)
    assert coder.decode(encoded).equals(part, check_metadata=True)
    assert len(encoded) < len(pickle.dumps(batch)) / 10
    assert beam.coders.registry.get_coder(pa.RecordBatch) == coder


def test_errors_of_the_library_reach_the_user_as_they_are(
    dump: Dump, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ConsentFilterError) as caught:
        run_beam([tmp_path / "nowhere"], dump.consent, dump.files.policy, out=tmp_path)
    assert "Traceback" not in str(caught.value)
