"""Whenever the power fails, the disk holds the intention of every mutation that had been sent.

A real apply against a real server runs under strace.  What it wrote is replayed onto the model of a disk that keeps
nothing but what was synced, and the log is read from what such a disk holds at the moment each mutation leaves.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from running import Program

from reconciler.model.errors import StateError
from reconciler.model.plan import Action
from reconciler.model.recorded import Recorded
from reconciler.state.backends import WHOLE, open_backend
from reconciler.state.log import read

NAMES = ("Quartz", "Feldspar", "Olivine", "Garnet")
MANIFESTS = """\
apiVersion: blue/v1
kind: Report
metadata: {name: quartz}
spec: {title: Quartz, dataSources: [{filters: {done: false}}], config: {layout: board}}
---
apiVersion: blue/v1
kind: Report
metadata: {name: feldspar}
spec: {title: Feldspar, dataSources: [{filters: {done: true}}]}
---
apiVersion: blue/v1
kind: Report
metadata: {name: olivine}
spec: {title: Olivine, dataSources: [{filters: {done: true}}]}
---
apiVersion: pipefy/v1
kind: Report
metadata: {name: garnet}
spec: {name: Garnet, pipeIds: [301000001], fields: [title]}
---
apiVersion: pipefy/v1
kind: Export
metadata: {name: cards}
spec: {pipeIds: [301000001], columns: [title]}
"""

MUTATION = b'{"query":"mutation'
TRACED = "openat,mkdir,pwrite64,write,ftruncate,fsync,fdatasync,rename,link,unlink,sendto"
STRACE = ("strace", "-f", "-y", "-xx", "-s", "100000000", "-e", f"trace={TRACED}")
SYNCS = ("fsync", "fdatasync")
TELLS = ("sendto", "write")
CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (\d+)")
BEGUN = re.compile(r"(\d+) +((\w+)\(.*) <unfinished \.\.\.>")
ENDED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)")
TEXT = re.compile(r"(?:\\x[0-9a-f]{2})+")  # what `strace -xx` makes of any string


@dataclass
class File:
    """What a program sees in a file, and what of it survives."""

    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""


@dataclass
class Disk:
    """A disk that loses everything that was not synced: content, and the names in a folder."""

    files: dict[Path, File] = field(default_factory=dict)
    names: dict[Path, File] = field(default_factory=dict)

    def do(self, call: str, path: Path, data: bytes, number: int) -> None:
        """Perform a call that was traced; `data` is its last text, `number` its last argument."""
        if call in ("openat", "mkdir"):
            self.files.setdefault(path, File())
        elif call == "pwrite64":
            content = self.files[path].content
            content.extend(bytes(max(0, number + len(data) - len(content))))
            content[number : number + len(data)] = data
        elif call == "ftruncate":
            content = self.files[path].content
            content[:] = content[:number].ljust(number, b"\0")
        elif call == "link":
            self.files[Path(data.decode())] = self.files[path]
        elif call == "unlink":
            del self.files[path]
        elif call in SYNCS:
            self.sync(path)
        else:
            raise AssertionError(f"{call} of {path}: the model of the disk does not know what that does")

    def sync(self, path: Path) -> None:
        if path in self.files:
            self.files[path].synced = bytes(self.files[path].content)
        elsewhere = {name: file for name, file in self.names.items() if name.parent != path}
        self.names = elsewhere | {name: file for name, file in self.files.items() if name.parent == path}

    def left(self, folder: Path) -> Path:
        """Write down what is left of the folder of the state, which is left itself when its name is."""
        folder.mkdir(parents=True)
        for path, file in self.names.items():
            if path.parent in self.names:
                (folder / path.name).write_bytes(file.synced)
        return folder


def calls(trace: Path) -> Iterator[tuple[str, str]]:
    """Each call and its arguments: what is told others when it begins, everything else when it has succeeded."""
    begun: dict[str, str] = {}
    for line in trace.read_text().splitlines():
        if found := BEGUN.match(line):
            begun[found[1]] = found[2]
            if found[3] in TELLS:
                yield found[3], found[2]
        else:
            resumed = ENDED.match(line)
            whole = f"{resumed[1]} {begun[resumed[1]]}{resumed[2]}" if resumed else line
            found = CALL.match(whole)
            if found and not (resumed and found[2] in TELLS):
                yield found[2], found[3]


def sent(trace: Path, state: Path, ignoring: tuple[str, ...] = ()) -> Iterator[tuple[bytes, Disk]]:
    """The disk, as far as the folder of the state goes, whenever others are told something, and what; also whenever
    something was synced, and at the end."""
    disk = Disk()
    for call, arguments in calls(trace):
        texts = [bytes.fromhex(text.replace("\\x", "")) for text in TEXT.findall(arguments)]
        if call in TELLS:
            yield texts[-1] if texts else b"", disk
        elif texts and call not in ignoring and (call != "openat" or "O_CREAT" in arguments):
            path = Path(texts[call == "openat"].decode(errors="replace"))
            if path in (state, state.parent) or path.parent == state:
                number = arguments.rpartition(", ")[2]
                disk.do(call, path, texts[-1], int(number) if number.isdecimal() else 0)
                if call in SYNCS:
                    yield b"", disk
    yield b"", disk


def recovered(disk: Disk, folder: Path) -> Recorded:
    """The state as the next run would find it."""
    backend = open_backend(f"sqlite:{disk.left(folder) / 'state.db'}", "acme/default")
    try:
        return read(backend)
    finally:
        backend.close()


def forgotten(request: bytes, recorded: Recorded) -> list[str]:
    """What the log does not know about a mutation that is on its way."""
    known = {name: str(doubt.after) for name, doubt in recorded.in_doubt.items()}
    lost = [name for name in NAMES if name.encode() in request and name not in "".join(known.values())]
    if b"updateReport(" in request and Action.UPDATE not in {doubt.action for doubt in recorded.in_doubt.values()}:
        lost.append("the update")
    if b"exportOrganizationReport(" in request and not any(
        record.run is not None and record.run.unknown for record in recorded.exports.values()
    ):
        lost.append("the export")
    return lost + (["the lease"] if recorded.lease is None else [])


@contextmanager
def serving(program: Program) -> Iterator[dict[str, str]]:
    """Both services, over HTTP, and what a client needs to know about them."""
    options = ["--port", "0", "--switch", "export_plan=done:0/0", "--data", "served.db", "--format", "json"]
    command = program.command("sandbox", "serve", *options)
    with subprocess.Popen(
        command, cwd=program.folder, env=program.environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGINT)


@pytest.fixture
def trace(project: Callable[[str], Program], tmp_path: Path) -> Path:
    """What an apply asked of the machine, in order; its folder is that of the project."""
    program = project(MANIFESTS)
    with serving(program) as told:
        done = subprocess.run(
            [*STRACE, "-o", "trace", *program.command("apply", "--yes", "--poll-interval", "0.05", "--quiet")],
            cwd=program.folder,
            env={**program.environment(), **told},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path / "trace"


def test_every_mutation_was_intended_on_disk_before_it_was_sent(trace: Path, tmp_path: Path) -> None:
    state = tmp_path / ".reconciler"
    mutations = position = 0
    for number, (request, disk) in enumerate(sent(trace, state)):
        found = recovered(disk, tmp_path / "left" / str(number))
        assert found.position >= position, "what had been on the disk is gone"
        position = found.position
        if request.startswith(MUTATION):
            mutations += 1
            assert forgotten(request, found) == [], request
    assert mutations == len(NAMES) + 2
    assert found == read(open_backend(f"sqlite:{state}/state.db", "acme/default"))


@pytest.mark.parametrize("missing", [("fsync",), ("fdatasync",)])
def test_a_program_that_does_not_sync_would_be_caught(trace: Path, tmp_path: Path, missing: tuple[str, ...]) -> None:
    lost: set[str] = set()
    for number, (request, disk) in enumerate(sent(trace, tmp_path / ".reconciler", missing)):
        if request.startswith(MUTATION):
            try:
                found = recovered(disk, tmp_path / "left" / str(number))
            except StateError:  # the file has its name, and nothing else
                found = Recorded()
            lost.update(forgotten(request, found))
    assert lost == {*NAMES, "the update", "the export", "the lease"}


def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    writer = [sys.executable, "-m", "reconciler.testing.writer", "reconciler.state.backends:open_backend"]
    file = tmp_path / "made" / "state.db"
    done = subprocess.run(
        [*STRACE, "-o", tmp_path / "trace", *writer, f"sqlite:{file}", "acme/default", "w", "3"],
        input="go\n",
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["ready", "w 1", "w 2", "w 3"]
    told = 0
    for number, (line, disk) in enumerate(sent(tmp_path / "trace", file.parent)):
        if line.startswith(b"w "):
            told += 1
            backend = open_backend(f"sqlite:{disk.left(tmp_path / str(number)) / 'state.db'}", "acme/default")
            assert [position for position, _ in backend.read(WHOLE)[1]] == list(range(1, told + 1))
            backend.close()
    assert told == 3
