"""Every named case is put to the reference and to the library."""

from __future__ import annotations

import pytest

from tests.reference.build import Engine


@pytest.fixture(params=["reference", "kernel"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Who answers: the slow reference or the library."""
    name: Engine = request.param
    return name
