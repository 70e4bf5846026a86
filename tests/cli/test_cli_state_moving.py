"""The log as a whole: checked, exported, archived and moved, between any two places and through any crash."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from backend_urls import BACKENDS, place

from reconciler.model.entry import Entry, ExportSkipped, Holder, LeaseBroken, LeaseTaken, Migrated
from reconciler.model.errors import Unreachable
from reconciler.model.values import Address
from reconciler.state import backends, codec, snapshot
from reconciler.state.backends import WHOLE, open_backend
from reconciler.state.backends.sqlite import SqliteBackend
from reconciler.state.chain import Chain, load, walk
from reconciler.state.exported import ExportedLog
from reconciler.state.log import Log
from reconciler.testing.growing import AT, RealClock, checkpoint, grown, put

BLUE = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales}
spec:
  title: Test sales
  dataSources: [{filters: {done: false}}]
"""
DRIVER = Path(__file__).resolve().parent / "state_moments.py"
LOG = "acme/default"
OLD = "sqlite:old.db"
NEW = "sqlite:new.db"
SKIPPED = ExportSkipped("other", AT, Address("pipefy", "export", "x"), AT, "paused")


@pytest.fixture(autouse=True)
def any_clock(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - it clears the environment first
    """The logs here say something of a fixed instant, which may be still to come."""
    monkeypatch.setenv("RECONCILER_TRUST_CLOCK", "1")


@contextmanager
def opened(cli: Any, url: str = OLD, log: str = LOG) -> Iterator[Any]:
    with closing(open_backend(url.replace("sqlite:", f"sqlite:{cli.folder}/"), log)) as backend:
        yield backend


def grow(cli: Any, batches: int = 5, url: str = OLD, log: str = LOG) -> Chain:
    cli.declare(BLUE)
    with opened(cli, url, log) as backend:
        return grown(backend, batches)


def record(cli: Any, *entries: Entry, url: str = OLD, log: str = LOG) -> None:
    with opened(cli, url, log) as backend:
        asyncio.run(Log(backend, RealClock()).record(entries))


def chain_of(cli: Any, url: str = OLD, log: str = LOG) -> Chain:
    """The whole log, verified from its beginning."""
    chain = Chain()
    with opened(cli, url, log) as backend:
        for _ in walk(backend, chain):
            pass
    return chain


def batches(cli: Any, url: str = OLD, log: str = LOG) -> list[bytes]:
    with opened(cli, url, log) as backend:
        return [batch for _, batch in backend.read(WHOLE)[1]]


def change(cli: Any, position: int, act: Callable[[bytes], bytes], url: str = OLD) -> None:
    """Put other bytes where a batch is."""
    db = sqlite3.connect(cli.folder / url.removeprefix("sqlite:"))
    (batch,) = db.execute("SELECT batch FROM batches WHERE position = ?", (position,)).fetchone()
    db.execute("UPDATE batches SET batch = ? WHERE position = ?", (act(batch), position))
    db.commit()
    db.close()


def resources(chain: Chain) -> Any:
    return chain.recorded.resources


def verify(cli: Any, *arguments: str, url: str = OLD) -> Any:
    return cli("state", "verify", "--state", url, *arguments, "--format", "json")


def migrate(cli: Any, *arguments: str, url: str = OLD) -> Any:
    return cli("state", "migrate", "--state", url, *arguments)


def export(cli: Any, *arguments: str, url: str = OLD) -> Any:
    return cli("state", "export", "--state", url, *arguments)


def archive(cli: Any, *arguments: str, url: str = OLD) -> Any:
    return cli("state", "archive", "--state", url, *arguments)


def rm(cli: Any, name: str, url: str) -> Any:
    return cli("state", "rm", f"blue/report/{name}", "--state", url)


# verify


def test_a_sound_log_is_0_and_its_facts(cli: Any) -> None:
    chain = grow(cli)
    ran = verify(cli)
    assert ran.code == 0
    assert ran.json == {
        "format": "reconciler.verification/1",
        "log": LOG,
        "file": None,
        "archives": [],
        "batches": 5,
        "entries": 10,
        "bytes": sum(map(len, batches(cli))),
        "first": 1,
        "last": 5,
        "head": chain.head,
        "lineage": chain.recorded.lineage,
        "archived_until": None,
        "first_at": AT,
        "last_at": AT,
        "runs": 1,
        "resources": 5,
        "exports": 0,
        "in_doubt": 0,
        "moved_to": None,
        "checkpoint": None,
        "warnings": [],
        "damage": None,
    }
    text = cli("state", "verify", "--state", OLD)
    assert (text.code, text.out.splitlines()[-1]) == (0, "every batch follows the one before it, and all of them fold")


def test_a_log_that_does_not_exist_is_sound_and_is_not_made(cli: Any) -> None:
    cli.declare(BLUE)
    ran = verify(cli)
    assert (ran.code, ran.json["batches"], ran.json["last"]) == (0, 0, None)
    assert not (cli.folder / "old.db").exists()


@pytest.mark.parametrize("position", [1, 3, 5])
@pytest.mark.parametrize("at", [0, 30, 60, 120, 250, -2])
def test_a_damaged_byte_is_5_and_says_where(cli: Any, position: int, at: int) -> None:
    grow(cli)
    change(cli, position, lambda batch: bytes([*batch[:at], batch[at] ^ 1, *batch[at % len(batch) + 1 :]]))
    ran = verify(cli)
    assert ran.code == 5
    assert f"Position {position}: " in ran.err
    assert ran.json["damage"]["message"].startswith(f"Position {position}: ")
    assert ran.json["batches"] == position - 1
    assert ran.json["last"] == (position - 1 or None)
    if position > 1:
        assert f"intact, up to position {position - 1}" in ran.err


def test_a_batch_that_contradicts_the_state_is_5_and_says_where(cli: Any) -> None:
    chain = grow(cli)
    with opened(cli) as backend:
        wrong = codec.seal(chain.head, [codec.encode(LeaseTaken("r", AT, Holder("a", "b", "", "c"), AT))] * 2)
        backend.append(6, wrong)
    ran = verify(cli)
    assert (ran.code, ran.json["batches"]) == (5, 5)
    assert "Position 6: The log is damaged: run r took the lease" in ran.err


def test_a_checkpoint_is_compared_with_the_log(cli: Any) -> None:
    chain = grow(cli)
    with opened(cli) as backend:
        put(chain, backend, [SKIPPED])
        checkpoint(chain, backend)
        put(chain, backend, [SKIPPED])
    ran = verify(cli)
    assert (ran.code, ran.json["checkpoint"]) == (0, {"position": 6, "state": "good"})


def damaged_checkpoint(cli: Any, act: Callable[[bytes], bytes]) -> None:
    db = sqlite3.connect(cli.folder / "old.db")
    (held,) = db.execute("SELECT snapshot FROM checkpoints").fetchone()
    db.execute("UPDATE checkpoints SET snapshot = ?", (act(held),))
    db.commit()
    db.close()


def test_a_damaged_checkpoint_is_a_warning(cli: Any) -> None:
    chain = grow(cli)
    with opened(cli) as backend:
        put(chain, backend, [SKIPPED])
        checkpoint(chain, backend)
    damaged_checkpoint(cli, lambda held: held[:-1])
    ran = verify(cli)
    assert (ran.code, ran.json["checkpoint"]) == (0, {"position": 6, "state": "damaged"})
    assert "checkpoint at position 6 is damaged" in ran.json["warnings"][0]
    assert cli("state", "list", "--state", OLD).code == 0


def wrong_checkpoint(held: bytes) -> bytes:
    """A genuine checkpoint of a state that the log never made."""
    found = snapshot.load(held)
    found.recorded.resources.clear()
    return snapshot.dump(found.recorded, found.head, found.offset)


def test_a_checkpoint_that_lies_is_damage(cli: Any) -> None:
    chain = grow(cli)
    with opened(cli) as backend:
        put(chain, backend, [SKIPPED])
        checkpoint(chain, backend)
        put(chain, backend, [SKIPPED])
    damaged_checkpoint(cli, wrong_checkpoint)
    ran = verify(cli)
    assert (ran.code, ran.json["checkpoint"]) == (5, {"position": 6, "state": "wrong"})
    assert "Position 7: who opens the log gets another state" in ran.err
    assert "--from FILE" in ran.err
    assert export(cli, "out").code == 0
    assert cli("state", "migrate", NEW, "--from", "out").code == 0
    assert len(resources(chain_of(cli, NEW))) == 5
    assert verify(cli, url=NEW).code == 0


def test_a_checkpoint_that_leads_nowhere_is_gone_round(cli: Any) -> None:
    chain = grow(cli)
    with opened(cli) as backend:
        put(chain, backend, [SKIPPED])
        checkpoint(chain, backend)
        put(chain, backend, [SKIPPED])
    damaged_checkpoint(cli, lambda held: snapshot.dump(snapshot.load(held).recorded, "0" * 64))
    ran = verify(cli)
    assert (ran.code, ran.json["checkpoint"]) == (0, {"position": 6, "state": "wrong"})
    assert "is not what the log says there" in ran.json["warnings"][0]


def test_damage_before_a_checkpoint_is_found_though_the_log_opens(cli: Any) -> None:
    chain = grow(cli)
    with opened(cli) as backend:
        put(chain, backend, [SKIPPED])
        checkpoint(chain, backend)
    change(cli, 2, lambda batch: batch.replace(b"made-1", b"made-7"))
    assert cli("state", "list", "--state", OLD).code == 0
    ran = verify(cli)
    assert ran.code == 5
    assert "Position 2" in ran.err
    assert "can still be opened, through its checkpoint at position 6" in ran.json["warnings"][0]


# export


def test_an_export_is_the_log_byte_for_byte(cli: Any) -> None:
    chain = grow(cli)
    ran = export(cli, "out", "--format", "json")
    assert ran.code == 0
    file = cli.folder / "out"
    assert [batch for _, batch in ExportedLog(file).read(0)[1]] == batches(cli)
    assert ran.json == {
        "format": "reconciler.exported/1",
        "file": "out",
        "log": LOG,
        "lineage": chain.recorded.lineage,
        "first": 1,
        "last": 5,
        "head": chain.head,
        "batches": 5,
        "entries": 10,
        "bytes": file.stat().st_size,
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    checked = verify(cli, "out")
    assert (checked.code, checked.json["head"], checked.json["file"]) == (0, chain.head, "out")


def test_an_export_to_stdout_is_the_same(cli: Any) -> None:
    grow(cli)
    assert export(cli, "out").code == 0
    ran = export(cli, "-")
    assert ran.code == 0
    assert ran.out == (cli.folder / "out").read_text("ascii")
    assert "exported 5 batches" in ran.err


def test_an_export_replaces_nothing_without_being_told(cli: Any) -> None:
    grow(cli)
    cli.write("out", "mine")
    refused = export(cli, "out")
    assert (refused.code, (cli.folder / "out").read_text()) == (64, "mine")
    assert export(cli, "out", "--force").code == 0
    assert verify(cli, "out").code == 0
    assert export(cli, "manifests", "--force").code == 64
    assert export(cli, "none/out").code == 64
    assert sorted(file.name for file in cli.folder.iterdir() if not file.name.startswith("old.db")) == [
        "manifests",
        "out",
    ]


def test_there_is_nothing_to_export(cli: Any) -> None:
    cli.declare(BLUE)
    for ran in (export(cli, "out"), export(cli, "-"), archive(cli, "out"), migrate(cli, NEW)):
        assert (ran.code, ran.out) == (64, "")
        assert "there is nothing in the log acme/default" in ran.err
    assert [file.name for file in cli.folder.iterdir()] == ["manifests"]


@pytest.mark.parametrize("where", ["out", "-"])
def test_a_damaged_log_is_exported_up_to_the_damage(cli: Any, where: str) -> None:
    grow(cli)
    change(cli, 4, lambda batch: batch[:-1])
    ran = export(cli, where)
    assert ran.code == 5
    assert "Position 4" in ran.err
    assert "intact, up to position 3" in ran.err
    if where == "-":
        cli.write("out", ran.out)
    checked = verify(cli, "out")
    assert (checked.code, checked.json["last"]) == (0, 3)
    assert cli("state", "migrate", NEW, "--from", "out").code == 0
    assert len(resources(chain_of(cli, NEW))) == 3


def test_a_log_that_is_damaged_from_its_beginning_is_not_exported(cli: Any) -> None:
    grow(cli)
    change(cli, 1, lambda batch: batch[:-1])
    assert export(cli, "out").code == 5
    assert not (cli.folder / "out").exists()


def test_storage_that_does_not_answer_makes_no_file(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(cli)
    page = SqliteBackend._batches

    def away(self: SqliteBackend, after: int, last: int) -> Iterator[tuple[int, bytes]]:
        yield next(page(self, after, last))
        raise Unreachable("The network is gone.", "Try again.")

    monkeypatch.setattr(SqliteBackend, "_batches", away)
    for ran in (export(cli, "out"), verify(cli)):
        assert (ran.code, ran.out) == (5, "")
        assert "The network is gone" in ran.err
    assert not (cli.folder / "out").exists()


@pytest.mark.parametrize("content", ["", "hello\n", '{"format":"reconciler.export/2"}\n'])
def test_what_is_no_exported_log_is_5(cli: Any, content: str) -> None:
    cli.declare(BLUE)
    cli.write("out", content)
    for ran in (verify(cli, "out"), verify(cli, "--archive", "out"), migrate(cli, NEW, "--from", "out")):
        assert (ran.code, ran.out) == (5, "")
    assert verify(cli, "none").code == verify(cli, "--archive", "none").code == 64
    assert migrate(cli, NEW, "--from", "none").code == 64


def test_a_file_of_another_sort_says_so_without_a_project(cli: Any) -> None:
    grow(cli)
    assert export(cli, "out").code == 0
    shutil.rmtree(cli.folder / "manifests")
    assert cli("state", "verify", "out").code == 0


# archive


def test_an_archive_and_the_rest_verify_together(cli: Any) -> None:
    chain = grow(cli)
    ran = archive(cli, "one", "--format", "json")
    assert ran.code == 0
    assert (ran.json["first"], ran.json["last"], ran.json["batches"]) == (1, 6, 6)  # the lease is among them
    assert resources(chain_of(cli)) == resources(chain)
    alone = verify(cli).json
    assert (alone["first"], alone["last"], alone["archived_until"]) == (7, 8, 6)
    assert verify(cli, "one").json["last"] == 6
    together = verify(cli, "--archive", "one")
    assert together.code == 0
    assert (together.json["first"], together.json["last"], together.json["batches"]) == (1, 8, 8)
    assert rm(cli, "made-0", OLD).code == 0
    assert archive(cli, "two").code == 0
    assert verify(cli, "--archive", "two", "--archive", "one").json["batches"] == verify(cli).json["last"]
    assert verify(cli, "two", "--archive", "one").code == 0


def test_an_archive_of_something_else_is_5(cli: Any) -> None:
    grow(cli)
    assert archive(cli, "one").code == 0
    assert rm(cli, "made-0", OLD).code == 0
    assert archive(cli, "two").code == 0
    gap = verify(cli, "--archive", "one")
    assert gap.code == 5
    assert "do not lead up to" in gap.err
    with opened(cli, "sqlite:else.db") as backend:
        grown(backend, 20, "else")
    assert export(cli, "foreign", url="sqlite:else.db").code == 0
    foreign = verify(cli, "--archive", "foreign")
    assert foreign.code == 5
    lines = (cli.folder / "two").read_bytes()
    (cli.folder / "two").write_bytes(lines[:-20])
    assert verify(cli, "--archive", "two").code == 5


def test_an_archive_is_never_replaced(cli: Any) -> None:
    grow(cli)
    assert archive(cli, "one").code == 0
    before = (cli.folder / "one").read_bytes()
    assert rm(cli, "made-0", OLD).code == 0
    again = archive(cli, "one")
    assert again.code == 0, "what it had to do is done"
    assert verify(cli).json["first"] == 7
    cli.write("mine", "mine")
    assert archive(cli, "mine").code == 64
    assert export(cli, "other").code == 0
    assert archive(cli, "other").code == 64
    assert ((cli.folder / "one").read_bytes(), (cli.folder / "mine").read_text()) == (before, "mine")
    assert archive(cli, "manifests").code == 64


def test_a_damaged_log_is_not_archived(cli: Any) -> None:
    grow(cli)
    with opened(cli) as backend:
        checkpoint(chain_of(cli), backend)
    change(cli, 3, lambda batch: batch[:-1])
    before = batches(cli)
    assert archive(cli, "one").code == 5
    assert not (cli.folder / "one").exists()
    assert batches(cli)[: len(before)] == before


def test_a_file_that_does_not_hold_what_was_written_is_not_believed(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = grow(cli)
    fsync = os.fsync

    def lossy(descriptor: int) -> None:
        """A disk that loses the last bytes."""
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - 10)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", lossy)
    ran = archive(cli, "one")
    assert ran.code == 5
    monkeypatch.undo()
    assert verify(cli).json["first"] == 1
    assert resources(chain_of(cli)) == resources(chain)


def test_who_writes_without_a_lease_while_it_is_archived_is_not_lost(cli: Any, meddled: Any) -> None:
    grow(cli)
    meddled("archived", lambda: record(cli, SKIPPED))
    assert archive(cli, "one").code == 0
    *_, (_, last) = ExportedLog(cli.folder / "one").read(0)[1]
    assert b"export_skipped" in last
    assert verify(cli, "--archive", "one").code == 0


# migrate


@pytest.mark.parametrize(
    ("source", "target"), [*((each, "sqlite") for each in BACKENDS), *(("sqlite", each) for each in BACKENDS)]
)
def test_a_log_goes_from_any_backend_to_any_other(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, target: str
) -> None:
    cli.declare(BLUE)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with place(source, tmp_path / "a") as one, place(target, tmp_path / "b") as other:
        for name, value in {**one.environment, **other.environment}.items():
            monkeypatch.setenv(name, value)
        with closing(open_backend(one.url, LOG)) as backend:
            chain = grown(backend, 6)
        ran = migrate(cli, other.url, "--format", "json", url=one.url)
        assert ran.code == 0, ran.err
        with closing(open_backend(one.url, LOG)) as old, closing(open_backend(other.url, LOG)) as new:
            *copied, marker = old.read(WHOLE)[1]
            assert list(new.read(WHOLE)[1])[:-1] == copied
            assert load(new).recorded.resources == chain.recorded.resources
            assert load(new).recorded.lease is None
            assert load(old).recorded.moved_to == ran.json["to"]
            assert isinstance(codec.unseal(codec.link(marker[1]), marker[1])[-1], Migrated)
        assert rm(cli, "made-0", other.url).code == 0
        refused = rm(cli, "made-1", one.url)
        assert (refused.code, "was moved to" in refused.err) == (5, True)
        assert verify(cli, url=other.url).code == verify(cli, url=one.url).code == 0


def test_it_says_what_to_set(cli: Any) -> None:
    grow(cli)
    ran = migrate(cli, NEW)
    assert "RECONCILER_STATE=sqlite:new.db" in ran.out
    assert "spec.state: sqlite:new.db" in ran.out
    assert "complete the URL" not in ran.out
    assert ran.err == ""


def test_to_do_it_again_changes_nothing(cli: Any) -> None:
    grow(cli)
    assert migrate(cli, NEW).code == 0
    before = batches(cli), batches(cli, NEW)
    again = migrate(cli, NEW, "--format", "json")
    assert (again.code, again.json["copied"]["batches"]) == (0, 0)
    assert (batches(cli), batches(cli, NEW)) == before
    assert rm(cli, "made-0", NEW).code == 0
    assert migrate(cli, NEW).code == 0
    assert migrate(cli, "sqlite:third.db", url=NEW).code == 0
    on = migrate(cli, NEW)
    assert (on.code, "moved on from there, to sqlite:third.db" in on.out) == (0, True)
    elsewhere = migrate(cli, "sqlite:fourth.db")
    assert (elsewhere.code, "moved to sqlite:new.db already" in elsewhere.err) == (5, True)
    (cli.folder / "new.db").unlink()
    lost = migrate(cli, NEW)
    assert (lost.code, "not there any more" in lost.err) == (5, True)


@pytest.mark.parametrize(
    "spelling", ["sqlite:old.db", "sqlite:./old.db", "sqlite:manifests/../old.db", "sqlite:{}/old.db", "sqlite:link.db"]
)
def test_the_same_place_is_64_however_it_is_spelt(cli: Any, spelling: str) -> None:
    grow(cli)
    if "link" in spelling:
        (cli.folder / "link.db").symlink_to(cli.folder / "old.db")
    ran = migrate(cli, spelling.format(cli.folder))
    assert (ran.code, "already" in ran.err) == (64, True)
    assert chain_of(cli).recorded.lease is None
    assert rm(cli, "made-0", OLD).code == 0


def test_a_place_that_holds_something_else_is_5_and_left_alone(cli: Any) -> None:
    grow(cli)
    with opened(cli, NEW) as backend:
        grown(backend, 3, "theirs")
    before = batches(cli, NEW)
    ran = migrate(cli, NEW)
    assert ran.code == 5
    assert "sqlite:new.db holds something else than the beginning of this log: another log, up to position 3" in ran.err
    assert batches(cli, NEW) == before
    assert rm(cli, "made-0", OLD).code == 0


def test_a_copy_that_has_gone_on_by_itself_is_5_and_left_alone(cli: Any) -> None:
    grow(cli)
    shutil.copy(cli.folder / "old.db", cli.folder / "new.db")
    for wanted in (SKIPPED,) * 9:
        record(cli, wanted, url=NEW)
    before = batches(cli, NEW)
    ran = migrate(cli, NEW)
    assert (ran.code, "a copy of it that has gone on by itself" in ran.err) == (5, True)
    assert batches(cli, NEW) == before
    assert chain_of(cli).recorded.lease is None


def test_the_place_it_came_from_is_no_place_to_go_back_to(cli: Any) -> None:
    grow(cli)
    assert migrate(cli, NEW).code == 0
    back = migrate(cli, OLD, url=NEW)
    assert (back.code, "was moved from there to sqlite:new.db" in back.err) == (5, True)
    assert rm(cli, "made-0", NEW).code == 0


def test_the_beginning_of_the_log_is_gone_on_with(cli: Any) -> None:
    grow(cli)
    with opened(cli, NEW) as backend:
        for position, batch in enumerate(batches(cli)[:3], 1):
            backend.append(position, batch)
    ran = migrate(cli, NEW, "--format", "json")
    assert (ran.code, ran.json["copied"]["batches"]) == (0, 3)  # two, and the lease
    assert resources(chain_of(cli, NEW)) == resources(chain_of(cli))


def test_damage_is_not_copied(cli: Any) -> None:
    grow(cli)
    with opened(cli) as backend:
        checkpoint(chain_of(cli), backend)
    change(cli, 3, lambda batch: batch[:-1])
    ran = migrate(cli, NEW)
    assert (ran.code, "Position 3" in ran.err) == (5, True)
    assert len(batches(cli, NEW)) == 2
    with opened(cli) as backend:
        assert load(backend).recorded.moved_to is None


def test_a_place_that_does_not_keep_what_it_is_given_is_found_out(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(cli)
    append = SqliteBackend.append

    def forgetful(self: SqliteBackend, position: int, batch: bytes) -> None:
        append(self, position, batch.replace(b"made-3", b"fade-3") if self._name == "new.db" else batch)

    monkeypatch.setattr(SqliteBackend, "append", forgetful)
    assert migrate(cli, NEW).code == 5
    monkeypatch.undo()
    assert chain_of(cli).recorded.moved_to is None
    assert rm(cli, "made-0", OLD).code == 0


@pytest.fixture
def meddled(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None]], None]:
    """Do something right before the first batch with an entry of this type is appended."""

    def before(what: str, act: Callable[[], None]) -> None:
        append, left = SqliteBackend.append, [act]

        def appended(self: SqliteBackend, position: int, batch: bytes) -> None:
            if f'"type":"{what}"'.encode() in batch and left:
                left.pop()()
            append(self, position, batch)

        monkeypatch.setattr(SqliteBackend, "append", appended)

    return before


def test_who_writes_without_a_lease_meanwhile_is_not_lost(cli: Any, meddled: Any) -> None:
    grow(cli)
    meddled("migrated", lambda: record(cli, SKIPPED))
    assert migrate(cli, NEW).code == 0
    assert [b"export_skipped" in batch for batch in batches(cli, NEW)].count(True) == 1
    *copied, _ = batches(cli)
    assert batches(cli, NEW)[:-1] == copied


def test_who_writes_to_the_new_place_meanwhile_is_noticed(cli: Any, meddled: Any) -> None:
    grow(cli)

    def both() -> None:
        record(cli, SKIPPED)
        record(cli, SKIPPED, url=NEW)

    meddled("migrated", both)
    ran = migrate(cli, NEW)
    assert (ran.code, "holds something else" in ran.err) == (5, True)
    found = chain_of(cli).recorded
    assert (found.moved_to, found.lease) == (None, None)


def test_a_run_that_lost_its_lease_does_not_end_the_log(cli: Any, meddled: Any) -> None:
    grow(cli)
    meddled("migrated", lambda: record(cli, LeaseBroken(lease(cli), AT, "other", "by command")))
    ran = migrate(cli, NEW)
    assert (ran.code, "lease" in ran.err) == (5, True)
    assert chain_of(cli).recorded.moved_to is None


def lease(cli: Any) -> str:
    held = chain_of(cli).recorded.lease
    assert held is not None
    return held.run


@pytest.mark.parametrize("number", range(1, 12))
def test_lost_answers_of_the_new_place_are_looked_up(cli: Any, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    grow(cli)
    append, count = SqliteBackend.append, [0]

    def appended(self: SqliteBackend, position: int, batch: bytes) -> None:
        append(self, position, batch)
        count[0] += 1
        if count[0] == number:
            raise Unreachable("The answer was lost.", "Try again.")

    monkeypatch.setattr(SqliteBackend, "append", appended)
    assert migrate(cli, NEW).code == 0
    *copied, _ = batches(cli)
    assert batches(cli, NEW)[:-1] == copied
    assert chain_of(cli, NEW).recorded.lease is None


def test_a_place_out_of_reach_is_5_and_the_log_goes_on(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(cli)
    append = SqliteBackend.append

    def appended(self: SqliteBackend, position: int, batch: bytes) -> None:
        if self._name == "new.db" and position == 3:
            raise Unreachable("The network is gone.", "Wait.")
        append(self, position, batch)

    monkeypatch.setattr(SqliteBackend, "append", appended)
    ran = migrate(cli, NEW)
    assert (ran.code, "it goes on where it stopped" in ran.err) == (5, True)
    assert chain_of(cli).recorded.lease is None
    monkeypatch.undo()
    assert migrate(cli, NEW).code == 0


def test_an_archived_log_moves_too(cli: Any) -> None:
    chain = grow(cli)
    assert archive(cli, "one").code == 0
    assert migrate(cli, NEW).code == 0
    found = chain_of(cli, NEW)
    assert (resources(found), found.offset) == (resources(chain), 6)
    with opened(cli, NEW) as backend:
        assert next(iter(backend.read(WHOLE)[1]))[0] == 1
    assert rm(cli, "made-0", NEW).code == 0
    assert verify(cli, "--archive", "one", url=NEW).code == 0
    assert verify(cli, url=NEW).json["checkpoint"]["state"] == "good"
    assert archive(cli, "two", url=NEW).code == 0
    assert verify(cli, "--archive", "one", "--archive", "two", url=NEW).json["first"] == 1
    assert migrate(cli, "sqlite:third.db", url=NEW).code == 0
    assert rm(cli, "made-1", "sqlite:third.db").code == 0
    assert verify(cli, "--archive", "one", "--archive", "two", url="sqlite:third.db").code == 0


def test_what_was_archived_between_two_tries_is_no_hindrance(cli: Any) -> None:
    chain = grow(cli)
    with opened(cli, NEW) as backend:
        for position, batch in enumerate(batches(cli), 1):
            backend.append(position, batch)
    assert archive(cli, "one").code == 0
    stale = migrate(cli, NEW)
    assert (stale.code, "holds something else" in stale.err) == (5, True)  # the lease of the archive is missing there
    lines = [batch for _, batch in ExportedLog(cli.folder / "one").read(0)[1]]
    with opened(cli, NEW) as backend:
        backend.append(6, lines[5])
    assert migrate(cli, NEW).code == 0
    assert resources(chain_of(cli, NEW)) == resources(chain)
    assert chain_of(cli, NEW).offset == 0


def test_the_log_of_a_renamed_project(cli: Any) -> None:
    chain = grow(cli, log="before/prod")
    ran = migrate(cli, OLD, "--from-log", "before/prod")
    assert ran.code == 0
    assert "it was the log before/prod" in ran.out
    assert resources(chain_of(cli)) == resources(chain)
    assert chain_of(cli, log="before/prod").recorded.moved_to == "sqlite:old.db, log acme/default"
    assert rm(cli, "made-0", OLD).code == 0
    assert migrate(cli, OLD, "--from-log", "before/prod").code == 0
    for wrong in ("before", "a/b/c", "/", "a/"):
        assert migrate(cli, NEW, "--from-log", wrong).code == 64
    nothing = migrate(cli, NEW, "--from-log", "none/default")
    assert (nothing.code, "nothing in the log none/default" in nothing.err) == (64, True)
    assert migrate(cli, OLD, "--from-log", LOG).code == 64
    assert migrate(cli, OLD, "--from-log", LOG, "--from", "x").code == 64


def test_the_log_of_a_sandbox(cli: Any) -> None:
    cli.declare(BLUE)
    assert cli("apply", "--sandbox", "--yes").code == 0
    ran = cli("state", "migrate", "--sandbox", NEW)
    assert (ran.code, "--sandbox --state sqlite:new.db" in ran.out) == (0, True)
    assert cli("plan", "--sandbox", "--state", NEW, "--detailed-exitcode").code == 0
    assert chain_of(cli, NEW, "sandbox:acme/default").recorded.resources


def test_a_password_is_neither_shown_nor_recorded(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(cli)
    secret, real = "postgresql://ann:canary@host/db?key=canary", backends.open_backend
    monkeypatch.setattr(backends, "open_backend", lambda url, log: real(NEW if "canary" in url else url, log))
    for more in ((), ("--format", "json"), ("-v",)):
        ran = migrate(cli, secret, *more)
        assert ran.code == 0
        assert "canary" not in ran.out + ran.err
        assert "postgresql://host/db" in ran.out
    assert "complete the URL" in migrate(cli, secret).out
    assert chain_of(cli).recorded.moved_to == "postgresql://host/db"
    for file in cli.folder.glob("*.db*"):
        assert b"canary" not in file.read_bytes()


def test_a_url_that_makes_no_sense_is_64(cli: Any) -> None:
    grow(cli)
    before = batches(cli)
    assert migrate(cli, "nonsense").code == migrate(cli, "ftp://x").code == 64
    assert batches(cli) == before


def test_a_lease_of_somebody_else_is_respected(cli: Any) -> None:
    grow(cli)
    record(cli, LeaseTaken("r1", "2999-01-01T00:00:00Z", Holder("ann", "build-1", "", "apply"), "2999-01-01T00:01:00Z"))
    before = batches(cli)
    for ran in (migrate(cli, NEW), archive(cli, "one")):
        assert (ran.code, "ann on build-1" in ran.err) == (5, True)
    assert batches(cli) == before
    assert not (cli.folder / "new.db").exists()
    assert export(cli, "out").code == 0


# restore


def test_a_log_is_made_of_an_exported_one(cli: Any) -> None:
    chain = grow(cli)
    record(cli, LeaseTaken("r1", AT, Holder("ann", "build-1", "", "apply"), "2999-01-01T00:01:00Z"))
    assert export(cli, "out").code == 0
    ran = cli("state", "migrate", NEW, "--from", "out")
    assert (ran.code, "RECONCILER_STATE=sqlite:new.db" in ran.out) == (0, True)
    assert batches(cli, NEW)[:6] == batches(cli)
    assert chain_of(cli, NEW).recorded.lease is None
    assert resources(chain_of(cli, NEW)) == resources(chain)
    assert rm(cli, "made-0", NEW).code == 0
    gone_on = cli("state", "migrate", NEW, "--from", "out")
    assert (gone_on.code, "gone on by itself" in gone_on.err) == (5, True)
    assert rm(cli, "made-1", OLD).code == 5, "the lease is still held where it was exported from"


def test_a_marker_is_left_out(cli: Any) -> None:
    chain = grow(cli)
    assert migrate(cli, NEW).code == 0
    assert export(cli, "out").code == 0
    assert verify(cli, "out").json["moved_to"] == NEW
    ran = cli("state", "migrate", "sqlite:third.db", "--from", "out")
    assert (ran.code, "ends with a move to sqlite:new.db" in ran.out) == (0, True)
    assert resources(chain_of(cli, "sqlite:third.db")) == resources(chain)
    assert rm(cli, "made-0", "sqlite:third.db").code == 0


def test_a_damaged_file_is_copied_up_to_the_damage_and_said_so(cli: Any) -> None:
    grow(cli)
    assert export(cli, "out").code == 0
    whole = (cli.folder / "out").read_bytes()
    (cli.folder / "out").write_bytes(whole[:-30])
    ran = cli("state", "migrate", NEW, "--from", "out")
    assert (ran.code, "cut off" in ran.err) == (5, True)
    (cli.folder / "out").write_bytes(whole)
    assert cli("state", "migrate", NEW, "--from", "out").code == 0


def test_an_archived_log_is_restored(cli: Any) -> None:
    chain = grow(cli)
    assert archive(cli, "one").code == 0
    assert export(cli, "out").code == 0
    assert cli("state", "migrate", NEW, "--from", "out").code == 0
    assert resources(chain_of(cli, NEW)) == resources(chain)
    assert verify(cli, "--archive", "one", url=NEW).code == 0


# crashes


class Killer:
    """Runs the program in children that are killed at chosen moments."""

    def __init__(self, cli: Any) -> None:
        self.cli = cli
        self.process = subprocess.Popen(
            [sys.executable, DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cli.folder
        )

    def __call__(self, *arguments: str, kill: int | None = None) -> dict[str, Any]:
        asked = {"arguments": arguments, "folder": str(self.cli.folder), "kill": kill}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert isinstance(answer, dict)
        return answer

    def moments(self, *arguments: str, fresh: Callable[[], None]) -> Iterator[str]:
        """Kill the same command at each of its moments, on something fresh every time; give what was about to be."""
        number = 0
        while True:
            number += 1
            fresh()
            ran = self(*arguments, kill=number)
            if ran["code"] == 0:
                assert number > 10
                return
            assert ran["code"] == -9, ran
            yield ran["moment"]


@pytest.fixture
def killer(cli: Any) -> Iterator[Killer]:
    made = Killer(cli)
    yield made
    assert made.process.stdin is not None
    assert made.process.stdout is not None
    made.process.stdin.close()
    made.process.wait()
    made.process.stdout.close()


def cleared(cli: Any, batches: int = 3) -> Callable[[], None]:
    """Put an old log back as it was, and take away everything else."""
    grow(cli, batches)
    kept = (cli.folder / "old.db").read_bytes()

    def clear() -> None:
        for file in cli.folder.iterdir():
            if file.is_file():
                file.unlink()
        (cli.folder / "old.db").write_bytes(kept)

    return clear


def test_killed_at_any_moment_a_move_is_finished_by_the_next(cli: Any, killer: Killer) -> None:
    command = ("state", "migrate", NEW, "--state", OLD)
    markers = set()
    for moment in killer.moments(*command, fresh=cleared(cli)):
        old, new = chain_of(cli).recorded, chain_of(cli, NEW).recorded
        markers.add(old.moved_to)
        if old.moved_to is None:
            assert new.position <= old.position, moment
            assert batches(cli, NEW) == batches(cli)[: new.position], moment
        else:
            assert batches(cli, NEW)[: old.position - 1] == batches(cli)[:-1], moment
            assert rm(cli, "made-0", OLD).code == 5, moment
        ran = killer(*command)
        assert ran["code"] == 0, (moment, ran)
        found = chain_of(cli, NEW).recorded
        assert (found.lease, len(found.resources)) == (None, 3), moment
        assert chain_of(cli).recorded.moved_to == NEW, moment
        assert batches(cli, NEW)[: len(batches(cli)) - 1] == batches(cli)[:-1], moment
        assert rm(cli, "made-0", NEW).code == 0, moment
    assert markers == {None, NEW}


def test_killed_at_any_moment_of_a_move_somebody_can_write_in_exactly_one_place(cli: Any, killer: Killer) -> None:
    for moment in killer.moments("state", "migrate", NEW, "--state", OLD, fresh=cleared(cli)):
        moved = chain_of(cli).recorded.moved_to is not None
        wrote = [
            killer("state", "rm", "blue/report/made-0", "--state", url)["code"]
            for url in ((NEW, OLD) if moved else (OLD,))
        ]
        assert wrote == ([0, 5] if moved else [0]), moment


def test_killed_at_any_moment_an_archive_is_finished_by_the_next(cli: Any, killer: Killer) -> None:
    command = ("state", "archive", "one", "--state", OLD)
    trimmed = set()
    for moment in killer.moments(*command, fresh=cleared(cli)):
        first = verify(cli).json["first"]
        trimmed.add(first == 1)
        together = verify(cli) if first == 1 else verify(cli, "--archive", "one")
        assert (together.code, together.json["first"], together.json["resources"]) == (0, 1, 3), moment
        ran = killer(*command)
        assert ran["code"] == 0, (moment, ran)
        found = verify(cli, "--archive", "one").json
        assert (found["first"], found["resources"], found["damage"]) == (1, 3, None), moment
        assert verify(cli).json["first"] > 3, moment
        assert rm(cli, "made-0", OLD).code == 0, moment
    assert trimmed == {True, False}


def test_killed_at_any_moment_a_restore_is_finished_by_the_next(cli: Any, killer: Killer) -> None:
    grow(cli, 6)
    record(cli, LeaseTaken("r1", AT, Holder("ann", "build-1", "", "apply"), "2999-01-01T00:01:00Z"))
    assert export(cli, "out").code == 0
    kept = (cli.folder / "out").read_bytes()

    def clear() -> None:
        (cli.folder / "new.db").unlink(missing_ok=True)

    command = ("state", "migrate", NEW, "--from", "out")
    for moment in killer.moments(*command, fresh=clear):
        ran = killer(*command)
        if ran["code"] == 5:  # it had ended, but for saying so
            assert "gone on by itself" in ran["err"], (moment, ran)
        else:
            assert ran["code"] == 0, (moment, ran)
        assert chain_of(cli, NEW).recorded.lease is None, moment
        assert rm(cli, "made-0", NEW).code == 0, moment
    assert (cli.folder / "out").read_bytes() == kept


def test_an_interrupt_gives_the_lease_back(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(cli, 300)
    append = SqliteBackend.append

    def appended(self: SqliteBackend, position: int, batch: bytes) -> None:
        append(self, position, batch)
        if self._name == "new.db" and position == 60:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(SqliteBackend, "append", appended)
    assert migrate(cli, NEW).code == 130
    monkeypatch.undo()
    assert chain_of(cli).recorded.lease is None
    assert 60 <= len(batches(cli, NEW)) < 300
    assert migrate(cli, NEW).code == 0
