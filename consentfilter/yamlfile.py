"""YAML files a person wrote: plain values, the line of each, readable problems.

YAML 1.2 core schema and nothing beyond it: `NO` is text, a date is text as it was
written, no tags. A key that stands twice is an error, never "the last one wins".
The policy and the dataset binding are read through this module, so that a mistake
is reported as `file:line: path: what was found, what was wanted; did you mean …`.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import pydantic
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from consentfilter.errors import ConsentFilterError, InputError

Loc = tuple[str | int, ...]
Model = TypeVar("Model", bound=pydantic.BaseModel)

#: More values than this (aliases counted where they are used) is no hand-made file.
MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 64

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True}
_BOOL |= {"false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclasses.dataclass(slots=True)
class _Node:
    value: Any
    line: int
    children: dict[Any, _Node] = dataclasses.field(default_factory=dict)
    size: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class YamlFile:
    """A parsed file: its plain value and where each part of it stands.

    Attributes:
        source: how the file is called in messages.
        data: dicts, lists, text, numbers, booleans and None.
    """

    source: str
    data: Any
    _root: _Node = dataclasses.field(repr=False, compare=False)

    def line(self, loc: Sequence[Any] = ()) -> int:
        """Return the line (from 1) of a part, or of its nearest parent."""
        node = self._root
        for step in loc:
            child = node.children.get(step)
            if child is None:
                by_text = {str(key): kid for key, kid in node.children.items()}
                child = by_text.get(str(step))
            if child is None:
                break
            node = child
        return node.line

    def at(self, loc: Sequence[Any], message: str) -> str:
        """Return `file:line: path: message` for a part of the file."""
        path = path_text(loc)
        return f"{self.source}:{self.line(loc)}: {path + ': ' if path else ''}{message}"


def path_text(loc: Sequence[Any]) -> str:
    """Return a path as a reader writes it.

    >>> path_text(("rules", 2, "expression"))
    'rules[2].expression'
    """
    text = ""
    for step in loc:
        if isinstance(step, int) and not isinstance(step, bool):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else f"{step}"
    return text


def read_yaml(
    path: str | os.PathLike[str], *, error: type[ConsentFilterError] = InputError
) -> YamlFile:
    """Read one YAML document from a file.

    Raises:
        InputError: (or `error`) not readable, not UTF-8, not YAML, duplicate keys.
    """
    source = os.fspath(path)
    try:
        with open(source, "rb") as handle:
            raw = handle.read()
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise error(f"{source}: cannot be read: {why}; wanted a YAML file") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        message = f"{source}:{line}: not UTF-8 text; save the file as UTF-8"
        raise error(message) from None
    return parse_yaml(text, source=source, error=error)


def parse_yaml(
    text: str,
    *,
    source: str = "<text>",
    error: type[ConsentFilterError] = InputError,
) -> YamlFile:
    """Parse one YAML document.

    Raises:
        InputError: (or `error`) not YAML, more than one document, duplicate keys,
            tags, or nesting and size no hand-made file has.
    """
    try:
        builder = _Builder(source, error)
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        said = " ".join(str(problem.problem or problem.context or problem).split())
        raise error(f"{where}: not valid YAML: {said}") from None
    except YAMLError as problem:
        said = " ".join(str(problem).split())
        raise error(f"{source}: not valid YAML: {said}") from None
    if builder.problems:
        raise error(builder.problems)
    root = builder.root or _Node(None, 1)
    return YamlFile(source, root.value, root)


class _Builder:
    """Builds nodes from parser events, with a stack of its own."""

    def __init__(self, source: str, error: type[ConsentFilterError]) -> None:
        self.source, self.error = source, error
        self.root: _Node | None = None
        self.problems: list[str] = []
        self._stack: list[_Node] = []
        self._keys: list[list[_Node]] = []  # a pending key of each open mapping
        self._anchors: dict[str, _Node | None] = {}
        self._open_anchors: list[str | None] = []

    def _stop(self, line: int, message: str) -> ConsentFilterError:
        return self.error(f"{self.source}:{line}: {message}")

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, ScalarEvent):
            self._no_tag(event, line)
            node = _Node(_scalar(event), line)
            if event.anchor:
                self._anchors[event.anchor] = node
            self._place(node)
        elif isinstance(event, AliasEvent):
            found = self._anchors.get(event.anchor)
            if found is None:
                raise self._stop(line, f"alias *{event.anchor} stands for nothing here")
            self._place(_Node(found.value, line, found.children, found.size))
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._no_tag(event, line)
            if len(self._stack) >= MAX_DEPTH:
                raise self._stop(line, f"nested deeper than {MAX_DEPTH} levels")
            value: Any = {} if isinstance(event, MappingStartEvent) else []
            self._stack.append(_Node(value, line))
            self._keys.append([])
            self._open_anchors.append(event.anchor)
            if event.anchor:
                self._anchors[event.anchor] = None
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            node = self._stack.pop()
            self._keys.pop()
            anchor = self._open_anchors.pop()
            if anchor:
                self._anchors[anchor] = node
            self._place(node)

    def _no_tag(self, event: Any, line: int) -> None:
        if event.tag is not None:
            raise self._stop(line, f"tag {event.tag} found; tags are not used here")

    def _place(self, node: _Node) -> None:
        if not self._stack:
            if self.root is not None:
                raise self._stop(node.line, "a second document; wanted one")
            self.root = node
            return
        parent = self._stack[-1]
        parent.size += node.size
        if parent.size > MAX_NODES:
            raise self._stop(node.line, f"more than {MAX_NODES} values")
        if isinstance(parent.value, list):
            parent.children[len(parent.value)] = node
            parent.value.append(node.value)
            return
        pending = self._keys[-1]
        if not pending:
            if isinstance(node.value, (dict, list)):
                raise self._stop(node.line, "a key must be plain text")
            pending.append(node)
            return
        key = pending.pop()
        if key.value in parent.value:
            first = parent.children[key.value].line
            self.problems.append(
                f"{self.source}:{key.line}: key {key.value!r} stands twice, "
                f"first on line {first}; keep one of them"
            )
            return
        parent.value[key.value] = node.value
        parent.children[key.value] = dataclasses.replace(node, line=key.line)


def _scalar(event: Any) -> Any:
    """Resolve a scalar by the YAML 1.2 core schema."""
    text: str = event.value
    if event.style is not None:
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        if text.startswith(("0o", "0x")):
            return int(text, 0)
        return int(text) if len(text) <= 40 else text
    if _FLOAT.fullmatch(text):
        return float(text)
    special = _SPECIAL.fullmatch(text)
    if special:
        return float(special.group(1) + "inf") if special.group(2) else float("nan")
    return text


def validated(
    model: type[Model],
    file: YamlFile,
    *,
    error: type[ConsentFilterError] = InputError,
) -> Model:
    """Return the file as a model.

    Raises:
        InputError: (or `error`) with every problem, each with its line.
    """
    data = {} if file.data is None else file.data
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as problem:
        raise error(describe(problem, model, file)) from None


def describe(
    problem: pydantic.ValidationError,
    model: type[pydantic.BaseModel],
    file: YamlFile | None = None,
) -> list[str]:
    """Return each problem as `file:line: path: found, wanted; did you mean`.

    Without a file (a mapping that came from code) only the path is named.
    """
    found: dict[tuple[int, str], None] = {}
    for item in problem.errors(include_url=False):
        loc = written_path(item["loc"])
        message = problem_text(item, model, loc)
        if file is None:
            path = path_text(loc)
            found[(0, f"{path}: {message}" if path else message)] = None
        else:
            found[(file.line(loc), file.at(loc, message))] = None
    return [text for _, text in sorted(found, key=lambda pair: pair[0])]


def written_path(loc: Iterable[str | int]) -> Loc:
    """Drop what pydantic adds to a path (`[key]`, union members)."""
    return tuple(
        step
        for step in loc
        if isinstance(step, int) or not step.startswith(("[", "function-", "model:"))
    )


_WANTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "time_delta_type": "a duration such as PT24H",
    "time_delta_parsing": "a duration such as PT24H",
}


def problem_text(item: Any, model: type[pydantic.BaseModel], loc: Loc) -> str:
    """Return what was found and what was wanted, for one of pydantic's errors."""
    kind, value = item["type"], item.get("input")
    if kind == "missing":
        return "missing; it must be stated"
    if kind == "extra_forbidden":
        wanted = keys_at(model, loc[:-1])
        return f"unknown key{_one_of(str(loc[-1]), wanted, '; wanted one of ')}"
    if kind in ("literal_error", "enum"):
        wanted = re.findall(r"'([^']*)'", str(item["ctx"]["expected"]))
        return f"{show(value)} is not one of {_one_of(str(value), wanted)}"
    if kind == "value_error":
        return str(item["ctx"]["error"])
    if kind in _WANTED:
        hint = ""
        if kind == "string_type" and isinstance(value, (int, float)):
            hint = f'; put it in quotes: "{yaml_text(value)}"'
        return f"found {show(value)}, wanted {_WANTED[kind]}{hint}"
    said = str(item["msg"])
    return f"found {show(value)}; {said[:1].lower()}{said[1:]}"


