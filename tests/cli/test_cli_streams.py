"""Pipes, signals, disks and bugs: what a process meets."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from running import Program
from samples import BLUE, EXPORT, PROJECT

from reconciler.app.wiring import Wiring
from reconciler.cli.program import run


def many(count: int) -> str:
    return "---\n".join(BLUE.replace("sales", f"r-{number}") for number in range(count))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    program = Program(tmp_path)
    program.write("manifests/reconciler.yaml", PROJECT)
    program.write("manifests/all.yaml", BLUE)
    return program


def started(program: Program, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        program.command(*arguments),
        cwd=program.folder,
        env=program.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("arguments", [("plan",), ("plan", "--format", "json"), ("schema",), ("validate", "--help")])
def test_a_reader_that_goes_away_is_no_failure(program: Program, arguments: tuple[str, ...]) -> None:
    program.write("manifests/all.yaml", many(400))
    with started(program, *arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
    assert (process.returncode, complaints) == (0, "")


def test_a_reader_that_goes_away_does_not_stop_an_apply(program: Program) -> None:
    program.write("manifests/all.yaml", many(30))
    with started(program, "apply", "--sandbox", "--yes", "--format", "json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "run.started" in process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
    assert (process.returncode, complaints) == (0, "")
    assert program("plan", "--sandbox", "--detailed-exitcode").code == 0


def test_without_a_reader_an_apply_does_its_work_or_says_that_it_did_not(program: Program) -> None:
    with started(program, "apply", "--sandbox", "--yes") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaints = process.stderr.read()
    done = len(program("state", "list", "--sandbox", "--format", "json").json["resources"])
    assert (process.returncode, done) == (0, 1), complaints
    assert "Traceback" not in complaints


@pytest.mark.parametrize("arguments", [("plan", "--sandbox"), ("apply", "--sandbox", "--yes"), ("schema",)])
def test_without_a_stdout_nothing_breaks(program: Program, arguments: tuple[str, ...]) -> None:
    command = " ".join(program.command(*arguments))
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} >&-"],
        cwd=program.folder,
        env=program.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_no_bug_of_ours(program: Program) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            program.command("plan"),
            cwd=program.folder,
            env=program.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupted_apply_tells_what_was_done_and_the_next_one_does_the_rest(program: Program) -> None:
    program.write("manifests/all.yaml", many(12))
    assert program("sandbox", "faults", "add", "blue:createReport:delay=0.3*always").code == 0
    process = started(program, "apply", "--sandbox", "--yes", "--format", "json", "--concurrency", "2")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "step.applied" in line and sum("step.applied" in line for line in lines) == 1:
            process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130, complaints
    assert "Traceback" not in complaints
    assert '"run.finished"' in lines[-1]
    assert '"exit_code": 130' in lines[-1]
    applied = sum('"step.applied"' in line for line in lines)
    assert applied + sum('"step.skipped"' in line for line in lines) == 12
    assert 0 < applied < 12
    state = program("state", "list", "--sandbox", "--format", "json").json
    assert (len(state["resources"]), state["in_doubt"]) == (applied, [])
    assert program("sandbox", "faults", "clear").code == 0
    assert program("apply", "--sandbox", "--yes").code == 0
    assert program("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0
    assert len(program("state", "list", "--sandbox", "--format", "json").json["resources"]) == 12


def test_a_second_interrupt_stops_at_once_and_nothing_is_made_twice(program: Program) -> None:
    assert program("sandbox", "faults", "add", "blue:createReport:hang_after").code == 0
    process = started(program, "apply", "--sandbox", "--yes", "--format", "json")
    assert process.stdout is not None
    for line in process.stdout:
        if "step.started" in line:
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    rest, complaints = process.communicate(timeout=20)
    assert process.returncode == 130, complaints
    assert "Traceback" not in complaints
    assert '"exit_code": 130' in rest.splitlines()[-1]
    assert program("apply", "--sandbox", "--yes").code == 0
    assert program("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0
    from reconciler.sandbox.store import Store

    store = Store(program.folder / ".reconciler" / "sandbox.db")
    assert [report["title"] for report in store.all("blue_report")].count("Test sales") == 1
    store.close()


def test_an_interrupt_while_an_export_is_waited_for_leaves_it_in_flight(program: Program) -> None:
    from reconciler.sandbox.store import Store
    from reconciler.sandbox.switches import Switches

    program.write("manifests/all.yaml", EXPORT)
    store = Store(program.folder / ".reconciler" / "sandbox.db")
    Switches(store).set("export_plan", "done:0/2")
    process = started(program, "apply", "--sandbox", "--yes", "--format", "json")
    assert process.stdout is not None
    for line in process.stdout:
        if "export.progress" in line:
            process.send_signal(signal.SIGTERM)
            break
    process.communicate(timeout=20)
    assert process.returncode == 130
    (pending,) = program("plan", "--sandbox", "--format", "json").json["pending"]
    assert pending["address"] == "pipefy/export/cards"
    assert program("apply", "--sandbox", "--yes").code == 0
    assert len(list((program.folder / "exports").iterdir())) == 1
    assert len(store.all("pipefy_export")) == 1
    store.close()


def test_two_applies_at_once_make_one_object(program: Program) -> None:
    program.write("manifests/all.yaml", many(8))
    assert program("sandbox", "faults", "add", "blue:createReport:delay=1.5*always").code == 0
    both = [started(program, "apply", "--sandbox", "--yes", "--format", "json") for _ in range(2)]
    told = [process.communicate(timeout=60) for process in both]
    assert sorted(process.returncode for process in both) == [0, 5], told
    assert program("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0
    assert len(program("state", "list", "--sandbox", "--format", "json").json["resources"]) == 8


def _on_a_terminal(program: Program, *arguments: str, answer: str = "", **variables: str) -> tuple[int, str]:
    """What a person at a terminal sees."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        program.command(*arguments),
        cwd=program.folder,
        env={**program.environment(), "TERM": "xterm", **variables},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    if answer:
        os.write(ours, answer.encode())
    seen = b""
    while True:
        try:
            got = os.read(ours, 4096)
        except OSError:
            break
        if not got:
            break
        seen += got
    os.close(ours)
    return process.wait(timeout=60), seen.decode()


