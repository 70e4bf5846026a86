"""Measures the program against floors, as ratios in one run: `python tests/bench/run.py [FOLDER] [--sizes 1000,10000]`.

Run it on a quiet machine (Linux: bytes written come from /proc; memory below 30 MB is that of this script).  Times of
what computes are processor seconds, the best of a few; of what waits for a service, seconds on the service's clock.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM = (sys.executable, "-m", "reconciler")
PROJECT = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: bench}\n"
REPORT = """apiVersion: blue/v1
kind: Report
metadata:
  name: report-%(number)d
  labels: {owner: team-%(team)d}
spec:
  title: Report number %(number)d
  description: "%(text)s"
  dataSources:
    - name: one
      projectIds: [project_%(number)d, project_of_all]
      filters: {done: false, tagTitles: [a, b]}
    - name: two
      projectIds: [project_%(team)d]
      filters: {done: true}
    - name: three
      filters: {hasDueDate: true}
"""
SCAN = """
import gc, pathlib, yaml._yaml
gc.disable()
for file in pathlib.Path("manifests").rglob("*.yaml"):
    parser = yaml._yaml.CParser(file.read_text())
    while parser.get_event() is not None:
        pass
"""


@dataclass(frozen=True)
class Cost:
    """What a process took: processor seconds, seconds, bytes at its peak, bytes it wrote (0 where unknown)."""

    cpu: float
    wall: float
    memory: int
    written: int


def measure(arguments: Sequence[str], folder: Path, environ: Mapping[str, str], times: int = 1) -> Cost:
    """Run a process and return what it cost, the cheapest of some times."""
    return min((_once(arguments, folder, environ) for _ in range(times)), key=lambda cost: cost.cpu)


def _once(arguments: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Cost:
    begun = time.monotonic()
    with (folder / "said.txt").open("w+b") as said:
        process = subprocess.Popen(arguments, cwd=folder, env=dict(environ), stdout=said, stderr=said)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        written = _written(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(arguments)} failed:\n{said.read().decode()[-2000:]}")
    return Cost(used.ru_utime + used.ru_stime, time.monotonic() - begun, used.ru_maxrss * 1024, written)


def _written(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar:")), 0)


def project(folder: Path, count: int) -> Path:
    """Make a project with so many reports, one to a file."""
    reports = folder / "manifests" / "blue"
    reports.mkdir(parents=True)
    (folder / "manifests" / "reconciler.yaml").write_text(PROJECT)
    for number in range(count):
        text = REPORT % {"number": number, "team": number % 7, "text": "x" * 500}
        (reports / f"r{number}.yaml").write_text(text)
    return folder


@contextlib.contextmanager
def service() -> Iterator[str]:
    """Run the service in a process of its own; gives its address."""
    server = Path(__file__).with_name("server.py")
    process = subprocess.Popen([sys.executable, str(server)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def span(address: str) -> float:
    """Seconds from the first mutation to the last answer since it was last asked."""
    with urllib.request.urlopen(address) as answer:  # noqa: S310 - our own server
        return float(json.load(answer))


def environment(address: str, pause: int) -> dict[str, str]:
    """The variables with which the program talks to the service, and nothing else that would change what it does."""
    mine = ("RECONCILER_", "BLUE_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    return kept | {
        "BLUE_API_URL": f"{address}/{pause}",
        "BLUE_TOKEN_ID": "id",
        "BLUE_TOKEN_SECRET": "secret",
        "BLUE_ORG_ID": "acme",
        "RECONCILER_TRUSTED_HOSTS": "127.0.0.1",
    }


async def sockets(address: str, pause: int, count: int, concurrency: int) -> None:
    """Send so many creates through plain sockets, each connection one after the other."""
    port = int(address.rpartition(":")[2])
    sources = [{"name": name, "filters": {"done": True}} for name in ("one", "two", "three")]
    given = {"title": "t", "description": "x" * 500, "dataSources": sources}
    body = json.dumps({"query": "mutation { createReport(", "variables": {"input": given}}).encode()
    request = f"POST /{pause} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    left = iter(range(count))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.rpartition(b":")[2]))
        writer.close()

    await asyncio.gather(*(connection() for _ in range(concurrency)))


def row(what: str, took: str, ratio: str = "", memory: int = 0) -> None:
    """Print a line of the table."""
    peak = f"{memory / 1e6:,.0f} MB" if memory else ""
    print(f"| {what:<40} | {took:>9} | {ratio:>27} | {peak:>6} |", flush=True)


def start_up(work: Path, environ: Mapping[str, str]) -> float:
    """Nothing, little, and ten manifests; returns what ten cost."""
    ten = project(work / "ten", 10)
    floor = measure((sys.executable, "-c", "pass"), ten, environ, 15)
    row("python -c pass", f"{floor.cpu * 1000:.0f} ms", memory=floor.memory)
    for words in (("--version",), ("--help",), ("validate",)):
        cost = measure((*PROGRAM, *words), ten, environ, 10)
        what = f"{words[0]} of ten manifests" if words[0] == "validate" else words[0]
        row(what, f"{cost.cpu * 1000:.0f} ms", f"{cost.cpu / floor.cpu:.1f} x pass", cost.memory)
    return cost.cpu


def planning(work: Path, sizes: Sequence[int], address: str, fixed: float) -> None:
    """Validate and plan many manifests, with nothing and with everything recorded."""
    environ = environment(address, 0)
    before: dict[str, tuple[int, float]] = {}
    for size in sizes:
        folder = project(work / f"plan-{size}", size)
        floor = measure((sys.executable, "-c", SCAN), folder, environ, 3)
        row(f"{size:,}: parser alone", f"{floor.cpu:.2f} s", memory=floor.memory)
        base = floor
        for what, words in (("validate", "validate"), ("plan from nothing", "plan"), ("plan of no change", "plan")):
            if what == "plan of no change":
                measure((*PROGRAM, "apply", "--yes", "--quiet", "--concurrency", "50"), folder, environ)
            cost = min((_fresh(words, folder, environ) for _ in range(3)), key=lambda cost: cost.cpu)
            ratio = f"{cost.cpu / base.cpu:.2f} x {'parser' if base is floor else 'validate'}"
            if what in before:
                earlier, took = before[what]
                ratio += f", ^{math.log((cost.cpu - fixed) / took) / math.log(size / earlier):.2f}"
            before[what] = (size, cost.cpu - fixed)
            row(f"{size:,}: {what}", f"{cost.cpu:.2f} s", ratio, cost.memory)
            base = cost if base is floor else base


def _fresh(words: str, folder: Path, environ: Mapping[str, str]) -> Cost:
    """What a command takes that finds nothing kept of the manifests; with it: `loading.py`."""
    shutil.rmtree(folder / ".reconciler" / "cache", ignore_errors=True)
    return measure((*PROGRAM, words), folder, environ)


def applying(work: Path, address: str, count: int = 1000, pause: int = 50) -> None:
    """Create many reports in a service that takes its time, beside plain sockets that do no more than that."""
    written: dict[int, int] = {}
    for concurrency in (10, 50):
        span(address)
        asyncio.run(sockets(address, pause, count, concurrency))
        floor = span(address)
        row(f"{count:,} creates by sockets, {concurrency} at a time", f"{floor:.2f} s")
        written[count], took, memory = _apply(work / f"apply-{concurrency}", address, count, pause, concurrency)
        row(
            f"{count:,} creates by apply, {concurrency} at a time",
            f"{took:.2f} s",
            f"{took / floor:.2f} x sockets",
            memory,
        )
    half = count // 2
    written[half], _, _ = _apply(work / "apply-half", address, half, pause, concurrency)
    if all(written.values()):
        row(f"bytes written by apply of {half:,}", f"{written[half] / 1e6:.2f} MB")
        row(
            f"bytes written by apply of {count:,}",
            f"{written[count] / 1e6:.2f} MB",
            f"{written[count] / written[half]:.2f} x half",
        )


def _apply(folder: Path, address: str, count: int, pause: int, concurrency: int) -> tuple[int, float, int]:
    words = (*PROGRAM, "apply", "--yes", "--quiet", "--concurrency", str(concurrency))
    cost = measure(words, project(folder, count), environment(address, pause))
    return cost.written, span(address), cost.memory


def main() -> None:
    """Measure everything, or what the arguments leave of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--sizes", default="1000,10000", help="how many manifests to plan, smallest first")
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",") if size]
    with tempfile.TemporaryDirectory(dir=given.folder) as work, service() as address:
        row("what", "took", "ratio (^ growth)")
        fixed = start_up(Path(work), environment(address, 0))
        planning(Path(work), sizes, address, fixed)
        applying(Path(work), address)


if __name__ == "__main__":
    main()
