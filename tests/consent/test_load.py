"""Loading consent: files of every kind, side files, freshness, and mix-ups."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from consentfilter.consent import files
from consentfilter.consent.binding import EventsBinding
from consentfilter.consent.diff import diff_snapshots
from consentfilter.consent.freshness import check_freshness
from consentfilter.consent.links import components, load_links
from consentfilter.consent.load import load_consent
from consentfilter.consent.model import SnapshotMeta
from consentfilter.consent.snapshot import build_snapshot, write_snapshot
from consentfilter.consent.subjects import load_subjects
from consentfilter.dataset import Dataset
from consentfilter.errors import InputError, RunRefused
from tests.consent.conftest import AS_OF, GRANT, MADE, as_table

KEY = b"0123456789abcdef"
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.parquet"
    pq.write_table(as_table(GRANT), path)
    return path


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    path = tmp_path / "snapshot.parquet"
    write_snapshot(build_snapshot(as_table(GRANT), as_of=AS_OF), path)
    return path


def problems_of(*given: Any, **options: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_consent(list(given), **options)
    return list(caught.value.problems)


# --- which files ------------------------------------------------------------


def test_files_directories_globs_and_tables_give_one_snapshot(events: Path) -> None:
    want = build_snapshot(as_table(GRANT), as_of=AS_OF).meta
    for given in (
        events,
        str(events),
        [events, events],
        events.parent,
        f"{events.parent}/*.parquet",
        as_table(GRANT),
    ):
        assert load_consent(given, as_of=AS_OF).snapshot.meta == want


def test_events_and_snapshot_decide_alike(events: Path, snapshot: Path) -> None:
    built = load_consent(events, as_of=AS_OF)
    read = load_consent(snapshot)
    assert read.snapshot.meta == built.snapshot.meta
    assert read.as_of == AS_OF


def test_events_without_as_of_are_taken_as_of_now(events: Path) -> None:
    before = dt.datetime.now(dt.UTC)
    assert before <= load_consent(events).as_of <= dt.datetime.now(dt.UTC)


def test_hidden_files_are_no_consent(events: Path) -> None:
    for name in ("_SUCCESS", ".crc.parquet", "_tmp/x.parquet"):
        path = events.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("no parquet")
    assert load_consent(events.parent, as_of=AS_OF).snapshot.meta.sources[0].rows == 1


def test_a_file_without_rows_is_read(tmp_path: Path) -> None:
    pq.write_table(as_table(GRANT).slice(0, 0), tmp_path / "none.parquet")
    assert load_consent(tmp_path, as_of=AS_OF).snapshot.statements.num_rows == 0


def test_paths_that_name_nothing_are_refused_together(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    url = "s3://bucket/events"
    assert problems_of(f"{tmp_path}/absent", f"{tmp_path}/empty", "x*y", url) == [
        f"{tmp_path}/absent: no such file or directory; check the path",
        f"{tmp_path}/empty: no *.parquet or *.csv file below this directory; give the "
        "files of consent events, or a snapshot",
        "x*y: no such file or directory; check the path",
        "s3://bucket/events: consent is read from files on this machine, found a URL; "
        "copy it here first",
    ]
    assert problems_of() == [
        "no consent file was given; wanted event files or a snapshot"
    ]


def test_what_is_not_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("hello, this is text")
    (problem,) = problems_of(path)
    assert problem.startswith(f"{path}: not a readable Parquet file (")
    assert "wanted consent events (Parquet or CSV) or a consent snapshot" in problem


def test_truncated_parquet_is_refused(events: Path) -> None:
    events.write_bytes(events.read_bytes()[:-9])
    (problem,) = problems_of(events)
    assert "not a readable Parquet file" in problem


def test_damaged_pages_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    pq.write_table(as_table(*[GRANT] * 500), path, compression="none")
    raw = bytearray(path.read_bytes())
    raw[4:400] = b"\xff" * 396
    path.write_bytes(raw)
    (problem,) = problems_of(path, as_of=AS_OF)
    assert f"{path}: cannot be read to the end" in problem


def test_records_given_as_consent_are_named(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    pq.write_table(pa.table({"record_id": ["r"], "subject_id": ["a"]}), path)
    assert problems_of(path) == [
        f"{path}: this looks like a file of records, not of consent: it has no column "
        "'status', but 'record_id', 'subject_id'; give consent events or a snapshot "
        "here, and the records where records are wanted"
    ]


def test_a_table_without_statuses_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": ["r"]}), path)
    assert problems_of(path) == [
        f"{path}: no column 'status' of consent statuses (given, withdrawn, …); found "
        "'a'; name the column under `events: status:` in the dataset file"
    ]


def test_large_files_are_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [{**GRANT, "event_id": f"e{n}", "subject_id": str(n)} for n in range(10)]
    found[7]["purpose"] = None
    table = as_table(*found)
    pq.write_table(table, tmp_path / "e.parquet", row_group_size=2)
    whole = build_snapshot(table, as_of=AS_OF)
    monkeypatch.setattr(files, "PIECE_ROWS", 4)
    for given in (tmp_path, table):
        apart = build_snapshot(given, as_of=AS_OF)
        assert apart.meta == whole.meta
        assert apart.notes is not None
        (problem,) = apart.notes.problems
        assert (problem.row, problem.event_id) == (8, "e7")


def test_the_dataset_binds_the_events(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    extra = {"who": {"id": 7}, "state": "no", "node": "content.sticker"}
    pq.write_table(pa.Table.from_pylist([extra]), path)
    dataset = Dataset.from_dict(
        {
            "events": {
                "subject_id": "who.id",
                "status": "state",
                "category": "node",
                "statuses": {"no": "refused"},
            },
            "taxonomy": {"categories": ["content.sticker"]},
        }
    )
    consent = load_consent(path, as_of=AS_OF, dataset=dataset)
    (row,) = consent.snapshot.statements.to_pylist()
    assert (row["subject_key"], row["category"]) == ("user_id\x1f7", "content.sticker")


# --- CSV --------------------------------------------------------------------


def test_csv_events_are_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(
        "event_id,subject_id,account_id,status,purpose,category,occurred_at\n"
        "e1,0042,,given,improve,content,2024-06-01T12:00:00Z\n"
        "e2,,acme,given,improve,content,2024-06-01T12:00:00Z\n"
        "e3,,acme,refused,,,2024-06-01T12:00:00Z\n"
    )
    snapshot = load_consent(path, as_of=AS_OF).snapshot
    found = snapshot.statements.to_pylist()
    assert [row["statement_id"] for row in found] == ["e1", "e3"]
    assert found[0]["subject_key"] == "user_id\x1f0042"
    assert found[1]["subject_key"] is None
    # A blank id is no statement that everyone is meant: that grant is set aside.
    assert snapshot.meta.quarantine == {"placeholder_subject": 1}


def test_csv_and_parquet_give_one_snapshot(tmp_path: Path, events: Path) -> None:
    table = as_table(GRANT).select(
        [name for name in GRANT if name not in ("occurred_at", "recorded_at")]
    )
    for name in ("occurred_at", "recorded_at"):
        table = table.append_column(name, pa.array([MADE.isoformat()]))
    pacsv.write_csv(table, tmp_path / "e.csv")
    one = load_consent(tmp_path / "e.csv", as_of=AS_OF)
    assert one.snapshot.meta == load_consent(events, as_of=AS_OF).snapshot.meta


def test_broken_csv_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("status,subject_id\ngiven,a\ngiven\n")
    (problem,) = problems_of(path, as_of=AS_OF)
    assert problem.startswith(f"{path}: not a readable CSV file (")
    path.write_text("")
    (problem,) = problems_of(path, as_of=AS_OF)
    assert problem.startswith(f"{path}: not a readable CSV file (")


# --- snapshots in the wrong place -------------------------------------------


def test_a_snapshot_is_complete_in_itself(snapshot: Path, events: Path) -> None:
    (problem,) = problems_of(snapshot, events)
    assert "given together with 1 other consent inputs" in problem


def test_a_snapshot_serves_a_later_instant_and_says_what_it_lacks(
    snapshot: Path,
) -> None:
    later = load_consent(snapshot, as_of=AS_OF + DAY)
    assert later.as_of == AS_OF + DAY
    (note,) = later.notes
    assert "was built as of 2025-01-01T00:00:00Z; what was recorded between" in note
    assert load_consent(snapshot, as_of=AS_OF).notes == ()


def test_a_snapshot_serves_an_earlier_instant_if_nothing_came_after_it(
    tmp_path: Path, snapshot: Path
) -> None:
    want = build_snapshot(as_table(GRANT), as_of=AS_OF - DAY).meta
    meta = load_consent(snapshot, as_of=AS_OF - DAY).snapshot.meta
    assert (meta.as_of, meta.snapshot_id) == (want.as_of, want.snapshot_id)
    long_ago = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    (problem,) = problems_of(snapshot, as_of=long_ago)
    assert "earlier: it knows of acts that were recorded after that" in problem
    assert "leave --as-of out, or build a snapshot as of that instant" in problem


def test_an_earlier_instant_is_refused_whichever_columns_are_wanted(
    snapshot: Path,
) -> None:
    names = ["statement_id", "status"]
    kept = load_consent(snapshot, as_of=AS_OF - DAY, columns=names)
    assert set(names) <= set(kept.snapshot.statements.column_names)
    long_ago = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    (problem,) = problems_of(snapshot, as_of=long_ago, columns=names)
    assert "earlier: it knows of acts that were recorded after that" in problem


def test_an_instant_may_be_text(events: Path) -> None:
    assert load_consent(events, as_of="2025-01-01T01:00:00+01:00").as_of == AS_OF
    for text in ("2025-01-01", "soon"):
        (problem,) = problems_of(events, as_of=text)
        assert "wanted an instant such as 2026-01-31T12:00:00Z" in problem


def test_a_naive_as_of_is_refused(snapshot: Path) -> None:
    (problem,) = problems_of(snapshot, as_of=dt.datetime(2025, 1, 1))
    assert "a time without a zone" in problem


def test_keyed_snapshots_need_their_key(tmp_path: Path) -> None:
    path = tmp_path / "keyed.parquet"
    keyed = build_snapshot(as_table(GRANT), as_of=AS_OF, id_key=KEY)
    write_snapshot(keyed, path)
    assert load_consent(path, id_key=KEY).snapshot.meta == keyed.meta
    (row,) = keyed.statements.to_pylist()
    assert len(row["subject_key"]) == 64
    for wrong in (None, KEY[::-1]):
        (problem,) = problems_of(path, id_key=wrong)
        assert f"keyed with key {keyed.meta.id_key_fingerprint}" in problem


def test_derived_ids_of_a_keyed_snapshot_do_not_betray_the_subject() -> None:
    event = {**GRANT, "event_id": None}
    plain = build_snapshot(as_table(event), as_of=AS_OF).statements
    keyed = build_snapshot(as_table(event), as_of=AS_OF, id_key=KEY).statements
    assert plain["statement_id"] != keyed["statement_id"]


# --- subjects ---------------------------------------------------------------


def people(**columns: Any) -> pa.Table:
    return pa.table({"subject_id": ["a", "b"], **columns})


def test_subjects_are_keyed_and_sorted() -> None:
    table = pa.table(
        {
            "subject_ns": ["email", None],
            "subject_id": ["B@X", "a"],
            "birth_date": ["2009-04-30", None],
            "jurisdiction": [" us-ca", ""],
            "lifecycle": ["deleted", None],
            "lifecycle_at": ["2024-01-01T00:00:00Z", None],
        }
    )
    assert load_subjects(table).table.to_pylist() == [
        {
            "subject_key": "email\x1fb@x",
            "birth_date": dt.date(2009, 4, 30),
            "jurisdiction": "US-CA",
            "lifecycle": "deleted",
            "lifecycle_at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        },
        {
            "subject_key": "user_id\x1fa",
            "birth_date": None,
            "jurisdiction": None,
            "lifecycle": "active",
            "lifecycle_at": None,
        },
    ]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([dt.date(2009, 4, 30)] * 2),
        pa.array([dt.date(2009, 4, 30)] * 2, pa.date64()),
        pa.array([dt.datetime(2009, 4, 30)] * 2),
        pa.array(["2009-04-30"] * 2).dictionary_encode(),
    ],
)
def test_birth_dates_may_have_any_date_type(values: pa.Array) -> None:
    found = load_subjects(people(birth_date=values)).table
    assert found["birth_date"].to_pylist() == [dt.date(2009, 4, 30)] * 2


def test_the_digest_of_subjects_follows_from_the_rows(tmp_path: Path) -> None:
    table = people(lifecycle=["active", "deceased"])
    pq.write_table(table, tmp_path / "p.parquet", row_group_size=1)
    pacsv.write_csv(table.take([1, 0]), tmp_path / "p.csv")
    digests = {
        load_subjects(given).sha256
        for given in (table, tmp_path / "p.parquet", tmp_path / "p.csv")
    }
    assert len(digests) == 1
    assert load_subjects(people()).sha256 not in digests


def test_all_problems_of_subjects_come_together() -> None:
    table = pa.table(
        {
            "subject_id": ["a", " a", "null", "c"],
            "birth_date": ["2009-04-30", "30.4.2009", None, "x"],
            "lifecycle": ["active", "gone", "active", "left"],
            "lifecycle_at": ["2024-01-01T00:00:00Z", "soon", None, None],
        }
    )
    with pytest.raises(InputError) as caught:
        load_subjects(table)
    assert list(caught.value.problems) == [
        "the subjects file: column 'birth_date' has 2 values that cannot be read "
        "(row 2, row 4); wanted dates such as '2009-04-30'",
        "the subjects file: column 'lifecycle_at' has 1 values that cannot be read "
        "(row 2); wanted RFC 3339 times",
        "the subjects file: 1 rows name nobody (a null or placeholder subject_id: "
        "row 3); wanted one person a row; remove these rows or name the person",
        "the subjects file: 1 people are named more than once, for example subject_id "
        "'a' (row 1, row 2); wanted one row a person (ids count as the same after "
        "normalisation)",
        "the subjects file: column 'lifecycle' holds 'gone', 'left' (row 2, row 4); "
        "wanted active, deactivated, deleted, deceased",
    ]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"birth_date": [1, 2]}, "column 'birth_date' is of type int64, wanted dates"),
        (
            {"birth_date": [dt.datetime(2009, 4, 30, 1)] * 2},
            "column 'birth_date' is of type timestamp[us] and holds times of day",
        ),
        (
            {"birth_date": pa.array([0, 0], pa.timestamp("s", "UTC"))},
            "column 'birth_date' is of type timestamp[s, tz=UTC], wanted dates",
        ),
        (
            {"lifecycle": [1.5, 2.5]},
            "column 'lifecycle' is of type double, wanted text",
        ),
        (
            {"lifecycle_at": [dt.datetime(2024, 1, 1)] * 2},
            "column 'lifecycle_at' is of type timestamp[us] without a time zone",
        ),
        ({"subject_id": [1.5, 2.5]}, "column 'subject_id': subject ids are of type"),
    ],
)
def test_wrong_types_of_subjects_are_named(columns: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_subjects(people(**columns))
    assert said in str(caught.value)


def test_a_subjects_file_needs_ids() -> None:
    with pytest.raises(InputError, match="no column 'subject_id'; found 'id'; wanted"):
        load_subjects(pa.table({"id": ["a"]}))


def test_side_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"subject_id": ["a"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"subject_id": [["b"]]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="its files do not fit together"):
        load_subjects(tmp_path)


def test_a_subjects_file_may_be_in_pieces(tmp_path: Path) -> None:
    pq.write_table(pa.table({"subject_id": ["a"]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("subject_id,lifecycle\nb,deleted\n")
    found = load_subjects(tmp_path).table
    assert found["lifecycle"].to_pylist() == ["active", "deleted"]


def test_broken_csv_of_subjects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("")
    with pytest.raises(InputError, match=r"p.csv: not a readable CSV file \("):
        load_subjects(tmp_path / "p.csv")


def test_a_snapshot_is_no_subjects_file(snapshot: Path) -> None:
    with pytest.raises(InputError, match="this is a consent snapshot, wanted the subj"):
        load_subjects(snapshot)


# --- links ------------------------------------------------------------------


def links(*pairs: tuple[Any, Any]) -> pa.Table:
    a, b = zip(*pairs, strict=True)
    text = pa.string()
    return pa.table({"id_a": pa.array(a, text), "id_b": pa.array(b, text)})


def test_links_are_pairs_without_order_or_repetition() -> None:
    found = load_links(links(("b", "a"), ("a", "b"), ("c", "c"), ("c", "b")))
    assert found.table.to_pylist() == [
        {"key_a": "user_id\x1fa", "key_b": "user_id\x1fb"},
        {"key_a": "user_id\x1fb", "key_b": "user_id\x1fc"},
    ]
    assert found.num_ignored == 0
    assert found.sha256 == load_links(links(("a", "b"), ("b", "c"))).sha256


def test_placeholders_never_join(tmp_path: Path, events: Path) -> None:
    pq.write_table(links(("a", "null"), (None, "b"), ("a", "b")), tmp_path / "l.pq")
    consent = load_consent(events, as_of=AS_OF, links=tmp_path / "l.pq")
    assert consent.links is not None
    assert consent.links.num_rows == 1
    assert consent.notes == (
        "2 identity links were ignored: one side is a placeholder, which names nobody",
    )


def test_links_may_cross_namespaces_and_be_keyed() -> None:
    table = pa.table({"ns_a": ["email"], "id_a": ["A@x"], "id_b": [7]})
    assert load_links(table).table.to_pylist() == [
        {"key_a": "email\x1fa@x", "key_b": "user_id\x1f7"}
    ]
    keyed = load_links(table, id_key=KEY).table.to_pylist()[0]
    assert len(keyed["key_a"]) == len(keyed["key_b"]) == 64


def test_links_need_two_ids() -> None:
    with pytest.raises(InputError, match="no column 'id_b'; found 'id_a'; wanted the"):
        load_links(pa.table({"id_a": ["a"]}))


def test_components_follow_links_all_the_way() -> None:
    chain = [(f"n{at:03}", f"n{at + 1:03}") for at in range(0, 200)]
    pairs = load_links(links(*chain, ("x", "y"))).table
    keys, person = components(pairs)
    assert len(keys) == 203
    assert len(set(person[:-2].tolist())) == 1
    assert person[-2] == person[-1] != person[0]


def test_components_agree_with_a_search() -> None:
    rng = np.random.default_rng(5)
    ends = rng.integers(0, 60, (45, 2)).astype(str)
    pairs = load_links(links(*map(tuple, ends.tolist()))).table
    keys, person = components(pairs)
    neighbours: dict[str, set[str]] = {}
    for pair in pairs.to_pylist():
        neighbours.setdefault(pair["key_a"], set()).add(pair["key_b"])
        neighbours.setdefault(pair["key_b"], set()).add(pair["key_a"])
    of = dict(zip(keys.to_pylist(), person.tolist(), strict=True))
    for key in of:
        reached, open_ = {key}, [key]
        while open_:
            further = neighbours[open_.pop()] - reached
            reached |= further
            open_ += further
        assert reached == {other for other in of if of[other] == of[key]}


# --- freshness --------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Rule:
    max_staleness: dt.timedelta | None = None
    required_sources: tuple[str, ...] = ()


def meta(**watermarks: dt.timedelta) -> SnapshotMeta:
    """Sources whose newest event is so much older than the cut."""
    found = [
        {**GRANT, "event_id": source, "source_id": source}
        | {"occurred_at": AS_OF - age, "recorded_at": AS_OF - age}
        for source, age in watermarks.items()
    ]
    return build_snapshot(as_table(*found), as_of=AS_OF).meta


@pytest.mark.parametrize(
    ("rule", "ages"),
    [
        (Rule(), {}),
        (Rule(HOUR), {"crm": HOUR}),
        (Rule(HOUR), {"crm": 9 * DAY, "web": HOUR}),
        (Rule(HOUR, ("web",)), {"crm": 9 * DAY, "web": HOUR}),
        (Rule(None, ("crm",)), {"crm": 900 * DAY}),
    ],
)
def test_fresh_enough(rule: Rule, ages: dict[str, dt.timedelta]) -> None:
    check_freshness(meta(**ages), rule, now=AS_OF)


@pytest.mark.parametrize(
    ("rule", "ages", "said"),
    [
        (
            Rule(DAY),
            {"crm": 3 * DAY + 4 * HOUR},
            "RUN_SNAPSHOT_STALE: the newest event of all sources was recorded "
            "2024-12-28T20:00:00Z, 3 d 4 h before 2025-01-01T00:00:00Z; the policy "
            "allows 1 d (`snapshot.max_staleness`); fetch newer consent events",
        ),
        (
            Rule(HOUR, ("crm", "web")),
            {"crm": HOUR, "web": HOUR + dt.timedelta(seconds=1)},
            "RUN_SNAPSHOT_STALE: source 'web' was recorded 2024-12-31T22:59:59Z, "
            "1 h 1 s before 2025-01-01T00:00:00Z; the policy allows 1 h "
            "(`snapshot.max_staleness`); fetch newer consent events",
        ),
        (
            Rule(HOUR),
            {},
            "RUN_SNAPSHOT_STALE: the newest event of all sources states no recording "
            "time, so its age is unknown; the policy allows 1 h "
            "(`snapshot.max_staleness`); give events with recorded_at",
        ),
        (
            Rule(None, ("crm", "cmp")),
            {"crm": HOUR, "web": HOUR},
            "RUN_SOURCE_MISSING: the policy requires consent source 'cmp', found "
            "'crm', 'web'; give its events too, or correct "
            "`snapshot.required_sources`",
        ),
        (
            Rule(HOUR, ("cmp",)),
            {},
            "RUN_SOURCE_MISSING: the policy requires consent source 'cmp', found no "
            "source at all; give its events too, or correct "
            "`snapshot.required_sources`",
        ),
    ],
)
def test_stale_or_missing_consent_refuses_the_run(
    rule: Rule, ages: dict[str, dt.timedelta], said: str
) -> None:
    with pytest.raises(RunRefused) as caught:
        check_freshness(meta(**ages), rule, now=AS_OF)
    assert str(caught.value) == said
    assert caught.value.exit_status == 2


def test_an_old_snapshot_is_stale_whatever_its_sources() -> None:
    with pytest.raises(RunRefused) as caught:
        check_freshness(meta(crm=HOUR), Rule(2 * DAY), now=AS_OF + 3 * DAY)
    assert caught.value.code == "RUN_SNAPSHOT_STALE"
    assert (
        "the snapshot is as of 2025-01-01T00:00:00Z, 3 d before "
        "2025-01-04T00:00:00Z; the policy allows 2 d" in str(caught.value)
    )


def test_a_required_source_without_recording_times_is_stale() -> None:
    nameless = {**GRANT, "status": "refused", "recorded_at": None, "occurred_at": None}
    found = build_snapshot(as_table(nameless), as_of=AS_OF).meta
    with pytest.raises(RunRefused, match="source 'crm' states no recording time"):
        check_freshness(found, Rule(DAY, ("crm",)), now=AS_OF)


# --- differences ------------------------------------------------------------


def test_snapshots_are_compared_statement_by_statement() -> None:
    old = [
        {**GRANT, "event_id": "same"},
        {**GRANT, "event_id": "gone", "status": "refused", "subject_id": "ben"},
        {**GRANT, "event_id": "other", "recipients": ["lab"]},
    ]
    new = [
        old[0],
        {**old[2], "recipients": ["lab", "acme"]},
        {**GRANT, "event_id": "new1", "status": "withdrawn", "subject_id": "cy"},
        {**GRANT, "event_id": "new2", "status": "withdrawn", "subject_id": "cy"},
        {**GRANT, "event_id": "new3", "subject_id": None, "account_id": "acme"},
    ]
    before = build_snapshot(as_table(*old), as_of=AS_OF)
    after = build_snapshot(as_table(*new), as_of=AS_OF)
    found = diff_snapshots(before, after)
    assert [(c.status, c.statements, c.subjects) for c in found.added] == [
        ("withdrawn", 2, 1),
        ("given", 1, 0),
    ]
    assert [(c.status, c.statements) for c in found.removed] == [("refused", 1)]
    assert [(c.status, c.statements) for c in found.changed] == [("given", 1)]
    assert found.subjects == 3
    assert found.examples["added"] == ("new1", "new2", "new3")
    assert not found.is_empty
    assert diff_snapshots(before, before).is_empty


def test_snapshots_of_different_keys_cannot_be_compared() -> None:
    plain = build_snapshot(as_table(GRANT), as_of=AS_OF)
    keyed = build_snapshot(as_table(GRANT), as_of=AS_OF, id_key=KEY)
    with pytest.raises(InputError, match="keyed differently"):
        diff_snapshots(plain, keyed)


def test_a_binding_is_a_value() -> None:
    assert EventsBinding() == EventsBinding.model_validate({})
