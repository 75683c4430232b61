"""What decides, as a pipeline carries it: small or by digest, compiled on arrival.

Consent travels inside the pipeline's description while it is small; else it is put
into a file that workers can read, and the description names it with its SHA-256.
Both hold the same bytes, and bytes of another digest are refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from typing import Final

from consentfilter.consent.load import Consent
from consentfilter.dataset import Dataset
from consentfilter.engine.cluster.files import below, read_checked, write_file
from consentfilter.engine.cluster.keys import CarriedKeys
from consentfilter.engine.cluster.shared import Held, hold
from consentfilter.engine.prepare import Deciders, compile_run
from consentfilter.engine.storage import Location
from consentfilter.errors import InputError
from consentfilter.policy import Policy
from consentfilter.taxonomy import Taxonomy

#: Larger consent is not put into a pipeline's description.
MAX_INLINE_BYTES: Final = 64 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class CarriedConsent:
    """Consent on its way to the workers.

    Attributes:
        sha256: hex digest of the bytes.
        content: the bytes, or None when they lie at `place`.
        place: where workers can read them, or None.
    """

    sha256: str
    content: bytes | None = dataclasses.field(repr=False)
    place: Location | None

    def load(self) -> Consent:
        """Return the consent.

        Raises:
            StorageError: the file cannot be read.
            InputError: it holds other bytes than the pipeline was made with.
        """
        content = self.content
        if content is None:
            assert self.place is not None
            content = read_checked(self.place, self.sha256, "the consent")
        # Our own bytes: they came with the pipeline, or have the digest that did.
        loaded: Consent = pickle.loads(content)
        return loaded


def carry(consent: Consent, staging: Location | None = None) -> CarriedConsent:
    """Return consent as a pipeline carries it.

    Args:
        consent: loaded consent.
        staging: a directory or prefix that workers can read, for consent that is
            too large to be carried inline.

    Raises:
        InputError: the consent is large and there is no staging place.
    """
    bare = dataclasses.replace(consent.snapshot, notes=None)
    content = pickle.dumps(dataclasses.replace(consent, snapshot=bare), protocol=5)
    sha256 = hashlib.sha256(content).hexdigest()
    if len(content) <= MAX_INLINE_BYTES:
        return CarriedConsent(sha256, content, None)
    if staging is None:
        raise InputError(
            f"consent: {len(content) >> 20} MiB, more than the "
            f"{MAX_INLINE_BYTES >> 20} MiB that a pipeline's description carries; name "
            "a place that all workers can read (staging=)."
        )
    place = below(staging, f"consent-{sha256}")
    write_file(place, content)
    return CarriedConsent(sha256, None, place)


@dataclasses.dataclass(frozen=True, slots=True)
class Deciding:
    """Policy, binding, consent and keys: all that decides, as a value.

    Attributes:
        policy, dataset: as loaded. taxonomy: the trees of the run.
        consent: the consent, inline or by digest.
        keys: release key and id key, likewise.
    """

    policy: Policy
    dataset: Dataset
    taxonomy: Taxonomy
    consent: CarriedConsent
    keys: CarriedKeys

    @property
    def digest(self) -> str:
        """Hex SHA-256 of everything that decides."""
        told = [
            self.policy.sha256,
            self.dataset.sha256,
            self.taxonomy.version,
            self.consent.sha256,
            self.keys.sha256,
        ]
        return hashlib.sha256("\0".join(told).encode()).hexdigest()

    def hold(self) -> Held:
        """Return what decides, compiled; once per process.

        Raises:
            RunRefused: policy and snapshot do not fit together.
        """
        return hold(self.digest, self._compile)

    def _compile(self) -> Held:
        consent = self.consent.load()
        deciders = Deciders(self.policy, self.dataset, consent, self.taxonomy)
        release_key, id_key = self.keys.load()
        run = compile_run(deciders, release_key=release_key, id_key=id_key)
        return Held(run, consent.snapshot.meta)
