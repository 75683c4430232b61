"""What decides, as a pipeline carries it: by digest, compiled where it arrives."""

from __future__ import annotations

import dataclasses
import hashlib

from consentfilter.dataset import Dataset
from consentfilter.engine.cluster.carried import CarriedConsent
from consentfilter.engine.cluster.keys import CarriedKeys
from consentfilter.engine.cluster.shared import Held, hold
from consentfilter.engine.prepare import Deciders, compile_run
from consentfilter.policy import Policy
from consentfilter.taxonomy import Taxonomy


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
