"""A run that was stopped goes on, unless something that decides has changed."""

from __future__ import annotations

import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.engine import local, shard
from consentfilter.engine.filtering import Summary, filter_dataset
from consentfilter.engine.finish import Naming
from consentfilter.errors import InputError
from consentfilter.policy import Policy
from tests import made

PARTS = 5


class Power(Exception):  # noqa: N818
    """The power went out."""


class Dump:
    """A dump of five parts, and runs over it that stop after some of them."""

    def __init__(self, root: pathlib.Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._patch = patch
        (root / "dump").mkdir()
        for at in range(PARTS):
            self.write(at, made.records(20, start=20 * at))
        self.consent = made.write_events(root)
        self.done: list[str] = []
        self._list_what_is_done()

    def write(self, at: int, table: pa.Table) -> None:
        """Write one part."""
        pq.write_table(table, self.root / f"dump/{at}.parquet")

    def _list_what_is_done(self) -> None:
        drive = local._Engine._drive

        def listed(engine: Any, footer: Any) -> Any:
            record = drive(engine, footer)
            self.done.append(record.name)
            return record

        self._patch.setattr(local._Engine, "_drive", listed)

    def run(self, out: str = "release", **more: Any) -> Summary:
        """Run to the end."""
        self.done = []
        given = {"as_of": made.AS_OF, "workers": 1, "naming": Naming("same"), **more}
        policy = {**made.POLICY, **given.pop("policy", {})}
        return filter_dataset(
            self.root / "dump",
            given.pop("consent", self.consent),
            Policy.from_dict(policy),
            out=self.root / out,
            **given,
        )

    def stop(self, after: int, **more: Any) -> pathlib.Path:
        """Stop a run after some parts; return what it leaves."""
        with self._patch.context() as patch:
            drive = local._Engine._drive

            def counted(engine: Any, footer: Any) -> Any:
                if len(self.done) >= after:
                    raise Power
                return drive(engine, footer)

            patch.setattr(local._Engine, "_drive", counted)
            with pytest.raises(Power):
                self.run(**{"resume": True, **more})
        (left,) = self.root.glob(".release.partial-*")
        return left

    def refused(self, **more: Any) -> list[str]:
        """Try to go on; return the messages, without the root directory."""
        with pytest.raises(InputError) as caught:
            self.run(**{"resume": True, **more})
        assert not (self.root / "release").exists()
        return [text.replace(f"{self.root}/", "") for text in caught.value.problems]


@pytest.fixture
def dump(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Dump:
    return Dump(tmp_path, monkeypatch)


def _tree(root: pathlib.Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in made.NAMES_THE_MANIFEST
    }


def test_only_what_is_left_is_done_and_the_release_is_the_same(dump: Dump) -> None:
    left = dump.stop(2)
    key = (left / "private/release.key").read_bytes()
    done = dump.run(resume=True)
    assert dump.done == ["2.parquet", "3.parquet", "4.parquet"]
    assert (done.parts, done.rows, done.admitted_rows) == (5, 100, 60)
    assert not left.exists()
    dump.run("again", release_key=key)
    assert len(dump.done) == PARTS
    assert _tree(dump.root / "release") == _tree(dump.root / "again")


def test_without_an_earlier_run_resume_just_runs(dump: Dump) -> None:
    dump.run(resume=True)
    assert len(dump.done) == PARTS
    assert list(dump.root.glob(".release*")) == []


def test_a_run_without_resume_removes_what_it_began(dump: Dump) -> None:
    with pytest.raises(ValueError, match="not enough values"):
        dump.stop(2, resume=False)
    assert len(dump.done) == 2
    assert list(dump.root.glob(".release*")) == []


def test_a_run_without_resume_leaves_an_unfinished_one_alone(dump: Dump) -> None:
    left = dump.stop(2)
    dump.run()
    assert len(dump.done) == PARTS
    assert left.exists()


def test_the_instant_and_the_key_of_the_stopped_run_are_kept(dump: Dump) -> None:
    dump.stop(2, as_of=None)
    done = dump.run(resume=True, as_of=None)
    assert len(dump.done) == 3
    assert done.admitted_rows == 60


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"policy": {"version": "2"}}, "the policy"),
        ({"release_key": bytes(32)}, "the release key"),
        ({"limit": 99}, "the limit"),
        ({"as_of": made.WITHDRAWN}, "the instant (--as-of)"),
    ],
    ids=lambda value: str(value),
)
def test_what_differs_is_named(dump: Dump, change: dict[str, Any], word: str) -> None:
    left = dump.stop(2)
    problems = dump.refused(**change)
    assert any(
        text.startswith(
            f"cannot go on: {word} differs from that of the run that was stopped ("
        )
        for text in problems
    )
    assert problems[0].endswith(f"run again without --resume, and remove {left.name}")


