"""Ids that occur more than once are found, exactly and in bounded memory."""

from __future__ import annotations

import pathlib
import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentfilter.engine import duplicates
from consentfilter.engine.duplicates import IdHashes, Occurrence


def _ids(*texts: str | None) -> pa.Array:
    return pa.array(texts, pa.string())


def test_unique_ids_have_no_candidates(tmp_path: pathlib.Path) -> None:
    hashes = IdHashes(tmp_path)
    hashes.add(_ids("a", "b"))
    hashes.add(_ids("c"))
    assert len(hashes.candidates()) == 0


def test_nulls_are_no_ids(tmp_path: pathlib.Path) -> None:
    hashes = IdHashes(tmp_path)
    hashes.add(_ids(None, None, "a"))
    assert len(hashes.candidates()) == 0


def test_no_ids_at_all_have_no_candidates(tmp_path: pathlib.Path) -> None:
    hashes = IdHashes(tmp_path)
    assert len(hashes.candidates()) == 0
    hashes.add(_ids(None, None))
    assert len(hashes.candidates()) == 0


@pytest.mark.parametrize("spill", [1, 2, 3, 7, 1000])
def test_repeats_are_found_across_batches_and_spilled_runs(
    tmp_path: pathlib.Path, spill: int
) -> None:
    hashes = IdHashes(tmp_path, spill_hashes=spill)
    for start in range(0, 30, 5):
        hashes.add(pa.array([str(n) for n in range(start, start + 5)]))
    hashes.add(_ids("3", "29"))
    hashes.add(_ids("3"))
    found = hashes.candidates()
    assert sorted(found) == sorted(duplicates.hash_ids(_ids("3", "29")))
    hashes.close()
    assert list(tmp_path.iterdir()) == []


def test_threads_may_add_at_the_same_time(tmp_path: pathlib.Path) -> None:
    hashes = IdHashes(tmp_path, spill_hashes=100)

    def add(start: int) -> None:
        for at in range(start, start + 1000, 10):
            hashes.add(pa.array([str(n) for n in range(at, at + 10)]))

    threads = [threading.Thread(target=add, args=(s,)) for s in (0, 1000, 2000, 990)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hashes.candidates()) == 1000 - 10 + 10


@given(st.lists(st.lists(st.sampled_from("abcdefgh")), max_size=6))
def test_repeated_is_what_a_counter_says(batches: list[list[str]]) -> None:
    ids = [text for batch in batches for text in batch]
    found = duplicates.repeated(
        pa.chunked_array(
            [pa.array(batch, pa.string()) for batch in batches], pa.string()
        )
    )
    assert sorted(found.to_pylist()) == sorted({t for t in ids if ids.count(t) > 1})


def test_a_hash_collision_is_no_duplicate() -> None:
    collision = duplicates.hash_ids(_ids("a", "b"))
    found = duplicates.occurrences(_ids("a", "b"), collision, part="p", first_row=0)
    assert duplicates.confirmed(found) == {}


def test_an_occurrence_says_where_the_id_stands() -> None:
    found = duplicates.occurrences(
        _ids("x", None, "a", "x"),
        duplicates.hash_ids(_ids("x")),
        part="d/p.parquet",
        first_row=100,
    )
    assert found == [
        Occurrence("x", "d/p.parquet", 100),
        Occurrence("x", "d/p.parquet", 103),
    ]


def test_a_message_names_the_id_and_the_rows() -> None:
    places = [Occurrence("x", f"p{at}", at) for at in range(5)]
    (message,) = duplicates.describe(duplicates.confirmed(places))
    assert message == (
        "record_id 'x' occurs more than once: p0 row 0, p1 row 1, p2 row 2, …; ids "
        "must be unique within a run: make them so, or say 'on_duplicate: drop' in the "
        "policy, which drops all of them"
    )


def test_only_some_of_many_duplicates_are_named() -> None:
    places = [Occurrence(str(at // 2), "p", at) for at in range(100)]
    messages = duplicates.describe(duplicates.confirmed(places))
    assert len(messages) == duplicates.SHOWN_IDS + 1
    assert messages[-1] == "more record ids occur more than once"


def test_rows_of_one_batch_that_are_looked_at_are_bounded() -> None:
    ids = pa.array(["same"] * (duplicates.SHOWN_ROWS + 50))
    found = duplicates.occurrences(
        ids, np.unique(duplicates.hash_ids(ids)), part="p", first_row=0
    )
    assert len(found) == duplicates.SHOWN_ROWS
