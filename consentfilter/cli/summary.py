"""What a person and a script are told about a run of the filter."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from consentfilter.cli import output

if TYPE_CHECKING:
    from consentfilter.engine.filtering import Summary
    from consentfilter.engine.prepare import Deciders
    from consentfilter.engine.tally import Tally
    from consentfilter.reasons import Decision


def say_start(deciders: Deciders) -> None:
    """Say what is going to decide, and as of when."""
    policy, meta = deciders.policy, deciders.consent.snapshot.meta
    output.say(
        f"policy {policy.id} {policy.version}, for {', '.join(policy.purposes)}\n"
        f"consent as of {_instant(deciders.as_of)}, snapshot {meta.snapshot_id[:12]}"
    )


def _instant(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def as_json(summary: Summary) -> dict[str, Any]:
    """Return a summary as JSON values, counts as numbers."""
    from consentfilter.reasons import Decision

    tally = summary.tally
    return {
        "release": summary.release,
        "ledger": summary.ledger,
        "manifestSha256": summary.manifest_sha256,
        "signed": summary.is_signed,
        "asOf": _instant(summary.as_of),
        "snapshotId": summary.snapshot_id,
        "policy": {"id": summary.policy_id, "version": summary.policy_version},
        "parts": summary.parts,
        "rows": {
            "read": tally.rows(),
            "kept": tally.rows(Decision.KEEP),
            "redacted": tally.rows(Decision.REDACT),
            "dropped": tally.rows(Decision.DROP),
        },
        "byReason": [
            {"decision": decision.name.lower(), "reason": reason, "rows": rows}
            for (decision, reason), rows in _by_size(tally)
        ],
        "lint": list(summary.lint),
        "notes": list(summary.notes),
        "seconds": round(summary.seconds, 3),
    }


def _by_size(tally: Tally) -> list[tuple[tuple[Decision, str], int]]:
    """Return counts, kept before redacted before dropped, larger ones first."""
    return sorted(
        tally.by_reason.items(), key=lambda item: (-item[0][0], -item[1], item[0][1])
    )


def as_text(summary: Summary, *, is_limited: bool) -> str:
    """Return a summary as text: counts, a line per reason, warnings, the release."""
    from consentfilter.reasons import Decision, sentence

    tally, rows = summary.tally, summary.rows
    words = {
        Decision.KEEP: "kept",
        Decision.REDACT: "redacted",
        Decision.DROP: "dropped",
    }
    counted = ", ".join(f"{tally.rows(d):,} {word}" for d, word in words.items())
    parts = "part" if summary.parts == 1 else "parts"
    lines = [
        "",
        f"{rows:,} rows in {summary.parts:,} {parts}: {counted} "
        f"({summary.seconds:.1f} s)",
        "",
        output.table(
            [
                (
                    words[decision],
                    f"{count:,}",
                    f"{count / rows:.1%}",
                    reason,
                    sentence(reason),
                )
                for (decision, reason), count in _by_size(tally)
            ],
            right=(1, 2),
        ),
        "",
        *(f"note: {text}" for text in summary.notes),
        *(f"warning: {text}" for text in summary.lint),
    ]
    if is_limited:
        lines.append("warning: --limit was given: these are not all of the records")
    if summary.release is None:
        lines.append("dry run: nothing was emitted")
        if summary.ledger is not None:
            lines.append(f"ledger: {summary.ledger}/private/ledger")
    else:
        if not summary.is_signed:
            lines.append(
                "warning: NOT SIGNED: anybody who can write to the release can "
                "change it unnoticed"
            )
        lines.append(f"release: {summary.release}")
        lines.append(f"manifest sha256: {summary.manifest_sha256}")
    return "\n".join(lines)
