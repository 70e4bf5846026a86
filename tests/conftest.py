"""What holds for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A law is true or not, however long it takes: timing belongs in benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def uncovered() -> Iterator[None]:
    """Without coverage, for what takes long and visits nothing new (pytest-cov's own mark does nothing in workers)."""
    trace = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(trace)
