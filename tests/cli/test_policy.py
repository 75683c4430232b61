"""`consentfilter policy`: what it prints where, and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from consentfilter.cli.main import run
from consentfilter.policy import load_policy
from consentfilter.policy.explain import explain

ZOOM = "examples/zoom-2023-08.yaml"
STRICT = "examples/gdpr-strict.yaml"

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.yaml"
    path.write_text("id: p\nversion: 1\non_fail: stop\n")
    return path


def as_json(capsys: Capture) -> Any:
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def test_check_prints_warnings_and_exits_with_0(capsys: Capture) -> None:
    assert run(["policy", "check", ZOOM]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"warning: {ZOOM}:35: rules[1].ignore_denials: even a standing objection or"
        " opt-out does not count; such rows are listed as OK_EXEMPT in the manifest"
        " [W208]",
        f"warning: {ZOOM}:58: minors.unknown_age: people of unknown birth date count"
        " as adults [W207]",
        f"{ZOOM}: policy zoom-2023-08, version 3, is valid; 2 warnings.",
    ]


def test_check_of_a_quiet_policy(capsys: Capture) -> None:
    assert run(["policy", "check", STRICT]) == 0
    assert capsys.readouterr().err == (
        f"{STRICT}: policy gdpr-strict, version 1, is valid; no warnings.\n"
    )


def test_check_lists_all_problems_and_exits_with_1(
    wrong: Path, capsys: Capture
) -> None:
    assert run(["policy", "check", str(wrong)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f'error: {wrong}:2: version: found 1, wanted text; put it in quotes: "1"'
        " [E105]",
        f"error: {wrong}:3: on_fail: 'stop' is not one of drop, redact_fields [E104]",
    ]


def test_quiet_keeps_errors_and_drops_the_rest(wrong: Path, capsys: Capture) -> None:
    assert run(["policy", "check", ZOOM, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert run(["policy", "check", str(wrong), "--quiet"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_check_as_json(wrong: Path, capsys: Capture) -> None:
    assert run(["policy", "check", ZOOM, "--json"]) == 0
    found = as_json(capsys)
    assert found["isValid"] is True
    assert found["sha256"] == load_policy(ZOOM).sha256
    assert [one["code"] for one in found["findings"]] == ["W208", "W207"]
    assert run(["policy", "check", str(wrong), "--json"]) == 1
    found = as_json(capsys)
    assert (found["isValid"], found["sha256"]) == (False, None)
    assert found["findings"][0] == {
        "code": "E105",
        "severity": "error",
        "source": str(wrong),
        "line": 2,
        "path": "version",
        "message": 'found 1, wanted text; put it in quotes: "1"',
    }


def test_a_file_that_is_no_yaml_is_one_error(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"\xff\xfe")
    assert run(["policy", "check", str(path)]) == 1
    assert capsys.readouterr().err == (
        f"error: {path}:1: not UTF-8 text; wanted a policy file (YAML or JSON); save it"
        " as UTF-8\n"
    )


def test_a_file_that_is_not_there_exits_with_2(capsys: Capture) -> None:
    assert run(["policy", "check", "nowhere.yaml", "--json"]) == 2
    assert as_json(capsys) == {
        "error": {
            "type": "InputError",
            "code": None,
            "problems": [
                "nowhere.yaml: cannot be read: No such file or directory; wanted a"
                " policy file (YAML or JSON)"
            ],
        }
    }


@pytest.mark.parametrize("command", ["explain", "diff", "test"])
def test_an_invalid_policy_exits_with_1(
    wrong: Path, capsys: Capture, command: str
) -> None:
    second = {"explain": [], "diff": [ZOOM], "test": ["examples/cases.yaml"]}[command]
    assert run(["policy", command, str(wrong), *second]) == 1
    assert f"error: {wrong}:2: version" in capsys.readouterr().err


def test_an_unknown_purpose_has_its_own_code(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text('id: p\nversion: "1"\npurposes: [improve.trainai]\n')
    assert run(["policy", "explain", str(path), "--json"]) == 1
    error = as_json(capsys)["error"]
    assert error["code"] == "RUN_PURPOSE_UNKNOWN"


def test_a_dataset_file_adds_to_the_trees(tmp_path: Path, capsys: Capture) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text('id: p\nversion: "1"\nrules: [{categories: [game.chat]}]\n')
    dataset = tmp_path / "dataset.yaml"
    dataset.write_text("taxonomy: {categories: [game.chat]}\n")
    assert run(["policy", "explain", str(policy)]) == 1
    assert run(["policy", "explain", str(policy), "--dataset", str(dataset)]) == 0
    assert "game.chat" in capsys.readouterr().out


def test_explain_prints_the_text(capsys: Capture) -> None:
    assert run(["policy", "explain", STRICT]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == explain(load_policy(STRICT))


def test_explain_as_json_carries_the_effective_policy(capsys: Capture) -> None:
    assert run(["policy", "explain", STRICT, "--json"]) == 0
    found = as_json(capsys)
    assert found["effective"] == load_policy(STRICT).effective()
    assert found["sections"][-1]["title"] == "Not checked"


def test_diff_prints_each_change(tmp_path: Path, capsys: Capture) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(Path(STRICT).read_text().replace("continuous", "processing"))
    assert run(["policy", "diff", STRICT, str(other)]) == 0
    assert capsys.readouterr().out == "temporal.mode: was continuous, is processing\n"
    assert run(["policy", "diff", STRICT, STRICT]) == 0
    assert capsys.readouterr().out == "The policies ask the same.\n"


def test_diff_as_json(capsys: Capture) -> None:
    assert run(["policy", "diff", ZOOM, STRICT, "--json"]) == 0
    found = as_json(capsys)
    assert found["old"]["id"] == "zoom-2023-08"
    assert found["new"]["sha256"] == load_policy(STRICT).sha256
    assert {
        "path": "temporal.mode",
        "old": "both",
        "new": "continuous",
        "message": "was both, is continuous",
    } in found["differences"]


def test_records_without_consent_is_a_usage_error(capsys: Capture) -> None:
    assert run(["policy", "diff", ZOOM, STRICT, "--records", "dump"]) == 2
    assert capsys.readouterr().err == (
        "error: --consent is missing; give both --records and --consent, or none\n"
    )


def test_schema_is_json_on_stdout(capsys: Capture) -> None:
    assert run(["policy", "schema"]) == 0
    text = capsys.readouterr().out
    assert text == Path("schemas/policy.schema.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["check", "explain", "diff", "test", "schema"])
def test_help_shows_an_example(command: str, capsys: Capture) -> None:
    assert run(["policy", command, "--help"]) == 0
    assert f"Example:\n    consentfilter policy {command}" in capsys.readouterr().out


def test_the_command_line_imports_nothing_heavy() -> None:
    code = (
        "import sys, consentfilter.cli.policy, consentfilter.cli.policy_cases,"
        " consentfilter.cli.policy_effect;"
        "print([one for one in ('pydantic', 'pyarrow', 'numpy', 'ruamel')"
        " if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    )
    assert done.stdout.strip() == "[]"
