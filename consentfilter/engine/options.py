"""Options that come as text or files, on the command line and from Python."""

from __future__ import annotations

import os
import re
from pathlib import Path

from consentfilter.errors import InputError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?")
_SMALLEST_MEMORY = 16 << 20
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_size(text: str) -> int:
    """Read a size such as `512M`, `2G`, `1.5 GiB` as bytes (powers of 1024).

    Raises:
        InputError: it is none, or less than 16 MiB.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    size = int(float(match[1]) * _UNITS[match[2] or ""]) if match else 0
    if size < _SMALLEST_MEMORY:
        raise InputError(
            f"--memory: {text!r} is no usable size; wanted at least 16M, such as 512M "
            "or 2G"
        )
    return size


def read_release_key(path: str | os.PathLike[str]) -> bytes:
    """Read the 32 bytes of a release key.

    Raises:
        InputError: the file has another size.
    """
    from consentfilter.engine.prepare import RELEASE_KEY_BYTES

    key = Path(path).read_bytes()
    if len(key) != RELEASE_KEY_BYTES:
        raise InputError(
            f"{path}: the release key has {len(key)} bytes, wanted exactly "
            f"{RELEASE_KEY_BYTES}; `head -c 32 /dev/urandom > FILE` makes one"
        )
    return key


def previous_sha256(release: str | os.PathLike[str]) -> str:
    """Return the digest of the manifest of the release that comes before.

    Raises:
        InputError: it is no release.
    """
    from consentfilter.digest import sha256_file
    from consentfilter.engine.release import MANIFEST_NAME

    manifest = Path(release) / MANIFEST_NAME
    if not manifest.is_file():
        raise InputError(
            f"--previous {release}: there is no {MANIFEST_NAME}, so it is no release; "
            "give the directory of a finished one"
        )
    return sha256_file(manifest)[0]
