"""`dataset.yaml` as a reader of 1.8 would write it, for records and for events."""

from __future__ import annotations

import datetime as dt
import pathlib

import pyarrow as pa
import pytest

from tests.acceptance import kit


def bound(
    tmp_path: pathlib.Path,
    binding: str,
    *,
    rows: pa.Table | None = None,
    acts: pa.Table | None = None,
) -> dict[str, str]:
    """Filter under a binding and return each record's reason."""
    place = kit.world(tmp_path, rows=rows, acts=acts)
    file = kit.write(tmp_path / "dataset.yaml", binding)
    said = place.filter("--dataset", file)
    assert said.status == 0, said.err
    return kit.reasons(tmp_path / "release")


def messages() -> pa.Table:
    """Return records of a layout of their own."""
    return pa.table(
        {
            "msg": [1, 2, 3],
            "user": ["ann", "bob", "cat"],
            "kind": ["m", "m", "v"],
            "sent": pa.array([dt.datetime(2024, 6, 1)] * 3, pa.timestamp("us")),
            "body": ["x", "y", "z"],
            "place": ["acme"] * 3,
        }
    )


HEAD = "record_id: msg\ncollected_at: sent\nassume_timezone: UTC\n"
EXPECTED = {"1": "OK_CONSENT", "2": "CONSENT_WITHDRAWN", "3": "NO_CONSENT_RECORD"}
CHAT = "category: {constant: content.chat}\n"
PEOPLE = "subjects: [{column: user}]\n"


@pytest.mark.parametrize(
    "category",
    [
        "category: {constant: content.chat}\n",
        "category: {column: kind, map: {m: content.chat, v: content.audio}}\n",
        "category:\n  column: kind\n  map: {m: content.chat, v: content.audio}\n",
        "category: {column: kind, values: {m: content.chat, v: content.audio}}\n",
        "category: {value: content.chat}\n",
    ],
)
def test_category(tmp_path: pathlib.Path, category: str) -> None:
    found = bound(tmp_path, HEAD + PEOPLE + category, rows=messages())
    assert found == EXPECTED


@pytest.mark.parametrize(
    "subjects",
    [
        "subjects: [{column: user, ns: user_id, role: author}]\n",
        "subjects:\n  - column: user\n",
        "subjects: [user]\n",
        "subjects: user\n",
        "subjects: {column: user}\n",
        "subjects: [{path: user, ns: user_id}]\n",
        "subjects: [{column: user, namespace: user_id}]\n",
        "subject_id: user\n",
    ],
)
def test_subjects(tmp_path: pathlib.Path, subjects: str) -> None:
    assert bound(tmp_path, HEAD + CHAT + subjects, rows=messages()) == EXPECTED


def test_columns_spelt_as_mappings(tmp_path: pathlib.Path) -> None:
    binding = (
        "record_id: {column: msg}\ncollected_at: {column: sent}\n"
        "assume_timezone: UTC\naccount_id: {column: place}\n"
    )
    assert bound(tmp_path, binding + CHAT + PEOPLE, rows=messages()) == EXPECTED


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_scopes_and_zone(tmp_path: pathlib.Path, zone: str) -> None:
    binding = HEAD.replace("UTC", zone) + CHAT + PEOPLE + "account_id: place\n"
    acts = kit.events(
        kit.grant("ann", account_id="acme"), kit.grant("bob", account_id="other")
    )
    found = bound(tmp_path, binding, rows=messages(), acts=acts)
    assert list(found.values()) == ["OK_CONSENT", *["NO_CONSENT_RECORD"] * 2]


def test_path_into_nested_columns(tmp_path: pathlib.Path) -> None:
    turn = pa.struct([("who", pa.struct([("id", pa.string())])), ("text", pa.string())])
    rows = kit.records(
        ["a", "b"],
        [None] * 2,
        subject_id=None,
        turns=pa.array(
            [
                [{"who": {"id": "ann"}, "text": "x"}],
                [{"who": {"id": "ann"}, "text": "x"}, {"who": {"id": "bob"}}],
            ],
            pa.list_(turn),
        ),
    )
    binding = "subjects: [{path: turns.who.id, role: speaker}]\n"
    assert bound(tmp_path, binding, rows=rows) == {
        "a": "OK_CONSENT",
        "b": "CONSENT_WITHDRAWN",
    }


@pytest.mark.parametrize(
    "fields",
    [
        "fields: {body: {category: special.health, required: true}}\n",
        "fields:\n  body:\n    category: special.health\n    required: true\n",
        "fields: [{name: body, category: special.health, required: true}]\n",
        "fields: [{column: body, category: special.health, required: true}]\n",
    ],
)
def test_fields(tmp_path: pathlib.Path, fields: str) -> None:
    found = bound(tmp_path, HEAD + CHAT + PEOPLE + fields, rows=messages())
    assert found["1"] == "CATEGORY_NOT_COVERED"


