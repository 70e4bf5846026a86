"""No secret gets into the log, into a file or onto a screen, wherever the log is kept and whatever goes wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
import strict_server
from backend_urls import BACKENDS, place
from strict_project import BLUE, EXPORT, FULL, QUICK, SAVED, Strict, named

from reconciler.state.backends import WHOLE, open_backend

KEY = "STRICTplankey0123456789"
PASSWORD = "STRICTpass/w@rd"


def secrets_of(url: str, variables: Mapping[str, str]) -> set[str]:
    """What must be seen nowhere, as it is and as a URL has it."""
    hidden = {*strict_server.SECRETS, KEY, PASSWORD, quote(PASSWORD, safe="")}
    hidden |= {value for name, value in variables.items() if "SECRET" in name}
    if "@" in url:
        hidden.add(url.partition("//")[2].rpartition("@")[0].partition(":")[2])
    return hidden


def log_of(url: str, variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything that is in the log, and in its checkpoint."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with closing(open_backend(url, "acme/default")) as backend:
        checkpoint, _ = backend.read(0)
        return (b"".join(batch for _, batch in backend.read(WHOLE)[1]) + (checkpoint or (0, b""))[1]).decode()


def files(folder: Path) -> Iterator[tuple[str, str]]:
    for file in folder.rglob("*"):
        if file.is_file():
            yield str(file), file.read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_secret_is_ever_written(
    strict: Strict, backend: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with place(backend, elsewhere) as (url, variables):
        environment = {**variables, "RECONCILER_STATE": url, "RECONCILER_PLAN_KEY": KEY}
        folder = strict.program.folder

        def run(*arguments: str, code: int = 0, **more: str) -> None:
            ran = strict.run(*arguments, **{**environment, **more})
            assert ran.code == code, (arguments, ran.code, ran.err)

        strict.declare(named(FULL, "a"), named(SAVED, "b"), named(EXPORT, "c"))
        for operation in ("createReport", "createOrganizationReport"):  # the answer repeats the credentials
            strict.server.fail(operation, "null", code="INTERNAL_SERVER_ERROR")
        run("apply", "--yes", *QUICK, code=7)
        run("state", "settle", "-v", *QUICK[:2], "--settle-delay", "0")
        run("apply", "--yes", "-v", "--format", "json", *QUICK)
        strict.declare(named(FULL, "a").replace("Blue a", "Blue z"), named(BLUE, "d"), named(SAVED, "b"))
        run("plan", "-v", "--refresh", "--out", "plan.json", "--format", "json")
        run("apply", "plan.json", *QUICK)
        for command in (
            ("plan", "--format", "markdown"),
            ("state", "list"),
            ("state", "list", "--format", "json"),
            ("state", "show", "blue/report/a"),
            ("state", "verify", "--format", "json"),
            ("state", "unlock", "--yes"),
            ("state", "export", "log.jsonl"),
            ("state", "mv", "blue/report/d", "blue/report/e"),
            ("history", "-v"),
            ("history", "--format", "json"),
            ("state", "archive", "archive.jsonl"),
        ):
            run(*command)
        run("state", "migrate", f"sqlite:{folder}/moved.db")
        run("plan", code=5)
        bad = f"postgresql://ann:{quote(PASSWORD, safe='')}@127.0.0.1:1/db"
        for command in (("plan",), ("state", "migrate", bad)):
            run(*command, code=5, **({} if command[-1] == bad else {"RECONCILER_STATE": bad}))
        hidden = secrets_of(url, variables)
        texts = {"output": "\n".join(strict.printed), "log": log_of(url, variables, monkeypatch), **dict(files(folder))}
        assert [(where, secret) for where, text in texts.items() for secret in hidden if secret in text] == []
        assert len(hidden) > len(strict_server.SECRETS)
        assert os.fspath(folder) in next(name for name in texts if name.endswith("archive.jsonl"))
