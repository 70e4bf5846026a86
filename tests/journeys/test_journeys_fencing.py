"""Evicted, paused, or with a wrong clock, an apply stops before its next mutation, and nothing is made twice.

RECONCILER_FENCING sets how often each race is run; the default keeps the suite quick.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import strict_server
from running import Program, Ran
from strict_server import Server

ROUNDS = int(os.environ.get("RECONCILER_FENCING", "1"))
DRIVING = Path(__file__).resolve().parents[1] / "support" / "driving.py"
LEASE = 3.0
SETTLE = "2.2"  # more than the part of the lease in which what was intended may leave

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: acme}
spec: {providers: {pipefy: {organization: 300123456}}}
"""
BLUE = """\
apiVersion: blue/v1
kind: Report
metadata: {name: NAME}
spec:
  title: Blue NAME
  dataSources: [{filters: {done: false}}]
"""
SAVED = """\
apiVersion: pipefy/v1
kind: Report
metadata: {name: NAME}
spec: {name: Saved NAME, pipeIds: [301000001], fields: [title]}
"""
APPLY = ("apply", "--yes", "--format", "json", "--settle-delay", SETTLE)


@dataclass
class Team:
    """People who apply the same manifests at once, against a server that counts."""

    program: Program
    server: Server
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, **choices: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(DRIVING), json.dumps({"lease": LEASE, **choices}), *(arguments or APPLY)],
            cwd=self.program.folder,
            env=self.program.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def apply(self, *more: str, **choices: Any) -> Ran:
        return ended(self.start(*APPLY, *more, **choices))

    def settled(self, count: int) -> None:
        """There is one object per manifest, and nothing is left to do."""
        assert (len(self.server.made), set(self.server.made.values())) == (count, {1}), self.server.made
        left = self.program("plan", "--refresh", "--detailed-exitcode")
        assert left.code == 0, left.out + left.err
        assert self.server.violations == []


