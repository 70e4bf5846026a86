"""Killed at any moment, and whatever else is done to a whole log: nothing of it is lost."""

from __future__ import annotations

import os
import random
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import state_moments
from backend_urls import BACKENDS, place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killer import Killer, Ran, killer
from whole_logs import (
    LOG,
    NEW,
    OLD,
    SKIPPED,
    archive,
    at,
    batches,
    chain_of,
    export,
    grow,
    migrate,
    opened,
    record,
    resources,
    rm,
    through,
    verify,
)

from reconciler.model.entry import Holder, LeaseTaken
from reconciler.state.backends import WHOLE, open_backend
from reconciler.state.chain import load
from reconciler.testing.growing import AT

pytestmark = pytest.mark.usefixtures("any_clock")


@dataclass(frozen=True)
class Here:
    """Runs the program in the project's folder, killed or not."""

    cli: Any
    child: Killer

    def __call__(self, *arguments: str, kill: int | None = None) -> Ran:
        return self.child(arguments, self.cli.folder, kill and ("", kill))

    def moments(self, *arguments: str, fresh: Callable[[], None]) -> Iterator[str]:
        """Kill the same command at each of its moments, on something fresh every time; give what was about to be."""
        for number in count(1):
            fresh()
            ran = self(*arguments, kill=number)
            if ran.code == 0:
                assert number > 10
                return
            assert ran.code == -signal.SIGKILL, ran
            yield ran.last


@pytest.fixture
def here(cli: Any, any_clock: None) -> Iterator[Here]:
    with killer(state_moments) as child:
        yield Here(cli, child)


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


def test_killed_at_any_moment_a_move_is_finished_by_the_next(cli: Any, here: Here) -> None:
    command = ("state", "migrate", NEW, "--state", OLD)
    markers = set()
    for moment in here.moments(*command, fresh=cleared(cli)):
        old, new = chain_of(cli).recorded, chain_of(cli, NEW).recorded
        markers.add(old.moved_to)
        if old.moved_to is None:
            assert new.position <= old.position, moment
            assert batches(cli, NEW) == batches(cli)[: new.position], moment
        else:
            assert batches(cli, NEW)[: old.position - 1] == batches(cli)[:-1], moment
            assert rm(cli, "made-0", OLD).code == 5, moment
        ran = here(*command)
        assert ran.code == 0, (moment, ran)
        found = chain_of(cli, NEW).recorded
        assert (found.lease, len(found.resources)) == (None, 3), moment
        assert chain_of(cli).recorded.moved_to == at(cli), moment
        assert batches(cli, NEW)[: len(batches(cli)) - 1] == batches(cli)[:-1], moment
        assert rm(cli, "made-0", NEW).code == 0, moment
    assert markers == {None, at(cli)}


def test_killed_at_any_moment_of_a_move_somebody_can_write_in_exactly_one_place(cli: Any, here: Here) -> None:
    for moment in here.moments("state", "migrate", NEW, "--state", OLD, fresh=cleared(cli)):
        moved = chain_of(cli).recorded.moved_to is not None
        wrote = [
            here("state", "rm", "blue/report/made-0", "--state", url).code for url in ((NEW, OLD) if moved else (OLD,))
        ]
        assert wrote == ([0, 5] if moved else [0]), moment


def test_killed_at_any_moment_an_archive_is_finished_by_the_next(cli: Any, here: Here) -> None:
    command = ("state", "archive", "one", "--state", OLD)
    trimmed = set()
    for moment in here.moments(*command, fresh=cleared(cli)):
        first = verify(cli).json["first"]
        trimmed.add(first == 1)
        together = verify(cli) if first == 1 else verify(cli, "--archive", "one")
        assert (together.code, together.json["first"], together.json["resources"]) == (0, 1, 3), moment
        ran = here(*command)
        assert ran.code == 0, (moment, ran)
        found = verify(cli, "--archive", "one").json
        assert (found["first"], found["resources"], found["damage"]) == (1, 3, None), moment
        assert verify(cli).json["first"] > 3, moment
        assert rm(cli, "made-0", OLD).code == 0, moment
    assert trimmed == {True, False}


