"""`ConsentFilter` in a pipeline: element types, windows, errors, refusals."""

from __future__ import annotations

import collections
import pathlib
import pickle
import typing
from collections.abc import Callable
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import (
    FixedWindows,
    SlidingWindows,
    TimestampedValue,
)
from apache_beam.utils.timestamp import Timestamp

from consentfilter.beam import LEDGER_SCHEMA, ConsentFilter, Decided
from consentfilter.dataset import Dataset
from consentfilter.engine.beam.runners import refuse_distance, refuse_pipeline
from consentfilter.engine.cluster import carried
from consentfilter.errors import InputError
from consentfilter.policy import Policy
from tests import made

pytestmark = pytest.mark.beam

POLICY = Policy.from_dict(made.POLICY)
KEPT = made.admitted_ids(20)


class Message(typing.NamedTuple):
    record_id: str
    subject_id: typing.Optional[str]  # noqa: UP045  (Beam 2.77 reads no X | None here)
    category: str
    collected_at: Timestamp
    text: str


class Segment(typing.NamedTuple):
    segment_id: str
    subject_id: typing.Optional[str]  # noqa: UP045
    words: typing.Optional[str]  # noqa: UP045


class StrictSegment(typing.NamedTuple):
    segment_id: str
    subject_id: str
    words: str


class StrictMeeting(typing.NamedTuple):
    record_id: str
    category: str
    collected_at: Timestamp
    segments: typing.Sequence[StrictSegment]


class Meeting(typing.NamedTuple):
    record_id: str
    category: str
    collected_at: Timestamp
    segments: typing.Sequence[Segment]
    summary: typing.Optional[str]  # noqa: UP045
    minutes: int


def _filter(**options: Any) -> ConsentFilter:
    given = {"policy": POLICY, "consent": made.events(), "as_of": made.AS_OF}
    return ConsentFilter(**(given | options))


def _collected() -> Timestamp:
    return Timestamp(made.COLLECTED.timestamp())


def _messages(count: int = 20) -> list[Message]:
    return [
        Message(
            row["record_id"],
            row["subject_id"],
            row["category"],
            _collected(),
            row["text"],
        )
        for row in made.records(count).to_pylist()
    ]


def _dicts(count: int = 20) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = made.records(count).to_pylist()
    return rows


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        (_messages(), Message),
        (_dicts(), dict),
        (_dicts(), dict[str, Any]),
    ],
    ids=["NamedTuple", "dict", "dict[str, Any]"],
)
def test_kept_rows_are_the_rows_that_came_in(rows: list[Any], kind: Any) -> None:
    ids = {row["record_id"] if isinstance(row, dict) else row[0]: row for row in rows}
    with beam.Pipeline("FnApiRunner") as pipeline:
        given = pipeline | beam.Create(rows).with_output_types(kind)
        decided = given | _filter()
        assert decided.kept.element_type == given.element_type
        assert_that(decided.kept, equal_to([ids[name] for name in KEPT]))


def test_beam_rows_keep_their_schema() -> None:
    with beam.Pipeline("FnApiRunner") as pipeline:
        rows = (
            pipeline
            | beam.Create(range(20))
            | beam.Map(
                lambda n: beam.Row(
                    record_id=f"r{n}",
                    subject_id=f"u{n % 10}",
                    category="content.chat",
                    collected_at="2024-06-01T00:00:00Z",
                )
            )
        )
        decided = rows | _filter()
        ids = decided.kept | beam.Map(lambda row: row.record_id)
        assert_that(ids, equal_to(KEPT))


@pytest.mark.parametrize("batch_rows", [1, 3, 1000])
def test_kept_and_dropped_are_the_input_as_a_multiset(batch_rows: int) -> None:
    rows = _messages() + _messages(5)  # ids may repeat within a PCollection
    with beam.Pipeline("FnApiRunner") as pipeline:
        decided = (
            pipeline
            | beam.Create(rows).with_output_types(Message)
            | _filter(batch_rows=batch_rows)
        )
        back = (decided.kept, decided.dropped | beam.Values()) | beam.Flatten()
        assert_that(back, equal_to(rows))
        reasons = decided.dropped | beam.MapTuple(lambda why, row: (row[1], why))
        wanted = [
            (row.subject_id, made.REASONS[row.subject_id])
            for row in rows
            if row.subject_id and made.REASONS[row.subject_id] != "OK_CONSENT"
        ]
        assert_that(reasons, equal_to(wanted), label="reasons")


def test_batches_keep_their_schema_and_metadata() -> None:
    records = made.records(20).replace_schema_metadata({"made by": "us"})
    seen: list[Any] = []
    with beam.Pipeline("FnApiRunner") as pipeline:
        decided = (
            pipeline
            | beam.Create(records.to_batches(6)).with_output_types(pa.RecordBatch)
            | _filter()
        )
        _ = decided.kept | beam.Map(_check_schema, records.schema)
        _ = decided.ledger | "ledger" >> beam.Map(_check_schema, LEDGER_SCHEMA)
        ids = decided.kept | beam.FlatMap(lambda b: b.column("record_id").to_pylist())
        assert_that(ids, equal_to(KEPT))
    assert not seen


