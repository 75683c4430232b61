"""On a real Flink cluster: the same decisions, the same bytes, and after a kill too."""

from __future__ import annotations

import pathlib
import threading
import time

import pyarrow.parquet as pq
import pytest

from consentfilter.engine.beam.run import run_beam
from consentfilter.engine.filtering import filter_dataset
from consentfilter.policy import Policy
from tests import made
from tests.beam.cases import cases
from tests.beam.contract import Run, run_batches, run_rows, wanted
from tests.beam.releases import Dump, make_dump, tree
from tests.flink.conftest import Flink

#: Cases in one job.
TOGETHER = 8


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Dump:
    return make_dump(tmp_path_factory.mktemp("dump"))


@pytest.mark.parametrize("run", [run_batches, run_rows])
@pytest.mark.parametrize("first", range(0, len(cases()), TOGETHER))
def test_records_are_decided_as_by_the_local_engine(
    first: int, run: Run, flink: Flink, tmp_path: pathlib.Path
) -> None:
    some = cases()[first : first + TOGETHER]
    found = run(some, flink.options, tmp_path)
    for case, got in zip(some, found, strict=True):
        assert got.ledger == case.ledger
        assert got.kept == wanted(case)


@pytest.mark.parametrize("join", ["broadcast", "keys"])
def test_the_release_is_byte_for_byte_the_local_one(
    join: str, flink: Flink, dump: Dump, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "release"
    run_beam(
        dump.records,
        dump.consent,
        dump.files.policy,
        out=out,
        beam_options=flink.arguments,
        join=join,  # type: ignore[arg-type]
        **dump.options,
    )
    assert tree(out) == tree(dump.release)
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


def test_a_killed_taskmanager_leaves_no_trace_in_the_release(
    flink: Flink, tmp_path: pathlib.Path
) -> None:
    records = _write_parts(tmp_path / "records", parts=240, rows=2_000)
    policy = Policy.from_dict(made.POLICY)
    same = {"as_of": made.AS_OF, "release_key": bytes(32)}
    filter_dataset([records], made.events(), policy, out=tmp_path / "local", **same)
    killed = threading.Thread(target=_kill_in_mid_run, args=(flink, tmp_path))
    killed.start()
    out = tmp_path / "release" / "local"
    out.parent.mkdir()
    run_beam(
        [records],
        made.events(),
        policy,
        out=out,
        beam_options=flink.arguments,
        **same,
    )
    killed.join()
    assert (tmp_path / "killed").read_text() == "in mid-run"
    assert tree(out) == tree(tmp_path / "local")
    assert [path.name for path in out.parent.iterdir()] == ["local"]


def _write_parts(directory: pathlib.Path, *, parts: int, rows: int) -> str:
    directory.mkdir()
    for at in range(parts):
        table = made.records(rows, start=at * rows)
        pq.write_table(table, directory / f"part-{at:04d}.parquet")
    return str(directory)


def _kill_in_mid_run(flink: Flink, tmp_path: pathlib.Path) -> None:
    """Replace a TaskManager once some parts were attempted and others were not."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        attempts = len(list(tmp_path.glob("release/.*/attempts/*")))
        if attempts >= 20:
            flink.replace_taskmanager()
            (tmp_path / "killed").write_text(
                "in mid-run" if attempts < 200 else f"too late: {attempts}"
            )
            return
        time.sleep(0.02)
