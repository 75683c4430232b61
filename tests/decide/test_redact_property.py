"""Redaction of random nested tables, beside a slow row-by-row reference."""

from __future__ import annotations

import copy
import hmac
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from consentfilter.binding import bind
from consentfilter.dataset import Dataset
from consentfilter.decide.decisions import Decisions
from consentfilter.decide.redact import redact, redacted_lists
from consentfilter.reasons import Decision
from consentfilter.records import Bound
from tests.layout.tables import tables

KEY = b"k" * 32


@st.composite
def decided(
    draw: st.DrawFn,
) -> tuple[pa.Table, list[dict[str, Any]], Dataset, Bound, Decisions]:
    table, rows, dataset = draw(tables())
    removal = draw(st.sampled_from(["mask", "remove"]))
    dataset = dataset.model_copy(
        update={"redaction": dataset.redaction.model_copy(update={"segments": removal})}
    )
    bound = bind(table, dataset)
    size = bound.num_rows

    def flags(count: int) -> np.ndarray:
        drawn = draw(st.lists(st.booleans(), min_size=count, max_size=count))
        return np.array(drawn, bool)

    decision = draw(
        st.lists(st.sampled_from([0, 1, 1, 2]), min_size=size, max_size=size)
    )
    nothing = pa.nulls(size, pa.string())
    columns = {
        at: flags(size)
        for at in range(len(bound.columns))
        if bound.has_parts and draw(st.booleans())
    }
    made = Decisions(
        decision=np.array(decision, np.uint8),
        reason=np.ones(size, np.uint8),
        rule=nothing,
        subject_key=nothing,
        grant_id=nothing,
        denial_id=nothing,
        segments=flags(len(bound.segments)),
        columns=columns,
        mentions=flags(len(bound.mentions)),
    )
    return table, rows, dataset, bound, made


def pseudonym(key: str | None, written: str | None) -> str:
    said = key if key is not None else written or ""
    label = b"consentfilter/mention/v1\x00" + said.encode()
    return "@p_" + hmac.digest(KEY, label, "sha256").hex()[:16]


def entries(parts: Any, row: int) -> list[int]:
    return np.flatnonzero(parts.row == row).tolist()


def expected(
    at: int, row: dict[str, Any], dataset: Dataset, bound: Bound, made: Decisions
) -> tuple[dict[str, Any], list[str]]:
    """Return the row without what goes, mentions aside, and what was taken."""
    out, taken = copy.deepcopy(row), []
    if made.decision[at] != Decision.REDACT:
        return out, []
    if entries(bound.segments, at):
        parts = []
        for number, segment in zip(
            entries(bound.segments, at), out["segments"], strict=True
        ):
            if not made.segments[number]:
                parts.append(segment)
                continue
            ordinal = int(bound.segments.ordinal[number])
            taken.append(bound.segments.segment_id[number].as_py() or f"#{ordinal}")
            if dataset.redaction.segments == "mask":
                stays = ("segment_id", "category")
                parts.append(
                    segment
                    and {k: v if k in stays else None for k, v in segment.items()}
                )
        out["segments"] = parts
    names = [column.name for column in bound.columns]
    gone = {names[n] for n, mask in made.columns.items() if mask[at]}
    spans: dict[str, list[tuple[int, int, str]]] = {}
    listed = []
    for order, number in enumerate(entries(bound.mentions, at)):
        column = int(bound.mentions.column[number])
        if not made.mentions[number]:
            continue
        if column >= 0 and not bound.mentions.is_span_valid[number]:
            gone.add(names[column])
        written = bound.mentions.id[number].as_py()
        name = pseudonym(bound.mentions.key[number].as_py(), written)
        listed.append(
            (column, f"mention:{f'#{order}' if written is None else written}")
        )
        if column >= 0 and bound.mentions.is_span_valid[number]:
            place = (int(bound.mentions.start[number]), int(bound.mentions.end[number]))
            spans.setdefault(names[column], []).append((*place, name))
    for field, cuts in spans.items():
        if field not in gone:
            out[field] = cut(row[field], sorted(cuts, key=lambda it: it[:2]))
    taken += [name for name in names if name in gone]
    for column, name in listed:
        if (column < 0 or names[column] not in gone) and name not in taken:
            taken.append(name)
    out.update(dict.fromkeys(gone, None))
    return out, taken


def cut(text: str, cuts: list[tuple[int, int, str]]) -> str:
    out, place, reach = "", 0, -1
    for start, end, name in cuts:
        if start >= reach:
            out += text[place:start] + name if place <= start else name
        reach = max(reach, end)
        place = reach
    return out + text[place:]


@settings(max_examples=400)
@given(decided())
def test_redaction_is_what_the_slow_reference_says(
    case: tuple[pa.Table, list[dict[str, Any]], Dataset, Bound, Decisions],
) -> None:
    table, rows, dataset, bound, made = case
    found = redact(table, bound, made, dataset, release_key=KEY)
    found.validate(full=True)
    assert found.schema.equals(table.schema, check_metadata=True)
    lists = redacted_lists(bound, made).to_pylist()
    out = iter(found.to_pylist())
    originals = table.to_pylist()
    for at, row in enumerate(originals):
        wanted, taken = expected(at, row, dataset, bound, made)
        if made.decision[at] == Decision.DROP:
            assert lists[at] == []
            continue
        got = next(out)
        assert lists[at] == taken
        check_mentions(at, row, got, bound, made)
        got.pop("mentions", None)
        wanted.pop("mentions", None)
        assert got == wanted
    assert next(out, None) is None
    assert [row["category"] for row in originals] == [row["category"] for row in rows]


def check_mentions(
    at: int,
    row: dict[str, Any],
    got: dict[str, Any],
    bound: Bound,
    made: Decisions,
) -> None:
    """Check that the mentions left say where names stand in the new texts."""
    before, after = row.get("mentions"), got.get("mentions")
    if before is None:
        assert after is None
        return
    names = [column.name for column in bound.columns]
    numbers = entries(bound.mentions, at)[: len(before)]
    is_redacted = made.decision[at] == Decision.REDACT
    left = iter(after)
    for number, entry in zip(numbers, before, strict=True):
        column = int(bound.mentions.column[number])
        marked = is_redacted and made.mentions[number]
        invalid = [
            n
            for n in numbers
            if bound.mentions.column[n] == column
            and made.mentions[n]
            and not bound.mentions.is_span_valid[n]
        ]
        goes = column >= 0 and (
            (column in made.columns and made.columns[column][at]) or bool(invalid)
        )
        if is_redacted and goes:
            continue
        new = next(left)
        if not marked:
            assert (new or {}).get("id") == (entry or {}).get("id")
        if column < 0 or not bound.mentions.is_span_valid[number]:
            continue
        text = got[names[column]]
        span = text[new["start"] : new["end"]]
        if marked:
            assert len(span) == 19
            assert span.startswith("@p_")
            if isinstance(new["id"], str):
                name = pseudonym(
                    bound.mentions.key[number].as_py(),
                    bound.mentions.id[number].as_py(),
                )
                assert new["id"] == name
            else:
                assert new["id"] is None
            if "ns" in new:
                assert new["ns"] == "pseudonym"
        else:
            old = row[names[column]][entry["start"] : entry["end"]]
            assert old.startswith(span) or old.endswith(span) or "@p_" in span
    assert next(left, None) is None