def test_on_a_terminal_it_is_coloured_asks_and_shows_progress(program: Program) -> None:
    code, seen = _on_a_terminal(program, "apply", "--sandbox", answer="y\n")
    assert code == 0
    assert "\x1b[" in seen
    assert "[y/N]" in seen
    assert "Done: 1 applied." in seen


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (("--color", "never"), {}),
        ((), {"NO_COLOR": "1"}),
        ((), {"TERM": "dumb"}),
    ],
    ids=["never", "NO_COLOR", "dumb"],
)
def test_on_a_terminal_that_wants_none_there_is_no_colour(
    program: Program, arguments: tuple[str, ...], variables: dict[str, str]
) -> None:
    code, seen = _on_a_terminal(program, "apply", "--sandbox", "--yes", *arguments, **variables)
    assert code == 0
    assert "\x1b" not in seen


# in process


def _drain(terminal: int) -> None:
    with suppress(OSError):
        while os.read(terminal, 4096):
            pass


@contextmanager
def _terminal(name: str) -> Iterator[None]:
    """A stream that is a terminal, which somebody reads."""
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=_drain, args=[ours])
    reader.start()
    with pytest.MonkeyPatch.context() as patch, os.fdopen(theirs, "w", encoding="utf-8") as stream:
        patch.setattr(sys, name, stream)
        patch.setenv("TERM", "xterm")
        yield
    reader.join(10)
    os.close(ours)


def test_progress_on_a_terminal_and_results_in_a_pipe(cli: Any) -> None:
    cli.declare(BLUE)
    with _terminal("stderr"):
        ran = cli("apply", "--sandbox", "--yes")
    assert ran.code == 0
    assert ran.out.rstrip().splitlines()[-1] == "Done: 1 applied."
    assert "\x1b" not in ran.out


