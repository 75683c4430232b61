"""Whatever a file holds, reading it gives a policy or a named error."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentfilter.errors import ConsentFilterError, PolicyError
from consentfilter.policy import Policy, load_policy
from consentfilter.policy.diff import diff_policies
from consentfilter.policy.explain import explain
from consentfilter.policy.lint import lint
from consentfilter.yamlfile import read_yaml

SEEDS: list[dict[str, Any]] = [
    read_yaml("examples/zoom-2023-08.yaml").data,
    read_yaml("examples/gdpr-strict.yaml").data,
    {"id": "p", "version": "1", "all_of": [{"id": "a"}, {"rules": []}]},
]
WORDS = [
    *("*", "content", "content.chat", "EU", "de", "self", "account", "explicit"),
    *("keep", "drop", "allow", "first_party", "P1D", "", " ", "improve.train_ai"),
    *("id", "rules", "categories", "temporal", "mode", "all_of", "default"),
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 30),
    st.floats(allow_nan=True),
    st.sampled_from(WORDS),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        found += [one for k, v in value.items() for one in places(v, (*path, k))]
    elif isinstance(value, list):
        found += [one for k, v in enumerate(value) for one in places(v, (*path, k))]
    return found


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    """A policy with a few parts replaced by something else."""
    document = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(places(document)))
        if not path:
            continue
        holder = document
        for step in path[:-1]:
            holder = holder[step]
        if draw(st.booleans()) or isinstance(holder, list):
            holder[path[-1]] = draw(VALUES)
        else:
            holder[draw(st.sampled_from(WORDS))] = holder.pop(path[-1])
    return document


def outcome(document: Any) -> Policy | ConsentFilterError:
    try:
        return Policy.from_dict(document)
    except ConsentFilterError as error:
        return error


@settings(max_examples=300)
@given(mutants())
def test_a_document_is_a_policy_or_a_named_error(document: Any) -> None:
    before = repr(document)
    policy = outcome(document)
    assert repr(document) == before
    if isinstance(policy, ConsentFilterError):
        assert policy.problems
        assert all(one.strip() for one in policy.problems)
        assert policy.exit_status == 1
        return
    # What holds for every policy.
    again = Policy.from_dict(json.loads(json.dumps(policy.effective())))
    assert again == policy
    assert again.sha256 == policy.sha256
    assert diff_policies(policy, again) == ()
    assert explain(policy) == explain(again)
    assert lint(policy) == lint(again)


@settings(max_examples=200)
@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_bytes_are_no_policy_and_no_accident(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(raw)
    with pytest.raises(PolicyError):
        load_policy(path)