@pytest.mark.parametrize("segments", ["column: turns", "path: turns"])
def test_segments(tmp_path: pathlib.Path, segments: str) -> None:
    turn = pa.struct([("n", pa.string()), ("who", pa.string()), ("text", pa.string())])
    turns = [{"n": "1", "who": "ann"}, {"n": "2", "who": "bob", "text": "t"}]
    rows = kit.records(
        ["a"], ["ann"], turns=pa.array([turns], pa.list_(turn)), length=[9]
    )
    place = kit.world(
        tmp_path, rows=rows, policy=kit.POLICY + "multi_subject: {mode: per_segment}\n"
    )
    binding = (
        f"segments:\n  {segments}\n  segment_id: n\n  keep: [length]\n"
        "  subjects: [{column: who, role: speaker}]\n"
    )
    file = kit.write(tmp_path / "dataset.yaml", binding)
    said = place.filter("--dataset", file)
    assert said.status == 0, said.err
    row = kit.ledger(tmp_path / "release")["a"]
    assert set(row["redacted"]) == {"2", "text"}


TWO_COLUMNS = pa.table({"user_id": ["ann", "bob"], "opted_in": [True, False]})
REST = (
    "  occurred_at: {constant: '2024-01-01T00:00:00Z'}\n"
    "  purpose: {constant: improve.train_ai}\n  category: {constant: '*'}\n"
    "  expression: {constant: explicit}\n"
)
OPTED = {
    "r1": "OK_CONSENT",
    "r2": "CONSENT_REFUSED",
    "r3": "NO_CONSENT_RECORD",
    "r4": "OK_CONSENT",
}
STATUS = "  status: {column: opted_in, map: {true: given, false: refused}}\n"


@pytest.mark.parametrize(
    "binding",
    [
        "events:\n  subject_id: user_id\n" + STATUS + REST,
        "events:\n  subject_id: {column: user_id}\n" + STATUS + REST,
        # `opted_in: {true: given, false: refused}`, as in 1.8: a map by its column
        "events:\n  subject_id: user_id\n"
        "  opted_in: {true: given, false: refused}\n" + REST,
        "events:\n  columns: {subject_id: user_id, status: opted_in}\n"
        "  constants: {occurred_at: '2024-01-01T00:00:00Z',\n"
        "    purpose: improve.train_ai, category: '*', expression: explicit}\n"
        "  values: {opted_in: {true: given, false: refused}}\n",
        "events:\n  columns: {subject_id: user_id, status: opted_in}\n"
        "  constants: {occurred_at: 2024-01-01T00:00:00Z,\n"
        "    purpose: improve.train_ai, category: '*', expression: explicit}\n"
        "  values: {status: {true: given, false: refused}}\n",
        "events:\n  columns: {subject_id: user_id, status: opted_in}\n"
        "  constants: {occurred_at: '2024-01-01T00:00:00Z',\n"
        "    purpose: improve.train_ai, category: '*', expression: explicit}\n"
        "  maps: {opted_in: {true: given, false: refused}}\n",
        "events:\n  columns: {subject_id: user_id, status: opted_in}\n"
        "  constants: {occurred_at: '2024-01-01T00:00:00Z',\n"
        "    purpose: improve.train_ai, category: '*', expression: explicit}\n"
        "  opted_in: {true: given, false: refused}\n",
        "events:\n  subject_id: user_id\n  status: opted_in\n"
        "  statuses: {true: given, false: refused}\n" + REST,
        # a value that is no column of the export, said plainly
        "events:\n  subject_id: user_id\n" + STATUS + "  expression: explicit\n"
        "  occurred_at: 2024-01-01T00:00:00Z\n"
        "  purpose: {constant: improve.train_ai}\n  category: {constant: '*'}\n",
        "events:\n  subject_id: user_id\n" + STATUS + "  expression: explicit\n"
        "  occurred_at: '2024-01-01T00:00:00Z'\n"
        "  purpose: improve.train_ai\n  category: '*'\n",
        "events:\n  subject_id: user_id\n" + STATUS.replace("map:", "values:") + REST,
        "events:\n  subject_id: user_id\n" + STATUS + REST.replace("constant", "value"),
    ],
)
def test_a_two_column_export(tmp_path: pathlib.Path, binding: str) -> None:
    assert bound(tmp_path, binding, acts=TWO_COLUMNS) == OPTED


