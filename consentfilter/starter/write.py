"""The two files to start from, as commented YAML."""

from __future__ import annotations

import re
from typing import Any, Final

from consentfilter.starter.guess import Guess
from consentfilter.yamlfile import parse_yaml

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")

_MEANING: Final[dict[str, str]] = {
    "record_id": "tells records apart, within the whole run",
    "collected_at": "when the data was collected",
    "category": "what kind of data a record is",
    "subjects": "whose data a record is",
    "account_id": "scope of consent given for an account",
    "context_id": "scope of consent given for a meeting, a channel, a session",
    "asset_id": "scope of consent given for one file or page",
    "jurisdiction": "ISO 3166 code of the law that applies",
    "source": "first_party or third_party:NAME",
    "segments": "parts with people of their own",
    "mentions": "spans that name somebody",
    "row_fields": "categories that records give their own columns",
}


def dataset_text(guess: Guess, dump: str) -> str:
    """Return a `dataset.yaml` with what was guessed, and why.

    Args:
        guess: what the columns may be.
        dump: how the dump is called, for the first line.
    """
    lines = [
        f"# How the records of {_comment(dump)} are laid out: guessed from names,",
        "# types and a sample. Read every line; what is wrong here decides wrongly.",
        "# Reference: docs/dataset.md",
        "",
    ]
    if guess.open:
        lines.append("# Could not be guessed:")
        lines += [f"#   - {_comment(sentence)}" for sentence in guess.open]
        lines.append("")
    for key, value in guess.binding.items():
        note = "; ".join(
            part for part in (_MEANING.get(key), guess.why.get(key)) if part
        )
        lines.append(f"# {_comment(note)}")
        lines += _entry(key, value)
    lines += ["", "# The zone of times that have none, for example:"]
    lines.append("# assume_timezone: UTC")
    lines += ["", "# Payload columns with a category of their own, for example:"]
    lines.append("# fields:")
    hints = guess.hints or {"email": "account.profile"}
    lines += [f"#   {_comment(word(name))}: {node}" for name, node in hints.items()]
    lines += [
        "",
        "# Categories and purposes of your own, added to the trees:",
        "# taxonomy: {categories: [content.sticker]}",
        "",
        "# Consent events in another layout (what they cannot know must be stated):",
        "# events:",
        "#   subject_id: user_id",
        "#   status: {column: opted_in, map: {true: given, false: refused}}",
        "#   expression: {constant: expressed}",
    ]
    return "\n".join(lines) + "\n"


def _entry(key: str, value: Any) -> list[str]:
    if isinstance(value, list):
        return [f"{key}:", *(f"  - {_flow(item)}" for item in value)]
    if isinstance(value, dict) and (len(value) > 1 or "map" in value):
        lines = [f"{key}:"]
        for name, inner in value.items():
            if isinstance(inner, dict) and inner:
                lines.append(f"  {name}:")
                lines += [f"    {word(k)}: {_flow(v)}" for k, v in inner.items()]
            elif isinstance(inner, list):
                lines.append(f"  {name}:")
                lines += [f"    - {_flow(item)}" for item in inner]
            else:
                lines.append(f"  {name}: {_flow(inner)}")
        return lines
    return [f"{key}: {_flow(value)}"]


def _flow(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in value.items()) + "}"
    return word(str(value))


def word(text: str) -> str:
    """Return text as one YAML scalar that is read as that text.

    >>> word("no"), word("1"), word("a: b")
    ('no', '"1"', '"a: b"')
    """
    is_plain = _PLAIN.fullmatch(text) is not None
    if is_plain and parse_yaml(f"- {text}").data == [text]:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _comment(text: str) -> str:
    """Return text on one line, as it may stand in a comment."""
    return " ".join(text.split())


_POLICY: Final = """\
# Which of these records may train a model. A strict start: everybody's own, explicit
# consent, in force when the data was collected and in force now. Loosen it on purpose.
#
#   consentfilter policy check policy.yaml      what is wrong or risky in it
#   consentfilter policy explain policy.yaml    the same in plain sentences
#
# Reference: docs/policy.md. Not legal advice.
id: {id}
version: "1"

# What the set is for; every purpose listed must be permitted. Generative training is
# improve.train_ai.generative.
purposes: [improve.train_ai]

rules:
  - id: personal
    categories: ["*"]                     # all data
    effect: require                       # or allow, prohibit
    basis: consent
    expression: [explicit, expressed]     # not default_on, notice, terms, implied
    actors: [{{type: self}}, {{type: guardian}}]
    # inherit_purpose: false              # the consent must name this very purpose
    # requires_notice: true               # a notice before collection
    # terms: ["2026-01"]                  # given under these versions of your terms

  - id: biometric                         # voiceprints, faceprints: never
    categories: [biometric]
    effect: prohibit

# both: in force at collection and now; continuous: and at every instant in between.
temporal: {{mode: both, retroactive: explicit}}

# Several people in a record: all of them must permit{segments}.
multi_subject: {multi}

minors: {{ages: {{default: 16}}, unknown_age: adult}}
lifecycle: {{deleted: drop, deactivated: drop, deceased: drop}}
on_fail: {on_fail}

# Refuse to run on old or missing consent data:
# snapshot: {{max_staleness: PT24H, required_sources: [preference_center]}}
"""


def policy_text(name: str, *, has_segments: bool) -> str:
    """Return a strict `policy.yaml` to start from.

    Args:
        name: the policy's id.
        has_segments: records have parts that can go alone.
    """
    multi = "{mode: per_segment, min_retained: 0.5}" if has_segments else "{mode: all}"
    return _POLICY.format(
        id=word(name),
        segments=";\n# of a record in segments, parts can go alone"
        if has_segments
        else "",
        multi=multi,
        on_fail="redact_fields" if has_segments else "drop",
    )
