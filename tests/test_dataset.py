"""The dataset binding: what a `dataset.yaml` may say, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from consentfilter.dataset import (
    STANDARD_SUBJECTS,
    Dataset,
    FieldBinding,
    SegmentBinding,
    SubjectSource,
    ValueSource,
    load_dataset_binding,
)
from consentfilter.errors import InputError
from consentfilter.layout.schema import dataset_schema
from consentfilter.taxonomy import BASE
from consentfilter.yamlfile import parse_yaml, validated
from tests.docs import markdown

FULL = """\
record_id: msg_id
collected_at: created_at
category: {column: kind, map: {chat: content.chat, 7: content.audio, true: content}}
subjects:
  - user_id
  - {column: guest, ns: email, role: participant, relation: guest}
  - {path: turns.speaker.id, role: speaker}
account_id: org
context_id: {constant: meeting-1}
asset_id: null
jurisdiction: {column: country, map: {1: DE}}
segments:
  column: turns
  segment_id: turn_id
  category: {constant: content.transcript}
  subjects: [speaker]
  keep: [duration]
  redaction: remove
fields:
  email: account.profile
  note: {category: special.health, required: true, redaction: null}
  name: {redaction: mask, mask: "***"}
mentions: names
row_fields: null
assume_timezone: Europe/Berlin
redaction: {segments: mask, fields: pseudonymise}
taxonomy: {categories: [content.sticker.animated], purposes: [improve.rank]}
events:
  subject_id: user
  expression: {constant: explicit}
