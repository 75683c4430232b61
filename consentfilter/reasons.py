"""The closed list of reasons: why a record is kept, redacted or dropped.

A reason is a small integer inside the kernel (`uint8`) and a name outside. The
integers order: among failures the smaller one is reported (nearest miss first),
among keep reasons the smaller one is the weaker one. Names never change.
"""

from __future__ import annotations

import enum
from typing import Final


class Decision(enum.IntEnum):
    """What happens to a record; the smaller, the stricter."""

    DROP = 0
    REDACT = 1
    KEEP = 2


#: Drop and redact reasons in precedence order, each with one sentence.
FAIL_SENTENCES: Final[dict[str, str]] = {
    "RECORD_INVALID": "the record has no usable id or collection time",
    "CATEGORY_UNKNOWN": "a category of the record is not in the taxonomy",
    "CATEGORY_PROHIBITED": "the policy prohibits this category",
    "SOURCE_NOT_ALLOWED": "the record comes from a source the policy does not allow",
    "AGGREGATE_TOO_SMALL": "the aggregate covers too few people",
    "SUBJECT_UNKNOWN": "nobody can be named whose data this is",
    "SUBJECT_ERASED": "the account of the person was deleted or deactivated",
    "SUBJECT_DECEASED": "the person has died",
    "OBJECTED": "the person objected",
    "OPT_OUT_SIGNAL": "an opt-out is in force",
    "CONSENT_WITHDRAWN": "the person withdrew consent",
    "CONSENT_REFUSED": "the person refused consent",
    "CONSENT_REVOKED": "somebody else revoked the consent",
    "CONSENT_INVALIDATED": "the consent was found invalid from the beginning",
    "CONSENT_EXPIRED": "the consent has expired",
    "NOT_YET_VALID": "the consent is not in force yet",
    "TERMS_VERSION_MISMATCH": "the consent was given under other terms",
    "EXPRESSION_INSUFFICIENT": "the consent was not expressed as the policy requires",
    "AGE_UNKNOWN": "the age of the person is not known",
    "MINOR_REQUIRES_GUARDIAN": "the person was a minor and no verified guardian agreed",
    "ACTOR_NOT_ALLOWED": "whoever consented may not consent for this person",
    "RECIPIENT_NOT_COVERED": "the consent does not cover this recipient",
    "CATEGORY_NOT_COVERED": "the consent does not cover this category",
    "PURPOSE_NOT_COVERED": "the consent does not cover this purpose",
    "COLLECTED_OUTSIDE_CONSENT": "the record was collected when no consent covered it",
    "CONSENT_INTERRUPTED": "the consent was interrupted since the record was collected",
    "NOTICE_MISSING": "no notice was given before the record was collected",
    "NO_CONSENT_RECORD": "no consent is on record",
    "QUORUM_NOT_MET": "too few of the people in the record permit it",
    "BELOW_MIN_RETAINED": "too little of the record would be left",
}

#: Keep reasons, weakest first, each with one sentence.
KEEP_SENTENCES: Final[dict[str, str]] = {
    "OK_ON_BEHALF": "somebody entitled to it consented on the person's behalf",
    "OK_GUARDIAN": "a verified guardian consented",
    "OK_CONSENT": "the person consented",
    "OK_LEGAL_BASIS": "the policy names another legal basis",
    "OK_EXEMPT": "the policy needs no permission for this category",
    "OK_ANONYMOUS": "the row is an aggregate over enough people",
}

FAIL_REASONS: Final[tuple[str, ...]] = tuple(FAIL_SENTENCES)
KEEP_REASONS: Final[tuple[str, ...]] = tuple(KEEP_SENTENCES)

#: Code 0 means "nothing noted"; failures are 1..30, keep reasons 101..106.
NONE: Final = 0
KEEP_BASE: Final = 101
#: Larger than every code: the neutral element of a minimum.
NO_REASON: Final = 255

CODE: Final[dict[str, int]] = {
    **{name: at for at, name in enumerate(FAIL_REASONS, start=1)},
    **{name: at for at, name in enumerate(KEEP_REASONS, start=KEEP_BASE)},
}
NAME: Final[dict[int, str]] = {code: name for name, code in CODE.items()}

#: Run-level codes: the run is refused and no output is written.
RUN_CODES: Final[tuple[str, ...]] = (
    "RUN_POLICY_INVALID",
    "RUN_PURPOSE_UNKNOWN",
    "RUN_SNAPSHOT_INVALID",
    "RUN_SNAPSHOT_STALE",
    "RUN_SOURCE_MISSING",
    "RUN_TAXONOMY_MISMATCH",
)


def sentence(name: str) -> str:
    """Return the one sentence that explains a reason to a reader.

    Raises:
        KeyError: the name is not in the closed list.
    """
    return FAIL_SENTENCES[name] if name in FAIL_SENTENCES else KEEP_SENTENCES[name]
