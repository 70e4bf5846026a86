"""What was done and could not be recorded is saved, and recorded later: nothing is lost, nothing is made twice."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shlex
import signal
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import backend_urls
import pytest
from cable import Cable, nothing
from running import Program
from samples import BLUE, EXPORT, PROJECT

from reconciler.app.wiring import Wiring
from reconciler.model.entry import Applied, Entry, ExportIntended, Intended, LeaseBroken, RunFinished
from reconciler.model.errors import StateError, Unreachable
from reconciler.state import backends, codec
from reconciler.state.backends import WHOLE, open_backend
from reconciler.state.log import Log

OTHER = BLUE.replace("sales", "other")
STATE = "cable:state.db"
ONCE = ("apply", "--sandbox", "--yes", "--poll-interval", "0.01", "--state", STATE)
IMPORT = ("state", "import-rescue", "--sandbox", "--state", STATE)


@pytest.fixture(autouse=True)
def cable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(backends, "BACKENDS", {**backends.BACKENDS, "cable": "cable:CableBackend"})
    yield
    Cable.before, Cable.after, Cable.cut = staticmethod(nothing), staticmethod(nothing), False


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage is waited for for as long as the suite can bear, and so is a lease that was not given back."""
    monkeypatch.setitem(Log.__init__.__kwdefaults__, "patience", 0.3)
    monkeypatch.setattr(Wiring, "lease_seconds", 1.0)


def full(batch: bytes) -> None:
    raise StateError("The disk is full.", "Make room, then try again.")