def test_what_an_export_cannot_know_is_never_assumed(tmp_path: pathlib.Path) -> None:
    bare = "events:\n  subject_id: user_id\n" + STATUS
    place = kit.world(tmp_path, acts=TWO_COLUMNS)
    file = kit.write(tmp_path / "dataset.yaml", bare)
    said = place.filter("--dataset", file)
    if said.status == 0:
        assert kit.reasons(tmp_path / "release")["r1"].startswith("NO_CONSENT")
    else:
        assert said.status == 2
    silent = bare + REST.replace("  expression: {constant: explicit}\n", "")
    file.write_text(silent)
    assert place.filter("--dataset", file, out="second").status == 0
    found = kit.reasons(tmp_path / "second")
    assert (found["r1"], found["r2"]) == ("EXPRESSION_INSUFFICIENT", "CONSENT_REFUSED")


def test_statuses(tmp_path: pathlib.Path) -> None:
    acts = kit.events(kit.grant("ann", status="Y"), kit.grant("bob", status="N"))
    binding = "events: {statuses: {Y: given, N: refused}}\n"
    found = bound(tmp_path, binding, acts=acts)
    assert (found["r1"], found["r2"]) == ("OK_CONSENT", "CONSENT_REFUSED")


def test_snapshot_build_takes_the_binding(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path, acts=TWO_COLUMNS)
    text = "events:\n  subject_id: user_id\n" + STATUS + REST
    file = kit.write(tmp_path / "dataset.yaml", text)
    out = tmp_path / "snapshot.parquet"
    line = ("snapshot", "build", place.consent, "--out", out, "--as-of", kit.AS_OF)
    assert kit.cli(*line, "--dataset", file).status == 0
    assert kit.reasons(place._replace(consent=out).release()) == OPTED


def test_a_typo_names_line_and_key(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path, rows=messages())
    file = kit.write(tmp_path / "dataset.yaml", "record_id: msg\ncolected_at: sent\n")
    said = place.filter("--dataset", file)
    assert said.status == 2
    assert "dataset.yaml:2" in said.err
    assert "collected_at" in said.err


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ("  columns: {subjct_id: user_id}\n", ["subjct_id", "subject_id"]),
        ("  subject_id: user_id\n  columns: {subject_id: x}\n", ["columns"]),
        ("  columns: {subject_id: x}\n  subject_id: user_id\n", ["columns"]),
        ("  opted_in: {true: [given]}\n", ["opted_in"]),
        ("  subject_id: user_id\n  status: given\n", ["given", "opted_in"]),
        ("  subject_id: user_id\n  status: opted_in\n", ["statuses", "true"]),
        ("  subject_id: user_id\n" + STATUS.replace("given", "gven"), ["gven"]),
    ],
)
def test_mistakes_in_events(
    tmp_path: pathlib.Path, events: str, words: list[str]
) -> None:
    place = kit.world(tmp_path, acts=TWO_COLUMNS)
    file = kit.write(tmp_path / "dataset.yaml", "events:\n" + events)
    said = place.filter("--dataset", file)
    assert said.status == 2, said
    for word in words:
        assert word in said.err, said.err


@pytest.mark.parametrize(
    "fields",
    [
        "fields: [{name: body, category: content}, {name: body, category: special}]",
        "fields: [body]",
        "fields: 7",
    ],
)
def test_fields_that_are_not_understood(tmp_path: pathlib.Path, fields: str) -> None:
    place = kit.world(tmp_path, rows=messages())
    file = kit.write(tmp_path / "dataset.yaml", HEAD + CHAT + PEOPLE + fields)
    said = place.filter("--dataset", file)
    assert said.status == 2
    assert "dataset.yaml:6: fields" in said.err, said.err


def test_a_column_that_is_not_there(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path, rows=messages())
    file = kit.write(tmp_path / "dataset.yaml", HEAD + CHAT + "subjects: [{column: u}]")
    said = place.filter("--dataset", file)
    assert said.status == 2
    assert "'u'" in said.err
    assert "user" in said.err


def test_a_category_in_place_of_a_column(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path, rows=messages())
    text = HEAD + PEOPLE + "category: content.chat\n"
    said = place.filter("--dataset", kit.write(tmp_path / "dataset.yaml", text))
    assert said.status == 2
    assert "'category: {constant: content.chat}'" in said.err


def test_events_may_lie_in_csv(tmp_path: pathlib.Path) -> None:
    place = kit.world(tmp_path)
    csv = kit.write(
        tmp_path / "consent.csv",
        "subject_id,status,purpose,category,expression,occurred_at\n"
        "ann,given,improve.train_ai,*,explicit,2024-01-01T00:00:00Z\n",
    )
    assert kit.reasons(place._replace(consent=csv).release())["r1"] == "OK_CONSENT"
