"""A state URL of each backend, on real servers, for what runs over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BACKENDS = ("sqlite",)


@contextmanager
def place(backend: str, folder: Path) -> Iterator[str]:
    """The URL of an empty place for logs, there as long as the context."""
    yield f"sqlite:{folder}/state.db"
