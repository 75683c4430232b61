"""Pages taken from the code say what the code says."""

from __future__ import annotations

import pytest

from consentfilter import reasons
from consentfilter.cli.app import COMMANDS
from tests.docs import generate


@pytest.mark.parametrize("path", ["docs/cli.md", "docs/reasons.md"])
def test_page_is_what_the_code_says(path: str) -> None:
    written = (generate.ROOT / path).read_text("utf-8")

    assert written == generate.pages()[path], f"{path} is stale; run `make docs`"


def test_every_command_has_help_with_an_example() -> None:
    texts = dict(generate.help_texts())

    assert {f"consentfilter {name}" for name in COMMANDS} <= set(texts)
    families = {f"consentfilter {name}" for name in ("policy", "snapshot")}
    missing = [
        path
        for path, text in texts.items()
        if path not in families
        and text.count("consentfilter") < 2  # usage line, and an example
    ]
    assert missing == []


def test_every_reason_has_one_row() -> None:
    page = generate.reasons_page()

    for name in (*reasons.FAIL_REASONS, *reasons.KEEP_REASONS):
        assert page.count(f"| `{name}` |") == 1
