"""Everything that decides, loaded and compiled before the first record is read."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa

from consentfilter.binding import check_categories
from consentfilter.consent.freshness import check_freshness
from consentfilter.consent.load import Consent, as_instant, load_consent
from consentfilter.dataset import Dataset, load_dataset_binding
from consentfilter.decide.gather import COLUMNS
from consentfilter.decide.index import compile_index
from consentfilter.engine.batch import Run
from consentfilter.errors import ConsentFilterError, InputError, RunRefused
from consentfilter.kernels import native
from consentfilter.policy import Policy, load_policy
from consentfilter.taxonomy import BASE, Taxonomy

AnyPath: TypeAlias = str | os.PathLike[str]
#: Consent that is loaded, or where it lies: event files, a snapshot, or a table.
ConsentLike: TypeAlias = Consent | pa.Table | AnyPath | Sequence[AnyPath]
#: Size of a release key in bytes.
RELEASE_KEY_BYTES = 32

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, slots=True)
class Deciders:
    """What decides a run, loaded and checked.

    Attributes:
        policy, dataset, consent: as loaded.
        taxonomy: the trees of the run: base, dataset's and policy's nodes.
    """

    policy: Policy
    dataset: Dataset
    consent: Consent
    taxonomy: Taxonomy

    @property
    def as_of(self) -> dt.datetime:
        """The instant of the decision and the knowledge cut."""
        return self.consent.as_of

    def without_statements(self) -> Deciders:
        """Return the same without the statements, which a compiled run has its own of.

        What is left says what decided (`snapshot.meta`); the memory can be used.
        """
        snapshot = self.consent.snapshot
        empty = dataclasses.replace(
            snapshot, statements=snapshot.statements.schema.empty_table()
        )
        consent = dataclasses.replace(self.consent, snapshot=empty)
        return dataclasses.replace(self, consent=consent)


def load_deciders(
    consent: ConsentLike,
    policy: Policy | AnyPath,
    *,
    dataset: Dataset | AnyPath | None = None,
    as_of: dt.datetime | str | None = None,
    subjects: AnyPath | pa.Table | None = None,
    links: AnyPath | pa.Table | None = None,
    id_key: bytes | None = None,
    also: Callable[[Dataset], object] | None = None,
    only_deciding: bool = False,
) -> Deciders:
    """Load policy, binding and consent, and refuse what does not fit together.

    Args:
        consent: loaded consent, event files or a snapshot, or a table of events.
        policy: a policy or its file.
        dataset: a binding or its file; None: the standard layout.
        as_of: the instant of the decision, as a time or RFC 3339 text; consent that
            is loaded has its own.
        subjects: side file of people, for consent that is not loaded yet.
        links: side file of linked identities, likewise.
        id_key: keys subject ids.
        also: another check that needs the binding only (the records'), so that its
            problems are shown together with these.
        only_deciding: keep of a snapshot's statements only what `compile_run` looks
            at; everything is checked all the same.

    Raises:
        InputError: with all problems of the binding, the consent and `also`.
        PolicyError: the policy is not valid.
        RunRefused: policy and snapshot do not fit together, or the snapshot is
            older than the policy allows, at `as_of` if it was named (here, or when
            the consent was loaded), else now.
    """
    as_of = as_instant(as_of)
    if dataset is None:
        binding = Dataset()
    elif isinstance(dataset, Dataset):
        binding = dataset
    else:
        binding = load_dataset_binding(dataset)
    trees = binding.effective_taxonomy(BASE)
    problems = _Problems()
    read_policy = problems.gather(lambda: _load_policy(policy, trees))
    if read_policy is not None:
        trees = read_policy.effective_taxonomy(trees)
        problems.gather(lambda: check_categories(binding, trees))
    columns = COLUMNS if only_deciding else None
    loaded = problems.gather(
        lambda: _load_consent(
            consent, binding, trees, as_of, subjects, links, id_key, columns
        )
    )
    if also is not None:
        problems.gather(lambda: also(binding))
    problems.raise_all()
    assert read_policy is not None
    assert loaded is not None
    now = as_of or loaded.asked_at or loaded.as_of
    check_freshness(loaded.snapshot.meta, read_policy.snapshot, now=now)
    return Deciders(read_policy, binding, loaded, trees)


def run_notes(consent: Consent) -> tuple[str, ...]:
    """Return what a person should know about a run: its consent, its speed."""
    why_slow = native.why_not()
    slow = f"slower than need be, without the compiled loops: {why_slow}"
    return (*_consent_notes(consent), *([slow] if why_slow else []))


def _consent_notes(consent: Consent) -> tuple[str, ...]:
    """Return what a person should know about the consent data, one sentence each."""
    meta = consent.snapshot.meta
    notes = list(consent.notes)
    built = consent.snapshot.notes
    if built and not consent.snapshot.statements.num_rows and built.num_later:
        notes.append(
            f"{built.num_later:,} consent events were recorded after "
            f"{meta.as_of.isoformat().replace('+00:00', 'Z')}: no consent is known"
        )
    for counted, what in (
        (meta.quarantine, "set aside"),
        (meta.widened, "kept and read widely, in doubt"),
    ):
        if counted:
            listed = ", ".join(f"{name} {n:,}" for name, n in sorted(counted.items()))
            # An event counts under each of its doubts, so several cannot be added.
            (many, *more) = counted.values()
            head = "consent events" if more else f"{many:,} consent events"
            hint = " (one may count several times)" if more else ""
            notes.append(f"{head} were {what}{hint}: {listed}")
    return tuple(notes)


def refuse_empty(consent: Consent) -> None:
    """Refuse a run on consent data without a single event.

    Nobody's consent would let nothing through, but nobody's objection would stop
    nothing either where a policy rests on another basis: an export that came out
    empty must not pass for a world without objections. Events that are all set aside
    or all of a later time are no empty export; they are counted in the notes.

    Raises:
        RunRefused: RUN_SNAPSHOT_INVALID.
    """
    meta, notes = consent.snapshot.meta, consent.snapshot.notes
    aside = sum(meta.quarantine.values())
    if consent.snapshot.statements.num_rows or aside or (notes and notes.num_read):
        return
    raise RunRefused(
        "RUN_SNAPSHOT_INVALID",
        f"the consent data holds no statement that is known as of "
        f"{meta.as_of.isoformat().replace('+00:00', 'Z')} ({aside:,} events were set "
        "aside); give the events of everybody who was asked, or another --as-of",
    )


def compile_run(
    deciders: Deciders,
    *,
    release_key: bytes | None = None,
    id_key: bytes | None = None,
    emits: bool = True,
) -> Run:
    """Compile what decides into what every part shares.

    Args:
        deciders: policy, binding and consent.
        release_key: 32 bytes; None: random.
        id_key: keys subject ids; must be the snapshot's.
        emits: False for a dry run.

    Raises:
        InputError: the release key has another length.
        RunRefused: policy and snapshot do not fit together.
    """
    key = secrets.token_bytes(RELEASE_KEY_BYTES) if release_key is None else release_key
    if len(key) != RELEASE_KEY_BYTES:
        raise InputError(
            f"the release key has {len(key)} bytes, wanted {RELEASE_KEY_BYTES} "
            "(head -c 32 /dev/urandom > release.key makes one)"
        )
    return Run(
        index=compile_index(deciders.policy, deciders.consent, deciders.taxonomy),
        dataset=deciders.dataset,
        categories=deciders.taxonomy.categories,
        release_key=key,
        id_key=id_key,
        emits=emits,
    )


def _load_policy(policy: Policy | AnyPath, taxonomy: Taxonomy) -> Policy:
    if isinstance(policy, Policy):
        return policy
    return load_policy(policy, taxonomy=taxonomy)


def _load_consent(
    consent: ConsentLike,
    dataset: Dataset,
    taxonomy: Taxonomy,
    as_of: dt.datetime | None,
    subjects: AnyPath | pa.Table | None,
    links: AnyPath | pa.Table | None,
    id_key: bytes | None,
    columns: Sequence[str] | None,
) -> Consent:
    if isinstance(consent, Consent):
        if not (as_of is None and subjects is None and links is None):
            raise InputError(
                "as_of, subjects and links belong to load_consent(); this consent is "
                "loaded already, so give them there"
            )
        return consent
    given: Any = consent
    if isinstance(given, str | os.PathLike | pa.Table):
        given = [given]
    return load_consent(
        given,
        as_of=as_of,
        subjects=subjects,
        links=links,
        taxonomy=taxonomy,
        dataset=dataset,
        id_key=id_key,
        columns=columns,
    )


class _Problems:
    """Gathers input errors of independent steps; anything else is raised at once."""

    def __init__(self) -> None:
        self._errors: list[ConsentFilterError] = []

    def gather(self, step: Callable[[], _T]) -> _T | None:
        """Run a step; keep what it raises and return None, or return its result."""
        try:
            return step()
        except ConsentFilterError as error:
            self._errors.append(error)
            return None

    def raise_all(self) -> None:
        """Raise what was gathered: one error as it is, several as one."""
        if not self._errors:
            return
        if len(self._errors) == 1:
            raise self._errors[0]
        listed = [problem for error in self._errors for problem in error.problems]
        raise InputError(listed) from self._errors[0]
