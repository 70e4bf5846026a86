"""The log checked, exported and archived."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from whole_logs import (
    BLUE,
    LOG,
    NEW,
    OLD,
    SKIPPED,
    archive,
    batches,
    chain_of,
    change,
    export,
    grow,
    meddle,
    migrate,
    opened,
    record,
    resources,
    rm,
    through,
    verify,
)

from reconciler.model.entry import Holder, LeaseTaken
from reconciler.model.errors import Unreachable
from reconciler.state import codec, snapshot
from reconciler.state.backends import WHOLE
from reconciler.state.exported import ExportedLog
from reconciler.testing.growing import AT, checkpoint, grown, put

pytestmark = pytest.mark.usefixtures("any_clock")


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

    def away(self: Any, after: int) -> Any:
        def one() -> Iterator[tuple[int, bytes]]:
            yield next(iter(self.inner.read(WHOLE)[1]))
            raise Unreachable("The network is gone.", "Try again.")

        return None, one()

    through(monkeypatch, read=away)
    for ran in (export(cli, "out"), verify(cli)):
        assert (ran.code, ran.out) == (5, "")
        assert "The network is gone" in ran.err
    assert not (cli.folder / "out").exists()


@pytest.mark.parametrize(
    "content",
    ["", "hello\n", '{"format":"reconciler.export/2"}\n', '{"format":"reconciler.export/1","log":5,"first":1}\n'],
)
def test_what_is_no_exported_log_is_5(cli: Any, content: str) -> None:
    cli.declare(BLUE)
    cli.write("out", content)
    for ran in (verify(cli, "out"), verify(cli, "--archive", "out"), migrate(cli, NEW, "--from", "out")):
        assert (ran.code, ran.out) == (5, "")
        assert "The log is" not in ran.err
    assert verify(cli, "none").code == verify(cli, "--archive", "none").code == 64
    assert migrate(cli, NEW, "--from", "none").code == 64


def test_a_file_of_another_sort_says_so_without_a_project(cli: Any) -> None:
    grow(cli)
    assert export(cli, "out").code == 0
    shutil.rmtree(cli.folder / "manifests")
    assert cli("state", "verify", "out").code == 0


def test_an_archive_and_the_rest_verify_together(cli: Any) -> None:
    chain = grow(cli)
    ran = archive(cli, "one", "--format", "json")
    assert ran.code == 0
    assert (ran.json["first"], ran.json["last"], ran.json["batches"]) == (1, 6, 6)  # the lease is among them
    assert (ran.json["already"], ran.json["bytes"]) == (False, (cli.folder / "one").stat().st_size)
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
    size = f"{len(before):,} bytes"
    again = archive(cli, "one")
    assert again.code == 0, "what it had to do is done"
    assert "archived already, nothing was left to do: 6 batches" in again.out
    assert size in again.out
    assert archive(cli, "one", "--format", "json").json["already"] is True
    assert verify(cli).json["first"] == 7
    cli.write("mine", "mine")
    assert archive(cli, "mine").code == 64
    assert export(cli, "other").code == 0
    assert archive(cli, "other").code == 64
    assert ((cli.folder / "one").read_bytes(), (cli.folder / "mine").read_text()) == (before, "mine")
    folder = archive(cli, "manifests")
    assert (folder.code, "no file" in folder.err, "name another file" in folder.err) == (64, True, True)


def test_a_damaged_log_is_not_archived(cli: Any) -> None:
    chain = grow(cli)
    with opened(cli) as backend:
        put(chain, backend, [SKIPPED])
        checkpoint(chain, backend)
    change(cli, 3, lambda batch: batch[:-1])
    before = batches(cli)
    assert archive(cli, "one").code == 5
    assert not (cli.folder / "one").exists()
    assert batches(cli)[: len(before)] == before


def test_a_file_that_does_not_hold_what_was_written_is_not_believed(cli: Any, patch: pytest.MonkeyPatch) -> None:
    chain = grow(cli)
    fsync = os.fsync

    def lossy(descriptor: int) -> None:
        """A disk that loses the last bytes."""
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - 10)
        fsync(descriptor)

    patch.setattr(os, "fsync", lossy)
    ran = archive(cli, "one")
    assert ran.code == 5
    patch.undo()
    assert verify(cli).json["first"] == 1
    assert resources(chain_of(cli)) == resources(chain)


def test_who_writes_without_a_lease_while_it_is_archived_is_not_lost(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(cli)
    meddle(monkeypatch, "archived", lambda: record(cli, SKIPPED))
    assert archive(cli, "one").code == 0
    *_, (_, last) = ExportedLog(cli.folder / "one").read(0)[1]
    assert b"export_skipped" in last
    assert verify(cli, "--archive", "one").code == 0
