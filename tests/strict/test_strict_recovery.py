"""Broken off, killed, run twice at once, or met by a service that keeps things its own way: still one object each."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from datetime import timedelta

import pytest
from strict_project import BLUE, FULL, SAVED, Strict, named

DOCUMENTS = [*(named(FULL if number % 2 else BLUE, f"b{number}") for number in range(6)), named(SAVED, "s")]
PATIENT = ("--timeout", "5", "--settle-delay", "0.5", "--poll-interval", "0.02")


def begin(strict: Strict, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        strict.program.command("apply", "--yes", "--format", "json", *PATIENT, *arguments),
        cwd=strict.program.folder,
        env=strict.program.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_sent(strict: Strict, count: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 10
    while len(strict.server.mutations) < count and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


@pytest.mark.parametrize("moment", [1, 6])
def test_kill_9_leaves_one_object_per_manifest(strict: Strict, moment: int) -> None:
    strict.declare(*DOCUMENTS)
    process = begin(strict, "--concurrency", "2")
    until_sent(strict, moment, process)
    time.sleep(random.uniform(0, 0.01))
    process.kill()
    process.communicate()
    time.sleep(0.3)  # what had left is then committed, and counts as made by the run that was killed
    strict.converged(quick=PATIENT)
    assert len(strict.server.world.made) == len(DOCUMENTS)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_an_interruption_sees_through_what_is_in_flight(strict: Strict, sign: signal.Signals) -> None:
    strict.declare(*DOCUMENTS)
    strict.server.fail("createReport", "slow", seconds=0.4, times=2)
    process = begin(strict, "--concurrency", "2")
    until_sent(strict, 2, process)
    process.send_signal(sign)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert '"exit_code": 130' in out.splitlines()[-1]
    assert out.count('"step.applied"') == 2
    assert out.count('"step.skipped"') == len(DOCUMENTS) + 3 - 2
    strict.converged(quick=PATIENT)


def test_two_applies_at_once_make_one_object_each(strict: Strict) -> None:
    strict.declare(*DOCUMENTS)
    strict.server.fail("createReport", "slow", seconds=0.5)
    processes = [begin(strict, "--concurrency", "1") for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes == [0, 5, 5], outputs
    assert len(strict.server.mutations) == len(DOCUMENTS) + 3
    strict.settled()


def test_a_service_that_trims_titles_gets_no_twin(strict: Strict) -> None:
    strict.server.blue.trims = True
    strict.declare(named(BLUE, "a").replace("Blue a", '" Blue a "'))
    strict.server.fail("createReport", "drop", executed=True)
    assert strict.apply().code == 7
    strict.server.faults.clear()
    strict.apply()
    assert len(strict.server.world.blue) == 1


@pytest.mark.parametrize("shape", ["flat", "upper"])
def test_a_filter_that_does_not_come_back_as_it_went_is_no_change(strict: Strict, shape: str) -> None:
    strict.server.pipefy.shape = shape
    strict.declare(named(SAVED, "a"), named(SAVED, "b"))
    strict.server.fail("createOrganizationReport", "drop", executed=True)
    assert strict.apply().code == 0
    strict.settled()
    assert len(strict.server.world.saved) == 2


@pytest.mark.parametrize("hours", [-5])
def test_a_clock_that_is_wrong_by_hours_does_not_matter(strict: Strict, hours: int) -> None:
    strict.server.world.skew = timedelta(hours=hours)
    strict.declare(named(BLUE, "a"), named(SAVED, "c"))
    for operation in ("createReport", "createOrganizationReport"):
        strict.server.fail(operation, "drop", executed=True)
    assert strict.apply().code == 0
    strict.settled()
    assert len(strict.server.world.made) == 2


def test_equal_manifests_get_an_object_each(strict: Strict) -> None:
    strict.declare(named(BLUE, "a"), named(BLUE, "b").replace("Blue b", "Blue a"))
    strict.server.fail("createReport", "drop", executed=True, times=2)
    strict.apply()
    strict.server.faults.clear()
    assert strict.apply().code == 0
    assert len(strict.server.world.blue) == 2
    assert len({resource["id"] for resource in strict.state()["resources"]}) == 2


def test_many_objects_are_found_over_all_pages(strict: Strict) -> None:
    documents = [named(template, f"n{number}") for number in range(52) for template in (BLUE, SAVED)]
    strict.declare(*documents)
    for operation in ("createReport", "createOrganizationReport"):
        strict.server.fail(operation, "drop", executed=True, nth=3, times=20)
    assert strict.apply().code == 0
    strict.settled()
    assert len(strict.server.world.made) == 104
