"""Waiting for the state, and taking it away."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from samples import BLUE

from reconciler.app.wiring import Wiring
from reconciler.cli.program import run
from reconciler.model.entry import Entry, Holder, Intended, LeaseBroken, LeaseReleased, LeaseTaken
from reconciler.model.plan import Action
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address
from reconciler.state.backends import open_backend
from reconciler.state.log import Log, read

ONCE = ("apply", "--sandbox", "--yes")
UNLOCK = ("state", "unlock", "--sandbox")
ANN = Holder("ann\x1b[31m", "build-1", "", "apply", "https://ci.example/7")
FACTS = ("ann", "build-1", "`apply`", "run r1", "https://ci.example/7")


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    wall = now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@contextlib.contextmanager
def backend(cli: Any) -> Iterator[Any]:
    (cli.folder / ".reconciler").mkdir(exist_ok=True)
    opened = open_backend(f"sqlite:{cli.folder}/.reconciler/sandbox-state.db", "sandbox:acme/default")
    try:
        yield opened
    finally:
        opened.close()


def write(cli: Any, *entries: Entry) -> None:
    with backend(cli) as opened:
        asyncio.run(Log(opened, RealClock()).record(entries))


def known(cli: Any) -> Recorded:
    with backend(cli) as opened:
        return read(opened)


def after(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z")


def held(cli: Any, run: str = "r1", holder: Holder = ANN, seconds: float = 60) -> None:
    """Somebody on another machine holds the lease."""
    cli.declare(BLUE)
    write(cli, LeaseTaken(run, after(seconds - 60), holder, after(seconds)))


def test_a_state_that_is_held_is_5_and_says_by_whom(cli: Any) -> None:
    held(cli)
    for command in (ONCE, ("state", "settle", "--sandbox", "blue/report/sales", "--as", "absent")):
        if command is not ONCE:
            address = Address("blue", "report", "sales")
            write(cli, Intended("r1", "r1.0", after(0), address, Action.CREATE, None, {}, "q"))
        ran = cli(*command)
        assert ran.code == 5, ran.err
        for word in (*FACTS, "--lock-timeout", "state unlock"):
            assert word in ran.err
        assert "\x1b" not in ran.err
    assert cli.live() == []


@pytest.mark.parametrize("how", ["option", "variable"])
@pytest.mark.usefixtures("hurried")
def test_the_state_is_waited_for(cli: Any, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    held(cli)
    refresh, looks = Log.refresh, list[int]()

    async def freed(self: Log, **how: bool) -> None:
        looks.append(1)
        if len(looks) == 4:
            await self.record([LeaseReleased("r1", after(0))])
        await refresh(self, **how)

    monkeypatch.setattr(Log, "refresh", freed)
    said, variables = (["--lock-timeout", "300"], {}) if how == "option" else ([], {"RECONCILER_LOCK_TIMEOUT": "300"})
    ran = cli(*ONCE, *said, **variables)
    assert ran.code == 0, ran.err
    assert ran.err.count("waiting: ") == 1
    for word in FACTS:
        assert word in ran.err
    assert len(cli.live()) == 1


def test_an_interrupt_ends_the_waiting(cli: Any) -> None:
    held(cli)
    timer = threading.Timer(0.7, signal.raise_signal, [signal.SIGINT])
    timer.start()
    ran = cli(*ONCE, "--lock-timeout", "600")
    timer.join()
    assert ran.code == 130, ran.err
    assert "interrupted" in ran.err
    lease = known(cli).lease
    assert lease is not None
    assert lease.run == "r1"


@pytest.mark.usefixtures("hurried")
def test_quiet_waits_without_a_word(cli: Any) -> None:
    held(cli)
    ran = cli(*ONCE, "-q", "--lock-timeout", "0.2")
    assert ran.code == 5
    assert "waiting" not in ran.err


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_what_is_no_time_to_wait_is_64(cli: Any, seconds: str) -> None:
    cli.declare(BLUE)
    assert cli(*ONCE, "--lock-timeout", seconds).code == 64


def elsewhere(act: Callable[[], object]) -> None:
    """Let somebody else do something while we wait: in a thread, for there may be an event loop in this one."""
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


def test_a_plan_that_has_aged_while_it_waited_is_made_again(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.declare(BLUE)
    lease = Wiring.lease

    def slower(self: Wiring, log: Log, **more: Any) -> Any:
        monkeypatch.setattr(Wiring, "lease", lease)
        elsewhere(lambda: run(ONCE))
        return lease(self, log, **more)

    monkeypatch.setattr(Wiring, "lease", slower)
    ran = cli(*ONCE)
    assert ran.code == 0, ran.err
    assert "planning again: The state changed" in ran.err
    assert len(cli.live()) == 1


def test_nobody_is_evicted_where_nobody_is(cli: Any) -> None:
    cli.declare(BLUE)
    for more in ((), ("--yes",)):
        ran = cli(*UNLOCK, *more)
        assert (ran.code, ran.out) == (0, "Nobody holds the state.\n")
    assert cli(*UNLOCK, "--format", "json").json == {"format": "reconciler.unlock/1", "evicted": None}


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("YES\n", 0), ("n\n", 130), ("\n", 130), ("", 64)])
def test_whoever_is_evicted_is_named_first(cli: Any, answer: str, code: int) -> None:
    held(cli)
    ran = cli(*UNLOCK, answer=answer)
    assert ran.code == code, ran.err
    for word in (*FACTS, "Take it away? [y/N]"):
        assert word in ran.err
    assert "\x1b" not in ran.err + ran.out
    assert (known(cli).lease is None) == (code == 0)
    assert ("Evicted ann" in ran.out) == (code == 0)


def test_an_eviction_is_recorded_with_who_commanded_it(cli: Any) -> None:
    held(cli, seconds=40)
    ran = cli(*UNLOCK, "--yes", "--format", "json")
    evicted = ran.json["evicted"]
    assert evicted.keys() == {"run", "user", "host", "command", "ci", "since", "until"}
    assert (evicted["run"], evicted["user"], evicted["ci"]) == ("r1", ANN.user, ANN.ci)
    assert all(word in ran.err for word in FACTS)
    with backend(cli) as opened:
        batch = [row for _, row in opened.read(0)[1]][-1].decode()
    assert '"reason":"by command of ' in batch
    assert cli(*ONCE).code == 0


def test_what_the_evicted_had_intended_is_in_doubt(cli: Any) -> None:
    held(cli)
    address = Address("blue", "report", "sales")
    spec = {"title": "Test sales", "dataSources": [{"filters": {"done": False}}]}
    write(cli, Intended("r1", "r1.0", after(-100), address, Action.CREATE, None, spec, "q"))
    assert cli(*UNLOCK, "--yes").code == 0
    (doubt,) = known(cli).in_doubt.values()
    assert doubt.since >= after(-2)
    ran = cli(*ONCE)
    assert ran.code == 0, ran.err
    assert "had not happened" in ran.err
    assert len(cli.live()) == 1


@pytest.mark.parametrize("now", ["released", "other"])
def test_a_lease_that_moves_on_while_one_is_asked(cli: Any, monkeypatch: pytest.MonkeyPatch, now: str) -> None:
    held(cli)

    class Thinking:
        def readline(self) -> str:
            entries: list[Entry] = [LeaseReleased("r1", after(0))]
            if now == "other":
                entries.append(LeaseTaken("r2", after(0), Holder("eve", "build-2", "", "destroy"), after(60)))
            elsewhere(lambda: write(cli, *entries))
            return "y\n"

    monkeypatch.setattr("reconciler.cli.options.sys.stdin", Thinking())
    code = run(UNLOCK)
    told = cli.capsys.readouterr()
    if now == "released":
        assert (code, told.out) == (0, "Nobody holds the state.\n")
        return
    assert code == 5
    assert "eve on build-2 holds the state: `destroy`" in told.err
    assert "Nobody was evicted" in told.err
    lease = known(cli).lease
    assert lease is not None
    assert lease.run == "r2"


def test_an_eviction_is_of_one_run_only(cli: Any) -> None:
    held(cli)
    write(cli, LeaseBroken("r1", after(0), "x", "by command of ann on build-1"))
    held(cli, run="r3", holder=Holder("eve", "build-2", "", "apply"))
    ran = cli(*UNLOCK, "--yes", "--format", "json")
    assert ran.json["evicted"]["run"] == "r3"
