"""Use cases without a command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from samples import PROJECT

from reconciler.app.settings import Settings
from reconciler.app.wiring import Wiring


@pytest.fixture
def wiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Wiring]:
    """Wire a project of the given documents, in an empty directory; variables are the whole environment."""
    monkeypatch.chdir(tmp_path)

    def make(
        *documents: str, project: str = PROJECT, sandbox: bool = False, state: str = "", **variables: str
    ) -> Wiring:
        folder = tmp_path / "manifests"
        folder.mkdir(exist_ok=True)
        (folder / "reconciler.yaml").write_text(project, encoding="utf-8")
        (folder / "all.yaml").write_text("---\n".join(documents), encoding="utf-8")
        return Wiring(Settings(sandbox=sandbox, state=state, environ=variables))

    return make
