"""What a value of a policy must satisfy beyond its type.

Each check returns its value or raises `PydanticCustomError` whose type is the
stable code of the finding and whose context may carry `at`, the path below the
checked value, so that a message points at the key and not at its surroundings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import PydanticCustomError

from consentfilter import taxonomy
from consentfilter.policy import jurisdiction

if TYPE_CHECKING:
    from consentfilter.policy.model import Policy
    from consentfilter.policy.parts import Rule, Temporal

T = TypeVar("T")
Path = tuple[str | int, ...]


def refusal(code: str, text: str, at: Path = ()) -> PydanticCustomError:
    """Make the error that says what is wrong, below the value being checked."""
    return PydanticCustomError(
        "finding", "{findings}", {"findings": [(code, at, text)]}
    )


def refuse(findings: list[tuple[str, Path, str]]) -> None:
    """Raise one error for all findings, if there are any."""
    if findings:
        raise PydanticCustomError("finding", "{findings}", {"findings": findings})


def not_blank(text: str) -> str:
    """A text that says something, without blanks around it."""
    if not text or text != text.strip():
        raise refusal("E106", f"found {text!r}, wanted a text without blanks around it")
    return text


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """A list that names nothing twice."""
    refuse(
        [
            ("E108", (at,), f"{value!r} is listed twice; remove one")
            for at, value in enumerate(values)
            if value in values[:at]
        ]
    )
    return values


def tree_node(node: str) -> str:
    """A dotted name, or `*`."""
    if node != "*" and not taxonomy.is_well_formed(node):
        raise refusal(
            "E109", f"found {node!r}, wanted a dotted name such as content.chat, or '*'"
        )
    return node


def new_node(node: str) -> str:
    """A dotted name that can be added to a tree."""
    if not taxonomy.is_well_formed(node):
        raise refusal(
            "E109", f"found {node!r}, wanted a dotted name such as content.drawing"
        )
    return node


def record_source(source: str) -> str:
    """`first_party` or `third_party:NAME`, as records carry it."""
    kind, colon, name = source.partition(":")
    if source == "first_party" or (kind == "third_party" and colon and name.strip()):
        return source
    raise refusal("E110", f"found {source!r}, wanted first_party or third_party:NAME")


def jurisdiction_code(code: str) -> str:
    """A code such as `DE`, `DE-BY`, `US-CA` or `EU`, in upper case."""
    upper = jurisdiction.normalise(code) or ""
    if jurisdiction.is_well_formed(upper):
        return upper
    meant = jurisdiction.MISTAKEN.get(upper)
    raise refusal(
        "E111",
        f"found {code!r}, wanted an ISO 3166 code such as DE, US-CA or EU"
        + (f"; did you mean {meant!r}?" if meant else ""),
    )


def upper_codes(values: object) -> object:
    """Return a map with its codes in upper case, for validation to judge them.

    Raises:
        PydanticCustomError: two keys are the same code.
    """
    if not isinstance(values, Mapping):
        return values
    found: dict[Any, Any] = {}
    findings: list[tuple[str, Path, str]] = []
    for code, value in values.items():
        is_text = isinstance(code, str) and code != "default"
        key = (jurisdiction.normalise(code) or code) if is_text else code
        if key in found:
            findings.append(("E108", (code,), f"{key!r} is listed twice; remove one"))
        found[key] = value
    refuse(findings)
    return found


def age_key(code: str) -> str:
    """A code, or `default`."""
    return code if code == "default" else jurisdiction_code(code)


def rule_fits_together(rule: Rule) -> None:
    """The keys of one rule do not contradict each other.

    Raises:
        PydanticCustomError: `ignore_denials` without `effect: allow`, or nobody
            who could consent.
    """
    findings: list[tuple[str, Path, str]] = []
    if rule.ignore_denials and rule.effect != "allow":
        findings.append(
            (
                "E120",
                ("ignore_denials",),
                f"found true with effect {rule.effect}, wanted it only with"
                " effect: allow; remove it",
            )
        )
    if not rule.actors and rule.effect == "require" and rule.basis == "consent":
        findings.append(
            (
                "E121",
                ("actors",),
                "found an empty list with basis consent: nobody could consent;"
                " wanted at least one entry such as {type: self}",
            )
        )
    refuse(findings)


def temporal_fits_together(temporal: Temporal) -> None:
    """An age limit needs a mode that looks at the present.

    Raises:
        PydanticCustomError: `max_age_months` with mode `collection`.
    """
    if temporal.max_age_months is not None and temporal.mode == "collection":
        raise refusal(
            "E122",
            "found a limit with mode collection, which never looks at the present;"
            " remove it or choose mode both",
            ("max_age_months",),
        )


def repeated_categories(
    lists: Sequence[Sequence[tuple[int, str]]],
) -> list[tuple[str, Path, str]]:
    """Find categories that several rules of one list name.

    Args:
        lists: per rule its categories, each with its place in the rule.
    """
    owner: dict[str, int] = {}
    return [
        (
            "E123",
            (at, "categories", place),
            f"{node!r} has a rule in this list already, entry [{owner[node]}]; wanted"
            " one rule for each category",
        )
        for at, categories in enumerate(lists)
        for place, node in categories
        if owner.setdefault(node, at) != at
    ]


def one_rule_per_category(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """A list of rules answers for each category once, and names no rule twice."""
    ids: dict[str, int] = {}
    refuse(
        [
            *repeated_categories([list(enumerate(rule.categories)) for rule in rules]),
            *(
                (
                    "E124",
                    (at, "id"),
                    f"{rule.id!r} is the id of entry [{ids[rule.id]}] already; reports"
                    " could not tell them apart",
                )
                for at, rule in enumerate(rules)
                if ids.setdefault(rule.id, at) != at
            ),
        ]
    )
    return rules


def distinct_members(members: tuple[Policy, ...]) -> tuple[Policy, ...]:
    """No two members have one id."""
    ids: dict[str, int] = {}
    refuse(
        [
            (
                "E124",
                (at, "id"),
                f"{member.id!r} is the id of entry [{ids[member.id]}] already; reports"
                " could not tell them apart",
            )
            for at, member in enumerate(members)
            if ids.setdefault(member.id, at) != at
        ]
    )
    return members


def ignored_denial_in_eu(code: str, at: int) -> tuple[str, Path, str]:
    """The finding about a rule of a European list that ignores objections."""
    return (
        "E125",
        (code, at, "ignore_denials"),
        "found true in a list for the European Union, where a standing objection must"
        " count (GDPR Art. 7(3), 21); remove it",
    )


def no_ignored_denials_in_eu(
    lists: dict[str, tuple[Rule, ...]],
) -> dict[str, tuple[Rule, ...]]:
    """No list that binds in the Union lets a rule ignore objections."""
    refuse(
        [
            ignored_denial_in_eu(code, at)
            for code, rules in lists.items()
            if jurisdiction.is_in_eu(code)
            for at, rule in enumerate(rules)
            if rule.ignore_denials
        ]
    )
    return lists


def one_recipient(named: Iterable[str | None]) -> str | None:
    """The one recipient that a policy and its members name, or None.

    Raises:
        PydanticCustomError: they name several; a set goes to one place.
    """
    names = sorted({name for name in named if name is not None})
    if len(names) > 1:
        raise refusal(
            "E128",
            f"the members of all_of name different recipients ({', '.join(names)}),"
            " wanted one: a set goes to one place",
        )
    return names[0] if names else None


def rules_or_members(rules: tuple[Rule, ...], *, has_members: bool) -> tuple[Rule, ...]:
    """A policy without members has at least one rule."""
    if not rules and not has_members:
        raise refusal(
            "E113",
            "found an empty list, wanted at least one entry; leave the key out for the"
            " default rule",
        )
    return rules


def nothing_beside_all_of(policy: Policy, allowed: Iterable[str]) -> None:
    """A policy with members says nothing that nobody would read.

    Raises:
        PydanticCustomError: keys that only a policy with rules can have.
    """
    fields = type(policy).model_fields
    said = (
        name
        for name in fields
        if getattr(policy, name) != fields[name].get_default(call_default_factory=True)
    )
    if policy.all_of:
        refuse(
            [
                ("E127", (name,), text_beside_all_of(name))
                for name in said
                if name not in frozenset(allowed)
            ]
        )


def text_beside_all_of(key: str) -> str:
    """The message about a key that a policy with `all_of` cannot have."""
    return (
        f"a policy with all_of decides nothing itself, so {key} would be ignored;"
        " move it into the members"
    )
