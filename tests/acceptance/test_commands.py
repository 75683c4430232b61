"""cli.md: every command, its options, --json, --quiet, --help, exit statuses."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance import kit

COMMANDS: dict[str, set[str]] = {
    "demo": set(),
    "init": {"--out"},
    "filter": {
        *("--consent", "--policy", "--out", "--dataset", "--subjects", "--links"),
        *("--as-of", "--dry-run", "--name", "--release-version", "--previous"),
        *("--release-key", "--id-key", "--sign-key", "--unsigned", "--engine"),
        *("--join", "--workers", "--memory", "--resume", "--limit"),
    },
    "snapshot build": {"--out", "--as-of", "--dataset"},
    "snapshot inspect": set(),
    "snapshot diff": set(),
    "policy check": set(),
    "policy explain": set(),
    "policy diff": {"--records", "--consent"},
    "policy test": set(),
    "policy schema": set(),
    "explain": set(),
    "verify": {"--public-key", "--replay", "--records", "--consent", "--policy"},
    "prove": {"--record", "--subject", "--out", "--open"},
    "check": {"--manifest", "--public-key", "--release-key"},
    "trace": {"--subject"},
    "diff": set(),
    "recheck": {"--consent", "--policy", "--out"},
    "report": set(),
    "keygen": {"--out", "--algorithm"},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_every_option(command: str) -> None:
    said = kit.cli(*command.split(), "--help")
    assert said.status == 0
    assert "example" in said.out.lower()
    assert f"consentfilter {command}" in said.out
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", said.out))
    assert COMMANDS[command] | {"--json", "--quiet", "--help"} <= shown


def test_help_of_the_whole_lists_all_commands() -> None:
    said = kit.cli("--help")
    assert said.status == 0
    for command in {name.split()[0] for name in COMMANDS}:
        assert re.search(rf"^\s+{command}\s", said.out, re.M), command


def test_the_module_runs_and_help_is_light() -> None:
    code = (
        "import runpy, sys\nsys.argv = ['consentfilter', '--help']\n"
        "try:\n    runpy.run_module('consentfilter', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "heavy = {'pyarrow', 'polars', 'numpy', 'pydantic', 'apache_beam'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage: consentfilter" in done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> kit.World:
    """Make all that the commands need: two releases, snapshots, a proof."""
    place = kit.world(tmp_path_factory.mktemp("commands"))
    place.release("--name", "chats")
    acts = kit.events(kit.grant("ann"), kit.denial("ann"), kit.grant("cat"))
    kit.write(place.root / "newer.parquet", acts)
    place._replace(consent=place.root / "newer.parquet").release(out="second")
    for name in ("consent", "newer"):
        said = kit.cli(
            *("snapshot", "build", place.root / f"{name}.parquet"),
            *("--out", place.root / f"{name}.snapshot.parquet"),
            *("--as-of", kit.AS_OF, "--quiet"),
        )
        assert said == (0, "", ""), said
    proof = place.root / "proof.json"
    said = kit.cli(
        *("prove", place.root / "release", "--record", "r1", "--out", proof, "--quiet")
    )
    assert said == (0, "", ""), said
    kit.write(
        place.root / "cases.yaml",
        "cases:\n"
        "  - name: consent is enough\n"
        "    as_of: 2025-01-01T00:00:00Z\n"
        "    consents:\n"
        "      - {subject_id: ann, status: given, purpose: improve.train_ai,\n"
        "         category: content, expression: explicit,\n"
        "         occurred_at: 2024-01-01T00:00:00Z}\n"
        "    record: {record_id: r1, subject_id: ann, category: content.chat,\n"
        "             collected_at: 2024-06-01T00:00:00Z}\n"
        "    expect: {decision: keep, reason: OK_CONSENT}\n",
    )
    return place


def _line(made: kit.World, command: str, tmp_path: pathlib.Path) -> list[Any]:
    """Return arguments with which the command succeeds or says a plain no."""
    root = made.root
    release, policy = root / "release", made.policy
    lines: dict[str, list[Any]] = {
        "demo": [tmp_path / "demo"],
        "init": [made.dump, "--out", tmp_path / "init"],
        "filter": [
            made.dump,
            "--consent",
            made.consent,
            "--policy",
            policy,
            "--out",
            tmp_path / "r",
            *kit.USUAL,
        ],
        "snapshot build": [made.consent, "--out", tmp_path / "s.parquet"],
        "snapshot inspect": [root / "consent.snapshot.parquet"],
        "snapshot diff": [
            root / "consent.snapshot.parquet",
            root / "newer.snapshot.parquet",
        ],
        "policy check": [policy],
        "policy explain": [policy],
        "policy diff": [policy, policy],
        "policy test": [policy, root / "cases.yaml"],
        "policy schema": [],
        "explain": [release, "r2"],
        "verify": [release],
        "prove": [release, "--record", "r1"],
        "check": [root / "proof.json", "--manifest", release / "manifest.intoto.json"],
        "trace": ["--subject", "ann", release, root / "second"],
        "diff": [release, root / "second"],
        "recheck": [release, "--consent", made.consent],
        "report": [release, "--out", tmp_path / "report.html"],
        "keygen": ["--out", tmp_path / "key"],
    }
    return [*command.split(), *lines[command]]


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_one_object_on_stdout_and_nothing_else(
    made: kit.World, command: str, tmp_path: pathlib.Path
) -> None:
    said = kit.cli(*_line(made, command, tmp_path), "--json")
    assert said.status == 0, said
    assert said.json


@pytest.mark.parametrize("command", COMMANDS)
def test_quiet_says_nothing_on_stderr(
    made: kit.World, command: str, tmp_path: pathlib.Path
) -> None:
    said = kit.cli(*_line(made, command, tmp_path), "--quiet")
    assert said.status == 0, said
    assert said.err == ""


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_bad_input_is_status_2_and_no_traceback(
    made: kit.World, command: str, tmp_path: pathlib.Path
) -> None:
    line = [
        tmp_path / "nowhere" if isinstance(argument, pathlib.Path) else argument
        for argument in _line(made, command, tmp_path)
    ]
    if command in {"policy schema", "keygen"}:
        line.append("--no-such-option")
    said = kit.cli(*line)
    assert said.status == 2, said
    assert said.err.strip()
    assert "Traceback" not in said.text


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_errors_are_json_too(
    made: kit.World, command: str, tmp_path: pathlib.Path
) -> None:
    line = [
        tmp_path / "nowhere" if isinstance(argument, pathlib.Path) else argument
        for argument in _line(made, command, tmp_path)
    ]
    if command in {"policy schema", "keygen"}:
        line.append("--no-such-option")
    said = kit.cli(*line, "--json")
    assert said.status == 2, said
    assert said.json


def test_explain_says_rule_statement_and_both_clocks(made: kit.World) -> None:
    release = made.root / "release"
    said = kit.cli("explain", release, "r2", "--consent", made.consent)
    assert said.status == 0
    for word in ("CONSENT_WITHDRAWN", "d-bob-withdrawn", "2024-09-01"):
        assert word in said.text, word
    said = kit.cli("explain", release, "r1", "--json")
    assert '"keep"' in said.out
    assert '"OK_CONSENT"' in said.out


def test_explain_an_unknown_record(made: kit.World) -> None:
    said = kit.cli("explain", made.root / "release", "nobody")
    assert said.status in (1, 2)
    assert "nobody" in said.err


def _prove(made: kit.World, tmp_path: pathlib.Path, *what: object) -> pathlib.Path:
    proof = tmp_path / "p.json"
    said = kit.cli("prove", made.root / "release", *what, "--out", proof)
    assert said.status == 0, said
    return proof


@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        (("--record", "r1"), "in"),
        (("--record", "r2"), "out"),
        (("--record", "no-such"), "out"),
        (("--subject", "ann"), "in"),
        (("--subject", "bob"), "in"),
        (("--subject", "stranger"), "out"),
    ],
)
@pytest.mark.parametrize("is_open", [True, False])
def test_prove_and_check(
    made: kit.World,
    tmp_path: pathlib.Path,
    what: tuple[str, str],
    outcome: str,
    *,
    is_open: bool,
) -> None:
    release = made.root / "release"
    proof = _prove(made, tmp_path, *what, *(["--open"] if is_open else []))
    shown = json.loads(proof.read_text())
    assert shown["kind"] == outcome
    assert shown["set"] == f"{what[0][2:]}s"
    assert shown["scheme"] == "prefix-pages-sha256/v1"
    assert "path" in shown
    manifest = release / "manifest.intoto.json"
    said = kit.cli("check", proof, "--manifest", manifest)
    assert said.status == 0, said
    assert outcome in said.text.lower()
    said = kit.cli(
        *("check", proof, "--manifest", manifest, "--json"),
        *("--release-key", release / "private/release.key"),
    )
    if is_open or outcome == "in":
        assert said.status == 0, said
    assert outcome in said.out or said.status != 0


def test_a_proof_against_another_manifest(
    made: kit.World, tmp_path: pathlib.Path
) -> None:
    proof = _prove(made, tmp_path, "--record", "r1")
    other = made.root / "second/manifest.intoto.json"
    said = kit.cli("check", proof, "--manifest", other)
    assert said.status == 1
    assert "Traceback" not in said.text
    assert kit.cli("check", proof, "--manifest", other, "--json").json


@pytest.mark.parametrize("option", ["--public-key", "--release-key"])
def test_a_key_that_is_none_is_wrong_input(
    made: kit.World, tmp_path: pathlib.Path, option: str
) -> None:
    release = made.root / "release"
    proof = _prove(made, tmp_path, "--record", "r1")
    manifest = ("--manifest", release / "manifest.intoto.json")
    said = kit.cli("check", proof, *manifest, option, made.policy)
    assert said.status == 2, said
    assert str(made.policy) in said.err
    assert "invalid" not in said.err
    if option == "--public-key":
        said = kit.cli("verify", release, option, made.policy)
        assert said.status == 2
        assert str(made.policy) in said.err


def test_a_changed_proof(made: kit.World, tmp_path: pathlib.Path) -> None:
    proof = _prove(made, tmp_path, "--record", "r1")
    shown = json.loads(proof.read_text())
    shown["kind"] = "out"
    proof.write_text(json.dumps(shown))
    manifest = made.root / "release/manifest.intoto.json"
    assert kit.cli("check", proof, "--manifest", manifest).status == 1


def test_prove_wants_one_of_record_and_subject(made: kit.World) -> None:
    assert kit.cli("prove", made.root / "release").status == 2
    both = ("--record", "r1", "--subject", "ann")
    assert kit.cli("prove", made.root / "release", *both).status == 2


def test_trace(made: kit.World) -> None:
    said = kit.cli(
        *("trace", "--subject", "ann", made.root / "release", made.root / "second")
    )
    assert said.status == 0
    assert str(made.root / "release") in said.text
    assert "r1" in said.text
    shown = kit.cli("trace", "--subject", "ann", made.root / "release", "--json").json
    assert "r1" in json.dumps(shown)
    assert "r4" in json.dumps(shown)


def test_diff(made: kit.World) -> None:
    said = kit.cli("diff", made.root / "release", made.root / "second")
    assert said.status == 0
    assert "CONSENT_WITHDRAWN" in said.text
    shown = kit.cli("diff", made.root / "release", made.root / "second", "--json").json
    assert shown


def test_recheck(made: kit.World, tmp_path: pathlib.Path) -> None:
    release = made.root / "release"
    out = tmp_path / "removal.parquet"
    said = kit.cli("recheck", release, "--consent", made.consent)
    assert said.status == 0, said
    newer = made.root / "newer.parquet"
    said = kit.cli("recheck", release, "--consent", newer, "--out", out)
    assert said.status == 1, said
    assert "CONSENT_WITHDRAWN" in said.text
    removed = pq.read_table(out)
    assert sorted(removed["record_id"].to_pylist()) == ["r1", "r4"]
    assert set(removed["reason_now"].to_pylist()) == {"CONSENT_WITHDRAWN"}
    said = kit.cli("recheck", release, "--consent", newer, "--json")
    assert said.status == 1
    assert "CONSENT_WITHDRAWN" in json.dumps(said.json)


def test_recheck_with_newer_events_only(
    made: kit.World, tmp_path: pathlib.Path
) -> None:
    late = kit.write(tmp_path / "late.parquet", kit.events(kit.denial("ann")))
    said = kit.cli(
        *("recheck", made.root / "release", "--consent", made.consent),
        *("--consent", late),
    )
    assert said.status == 1, said


def test_recheck_when_a_grant_was_voided(
    made: kit.World, tmp_path: pathlib.Path
) -> None:
    at = dt.datetime(2025, 2, 1, tzinfo=dt.UTC)
    event = {"event_id": "v", "subject_id": "ann", "status": "voided"}
    void = kit.events({**event, "voids_event_id": "g-ann", "occurred_at": at})
    late = kit.write(tmp_path / "void.parquet", void)
    said = kit.cli(
        *("recheck", made.root / "release", "--consent", made.consent),
        *("--consent", late),
    )
    assert said.status == 1, said
    assert "NO_CONSENT_RECORD" in said.text


def test_recheck_with_a_snapshot(made: kit.World) -> None:
    newer = made.root / "newer.snapshot.parquet"
    said = kit.cli("recheck", made.root / "release", "--consent", newer)
    assert said.status == 1, said


def test_recheck_with_a_stricter_policy(
    made: kit.World, tmp_path: pathlib.Path
) -> None:
    strict = kit.write(
        tmp_path / "strict.yaml",
        "id: s\nversion: '2'\nrules: [{categories: ['*'], terms: [v2]}]\n",
    )
    said = kit.cli(
        *("recheck", made.root / "release", "--consent", made.consent),
        *("--policy", strict),
    )
    assert said.status == 1, said
    assert "TERMS_VERSION_MISMATCH" in said.text


def test_report_is_one_file(made: kit.World, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "r.html"
    assert kit.cli("report", made.root / "release", "--out", out).status == 0
    page = out.read_text()
    assert page.lower().startswith("<!doctype html")
    assert not re.search(r"(src|href)=[\"']https?://", page)


def test_snapshot_is_taken_for_consent(made: kit.World) -> None:
    snapshot = made.root / "consent.snapshot.parquet"
    other = made._replace(consent=snapshot)
    out = other.root / "by-snapshot"
    said = kit.cli(
        *("filter", other.dump, "--consent", snapshot, "--policy", other.policy),
        *("--out", out, "--unsigned"),
    )
    assert said.status == 0, said
    assert "2025-01-01T00:00:00" in said.err
    assert kit.reasons(out) == kit.reasons(made.root / "release")
    here = kit.statement(out)["predicate"]["consent"]
    there = kit.statement(made.root / "release")["predicate"]["consent"]
    assert here["snapshotId"] == there["snapshotId"]
    assert here["asOf"] == there["asOf"]


SNAPSHOT = {
    "statement_id": False,
    "source_id": False,
    "subject_key": True,
    "account_id": True,
    "context_id": True,
    "asset_id": True,
    "status": None,
    "purpose": False,
    "category": False,
    "expression": True,
    "actor_type": False,
    "actor_verified": False,
    "effective_at": False,
    "recorded_at": False,
    "order_in_group": False,
    "valid_from": True,
    "valid_until": True,
    "data_from": True,
    "data_until": True,
    "terms_version": True,
    "recipients": True,
    "jurisdiction": True,
    "superseded_at": True,
}


def test_snapshot_file(made: kit.World) -> None:
    schema = pq.read_schema(made.root / "consent.snapshot.parquet")
    assert set(schema.names) == set(SNAPSHOT)
    for name, nullable in SNAPSHOT.items():
        if nullable is not None:
            assert schema.field(name).nullable is nullable, name
    for name in ("effective_at", "recorded_at", "valid_from", "superseded_at"):
        assert schema.field(name).type == kit.INSTANT
    assert schema.field("order_in_group").type == pa.int32()
    keys = {key.decode() for key in schema.metadata}
    bare = {key.split(".")[-1].split(":")[-1] for key in keys}
    wanted = {
        *("schema_version", "snapshot_id", "as_of", "built_at"),
        *("derivation_version", "taxonomy_version", "history"),
    }
    assert wanted <= bare, keys


def test_a_snapshot_is_no_file_of_events(
    made: kit.World, tmp_path: pathlib.Path
) -> None:
    snapshot, out = made.root / "consent.snapshot.parquet", tmp_path / "again.parquet"
    said = kit.cli("snapshot", "build", snapshot, "--out", out)
    assert said.status == 2, said
    assert f"{snapshot}: this is a consent snapshot" in said.err
    # Without its metadata it must not pass for events that name nobody either.
    bare = pq.read_table(snapshot).replace_schema_metadata(None)
    stripped = kit.write(tmp_path / "bare.parquet", bare)
    for said in (
        kit.cli("snapshot", "build", stripped, "--out", out),
        made._replace(consent=stripped, root=tmp_path).filter(),
    ):
        assert said.status == 2, said
        assert f"{stripped}: this looks like a consent snapshot" in said.err
    assert not out.exists()


def test_snapshot_inspect(made: kit.World) -> None:
    said = kit.cli("snapshot", "inspect", made.root / "consent.snapshot.parquet")
    for word in ("default", "given", "withdrawn", "explicit"):
        assert word in said.text
    assert said.status == 0


def test_snapshot_diff(made: kit.World) -> None:
    names = [made.root / f"{name}.snapshot.parquet" for name in ("consent", "newer")]
    said = kit.cli("snapshot", "diff", *names)
    assert said.status == 0
    assert "withdrawn" in said.text


def test_snapshot_does_not_depend_on_order_or_split(
    made: kit.World, tmp_path: pathlib.Path
) -> None:
    table = pq.read_table(made.consent)
    kit.write(tmp_path / "e/b.parquet", table.slice(0, 1))
    kit.write(tmp_path / "e/a.parquet", table.slice(1))
    out = tmp_path / "again.parquet"
    line = ("snapshot", "build", tmp_path / "e", "--out", out, "--as-of", kit.AS_OF)
    assert kit.cli(*line).status == 0
    ids = [
        {k.split(b".")[-1]: v for k, v in pq.read_schema(path).metadata.items()}[
            b"snapshot_id"
        ]
        for path in (out, made.root / "consent.snapshot.parquet")
    ]
    assert ids[0] == ids[1]


def test_policy_test_fails_with_1(made: kit.World, tmp_path: pathlib.Path) -> None:
    cases = (made.root / "cases.yaml").read_text().replace("keep", "drop")
    wrong = kit.write(tmp_path / "c.yaml", cases.replace("OK_CONSENT", "OBJECTED"))
    said = kit.cli("policy", "test", made.policy, wrong)
    assert said.status == 1
    assert "consent is enough" in said.text
    assert kit.cli("policy", "test", made.policy, wrong, "--json").json


def test_policy_diff_on_records(made: kit.World, tmp_path: pathlib.Path) -> None:
    lax = kit.write(
        tmp_path / "lax.yaml",
        "id: l\nversion: '2'\nrules: [{categories: ['*'], effect: allow}]\n",
    )
    said = kit.cli(
        *("policy", "diff", made.policy, lax, "--records", made.dump),
        *("--consent", made.consent, "--as-of", kit.AS_OF),
    )
    assert said.status == 0, said
    for word in ("drop", "keep", "OK_EXEMPT", "NO_CONSENT_RECORD", "r3"):
        assert word in said.text, word


def test_policy_schema_accepts_the_examples() -> None:
    import jsonschema
    from ruamel.yaml import YAML

    schema = kit.cli("policy", "schema").json
    for path in sorted(pathlib.Path("examples").glob("*.yaml")):
        loaded = YAML(typ="safe").load(path.read_text())
        if isinstance(loaded, dict) and {"id", "version"} <= set(loaded):
            jsonschema.validate(loaded, schema)


def test_policy_check_of_a_typo(tmp_path: pathlib.Path) -> None:
    typo = kit.write(
        tmp_path / "typo.yaml",
        "id: p\nversion: '1'\nrules:\n  - categories: [content]\n    efect: require\n",
    )
    said = kit.cli("policy", "check", typo)
    assert said.status == 1
    assert "typo.yaml:5" in said.text
    assert "effect" in said.text
    assert kit.cli("policy", "check", typo, "--json").json


def test_keygen_never_overwrites(tmp_path: pathlib.Path) -> None:
    assert kit.cli("keygen", "--out", tmp_path / "k").status == 0
    before = (tmp_path / "k.pem").read_bytes()
    assert kit.cli("keygen", "--out", tmp_path / "k").status == 2
    assert (tmp_path / "k.pem").read_bytes() == before


def test_init_writes_what_filter_takes(made: kit.World, tmp_path: pathlib.Path) -> None:
    said = kit.cli("init", made.dump, "--out", tmp_path)
    assert said.status == 0
    said = kit.cli(
        *("filter", made.dump, "--consent", made.consent),
        *("--policy", tmp_path / "policy.yaml", "--out", tmp_path / "out"),
        *("--dataset", tmp_path / "dataset.yaml", *kit.USUAL),
    )
    assert said.status == 0, said


def test_demo(tmp_path: pathlib.Path) -> None:
    said = kit.cli("demo", tmp_path / "demo")
    assert said.status == 0
    assert "consentfilter" in said.text
    (manifest,) = (tmp_path / "demo").rglob("manifest.intoto.json")
    assert kit.cli("verify", manifest.parent).status == 0