"""


@pytest.fixture
def full(tmp_path: Path) -> Dataset:
    path = tmp_path / "dataset.yaml"
    path.write_text(FULL)
    return load_dataset_binding(path)


def test_a_file_can_say_everything(full: Dataset) -> None:
    assert full.record_id == ValueSource(column="msg_id")
    assert full.category.map == {
        "chat": "content.chat",
        "7": "content.audio",
        "true": "content",
    }
    assert full.subject_sources == (
        SubjectSource(column="user_id"),
        SubjectSource(column="guest", ns="email", role="participant", relation="guest"),
        SubjectSource(path="turns.speaker.id", role="speaker"),
    )
    assert full.context_id == ValueSource(constant="meeting-1")
    assert full.asset_id is None
    assert full.segments == SegmentBinding(
        column="turns",
        segment_id="turn_id",
        category=ValueSource(constant="content.transcript"),
        subjects=(SubjectSource(column="speaker"),),
        keep=("duration",),
        redaction="remove",
    )
    assert full.fields == {
        "email": FieldBinding(category="account.profile"),
        "note": FieldBinding(
            category="special.health", required=True, redaction="null"
        ),
        "name": FieldBinding(redaction="mask", mask="***"),
    }
    assert (full.mentions, full.row_fields) == ("names", None)
    assert full.assume_timezone == "Europe/Berlin"
    assert (full.redaction.segments, full.redaction.fields) == ("mask", "pseudonymise")
    assert full.events.subject_id is not None
    assert full.events.subject_id.column == "user"


def test_the_dataset_extends_both_trees(full: Dataset) -> None:
    trees = full.effective_taxonomy(BASE)
    assert {"content.sticker", "content.sticker.animated"} <= trees.categories
    assert "improve.rank" in trees.purposes
    assert trees.version != BASE.version
    assert Dataset().effective_taxonomy(BASE) == BASE


def test_no_file_is_the_standard_layout() -> None:
    standard = Dataset()
    assert standard.subject_sources == STANDARD_SUBJECTS
    assert standard.subject_sources_of_segments == STANDARD_SUBJECTS
    for name in ("record_id", "collected_at", "category", "account_id", "source"):
        assert getattr(standard, name) == ValueSource(column=name)
    assert standard.segments == SegmentBinding(column="segments")
    assert standard.mentions == "mentions"
    assert standard.row_fields == "fields"
    assert not standard.states("record_id")


def test_a_binding_cannot_be_changed(full: Dataset) -> None:
    with pytest.raises(ValueError, match="frozen"):
        full.mentions = "x"  # type: ignore[misc]


def test_the_digest_is_that_of_what_counts(full: Dataset) -> None:
    assert len(Dataset().sha256) == 64
    stated = Dataset.from_dict(
        {"record_id": "record_id", "segments": {"column": "segments"}}
    )
    assert stated.sha256 == Dataset().sha256
    assert full.sha256 != Dataset().sha256
    again = Dataset.model_validate_json(full.model_dump_json())
    assert again.sha256 == full.sha256
    # Every key counts.
    dumped = json.loads(full.model_dump_json())
    for name in dumped:
        partial = {key: value for key, value in dumped.items() if key != name}
        if name not in ("asset_id", "row_fields"):
            changed = Dataset.model_validate_json(json.dumps(partial))
            is_default = dumped[name] == json.loads(Dataset().model_dump_json())[name]
            assert (changed.sha256 == full.sha256) is is_default, name


def test_a_constant_time_is_an_instant() -> None:
    dataset = Dataset.from_dict(
        {"collected_at": {"constant": "1970-01-01T01:00:01+01:00"}}
    )
    assert dataset.constant_time_us() == 1_000_000
    assert Dataset().constant_time_us() is None


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "recrod_id: x\n",
            "1: recrod_id: unknown key; wanted one of record_id, collected_at, "
            "category, subjects, account_id, context_id, asset_id, jurisdiction, "
            "source, group_size, derived_from, segments, fields, row_fields, mentions, "
            "assume_timezone, redaction, taxonomy, events; did you mean 'record_id'?",
        ),
        ("record_id: 5\n", "1: record_id: found 5, wanted a mapping"),
        (
            "record_id: {constant: x}\n",
            "1: record_id: a constant cannot tell records apart; "
            "name the column of ids",
        ),
        (
            "category: {colum: x}\n",
            "1: category.colum: unknown key; wanted one of column, constant, map; "
            "did you mean 'column'?",
        ),
        (
            "category: {}\n",
            "1: category: wanted a column name, or one of column and constant",
        ),
        (
            "category: {column: a, constant: b}\n",
            "1: category: wanted a column name, or one of column and constant",
        ),
        (
            "category: {constant: a, map: {b: c}}\n",
            "1: category: a map needs the column whose values it maps",
        ),
        (
            "category:\n  column: a\n  map:\n    x: 5\n",
            '4: category.map.x: found 5, wanted text; put it in quotes: "5"',
        ),
        ("category: null\n", "1: category: found nothing, wanted a mapping"),
        (
            "collected_at: {constant: 2024-01-01}\n",
            "1: collected_at: '2024-01-01' is no instant; wanted RFC 3339 with an "
            "offset, such as '2024-05-01T00:00:00Z'",
        ),
        (
            "collected_at: {column: t, map: {a: b}}\n",
            "1: collected_at: times cannot be mapped; name the column or a constant",
        ),
        (
            "subjects: []\n",
            "1: subjects: an empty list; name at least one column of subjects",
        ),
        (
            "subjects:\n  - {column: a, role: auther}\n",
            "2: subjects[0].role: 'auther' is not one of author, speaker, depicted, "
            "participant, owner, mentioned; did you mean 'author'?",
        ),
        (
            "subjects:\n  - a\n  - {ns: email}\n",
            "3: subjects[1]: wanted one of column and path",
        ),
        (
            "group_size: {constant: '7'}\n",
            "1: group_size: a constant would make every record an aggregate; "
            "name the column of sizes",
        ),
        (
            "segments: {redaction: delete}\n",
            "1: segments.redaction: 'delete' is not one of mask, remove",
        ),
        (
            "segments: {keep: duration}\n",
            "1: segments.keep: found 'duration', wanted a list",
        ),
        (
            "fields:\n  a: {redaction: pseudonymize}\n",
            "2: fields.a.redaction: 'pseudonymize' is not one of default, "
            "null, mask, pseudonymise; did you mean 'pseudonymise'?",
        ),
        (
            "fields:\n  a: {required: yes}\n",
            "2: fields.a.required: found 'yes', wanted true or false",
        ),
        (
            "assume_timezone: Europe/Berln\n",
            "1: assume_timezone: 'Europe/Berln' is no time zone; wanted an IANA name "
            "such as 'UTC' or 'Europe/Berlin'; did you mean 'Europe/Berlin'?",
        ),
        (
            "taxonomy:\n  categories: [content.*, ok]\n",
            "2: taxonomy.categories: 'content.*': wanted dotted names without *, "
            "spaces or empty parts, such as 'content.sticker'",
        ),
        (
            "events:\n  statuses: {Y: yes}\n",
            "2: events.statuses: 'yes': not a status; wanted one of given, renewed, "
            "refused, withdrawn, revoked, objected, opted_out, expired, invalidated, "
            "requested, deferred, noticed, unknown, voided",
        ),
        ("- a\n", "1: found a list, wanted a mapping"),
    ],
)
def test_a_mistake_is_said_with_its_line(
    tmp_path: Path, text: str, problems: str
) -> None:
    path = tmp_path / "dataset.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_dataset_binding(path)
    assert caught.value.problems == (f"{path}:{problems}",)


def test_a_policy_in_place_of_a_binding_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("id: a\nversion: '1'\nrules: []\n")
    with pytest.raises(InputError) as caught:
        load_dataset_binding(path)
    assert caught.value.problems == (
        f"{path}: a policy (it says rules, version), wanted a dataset binding; a "
        "policy is given with --policy",
    )


def test_all_mistakes_come_together(tmp_path: Path) -> None:
    path = tmp_path / "dataset.yaml"
    path.write_text("record_id: 5\nmentons: x\nassume_timezone: Nowhere\n")
    with pytest.raises(InputError) as caught:
        load_dataset_binding(path)
    assert len(caught.value.problems) == 3


def test_a_mapping_from_code_is_checked_like_a_file() -> None:
    with pytest.raises(InputError) as caught:
        Dataset.from_dict({"subjects": [{"column": "a", "role": "auther"}]})
    assert caught.value.problems == (
        "subjects[0].role: 'auther' is not one of author, speaker, depicted, "
        "participant, owner, mentioned; did you mean 'author'?",
    )


def test_an_empty_file_is_the_standard_layout(tmp_path: Path) -> None:
    path = tmp_path / "dataset.yaml"
    path.write_text("# nothing to say\n")
    assert load_dataset_binding(path) == Dataset()


def test_a_column_goes_as_its_binding_says(full: Dataset) -> None:
    assert full.redaction_of("email") == ("pseudonymise", "[redacted]")
    assert full.redaction_of("note") == ("null", "[redacted]")
    assert full.redaction_of("name") == ("mask", "***")
    assert full.redaction_of("not listed") == ("null", "[redacted]")


def test_the_published_schema_is_the_models(request: pytest.FixtureRequest) -> None:
    path = request.config.rootpath / "schemas/dataset.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == dataset_schema(), (
        "run: python -m tests.test_dataset"
    )


def test_the_published_schema_takes_what_the_model_takes() -> None:
    schema = dataset_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    taken = parse_yaml(FULL).data
    taken["category"]["map"] = {"7": "content.audio"}  # JSON has text keys only
    taken["jurisdiction"]["map"] = {"1": "DE"}
    validator.validate(taken)
    assert not validator.is_valid({**taken, "recrod_id": "x"})
    assert not validator.is_valid({"subjects": [{"column": "a", "role": "auther"}]})


@pytest.mark.parametrize(
    "block",
    [
        block
        for block in markdown.blocks(markdown.ROOT / "docs" / "dataset.md")
        if block.language == "yaml"
    ],
    ids=lambda block: f"line {block.line}",
)
def test_every_example_in_the_docs_is_a_binding(block: markdown.Block) -> None:
    assert validated(Dataset, parse_yaml(block.text)) != Dataset()


if __name__ == "__main__":  # write the published schema anew
    root = Path(__file__).parent.parent
    text = json.dumps(dataset_schema(), indent=2, ensure_ascii=False) + "\n"
    (root / "schemas/dataset.schema.json").write_text(text, encoding="utf-8")
