"""`filter` on the layouts and options that the contracts promise."""

from __future__ import annotations

import datetime as dt
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance import kit

BIG = 9007199254740993


def decided(
    tmp_path: pathlib.Path,
    rows: pa.Table,
    acts: pa.Table,
    *more: object,
    policy: str = kit.POLICY,
) -> dict[Any, str]:
    """Filter and return each record's reason."""
    place = kit.world(tmp_path, rows=rows, acts=acts, policy=policy)
    return kit.reasons(place.release(*more))


@pytest.mark.parametrize(
    "kind",
    [pa.int64(), pa.uint64(), pa.string(), pa.large_string(), pa.string_view()],
)
@pytest.mark.parametrize("of_events", [pa.int64(), pa.string()])
def test_big_ids_in_every_type(
    tmp_path: pathlib.Path, kind: pa.DataType, of_events: pa.DataType
) -> None:
    ids = pa.array([BIG, BIG - 1, BIG + 1])
    rows = kit.records(["a", "b", "c"], [None] * 3, subject_id=ids.cast(kind))
    act = kit.events(kit.grant("x"))
    one = pa.array([BIG]).cast(of_events)
    acts = act.set_column(act.column_names.index("subject_id"), "subject_id", one)
    assert decided(tmp_path, rows, acts) == {
        "a": "OK_CONSENT",
        "b": "NO_CONSENT_RECORD",
        "c": "NO_CONSENT_RECORD",
    }


def test_dictionary_ids(tmp_path: pathlib.Path) -> None:
    ids = pa.array(["ann", "bob", "ann"]).dictionary_encode()
    rows = kit.records(["a", "b", "c"], [None] * 3, subject_id=ids)
    found = decided(tmp_path, rows, kit.events(kit.grant("ann")))
    assert list(found.values()) == ["OK_CONSENT", "NO_CONSENT_RECORD", "OK_CONSENT"]


def test_integer_ids_in_one_part_and_text_in_another(tmp_path: pathlib.Path) -> None:
    place = kit.world(
        tmp_path,
        rows=kit.records([1, 2], [BIG, 8]),
        acts=kit.events(kit.grant(str(BIG))),
    )
    kit.write(place.dump / "part-1.parquet", kit.records(["3"], [str(BIG)]))
    found = kit.reasons(place.release())
    assert found == {"1": "OK_CONSENT", "2": "NO_CONSENT_RECORD", "3": "OK_CONSENT"}
    schema = pq.read_schema(place.root / "release/data/part-0.parquet")
    assert schema.field("record_id").type == pa.int64()


PLACEHOLDERS = ["", " ", "null", "None", "NaN", "n/a", "N/A", "unknown", "Anonymous"]


def test_placeholders_never_join(tmp_path: pathlib.Path) -> None:
    ids = [f"r{at}" for at in range(len(PLACEHOLDERS))]
    rows = kit.records(ids, PLACEHOLDERS)
    acts = kit.events(
        *(
            kit.grant(name, event_id=f"e{at}", account_id="acme")
            for at, name in enumerate(PLACEHOLDERS)
        ),
    )
    found = decided(tmp_path, rows, acts)
    assert set(found.values()) == {"SUBJECT_UNKNOWN"}


def test_names_are_normalised_per_namespace(tmp_path: pathlib.Path) -> None:
    people = [
        [{"ns": "email", "id": "ANN@Example.org "}],
        [{"ns": "user_id", "id": "ANN"}],
        [{"ns": "user_id", "id": "Zoe\u0308"}],
        [{"ns": "email", "id": "STRASSE@x.org"}],
    ]
    kind = pa.list_(pa.struct([("ns", pa.string()), ("id", pa.string())]))
    rows = kit.records(
        ["a", "b", "c", "d"],
        [None] * 4,
        subject_id=None,
        subjects=pa.array(people, kind),
    )
    acts = kit.events(
        kit.grant("ann@example.org", subject_ns="email"),
        kit.grant("ann", subject_ns="user_id"),
        kit.grant(" Zo\u00eb\u00a0", subject_ns="user_id"),
        kit.grant("straße@x.org", subject_ns="email"),
    )
    assert decided(tmp_path, rows, acts) == {
        "a": "OK_CONSENT",
        "b": "NO_CONSENT_RECORD",
        "c": "OK_CONSENT",
        "d": "OK_CONSENT",
    }