def test_a_withdrawal_in_the_meantime_ends_it(dump: Dump) -> None:
    dump.stop(2)
    events = made.events()
    withdrawn = events.slice(7, 1).set_column(2, "subject_id", pa.array(["u0"]))
    withdrawn = withdrawn.set_column(0, "event_id", pa.array(["new"]))
    pq.write_table(pa.concat_tables([events, withdrawn]), dump.consent)
    (problem,) = dump.refused()
    assert problem.startswith("cannot go on: the consent data differs")


def test_a_finished_part_that_changed_is_named(dump: Dump) -> None:
    dump.stop(2)
    table = made.records(20)
    at = table.schema.get_field_index("text")
    texts = ["message X", *table["text"].to_pylist()[1:]]
    dump.write(0, table.set_column(at, "text", pa.array(texts)))
    (problem,) = dump.refused()
    assert problem.startswith(
        "cannot go on: dump/0.parquet has changed since it was read (sha256 "
    )


def test_a_new_part_is_a_difference(dump: Dump) -> None:
    dump.stop(2)
    dump.write(9, made.records(20, start=900))
    (problem,) = dump.refused()
    assert problem.startswith("cannot go on: the list of parts differs")


def test_an_output_that_was_touched_is_made_again(dump: Dump) -> None:
    left = dump.stop(3)
    (left / "data/0.parquet").write_bytes(b"PAR1")
    (left / "private/ledger/1.parquet").unlink()
    dump.run(resume=True)
    assert dump.done == ["0.parquet", "1.parquet", "3.parquet", "4.parquet"]


def test_ids_of_finished_parts_count_as_duplicates_too(dump: Dump) -> None:
    dump.write(4, made.records(20, start=19))
    dump.stop(2)
    problems = dump.refused()
    assert problems[0].startswith(
        "record_id 'r19' occurs more than once: 0.parquet row 19, 4.parquet row 0"
    )


def test_two_processes_do_not_work_on_one_release(dump: Dump) -> None:
    import fcntl

    left = dump.stop(2)
    with (left / "scratch/plan.json").open("rb") as plan:
        fcntl.flock(plan, fcntl.LOCK_EX)
        (problem,) = dump.refused()
    assert problem.startswith("cannot go on: another process is still working on")


def test_a_part_that_stopped_in_the_middle_is_made_again(dump: Dump) -> None:
    written = shard.ShardWriter.write_ledger

    def stopped(self: Any, result: Any) -> None:
        written(self, result)
        if len(dump.done) == 1:
            raise Power

    with dump._patch.context() as patch:
        patch.setattr(shard.ShardWriter, "write_ledger", stopped)
        with pytest.raises(Power):
            dump.run(resume=True)
    dump.run(resume=True)
    assert dump.done == ["1.parquet", "2.parquet", "3.parquet", "4.parquet"]


def test_a_run_that_stopped_at_its_last_step_goes_on(dump: Dump) -> None:
    from consentfilter.engine.release import ReleaseBuilder

    def stopped(self: Any, manifest: bytes) -> None:
        self.write("manifest.intoto.json", manifest, is_listed=False)
        raise Power

    with dump._patch.context() as patch:
        patch.setattr(ReleaseBuilder, "publish", stopped)
        with pytest.raises(Power):
            dump.run(resume=True)
    dump.run(resume=True)
    assert dump.done == []
    assert (dump.root / "release/manifest.intoto.json").exists()
