"""The page that states the decision lists every reason, in order of precedence."""

from __future__ import annotations

import pathlib
import re

from consentfilter import reasons

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "decision.md"


def test_the_page_lists_every_reason_with_its_sentence_in_order():
    listed = PAGE.read_text().split("<!-- reasons -->")[1]
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+) \|$", listed, re.MULTILINE)
    assert rows == [
        *reasons.FAIL_SENTENCES.items(),
        *reasons.KEEP_SENTENCES.items(),
    ]