def test_defaults_of_absent_event_columns(tmp_path: pathlib.Path) -> None:
    acts = kit.events(
        {
            "subject_id": "ann",
            "status": "given",
            "purpose": "improve.train_ai",
            "category": "*",
            "expression": "explicit",
            "occurred_at": kit.T0,
        }
    )
    found = decided(tmp_path, kit.records(["a"], ["ann"]), acts)
    assert found == {"a": "OK_CONSENT"}
    bare = acts.drop_columns(["expression"])
    (tmp_path / "bare").mkdir()
    found = decided(tmp_path / "bare", kit.records(["a"], ["ann"]), bare)
    assert found == {"a": "EXPRESSION_INSUFFICIENT"}


def test_everyone_in_a_scope(tmp_path: pathlib.Path) -> None:
    rows = kit.records(["a", "b"], ["ann", "ann"], account_id=["acme", "other"])
    act = kit.grant(None, account_id="acme", event_id="g", actor_type="account_owner")
    acts = kit.events(act).drop_columns(["subject_id"])
    policy = kit.POLICY + (
        "rules:\n  - categories: ['*']\n    actors:\n"
        "      - {type: account_owner, scopes: [account]}\n"
    )
    found = decided(tmp_path, rows, acts, policy=policy)
    assert found == {"a": "OK_ON_BEHALF", "b": "NO_CONSENT_RECORD"}


def test_several_consent_inputs(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path, acts=kit.events(kit.grant("ann"), kit.grant("bob")))
    more = kit.write(tmp_path / "more/x.parquet", kit.events(kit.denial("bob")))
    found = kit.reasons(place.release("--consent", more.parent))
    assert found["r1"] == "OK_CONSENT"
    assert found["r2"] == "CONSENT_WITHDRAWN"


def test_several_inputs_lie_under_their_base_names(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path)
    one = kit.write(tmp_path / "one/x.parquet", kit.records(["q1"], ["ann"]))
    two = kit.write(tmp_path / "two.parquet", kit.records(["q2"], ["ann"]))
    out = tmp_path / "release"
    said = kit.cli(
        *("filter", place.dump, one.parent, two, "--consent", place.consent),
        *("--policy", place.policy, "--out", out, *kit.USUAL),
    )
    assert said.status == 0, said
    names = {str(p.relative_to(out / "data")) for p in out.rglob("data/**/*.parquet")}
    assert names == {"dump/part-0.parquet", "one/x.parquet", "two.parquet"}


def test_a_single_file_and_a_glob(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path)
    file = place._replace(dump=place.dump / "part-0.parquet")
    out = file.release(out="by-file")
    assert [p.name for p in (out / "data").rglob("*")] == ["part-0.parquet"]
    kit.write(place.dump / "part-1.parquet", kit.records(["q"], ["ann"]))
    globbed = place._replace(dump=place.dump / "part-*.parquet")
    out = globbed.release(out="by-glob")
    assert sorted(p.name for p in (out / "data").rglob("*.parquet")) == [
        "part-0.parquet",
        "part-1.parquet",
    ]


def test_hive_partitions_and_hidden_files(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path)
    kit.write(place.dump / "day=1/p.parquet", kit.records(["q"], ["ann"]))
    (place.dump / "_SUCCESS").write_text("")
    kit.write(place.dump / "_delta/x.parquet", kit.records(["q"], ["ann"]))
    kit.write(place.dump / ".x.parquet", kit.records(["q"], ["ann"]))
    out = place.release()
    names = {str(p.relative_to(out / "data")) for p in out.rglob("data/**/*.parquet")}
    assert names == {"part-0.parquet", "day=1/p.parquet"}


def test_as_of_cuts_knowledge(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path)
    said = place.filter("--unsigned", "--as-of", "2024-08-01T00:00:00Z", usual=False)
    assert said.status == 0
    assert kit.reasons(tmp_path / "release")["r2"] == "OK_CONSENT"


def test_as_of_with_another_offset(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path)
    said = place.filter(
        "--unsigned", "--as-of", "2025-01-01T02:00:00+02:00", usual=False
    )
    assert said.status == 0
    as_of = kit.statement(tmp_path / "release")["predicate"]["consent"]["asOf"]
    assert as_of.startswith("2025-01-01T00:00:00")


