"""Hand-made YAML: plain values, located mistakes, nothing surprising."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pydantic
import pytest

from consentfilter.errors import InputError, PolicyError
from consentfilter.yamlfile import (
    MAX_DEPTH,
    did_you_mean,
    parse_yaml,
    path_text,
    read_yaml,
    show,
    validated,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("2023-08-07", "2023-08-07"),
        ("12:30:45", "12:30:45"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("'1'", "1"),
        ("'null'", "null"),
        ("<<", "<<"),
        ("=", "="),
        ("[1, [a], {b: c}]", [1, ["a"], {"b": "c"}]),
        ("&x 1", 1),
        ("9" * 50, "9" * 50),
    ],
)
def test_scalars_follow_the_yaml_1_2_core_schema(text: str, value: object) -> None:
    assert parse_yaml(f"a: {text}").data == {"a": value}


def test_not_a_number_is_read() -> None:
    found = parse_yaml("a: .nan").data["a"]
    assert found != found


def test_an_old_version_directive_does_not_bring_old_booleans_back() -> None:
    assert parse_yaml("%YAML 1.1\n---\na: no\n").data == {"a": "no"}


def test_an_empty_file_holds_nothing() -> None:
    assert parse_yaml("# only a comment\n").data is None


def test_an_alias_stands_for_its_anchor() -> None:
    file = parse_yaml("a: &it [1, {x: y}]\nb: *it\n")
    assert file.data["b"] == [1, {"x": "y"}]
    assert file.line(("b", 1, "x")) == 1, "the line where it is written"
    assert file.line(("b",)) == 2


LINES = """\
id: p
rules:
  - id: one
    categories: [content,
      account]
  -
    id: two
