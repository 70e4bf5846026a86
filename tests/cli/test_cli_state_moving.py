"""The log moved to another place, or made anew from an exported one."""

from __future__ import annotations

import shutil
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backend_urls import BACKENDS, place
from whole_logs import (
    BLUE,
    LOG,
    NEW,
    OLD,
    SKIPPED,
    archive,
    at,
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

from reconciler.model.entry import Holder, LeaseBroken, LeaseTaken, Migrated
from reconciler.model.errors import Unreachable
from reconciler.state import backends, codec
from reconciler.state.backends import WHOLE, open_backend
from reconciler.state.chain import load
from reconciler.state.exported import ExportedLog
from reconciler.testing.growing import AT, checkpoint, grown, put

pytestmark = pytest.mark.usefixtures("any_clock")


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
            shared = target == "sqlite" and source != "sqlite"
            marked = f"{ran.json['to']} on {socket.gethostname()}" if shared else ran.json["to"]
            assert load(old).recorded.moved_to == marked
            assert (f"{marked} is a file of this machine" in ran.err) is shared
            assert migrate(cli, other.url, url=one.url).code == 0
            assert isinstance(codec.unseal(codec.link(marker[1]), marker[1])[-1], Migrated)
        assert rm(cli, "made-0", other.url).code == 0
        refused = rm(cli, "made-1", one.url)
        assert (refused.code, "was moved to" in refused.err) == (5, True)
        assert verify(cli, url=other.url).code == verify(cli, url=one.url).code == 0


def test_it_says_what_to_set(cli: Any) -> None:
    grow(cli)
    ran = migrate(cli, NEW)
    assert f"RECONCILER_STATE={at(cli)}\n" in ran.out
    assert f"spec.state: {at(cli)}\n" in ran.out
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
    assert (on.code, f"moved on from there, to {at(cli, 'sqlite:third.db')}" in on.out) == (0, True)
    elsewhere = migrate(cli, "sqlite:fourth.db")
    assert (elsewhere.code, f"moved to {at(cli)} already" in elsewhere.err) == (5, True)
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
    assert f"{at(cli)} holds something else than the beginning of this log: another log, up to position 3" in ran.err
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


def test_the_beginning_of_the_log_is_gone_on_with(cli: Any) -> None:
    grow(cli)
    with opened(cli, NEW) as backend:
        for position, batch in enumerate(batches(cli)[:3], 1):
            backend.append(position, batch)
    ran = migrate(cli, NEW, "--format", "json")
    assert (ran.code, ran.json["copied"]["batches"]) == (0, 3)  # two, and the lease
    assert resources(chain_of(cli, NEW)) == resources(chain_of(cli))


def test_damage_is_not_copied(cli: Any) -> None:
    chain = grow(cli)
    with opened(cli) as backend:
        put(chain, backend, [SKIPPED])
        checkpoint(chain, backend)
    change(cli, 3, lambda batch: batch[:-1])
    ran = migrate(cli, NEW)
    assert (ran.code, "Position 3" in ran.err) == (5, True)
    assert len(batches(cli, NEW)) == 2
    with opened(cli) as backend:
        assert load(backend).recorded.moved_to is None


def test_a_place_that_does_not_keep_what_it_is_given_is_found_out(cli: Any, patch: pytest.MonkeyPatch) -> None:
    grow(cli)

    def forgetful(self: Any, position: int, batch: bytes) -> None:
        self.inner.append(position, batch.replace(b"made-3", b"fade-3") if self.url == NEW else batch)

    through(patch, forgetful)
    assert migrate(cli, NEW).code == 5
    patch.undo()
    assert chain_of(cli).recorded.moved_to is None
    assert rm(cli, "made-0", OLD).code == 0


def test_who_writes_without_a_lease_meanwhile_is_not_lost(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(cli)
    meddle(monkeypatch, "migrated", lambda: record(cli, SKIPPED))
    assert migrate(cli, NEW).code == 0
    assert [b"export_skipped" in batch for batch in batches(cli, NEW)].count(True) == 1
    *copied, _ = batches(cli)
    assert batches(cli, NEW)[:-1] == copied


def test_who_writes_to_the_new_place_meanwhile_is_noticed(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(cli)

    def both() -> None:
        record(cli, SKIPPED)
        record(cli, replace(SKIPPED, reason="another"), url=NEW)

    meddle(monkeypatch, "migrated", both)
    ran = migrate(cli, NEW)
    assert (ran.code, "holds something else" in ran.err) == (5, True)
    found = chain_of(cli).recorded
    assert (found.moved_to, found.lease) == (None, None)


def test_a_run_that_lost_its_lease_does_not_end_the_log(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(cli)
    meddle(monkeypatch, "migrated", lambda: record(cli, LeaseBroken(lease(cli), AT, "other", "by command")))
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
    count = [0]

    def appended(self: Any, position: int, batch: bytes) -> None:
        self.inner.append(position, batch)
        count[0] += 1
        if count[0] == number:
            raise Unreachable("The answer was lost.", "Try again.")

    through(monkeypatch, appended)
    assert migrate(cli, NEW).code == 0
    *copied, _ = batches(cli)
    assert batches(cli, NEW)[:-1] == copied
    assert chain_of(cli, NEW).recorded.lease is None


def test_a_place_out_of_reach_is_5_and_the_log_goes_on(cli: Any, patch: pytest.MonkeyPatch) -> None:
    grow(cli)

    def appended(self: Any, position: int, batch: bytes) -> None:
        if self.url == NEW and position == 3:
            raise Unreachable("The network is gone.", "Wait.")
        self.inner.append(position, batch)

    through(patch, appended)
    ran = migrate(cli, NEW)
    assert (ran.code, "it goes on where it stopped" in ran.err) == (5, True)
    assert chain_of(cli).recorded.lease is None
    patch.undo()
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
    assert chain_of(cli, log="before/prod").recorded.moved_to == f"{at(cli, OLD)}, log acme/default"
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
    assert (ran.code, f"--sandbox --state {at(cli)}" in ran.out) == (0, True)
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


def test_a_log_is_made_of_an_exported_one(cli: Any) -> None:
    chain = grow(cli)
    record(cli, LeaseTaken("r1", AT, Holder("ann", "build-1", "", "apply"), "2999-01-01T00:01:00Z"))
    assert export(cli, "out").code == 0
    ran = cli("state", "migrate", NEW, "--from", "out")
    assert (ran.code, f"RECONCILER_STATE={at(cli)}" in ran.out) == (0, True)
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
    assert verify(cli, "out").json["moved_to"] == at(cli)
    ran = cli("state", "migrate", "sqlite:third.db", "--from", "out")
    assert (ran.code, f"ends with a move to {at(cli)}" in ran.out) == (0, True)
    assert resources(chain_of(cli, "sqlite:third.db")) == resources(chain)
    assert rm(cli, "made-0", "sqlite:third.db").code == 0


@pytest.mark.parametrize("end", [10, 800, -30, -1])
def test_nothing_is_made_of_a_damaged_file(cli: Any, end: int) -> None:
    grow(cli)
    assert export(cli, "out").code == 0
    whole = (cli.folder / "out").read_bytes()
    for wrong in (whole[:end], whole[:end] + b"?" + whole[end:]):
        (cli.folder / "out").write_bytes(wrong)
        ran = cli("state", "migrate", NEW, "--from", "out")
        assert (ran.code, ran.out) == (5, "")
        assert "out is no exported log" in ran.err or "exported log out is damaged" in ran.err
        assert "Restore the state" not in ran.err
        assert not (cli.folder / "new.db").exists()
    (cli.folder / "out").write_bytes(whole)
    assert cli("state", "migrate", NEW, "--from", "out").code == 0


def test_an_archived_log_is_restored(cli: Any) -> None:
    chain = grow(cli)
    assert archive(cli, "one").code == 0
    assert export(cli, "out").code == 0
    assert cli("state", "migrate", NEW, "--from", "out").code == 0
    assert resources(chain_of(cli, NEW)) == resources(chain)
    assert verify(cli, "--archive", "one", url=NEW).code == 0