def test_killed_at_any_moment_a_restore_is_finished_by_the_next(cli: Any, here: Here) -> None:
    grow(cli, 6)
    record(cli, LeaseTaken("r1", AT, Holder("ann", "build-1", "", "apply"), "2999-01-01T00:01:00Z"))
    assert export(cli, "out").code == 0
    kept = (cli.folder / "out").read_bytes()

    def clear() -> None:
        (cli.folder / "new.db").unlink(missing_ok=True)

    command = ("state", "migrate", NEW, "--from", "out")
    for moment in here.moments(*command, fresh=clear):
        ran = here(*command)
        if ran.code == 5:  # it had ended, but for saying so
            assert "gone on by itself" in ran.err, (moment, ran)
        else:
            assert ran.code == 0, (moment, ran)
        assert chain_of(cli, NEW).recorded.lease is None, moment
        assert rm(cli, "made-0", NEW).code == 0, moment
    assert (cli.folder / "out").read_bytes() == kept


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_killed_on_the_way_to_any_backend_a_move_is_finished_by_the_next(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    fresh = cleared(cli)
    step = 1 if os.environ.get("RECONCILER_MATRIX") else 6
    number = random.randrange(1, step + 1)
    while True:
        fresh()
        (folder := tmp_path / f"at{number}").mkdir()
        with place(backend, folder) as there, monkeypatch.context() as patch:
            for name, value in there.environment.items():
                patch.setenv(name, value)
            command = ("state", "migrate", there.url, "--state", OLD)
            with killer(state_moments) as child:
                ran = Here(cli, child)(*command, kill=number)
            where = ran.last
            again = migrate(cli, there.url)
            assert again.code == 0, (where, again)
            with closing(open_backend(there.url, LOG)) as new:
                *copied, _ = batches(cli)
                assert [batch for _, batch in new.read(WHOLE)[1]][: len(copied)] == copied, where
                assert load(new).recorded.lease is None, where
            assert rm(cli, "made-0", there.url).code == 0, where
        if ran.code == 0:
            return
        number += step


STEPS = st.lists(st.sampled_from(["rm", "skip", "archive", "migrate", "restore", "verify"]), min_size=1, max_size=9)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_done_to_a_log_nothing_of_it_is_lost(cli: Any, steps: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir=cli.folder) as name, pytest.MonkeyPatch.context() as patch:
        patch.chdir(name)
        here = replace(cli, folder=Path(name))
        state = dict(resources(grow(here, 9)))
        url, archives, written = OLD, list[str](), 9
        for number, step in enumerate(steps):
            place_of = f"sqlite:place{number}.db"
            if step == "rm":
                address = next(iter(state))
                del state[address]
                assert rm(here, address.name, url).code == 0
                written += 3
            elif step == "skip":
                record(here, SKIPPED, url=url)
                written += 1
            elif step == "archive":
                assert archive(here, f"archive{number}", url=url).code == 0
                archives.append(f"--archive=archive{number}")
                written += 3
            elif step == "migrate":
                assert migrate(here, place_of, url=url).code == 0
                url, written = place_of, written + 2
            elif step == "restore":
                assert export(here, f"out{number}", url=url).code == 0
                assert here("state", "migrate", place_of, "--from", f"out{number}").code == 0
                url = place_of
            checked = verify(here, *archives, url=url)
            assert (checked.code, checked.json["batches"], checked.json["last"]) == (0, written, written), step
            assert verify(here, url=url).json["last"] == written
            assert resources(chain_of(here, url)) == state
            with opened(here, url) as backend:
                assert load(backend).recorded == chain_of(here, url).recorded


def test_an_interrupt_gives_the_lease_back(cli: Any, patch: pytest.MonkeyPatch) -> None:
    grow(cli, 300)

    def appended(self: Any, position: int, batch: bytes) -> None:
        self.inner.append(position, batch)
        if self.url == NEW and position == 60:
            os.kill(os.getpid(), signal.SIGINT)

    through(patch, appended)
    assert migrate(cli, NEW).code == 130
    patch.undo()
    assert chain_of(cli).recorded.lease is None
    assert 60 <= len(batches(cli, NEW)) < 300
    assert migrate(cli, NEW).code == 0