"yes": no
"""


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        (("id",), 1),
        (("rules",), 2),
        (("rules", 0), 3),
        (("rules", 0, "id"), 3),
        (("rules", 0, "categories"), 4),
        (("rules", 0, "categories", 1), 5),
        (("rules", 1, "id"), 7),
        (("rules", 1, "missing"), 7),
        (("rules", 9), 2),
        (("yes",), 8),
        ((), 1),
    ],
)
def test_every_part_has_its_line(loc: tuple[str | int, ...], line: int) -> None:
    assert parse_yaml(LINES).line(loc) == line


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "a: 1\nb: 2\na: 3\nb: 4\n",
            (
                "f.yaml:3: key 'a' stands twice, first on line 1; keep one of them",
                "f.yaml:4: key 'b' stands twice, first on line 2; keep one of them",
            ),
        ),
        (
            "a:\n  b: 1\n  b: 2\n",
            ("f.yaml:3: key 'b' stands twice, first on line 2; keep one of them",),
        ),
        ("a: 1\n---\nb: 2\n", ("f.yaml:3: a second document; wanted one",)),
        ("a: !!python/object x\n", None),
        ("a: !secret x\n", ("f.yaml:1: tag !secret found; tags are not used here",)),
        ("a: !x [1]\n", ("f.yaml:1: tag !x found; tags are not used here",)),
        ("a: *b\n", ("f.yaml:1: alias *b stands for nothing here",)),
        ("a: &a [*a]\n", ("f.yaml:1: alias *a stands for nothing here",)),
        ("? [1]\n: 2\n", ("f.yaml:1: a key must be plain text",)),
        (
            "a:\n\t- b\n",
            (
                "f.yaml:2: not valid YAML: found character '\\t' that cannot start "
                "any token",
            ),
        ),
        (
            "a: [1\n",
            ("f.yaml:2: not valid YAML: expected ',' or ']', but got '<stream end>'",),
        ),
        (
            "a: b: c\n",
            ("f.yaml:1: not valid YAML: mapping values are not allowed here",),
        ),
        ("a: \x01\n", None),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(
    text: str, problems: tuple[str, ...] | None
) -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml(text, source="f.yaml")
    if problems is not None:
        assert caught.value.problems == problems
    assert caught.value.problems[0].startswith("f.yaml:")


def test_too_deep_and_too_large_files_are_refused() -> None:
    with pytest.raises(InputError, match="nested deeper than"):
        parse_yaml("[" * (MAX_DEPTH + 1))
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for at in range(1, 8):
        bomb += f"a{at}: &a{at} [" + ", ".join([f"*a{at - 1}"] * 10) + "]\n"
    with pytest.raises(InputError, match="more than 100000 values"):
        parse_yaml(bomb)


def test_the_error_class_is_the_readers_choice() -> None:
    with pytest.raises(PolicyError):
        parse_yaml("a: [", error=PolicyError)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    with pytest.raises(InputError) as caught:
        read_yaml(missing)
    assert str(caught.value) == (
        f"{missing}: cannot be read: No such file or directory; wanted a YAML file"
    )
    wrong = tmp_path / "latin.yaml"
    wrong.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(InputError) as caught:
        read_yaml(wrong)
    assert str(caught.value) == f"{wrong}:2: not UTF-8 text; save the file as UTF-8"


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(path).data == {"a": 1}


class Inner(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    word: Literal["explicit", "expressed"] = "explicit"
    count: int = pydantic.Field(default=1, ge=0, le=9)
    names: list[str] = []
    switch: bool = False


class Outer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    id: str
    inner: Inner | None = None
    many: tuple[Inner, ...] | list[Inner] = ()
    by_name: dict[str, Inner] = {}

    @pydantic.field_validator("id")
    @classmethod
    def _no_space(cls, value: str) -> str:
        if " " in value:
            raise ValueError("wanted a name without spaces")
        return value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("inner: {}", "f.yaml:1: id: missing; it must be stated"),
        ("id: 3", 'f.yaml:1: id: found 3, wanted text; put it in quotes: "3"'),
        ("id: true", 'f.yaml:1: id: found true, wanted text; put it in quotes: "true"'),
        ("id:", "f.yaml:1: id: found nothing, wanted text"),
        ("id: a b", "f.yaml:1: id: wanted a name without spaces"),
        (
            "id: a\ninner:\n  wrod: x",
            "f.yaml:3: inner.wrod: unknown key; wanted one of word, count, names, "
            "switch; did you mean 'word'?",
        ),
        (
            "id: a\ninner:\n  word: Explict",
            "f.yaml:3: inner.word: 'Explict' is not one of explicit, expressed; "
            "did you mean 'explicit'?",
        ),
        ("id: a\ninner: 5", "f.yaml:2: inner: found 5, wanted a mapping"),
        (
            "id: a\ninner: {count: x}",
            "f.yaml:2: inner.count: found 'x', wanted a whole number",
        ),
        (
            "id: a\ninner: {count: 10}",
            "f.yaml:2: inner.count: found 10; input should be less than or equal to 9",
        ),
        (
            "id: a\ninner: {names: x}",
            "f.yaml:2: inner.names: found 'x', wanted a list",
        ),
        (
            "id: a\ninner: {switch: 1}",
            "f.yaml:2: inner.switch: found 1, wanted true or false",
        ),
        (
            "id: a\nby_name:\n  x: {count: {}}",
            "f.yaml:3: by_name.x.count: found a mapping, wanted a whole number",
        ),
        ("- 1", "f.yaml:1: found a list, wanted a mapping"),
    ],
)
def test_a_mistake_is_said_with_its_place_and_what_was_wanted(
    text: str, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        validated(Outer, parse_yaml(text, source="f.yaml"))
    assert caught.value.problems == (problem,)


def test_all_mistakes_come_together_in_the_order_of_the_lines() -> None:
    text = "inner:\n  count: x\n  word: y\nextra: 1\n"
    with pytest.raises(InputError) as caught:
        validated(Outer, parse_yaml(text, source="f.yaml"))
    lines = [problem.split(":")[1] for problem in caught.value.problems]
    assert lines == ["1", "2", "3", "4"]


def test_paths_and_values_are_shown_as_a_reader_writes_them() -> None:
    assert path_text(("rules", 2, "expression")) == "rules[2].expression"
    assert show("x" * 200) == "'" + "x" * 76 + "…'"
    assert show(None) == "nothing"
    assert did_you_mean("explict", ["explicit", "notice"]) == (
        "; did you mean 'explicit'?"
    )
    assert did_you_mean("zzz", ["explicit"]) == ""
    assert did_you_mean("recrod_id", ["record_id"]) == "; did you mean 'record_id'?"
    assert did_you_mean("record_id", ["user_id", "account_id"]) == ""
    assert did_you_mean("seconds", ["record_id"]) == ""
