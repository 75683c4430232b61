"""`consentfilter explain`: why one record was kept, redacted or dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consentfilter.cli import output

if TYPE_CHECKING:
    from consentfilter.lineage.opened import OpenedRelease

_WORDS = {"keep": "KEPT", "redact": "REDACTED", "drop": "DROPPED"}
#: What is shown of a statement, and how it is called.
_STATEMENT = (
    ("status", "status"),
    ("purpose", "purpose"),
    ("category", "category"),
    ("expression", "expression"),
    ("actor_type", "by"),
    ("source_id", "source"),
    ("effective_at", "made at"),
    ("recorded_at", "recorded at"),
    ("valid_from", "valid from"),
    ("valid_until", "valid until"),
    ("data_from", "data from"),
    ("data_until", "data until"),
    ("terms_version", "terms"),
)


def explain(
    release: Annotated[
        Path, typer.Argument(help="The release, with its private/.", metavar="RELEASE")
    ],
    record_id: Annotated[str, typer.Argument(help="The record.", metavar="RECORD_ID")],
    consent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH", help="The run's consent: shows the statement itself."
        ),
    ] = None,
    id_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The key of subject ids, if they are keyed."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.")
    ] = False,
) -> int:
    r"""Say why a record was kept, redacted or dropped.

    Example:
      consentfilter explain release m-1234
      consentfilter explain release m-1234 --consent consent.parquet

    The ledger names the rule and the consent statement that decided; with the run's
    consent the statement is shown with both its clocks: when the person acted, and
    when that was recorded.
    """
    from consentfilter.lineage import lookup, opened

    found = opened.open_release(release)
    rows = lookup.ledger_of_record(found, record_id)
    statements = {} if not consent else _statements(rows, consent, found, id_key)
    explained = [_explained(row, found, statements) for row in rows]
    if as_json:
        output.print_json({"release": str(release), "records": explained})
    elif rows and not quiet:
        texts = [_text(each, has_consent=bool(consent)) for each in explained]
        typer.echo("\n\n".join(texts))
    elif not rows:
        output.say(
            f"{record_id!r}: no such record was read for {found.name}; ids are "
            "compared exactly, as text"
        )
    return 0 if rows else 1


def _statements(
    rows: list[dict[str, Any]],
    consent: list[str],
    release: OpenedRelease,
    id_key: Path | None,
) -> dict[str, dict[str, Any]]:
    """Return the statements that the rows name, by id."""
    import datetime as dt

    import pyarrow as pa
    import pyarrow.compute as pc

    from consentfilter.consent.load import load_consent
    from consentfilter.ids import read_key

    wanted = {row[name] for row in rows for name in ("grant_id", "denial_id")} - {None}
    loaded = load_consent(
        consent,
        as_of=dt.datetime.fromisoformat(release.predicate["consent"]["asOf"]),
        id_key=None if id_key is None else read_key(id_key),
    )
    statements = loaded.snapshot.statements
    ids = pa.array(sorted(wanted), pa.string())
    found = statements.filter(pc.is_in(statements["statement_id"], ids))
    return {row["statement_id"]: row for row in found.to_pylist()}


def _explained(
    row: dict[str, Any], release: OpenedRelease, statements: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    from consentfilter.reasons import sentence

    def statement(name: str) -> dict[str, Any] | None:
        given = statements.get(row[name])
        if given is None:
            return None
        return {
            label: _plain(given[column])
            for column, label in _STATEMENT
            if given[column] is not None
        }

    digest = row["content_sha256"]
    return {
        "recordId": row["record_id"],
        "decision": row["decision"],
        "reason": row["reason"],
        "sentence": sentence(row["reason"]),
        "rule": row["rule"],
        "redacted": row["redacted"] or [],
        "subjectKey": row["subject_key"],
        "grantId": row["grant_id"],
        "grant": statement("grant_id"),
        "denialId": row["denial_id"],
        "denial": statement("denial_id"),
        "asOf": release.predicate["consent"]["asOf"],
        "policy": f"{release.predicate['policy']['id']} "
        f"{release.predicate['policy']['version']}",
        "input": {"part": row["part"], "row": row["row"]},
        "data": None
        if row["out_row"] is None
        else {"path": f"data/{row['part']}", "row": row["out_row"]},
        "contentSha256": None if digest is None else digest.hex(),
    }


def _text(each: dict[str, Any], *, has_consent: bool) -> str:
    lines = [
        ("policy", f"{each['policy']}, rule {each['rule'] or 'none'}"),
        ("decided as of", each["asOf"]),
    ]
    if each["redacted"]:
        lines.append(("redacted", ", ".join(each["redacted"])))
    if each["subjectKey"]:
        lines.append(("person", each["subjectKey"].replace("\x1f", " ")))
    for name in ("grant", "denial"):
        if each[f"{name}Id"]:
            lines.append((name, each[f"{name}Id"]))
            lines += [
                (f"  {label}", text) for label, text in (each[name] or {}).items()
            ]
            if each[name] is None:
                hint = (
                    "not in that consent" if has_consent else "see it: --consent PATH"
                )
                lines.append(("", f"({hint})"))
    lines.append(("read from", f"{each['input']['part']}, row {each['input']['row']}"))
    if each["data"]:
        lines.append(
            ("stands in", f"{each['data']['path']}, row {each['data']['row']}")
        )
    head = (
        f"{each['recordId']}: {_WORDS[each['decision']]}, {each['reason']}: "
        f"{each['sentence']}"
    )
    return head + "\n" + output.table([(f"  {name}", text) for name, text in lines])


def _plain(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).replace("+00:00", "Z")
    return str(value)
