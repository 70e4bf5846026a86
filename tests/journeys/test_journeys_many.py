"""Sixteen processes at once on one log, on every backend: each has its turn, and in the end there is what is declared.

They do not all declare the same, so they make, change and delete what others have made; some run what is due, and
operators look, move, settle and unlock meanwhile.  RECONCILER_MANY is how often; by default what costs most is done on
some of the backends only.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from backend_urls import SERVED, place
from crowd import Ended
from strict_team import Team, begun, team

ALL = ("sqlite", "git", *SERVED)
MANY = os.environ.get("RECONCILER_MANY")
ROUNDS = int(MANY or "1")
WAIT = ("--lock-timeout", "120")
DAILY = ', schedule: "0 6 * * *"'
MUTATIONS = ("createReport", "updateReport", "deleteReport", "createOrganizationReport", "exportOrganizationReport")


@pytest.fixture
def gathered(tmp_path: Path) -> Callable[[str], AbstractContextManager[Team]]:
    @contextmanager
    def gather(backend: str) -> Iterator[Team]:
        with place(backend, tmp_path) as where, team(tmp_path, where) as all_:
            yield all_

    return gather


def reports(count: int, version: int) -> Mapping[str, str]:
    """The first of them keep their titles; one in three has a new one in every version."""
    return {f"r{n}": f"t{n}-{version if n % 3 == 0 else 0}" for n in range(1, count + 1)}


def declare(all_: Team, version: int, exports: Mapping[str, str], more: str = "") -> list[str]:
    """Ten reports in one folder, eight of them in the other; returns the titles of the ten."""
    all_.declare(reports(10, version), exports, more, at="ten")
    all_.declare(reports(8, version), exports, more, at="eight")
    return list(reports(10, version).values())


def folder(number: int) -> str:
    return "ten" if number % 2 else "eight"


@pytest.mark.parametrize("backend", ALL)
def test_sixteen_that_wait_for_each_other(
    backend: str, gathered: Callable[[str], AbstractContextManager[Team]]
) -> None:
    with gathered(backend) as all_:
        told: dict[str, int] = {}
        for version in range(ROUNDS):  # from nothing, and with changes
            titles = declare(all_, version, {"e1": f"for_{version}"})
            everybody = all_.crowd(*(all_.applying(*WAIT, at=folder(number)) for number in range(16)))
            assert [ended.code for ended in everybody] == [0] * 16, everybody
            assert all_.live() in (Counter(titles), Counter(reports(8, version).values()))
            last = all_.apply(at="ten")
            assert last.code == 0, last
            all_.settled(titles, at="ten")
            assert all_.exported() == {f"for_{made}": 1 for made in range(version + 1)}
            assert len({file.name for file in all_.files()}) == version + 1
            told |= {run["run"]: run["exit_code"] for ended in (*everybody, last) for run in begun(ended)}
        known = all_.history("ten")
        assert {run: known[run]["exit_code"] for run in told} == told
        assert {known[run]["state"] for run in told} == {"finished"}


@pytest.mark.parametrize("backend", ALL if MANY else ["postgresql", "s3"])
def test_sixteen_that_do_not_wait(backend: str, gathered: Callable[[str], AbstractContextManager[Team]]) -> None:
    with gathered(backend) as all_:
        titles = declare(all_, 0, {"e1": "once"})
        all_.server.fail("createReport", "slow", seconds=1)  # until most have come
        everybody = all_.crowd(*(all_.applying(at="ten") for _ in range(16)))
        assert {ended.code for ended in everybody} == {0, 5}, everybody
        for ended in everybody:
            assert ended.code == 0 or "holds the state: `apply`, run " in ended.err, ended
            assert ended.code == 0 or "--lock-timeout SECONDS" in ended.err, ended
        all_.settled(titles, at="ten")
        assert set(all_.server.made.values()) == {1}
        assert all_.exported() == {"once": 1}
        assert len(all_.files()) == 1


def everything(all_: Team, now: str) -> list[Ended]:
    """Applies, of which some find an export due, and operators' commands, all at once."""
    chance = random.Random()

    def soon(latest: float) -> float:
        return chance.uniform(0, latest)

    applies = [
        all_.applying(*WAIT, "--concurrency", "2", at=folder(number), now=now if number < 4 else "", begin=soon(0.5))
        for number in range(8)
    ]
    mine = ("--settle-delay", all_.settle, *WAIT)
    operators = [
        *[("state", "list"), ("history",), ("state", "settle", *mine)],
        *[("state", "mv", "blue/report/r8", "blue/report/r88", *WAIT), ("state", "verify")],
        *[("state", "unlock", "--yes")] * 3,
    ]
    others = [all_.task(*command, at="ten", begin=soon(1.5)) for command in operators]
    found = all_.crowd(*applies, *others)
    for task, ended in zip((*applies, *others), found, strict=True):
        verify(ended, task.arguments)
    return found


