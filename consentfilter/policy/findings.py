"""What is wrong or risky in a policy: one finding each, with a stable code.

Codes starting with E are errors: the policy is not used. Codes starting with W
are warnings: the policy says something that deserves a second look. Codes are
never given to another meaning.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal

from consentfilter.yamlfile import path_text, problem_text, written_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import BaseModel, ValidationError

Severity = Literal["error", "warning"]
Loc = tuple[str | int, ...]

#: Every code, with what it stands for.
CODES: Final[dict[str, str]] = {
    "E102": "a key that must be stated is missing",
    "E103": "a key is not known",
    "E104": "a value is not one of the allowed ones",
    "E105": "a value has the wrong type",
    "E106": "a text is empty or has blanks around it",
    "E107": "a duration cannot be read",
    "E108": "something is listed twice",
    "E109": "the name of a purpose or category is malformed",
    "E110": "a record source is malformed",
    "E111": "a jurisdiction code is malformed",
    "E112": "a number is out of range",
    "E113": "a list is empty",
    "E114": "a category is not in the category tree",
    "E115": "a purpose is not in the purpose tree",
    "E120": "ignore_denials without effect allow",
    "E121": "nobody could consent",
    "E122": "an age limit with mode collection",
    "E123": "two rules for one category in one list",
    "E124": "two rules with one id in one list",
    "E125": "ignore_denials in a list for the European Union",
    "E127": "a key beside all_of that nobody would read",
    "E128": "members for different recipients",
    "E129": "a member's file cannot be used",
    "W201": "a weak expression of consent is accepted",
    "W202": "an account's consent counts without notice to the person",
    "W203": "mode collection: a later withdrawal does not count",
    "W204": "retroactive allow: consent reaches back without saying so",
    "W205": "a rule for a part of a category, and none for the rest",
    "W206": "minors are not told apart",
    "W207": "people of unknown age count as adults",
    "W208": "objections are ignored",
    "W209": "a key without effect",
    "W210": "data of deleted, deactivated or deceased people is kept",
    "W211": "conflict latest: a later grant elsewhere outweighs a denial",
    "W212": "somebody may consent who is neither the person nor close to it",
    "W213": "aggregates over few people are kept",
    "W214": "a member's run-level key is not used",
    "W215": "sensitive data without consent",
    "W216": "places have rules of their own, and an unknown place has none",
    "W217": "a place's rule hides a rule of a wider list",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or risky.

    Attributes:
        code: a key of `CODES`.
        path: where, for example `rules[2].expression`; empty for the whole.
        message: what was found, what was wanted, what to do.
        source: the file, as it was called; None for a policy made in code.
        line: the line in it, from 1; None where there is no file.
    """

    code: str
    path: str
    message: str
    source: str | None = None
    line: int | None = None

    @property
    def severity(self) -> Severity:
        """`error` or `warning`."""
        return "error" if self.code.startswith("E") else "warning"

    def __str__(self) -> str:
        """The finding as `policy.yaml:14: rules[2].expression: …`."""
        place = self.source or ""
        if place and self.line is not None:
            place += f":{self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {
            "code": self.code,
            "severity": self.severity,
            "source": self.source,
            "line": self.line,
            "path": self.path,
            "message": self.message,
        }


_CODE_OF: Final = {
    "missing": "E102",
    "extra_forbidden": "E103",
    "literal_error": "E104",
    "too_short": "E113",
    "greater_than": "E112",
    "greater_than_equal": "E112",
    "less_than_equal": "E112",
    "finite_number": "E112",
}
_BOUND: Final = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


def of_validation(
    error: ValidationError, model: type[BaseModel]
) -> Iterator[tuple[str, Loc, str]]:
    """Yield code, path and message of everything that validation found."""
    for item in error.errors(include_url=False):
        loc = written_path(item["loc"])
        kind, context = item["type"], item.get("ctx", {})
        if kind == "finding":
            for code, at, text in context["findings"]:
                yield code, (*loc, *at), text
        elif kind == "too_short":
            if item["input"]:  # entries were refused, and are reported themselves
                continue
            yield "E113", loc, "found an empty list, wanted at least one entry"
        elif kind in _BOUND:
            words, bound = _BOUND[kind]
            found = f"found {item['input']}, wanted {words} {context[bound]:g}"
            yield "E112", loc, found
        else:
            yield _CODE_OF.get(kind, "E105"), loc, problem_text(item, model, loc)


def path_of(loc: Sequence[str | int]) -> str:
    """Return a path as a reader writes it: `jurisdictions.EU[0].terms`."""
    return path_text(loc)
