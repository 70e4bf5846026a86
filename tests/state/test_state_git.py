"""Logs in git remotes, over every transport that needs no account, and what else is promised about them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from git_server import git_daemon, git_http, make_bare
from proxy import Proxy

from reconciler.model.ports import Backend
from reconciler.state.backends import WHOLE, open_backend
from reconciler.testing.backends import BackendContract
from reconciler.testing.batches import BatchContract
from reconciler.testing.failures import FailureContract
from reconciler.testing.storage import LOG, Open, rows

TOKEN = "Basic eC1hY2Nlc3MtdG9rZW46Z2hzX3NlY3JldA=="

# Does what was asked, then takes the repository away and ends before anything is said about it.
LOSE = """#!/bin/sh
if [ -e lose ]; then mv "$PWD" "$PWD.away"; kill -9 $PPID; fi
"""


def git(folder: Path, *arguments: str, said: bytes = b"") -> str:
    """What git says in a folder."""
    done = subprocess.run(["git", *arguments], cwd=folder, input=said, capture_output=True, check=True)
    return done.stdout.decode(errors="replace").strip()


class GitStorage:
    """A bare repository in a folder, as `testing.backends.Storage` wants it; `remote` leads to it."""

    def __init__(self, bare: Path, remote: str, proxy: Proxy | None = None) -> None:
        self.bare = bare
        self.url = f"git:{remote}"
        self.proxy = proxy
        (bare / "hooks").mkdir(exist_ok=True)
        (bare / "hooks" / "post-receive").write_text(LOSE)
        (bare / "hooks" / "post-receive").chmod(0o755)

    def open(self, log: str = LOG) -> Backend:
        return open_backend(self.url, log)

    def overwrite(self, position: int, batch: bytes, log: str = LOG) -> None:
        self._rewrite(log, position, [batch])

    def remove(self, position: int, log: str = LOG) -> None:
        self._rewrite(log, position, [])

    def overwrite_checkpoint(self, snapshot: bytes, log: str = LOG) -> None:
        refs = git(self.bare, "for-each-ref", "--format=%(refname)", f"refs/reconciler-checkpoint/{log}").splitlines()
        newest = max(refs, key=lambda ref: int(ref.rpartition("/")[2]))
        subject = git(self.bare, "log", "--format=%s", newest)
        self._import(newest, [f"data {len(subject)}\n{subject}".encode(), _file("snapshot", snapshot)])

    @contextmanager
    def cut(self) -> Iterator[None]:
        if self.proxy is not None:
            with self.proxy.cut():
                yield
            return
        away = self.bare.rename(f"{self.bare}.away")
        try:
            yield
        finally:
            away.rename(self.bare)

    @contextmanager
    def lose_answers(self) -> Iterator[None]:
        (self.bare / "lose").touch()
        try:
            yield
        finally:
            away = Path(f"{self.bare}.away")
            if away.exists():
                away.rename(self.bare)
            (self.bare / "lose").unlink()

    def _rewrite(self, log: str, position: int, instead: list[bytes]) -> None:
        """Make the commits anew from a position on, with other content at that one."""
        ref = f"refs/reconciler/{log}"
        old = [line.split(" ", 2) for line in git(self.bare, "log", "--reverse", "--format=%H %T %s", ref).splitlines()]
        at = next(at for at, (_, _, subject) in enumerate(old) if subject.split()[1] == str(position))
        stream, parent = [], [f"from {old[at - 1][0]}".encode()] if at else []
        for number, (_, tree, subject) in enumerate(old[at:]):
            content = f"M 040000 {tree} ".encode()
            if number == 0:
                if not instead:
                    continue
                content = _file("batch", instead[0])
            stream += [f"data {len(subject)}\n{subject}".encode(), *parent, b"deleteall", content]
            parent = []
        self._import(ref, stream)

    def _import(self, ref: str, parts: list[bytes]) -> None:
        said = b"reset %s\n" % ref.encode()
        for part in parts:
            if part.startswith(b"data "):
                said += b"commit %s\ncommitter a <a@b> 1 +0000\n" % ref.encode()
            said += part + b"\n"
        git(self.bare, "fast-import", "--quiet", "--force", said=said)


def _file(name: str, content: bytes) -> bytes:
    return b"M 100644 inline %s\ndata %d\n%s" % (name.encode(), len(content), content)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty remote; the working directory is another folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return make_bare(tmp_path / "served" / "log.git")


class TestGitPath(BackendContract):
    batches = 60
    contended = 12
    kills = 2
    stride = 97
    entries = 1_000

    @pytest.fixture
    def storage(self, bare: Path) -> GitStorage:
        return GitStorage(bare, str(bare))


class Served(BatchContract, FailureContract):
    """What a log is made of is the same over every transport, so its damage is looked at over one only."""

    batches = 10
    contended = 5
    writers = 3
    kills = 1
    large = 2_000_000

    def test_a_log_is_trimmed_and_goes_on(self, opened: Open) -> None:
        one, other = opened(), opened()
        for position in range(1, 5):
            one.append(position, b"%d" % position)
        one.checkpoint(2, b"two")
        assert rows(other) == [(3, b"3"), (4, b"4")]
        one.trim(3)
        other.append(5, b"5")
        assert rows(one, WHOLE) == [(3, b"3"), (4, b"4"), (5, b"5")]


class TestGitDaemon(Served):
    @pytest.fixture
    def storage(self, bare: Path) -> Iterator[GitStorage]:
        with ExitStack() as stack:
            port = stack.enter_context(git_daemon(bare.parent))
            proxy = stack.enter_context(Proxy("127.0.0.1", port))
            yield GitStorage(bare, f"git://127.0.0.1:{proxy.port}/log.git", proxy)


class TestGitHttp(Served):
    @pytest.fixture
    def storage(self, bare: Path) -> Iterator[GitStorage]:
        with ExitStack() as stack:
            port = stack.enter_context(git_http(bare.parent, TOKEN))
            proxy = stack.enter_context(Proxy("127.0.0.1", port))
            url = f"http://127.0.0.1:{proxy.port}/"
            git(Path.cwd(), "init", "--quiet")
            git(Path.cwd(), "remote", "add", "origin", f"{url}log.git")
            git(Path.cwd(), "config", f"http.{url}.extraheader", f"AUTHORIZATION: {TOKEN}")
            yield GitStorage(bare, "origin", proxy)
