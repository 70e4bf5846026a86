"""A damaged byte anywhere in a log: every command gives what it gave before, or refuses with 5 and says what to do.

One log with everything in it is damaged in one place at a time, at random, where each backend keeps it.
RECONCILER_DAMAGE is how often, RECONCILER_SEED what chance begins with; the default keeps the suite quick.
"""

from __future__ import annotations

import os
import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import obstore
import postgres_server
import psycopg
import pytest
import s3_server
from backend_urls import Place, place
from crowd import Ended
from strict_team import Team, team

from reconciler.state import snapshot
from reconciler.state.backends import open_backend
from reconciler.state.chain import load

TIMES = int(os.environ.get("RECONCILER_DAMAGE", "5"))
SEED = int(os.environ.get("RECONCILER_SEED", random.randrange(2**32)))
BACKENDS = ("sqlite", "git", "postgresql", "s3")
COMMANDS = (
    ("state", "list", "--format", "json"),
    ("history", "--format", "json"),
    ("plan", "--detailed-exitcode"),
    ("apply", "--yes"),
    ("state", "verify"),
)


class Kept(ABC):
    """What a log is kept in, past the program: pieces of bytes that have names."""

    @abstractmethod
    def pieces(self) -> dict[str, bytes]:
        """All of them."""

    @abstractmethod
    def put(self, name: str, data: bytes | None) -> None:
        """Replace one, or remove it."""

    def restore(self, pieces: Mapping[str, bytes]) -> None:
        """Have exactly these."""
        for name in self.pieces().keys() | pieces.keys():
            self.put(name, pieces.get(name))


class Files(Kept):
    """Everything in a folder, or those of its files whose names begin with `start`."""

    def __init__(self, folder: Path, start: str = "") -> None:
        self._folder = folder
        self._start = start

    def pieces(self) -> dict[str, bytes]:
        found = self._folder.rglob(f"{self._start}*")
        return {str(file.relative_to(self._folder)): file.read_bytes() for file in found if file.is_file()}

    def put(self, name: str, data: bytes | None) -> None:
        file = self._folder / name
        if file.exists():
            file.chmod(0o600)
        if data is None:
            file.unlink(missing_ok=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)


class Rows(Kept):
    """The rows of a PostgreSQL database: the bytes of batches and checkpoints, and numbers as text."""

    def __init__(self, url: str) -> None:
        self._db = psycopg.connect(url, autocommit=True)

    def pieces(self) -> dict[str, bytes]:
        batches = self._db.execute("SELECT position, batch FROM reconciler.batches").fetchall()
        checkpoints = self._db.execute("SELECT position, snapshot FROM reconciler.checkpoints").fetchall()
        return {
            **{f"batch {position}": bytes(batch) for position, batch in batches},
            **{f"checkpoint {position}": bytes(kept) for position, kept in checkpoints},
        }

    def put(self, name: str, data: bytes | None) -> None:
        kind, position = name.split()
        table, column = ("batches", "batch") if kind == "batch" else ("checkpoints", "snapshot")
        self._db.execute(f"DELETE FROM reconciler.{table} WHERE position = %s", (position,))  # noqa: S608 - ours
        if data is not None:
            self._db.execute(
                f"INSERT INTO reconciler.{table} (log, position, {column}) VALUES (%s, %s, %s)",  # noqa: S608 - ours
                ("acme/default", position, data),
            )


class Objects(Kept):
    """The objects below a prefix of a bucket."""

    def __init__(self, url: str, variables: Mapping[str, str]) -> None:
        self._prefix = url.partition("://")[2].partition("/")[2]
        port = int(variables["AWS_ENDPOINT_URL"].rpartition(":")[2])
        server = s3_server.S3Server(Path())
        server.port = port
        self._store = server.store()

    def pieces(self) -> dict[str, bytes]:
        listed = obstore.list(self._store, self._prefix).collect()
        return {found["path"]: bytes(obstore.get(self._store, found["path"]).bytes()) for found in listed}

    def put(self, name: str, data: bytes | None) -> None:
        obstore.delete(self._store, [name])
        if data is not None:
            obstore.put(self._store, name, data)
            while bytes(obstore.get(self._store, name).bytes()) != data:
                pass


def kept_in(backend: str, where: Place, folder: Path) -> Kept:
    if backend.startswith("sqlite"):
        return Files(folder, "state.db")
    if backend == "git":
        return Files(folder / "remote.git")
    return Rows(where.url) if backend == "postgresql" else Objects(where.url, where.environment)


def grow(all_: Team) -> None:
    """Everything that there is: objects, exports, what was changed, deleted and moved, and a checkpoint in the midst."""
    all_.declare({f"r{n}": f"t{n}" for n in range(1, 5)}, {"e1": "one"})
    assert all_.apply().code == 0
    checkpoint(all_.place)
    all_.declare({f"r{n}": f"t{n}-2" for n in range(2, 6)}, {"e1": "two", "e2": "one"})
    assert all_.apply().code == 0


def checkpoint(where: Place) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in where.environment.items():
            patch.setenv(name, value)
        with closing(open_backend(where.url, "acme/default")) as backend:
            chain = load(backend)
            assert chain.head is not None
            backend.checkpoint(chain.end, snapshot.dump(chain.recorded, chain.head, chain.offset))


def damaged(data: bytes, chance: random.Random) -> bytes:
    """One byte, or one run of bytes, is not what it was."""
    at = chance.randrange(len(data)) if data else 0
    length = chance.choice([1, 1, 1, 16, 512])
    return chance.choice(
        [
            data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :] if data else b"x",
            data[:at] + bytes([chance.randrange(256)]) + data[at:],
            data[:at] + data[at + length :],
            data[:at],
            data[:at] + bytes(len(data[at : at + length])) + data[at + length :],
            data[:at] + chance.randbytes(length) + data[at + length :],
        ]
    )


def judge(all_: Team, before: list[Ended], at: str = "one") -> None:
    """Each command gives what it gave before, or says why not; nothing is sent."""
    sent = len(all_.server.mutations)
    for command, was, ended in zip(COMMANDS, before, look(all_, at), strict=True):
        about = f"{' '.join(command)} {ended}"
        assert ended.code in (0, 5), about
        if ended.code == 5:
            assert "error: " in ended.err, about
            assert "hint: " in ended.err, about
        elif command[-1] != "verify":
            assert ended.out == was.out, about
    assert len(all_.server.mutations) == sent


def look(all_: Team, at: str = "one") -> list[Ended]:
    shutil.rmtree(all_.folder / "fresh", ignore_errors=True)
    shutil.copytree(all_.folder / "one" / "manifests", all_.folder / "fresh" / "manifests")
    return all_.crowd(*(all_.task(*command, at=at) for command in COMMANDS))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_damaged_byte_anywhere(backend: str, tmp_path: Path) -> None:
    chance = random.Random(f"{SEED} {backend}")
    with place(backend.partition("-")[0], tmp_path) as where, team(tmp_path, where) as all_:
        grow(all_)
        kept = kept_in(backend, where, tmp_path)
        before = look(all_)
        assert [ended.code for ended in before] == [0] * len(COMMANDS), before
        whole = kept.pieces()
        for number in range(TIMES):
            name = chance.choice(sorted(whole))
            kept.put(name, damaged(whole[name], chance))
            try:
                judge(all_, before, chance.choice(["one", "fresh"]))
            except AssertionError as error:
                raise AssertionError(f"seed {SEED}, {backend}, number {number}, {name}") from error
            kept.restore(whole)