def ended(process: subprocess.Popen[str]) -> Ran:
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    return Ran(process.returncode, out, err)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def stopped(process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None, process.communicate()
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with strict_server.serving() as server:
        variables = {
            "BLUE_API_URL": f"{server.url}/blue/graphql",
            "BLUE_TOKEN_ID": strict_server.TOKEN_ID,
            "BLUE_TOKEN_SECRET": strict_server.TOKEN_SECRET,
            "BLUE_ORG_ID": strict_server.COMPANY_SLUG,
            "PIPEFY_API_URL": f"{server.url}/graphql",
            "PIPEFY_TOKEN": strict_server.PIPEFY_TOKEN,
            "RECONCILER_TRUSTED_HOSTS": f"127.0.0.1:{server.port}",
        }
        found = Team(Program(tmp_path, variables), server)
        found.program.write("manifests/reconciler.yaml", PROJECT)
        yield found
        for process in found.running:
            process.kill()
            process.communicate()


def declare(team: Team, count: int) -> None:
    halves = [(BLUE if number % 2 else SAVED).replace("NAME", f"n{number}") for number in range(count)]
    team.program.write("manifests/all.yaml", "---\n".join(halves))


def sent(team: Team) -> int:
    return len(team.server.mutations)


@pytest.mark.parametrize("moment", ["intended", "turn", "unconnected", "headers"])
def test_stopped_for_longer_than_its_lease_it_sends_nothing_more(team: Team, moment: str) -> None:
    declare(team, 3)
    paused = team.start(*APPLY, "--concurrency", "1", stop=moment)
    until(lambda: stopped(paused))
    began = sent(team)
    other = team.apply("--lock-timeout", "30")
    assert other.code == 0, other.err
    assert "watching" in other.err or "waiting" in other.err
    after = sent(team)
    os.kill(paused.pid, signal.SIGCONT)
    ran = ended(paused)
    assert ran.code == 5, ran.err
    assert "error: The lease of run" in ran.err
    assert (began, sent(team)) == (0, after)
    assert [event["exit_code"] for event in ran.events if event["type"] == "run.finished"] == [5]
    team.settled(3)


def test_what_was_never_sent_is_known_not_to_have_happened(team: Team) -> None:
    """Also when nobody else was there: it ends rejected, and the next apply has nothing to settle."""
    declare(team, 2)
    paused = team.start(*APPLY, "--concurrency", "1", stop="turn")
    until(lambda: stopped(paused))
    time.sleep(LEASE + 0.1)
    os.kill(paused.pid, signal.SIGCONT)
    ran = ended(paused)
    assert (ran.code, sent(team)) == (5, 0), ran.err
    assert [event["code"] for event in ran.events if event["type"] == "step.rejected"] == ["LOCKED"]
    assert team.program("state", "list", "--format", "json").json["in_doubt"] == []
    assert team.apply().code == 0
    team.settled(2)


def test_unlocked_while_a_request_is_under_way(team: Team) -> None:
    declare(team, 6)
    team.server.fail("createReport", "slow", seconds=2, times=10)
    running = team.start(*APPLY, "--concurrency", "2")
    until(lambda: sent(team) == 2)
    asked = team.program("state", "unlock", answer="n\n")
    assert asked.code == 130
    assert "`apply`" in asked.err
    unlocked = team.program("state", "unlock", "--yes", "--format", "json")
    assert unlocked.code == 0, unlocked.err
    evicted = unlocked.json["evicted"]
    assert evicted["command"] == "apply"
    ran = ended(running)
    assert ran.code == 5, ran.err
    assert f"by command of {evicted['user']} on {evicted['host']}" in ran.err
    assert sent(team) == 2
    known = team.program("state", "list", "--format", "json").json
    assert (len(known["in_doubt"]), known["resources"]) == (2, [])
    team.server.faults.clear()
    assert team.apply().code == 0
    team.settled(6)


@pytest.mark.parametrize("hours", [5, -5])
def test_a_clock_that_is_set_during_a_run_stops_it(team: Team, hours: int) -> None:
    declare(team, 4)
    ran = team.apply("--concurrency", "1", at="turn", jump=3600.0 * hours)
    assert (ran.code, sent(team)) == (5, 0), ran.err
    assert "The clock of this machine was changed" in ran.err
    assert team.apply().code == 0
    team.settled(4)


@pytest.mark.parametrize("hours", [5, -5])
def test_a_clock_that_is_wrong_evicts_nobody(team: Team, hours: int) -> None:
    declare(team, 3)
    for operation in ("createReport", "createOrganizationReport"):
        team.server.fail(operation, "slow", seconds=1.2, times=10)
    running = team.start(*APPLY, "--concurrency", "1")
    until(lambda: sent(team) == 1)
    wrong = team.apply(ahead=3600.0 * hours)
    assert wrong.code == 5, wrong.err
    assert f"about 5 hours {'ahead of' if hours > 0 else 'behind'} that of" in wrong.err
    ran = ended(running)
    assert ran.code == 0, ran.err
    team.settled(3)


def test_a_clock_that_is_behind_what_was_recorded_starts_nothing(team: Team) -> None:
    declare(team, 1)
    assert team.apply().code == 0
    declare(team, 2)
    refused = team.apply(ahead=-18_000.0)
    assert (refused.code, sent(team)) == (5, 1), refused.err
    assert "about 5 hours later" in refused.err
    assert "RECONCILER_TRUST_CLOCK" in refused.err
    assert team.apply().code == 0
    team.settled(2)


@pytest.mark.parametrize("hours", [5, -5])
def test_what_a_wrong_clock_left_in_doubt_is_settled(team: Team, hours: int) -> None:
    declare(team, 2)
    paused = team.start(*APPLY, "--concurrency", "1", stop="turn", ahead=3600.0 * hours)
    until(lambda: stopped(paused))
    assert team.program("state", "unlock", "--yes").code == 0
    if hours > 0:  # nobody can tell which of the clocks is wrong; a person can
        refused = team.apply()
        assert (refused.code, sent(team)) == (5, 0), refused.err
        assert "about 5 hours later" in refused.err
    team.program = replace(team.program, variables={**team.program.variables, "RECONCILER_TRUST_CLOCK": "1"})
    other = team.apply()
    os.kill(paused.pid, signal.SIGCONT)
    assert ended(paused).code == 5
    assert other.code == 0, other.err
    team.settled(2)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_sixteen_at_once_that_wait_for_each_other(team: Team, round_: int) -> None:
    declare(team, 8)
    everybody = [team.start(*APPLY, "--lock-timeout", "60") for _ in range(16)]
    for ran in map(ended, everybody):
        assert ran.code == 0, ran.err
    team.settled(8)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_sixteen_at_once_that_do_not_wait(team: Team, round_: int) -> None:
    declare(team, 8)
    team.server.fail("createReport", "slow", seconds=3)  # until everybody has come
    everybody = [team.start(*APPLY) for _ in range(16)]
    ended_all = [ended(process) for process in everybody]
    codes = sorted(ran.code for ran in ended_all)
    assert codes[0] == 0
    assert set(codes) <= {0, 5}
    for ran in ended_all:
        assert ran.code == 0 or "holds the state: `apply`" in ran.err, ran.err
    team.settled(8)
