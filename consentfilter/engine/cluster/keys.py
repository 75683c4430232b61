"""The two secrets of a run on their way to the workers.

A pipeline's description is stored and shown by the runner, so the keys of a release
do not travel in it: they lie in a file of the run's own work directory, and the
description holds its digest.
"""

from __future__ import annotations

import dataclasses
import hashlib

from consentfilter.engine.cluster.files import read_checked, write_file
from consentfilter.engine.prepare import RELEASE_KEY_BYTES
from consentfilter.engine.storage import Location
from consentfilter.errors import InputError


@dataclasses.dataclass(frozen=True, slots=True)
class CarriedKeys:
    """A release key and an id key, inline or in a file.

    Attributes:
        sha256: hex digest of both.
        content: the release key, then the id key if there is one; None: in `place`.
        place: where workers can read them, or None.
    """

    sha256: str
    content: bytes | None = dataclasses.field(repr=False)
    place: Location | None = None

    def load(self) -> tuple[bytes, bytes | None]:
        """Return release key and id key.

        Raises:
            StorageError: the file cannot be read.
            InputError: it holds other keys than the pipeline was made with.
        """
        content = self.content
        if content is None:
            assert self.place is not None
            content = read_checked(self.place, self.sha256, "the file of keys")
        return content[:RELEASE_KEY_BYTES], content[RELEASE_KEY_BYTES:] or None


def carry_keys(
    release_key: bytes, id_key: bytes | None, place: Location | None = None
) -> CarriedKeys:
    """Return the keys as a pipeline carries them.

    Args:
        release_key: 32 bytes.
        id_key: keys subject ids, or None.
        place: where to put them; None: they travel inline.

    Raises:
        InputError: the release key has another length.
        StorageError: they cannot be written.
    """
    if len(release_key) != RELEASE_KEY_BYTES:
        raise InputError(
            f"the release key has {len(release_key)} bytes, wanted "
            f"{RELEASE_KEY_BYTES} (head -c 32 /dev/urandom > release.key makes one)"
        )
    content = release_key + (id_key or b"")
    sha256 = hashlib.sha256(content).hexdigest()
    if place is None:
        return CarriedKeys(sha256, content)
    write_file(place, content, mode=0o600)
    return CarriedKeys(sha256, None, place)
