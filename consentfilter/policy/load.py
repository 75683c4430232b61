"""(being written) Read a policy file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from consentfilter.errors import PolicyError
from consentfilter.policy.model import Policy
from consentfilter.taxonomy import BASE, Taxonomy


def load_policy(path: str | Path, *, taxonomy: Taxonomy = BASE) -> Policy:
    """Read a policy file."""
    text = Path(path).read_text(encoding="utf-8")
    return policy_from_mapping(YAML(typ="safe").load(text), taxonomy=taxonomy)


def policy_from_mapping(mapping: Mapping[str, Any], *, taxonomy: Taxonomy) -> Policy:
    """Make a policy of plain values."""
    try:
        return Policy.model_validate(mapping)
    except ValidationError as wrong:
        raise PolicyError([str(error) for error in wrong.errors()]) from None
