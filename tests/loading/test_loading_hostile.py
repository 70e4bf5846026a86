"""Everything in `hostile` is refused; how long that takes and how much memory is measured by tests/bench."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import hostile
import pytest

from reconciler.app.settings import Settings
from reconciler.app.wiring import Wiring
from reconciler.loading.load import Loaded
from reconciler.loading.text.sources import MAX_PER_FILE

HARMLESS = "entries of forEach, permitted"
"""Legitimate, if large."""

ROOT = not os.geteuid()


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Loaded]:
    monkeypatch.chdir(tmp_path)

    def load(what: str) -> Loaded:
        hostile.make(tmp_path / "manifests", what)
        return Wiring(Settings()).load()

    return load


@pytest.mark.parametrize("what", [what for what in (*hostile.TEXTS, *hostile.FOLDERS) if what != HARMLESS])
def test_what_means_harm_is_refused(loaded, what, tmp_path):
    found = loaded(what)
    if ROOT and what == "a file that cannot be read":
        return  # nothing is hidden from root
    assert not found.valid
    assert found.desired is None
    assert len(found.diagnostics) <= max(2 * MAX_PER_FILE, len([*(tmp_path / "manifests").iterdir()]))
    for each in found.diagnostics:
        assert len(each.message) < 2_000
        assert len(each.hint) < 2_000
        assert len(each.source) < 5_000
        assert each.span is None or each.span.column >= 1


def test_what_is_only_large_is_not_refused(loaded):
    assert len(loaded(HARMLESS).desired.manifests) == hostile.MANY


def test_what_cannot_be_read_is_said(tmp_path, monkeypatch):
    """Also for root, who can read everything."""
    monkeypatch.chdir(tmp_path)
    hostile.make(tmp_path / "manifests", "a file that cannot be read")
    opened = os.open

    def refusing(path: object, *rest: object, **more: object) -> int:
        if str(path).endswith("x.yaml"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refusing)
    (found,) = Wiring(Settings()).load().diagnostics
    assert (found.code, "Permission denied" in found.message) == ("file-unreadable", True)
