"""A damaged byte anywhere in a log: every command gives what it gave before, or refuses with 5 and says what to do.

One log with everything in it is damaged in one place at a time, at random, where each backend keeps it.
RECONCILER_DAMAGE is how often, RECONCILER_SEED what chance begins with; the default keeps the suite quick.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import obstore
import psycopg
import pytest
import s3_server
from backend_urls import Place, place
from crowd import Ended
from strict_team import Team, team

from reconciler.state import snapshot
from reconciler.state.backends import open_backend
from reconciler.state.chain import load

TIMES = int(os.environ.get("RECONCILER_DAMAGE", "3"))
SEED = int(os.environ.get("RECONCILER_SEED", random.randrange(2**32)))
BACKENDS = ("sqlite", "sqlite with a wal", "git", "postgresql", "s3")
WAL_END = 2 * 4120  # the page that ends the last transaction, which stands there twice
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

    @abstractmethod
    def sort(self, name: str) -> str:
        """What a piece is; there is as much chance for the one ref as for all objects."""

    def restore(self, pieces: Mapping[str, bytes]) -> None:
        """Have exactly these."""
        for name in self.pieces().keys() | pieces.keys():
            self.put(name, pieces.get(name))


class Files(Kept):
    """What matches one of the patterns in a folder."""

    def __init__(self, folder: Path, *patterns: str) -> None:
        self._folder = folder
        self._patterns = patterns

    def pieces(self) -> dict[str, bytes]:
        found = (file for pattern in self._patterns for file in self._folder.glob(pattern) if file.is_file())
        return {str(file.relative_to(self._folder)): file.read_bytes() for file in found}

    def put(self, name: str, data: bytes | None) -> None:
        file = self._folder / name
        if file.exists():
            file.chmod(0o600)
        if data is None:
            file.unlink(missing_ok=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def sort(self, name: str) -> str:
        return name.partition("/")[0]


class Rows(Kept):
    """The rows of a PostgreSQL database: the bytes of batches and checkpoints, and numbers as text."""

    def __init__(self, db: psycopg.Connection[tuple[object, ...]]) -> None:
        self._db = db

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

    def sort(self, name: str) -> str:
        return name.partition(" ")[0]


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

    def sort(self, name: str) -> str:
        return name.split("/")[-2]


@contextmanager
def kept_in(backend: str, where: Place, folder: Path) -> Iterator[Kept]:
    if backend.startswith("sqlite"):
        yield Files(folder, "state.db*")
    elif backend == "git":
        yield Files(folder / "remote.git", "HEAD", "config", "packed-refs", "refs/**/*", "objects/**/*")
    elif backend == "postgresql":
        with psycopg.connect(where.url, autocommit=True) as db:
            yield Rows(db)
    else:
        yield Objects(where.url, where.environment)


def grow(all_: Team, *, archived: bool) -> None:
    """Everything that there is: objects, exports, what was changed and deleted, a checkpoint, perhaps an archive."""
    all_.declare({f"r{n}": f"t{n}" for n in range(1, 5)}, {"e1": "one"})
    assert all_.apply().code == 0
    if archived:
        assert all_.run("state", "archive", str(all_.folder / "archive")).code == 0
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


def damaged(data: bytes, chance: random.Random, *, cut: bool = True) -> bytes:
    """One byte, or one run of bytes, is not what it was, or (`cut`) an end is missing."""
    at = chance.randrange(len(data)) if data else 0
    length = chance.choice([1, 1, 1, 16, 512])
    return chance.choice(
        [
            data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :] if data else b"x",
            data[:at] + bytes([chance.randrange(256)]) + data[at:],
            data[:at] + data[at + length :],
            data[:at] if cut else data[:at] + data[at + 1 :],
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
        elif "json" in command:
            assert ended.out == was.out, about
    assert len(all_.server.mutations) == sent


def look(all_: Team, at: str = "one") -> list[Ended]:
    shutil.rmtree(all_.folder / "fresh", ignore_errors=True)
    shutil.copytree(all_.folder / "one" / "manifests", all_.folder / "fresh" / "manifests")
    return all_.crowd(*(all_.task(*command, at=at) for command in COMMANDS))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_damaged_byte_anywhere(backend: str, tmp_path: Path) -> None:
    chance = random.Random(f"{SEED} {backend}")
    where, wrong = backend.partition(" ")[0], list[str]()
    with place(where, tmp_path) as there, team(tmp_path, there) as all_, kept_in(backend, there, tmp_path) as kept:
        with leaving_a_wal(tmp_path / "state.db") if backend.endswith("wal") else nullcontext():
            grow(all_, archived=chance.random() < 0.5)
            whole = {name: data for name, data in kept.pieces().items() if not name.endswith("-shm")}
        before = look(all_)
        assert [ended.code for ended in before] == [0] * len(COMMANDS), before
        for number in range(TIMES):
            kept.restore(whole)
            sort = chance.choice(sorted({kept.sort(name) for name in whole}))
            name = chance.choice([name for name in whole if kept.sort(name) == sort])
            at = chance.choice(["one", "fresh"])
            # of a `-wal` file, an end that is missing is what a power cut leaves: nobody was told that it was written
            last = WAL_END if name.endswith("-wal") else 0
            data, end = whole[name][: len(whole[name]) - last], whole[name][len(whole[name]) - last :]
            kept.put(name, damaged(data, chance, cut=not last) + end)
            try:
                judge(all_, before, at)
            except AssertionError as error:
                wrong.append(f"seed {SEED}, {backend}, number {number}, {at}: {name}: {error}")
    assert not wrong, "\n".join(wrong)


@contextmanager
def leaving_a_wal(file: Path) -> Iterator[None]:
    """Whoever closes the file in here is not the last to use it, as when others were killed."""
    with closing(open_backend(f"sqlite:{file}", "acme/another")) as another:
        another.append(1, b"{}")
    with closing(sqlite3.connect(file)) as db:
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()
        yield


def test_a_damaged_byte_anywhere_in_an_exported_log(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with place("sqlite", tmp_path) as there, team(tmp_path, there) as all_:
        grow(all_, archived=False)
        file = tmp_path / "exported"
        assert all_.run("state", "export", str(file)).code == 0
        whole = file.read_bytes()
        for number in range(2 * TIMES):
            file.write_bytes(damaged(whole, chance))
            target = tmp_path / f"copy-{number}.db"
            for ended in all_.crowd(
                all_.task("state", "verify", str(file)),
                all_.task("state", "migrate", f"sqlite:{target}", "--from", str(file)),
            ):
                assert ended.code == 5 or file.read_bytes() == whole, f"seed {SEED}, number {number} {ended}"
                assert ended.code == 0 or ("error: " in ended.err and "hint: " in ended.err), str(ended)
            assert not target.exists() or file.read_bytes() == whole
