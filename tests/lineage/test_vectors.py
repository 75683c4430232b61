"""Frozen vectors: this code gives them, and so does another implementation."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from consentfilter.lineage import proof, verifier
from tests.lineage import made_release
from tests.vectors import make_lineage

HERE = Path(__file__).parents[1] / "vectors"
VERIFIER_JS = Path(verifier.__file__).parents[1] / "report" / "verifier.js"
#: Depends on the bytes of Parquet files, which another pyarrow may write otherwise.
NOT_FROZEN = {"manifest", "manifestSha256"}


def test_the_vectors_are_what_this_code_gives() -> None:
    frozen = json.loads(make_lineage.WHERE.read_bytes())
    made = json.loads(json.dumps(make_lineage.build()))
    for name in set(frozen) | set(made) - NOT_FROZEN:
        if name not in NOT_FROZEN:
            assert made[name] == frozen[name], name


def test_the_frozen_proofs_verify_against_the_frozen_manifest() -> None:
    frozen = json.loads(make_lineage.WHERE.read_bytes())
    manifest = verifier.read_manifest(
        base64.b64decode(frozen["manifest"]), frozen["publicKey"].encode()
    )
    assert manifest.signature == "valid"
    assert manifest.sha256 == frozen["manifestSha256"]
    kinds = []
    for each in frozen["proofs"]:
        data = proof.proof_json(each)
        found = verifier.check_proof(data, manifest, made_release.KEY)
        kinds.append((found.set, found.kind, found.is_bound))
    assert kinds == [
        ("records", "in", True),
        ("records", "in", True),
        ("records", "out", False),
        ("records", "out", True),
        ("subjects", "in", True),
        ("subjects", "out", True),
    ]


def test_plain_javascript_reproduces_the_vectors_byte_for_byte() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run(
        [node, HERE / "reimplement.js", make_lineage.WHERE, VERIFIER_JS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout)
    frozen = json.loads(make_lineage.WHERE.read_bytes())
    assert counted["entries"] == len(frozen["records"]) + len(frozen["people"])
    assert counted["rows"] == len(frozen["rows"])
    assert counted["proofs"] == len(frozen["proofs"])
    assert counted["refused"] > 200


def test_javascript_verifies_ecdsa_p256_too(tmp_path: Path) -> None:
    from consentfilter.lineage import sign
    from tests.lineage.test_manifest import COMMITMENTS, PART

    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    pair = sign.generate_key(tmp_path / "key", "ecdsa-p256")
    statement = made_release.statement([PART], COMMITMENTS)
    code = (
        "const v = require(process.argv[1]); const fs = require('fs');"
        "const m = fs.readFileSync(process.argv[2]);"
        "const k = fs.readFileSync(process.argv[3], 'utf8');"
        "v.readManifest(m, k).then((r) => console.log(r.signature),"
        " (e) => { console.log(e.message); process.exitCode = 1; });"
    )
    for round_ in range(8):  # signatures differ in the length of their numbers
        made = tmp_path / f"manifest-{round_}"
        made.write_bytes(sign.envelope(statement, sign.load_signer(pair.private)))
        run = [node, "-e", code, str(VERIFIER_JS), str(made), str(pair.public)]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "valid\n"), done.stderr
