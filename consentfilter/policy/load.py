"""Read a policy: a file or plain values in, a `Policy` or every problem out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from consentfilter.errors import PolicyError, RunRefused
from consentfilter.policy.document import Document, read_document
from consentfilter.policy.findings import Finding, of_validation
from consentfilter.policy.model import Policy
from consentfilter.policy.plain import contradictions, extended, unknown_nodes
from consentfilter.taxonomy import BASE, Taxonomy


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading a policy.

    Attributes:
        policy: the policy, or None when there are errors.
        errors: everything that is wrong, by file and line.
        document: the plain values, for locating further findings.
    """

    policy: Policy | None
    errors: tuple[Finding, ...]
    document: Document

    def require(self) -> Policy:
        """Return the policy.

        Raises:
            PolicyError: there are errors; all are listed.
            RunRefused: `RUN_PURPOSE_UNKNOWN`, when only purposes are unknown.
        """
        if self.policy is not None:
            return self.policy
        problems = [str(error) for error in self.errors]
        if all(error.code == "E115" for error in self.errors):
            raise RunRefused("RUN_PURPOSE_UNKNOWN", problems)
        raise PolicyError(problems)


def load_policy(path: str | os.PathLike[str], *, taxonomy: Taxonomy = BASE) -> Policy:
    """Read a policy file (YAML 1.2, or JSON, which is a part of it).

    Args:
        path: the file.
        taxonomy: the trees that the policy's own nodes are added to; a dataset
            file may have added some already.

    Raises:
        InputError: the file cannot be opened.
        PolicyError: it is not a policy; every problem is listed with its line.
        RunRefused: `RUN_PURPOSE_UNKNOWN`, when only purposes are unknown.
    """
    return read_policy(path, taxonomy=taxonomy).require()


def read_policy(path: str | os.PathLike[str], *, taxonomy: Taxonomy = BASE) -> Reading:
    """Read a policy file and say everything that is wrong with it.

    Raises:
        InputError: the file cannot be opened.
        PolicyError: it is no YAML, or not a mapping: nothing else can be said.
    """
    return read(read_document(path), taxonomy=taxonomy)


def policy_from_mapping(
    mapping: Mapping[str, Any], *, taxonomy: Taxonomy = BASE
) -> Policy:
    """Make a policy of plain values; see `Policy.from_dict`."""
    if not isinstance(mapping, Mapping):
        raise PolicyError(
            f"found {type(mapping).__name__}, wanted a mapping with at least id and"
            " version"
        )
    return read(Document(mapping), taxonomy=taxonomy).require()


def read(document: Document, *, taxonomy: Taxonomy = BASE) -> Reading:
    """Validate a document; its values are left as they were found."""
    trees = extended(taxonomy, document.data)
    found = [
        *unknown_nodes(document.data, trees),
        *contradictions(document.data),
    ]
    policy: Policy | None = None
    try:
        policy = Policy.model_validate(document.data)
    except ValidationError as wrong:
        found += of_validation(wrong, Policy)
    unreadable = {(error.source, error.path) for error in document.findings}
    located = {document.finding(*one) for one in found}
    errors = {*document.findings} | {
        error for error in located if (error.source, error.path) not in unreadable
    }
    ordered = sorted(
        errors, key=lambda e: (e.source or "", e.line or 0, e.path, e.code, e.message)
    )
    return Reading(None if ordered else policy, tuple(ordered), document)
