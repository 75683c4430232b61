"""The closed lists of the consent model: statuses, expressions, actors, bases.

Statuses fall into families, and every rule about doubt speaks of families: an act
that could only ever permit is set aside when it is broken, an act that could only
ever forbid is kept, as wide as it could have been meant.
"""

from __future__ import annotations

from typing import Final

GRANTS: Final = ("given", "renewed")
DENIALS: Final = ("refused", "withdrawn", "revoked", "objected", "opted_out")
#: End an earlier grant without being a denial.
ENDS: Final = ("expired", "invalidated")
NO_EFFECT: Final = ("requested", "deferred", "noticed", "unknown")
VOIDED: Final = "voided"

#: Every status, in the order in which they are stored and listed.
STATUSES: Final = (*GRANTS, *DENIALS, *ENDS, *NO_EFFECT, VOIDED)
#: Kept wide when broken: they can only take permission away.
RESTRICTING: Final = (*DENIALS, *ENDS)
#: Set aside when broken: they can only help to permit (a notice does, too).
PERMITTING: Final = (*GRANTS, *NO_EFFECT)

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
LIFECYCLES: Final = ("active", "deactivated", "deleted", "deceased")

#: A node that covers, or touches, every node of its tree.
EVERYTHING: Final = "*"
#: Purpose or category of an act without effect that names none: covers nothing.
NOTHING: Final = ""