def _check_schema(batch: pa.RecordBatch, wanted: pa.Schema) -> None:
    assert batch.schema.equals(wanted, check_metadata=True)


PER_SEGMENT = Policy.from_dict(
    {
        **made.POLICY,
        "multi_subject": {"mode": "per_segment"},
        "on_fail": "redact_fields",
    }
)


def test_a_segment_whose_fields_cannot_be_null_is_removed() -> None:
    kept, gone = StrictSegment("a", "u0", "hello"), StrictSegment("b", "u7", "secret")
    meeting = StrictMeeting("m", "content.transcript", _collected(), [kept, gone])
    with beam.Pipeline("FnApiRunner") as pipeline:
        decided = (
            pipeline
            | beam.Create([meeting]).with_output_types(StrictMeeting)
            | _filter(policy=PER_SEGMENT)
        )
        assert_that(decided.kept, equal_to([meeting._replace(segments=[kept])]))


def test_a_redacted_row_loses_only_what_was_redacted() -> None:
    meeting = Meeting(
        "m1",
        "content.transcript",
        _collected(),
        [Segment("a", "u0", "hello"), Segment("b", "u7", "secret")],
        "what they said",
        30,
    )
    dataset = Dataset.from_dict({"segments": {"keep": ["minutes"]}})
    wanted = meeting._replace(
        segments=[Segment("a", "u0", "hello"), Segment("b", None, None)], summary=None
    )
    with beam.Pipeline("FnApiRunner") as pipeline:
        decided = (
            pipeline
            | beam.Create([meeting]).with_output_types(Meeting)
            | _filter(policy=PER_SEGMENT, dataset=dataset)
        )
        assert_that(decided.kept, equal_to([wanted]))


