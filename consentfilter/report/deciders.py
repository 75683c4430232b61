"""What decides a re-check: the release's own policy and binding, newer consent."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
from collections.abc import Sequence
from typing import Any, Final

from consentfilter.consent.load import Consent, load_consent
from consentfilter.dataset import Dataset, load_dataset_binding
from consentfilter.engine.prepare import Deciders
from consentfilter.errors import EvidenceError, InputError
from consentfilter.lineage import verifier
from consentfilter.lineage.opened import OpenedRelease, refusals
from consentfilter.policy import Policy, load_policy
from consentfilter.taxonomy import BASE

AnyPath = str | os.PathLike[str]

_POLICY: Final = "policy.json"
_DATASET: Final = "dataset.json"
_MAX_BYTES: Final = 16 << 20


def newer_deciders(
    release: OpenedRelease,
    consent: Sequence[AnyPath],
    *,
    policy: AnyPath | None = None,
    dataset: AnyPath | None = None,
    subjects: AnyPath | None = None,
    links: AnyPath | None = None,
    id_key: bytes | None = None,
    as_of: dt.datetime | None = None,
) -> Deciders:
    """Load what decides a re-check.

    Unlike a filter run it does not ask how old the consent is: old news that a
    record must go is still news.

    Raises:
        InputError: a file cannot be used, or consent that the release rested on is
            missing.
        EvidenceError: the kept policy or binding is not the one that was signed.
        PolicyError: the policy is not valid.
    """
    bound = kept_dataset(release)
    trees = bound.effective_taxonomy(BASE)
    if policy is None:
        judge = Policy.from_dict(_kept(release, _POLICY), taxonomy=trees)
        _refuse_other(release, _POLICY, judge.sha256, "policy")
    else:
        judge = load_policy(policy, taxonomy=trees)
    trees = judge.effective_taxonomy(trees)
    layout = bound if dataset is None else load_dataset_binding(dataset)
    loaded = load_consent(
        list(consent),
        as_of=as_of,
        subjects=subjects,
        links=links,
        taxonomy=trees,
        dataset=layout,
        id_key=id_key,
    )
    _refuse_lacking(release, loaded)
    if as_of is None:
        loaded = _as_of_newest(release, loaded)
    return Deciders(judge, bound, loaded, trees)


def kept_dataset(release: OpenedRelease) -> Dataset:
    """Return the binding that the release was made with.

    Raises:
        EvidenceError: it is not the one that was signed.
    """
    bound = Dataset.from_dict(_kept(release, _DATASET))
    _refuse_other(release, _DATASET, bound.sha256, "dataset")
    return bound


def _kept(release: OpenedRelease, name: str) -> dict[str, Any]:
    release.need_private()
    with refusals(str(release.root)):
        data = verifier.read_bytes(str(release.private), name, _MAX_BYTES)
    try:
        found: dict[str, Any] = json.loads(data)
    except ValueError as problem:
        raise EvidenceError(
            f"{release.private / name}: not JSON ({problem}); restore private/ from "
            "where the release was made"
        ) from problem
    return found


def _refuse_other(release: OpenedRelease, name: str, found: str, field: str) -> None:
    """Refuse a kept file that does not mean what the manifest names."""
    signed = release.predicate[field]["sha256"]
    if found != signed:
        raise EvidenceError(
            f"{release.private / name}: has the digest {found}, the manifest says "
            f"{signed}; restore private/ from where the release was made"
        )


def _refuse_lacking(release: OpenedRelease, consent: Consent) -> None:
    """Refuse consent that knows less of a source than the release did.

    Only what is new would make every old grant look as if it had never been.
    """
    now = {mark.source_id: mark.rows for mark in consent.snapshot.meta.sources}
    problems = [
        f"--consent: has {now.get(source['id'], 0):,} events of source "
        f"{source['id']!r}, the release rested on {int(source['rows']):,}; give all "
        "consent, old and new, or a newer snapshot"
        for source in release.predicate["consent"]["sources"]
        if now.get(source["id"], 0) < int(source["rows"])
    ]
    if problems:
        raise InputError(problems)


def _as_of_newest(release: OpenedRelease, consent: Consent) -> Consent:
    """Return consent as of the newest act on record, at least the release's instant.

    A clock would make time pass in which nothing was heard of.
    """
    meta = consent.snapshot.meta
    marks = [mark.watermark for mark in meta.sources if mark.watermark is not None]
    before = dt.datetime.fromisoformat(release.predicate["consent"]["asOf"])
    newest = min(meta.as_of, max([*marks, before]))
    snapshot = dataclasses.replace(
        consent.snapshot, meta=dataclasses.replace(meta, as_of=newest)
    )
    return dataclasses.replace(consent, snapshot=snapshot)