def test_dry_run(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    line = ("filter", place.dump, "--consent", place.consent, "--policy", place.policy)
    said = kit.cli(*line, "--dry-run", "--as-of", kit.AS_OF)
    assert said.status == 0, said
    assert "CONSENT_WITHDRAWN" in said.err
    assert sorted(tmp_path.rglob("*")) == before
    out = tmp_path / "look"
    said = kit.cli(*line, "--dry-run", "--as-of", kit.AS_OF, "--out", out)
    assert said.status == 0
    assert kit.reasons(out)["r2"] == "CONSENT_WITHDRAWN"
    assert not (out / "data").exists()
    assert not (out / "manifest.intoto.json").exists()
    assert kit.cli("verify", out).status in (1, 2)


def test_limit(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path)
    out = place.release("--limit", "2")
    counts = kit.statement(out)["predicate"]["counts"]
    assert counts["read"] == "2"


def test_resume_without_anything_to_resume(tmp_path: pathlib.Path) -> None:
    out = kit.world(tmp_path).release("--resume")
    assert kit.reasons(out)["r1"] == "OK_CONSENT"


def test_id_key(tmp_path: pathlib.Path) -> None:
    import hashlib
    import hmac

    place = kit.world(tmp_path)
    key = tmp_path / "id.key"
    key.write_bytes(b"k" * 32)
    out = place.release("--id-key", key)
    assert kit.reasons(out)["r1"] == "OK_CONSENT"
    expected = hmac.new(b"k" * 32, b"user_id\x1fann", hashlib.sha256).hexdigest()
    assert kit.ledger(out)["r1"]["subject_key"] == expected
    said = kit.cli("trace", "--subject", "ann", out, "--id-key", key)
    assert said.status == 0
    assert "r1" in said.text


def test_subjects(tmp_path: pathlib.Path) -> None:
    place = kit.world(
        tmp_path,
        rows=kit.records(["a", "b", "c", "d"], ["ann", "bob", "cat", "dan"]),
        acts=kit.events(*(kit.grant(name) for name in ("ann", "bob", "cat", "dan"))),
        policy=kit.POLICY + "minors: {ages: {default: 16}}\n",
    )
    people = pa.table(
        {
            "subject_id": ["ann", "bob", "cat"],
            "birth_date": [dt.date(2015, 1, 1), dt.date(1980, 1, 1), None],
            "lifecycle": ["active", "deleted", "deceased"],
        }
    )
    side = kit.write(tmp_path / "subjects.parquet", people)
    assert kit.reasons(place.release("--subjects", side)) == {
        "a": "MINOR_REQUIRES_GUARDIAN",
        "b": "SUBJECT_ERASED",
        "c": "SUBJECT_DECEASED",
        "d": "OK_CONSENT",
    }


def test_subjects_with_all_columns(tmp_path: pathlib.Path) -> None:
    people = pa.table(
        {
            "subject_ns": ["user_id"],
            "subject_id": ["ann"],
            "birth_date": pa.array([None], pa.date32()),
            "jurisdiction": ["DE"],
            "lifecycle": ["deactivated"],
            "lifecycle_at": kit.instants([kit.T0]),
        }
    )
    side = kit.write(tmp_path / "subjects.parquet", people)
    found = kit.reasons(kit.world(tmp_path).release("--subjects", side))
    assert found["r1"] == "SUBJECT_ERASED"


def test_links(tmp_path: pathlib.Path) -> None:
    place = kit.world(
        tmp_path,
        rows=kit.records(["a", "b"], ["ann", "bob"]),
        acts=kit.events(
            kit.grant("ann"),
            kit.denial("dev-1", status="opted_out", subject_ns="device"),
            kit.grant("dev-2", subject_ns="device"),
        ),
    )
    pairs = pa.table(
        {
            "ns_a": ["device", "user_id"],
            "id_a": ["dev-1", "bob"],
            "ns_b": ["user_id", "device"],
            "id_b": ["ann", "dev-2"],
        }
    )
    side = kit.write(tmp_path / "links.parquet", pairs)
    assert kit.reasons(place.release("--links", side)) == {
        "a": "OPT_OUT_SIGNAL",
        "b": "NO_CONSENT_RECORD",
    }


def test_schema_order_and_metadata_stay(tmp_path: pathlib.Path) -> None:
    rows = kit.records(
        ["a", "b", "c"],
        ["ann", "zed", "ann"],
        score=pa.array([1.5, None, 3.5], pa.float32()),
        tags=[["x"], None, []],
        price=pa.array([1, 2, 3], pa.decimal128(10, 2)),
        kind=pa.array(["k", "l", "k"]).dictionary_encode(),
    ).replace_schema_metadata({"mine": "yes"})
    place = kit.world(tmp_path, rows=rows, acts=kit.events(kit.grant("ann")))
    path = place.dump / "part-0.parquet"
    pq.write_table(rows, path, compression="zstd", row_group_size=2)
    out = pq.read_table(place.release() / "data/part-0.parquet")
    assert out.schema.equals(pq.read_table(path).schema, check_metadata=True)
    assert out.to_pylist() == [rows.to_pylist()[0], rows.to_pylist()[2]]
    column = pq.read_metadata(place.root / "release/data/part-0.parquet").row_group(0)
    assert column.column(0).compression == "ZSTD"


SEGMENT = pa.struct(
    [("segment_id", pa.string()), ("subject_id", pa.string()), ("text", pa.string())]
)


def transcript() -> pa.Table:
    """Return one transcript of three people."""
    parts = [
        {"segment_id": f"s{at}", "subject_id": who, "text": f"says {who}"}
        for at, who in enumerate(["ann", "bob", "ann"])
    ]
    return kit.records(
        ["t"],
        ["ann"],
        category=["content.transcript"],
        segments=pa.array([parts], pa.list_(SEGMENT)),
        full_text=["everything"],
    )


def test_segments(tmp_path: pathlib.Path) -> None:
    policy = kit.POLICY + "multi_subject: {mode: per_segment, min_retained: 0.5}\n"
    place = kit.world(tmp_path, rows=transcript(), policy=policy)
    out = place.release()
    row = kit.ledger(out)["t"]
    assert (row["decision"], row["reason"]) == ("redact", "CONSENT_WITHDRAWN")
    assert set(row["redacted"]) == {"s1", "full_text", "text"}
    (shown,) = pq.read_table(out / "data/part-0.parquet").to_pylist()
    assert shown["full_text"] is None
    assert [part["text"] for part in shown["segments"]] == [
        "says ann",
        None,
        "says ann",
    ]
    assert kit.cli("verify", out).status == 0


def test_a_record_with_segments_is_judged_as_a_whole_by_default(
    tmp_path: pathlib.Path,
) -> None:
    out = kit.world(tmp_path, rows=transcript()).release()
    assert kit.reasons(out) == {"t": "CONSENT_WITHDRAWN"}


def test_too_little_is_left(tmp_path: pathlib.Path) -> None:
    policy = kit.POLICY + "multi_subject: {mode: per_segment, min_retained: 0.7}\n"
    out = kit.world(tmp_path, rows=transcript(), policy=policy).release()
    assert kit.reasons(out) == {"t": "BELOW_MIN_RETAINED"}


def test_fields(tmp_path: pathlib.Path) -> None:
    binding = kit.write(
        tmp_path / "dataset.yaml", "fields: {health: {category: special.health}}\n"
    )
    rows = kit.records(["a"], ["ann"], health=["flu"])
    policy = kit.POLICY + "on_fail: redact_fields\n"
    place = kit.world(tmp_path, rows=rows, policy=policy)
    out = place.release("--dataset", binding)
    row = kit.ledger(out)["a"]
    assert (row["decision"], row["redacted"]) == ("redact", ["health"])
    (shown,) = pq.read_table(out / "data/part-0.parquet").to_pylist()
    assert (shown["health"], shown["text"]) == (None, "text 0")
    required = "fields: {health: {category: special.health, required: true}}\n"
    binding.write_text(required)
    out = place.release("--dataset", binding, out="second")
    assert kit.ledger(out)["a"]["decision"] == "drop"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.list_(pa.float32(), 2), [1.0, 2.0]),
        (pa.struct([("of", pa.list_(pa.int8(), 1))]), {"of": [1]}),
    ],
)
def test_a_list_of_fixed_size_goes_with_its_record(
    tmp_path: pathlib.Path, kind: pa.DataType, value: Any
) -> None:
    """As null it would be written, and then nobody could read the file."""
    rows = kit.records(["a", "b"], ["ann", "ann"], vector=pa.array([value] * 2, kind))
    place = kit.world(
        tmp_path, rows=rows, policy=kit.POLICY + "on_fail: redact_fields\n"
    )
    binding = kit.write(tmp_path / "dataset.yaml", "fields: {vector: biometric}\n")
    out = place.release("--dataset", binding)
    assert {row["decision"] for row in kit.ledger(out).values()} == {"drop"}
    assert pq.read_table(out / "data/part-0.parquet").num_rows == 0
    assert kit.cli("verify", out).status == 0