def test_each_row_keeps_its_time_and_its_window() -> None:
    rows = [TimestampedValue(row, at) for at, row in enumerate(_messages())]

    def placed(
        row: Message,
        time: Timestamp = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> tuple[str, float, float]:
        return row.record_id, float(time), float(window.start)

    with beam.Pipeline("FnApiRunner") as pipeline:
        decided = (
            pipeline
            | beam.Create(rows)
            | beam.Map(lambda row: row).with_output_types(Message)
            | beam.WindowInto(FixedWindows(5))
            | _filter()
        )
        found = decided.kept | beam.Map(placed)
        at = {name: int(name[1:]) for name in KEPT}
        assert_that(found, equal_to([(n, at[n], at[n] // 5 * 5) for n in KEPT]))


@pytest.mark.parametrize("batch_rows", [1, 3, 1000])
def test_a_row_in_windows_that_overlap_is_decided_once_in_each(batch_rows: int) -> None:
    messages = _messages()
    rows = [TimestampedValue(row, at) for at, row in enumerate(messages)]

    def placed(name: str, window: Any = beam.DoFn.WindowParam) -> tuple[str, float]:
        return name, float(window.start)

    def wanted(names: list[str]) -> list[tuple[str, float]]:
        starts = {row.record_id: at // 5 * 5 for at, row in enumerate(messages)}
        return [(n, starts[n] - before) for n in names for before in (0, 5)]

    with beam.Pipeline("FnApiRunner") as pipeline:
        decided = (
            pipeline
            | beam.Create(rows)
            | beam.Map(lambda row: row).with_output_types(Message)
            | beam.WindowInto(SlidingWindows(10, 5))
            | _filter(batch_rows=batch_rows)
        )
        outputs = {
            "kept": decided.kept | "kept id" >> beam.Map(lambda row: row.record_id),
            "dropped": decided.dropped
            | "dropped id" >> beam.MapTuple(lambda why, row: row.record_id),
            "ledger": decided.ledger
            | beam.FlatMap(lambda batch: batch.column("record_id").to_pylist()),
        }
        everybody = [row.record_id for row in messages]
        names = {
            "kept": KEPT,
            "dropped": [name for name in everybody if name not in KEPT],
            "ledger": everybody,
        }
        for output, ids in outputs.items():
            found = ids | f"{output} placed" >> beam.Map(placed)
            assert_that(found, equal_to(wanted(names[output])), label=output)


def test_rows_of_few_times_keep_them_in_every_output() -> None:
    bad = {3, 150, 299}
    rows = [
        {**row, "category": 5} if at in bad else row
        for at, row in enumerate(_dicts(300))
    ]
    timed = [TimestampedValue(row, at // 100) for at, row in enumerate(rows)]

    def placed(
        row: dict[str, Any], time: Timestamp = beam.DoFn.TimestampParam
    ) -> tuple[str, float]:
        return row["record_id"], float(time)

    with beam.Pipeline("FnApiRunner") as pipeline:
        decided = (
            pipeline
            | beam.Create(timed)
            | beam.Map(lambda row: row).with_output_types(dict)
            | _filter(batch_rows=250, catch_errors=True)
        )
        outputs = {
            "kept": decided.kept,
            "dropped": decided.dropped | "dropped row" >> beam.Values(),
            "errors": decided.errors | "bad row" >> beam.Values(),
        }
        kept = set(made.admitted_ids(300))
        positions = {
            "kept": [at for at in range(300) if f"r{at}" in kept and at not in bad],
            "dropped": [at for at in range(300) if f"r{at}" not in kept | _ids(bad)],
            "errors": sorted(bad),
        }
        for output, given in outputs.items():
            found = given | f"{output} placed" >> beam.Map(placed)
            wanted = [(f"r{at}", float(at // 100)) for at in positions[output]]
            assert_that(found, equal_to(wanted), label=output)


def _ids(positions: set[int]) -> set[str]:
    return {f"r{at}" for at in positions}


def test_rows_that_cannot_be_read_are_errors_and_only_they() -> None:
    rows = [*_dicts(), {**_dicts(1)[0], "record_id": "bad", "category": 5}]
    with beam.Pipeline("FnApiRunner") as pipeline:
        decided = (
            pipeline
            | beam.Create(rows).with_output_types(dict)
            | _filter(catch_errors=True)
        )
        kept = decided.kept | "ids" >> beam.Map(lambda row: row["record_id"])
        assert_that(kept, equal_to(KEPT), label="kept")
        bad = decided.errors | beam.MapTuple(lambda why, row: row["record_id"])
        assert_that(bad, equal_to(["bad"]), label="errors")


def test_a_row_that_cannot_be_read_fails_the_pipeline_by_default() -> None:
    rows = [{**_dicts(1)[0], "category": 5}]
    with pytest.raises(Exception, match="category"):  # noqa: SIM117
        with beam.Pipeline("FnApiRunner") as pipeline:
            _ = pipeline | beam.Create(rows).with_output_types(dict) | _filter()


def test_a_dict_without_subject_is_dropped_alone_or_not() -> None:
    nobody = {k: v for k, v in _dicts(1)[0].items() if k != "subject_id"}
    for rows in ([nobody], [nobody, *_dicts(3)]):
        with beam.Pipeline("FnApiRunner") as pipeline:
            decided = pipeline | beam.Create(rows).with_output_types(dict) | _filter()
            reasons = decided.dropped | beam.MapTuple(lambda why, row: why)
            assert_that(reasons, equal_to(["SUBJECT_UNKNOWN"]))


def _untyped(pipeline: beam.Pipeline) -> Decided:
    return pipeline | beam.Create([1, "a"]) | _filter()


def _without_window(pipeline: beam.Pipeline) -> Decided:
    pointer = pipeline | "pointer" >> beam.Create([])
    rows = pipeline | beam.Create(_dicts()).with_output_types(dict)
    return rows | ConsentFilter(POLICY, pointer=pointer)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (_untyped, r"wanted pa.RecordBatch, a NamedTuple, beam.Row or dict"),
        (_without_window, "WindowInto"),
    ],
)
def test_what_cannot_work_is_refused_when_the_pipeline_is_made(
    build: Callable[[beam.Pipeline], Decided], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        build(beam.Pipeline("FnApiRunner"))


def test_consent_or_pointer_must_be_given_and_not_both() -> None:
    with pytest.raises(ValueError, match="either consent or pointer"):
        ConsentFilter(POLICY)


def test_a_dask_pipeline_is_refused_by_name() -> None:
    class DaskRunner:
        pass

    pipeline = collections.namedtuple("Pipeline", "runner")(DaskRunner())
    with pytest.raises(InputError, match="DaskRunner: refused"):
        refuse_pipeline(pipeline)


def test_large_consent_needs_a_staging_place_and_is_read_from_there(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried, "MAX_INLINE_BYTES", 100)
    here = _filter()._deciding.consent
    assert here.load() is here.load()
    far = collections.namedtuple("Pipeline", "runner")(PortableRunner())
    with pytest.raises(InputError, match="PortableRunner works in other processes"):
        refuse_distance(far, here)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(carried, "_HERE", {})
        with pytest.raises(InputError, match="staging="):
            pickle.loads(pickle.dumps(here)).load()
    step = _filter(staging=str(tmp_path))
    (staged,) = tmp_path.iterdir()
    with beam.Pipeline("FnApiRunner") as pipeline:
        decided = pipeline | beam.Create(_dicts()).with_output_types(dict) | step
        ids = decided.kept | beam.Map(lambda row: row["record_id"])
        assert_that(ids, equal_to(KEPT))
    there = pickle.dumps(step._deciding.consent)
    monkeypatch.setattr(carried, "_HERE", {})  # as in another process
    assert pickle.loads(there).load().snapshot.meta.as_of == made.AS_OF
    staged.write_bytes(b"other consent")
    with pytest.raises(InputError, match="has changed since"):
        pickle.loads(there).load()
