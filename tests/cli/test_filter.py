"""`consentfilter filter` as a person and a script meet it."""

from __future__ import annotations

import base64
import json
import pathlib
from typing import Any

import pyarrow.parquet as pq
import pytest

from consentfilter.cli.filter import parse_instant, parse_size
from consentfilter.cli.main import run
from consentfilter.errors import InputError
from tests import made


@pytest.fixture
def dump(tmp_path: pathlib.Path) -> pathlib.Path:
    """Write two parts of records, consent and policy into a directory."""
    (tmp_path / "dump").mkdir()
    pq.write_table(made.records(20), tmp_path / "dump/a.parquet")
    pq.write_table(made.records(20, start=20), tmp_path / "dump/b.parquet")
    made.write_events(tmp_path)
    made.write_policy(tmp_path)
    return tmp_path


def _run(dump: pathlib.Path, *more: str, records: str = "dump") -> int:
    return run(
        [
            *("filter", str(dump / records)),
            *("--consent", str(dump / "consent.parquet")),
            *("--policy", str(dump / "policy.yaml")),
            *("--as-of", made.AS_OF.isoformat()),
            *more,
        ]
    )


def _statement(release: pathlib.Path) -> dict[str, Any]:
    envelope = json.loads((release / "manifest.intoto.json").read_bytes())
    statement: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return statement


