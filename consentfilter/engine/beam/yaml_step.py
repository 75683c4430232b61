"""`ConsentFilter` as a step of a Beam YAML pipeline."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import apache_beam as beam
from apache_beam.typehints import typehints
from apache_beam.typehints.row_type import RowTypeConstraint

from consentfilter.engine.beam.transform import ConsentFilter
from consentfilter.engine.cluster.outcome import REASON_COLUMN
from consentfilter.errors import InputError

#: Fields of the ledger's rows: text, so that every sink of Beam YAML takes them.
LEDGER_FIELDS: Final = (
    "record_id",
    "decision",
    "reason",
    "rule",
    "subject_key",
    "grant_id",
    "denial_id",
    "snapshot_id",
)


class YamlConsentFilter(beam.PTransform):
    """Decides rows; gives `kept`, `dropped`, `ledger`, and errors if they are named.

    Example::

        - type: ConsentFilter
          input: Read
          config:
            policy: policy.yaml
            consent: consent.parquet
            error_handling: {output: errors}
    """

    def __init__(
        self,
        policy: str,
        consent: str | list[str],
        *,
        dataset: str | None = None,
        as_of: str | None = None,
        subjects: str | None = None,
        links: str | None = None,
        staging: str | None = None,
        error_handling: Mapping[str, str] | None = None,
    ) -> None:
        """Load what decides.

        Args:
            policy: the policy's file.
            consent: event files or a snapshot.
            dataset: the binding's file; None: the standard layout.
            as_of: the instant of the decision (RFC 3339), for event files.
            subjects: side file of people.
            links: side file of linked identities.
            staging: where large consent is put for the workers.
            error_handling: `{output: NAME}` names the output of rows that cannot be
                read; None: such a row fails the pipeline.

        Raises:
            ConsentFilterError: what was given cannot be used.
        """
        super().__init__()
        self._errors = None if error_handling is None else error_handling["output"]
        self._filter = ConsentFilter(
            policy,
            consent,
            dataset=dataset,
            as_of=None if as_of is None else _instant(as_of),
            subjects=subjects,
            links=links,
            staging=staging,
            catch_errors=error_handling is not None,
        )

    def expand(self, rows: beam.PCollection) -> dict[str, beam.PCollection]:
        """Return the outputs by name."""
        row = rows.element_type
        if not isinstance(row, RowTypeConstraint):
            row = RowTypeConstraint.from_user_type(row)
        if row is None:
            raise InputError(
                "ConsentFilter: the input has no schema; read it with a step that "
                "gives one (ReadFromParquet, or MapToFields with types)."
            )
        decided = rows | "Filter" >> self._filter
        fields = list(row._fields)
        outputs = {
            "kept": decided.kept,
            "dropped": decided.dropped
            | "Reasons as a field"
            >> beam.MapTuple(_with_reason).with_output_types(
                RowTypeConstraint.from_fields([*fields, (REASON_COLUMN, str)])
            ),
            "ledger": decided.ledger
            | "Ledger rows"
            >> beam.FlatMap(_ledger_rows).with_output_types(
                RowTypeConstraint.from_fields(
                    [(name, typehints.Optional[str]) for name in LEDGER_FIELDS]
                )
            ),
        }
        if self._errors is not None:
            outputs[self._errors] = decided.errors | "Errors as rows" >> beam.MapTuple(
                _error_row
            ).with_output_types(
                RowTypeConstraint.from_fields([("msg", str), ("element", row)])
            )
        return outputs


def _with_reason(reason: str, row: Any) -> beam.Row:
    return beam.Row(**row._asdict(), **{REASON_COLUMN: reason})


def _ledger_rows(batch: Any) -> list[beam.Row]:
    return [beam.Row(**row) for row in batch.select(LEDGER_FIELDS).to_pylist()]


def _error_row(message: str, row: Any) -> beam.Row:
    return beam.Row(msg=message, element=row)


def _instant(text: str) -> dt.datetime:
    """Read an RFC 3339 instant.

    Raises:
        InputError: it is none, or has no offset.
    """
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InputError(
            f"as_of: {text!r} is no instant; wanted RFC 3339 with an offset, such as "
            "2026-01-31T00:00:00Z"
        )
    return instant
