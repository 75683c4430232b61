"""Bad input and refused runs: each message, its exit status, and no release."""

from __future__ import annotations

import datetime as dt
import os
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance import kit


@pytest.fixture
def place(tmp_path: pathlib.Path) -> kit.World:
    """Write a small world."""
    return kit.world(tmp_path)


def refused(place: kit.World, *words: str, status: int = 2, more: tuple = ()) -> str:
    """Run the filter; it has to be refused with these words, and leave nothing."""
    before = {path for path in place.root.rglob("*") if path.is_file()}
    said = place.filter(*more)
    assert said.status == status, said
    assert "Traceback" not in said.text
    for word in words:
        assert word in said.err, (word, said.err)
    assert not (place.root / "release").exists()
    assert {path for path in place.root.rglob("*") if path.is_file()} == before
    as_json = place.filter(*more, "--json")
    assert as_json.status == status
    assert as_json.json
    return said.err


def only(place: kit.World, table: pa.Table) -> None:
    """Put other records in the dump."""
    kit.write(place.dump / "part-0.parquet", table)


def test_not_parquet(place: kit.World) -> None:
    (place.dump / "part-0.parquet").write_bytes(b"hello, world, this is text\n" * 9)
    refused(place, "part-0.parquet", "Parquet")


def test_truncated_parquet(place: kit.World) -> None:
    raw = (place.dump / "part-0.parquet").read_bytes()
    (place.dump / "part-0.parquet").write_bytes(raw[: len(raw) // 2])
    refused(place, "part-0.parquet")


def test_truncated_in_the_middle(place: kit.World) -> None:
    raw = (place.dump / "part-0.parquet").read_bytes()
    (place.dump / "part-0.parquet").write_bytes(raw[:4] + raw[300:])
    said = place.filter()
    assert said.status in (2, 3), said
    assert "part-0.parquet" in said.err
    assert not (place.root / "release").exists()


def test_empty_file(place: kit.World) -> None:
    (place.dump / "part-0.parquet").write_bytes(b"")
    refused(place, "part-0.parquet")


def test_zero_files(place: kit.World) -> None:
    os.remove(place.dump / "part-0.parquet")
    refused(place, str(place.dump))


def test_no_such_dump(place: kit.World) -> None:
    refused(place._replace(dump=place.root / "nowhere"), "nowhere")


def test_a_glob_that_matches_nothing(place: kit.World) -> None:
    refused(place._replace(dump=place.root / "dump/x-*.parquet"), "x-*.parquet")


def test_zero_rows(place: kit.World) -> None:
    rows = kit.records(["r"], ["ann"])
    only(place, rows.slice(0, 0))
    refused(place, "part-0.parquet", "no rows")
    kit.write(place.dump / "z.parquet", rows)
    out = place.release()
    assert pq.read_table(out / "data/part-0.parquet").num_rows == 0
    assert kit.cli("verify", out).status == 0


@pytest.mark.parametrize("name", ["record_id", "category", "collected_at"])
def test_missing_column(place: kit.World, name: str) -> None:
    only(place, kit.records(["r"], ["ann"]).drop_columns([name]))
    refused(place, name, "part-0.parquet")


def test_two_missing_columns_come_together(place: kit.World) -> None:
    only(place, kit.records(["r"], ["ann"]).drop_columns(["category", "record_id"]))
    refused(place, "record_id", "category")


def test_no_subject_column_at_all(place: kit.World) -> None:
    only(place, kit.records(["r"], ["ann"]).drop_columns(["subject_id"]))
    said = place.filter()
    if said.status == 0:
        assert kit.reasons(place.root / "release") == {"r": "SUBJECT_UNKNOWN"}
    else:
        assert said.status == 2
        assert "subject" in said.err


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("record_id", pa.array([1.5])),
        ("record_id", pa.array([True])),
        ("category", pa.array([7])),
        ("collected_at", pa.array([7])),
        ("subject_id", pa.array([7.0])),
        ("subjects", pa.array([{"name": "ann"}])),
    ],
)
def test_wrongly_typed_column(place: kit.World, name: str, values: pa.Array) -> None:
    only(place, kit.records(["r"], ["ann"], **{name: values}))
    refused(place, name, "part-0.parquet")


def test_naive_timestamps(place: kit.World) -> None:
    naive = pa.array([dt.datetime(2024, 6, 1)], pa.timestamp("us"))
    only(place, kit.records(["r"], ["ann"], collected_at=naive))
    refused(place, "collected_at", "assume_timezone")
    binding = kit.write(place.root / "dataset.yaml", "assume_timezone: UTC\n")
    assert kit.reasons(place.release("--dataset", binding)) == {"r": "OK_CONSENT"}


