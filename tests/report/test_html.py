"""The HTML report: whole, safe against what names contain, and its checker works."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from consentfilter.lineage import opened, proof, sign
from consentfilter.report.html import report_html
from tests.lineage import made_release
from tests.lineage.test_manifest import COMMITMENTS, PART


def test_names_from_outside_are_text_not_markup() -> None:
    statement = made_release.statement([PART], COMMITMENTS)
    nasty = '</script><script>alert("x")</script>{{ 7 * 7 }}'
    predicate = statement["predicate"]
    assert isinstance(predicate, dict)
    predicate["release"]["dataset"] = nasty
    predicate["lint"] = [nasty]
    predicate["consent"]["sources"][0]["id"] = nasty
    text = report_html(sign.envelope(statement, None), []).decode()
    assert "<script>alert" not in text
    assert "{{ 7 * 7 }}" in text
    assert text.count("</script>") == 2


def test_it_is_well_formed_and_asks_for_nothing_from_outside() -> None:
    text = report_html(
        sign.envelope(
            made_release.statement([PART], COMMITMENTS), made_release.signer()
        ),
        [],
    ).decode()
    open_tags: list[str] = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(
            self, tag: str, attributes: list[tuple[str, str | None]]
        ) -> None:
            if tag not in ("meta", "br", "wbr"):
                open_tags.append(tag)
            assert not {"src", "href"} & dict(attributes).keys()

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Parser().feed(text)
    assert open_tags == []
    assert made_release.signer().key_id in text


def test_it_says_how_old_consent_may_be_in_words() -> None:
    statement = made_release.statement([PART], COMMITMENTS)
    consent = statement["predicate"]["consent"]
    for written, said in {
        "PT86400S": "24 hours",
        "PT5400S": "90 minutes",
        "PT1.500000S": "PT1.500000S",
        f"PT{10**30}S": f"PT{10**30}S",
    }.items():
        consent["maxStaleness"] = written
        text = report_html(sign.envelope(statement, None), []).decode()
        assert f"consent data to be {said} old at most" in text
    consent["maxStaleness"] = None
    assert "old at most" not in report_html(sign.envelope(statement, None), []).decode()


def test_why_records_stay_and_why_they_go_are_apart() -> None:
    statement = made_release.statement([PART], COMMITMENTS)
    text = report_html(sign.envelope(statement, None), []).decode()
    why = text[text.index("<h2>Why") : text.index("<h2>What kind")]
    stay, go = why[why.index("Kept because") :].split("Dropped or redacted because")
    found = statement["predicate"]["counts"]["byReason"]
    for name in found:
        assert name in (stay if name.startswith("OK_") else go)
        assert name not in (go if name.startswith("OK_") else stay)


def test_the_page_checks_proofs(tmp_path: Path) -> None:
    """Run the page's own scripts against a page made of nothing but its elements."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    parts = [made_release.part("a.parquet", 90)]
    where = made_release.release(
        tmp_path / "one", parts, signed_by=made_release.signer()
    )
    release = opened.open_release(where)
    manifest = (where / "manifest.intoto.json").read_bytes()
    text = report_html(manifest, []).decode()
    scripts = re.findall(r"<script>\n(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    admitted = next(
        row["record_id"]
        for row in parts[0].ledger.to_pylist()
        if row["out_row"] is not None
    )
    made = proof.proof_json(proof.prove(release, "records", admitted)).decode()
    cases = [
        (made, made_release.public_pem().decode()),
        (made.replace('"reason": "', '"reason": "X'), ""),
        (made, made_release.public_pem(2).decode()),
        (proof.proof_json(proof.prove(release, "records", "nobody's")).decode(), ""),
    ]
    program = tmp_path / "page.js"
    program.write_text(
        f"const CASES = {json.dumps(cases)};\n"
        "const elements = {proof: {}, key: {}, verdict: {}, check: {\n"
        "  addEventListener: (name, action) => { elements.check.submit = action; }}};\n"
        "globalThis.document = {getElementById: (id) => elements[id]};\n"
        + "\n".join(scripts)
        + "(async () => { for (const [proof, key] of CASES) {\n"
        "  elements.proof.value = proof; elements.key.value = key;\n"
        "  await elements.check.submit({preventDefault() {}});\n"
        "  const {textContent, className} = elements.verdict;\n"
        "  console.log(JSON.stringify([className, textContent]));\n"
        "} })();\n"
    )
    done = subprocess.run([node, program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[0][0] == "good"
    assert f"IN: the record {admitted}" in told[0][1]
    assert "signature is valid" in told[0][1]
    assert told[1][0] == "bad"
    assert "does not stand in its page" in told[1][1]
    assert told[2][0] == "bad"
    assert "not by the given" in told[2][1]
    assert told[3][0] == "good"
    assert told[3][1].startswith("OUT: no record")
    assert "was not checked" in told[3][1]


def test_an_empty_release_has_a_report_too() -> None:
    from consentfilter.lineage.manifest import Commitments, SetCommitment

    none = SetCommitment("0" * 64, 0, 0)
    statement = made_release.statement([], Commitments("a" * 64, none, none))
    text = report_html(sign.envelope(statement, None), []).decode()
    assert "Not signed" in text
