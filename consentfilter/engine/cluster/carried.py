"""Consent on its way to the workers: in this process, in the pipeline, or in a file.

A pipeline's description is compressed, stored and unpacked again by every thread, so
only small consent travels in it. Larger consent is put into a file that all workers
read, named in the description with its SHA-256. Workers that are threads of the
process that made the pipeline take it from there, without a copy.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import weakref
from typing import Final

from consentfilter.consent.load import Consent
from consentfilter.engine.cluster.files import below, read_checked, write_file
from consentfilter.engine.storage import Location
from consentfilter.errors import InputError

#: Larger consent is not put into a pipeline's description.
MAX_INLINE_BYTES: Final = 1 << 20


class _Here:
    """Loaded consent in this process; not a slots class: it is referred to weakly."""

    def __init__(self, consent: Consent) -> None:
        self.consent = consent


_HERE: Final[weakref.WeakValueDictionary[str, _Here]] = weakref.WeakValueDictionary()


class CarriedConsent:
    """Consent as a pipeline carries it; a copy of it in another process finds it.

    Attributes:
        sha256: hex digest of the bytes.
    """

    def __init__(
        self,
        sha256: str,
        content: bytes | None,
        place: Location | None,
        here: _Here | None = None,
    ) -> None:
        """Use `carry`."""
        self.sha256 = sha256
        self._content = content
        self._place = place
        self._here = here  # keeps it in this process; a copy has none

    def __reduce__(
        self,
    ) -> tuple[type[CarriedConsent], tuple[str, bytes | None, Location | None]]:
        return CarriedConsent, (self.sha256, self._content, self._place)

    @property
    def is_only_here(self) -> bool:
        """Whether no other process can load it."""
        return self._content is None and self._place is None

    def load(self) -> Consent:
        """Return the consent.

        Raises:
            StorageError: the file cannot be read.
            InputError: it holds other bytes than the pipeline was made with, or the
                consent is in another process only.
        """
        here = _HERE.get(self.sha256)
        if here is not None:
            return here.consent
        content = self._content
        if content is None:
            if self._place is None:
                raise InputError(_only_here())
            content = read_checked(self._place, self.sha256, "the consent")
        # Our own bytes: they came with the pipeline, or have the digest that did.
        loaded: Consent = pickle.loads(content)
        return loaded


def carry(
    consent: Consent, staging: Location | None = None, *, is_remote: bool = False
) -> CarriedConsent:
    """Return consent as a pipeline carries it.

    Args:
        consent: loaded consent.
        staging: a directory or prefix that workers can read, for larger consent.
        is_remote: the workers are other processes for sure.

    Raises:
        InputError: the consent is large, there is no staging place, and `is_remote`.
        StorageError: the staging place cannot be written.
    """
    bare = dataclasses.replace(consent.snapshot, notes=None)
    content = pickle.dumps(dataclasses.replace(consent, snapshot=bare), protocol=5)
    sha256 = hashlib.sha256(content).hexdigest()
    here = _HERE.setdefault(sha256, _Here(consent))
    if len(content) <= MAX_INLINE_BYTES:
        return CarriedConsent(sha256, content, None, here)
    if staging is None:
        if is_remote:
            raise InputError(_only_here())
        return CarriedConsent(sha256, None, None, here)
    place = below(staging, f"consent-{sha256}")
    write_file(place, content)
    return CarriedConsent(sha256, None, place, here)


def _only_here() -> str:
    return (
        f"consent: more than the {MAX_INLINE_BYTES >> 20} MiB that a pipeline's "
        "description carries, and the workers are other processes; name a place that "
        "all of them can read (staging=)."
    )