def test_a_person_is_told_what_happened(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(dump, "--out", str(dump / "release"), "--unsigned") == 0
    both = capsys.readouterr()
    assert both.out == ""
    lines = both.err.splitlines()
    assert lines[0] == "policy test 1, for improve.train_ai"
    assert lines[1].startswith("consent as of 2025-01-01T00:00:00Z, snapshot ")
    assert lines[3].startswith("40 rows in 2 parts: 24 kept, 0 redacted, 16 dropped (")
    assert "kept     24  60.0%  OK_CONSENT               the person consented" in lines
    assert (
        "dropped   4  10.0%  CONSENT_WITHDRAWN        the person withdrew consent"
    ) in lines
    assert any(line.startswith("warning: NOT SIGNED: ") for line in lines)
    assert f"release: {dump}/release" in lines


def test_a_script_gets_one_json_object_and_nothing_else(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(dump, "--out", str(dump / "release"), "--unsigned", "--json") == 0
    both = capsys.readouterr()
    assert both.err == ""
    shown = json.loads(both.out)
    assert shown["rows"] == {"read": 40, "kept": 24, "redacted": 0, "dropped": 16}
    assert shown["byReason"][0] == {
        "decision": "keep",
        "reason": "OK_CONSENT",
        "rows": 24,
    }
    assert sum(each["rows"] for each in shown["byReason"]) == 40
    assert shown["asOf"] == "2025-01-01T00:00:00Z"
    assert shown["signed"] is False
    assert shown["policy"] == {"id": "test", "version": "1"}


def test_quiet_is_quiet(dump: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(dump, "--out", str(dump / "release"), "--unsigned", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_no_progress_bar_without_a_terminal(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(dump, "--out", str(dump / "release"), "--unsigned") == 0
    assert "\x1b[" not in capsys.readouterr().err


def test_a_progress_bar_says_rows_and_parts() -> None:
    import io

    from rich.console import Console

    from consentfilter.engine.progress import terminal_progress

    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    with terminal_progress(10, 2, console=console) as progress:
        progress.advance(10)
        progress.part_done()
    assert "10/10 rows" in shown.getvalue()
    assert "1/2 parts" in shown.getvalue()


def test_signed_or_not_must_be_said(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(dump, "--out", str(dump / "release")) == 2
    assert "say --sign-key FILE or --unsigned" in capsys.readouterr().err
    assert "keygen" in _error(dump, capsys)
    assert not (dump / "release").exists()


def _error(dump: pathlib.Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert _run(dump, "--out", str(dump / "release"), *more) == 2
    return capsys.readouterr().err


def test_choices_that_contradict_each_other_come_together(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(dump, "--unsigned", "--sign-key", "k.pem", "--join", "keys") == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: --out is missing: name the release to make (or look first, with "
        "--dry-run)",
        "error: --sign-key and --unsigned contradict each other; drop one",
        "error: --join needs --engine beam",
    ]


def test_a_release_can_be_signed(dump: pathlib.Path) -> None:
    assert run(["keygen", "--out", str(dump / "key")]) == 0
    out = dump / "release"
    assert _run(dump, "--out", str(out), "--sign-key", str(dump / "key.pem")) == 0
    envelope = json.loads((out / "manifest.intoto.json").read_bytes())
    assert len(envelope["signatures"]) == 1
    assert run(["verify", str(out), "--public-key", str(dump / "key.pub.pem")]) == 0


def test_releases_are_named_and_follow_each_other(dump: pathlib.Path) -> None:
    first, second = dump / "one", dump / "two"
    assert _run(dump, "--out", str(first), "--unsigned", "--name", "chats") == 0
    more = ("--name", "chats", "--release-version", "2", "--previous", str(first))
    assert _run(dump, "--out", str(second), "--unsigned", *more) == 0
    release = _statement(second)["predicate"]["release"]
    import hashlib

    manifest = (first / "manifest.intoto.json").read_bytes()
    assert release == {
        "dataset": "chats",
        "version": "2",
        "previous": hashlib.sha256(manifest).hexdigest(),
    }


def test_a_previous_release_must_be_one(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = _error(dump, capsys, "--unsigned", "--previous", str(dump / "dump"))
    assert "there is no manifest.intoto.json, so it is no release" in shown


def test_a_release_key_repeats_a_release(dump: pathlib.Path) -> None:
    (dump / "release.key").write_bytes(bytes(range(32)))
    for name in ("one", "two"):
        out = str(dump / name)
        more = (
            "--unsigned",
            "--name",
            "same",
            "--release-key",
            str(dump / "release.key"),
        )
        assert _run(dump, "--out", out, *more) == 0
    one, two = (
        {
            str(path.relative_to(dump / name)): path.read_bytes()
            for path in (dump / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    )
    statements = [_statement(dump / name) for name in ("one", "two")]
    for statement in statements:
        assert statement["predicate"].pop("run")
    assert statements[0] == statements[1]
    for name in made.NAMES_THE_MANIFEST:
        assert one.pop(name) != two.pop(name)
    assert one == two


def test_a_release_key_of_another_length_is_refused(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dump / "short").write_bytes(b"x" * 31)
    shown = _error(dump, capsys, "--unsigned", "--release-key", str(dump / "short"))
    assert "the release key has 31 bytes, wanted exactly 32" in shown


def test_a_dry_run_needs_no_place_and_no_key(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(dump.rglob("*"))
    assert _run(dump, "--dry-run") == 0
    shown = capsys.readouterr().err
    assert "24 kept" in shown
    assert "dry run: nothing was emitted" in shown
    assert sorted(dump.rglob("*")) == before


def test_a_dry_run_can_leave_its_ledger(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(dump, "--dry-run", "--out", str(dump / "look")) == 0
    assert f"ledger: {dump}/look/private/ledger" in capsys.readouterr().err
    ledger = pq.read_table(dump / "look/private/ledger/a.parquet")
    assert ledger.num_rows == 20
    assert ledger["content_sha256"].null_count == 20
    assert not (dump / "look/data").exists()


def test_a_limit_is_said_out_loud(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(dump, "--dry-run", "--limit", "5") == 0
    shown = capsys.readouterr().err
    assert "5 rows in 1 part" in shown
    assert "--limit was given: these are not all of the records" in shown


def test_several_inputs_lie_under_their_names(dump: pathlib.Path) -> None:
    (dump / "more").mkdir()
    pq.write_table(made.records(20, start=40), dump / "more/a.parquet")
    given = [str(dump / "dump"), str(dump / "more")]
    assert (
        run(
            [
                *("filter", *given, "--consent", str(dump / "consent.parquet")),
                *("--policy", str(dump / "policy.yaml"), "--unsigned", "--quiet"),
                *("--out", str(dump / "release")),
            ]
        )
        == 0
    )
    data = dump / "release/data"
    names = sorted(str(path.relative_to(data)) for path in data.rglob("*.parquet"))
    assert names == ["dump/a.parquet", "dump/b.parquet", "more/a.parquet"]


def test_event_files_without_as_of_are_decided_as_of_now(
    dump: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["filter", str(dump / "dump"), "--dry-run", "--json"]
    given += ["--consent", str(dump / "consent.parquet")]
    assert run([*given, "--policy", str(dump / "policy.yaml")]) == 0
    as_of = json.loads(capsys.readouterr().out)["asOf"]
    import datetime as dt

    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(as_of)
    assert dt.timedelta(0) <= age < dt.timedelta(minutes=5)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("16M", 16 << 20),
        ("512mb", 512 << 20),
        ("1.5 GiB", 3 << 29),
        ("2g", 2 << 30),
        ("33554432", 32 << 20),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "2X", "-1G", "G", "1M", "15M", "1..2G", "nan"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InputError, match="is no usable size; wanted at least 16M"):
        parse_size(text)


@pytest.mark.parametrize("text", ["yesterday", "2024-01-01", "2024-01-01T00:00:00"])
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(InputError, match="is no instant; wanted RFC 3339"):
        parse_instant(text)
