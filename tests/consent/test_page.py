"""`docs/consent.md` speaks of everything there is, and what it shows works."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from consentfilter.consent import vocabulary as v
from consentfilter.consent.binding import EVENT_COLUMNS, OPTIONS
from consentfilter.consent.doubts import CODES
from consentfilter.consent.schema import SNAPSHOT
from consentfilter.dataset import Dataset
from consentfilter.ids import PLACEHOLDERS
from consentfilter.yamlfile import parse_yaml, validated
from tests.consent.conftest import GRANT, as_table

PAGE = Path("docs/consent.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([^`\n]+)`", PAGE))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(
    "names",
    [EVENT_COLUMNS, OPTIONS, CODES, v.STATUSES, v.EXPRESSIONS, v.ACTOR_TYPES]
    + [v.LEGAL_BASES, v.LIFECYCLES],
)
def test_every_name_is_on_the_page(names: tuple[str, ...]) -> None:
    missing = [name for name in names if f"`{name}" not in PAGE]
    assert missing == []


def test_every_placeholder_and_snapshot_column_is_on_the_page() -> None:
    assert {one for one in PLACEHOLDERS if one} <= NAMED
    assert set(SNAPSHOT.names) <= NAMED


def test_the_binding_shown_is_valid() -> None:
    (block,) = blocks("yaml")
    dataset = validated(Dataset, parse_yaml(block))
    assert dataset.events.day_precision is False
    assert dataset.events.source("account_id") is None


def test_the_python_shown_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events").mkdir()
    broken = {**GRANT, "event_id": "e2", "purpose": None}
    pq.write_table(as_table(GRANT, broken), tmp_path / "events" / "e.parquet")
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("python")
    exec(compile(block, "docs/consent.md", "exec"), {})
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("events/e.parquet: row 2: event 'e2' of source 'crm'")
    assert shown[1] == "{'no_purpose': 1}"