def test_times_as_text(place: kit.World) -> None:
    texts = ["2024-06-01T00:00:00Z", "2024-06-01T02:00:00+02:00", "2024-06-01T00:00:00"]
    texts += ["2024-06-01", "soon"]
    ids = [f"r{at}" for at in range(5)]
    only(place, kit.records(ids, ["ann"] * 5, collected_at=texts))
    assert list(kit.reasons(place.release()).values()) == [
        *["OK_CONSENT"] * 2,
        *["RECORD_INVALID"] * 3,
    ]


def test_null_and_blank_record_ids_are_invalid(place: kit.World) -> None:
    only(place, kit.records([None, "", "r"], ["ann"] * 3))
    out = place.release()
    rows = pq.read_table(out / "private/ledger").to_pylist()
    assert [row["reason"] for row in rows] == [
        "RECORD_INVALID",
        "RECORD_INVALID",
        "OK_CONSENT",
    ]


def test_duplicate_record_ids(place: kit.World) -> None:
    kit.write(place.dump / "z.parquet", kit.records(["r1"], ["ann"]))
    refused(place, "r1", "part-0.parquet", "z.parquet")
    place.policy.write_text(kit.POLICY + "on_duplicate: drop\n")
    out = place.release()
    rows = pq.read_table(out / "private/ledger").to_pylist()
    twice = [row["reason"] for row in rows if row["record_id"] == "r1"]
    assert twice == ["RECORD_INVALID"] * 2


def test_duplicate_ids_of_other_types_are_duplicates(place: kit.World) -> None:
    only(place, kit.records([7, 8], ["ann", "bob"]))
    kit.write(place.dump / "z.parquet", kit.records(["7"], ["ann"]))
    refused(place, "7")


def test_duplicate_events_with_the_same_content(place: kit.World) -> None:
    acts = kit.events(kit.grant("ann"), kit.grant("ann"))
    kit.write(place.consent, acts)
    assert kit.reasons(place.release())["r1"] == "OK_CONSENT"


def test_duplicate_event_ids_with_other_content(place: kit.World) -> None:
    acts = [kit.grant("ann", event_id="x"), kit.grant("bob", event_id="x")]
    kit.write(place.consent, kit.events(*acts))
    reasons = kit.reasons(place.release())
    assert (reasons["r1"], reasons["r2"]) == ("NO_CONSENT_RECORD",) * 2
    denials = [kit.denial("ann", event_id="y"), kit.denial("cat", event_id="y")]
    kit.write(place.consent, kit.events(kit.grant("ann"), *denials))
    reasons = kit.reasons(place.release(out="second"))
    assert (reasons["r1"], reasons["r3"]) == ("CONSENT_WITHDRAWN",) * 2


def test_unknown_status_refuses_and_names_the_map(place: kit.World) -> None:
    kit.write(place.consent, kit.events(kit.grant("ann", status="sure")))
    said = refused(place, "sure", "statuses", "given", "withdrawn")
    assert "1" in said


def test_unknown_expression_sets_a_grant_aside(place: kit.World) -> None:
    kit.write(place.consent, kit.events(kit.grant("ann", expression="shouted")))
    reasons = kit.reasons(place.release())
    assert reasons["r1"] in {"NO_CONSENT_RECORD", "EXPRESSION_INSUFFICIENT"}


def test_unknown_actor_on_a_denial_is_honoured(place: kit.World) -> None:
    acts = kit.events(
        kit.grant("ann", actor_type="self"), kit.denial("ann", actor_type="her aunt")
    )
    kit.write(place.consent, acts)
    assert kit.reasons(place.release())["r1"] == "CONSENT_WITHDRAWN"


def test_unknown_category_of_a_record(place: kit.World) -> None:
    only(place, kit.records(["r"], ["ann"], category=["content.gossip"]))
    assert kit.reasons(place.release()) == {"r": "CATEGORY_UNKNOWN"}


def test_naive_consent_times(place: kit.World) -> None:
    acts = kit.events(kit.grant("ann")).set_column(
        6, "occurred_at", pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("us"))
    )
    kit.write(place.consent, acts)
    refused(place, "occurred_at", "zone")


def test_consent_without_status(place: kit.World) -> None:
    kit.write(place.consent, kit.events(kit.grant("ann")).drop_columns(["status"]))
    refused(place, "status", "consent.parquet")


def test_records_given_as_consent(place: kit.World) -> None:
    part = place.dump / "part-0.parquet"
    refused(place._replace(consent=part), "part-0.parquet", "status")


def test_consent_given_as_records(place: kit.World) -> None:
    err = refused(place._replace(dump=place.consent), "consent.parquet")
    assert "consent" in err.replace("consent.parquet", "")