@pytest.mark.parametrize("arguments", [("plan",), ("apply", "--sandbox", "--yes"), ("state", "list"), ("nope",)])
def test_a_pipe_without_a_reader_in_process(
    cli: Any, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    cli.declare(BLUE)
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w", encoding="utf-8") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        code = run(arguments)
    assert code == (64 if arguments == ("nope",) else 0)


@pytest.mark.parametrize(
    "arguments", [("plan",), ("plan", "--format", "json"), ("state", "list"), ("apply", "--sandbox", "--yes")]
)
def test_a_full_disk_in_process(cli: Any, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    cli.declare(BLUE)
    monkeypatch.setattr(sys, "stdout", os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", encoding="utf-8"))
    code = run(arguments)
    assert code == 1
    told = cli.capsys.readouterr().err
    assert "No space left" in told
    assert "Traceback" not in told
    assert len(cli.live()) == (arguments[0] == "apply")


@pytest.mark.parametrize("out", ["missing/p.json", "file/p.json", "manifests"])
def test_a_plan_that_cannot_be_written_is_said(cli: Any, out: str) -> None:
    cli.declare(BLUE)
    cli.write("file", "")
    ran = cli("plan", "--sandbox", "--out", out)
    assert ran.code in (1, 64)
    assert out in ran.err
    assert "Traceback" not in ran.err
    assert not list(cli.folder.rglob("*.part"))


def test_a_place_for_the_log_that_cannot_be_made_is_said_before_anything_is_sent(cli: Any) -> None:
    cli.declare(BLUE)
    cli.write(".reconciler", "in the way")
    ran = cli("apply", "--sandbox", "--yes", "--format", "json")
    assert ran.code in (1, 5)
    assert ran.events[-1]["exit_code"] == ran.code
    assert ".reconciler" in ran.err
    assert "Traceback" not in ran.err


def test_a_bug_is_told_as_one(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Wiring) -> None:
        raise ZeroDivisionError("on purpose")

    cli.declare(BLUE)
    monkeypatch.setattr(Wiring, "desired", broken)
    ran = cli("plan")
    assert ran.code == 1
    assert ran.out == ""
    assert "ZeroDivisionError" in ran.err
    assert "defect of reconciler" in ran.err
    applied = cli("apply", "--sandbox", "--yes", "--format", "json")
    assert applied.code == 1
    assert applied.events[-1]["exit_code"] == 1


def test_an_interrupt_anywhere_is_130(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Wiring) -> None:
        raise KeyboardInterrupt

    cli.declare(BLUE)
    monkeypatch.setattr(Wiring, "load", interrupted)
    ran = cli("validate")
    assert (ran.code, ran.out) == (130, "")
    assert "interrupted" in ran.err


def test_text_that_the_terminal_cannot_write_is_written_by_number(program: Program) -> None:
    program.write("manifests/all.yaml", BLUE.replace("Test sales", "Tëst ✓ 売上"))
    for variables in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        ran = program("plan", "--sandbox", **variables)
        assert ran.code == 0
        assert "Plan: 1 to create" in ran.out


@pytest.mark.parametrize("folder", ["deep/er", "with space", "ünï"])
def test_any_folder_will_do(cli: Any, folder: str) -> None:
    cli.write(f"{folder}/reconciler.yaml", PROJECT)
    cli.write(f"{folder}/all.yaml", BLUE)
    assert cli("apply", "--sandbox", "--yes", "--dir", folder).code == 0
    assert cli("plan", "--sandbox", "--dir", str(cli.folder / folder), "--detailed-exitcode").code == 0
    assert folder in cli("show", "blue/report/sales", "--dir", folder).out


@pytest.mark.parametrize(
    ("prepare", "word"),
    [
        (lambda cli: None, "does not exist"),
        (lambda cli: cli.write("manifests", "a file"), "manifests"),
        (lambda cli: (cli.folder / "manifests").mkdir(), "reconciler.yaml"),
        (lambda cli: cli.declare("a: [1\n"), "all.yaml"),
        (lambda cli: cli.declare(BLUE, BLUE), "blue/report/sales"),
    ],
    ids=["missing", "file", "empty", "broken", "twice"],
)
def test_wrong_folders_are_3_for_every_command_that_reads_them(cli: Any, prepare: Any, word: str) -> None:
    prepare(cli)
    for arguments in (("validate",), ("plan",), ("apply", "--yes", "--sandbox"), ("show", "blue/report/sales")):
        ran = cli(*arguments)
        assert ran.code == 3, (arguments, ran)
        assert word in ran.out + ran.err
        assert "Traceback" not in ran.err
    assert not (cli.folder / ".reconciler").exists()
