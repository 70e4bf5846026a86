"""Measures the log: `python tests/bench/state.py [FOLDER] [--backends sqlite,git,postgresql,s3] [--entries 1000000]`.

Run it on a quiet machine.  Operations are intentions and outcomes, as an apply records them; the floor of each backend
is one append of the same bytes per wave, one after the other.  What is opened or folded is told in processor seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from backend_urls import BACKENDS, place

from reconciler.model.entry import Applied, Entry, Intended
from reconciler.model.plan import Action
from reconciler.model.values import Address
from reconciler.state import codec, snapshot
from reconciler.state.backends import open_backend
from reconciler.state.chain import Chain, load
from reconciler.state.log import Log

SPEC = {
    "title": "Report",
    "description": "x" * 500,
    "dataSources": [{"name": name, "projectIds": ["one", "two"], "filters": {"done": True}} for name in "abc"],
}
OPEN = """
import sys
from reconciler.state.backends import open_backend
from reconciler.state.chain import load
chain = load(open_backend(sys.argv[1], "bench/default"))
print(chain.recorded.position, len(chain.recorded.resources))
"""


class RealClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    wall = now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def row(what: str, took: str, ratio: str = "") -> None:
    """Print a line of the table."""
    print(f"| {what:<56} | {took:>16} | {ratio:>28} |", flush=True)


def written() -> int:
    """Bytes that this process has written, 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar:")), 0)


def pair(number: int, resources: int) -> tuple[Entry, Entry]:
    """An operation on one of so many resources: what was intended, and that it was done."""
    operation, at = f"run.{number}", "2026-11-23T06:00:00Z"
    address = Address("blue", "report", f"report-{number % resources}")
    action = Action.CREATE if number < resources else Action.UPDATE
    spec = {**SPEC, "title": f"Report {number}"}
    intended = Intended("run", operation, at, address, action, None, spec, "0" * 64)
    return intended, Applied("run", operation, at, f"id{number % resources}", version=at)


async def operate(log: Log, count: int, concurrency: int) -> None:
    """Record so many operations, so many at a time, each outcome after its intention."""
    numbers = iter(range(count))

    async def one() -> None:
        for number in numbers:
            for entry in pair(number, count):
                await log.record([entry])

    await asyncio.gather(*(one() for _ in range(concurrency)))


def durable(backend: str, folder: Path) -> None:
    """Operations per second at several concurrencies, against one append per wave."""
    count = 1000 if backend in ("sqlite", "postgresql") else 200
    with place(backend, folder) as (url, variables):
        os.environ.update(variables)
        for concurrency in (1, 10, 50):
            storage = open_backend(url, f"bench/durable-{concurrency}")
            began = time.monotonic()
            asyncio.run(operate(Log(storage, RealClock()), count, concurrency))
            took = time.monotonic() - began
            storage.close()
            waves = 2 * -(-count // concurrency)
            said = [pair(number, count)[number % 2] for number in range(concurrency)]
            wave = codec.seal("0" * 64, map(codec.encode, said))
            raw = open_backend(url, f"bench/floor-{concurrency}")
            began = time.monotonic()
            for position in range(1, waves + 1):
                raw.append(position, wave)
            floor = time.monotonic() - began
            raw.close()
            what = f"{backend}: durable operations, {concurrency} at a time"
            row(what, f"{count / took:,.0f} / s", f"{took / floor:.2f} x an append per wave")


def linear(folder: Path) -> None:
    """Bytes that recording operations writes, checkpoints included."""
    before = 0
    for count in (2_000, 4_000, 8_000, 16_000):
        storage = open_backend(f"sqlite:{folder}/linear-{count}.db", "bench/default")
        start = written()
        asyncio.run(operate(Log(storage, RealClock()), count, 50))
        storage.close()
        now = written() - start
        ratio = f"{now / before:.2f} x half" if before else ""
        row(f"bytes written by {count:,} operations", f"{now / 1e6:.1f} MB", ratio)
        before = now


def batches(entries: int, resources: int, size: int) -> Iterator[list[Entry]]:
    """So many entries about so many resources, in batches."""
    numbers = range(entries // 2)
    for start in range(0, len(numbers), size // 2):
        yield [entry for number in numbers[start : start + size // 2] for entry in pair(number, resources)]


def opening(folder: Path, entries: int, resources: int = 10_000) -> None:
    """Fold a long log, then open it through its checkpoint in a process of its own."""
    url = f"sqlite:{folder}/long.db"
    storage, chain = open_backend(url, "bench/default"), Chain()
    tail = 2_000
    folding, count = 0.0, 0
    for said in batches(entries, resources, 1_000):
        batch = codec.seal(chain.head, map(codec.encode, said))
        began = time.process_time()
        chain.follow(chain.end + 1, batch)
        folding += time.process_time() - began
        storage.append(chain.end, batch)
        count += len(said)
        if count == entries - tail and chain.head is not None:
            storage.checkpoint(chain.end, snapshot.dump(chain.recorded, chain.head))
    storage.close()
    row("fold, verified and decoded", f"{folding / entries * 1e6:.1f} us an entry")
    empty = min(_cpu(["-c", "pass"]) for _ in range(5))
    opened = min(_cpu(["-c", OPEN, url]) for _ in range(5))
    what = f"open {entries:,} entries of {resources:,} resources"
    row(what, f"{opened:.2f} s", f"{opened / empty:.0f} x python -c pass")
    began = time.process_time()
    chain = Chain()
    for position, batch in open_backend(url, "bench/default").read(-1)[1]:
        chain.follow(position, batch)
    whole = time.process_time() - began
    row("the same without a checkpoint", f"{whole:.2f} s", f"{whole / opened:.0f} x with one")


def _cpu(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def memory(folder: Path, resources: int = 100_000) -> None:
    """What a state of so many resources takes, read from its checkpoint by a process of its own."""
    url = f"sqlite:{folder}/wide.db"
    storage, chain = open_backend(url, "bench/default"), Chain()
    for said in batches(2 * resources, resources, 1_000):
        batch = codec.seal(chain.head, map(codec.encode, said))
        chain.take(batch, said)
        storage.append(chain.end, batch)
    assert chain.head is not None
    taken = snapshot.dump(chain.recorded, chain.head)
    storage.checkpoint(chain.end, taken)
    storage.close()
    peak = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    told = subprocess.run([sys.executable, "-c", OPEN + peak, url], check=True, capture_output=True, text=True)
    used = int(told.stdout.split()[-1]) * 1024
    row(f"memory for {resources:,} resources", f"{used / 1e6:,.0f} MB", f"{used / len(taken):.1f} x their checkpoint")
    again = load(open_backend(url, "bench/default"))
    assert again.recorded == chain.recorded


def main() -> None:
    """Measure everything, or what the arguments leave of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--backends", default=",".join(BACKENDS))
    parser.add_argument("--entries", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as work:
        row("what", "took", "ratio")
        for backend in filter(None, given.backends.split(",")):
            folder = Path(work) / backend
            folder.mkdir()
            durable(backend, folder)
        linear(Path(work))
        opening(Path(work), given.entries)
        memory(Path(work))


if __name__ == "__main__":
    main()