def on(kind: str, act: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Do something at every batch that holds such an entry."""
    return lambda batch: act(batch) if f'"type":"{kind}"'.encode() in batch else None


def rescue_of(cli: Any) -> Path:
    (file,) = (cli.folder / ".reconciler").glob("rescue-*")
    assert isinstance(file, Path)
    return file


def entries(cli: Any) -> list[Entry]:
    """Everything the log says."""
    with closing(open_backend(f"sqlite:{cli.folder}/state.db", "sandbox:acme/default")) as backend:
        rows = backend.read(WHOLE)[1]
        return [entry for _, batch in rows for entry in codec.unseal(codec.link(batch), batch)]


def converges(cli: Any, count: int = 1) -> None:
    """The next apply leaves exactly one object per manifest."""
    ran = cli(*ONCE)
    assert ran.code == 0, ran.err
    assert set(Counter(str(report["title"]) for report in cli.live()).values()) <= {1}
    assert len(cli.live()) == count
    assert cli("plan", "--sandbox", "--state", STATE, "--refresh", "--detailed-exitcode").code == 0


def command_in(err: str) -> tuple[str, ...]:
    """The command that a hint gives, as it would be typed."""
    found = re.search("`(reconciler state import-rescue [^`]*)`", err)
    assert found, err
    return tuple(shlex.split(found[1])[1:])


def test_what_a_full_disk_does_not_take_is_saved_and_imported_once(cli: Any) -> None:
    cli.declare(BLUE, OTHER)
    Cable.before = on("applied", full)
    ran = cli(*ONCE)
    assert ran.code == 5
    assert "The disk is full" in ran.err
    assert "Make room" in ran.err
    Cable.before = nothing
    file = rescue_of(cli)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(file.parent.glob("*.part"))
    known = cli("state", "list", "--sandbox", "--state", STATE, "--format", "json").json
    assert (len(known["in_doubt"]), known["resources"]) == (2, [])

    told = cli(*command_in(ran.err), "--format", "json")
    assert told.code == 0, told.err
    assert told.json["format"] == "reconciler.import-rescue/1"
    assert [entry["type"] for entry in told.json["recorded"]] == ["applied", "applied"]
    assert told.json["run"] in file.name
    known = cli("state", "list", "--sandbox", "--state", STATE, "--format", "json").json
    assert (known["in_doubt"], len(known["resources"])) == ([], 2)

    position = known["position"]
    again = cli(*command_in(ran.err))
    assert again.code == 0
    assert "Recorded 0 of 2 entries" in again.out
    assert "it was recorded, settled or superseded meanwhile" in again.out
    known = cli("state", "list", "--sandbox", "--state", STATE, "--format", "json").json
    assert known["position"] == position
    converges(cli, 2)


def test_without_the_import_the_next_apply_finds_out_by_itself_and_the_import_does_no_harm(cli: Any) -> None:
    cli.declare(BLUE)
    Cable.before = on("applied", full)
    ran = cli(*ONCE)
    Cable.before = nothing
    converges(cli)
    told = cli(*command_in(ran.err), "--format", "json").json
    assert told["recorded"] == []
    assert len(told["skipped"]) == 1
    converges(cli)


def test_a_persons_word_stays(cli: Any) -> None:
    cli.declare(BLUE)
    Cable.before = on("applied", full)
    ran = cli(*ONCE)
    Cable.before = nothing
    said = ("state", "settle", "blue/report/sales", "--as", "absent", "--sandbox", "--state", STATE)
    assert cli(*said).code == 0
    told = cli(*command_in(ran.err)).out
    assert "Recorded 0 of 1" in told
    assert "which it made or changed, is not recorded: see whether it is still there" in told
    known = cli("state", "list", "--sandbox", "--state", STATE, "--format", "json").json
    assert (known["in_doubt"], known["resources"]) == ([], [])


def test_how_far_an_export_came_is_saved(cli: Any) -> None:
    cli.declare(EXPORT)
    Cable.before = on("export_delivered", full)
    ran = cli(*ONCE)
    assert ran.code == 5
    Cable.before = nothing
    told = cli(*command_in(ran.err), "--format", "json").json
    assert [entry["type"] for entry in told["recorded"]] == ["export_delivered"]
    assert cli(*ONCE, "--format", "json").events[-1]["counts"] == {}


def test_a_started_export_that_nobody_recorded_is_not_started_again(cli: Any) -> None:
    """Nobody could look it up: without the rescue a person would have to judge."""
    cli.declare(EXPORT)
    Cable.before = on("export_started", full)
    ran = cli(*ONCE)
    Cable.before = nothing
    told = cli(*command_in(ran.err), "--format", "json").json
    assert [entry["type"] for entry in told["recorded"]] == ["export_started"]
    assert cli(*ONCE, "--format", "json").events[-1]["counts"] == {"delivered": 1}
    assert sum(isinstance(entry, ExportIntended) for entry in entries(cli)) == 1


def test_the_very_last_write_is_saved_as_well(cli: Any) -> None:
    cli.declare(BLUE)
    Cable.before = on("run_finished", full)
    ran = cli(*ONCE)
    assert ran.code == 5
    Cable.before = nothing
    command = command_in(ran.err)
    assert [entry["type"] for entry in cli(*command, "--format", "json").json["recorded"]] == ["run_finished"]
    assert cli(*command, "--format", "json").json["recorded"] == []
    ends = [entry for entry in entries(cli) if isinstance(entry, RunFinished)]
    assert [end.exit_code for end in ends] == [0]
    assert cli("state", "archive", "old.log", "--sandbox", "--state", STATE).code == 0
    told = cli(*command, "--format", "json").json
    assert told["recorded"] == []
    assert told["skipped"] == [f"the end of run {ends[0].run} is recorded already, or was archived"]


def test_what_cannot_be_saved_either_is_printed_and_can_be_imported(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.declare(BLUE)
    Cable.before = on("applied", full)

    def no_room(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", no_room)
        ran = cli(*ONCE, "--quiet", "--no-wait")
    assert ran.code == 5
    assert "could not be saved" in ran.err
    assert "No space left on device" in ran.err
    assert not list((cli.folder / ".reconciler").glob("rescue-*"))
    (line,) = [line for line in ran.err.splitlines() if line.startswith('{"format":"reconciler.rescue/1"')]
    file = cli.write("by-hand.json", line + "\n")
    Cable.before = nothing
    told = cli(*IMPORT, str(file))
    assert told.code == 0, told.err
    assert "Recorded 1 of 1 entries" in told.out
    converges(cli)


def test_of_several_in_flight_everything_ends_in_one_file(cli: Any) -> None:
    """One fails to be recorded while the answers of others are still on their way."""
    cli.declare(*(BLUE.replace("sales", f"r{number}") for number in range(6)))
    cli("sandbox", "faults", "add", "blue:createReport:delay=0.4*3")
    Cable.before = on("applied", full)
    ran = cli(*ONCE, "--concurrency", "6")
    assert ran.code == 5
    assert len(cli.live()) == 6
    Cable.before = nothing
    told = cli(*command_in(ran.err), "--format", "json").json
    assert len(told["recorded"]) == 6
    converges(cli, 6)


@pytest.mark.usefixtures("impatient")
def test_a_network_that_is_lost_for_good_costs_what_was_done_nothing(cli: Any) -> None:
    cli.declare(BLUE, OTHER)

    def cut(batch: bytes) -> None:
        Cable.cut = True

    Cable.before = on("applied", cut)
    ran = cli(*ONCE)
    assert ran.code == 5
    assert "does not answer. Trying again for" in ran.err
    Cable.before, Cable.cut = nothing, False
    told = cli(*command_in(ran.err), "--format", "json", "--lock-timeout", "20")
    assert told.code == 0, told.err
    assert len(told.json["recorded"]) == 2
    converges(cli, 2)


@pytest.mark.parametrize("kind", ["intended", "applied", "run_finished", "lease_taken", "lease_released"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_network_that_comes_back_costs_nothing(cli: Any, kind: str, when: str) -> None:
    cli.declare(BLUE, OTHER)
    tries = 0

    def lose(batch: bytes) -> None:
        nonlocal tries
        tries += 1
        Cable.cut = True
        asked.clear()
        raise Unreachable("The state at the end of the cable does not answer.")

    asked: list[int] = []
    setattr(Cable, when, staticmethod(lambda batch: on(kind, lose)(batch) if not tries else None))
    reach = Cable.cut

    async def sleep(self: object, seconds: float) -> None:
        asked.append(1)
        await asyncio.sleep(min(seconds, 0.01))
        if len(asked) >= 3:
            Cable.cut = reach

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reconciler.app.clock.SystemClock.sleep", sleep)
        ran = cli(*ONCE)
    assert ran.code == 0, ran.err
    assert tries == 1
    assert "trying again" in ran.err.lower()
    assert "The state answers again." in ran.err
    assert not list((cli.folder / ".reconciler").glob("rescue-*"))
    assert sum(isinstance(entry, Intended) for entry in entries(cli)) == 2
    assert sum(isinstance(entry, Applied) for entry in entries(cli)) == 2
    assert sum(isinstance(entry, RunFinished) for entry in entries(cli)) == 1
    converges(cli, 2)


def test_what_an_evicted_run_had_done_is_not_lost(cli: Any) -> None:
    cli.declare(BLUE)

    def evict_now(batch: bytes) -> None:
        """Right before its outcome is written."""
        Cable.before = nothing
        evict(f"sqlite:{cli.folder}/state.db")

    Cable.before = on("applied", evict_now)
    ran = cli(*ONCE)
    assert ran.code == 5, ran.err
    assert "taken away" in ran.err
    assert "what was done is recorded" not in ran.err
    told = cli(*command_in(ran.err), "--format", "json")
    assert [entry["type"] for entry in told.json["recorded"]] == ["applied"]
    assert sum(isinstance(entry, Intended) for entry in entries(cli)) == 1
    converges(cli)
    assert sum(isinstance(entry, Intended) for entry in entries(cli)) == 1


def evict(url: str) -> None:
    """As `state unlock` does, in no time."""

    async def go() -> None:
        with closing(open_backend(url, "sandbox:acme/default")) as backend:
            log = Log(backend, NoClock())
            await log.refresh()
            assert log.recorded.lease is not None
            await log.record([LeaseBroken(log.recorded.lease.run, "2026-01-01T00:00:00Z", "me", "by command")])

    asyncio.run(go())


class NoClock:
    """Nothing here waits."""

    def now(self) -> Any:
        raise NotImplementedError

    wall = now

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def test_what_is_interrupted_before_it_was_recorded_is_saved(cli: Any) -> None:
    """Ctrl-C twice while the outcome is being written, and then it is not."""
    cli.declare(BLUE)

    def interrupt(batch: bytes) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
        full(batch)

    Cable.before = on("applied", interrupt)
    ran = cli(*ONCE)
    assert ran.code == 5, ran.err
    assert "everything done is recorded" not in ran.err
    Cable.before = nothing
    assert len(cli(*command_in(ran.err), "--format", "json").json["recorded"]) == 1
    converges(cli)


def test_what_was_looked_up_and_not_recorded_is_saved(cli: Any) -> None:
    cli.declare(BLUE)
    Cable.before = on("applied", full)
    cli(*ONCE)
    rescue_of(cli).unlink()
    Cable.before = on("settled", full)
    for command in (ONCE, ("state", "settle", "--sandbox", "--settle-delay", "0", "--state", STATE)):
        ran = cli(*command)
        assert ran.code == 5
        told = rescue_of(cli)
        assert '"settled"' in told.read_text()
        assert command_in(ran.err)
        told.unlink()


@pytest.mark.parametrize(
    ("change", "said", "code"),
    [
        (lambda text: text.replace('"applied"', '"rejected"'), "not as it was written", 5),
        (lambda text: text[:-10], "not JSON", 5),
        (lambda text: text.replace("rescue/1", "rescue/2"), "newer version", 5),
        (lambda text: '{"format":"reconciler.log/1","prev":null}', "no rescue file", 5),
        (lambda text: "", "not JSON", 5),
    ],
)
def test_what_is_no_rescue_is_refused(cli: Any, change: Callable[[str], str], said: str, code: int) -> None:
    cli.declare(BLUE)
    Cable.before = on("applied", full)
    cli(*ONCE)
    Cable.before = nothing
    file = rescue_of(cli)
    file.write_text(change(file.read_text()))
    before = entries(cli)
    ran = cli(*IMPORT, str(file))
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert "hint" in ran.err
    assert entries(cli) == before


def test_a_file_that_is_not_there_is_wrong_usage(cli: Any) -> None:
    cli.declare(BLUE)
    ran = cli(*IMPORT, "nowhere.json")
    assert ran.code == 64
    assert "nowhere.json" in ran.err
    assert cli(*IMPORT).code == 64
    with (cli.folder / "large").open("wb") as large:
        large.truncate(2**31)
    assert cli(*IMPORT, "large").code == 64


def test_another_log_refuses_it(cli: Any) -> None:
    cli.declare(BLUE)
    Cable.before = on("applied", full)
    cli(*ONCE)
    Cable.before = nothing
    file = str(rescue_of(cli))
    other = cli("state", "import-rescue", "--sandbox", "--state", "cable:other.db", file)
    assert other.code == 5
    assert "belongs to another log" in other.err
    assert "sandbox:acme/default" in other.err
    assert "--env" in other.err
    environment = cli(*IMPORT, "--env", "prod", file)
    assert environment.code == 5
    assert "belongs to another log" in environment.err
    migrated = ("state", "migrate", "sqlite:new.db", "--sandbox", "--state", STATE)
    assert cli(*migrated).code == 0
    moved = cli("state", "import-rescue", "--sandbox", "--state", "sqlite:new.db", file)
    assert "Recorded 1 of 1" in moved.out, moved.err


def test_a_project_file_that_is_broken_meanwhile_is_in_nobodys_way(cli: Any) -> None:
    cli.declare(BLUE)

    def breaks(batch: bytes) -> None:
        cli.write("manifests/reconciler.yaml", "{")
        full(batch)

    Cable.before = on("applied", breaks)
    ran = cli(*ONCE)
    Cable.before = nothing
    assert ran.code == 5, ran.err
    cli.declare(BLUE)
    assert "Recorded 1 of 1" in cli(*command_in(ran.err)).out


def test_whoever_holds_the_state_is_waited_for(cli: Any) -> None:
    cli.declare(BLUE)
    Cable.before = on("applied", full)
    cli(*ONCE)
    Cable.before = nothing
    file = str(rescue_of(cli))
    holder = subprocess.Popen(["sleep", "30"])
    try:
        hold(cli, holder.pid)
        ran = cli(*IMPORT, file)
        assert ran.code == 5
        assert "holds the state" in ran.err
    finally:
        holder.kill()
        holder.wait()
    assert cli(*IMPORT, file).code == 0


def hold(cli: Any, pid: int) -> None:
    """Another run holds the lease: a process of this machine that lives."""
    from datetime import UTC, datetime, timedelta

    from reconciler.model.entry import LeaseTaken
    from reconciler.state.holder import this_holder

    mine = this_holder("apply")
    boot, space, _, _ = mine.process.split("/")
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    now = datetime.now(UTC).replace(microsecond=0)
    until = (now + timedelta(seconds=60)).isoformat().replace("+00:00", "Z")
    from dataclasses import replace

    holder = replace(mine, process=f"{boot}/{space}/{pid}/{started}")

    async def go() -> None:
        with closing(open_backend(f"sqlite:{cli.folder}/state.db", "sandbox:acme/default")) as backend:
            at = now.isoformat().replace("+00:00", "Z")
            await Log(backend, NoClock()).record([LeaseTaken("other", at, holder, until)])

    asyncio.run(go())


def test_a_log_that_was_moved_is_planned_and_applied_where_it_is(cli: Any) -> None:
    cli.declare(BLUE)
    assert cli("apply", "--sandbox", "--yes", "--state", "sqlite:old.db").code == 0
    assert cli("plan", "--sandbox", "--state", "sqlite:old.db", "--out", "saved.plan").code == 0
    assert cli("state", "migrate", "sqlite:new.db", "--sandbox", "--state", "sqlite:old.db").code == 0
    for command in (("plan",), ("apply", "--yes"), ("apply", "saved.plan", "--yes")):
        ran = cli(*command, "--sandbox", "--state", "sqlite:old.db")
        assert ran.code == 5, command
        assert "new.db; nothing more is written here" in ran.err
        assert "--state" in ran.err
    for command in (("list",), ("show", "blue/report/sales"), ("verify",), ("export", "copy.log")):
        ran = cli("state", *command, "--sandbox", "--state", "sqlite:old.db")
        assert ran.code == 0, command
        assert command[0] == "export" or "new.db" in ran.out + ran.err
    assert cli("history", "--sandbox", "--state", "sqlite:old.db").code == 0
    assert cli("plan", "--sandbox", "--state", "sqlite:new.db", "--detailed-exitcode").code == 0


# The real program, in processes of its own.


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path)
    made.write("manifests/reconciler.yaml", PROJECT)
    made.write("manifests/all.yaml", "---\n".join([BLUE, OTHER]))
    return made


def start(program: Program, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        program.command(*arguments),
        cwd=program.folder,
        env={**program.environment(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], met: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not met():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def said(url: str, log: str = "sandbox:acme/default") -> str:
    """The log, as text."""
    with suppress(StateError), closing(open_backend(url, log)) as backend:
        return "".join(batch.decode() for _, batch in backend.read(WHOLE)[1])
    return ""


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=90)
    assert "Traceback" not in err, err
    return process.returncode, out + err


def delay(program: Program, seconds: float) -> None:
    assert program("sandbox", "faults", "add", f"blue:createReport:delay={seconds}*always").code == 0


def settled(program: Program, *state: str, **variables: str) -> None:
    assert program("sandbox", "faults", "clear").code == 0
    assert program("apply", "--sandbox", "--yes", *state, **variables).code == 0
    left = program("plan", "--sandbox", "--refresh", "--detailed-exitcode", *state, **variables)
    assert left.code == 0, left.out


def two(program: Program) -> None:
    from reconciler.sandbox.store import Store

    with closing(Store(program.folder / ".reconciler" / "sandbox.db")) as store:
        titles = Counter(str(report["title"]) for report in store.all("blue_report"))
    assert {title: count for title, count in titles.items() if title.startswith("Test ")} == {
        "Test sales": 1,
        "Test other": 1,
    }


@pytest.fixture
def served(program: Program) -> Iterator[Program]:
    """The program beside emulators in a process of their own, so that no file but those of the log is its own."""
    server = start(program, "sandbox", "serve", "--port", "0")
    assert server.stdout is not None
    lines = [server.stdout.readline() for _ in range(11)]
    variables = dict(line.rstrip().split("=", 1) for line in lines)
    try:
        yield Program(program.folder, variables)
    finally:
        server.terminate()
        server.communicate()


@pytest.mark.parametrize("room", [True, False], ids=["for-little-files", "for-nothing"])
def test_a_disk_that_fills_up_while_mutations_are_in_flight(served: Program, room: bool) -> None:
    url = f"sqlite:{served.folder}/state.db"
    state = ("--state", url)
    delay(served, 1)
    process = start(served, "apply", "--yes", *state)
    wait_for(process, lambda: said(url, "acme/default").count('"intended"') == 2)
    limit = (served.folder / "state.db-wal").stat().st_size if room else 64
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    code, told = finished(process)
    assert code == 5, told
    assert "disk" in told
    command = command_in(told)
    if not room:
        (line,) = [line for line in told.splitlines() if line.startswith('{"format":"reconciler.rescue/1"')]
        served.write("FILE", line)
    done = served(*command)
    assert "Recorded 2 of 2" in done.out, (told, done)
    served("sandbox", "faults", "clear")
    assert served("apply", "--yes", *state).code == 0
    assert served("plan", "--refresh", "--detailed-exitcode", *state).code == 0
    two(served)


def test_a_state_file_that_is_taken_away_while_a_mutation_is_in_flight(program: Program) -> None:
    url = f"sqlite:{program.folder}/state.db"
    delay(program, 1)
    process = start(program, "apply", "--sandbox", "--yes", "--state", url)
    wait_for(process, lambda: said(url).count('"intended"') == 2)
    moved = program.folder / "elsewhere"
    moved.mkdir()
    for file in list(program.folder.glob("state.db*")):
        file.rename(moved / file.name)
    code, told = finished(process)
    assert code == 5, told
    for file in list(moved.iterdir()):
        file.rename(program.folder / file.name)
    done = program(*command_in(told))
    assert "Recorded 2 of 2" in done.out, done.err
    settled(program, "--state", url)
    two(program)


def test_an_eviction_while_a_mutation_is_in_flight(program: Program) -> None:
    url = f"sqlite:{program.folder}/state.db"
    delay(program, 1)
    process = start(program, "apply", "--sandbox", "--yes", "--state", url)
    wait_for(process, lambda: said(url).count('"intended"') == 2)
    evict(url)
    code, told = finished(process)
    assert code == 5, told
    done = program(*command_in(told))
    assert "Recorded 2 of 2" in done.out, done.err
    settled(program, "--state", url)
    two(program)


@pytest.mark.parametrize("backend", backend_urls.SERVED)
def test_a_network_that_is_lost_while_mutations_are_in_flight(program: Program, tmp_path: Path, backend: str) -> None:
    delay(program, 1)
    folder = tmp_path / "server"
    folder.mkdir()
    with backend_urls.unruly(backend, folder) as unruly:
        url, variables = unruly.place.url, dict(unruly.place.environment)
        process = start(program, "apply", "--sandbox", "--yes", "--state", url, **variables)

        def sent() -> bool:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in variables.items():
                    patch.setenv(name, value)
                return said(url).count('"intended"') == 2

        wait_for(process, sent)
        with unruly.cut():
            time.sleep(2.5)
            assert process.poll() is None
        code, told = finished(process)
        assert code == 0, told
        assert "Trying again for" in told
        assert "The state answers again." in told
        settled(program, "--state", url, **variables)
    two(program)


@pytest.mark.parametrize("backend", backend_urls.SERVED)
def test_a_network_that_is_not_there_when_it_begins(program: Program, tmp_path: Path, backend: str) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    with backend_urls.unruly(backend, folder) as unruly:
        url, variables = unruly.place.url, dict(unruly.place.environment)
        for command in (("apply", "--sandbox", "--yes"), ("state", "list", "--sandbox")):
            with unruly.cut():
                process = start(program, *command, "--state", url, **variables)
                assert process.stderr is not None
                said = process.stderr.readline()
                assert said.rstrip().endswith("Trying again for 5 s."), (said, finished(process))
            code, told = finished(process)
            assert code == 0, told
            assert "The state answers again." in told
        settled(program, "--state", url, **variables)
    two(program)


def test_the_journey_of_a_newcomer_to_the_rescue(program: Program) -> None:
    """With the default state the command needs nothing but what the hint says."""
    delay(program, 1)
    process = start(program, "apply", "--sandbox", "--yes")
    url = f"sqlite:{program.folder}/.reconciler/sandbox-state.db"
    wait_for(process, lambda: said(url).count('"intended"') == 2)
    evict(url)
    code, told = finished(process)
    assert code == 5, told
    command = command_in(told)
    assert command[2].startswith(".reconciler/rescue-")
    assert command[3:] == ("--sandbox",)
    assert json.loads((program.folder / command[2]).read_text())["body"]["log"] == "sandbox:acme/default"
    assert program(*command).code == 0
    settled(program)
    two(program)
