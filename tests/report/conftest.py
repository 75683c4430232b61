"""A demo release, and the one that follows it when people have withdrawn."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from consentfilter.demo.write import DemoFiles, write_demo
from consentfilter.engine.filtering import filter_dataset
from consentfilter.engine.finish import Naming
from consentfilter.lineage import opened, sign

KEY = bytes(range(32))
BEFORE = dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
AFTER = dt.datetime(2024, 2, 8, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True)
class World:
    """A dump, keys, and two releases: before and after the withdrawals."""

    files: DemoFiles
    keys: sign.KeyPair
    before: Path
    after: Path

    @property
    def policy(self) -> Path:
        """The demo's policy, which here allows old snapshots too."""
        return self.files.root / "patient.yaml"

    @property
    def later(self) -> Path:
        """The withdrawals."""
        return self.files.root / "later/withdrawals.parquet"

    @property
    def side(self) -> dict[str, Any]:
        """The side files, as recheck and replay take them."""
        return {"subjects": self.files.subjects, "links": self.files.links}

    def filter(
        self,
        out: Path,
        *,
        consent: Sequence[Path] | None = None,
        as_of: dt.datetime = BEFORE,
        **options: Any,
    ) -> Path:
        """Filter the dump."""
        given: dict[str, Any] = {
            "dataset": self.files.dataset,
            "release_key": KEY,
            "naming": Naming("demo", "1"),
            "workers": 2,
            **self.side,
        }
        filter_dataset(
            self.files.records,
            [self.files.consent] if consent is None else list(consent),
            options.pop("policy", self.policy),
            out=out,
            as_of=as_of,
            **(given | options),
        )
        return out


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    keys = sign.generate_key(root / "key")
    files = write_demo(root / "dump", scale=0.3)
    made = World(files, keys, root / "before", root / "after")
    lines = files.policy.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if "max_staleness" not in line]
    assert len(kept) == len(lines) - 1
    made.policy.write_text("".join(kept), encoding="utf-8")
    made.filter(made.before, signer=sign.load_signer(keys.private))
    previous = opened.open_release(made.before).manifest.sha256
    made.filter(
        made.after,
        consent=[files.consent, made.later],
        as_of=AFTER,
        naming=Naming("demo", "2", previous),
    )
    return made
