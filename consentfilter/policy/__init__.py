"""Policies: what a run asks of a record, as data that is versioned and hashed."""

from __future__ import annotations

from consentfilter.policy.load import load_policy
from consentfilter.policy.model import Policy

__all__ = ["Policy", "load_policy"]
