"""The report of a release: one HTML file that needs nothing else, not even a network.

Made of the manifest and the index alone, so it says nothing that is not signed or
published. It carries the proof verifier in plain JavaScript.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

from consentfilter import reasons
from consentfilter.lineage import verifier
from consentfilter.lineage.manifest import IndexedFile
from consentfilter.policy import words

#: How the manifest writes a length of time, up to some thousand years.
_SECONDS: Final = re.compile(r"PT([0-9]{1,11})S")


def report_html(manifest: bytes, files: Sequence[IndexedFile]) -> bytes:
    """Return the bytes of `report.html`.

    Args:
        manifest: the bytes of `manifest.intoto.json`.
        files: the lines of `release-index.json`.

    Raises:
        Refused: the manifest does not hold.
    """
    import jinja2
    import markupsafe

    signed = verifier.read_manifest(manifest)
    here = resources.files("consentfilter.report")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.from_string(
        here.joinpath("template.html").read_text(encoding="utf-8")
    )
    script = here.joinpath("verifier.js").read_text(encoding="utf-8")
    text = template.render(
        p=signed.predicate,
        signature=signed.signature,
        key_id=signed.key_id,
        manifest_sha256=signed.sha256,
        index_sha256=signed.index_sha256,
        reasons=_reasons(signed.predicate["counts"]["byReason"]),
        shares=_shares(signed.predicate["counts"]),
        files=len(files),
        size=str(sum(file.size for file in files)),
        grouped=_grouped,
        span=_span,
        verifier_js=markupsafe.Markup(script),  # our own file, no </script> in it
        manifest_base64=base64.b64encode(manifest).decode("ascii"),
    )
    return text.encode("utf-8")


def _reasons(counts: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    """Return why records stay and go, most frequent first, each with its sentence."""
    ordered = sorted(counts, key=lambda name: (-int(counts[name]), name))
    parts: dict[str, list[dict[str, str]]] = {"stay": [], "go": []}
    for name in ordered:
        stays = name in reasons.KEEP_SENTENCES
        known = reasons.KEEP_SENTENCES if stays else reasons.FAIL_SENTENCES
        parts["stay" if stays else "go"].append(
            {"name": name, "count": counts[name], "sentence": known.get(name, "")}
        )
    return parts


def _shares(counts: dict[str, Any]) -> list[dict[str, Any]]:
    read = int(counts["read"])
    return [
        {
            "name": name,
            "percent": f"{100 * int(counts[name]) / read:.2f}" if read else "0",
            "label": f"{counts[name]} {name}",
        }
        for name in ("kept", "redacted", "dropped")
    ]


def _grouped(count: str) -> str:
    """Return a count with a thin space between thousands."""
    return f"{int(count):,}".replace(",", "\u202f")


def _span(duration: str) -> str:
    """Return a length of time in words, or as it is written if it is no plain one."""
    found = _SECONDS.fullmatch(duration)
    return words.span(dt.timedelta(seconds=int(found[1]))) if found else duration
