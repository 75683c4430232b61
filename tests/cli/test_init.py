"""`consentfilter init`: files to start from, and what could not be guessed."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentfilter.binding import bind, check_schema
from consentfilter.cli.main import run
from consentfilter.dataset import Dataset, load_dataset_binding
from consentfilter.layout.resolve import lay_out
from consentfilter.policy.lint import lint
from consentfilter.policy.load import read_policy
from consentfilter.starter import names
from consentfilter.starter.guess import Guess, guess
from consentfilter.starter.write import dataset_text, policy_text, word
from consentfilter.taxonomy import BASE
from consentfilter.yamlfile import parse_yaml, validated

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
CHAT = pa.table(
    {
        "msgId": ["a", "b"],
        "createdAt": [NOON, NOON],
        "userId": ["u", "v"],
        "org_id": [1, 1],
        "type": ["chat", "weird: value"],
        "text": ["x", "y"],
        "country": ["NO", "us"],
        "email": ["a@x", "b@y"],
        "source": ["ios", "web"],
        "participants": [[{"user_id": "z", "name": "n"}], []],
        "turns": [[{"speaker": {"id": "q"}, "text": "t", "turn_id": 1}], []],
    }
)


def guessed(table: pa.Table) -> tuple[Guess, Dataset]:
    """Guess, write, and read what was written."""
    found = guess(table.schema, table)
    text = dataset_text(found, "a dump")
    return found, validated(Dataset, parse_yaml(text))


def standard(**columns: Any) -> pa.Table:
    plain = {
        "record_id": ["a", "b"],
        "category": ["content.chat", "content.post"],
        "collected_at": [NOON, NOON],
        "subject_id": ["u", "v"],
    }
    chosen = {**plain, **columns}
    return pa.table({name: c for name, c in chosen.items() if c is not None})


def test_a_dump_is_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = tmp_path / "Chat 2024"
    dump.mkdir()
    pq.write_table(CHAT, dump / "part.parquet")
    assert run(["init", str(dump), "--out", str(tmp_path / "new" / "here")]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Could not be guessed" in shown.err
    assert "Wrote" in shown.err
    dataset = load_dataset_binding(tmp_path / "new/here/dataset.yaml")
    check_schema(CHAT.schema, dataset)
    bound = bind(CHAT, dataset)
    assert bound.record_id.to_pylist() == ["a", "b"]
    assert bound.is_collected_valid.all()
    assert bound.category.to_pylist() == ["content.chat", None]
    assert bound.jurisdiction.to_pylist() == ["NO", "US"]
    assert bound.source.to_pylist() == ["first_party"] * 2
    keys = [key.partition("\x1f")[2] for key in bound.people.key.to_pylist()]
    assert keys == ["u", "z", "q", "v"]
    assert len(bound.segments) == 1
    reading = read_policy(tmp_path / "new/here/policy.yaml")
    assert reading.policy is not None
    assert reading.policy.id == "chat-2024"
    assert reading.policy.multi_subject.mode == "per_segment"
    found = lint(reading.policy, document=reading.document)
    assert not [finding for finding in found if finding.severity == "error"]


def test_the_result_is_one_json_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(CHAT, tmp_path / "chat.parquet")
    source = str(tmp_path / "chat.parquet")
    assert run(["init", source, "--out", str(tmp_path), "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    printed = json.loads(shown.out)
    assert printed["written"] == [
        str(tmp_path / "policy.yaml"),
        str(tmp_path / "dataset.yaml"),
    ]
    assert printed["guessed"]["record_id"] == "msgId"
    assert [line.partition(":")[0] for line in printed["open"]] == [
        "category",
        "category",
        "subjects",
    ]


def test_quiet_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(CHAT, tmp_path / "a.parquet")
    where = str(tmp_path / "out")
    assert run(["init", str(tmp_path / "a.parquet"), "--out", where, "--quiet"]) == 0
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""


@pytest.mark.parametrize("name", ["policy.yaml", "dataset.yaml"])
def test_nothing_that_exists_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    pq.write_table(CHAT, tmp_path / "a.parquet")
    (tmp_path / name).write_text("mine")
    arguments = ["init", str(tmp_path / "a.parquet"), "--out", str(tmp_path)]
    assert run(arguments) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path / name}: exists already and is not overwritten; give "
        "another --out, or move it away.\n"
    )
    assert (tmp_path / name).read_text() == "mine"
    assert len(list(tmp_path.glob("*.yaml"))) == 1, "both files or none"


def test_what_is_no_dump_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.parquet").write_text("not parquet")
    arguments = ["init", str(tmp_path / "a.parquet"), "--out", str(tmp_path / "o")]
    assert run(arguments) == 2
    assert "a.parquet" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_partition_columns_are_looked_at(tmp_path: Path) -> None:
    part = tmp_path / "dump" / "country=DE" / "a.parquet"
    part.parent.mkdir(parents=True)
    pq.write_table(standard(), part)
    assert run(["init", str(tmp_path / "dump"), "--out", str(tmp_path), "--quiet"]) == 0
    dataset = load_dataset_binding(tmp_path / "dataset.yaml")
    assert dataset.jurisdiction is not None
    assert dataset.jurisdiction.column == "country"


def test_the_standard_layout_is_recognised() -> None:
    found, dataset = guessed(standard())
    assert found.open == ()
    assert found.binding == {
        "record_id": "record_id",
        "collected_at": "collected_at",
        "category": "category",
        "subjects": [{"column": "subject_id"}],
    }
    check_schema(standard().schema, dataset)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"record_id": ["a", "a"]}, "record_id: no column tells records apart"),
        ({"record_id": [1.0, 2.0]}, "record_id: no column tells records apart"),
        (
            {"collected_at": None, "ts": [1714564800, 1714564801]},
            "collected_at: 'ts' holds whole numbers, perhaps seconds",
        ),
        ({"collected_at": None}, "collected_at: no column of times with a zone"),
        (
            {"collected_at": ["yesterday", "today"]},
            "collected_at: no column of times with a zone",
        ),
        (
            {"collected_at": pa.array([NOON.replace(tzinfo=None)] * 2)},
            "assume_timezone: the times in 'collected_at' have no zone",
        ),
        ({"category": None}, "category: no column says what kind of data a record is"),
        ({"category": ["hm", "chat"]}, "no category was found for: 'hm'"),
        ({"subject_id": None}, "subjects: no column names whose data a record is"),
        ({"country": ["Germany", "DE"]}, "jurisdiction: 'country' holds 'Germany'"),
        ({"email": ["a@x", "b@x"]}, "subjects: 'email' also names people"),
        (
            {"segments": [[{"text": "a"}], []]},
            "segments: no field of 'segments' names who a segment is by",
        ),
    ],
)
def test_what_could_not_be_guessed_is_said(columns: dict[str, Any], said: str) -> None:
    found, _ = guessed(standard(**columns))
    assert any(said in sentence for sentence in found.open), found.open


@pytest.mark.parametrize(
    ("columns", "subjects"),
    [
        ({"subject_id": None, "author": ["a", "b"]}, [{"column": "author"}]),
        (
            {"subject_id": None, "email": ["a@x", "b@x"]},
            [{"column": "email", "ns": "email"}],
        ),
        (
            {"subject_id": None, "guestEmail": ["a", "b"]},
            [{"column": "guestEmail", "ns": "email", "role": "participant",
              "relation": "guest"}],
        ),
        (
            {"subject_id": None, "speaker_ids": [["a"], ["b"]]},
            [{"column": "speaker_ids", "role": "speaker"}],
        ),
        (
            {"subject_id": None, "author": [{"id": 1, "name": "x"}] * 2},
            [{"path": "author.id"}],
        ),
        (
            {"subject_id": None, "sender_id": [1, 2], "recipient_id": [3, 4]},
            [{"column": "sender_id"}, {"column": "recipient_id",
                                       "role": "participant"}],
        ),
        (
            {"subject_id": None, "subjects": [[{"id": "a"}], []]},
            [{"column": "subjects"}],
        ),
        ({"user_agent": ["x", "y"], "owner_since": [1, 2]}, [{"column": "subject_id"}]),
    ],
)  # fmt: skip
def test_every_column_of_people_is_a_subject(
    columns: dict[str, Any], subjects: list[dict[str, str]]
) -> None:
    table = standard(**columns)
    found, dataset = guessed(table)
    assert found.binding["subjects"] == subjects
    check_schema(table.schema, dataset)


@pytest.mark.parametrize(
    ("values", "category"),
    [
        (["content.chat", "account.profile"], "kind"),
        (
            ["Message", "PAGE_VIEW"],
            {
                "column": "kind",
                "map": {
                    "Message": "content.chat",
                    "PAGE_VIEW": "service_generated.usage",
                },
            },
        ),
    ],
)
def test_a_kind_is_a_category_or_is_mapped(values: list[str], category: Any) -> None:
    found, _ = guessed(standard(category=None, kind=values))
    assert found.binding["category"] == category


@pytest.mark.parametrize(
    ("columns", "off"),
    [
        ({"source": ["ios", "web"]}, "source"),
        ({"source": [1, 2]}, "source"),
        ({"mentions": [3, 4]}, "mentions"),
        ({"fields": ["a", "b"]}, "row_fields"),
        ({"segments": ["a", "b"]}, "segments"),
    ],
)
def test_standard_names_with_another_meaning_are_switched_off(
    columns: dict[str, Any], off: str
) -> None:
    table = standard(**columns)
    found, dataset = guessed(table)
    assert found.binding[off] is None
    check_schema(table.schema, dataset)


@pytest.mark.parametrize(
    "columns",
    [{"source": ["first_party", None]}, {"mentions": [[{"id": "a"}], None]}],
)
def test_standard_columns_stay_on(columns: dict[str, Any]) -> None:
    found, _ = guessed(standard(**columns))
    assert None not in found.binding.values()


def test_sensitive_payload_is_hinted_at() -> None:
    table = standard(phoneNumber=["1", "2"], diagnosis=["x", "y"], body=["a", "b"])
    found, _ = guessed(table)
    assert found.hints == {
        "phoneNumber": "account.profile",
        "diagnosis": "special.health",
    }
    assert "#   diagnosis: special.health" in dataset_text(found, "x")


def test_a_dump_without_rows_gives_files_all_the_same() -> None:
    found, _ = guessed(CHAT.slice(0, 0))
    assert found.binding["record_id"] == "msgId"


NAMES = st.lists(
    st.one_of(
        st.sampled_from([*names.RECORD_IDS, *names.TIMES, *names.KINDS, *names.PLACES]),
        st.sampled_from(["subjects", "segments", "mentions", "fields", "source"]),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    ),
    unique=True,
    max_size=8,
)
VALUES = st.sampled_from(
    [
        pa.array(["a: b", "#x"]),
        pa.array(["null", "1"]),
        pa.array([1, 2]),
        pa.array([NOON, None]),
        pa.array([None, None]),
        pa.array([[{"id": "x", "text": "t"}], None]),
        pa.array([{"user_id": 1}, None]),
        pa.array([["p"], []]),
        pa.array([1.5, 2.5]),
        pa.array([b"x", b"y"]),
    ]
)


@settings(max_examples=200)
@given(st.data())
def test_whatever_the_columns_the_binding_loads(data: st.DataObject) -> None:
    chosen = data.draw(NAMES)
    table = pa.table({name: data.draw(VALUES) for name in chosen})
    found, dataset = guessed(table)
    open_keys = {sentence.partition(":")[0] for sentence in found.open}
    for sentence in lay_out(table.schema, dataset).problems:
        key = sentence.partition(":")[0]
        assert key in open_keys or "assume_timezone" in sentence, sentence


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_a_word_is_read_as_it_was_written(text: str) -> None:
    assert parse_yaml(f"{word(text)}: [{word(text)}]").data == {text: [text]}


@pytest.mark.parametrize("has_segments", [True, False])
def test_the_policy_to_start_from_has_no_errors(
    tmp_path: Path, has_segments: bool
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(policy_text("no", has_segments=has_segments))
    reading = read_policy(path)
    assert reading.errors == ()
    assert reading.policy is not None
    assert reading.policy.id == "no"


def test_every_category_that_is_suggested_exists() -> None:
    suggested = {*names.CATEGORIES.values(), *names.SENSITIVE.values()}
    assert suggested <= BASE.categories
