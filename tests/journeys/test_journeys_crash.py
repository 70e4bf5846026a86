"""Killed at any moment, an apply is followed by one that leaves exactly one object per manifest.

RECONCILER_KILLS sets how often each test kills; the default keeps the suite quick.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable

from running import Program

KILLS = int(os.environ.get("RECONCILER_KILLS", "6"))


def manifests(count: int) -> str:
    reports = [
        f"apiVersion: blue/v1\nkind: Report\nmetadata: {{name: r-{number}}}\nspec:\n  title: Report {number}\n"
        "  dataSources: [{filters: {done: false}}]\n" + ("  config: {layout: board}\n" if number % 5 == 0 else "")
        for number in range(count // 2)
    ]
    saved = [
        f"apiVersion: pipefy/v1\nkind: Report\nmetadata: {{name: p-{number}}}\nspec:\n"
        f"  name: Saved {number}\n  pipeIds: [301000001]\n  fields: [title, status]\n"
        for number in range(count - count // 2)
    ]
    return "---\n".join(reports + saved)


def objects(program: Program) -> Counter[str]:
    """How often each title exists in the emulators."""
    from reconciler.sandbox.store import Store

    store = Store(program.folder / ".reconciler" / "sandbox.db")
    found = Counter(report["title"] for report in store.all("blue_report"))
    found.update(report["name"] for report in store.all("pipefy_report") if report["name"].startswith("Saved "))
    store.close()
    return found


def test_kill_9_at_random_moments_of_an_apply(project: Callable[[str], Program]) -> None:
    program = project(manifests(30))
    assert program("apply", "--sandbox", "--yes").code == 0
    began = time.monotonic()
    program("sandbox", "reset")
    program("plan", "--sandbox")
    idle = (time.monotonic() - began) / 2
    seed = random.randrange(2**32)  # a new one each time: over many runs every moment is met
    chance = random.Random(seed)
    for _ in range(KILLS):
        program("sandbox", "reset")
        process = subprocess.Popen(
            program.command("apply", "--sandbox", "--yes"),
            cwd=program.folder,
            env=program.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(idle * 0.7 + chance.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = program("apply", "--sandbox", "--yes")
        assert after.code == 0, (seed, after.err)
        assert set(objects(program).values()) == {1}
        assert len(objects(program)) == 30
        assert program("plan", "--sandbox", "--detailed-exitcode").code == 0