def verify(ended: Ended, command: tuple[str, ...]) -> None:
    """Nobody fails but those who were evicted, and those who found what is in doubt or no longer there."""
    reads = command[0] == "history" or command[1] in ("list", "verify")
    allowed = {0} if reads else {0, 5, 64} if command[1] == "mv" else {0, 5, 7}
    assert ended.code in allowed, (command, ended)
    if ended.code == 5:
        said = "Nobody was evicted; look again." if "unlock" in command else "was taken away"
        assert said in ended.err, (command, ended)


@pytest.mark.parametrize("backend", ALL if MANY else ["sqlite", "git-daemon"])
def test_sixteen_of_all_sorts(backend: str, gathered: Callable[[str], AbstractContextManager[Team]]) -> None:
    with gathered(backend) as all_:
        all_.lease, all_.settle = 9.0, "5.5"  # what an evicted process had intended leaves within 5.25 s
        declare(all_, 0, {"e1": "daily"}, DAILY)
        assert all_.apply(at="ten").code == 0
        for operation in MUTATIONS:
            all_.server.fail(operation, "slow", seconds=0.1, times=10**9)
        for version in range(1, ROUNDS + 1):
            titles = declare(all_, version, {"e1": "daily"}, DAILY)
            now = (datetime.now(UTC) + timedelta(days=version)).replace(hour=7).isoformat()
            everything(all_, now)
            last = all_.apply(at="ten", now=now)
            if last.code == 7:
                all_.say_what_was_exported("ten")
                last = all_.apply(at="ten", now=now)
            assert last.code == 0, last
            all_.settled(titles, at="ten", now=now)
            assert all_.exported() == {"daily": version}
            assert len({file.name for file in all_.files()}) == version


@pytest.mark.parametrize("command", ["apply", "settle"])
def test_what_comes_in_doubt_while_it_waits_is_looked_up_as_well(
    gathered: Callable[[str], AbstractContextManager[Team]], command: str
) -> None:
    """Also when it belongs to the service of which nothing was in doubt before."""
    with gathered("sqlite") as all_:
        all_.settle = "1.5"
        for operation in ("createReport", "createOrganizationReport"):
            all_.server.fail(operation, "hang", seconds=60)
        all_.declare({"r2": "blue"})
        (first,) = all_.crowd(all_.applying(kill=0.8))
        all_.declare({"r2": "blue", "r3": "saved"})
        waiting = {
            "apply": all_.applying(*WAIT, begin=1),
            "settle": all_.task("state", "settle", "--settle-delay", all_.settle, *WAIT, begin=1),
        }
        second, third = all_.crowd(all_.applying(kill=4), waiting[command])
        assert (first.code, second.code) == (-9, -9), (first, second)
        assert third.code == 0, third
        assert "no credentials" not in third.err
        assert {"apply": "planning again: ", "settle": "looking again: "}[command] in third.err
        if command == "settle":
            assert all_.run("state", "list").code == 0
            assert all_.apply().code == 0
        all_.settled(["blue", "saved"])


def test_what_somebody_else_is_just_doing_is_not_in_doubt(
    gathered: Callable[[str], AbstractContextManager[Team]],
) -> None:
    """Nobody is asked what became of an export while the run that starts it waits for the answer."""
    with gathered("sqlite") as all_:
        all_.server.fail("exportOrganizationReport", "slow", seconds=2)
        all_.declare({}, {"e1": "one"})
        first, second = all_.crowd(all_.applying(), all_.applying(begin=1))
        assert (first.code, second.code) == (0, 0), (first, second)
        assert "pipefy/export/e1: `apply` of " in second.err
        assert "--as" not in second.err
        all_.settled([])
        assert all_.exported() == {"one": 1}


def test_what_somebody_was_doing_who_is_dead_is_in_doubt(
    gathered: Callable[[str], AbstractContextManager[Team]],
) -> None:
    with gathered("sqlite") as all_:
        all_.server.fail("exportOrganizationReport", "slow", seconds=2)
        all_.declare({}, {"e1": "one"})
        first, second = all_.crowd(all_.applying(kill=1), all_.applying(begin=1.2))
        assert (first.code, second.code) == (-9, 7), (first, second)
        assert "state settle pipefy/export/e1 --as ID" in second.err
