"""The words of a policy in plain English, for a reader who is no engineer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

PURPOSES: Final = {
    "*": "any purpose",
    "service": "anything for the service itself",
    "service.provide": "providing the service",
    "service.feature_ai": "AI features inside the service",
    "improve": "any kind of improvement",
    "improve.service": "improving the service",
    "improve.evaluate_ai": "evaluating AI models",
    "improve.train_ai": "training AI models",
    "improve.train_ai.generative": "training generative AI models",
    "improve.train_ai.discriminative": "training discriminative AI models",
    "share.third_party": "sharing with third parties",
    "research.academic": "academic research",
    "security.abuse_detection": "detecting abuse",
    "marketing.email": "marketing by e-mail",
}

EXPRESSIONS: Final = {
    "explicit": "an explicit statement for this very thing",
    "expressed": "a clear affirmative act",
    "default_on": "a box that was on by default",
    "notice": "a notice that was acknowledged",
    "terms": "acceptance of general terms",
    "implied": "conduct from which consent is inferred",
}

ACTORS: Final = {
    "self": "the person",
    "guardian": "a verified parent or guardian",
    "account_owner": "the owner of the account",
    "account_admin": "an administrator of the account",
    "authorized_agent": "an agent whom the person authorised",
    "controller": "the controller itself",
    "authority": "a public authority",
    "publisher": "the publisher of the work",
    "system": "a system or browser signal",
    "unknown": "somebody unknown",
}

SCOPES: Final = {
    "subject": "the person",
    "account": "the account",
    "context": "the meeting or other context",
    "asset": "the single work or file",
}

BASES: Final = {
    "consent": "consent",
    "contract": "a contract (GDPR Art. 6(1)(b))",
    "legal_obligation": "a legal obligation (GDPR Art. 6(1)(c))",
    "vital_interest": "vital interests (GDPR Art. 6(1)(d))",
    "public_interest": "the public interest (GDPR Art. 6(1)(e))",
    "legitimate_interest": "legitimate interests (GDPR Art. 6(1)(f))",
}


def joined(items: Iterable[str], conjunction: str) -> str:
    """Join items as a sentence does.

    >>> joined(["a", "b", "c"], "or")
    'a, b or c'
    """
    listed = list(items)
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} {conjunction} {listed[-1]}"


def with_term(words: dict[str, str], term: str) -> str:
    """Return the plain words with the policy's own term behind them.

    >>> with_term(EXPRESSIONS, "expressed")
    'a clear affirmative act (expressed)'
    """
    return f"{words[term]} ({term})" if term in words else term


def span(length: timedelta) -> str:
    """Return a length of time in words.

    >>> span(timedelta(hours=24))
    '24 hours'
    """
    seconds = length.days * 86_400 + length.seconds
    for size, name in ((3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return counted(seconds // size, name)
    return counted(seconds, "second")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 month`, `13 months`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """Return a share as a percentage: `50 %`, `33.3 %`."""
    return f"{round(share * 100, 4):g} %"