def yaml_text(value: Any) -> str:
    """Return a scalar as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def show(value: Any) -> str:
    """Return a found value for a message: short, with its kind where unclear."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return yaml_text(value)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…'"


def did_you_mean(value: str, wanted: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or nothing when nothing is near.

    That both names end in `_id` makes them no nearer.
    """
    plain = value.casefold()
    shared = "_id" if plain.endswith("_id") else ""
    choices = {
        choice.casefold().removesuffix(shared): choice
        for choice in sorted(wanted, reverse=True)
    }
    stem = plain.removesuffix(shared)
    near = difflib.get_close_matches(stem, list(choices), 1, 0.6)
    return f"; did you mean {choices[near[0]]!r}?" if near else ""


def _one_of(value: str, wanted: Sequence[str], before: str = "") -> str:
    listed = before + ", ".join(wanted) if wanted else ""
    return listed + did_you_mean(value, wanted)


def keys_at(model: type[pydantic.BaseModel], loc: Loc) -> list[str]:
    """Return the keys a model knows at a path, empty where it is no model."""
    here: list[Any] = [model]
    for step in loc:
        here = [deeper for kind in here for deeper in _deeper(kind, step)]
    return [
        field.alias or name
        for kind in here
        if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)
        for name, field in kind.model_fields.items()
    ]


def _deeper(kind: Any, step: str | int) -> list[Any]:
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        for name, field in kind.model_fields.items():
            if step in (name, field.alias):
                return _plain(field.annotation)
        return []
    arguments = typing.get_args(kind)
    return _plain(arguments[-1 if isinstance(step, str) else 0]) if arguments else []


def _plain(kind: Any) -> list[Any]:
    """Return a type without None, Annotated and unions."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _plain(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        members = [m for m in typing.get_args(kind) if m is not type(None)]
        return [part for member in members for part in _plain(member)]
    return [kind]