def test_a_list_of_any_size_goes_alone(tmp_path: pathlib.Path) -> None:
    vectors = pa.array([[1.0, 2.0]], pa.list_(pa.float32()))
    rows = kit.records(["a"], ["ann"], vector=vectors)
    policy = kit.POLICY + "on_fail: redact_fields\n"
    place = kit.world(tmp_path, rows=rows, policy=policy)
    binding = kit.write(tmp_path / "dataset.yaml", "fields: {vector: biometric}\n")
    out = place.release("--dataset", binding)
    assert kit.ledger(out)["a"]["redacted"] == ["vector"]
    (shown,) = pq.read_table(out / "data/part-0.parquet").to_pylist()
    assert (shown["vector"], shown["text"]) == (None, "text 0")


@pytest.mark.parametrize("command", ["filter", "init"])
def test_a_null_in_a_list_of_fixed_size_is_named(
    tmp_path: pathlib.Path, command: str
) -> None:
    good = pa.array([[1, 2]] * 3, pa.list_(pa.int8(), 2))
    nulls = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2))
    rows = kit.records(["a", "b", "c"], ["ann"] * 3, good=good, vector=nulls)
    place = kit.world(tmp_path, rows=rows)
    said = (
        place.filter()
        if command == "filter"
        else kit.cli("init", place.dump, "--out", tmp_path / "made")
    )
    assert said.status == 2
    for word in ("part-0.parquet", "'vector'", "null", "pa.list_", "pl.List"):
        assert word in said.err
    assert "'good'" not in said.err
    assert "Traceback" not in said.err


