"""The closed vocabularies of the consent model, and how their words compare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from consentfilter.taxonomy import BASE_CATEGORIES, BASE_PURPOSES

GRANTS: Final = ("given", "renewed")
DENIALS: Final = {
    "objected": "OBJECTED",
    "opted_out": "OPT_OUT_SIGNAL",
    "withdrawn": "CONSENT_WITHDRAWN",
    "refused": "CONSENT_REFUSED",
    "revoked": "CONSENT_REVOKED",
}
ENDS: Final = {"expired": "CONSENT_EXPIRED", "invalidated": "CONSENT_INVALIDATED"}
NO_EFFECT: Final = ("requested", "deferred", "noticed", "unknown")

EXPRESSIONS: Final = (
    "explicit",
    "expressed",
    "default_on",
    "notice",
    "terms",
    "implied",
    "unspecified",
)
ACTOR_TYPES: Final = (
    "self",
    "guardian",
    "account_owner",
    "account_admin",
    "authorized_agent",
    "controller",
    "authority",
    "publisher",
    "system",
    "unknown",
)
LEGAL_BASES: Final = (
    "consent",
    "contract",
    "legal_obligation",
    "vital_interest",
    "public_interest",
    "legitimate_interest",
)
DECIDING_ROLES: Final = ("author", "speaker", "depicted", "participant", "owner")

FAILURES: Final = (
    "RECORD_INVALID",
    "CATEGORY_UNKNOWN",
    "CATEGORY_PROHIBITED",
    "SOURCE_NOT_ALLOWED",
    "AGGREGATE_TOO_SMALL",
    "SUBJECT_UNKNOWN",
    "SUBJECT_ERASED",
    "SUBJECT_DECEASED",
    "OBJECTED",
    "OPT_OUT_SIGNAL",
    "CONSENT_WITHDRAWN",
    "CONSENT_REFUSED",
    "CONSENT_REVOKED",
    "CONSENT_INVALIDATED",
    "CONSENT_EXPIRED",
    "NOT_YET_VALID",
    "TERMS_VERSION_MISMATCH",
    "EXPRESSION_INSUFFICIENT",
    "AGE_UNKNOWN",
    "MINOR_REQUIRES_GUARDIAN",
    "ACTOR_NOT_ALLOWED",
    "RECIPIENT_NOT_COVERED",
    "CATEGORY_NOT_COVERED",
    "PURPOSE_NOT_COVERED",
    "COLLECTED_OUTSIDE_CONSENT",
    "CONSENT_INTERRUPTED",
    "NOTICE_MISSING",
    "NO_CONSENT_RECORD",
    "QUORUM_NOT_MET",
    "BELOW_MIN_RETAINED",
)
KEEPS: Final = (
    "OK_ON_BEHALF",
    "OK_GUARDIAN",
    "OK_CONSENT",
    "OK_LEGAL_BASIS",
    "OK_EXEMPT",
    "OK_ANONYMOUS",
)
#: Never outvoted by a quorum.
NEVER_OUTVOTED: Final = frozenset(
    {*DENIALS.values(), "CATEGORY_PROHIBITED", "SUBJECT_ERASED", "SUBJECT_DECEASED"}
)

EU_MEMBERS: Final = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "HR",
        "CY",
        "CZ",
        "DK",
        "EE",
        "FI",
        "FR",
        "DE",
        "GR",
        "HU",
        "IE",
        "IT",
        "LV",
        "LT",
        "LU",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SK",
        "SI",
        "ES",
        "SE",
    ]
)


def with_parents(leaves: Iterable[str]) -> frozenset[str]:
    """Return nodes of a tree with all the nodes above them."""
    parts = [leaf.split(".") for leaf in leaves]
    return frozenset(".".join(p[:n]) for p in parts for n in range(1, len(p) + 1))


PURPOSES: Final = with_parents(BASE_PURPOSES)
CATEGORIES: Final = with_parents(BASE_CATEGORIES)


def above(a: str, b: str) -> bool:
    """Tell whether `a` is `*`, `b` itself, or a prefix of `b` ending at a dot."""
    return a in ("*", b) or b.startswith(a + ".")


def touches(a: str, b: str) -> bool:
    """Tell whether one node is above or equal to the other."""
    return above(a, b) or above(b, a)


def first(reasons: Iterable[str]) -> str:
    """Return the failure that comes first in the precedence list."""
    return min(reasons, key=FAILURES.index)


def weakest(reasons: Iterable[str]) -> str:
    """Return the weakest keep reason."""
    return min(reasons, key=KEEPS.index)
