"""The command line in process: quick, and seen by coverage."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import Ran
from samples import PROJECT

from reconciler.app.clock import SystemClock
from reconciler.cli.program import run
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
SANDBOX = Path(".reconciler/sandbox.db")


@dataclass(frozen=True)
class Cli:
    """The program in the current directory, in this process."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, answer: str = "", **variables: str) -> Ran:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.setattr("sys.stdin", io.StringIO(answer))
            self.capsys.readouterr()
            code = run(arguments)
        told = self.capsys.readouterr()
        return Ran(code, told.out, told.err)

    def declare(self, *documents: str, project: str = PROJECT) -> None:
        """Make these, and nothing else, the manifests."""
        self.write("manifests/reconciler.yaml", project)
        self.write("manifests/all.yaml", "---\n".join(documents))

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The emulators' memory."""
        store = Store(self.folder / SANDBOX)
        try:
            yield store
        finally:
            store.close()

    def switch(self, **values: str) -> None:
        with self.store() as store:
            for name, value in values.items():
                Switches(store).set(name, value)

    def live(self, collection: str = "blue_report") -> list[dict[str, object]]:
        """The reports that manifests have made; the invented world has some of its own."""
        with self.store() as store:
            key = "title" if collection == "blue_report" else "name"
            return [doc for doc in store.all(collection) if str(doc[key]).startswith("Test ")]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The program in an empty directory, with an environment that says nothing to it."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("RECONCILER_", "BLUE_", "PIPEFY_")) or name == "NO_COLOR":
            monkeypatch.delenv(name)
    return Cli(tmp_path, capsys)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between two tries take a fiftieth of their time."""

    async def sleep(self: SystemClock, seconds: float) -> None:
        await asyncio.sleep(seconds / 50)

    monkeypatch.setattr(SystemClock, "sleep", sleep)


@pytest.fixture
def company(cli: Cli) -> Cli:
    """The program beside a copy of the manifests of this repository."""
    shutil.copytree(MANIFESTS, cli.folder / "manifests")
    return cli


@pytest.fixture
def any_clock(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log may say something of an instant that is still to come."""
    monkeypatch.setenv("RECONCILER_TRUST_CLOCK", "1")


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Changes that can be undone before the test ends."""
    with pytest.MonkeyPatch.context() as made:
        yield made