def test_mentions(tmp_path: pathlib.Path) -> None:
    kind = pa.struct(
        [
            ("ns", pa.string()),
            ("id", pa.string()),
            ("field", pa.string()),
            ("start", pa.int64()),
            ("end", pa.int64()),
        ]
    )
    spans = [{"ns": "user_id", "id": "bob", "field": "text", "start": 3, "end": 6}]
    rows = kit.records(
        ["a"], ["ann"], text=["hi bob!"], mentions=pa.array([spans], pa.list_(kind))
    )
    policy = kit.POLICY + "multi_subject: {mentions: pseudonymise}\n"
    out = kit.world(tmp_path, rows=rows, policy=policy).release()
    row = kit.ledger(out)["a"]
    assert row["redacted"] == ["mention:bob"]
    assert row["reason"] == "CONSENT_WITHDRAWN"
    (shown,) = pq.read_table(out / "data/part-0.parquet").to_pylist()
    assert shown["text"].startswith("hi @p_")
    assert "bob" not in str(shown)


def test_derived_rows_inherit(tmp_path: pathlib.Path) -> None:
    rows = kit.records(
        ["a", "b"],
        ["ann"] * 2,
        category=["service_generated.telemetry"] * 2,
        derived_from=[["biometric.voiceprint"], None],
    )
    acts = kit.events(kit.grant("ann", category="service_generated"))
    assert decided(tmp_path, rows, acts) == {
        "a": "CATEGORY_NOT_COVERED",
        "b": "OK_CONSENT",
    }


def test_aggregates(tmp_path: pathlib.Path) -> None:
    rows = kit.records(["a", "b"], [None, None], group_size=[60, 10])
    rows = rows.set_column(1, "subject_id", pa.nulls(2, pa.string()))
    policy = kit.POLICY + "aggregate: {allow: true, min_group_size: 50}\n"
    found = decided(tmp_path, rows, kit.events(kit.grant("ann")), policy=policy)
    assert found == {"a": "OK_ANONYMOUS", "b": "AGGREGATE_TOO_SMALL"}
    (tmp_path / "no").mkdir()
    found = decided(tmp_path / "no", rows, kit.events(kit.grant("ann")))
    assert set(found.values()) == {"SUBJECT_UNKNOWN"}


def test_sources(tmp_path: pathlib.Path) -> None:
    rows = kit.records(
        ["a", "b", "c"], ["ann"] * 3, source=["first_party", "third_party:x", None]
    )
    policy = kit.POLICY + "sources: [first_party]\n"
    found = decided(tmp_path, rows, kit.events(kit.grant("ann")), policy=policy)
    assert list(found.values()) == ["OK_CONSENT", "SOURCE_NOT_ALLOWED", "OK_CONSENT"]


def test_record_ids_of_fixed_binary(tmp_path: pathlib.Path) -> None:
    ids = pa.array([b"\x00" * 16, b"\x01" * 16], pa.binary(16))
    rows = kit.records([None] * 2, ["ann", "bob"], record_id=ids)
    place = kit.world(tmp_path, rows=rows)
    out = place.release()
    assert set(kit.reasons(out)) == {"00" * 16, "01" * 16}
    said = kit.cli("explain", out, "01" * 16)
    assert said.status == 0


@pytest.mark.parametrize("name", ["zoom-2023-08", "gdpr-strict"])
def test_the_example_policies_run(tmp_path: pathlib.Path, name: str) -> None:
    path = pathlib.Path("examples") / f"{name}.yaml"
    assert kit.cli("policy", "check", path).status == 0
    place = kit.world(tmp_path)._replace(policy=path)
    said = place.filter("--dry-run", usual=False)
    assert said.status == 2
    assert "RUN_SOURCE_MISSING" in said.err or "RUN_SNAPSHOT_STALE" in said.err
