"""Rows of a typed PCollection as Arrow columns, and redacted values back into rows.

A NamedTuple, a dataclass, a `beam.Row` or a dict becomes the columns that a decision
reads. A row that is kept is the object that came in; of a redacted one only what was
redacted is replaced. Types come from the declared element type, because a batch of
rows may hold nothing but nulls in a column.
"""

from __future__ import annotations

import dataclasses
import operator
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.typehints import typehints
from apache_beam.typehints.native_type_compatibility import convert_to_beam_type
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.utils.timestamp import Timestamp

from consentfilter.errors import InputError

_SCALARS: Final[dict[Any, pa.DataType]] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    bytes: pa.binary(),
    np.int8: pa.int8(),
    np.int16: pa.int16(),
    np.int32: pa.int32(),
    np.int64: pa.int64(),
    np.uint8: pa.uint8(),
    np.uint16: pa.uint16(),
    np.uint32: pa.uint32(),
    np.uint64: pa.uint64(),
    np.float32: pa.float32(),
    np.float64: pa.float64(),
}
_TIME: Final = pa.timestamp("us", "UTC")


@dataclasses.dataclass(frozen=True, slots=True)
class RowShape:
    """How the elements of a PCollection become columns.

    Attributes:
        names: the fields in order; None for dicts, which need not be alike.
        types: field to Arrow type, as far as the element type says.
        required: fields that may not be null, so that they cannot be redacted.
    """

    names: tuple[str, ...] | None
    types: Mapping[str, pa.DataType]
    required: frozenset[str]

    @classmethod
    def of(cls, element_type: Any, schema: pa.Schema | None = None) -> RowShape:
        """Return the shape of an element type.

        Args:
            element_type: a PCollection's element type.
            schema: types and nullability of dicts, as far as known.

        Raises:
            InputError: the element type says nothing about fields.
        """
        if _is_dict(element_type):
            fields = () if schema is None else tuple(schema)
            return cls(
                None,
                {field.name: field.type for field in fields},
                frozenset(field.name for field in fields if not field.nullable),
            )
        row = (
            element_type
            if isinstance(element_type, RowTypeConstraint)
            else RowTypeConstraint.from_user_type(element_type)
        )
        if row is None:
            raise InputError(
                f"ConsentFilter: the elements are typed {element_type!r}; wanted "
                "pa.RecordBatch, a NamedTuple, beam.Row or dict: state it with "
                ".with_output_types(...) on the step before."
            )
        hints = dict(_hints(row))
        return cls(
            tuple(hints),
            {
                name: kind
                for name, hint in hints.items()
                if (kind := _arrow_type(hint)) is not None
            },
            frozenset(name for name, hint in hints.items() if not _is_optional(hint)),
        )

    def names_of(self, rows: Sequence[Any]) -> tuple[str, ...]:
        """Return the fields of a batch of rows, in order."""
        if self.names is not None:
            return self.names
        seen = dict.fromkeys(self.types)
        for row in rows:
            if row.keys() - seen.keys():
                seen.update(dict.fromkeys(row))
        return tuple(seen)

    def table(
        self, rows: Sequence[Any], names: Sequence[str], bound: frozenset[str]
    ) -> pa.Table:
        """Return columns of a batch of rows.

        Args:
            rows: the elements.
            names: the columns wanted.
            bound: those of them whose values count; of the others only whether a
                value is null, where Arrow has no type for it.

        Raises:
            InputError: a bound column holds values of types that do not go together.
        """
        columns = [self._column(rows, name, name in bound) for name in names]
        fields = [
            pa.field(name, column.type, nullable=name not in self.required)
            for name, column in zip(names, columns, strict=True)
        ]
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))

    def _column(self, rows: Sequence[Any], name: str, is_bound: bool) -> pa.Array:
        values = list(map(self._getter(name), rows))
        first = next((value for value in values if value is not None), None)
        if isinstance(first, Timestamp):
            values = [None if each is None else each.micros for each in values]
            return pa.array(values, pa.int64()).cast(_TIME)
        if not isinstance(first, str | bytes | int | float | None):
            values = [_plain(value) for value in values]
        try:
            return pa.array(values, self.types.get(name), from_pandas=False)
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            if is_bound:
                raise InputError(
                    f"rows: field {name!r} cannot be read as one column: {error}"
                ) from error
            present = np.fromiter((value is not None for value in values), bool)
            return pa.array(present, mask=~present)

    def _getter(self, name: str) -> Callable[[Any], Any]:
        if self.names is None:
            return lambda row: row.get(name)
        return operator.attrgetter(name)


def replaced(row: Any, values: Mapping[str, Any]) -> Any:
    """Return a row with other values in some fields; the row itself stays as it is.

    Nested rows keep the type they had.
    """
    if isinstance(row, dict):
        return {
            **row,
            **{name: _alike(row.get(name), value) for name, value in values.items()},
        }
    changed = {
        name: _alike(getattr(row, name), value) for name, value in values.items()
    }
    if hasattr(row, "_replace"):
        return row._replace(**changed)
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return dataclasses.replace(row, **changed)
    return beam.Row(**{**row.as_dict(), **changed})


def _alike(before: Any, after: Any) -> Any:
    """Give a plain value the container types of what stood there before."""
    if after is None or before is None:
        return after
    if isinstance(after, dict) and not isinstance(before, dict):
        return replaced(before, after)
    if isinstance(after, list) and not isinstance(before, str | bytes):
        model = next((each for each in before if each is not None), None)
        items = [_alike(model, each) for each in after]
        return items if isinstance(before, list) else type(before)(items)
    return after


def _plain(value: Any) -> Any:
    """Return nested rows as dicts, as Arrow wants structs."""
    if isinstance(value, Timestamp):
        return value.to_utc_datetime(has_tz=True)
    if hasattr(value, "_asdict"):
        value = value._asdict()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_plain(each) for each in value]
    return value


def _is_dict(element_type: Any) -> bool:
    return (
        element_type is dict
        or isinstance(element_type, typehints.DictConstraint)
        or isinstance(convert_to_beam_type(element_type), typehints.DictConstraint)
    )


def _is_optional(hint: Any) -> bool:
    return hint in (typehints.Any, type(None)) or typehints.is_nullable(hint)


def _hints(row: RowTypeConstraint) -> Iterator[tuple[str, Any]]:
    """Yield (field, Beam's type hint) of a row type.

    Beam reads a class's annotations as they stand; where they are text (`from
    __future__ import annotations`) they are resolved here.
    """
    fields = row._fields
    if any(isinstance(hint, str | typing.ForwardRef) for _, hint in fields):
        resolved = typing.get_type_hints(row.user_type)
        fields = [(name, resolved[name]) for name, _ in fields]
    for name, hint in fields:
        yield name, convert_to_beam_type(hint)


def _arrow_type(hint: Any) -> pa.DataType | None:
    """Return the Arrow type of a hint; None where the values have to tell."""
    if typehints.is_nullable(hint):
        hint = typehints.get_concrete_type_from_nullable(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    row = (
        hint
        if isinstance(hint, RowTypeConstraint)
        else RowTypeConstraint.from_user_type(hint)
    )
    if row is not None:
        return pa.struct(
            [
                pa.field(name, _arrow_type(each) or pa.null(), _is_optional(each))
                for name, each in _hints(row)
            ]
        )
    if isinstance(hint, typehints.SequenceTypeConstraint):
        inner = _arrow_type(convert_to_beam_type(hint.inner_type))
        return None if inner is None else pa.list_(inner)
    return None
