"""A snapshot that is read ahead is the one that is read, or fails as it would."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from consentfilter.consent import ahead
from consentfilter.consent.ahead import SnapshotAhead, reading_ahead
from consentfilter.consent.load import load_consent
from consentfilter.consent.snapshot import (
    build_snapshot,
    read_snapshot,
    write_snapshot,
)
from consentfilter.consent.store import GivenUp
from consentfilter.errors import InputError, RunRefused
from tests.consent.conftest import AS_OF, GRANT, as_table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "snapshot.parquet"
    rows = as_table(GRANT, {**GRANT, "event_id": "b", "subject_id": "ben"})
    write_snapshot(build_snapshot(rows, as_of=AS_OF), target)
    return target


@pytest.mark.parametrize("columns", [None, ["status"], ["purpose", "recorded_at"]])
@pytest.mark.parametrize("begun", [None, ["status"], ["status", "purpose"]])
def test_consent_is_loaded_as_if_nothing_had_been_read(
    path: Path, columns: list[str] | None, begun: list[str] | None
) -> None:
    with reading_ahead([path], begun) as given:
        assert [os.fspath(one) for one in given] == [str(path)]
        loaded = load_consent(given, columns=columns)
        again = load_consent(given, columns=columns)  # what was read is not kept
    wanted = read_snapshot(path, columns).statements
    names = wanted.column_names
    assert loaded.snapshot.meta == again.snapshot.meta == read_snapshot(path).meta
    assert loaded.snapshot.statements.select(names).to_pylist() == wanted.to_pylist()
    assert again.snapshot.statements.equals(wanted)


def test_what_is_wrong_is_said_when_consent_is_loaded(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:8] + bytes(64) + data[72:])
    with (
        reading_ahead([path], None) as given,
        pytest.raises(RunRefused, match="RUN_SNAPSHOT_INVALID"),
    ):
        load_consent(given)
    path.write_bytes(data[:-9])
    with (
        reading_ahead([path], None) as given,
        pytest.raises(InputError, match="not a readable Parquet file"),
    ):
        load_consent(given)


def test_nothing_is_read_ahead_of_several_files_or_a_directory(path: Path) -> None:
    for paths in ([path, path], [path.parent], [path.with_name("none")]):
        with reading_ahead(paths, None) as given:
            assert given is paths


def test_reading_ends_when_nobody_wants_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = []

    def reading(*arguments: object, is_given_up: object) -> None:
        try:
            read_snapshot(path, is_given_up=lambda: True)
        except GivenUp as given_up:
            raised.append(given_up)

    monkeypatch.setattr(ahead, "read_snapshot", reading)
    with reading_ahead([path], None):
        pass
    assert len(raised) == 1


def test_giving_up_is_heard_of(path: Path) -> None:
    begun = SnapshotAhead(path, None)
    begun.give_up()
    begun.give_up()