def test_a_snapshot_given_as_records(place: kit.World) -> None:
    snapshot = place.root / "snapshot.parquet"
    kit.cli("snapshot", "build", place.consent, "--out", snapshot)
    err = refused(place._replace(dump=snapshot), "snapshot.parquet")
    assert "snapshot" in err.replace("snapshot.parquet", "")


def test_missing_consent_file(place: kit.World) -> None:
    refused(place._replace(consent=place.root / "gone.parquet"), "gone.parquet")


def test_empty_consent(place: kit.World) -> None:
    kit.write(place.consent, kit.events(kit.grant("ann")).slice(0, 0))
    said = place.filter()
    assert said.status == 2, said
    assert not (place.root / "release").exists()


def test_a_typo_in_the_policy(place: kit.World) -> None:
    place.policy.write_text(kit.POLICY + "temporal:\n  mod: both\n")
    err = refused(place, "policy.yaml:4", "mod", "mode", status=1)
    assert "RUN_POLICY_INVALID" in err or "policy" in err


def test_a_policy_that_is_no_yaml(place: kit.World) -> None:
    place.policy.write_text("id: [\n")
    refused(place, "policy.yaml", status=1)


def test_an_unknown_purpose(place: kit.World) -> None:
    place.policy.write_text(kit.POLICY + "purposes: [improve.train_ia]\n")
    refused(place, "improve.train_ia", "improve.train_ai", status=1)


def test_no_such_policy(place: kit.World) -> None:
    refused(place._replace(policy=place.root / "gone.yaml"), "gone.yaml", status=2)


def test_an_existing_output(place: kit.World) -> None:
    out = place.root / "release"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    said = place.filter()
    assert said.status == 2
    assert "release" in said.err
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_an_output_that_is_a_release(place: kit.World) -> None:
    before = place.release()
    manifest = (before / "manifest.intoto.json").read_bytes()
    assert place.filter().status == 2
    assert (before / "manifest.intoto.json").read_bytes() == manifest


def test_an_output_below_a_file(place: kit.World) -> None:
    said = place.filter(out="policy.yaml/release")
    assert said.status in (2, 3)
    assert "policy.yaml" in said.err
    assert "Traceback" not in said.text


def test_an_unwritable_output(place: kit.World) -> None:
    if os.geteuid() == 0:
        said = place.filter(out="../../../../../../proc/release")
    else:
        (place.root / "locked").mkdir(mode=0o500)
        said = place.filter(out="locked/release")
    assert said.status in (2, 3), said
    assert "Traceback" not in said.text


def test_neither_signed_nor_unsigned(place: kit.World) -> None:
    said = place.filter("--as-of", kit.AS_OF, usual=False)
    assert said.status == 2
    assert "keygen" in said.err
    assert "--unsigned" in said.err


def test_a_public_key_signs_nothing(place: kit.World) -> None:
    kit.cli("keygen", "--out", place.root / "key")
    key = place.root / "key.pub.pem"
    said = place.filter("--sign-key", key, "--as-of", kit.AS_OF, usual=False)
    assert said.status == 2, said
    assert "key.pub.pem" in said.err


def test_stale_events(place: kit.World) -> None:
    place.policy.write_text(kit.POLICY + "snapshot: {max_staleness: PT24H}\n")
    refused(place, "RUN_SNAPSHOT_STALE", "2024-09-01")


def test_fresh_events(place: kit.World) -> None:
    place.policy.write_text(kit.POLICY + "snapshot: {max_staleness: PT24H}\n")
    said = place.filter("--unsigned", "--as-of", "2024-09-01T12:00:00Z", usual=False)
    assert said.status == 0, said


def test_a_stale_snapshot(place: kit.World) -> None:
    place.policy.write_text(kit.POLICY + "snapshot: {max_staleness: PT24H}\n")
    snapshot = place.root / "snapshot.parquet"
    line = ("snapshot", "build", place.consent, "--out", snapshot)
    assert kit.cli(*line, "--as-of", "2024-09-01T12:00:00Z").status == 0
    by_snapshot = place._replace(consent=snapshot)
    refused(by_snapshot, "RUN_SNAPSHOT_STALE")
    refused(by_snapshot, "RUN_SNAPSHOT_STALE", more=("--limit", "2"))
    instant = ("--as-of", "2024-09-01T12:00:00Z")
    said = by_snapshot.filter("--unsigned", *instant, usual=False)
    assert said.status == 0, said


def test_a_snapshot_later_than_it_was_built(place: kit.World) -> None:
    snapshot = place.root / "snapshot.parquet"
    line = ("snapshot", "build", place.consent, "--out", snapshot)
    assert kit.cli(*line, "--as-of", "2024-09-01T12:00:00Z").status == 0
    said = place._replace(consent=snapshot).filter()
    assert said.status == 0, said
    assert "2024-09-01T12:00:00Z" in said.err


