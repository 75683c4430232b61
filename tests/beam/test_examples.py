"""The example pipelines, run as their docstrings say."""

from __future__ import annotations

import collections
import json
import pathlib
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.beam import YAML_PROVIDER
from consentfilter.consent.snapshot import build_snapshot, write_snapshot
from tests import made

pytestmark = [pytest.mark.beam, pytest.mark.slow]
EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


@pytest.fixture
def company(tmp_path: pathlib.Path) -> pathlib.Path:
    """A company's chats, consent snapshot and policy."""
    chats = made.records(50)
    times = pa.array([made.COLLECTED.isoformat()] * 50)
    at = chats.schema.get_field_index("collected_at")
    pq.write_table(
        chats.set_column(at, "collected_at", times), tmp_path / "chats.parquet"
    )
    snapshot = build_snapshot(made.events(), as_of=made.AS_OF)
    write_snapshot(snapshot, tmp_path / "consent.parquet")
    (tmp_path / "policy.yaml").write_text(json.dumps(made.POLICY))
    return tmp_path


def _run(company: pathlib.Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=company, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def _lines(path: pathlib.Path) -> list[str]:
    return path.read_text().splitlines()


def test_one_more_step_keeps_who_consented_and_says_why_not(
    company: pathlib.Path,
) -> None:
    before, after = (str(EXAMPLES / f"beam_{name}.py") for name in ("before", "after"))
    _run(company, before, "chats.parquet", "all.jsonl")
    data = ("chats.parquet", "consent.parquet", "policy.yaml")
    _run(company, after, *data, "kept.jsonl", "why.jsonl")
    texts = {
        row["record_id"]: row["text"]
        for row in pq.read_table(company / "chats.parquet").to_pylist()
    }
    kept = [json.loads(line)["text"] for line in _lines(company / "kept.jsonl")]
    dropped = [json.loads(line) for line in _lines(company / "why.jsonl")]
    everything = [json.loads(line)["text"] for line in _lines(company / "all.jsonl")]
    back = collections.Counter([*kept, *(texts[d["record_id"]] for d in dropped)])
    assert back == collections.Counter(everything)
    assert sorted(kept) == sorted(texts[name] for name in made.admitted_ids(50))
    assert {row["reason"] for row in dropped} == set(made.REASONS.values()) - {
        "OK_CONSENT"
    }


def test_the_yaml_pipeline_writes_kept_and_dropped(company: pathlib.Path) -> None:
    variables = {
        "provider": YAML_PROVIDER,
        "chats": "chats.parquet",
        "consent": "consent.parquet",
        "policy": "policy.yaml",
        "out": "out",
    }
    (company / "out").mkdir()
    _run(
        company,
        *("-m", "apache_beam.yaml.main", "--runner=FnApiRunner"),
        f"--yaml_pipeline_file={EXAMPLES / 'beam_pipeline.yaml'}",
        f"--jinja_variables={json.dumps(variables)}",
    )
    rows = {
        name: [
            json.loads(line)
            for path in (company / "out").glob(f"{name}*")
            for line in _lines(path)
        ]
        for name in ("kept", "dropped", "errors")
    }
    assert sorted(r["record_id"] for r in rows["kept"]) == sorted(made.admitted_ids(50))
    assert len(rows["dropped"]) == 20
    assert {r["consentfilter_reason"] for r in rows["dropped"]} == set(
        made.REASONS.values()
    ) - {"OK_CONSENT"}
    assert rows["errors"] == []