def test_a_snapshot_earlier_than_it_was_built(place: kit.World) -> None:
    snapshot = place.root / "snapshot.parquet"
    kit.cli("snapshot", "build", place.consent, "--out", snapshot)
    earlier = place._replace(consent=snapshot)
    said = earlier.filter(
        *("--unsigned", "--as-of", "2024-08-01T00:00:00Z"), usual=False
    )
    assert said.status == 2
    assert "recorded after" in said.err
    by_events = kit.reasons(place.release(out="by-events"))
    assert kit.reasons(earlier.release(out="by-snapshot")) == by_events


def test_events_of_later_times_are_no_empty_export(place: kit.World) -> None:
    said = place.filter("--unsigned", "--as-of", "2023-06-01T00:00:00Z", usual=False)
    assert said.status == 0, said
    assert set(kit.reasons(place.root / "release").values()) == {"RECORD_INVALID"}
    kit.write(place.consent, kit.events(kit.grant("ann", recorded_at=kit.LATE)))
    out = place.release(out="second")
    assert kit.reasons(out)["r1"] == "NO_CONSENT_RECORD"


def test_a_missing_source(place: kit.World) -> None:
    place.policy.write_text(kit.POLICY + "snapshot: {required_sources: [cmp]}\n")
    refused(place, "RUN_SOURCE_MISSING", "cmp")


def test_a_compact_snapshot_wants_mode_processing(place: kit.World) -> None:
    snapshot = place.root / "snapshot.parquet"
    line = ("snapshot", "build", place.consent, "--out", snapshot, "--compact")
    assert kit.cli(*line, "--as-of", kit.AS_OF).status == 0
    compact = place._replace(consent=snapshot)
    refused(compact, "RUN_SNAPSHOT_INVALID", "processing")
    place.policy.write_text(kit.POLICY + "temporal: {mode: processing}\n")
    assert compact.filter().status == 0


def test_a_changed_snapshot(place: kit.World) -> None:
    snapshot = place.root / "snapshot.parquet"
    kit.cli(
        *("snapshot", "build", place.consent, "--out", snapshot, "--as-of", kit.AS_OF)
    )
    table = pq.read_table(snapshot)
    pq.write_table(table.slice(0, 2), snapshot)
    refused(place._replace(consent=snapshot), "RUN_SNAPSHOT_INVALID")
    pq.write_table(pa.concat_tables([table, table]), snapshot)
    refused(place._replace(consent=snapshot), "RUN_SNAPSHOT_INVALID")


def test_a_snapshot_of_another_taxonomy(place: kit.World) -> None:
    binding = kit.write(
        place.root / "dataset.yaml", "taxonomy: {categories: [content.sticker]}\n"
    )
    snapshot = place.root / "snapshot.parquet"
    line = ("snapshot", "build", place.consent, "--out", snapshot)
    assert kit.cli(*line, "--as-of", kit.AS_OF, "--dataset", binding).status == 0
    refused(place._replace(consent=snapshot), "RUN_TAXONOMY_MISMATCH")


def test_as_of_without_an_offset(place: kit.World) -> None:
    said = place.filter("--unsigned", "--as-of", "2025-01-01", usual=False)
    assert said.status == 2
    assert "--as-of" in said.err


def test_two_inputs_of_one_name(place: kit.World) -> None:
    kit.write(place.root / "other/dump/part-0.parquet", kit.records(["q"], ["ann"]))
    said = kit.cli(
        *("filter", place.dump, place.root / "other/dump", "--consent", place.consent),
        *("--policy", place.policy, "--out", place.root / "release", *kit.USUAL),
    )
    assert said.status == 2
    assert str(place.dump) in said.err
    assert str(place.root / "other/dump") in said.err


def test_subjects_that_repeat(place: kit.World) -> None:
    people = pa.table({"subject_id": ["ann", "ann"], "lifecycle": ["active"] * 2})
    side = kit.write(place.root / "subjects.parquet", people)
    refused(place, "subjects.parquet", "ann", more=("--subjects", side))


def test_a_lifecycle_nobody_knows(place: kit.World) -> None:
    people = pa.table({"subject_id": ["ann"], "lifecycle": ["asleep"]})
    side = kit.write(place.root / "subjects.parquet", people)
    refused(place, "subjects.parquet", "asleep", more=("--subjects", side))


def test_problems_of_several_inputs_come_together(place: kit.World) -> None:
    only(place, kit.records(["r"], ["ann"]).drop_columns(["category"]))
    table = kit.records(["q"], ["ann"]).drop_columns(["record_id"])
    kit.write(place.dump / "z.parquet", table)
    refused(place, "part-0.parquet", "z.parquet", "category", "record_id")
