"""A soak: applies are killed at random moments, and so are servers and networks, and each time all comes right again.

Every round declares something else, starts applies, some at once, and kills most of them; now and then the
server of the log crashes or cannot be reached, and the log is archived.  After each round one more apply, which nobody
kills, leaves exactly what is declared: nothing is lost, nothing was made or run twice.  RECONCILER_SOAK is how many
rounds each backend has, RECONCILER_SEED what chance begins with; the default keeps the suite quick.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from backend_urls import SERVED, Unruly, place, unruly
from crowd import Ended
from strict_team import Team, team

ROUNDS = int(os.environ.get("RECONCILER_SOAK", "2"))
SEED = int(os.environ.get("RECONCILER_SEED", random.randrange(2**32)))
NAMES = [f"r{number}" for number in range(1, 11)]
MUTATIONS = ("createReport", "updateReport", "deleteReport", "createOrganizationReport", "exportOrganizationReport")
KILLED = -9


@dataclass
class Soak:
    """What is declared in the round that is on, and what all rounds came to so far."""

    team: Team
    upset: Callable[[random.Random], None] | None
    chance: random.Random
    titles: dict[str, str] = field(default_factory=dict)
    exports: dict[str, str] = field(default_factory=dict)
    codes: Counter[int] = field(default_factory=Counter)
    number: int = 0

    def round(self) -> None:
        """Declare something else, let it be applied by those who are killed over it, and make it right."""
        self.number += 1
        self.declare()
        for _ in range(self.chance.randint(1, 4)):
            self.server_is_slow()
            self.wave()
        self.converge()

    def wave(self) -> None:
        """Some apply at once, and are killed, while the server of the log may be in trouble."""
        some = self.chance.randint(1, 3)
        self.team.settle = "1" if some > 1 else "0"  # a request of the dead may still be on its way, and nobody waits
        kills = [self.chance.uniform(0, 0.6) if self.chance.random() < 0.85 else None for _ in range(some)]
        self.team.crowd.start(*(self.team.applying("--lock-timeout", "60", kill=kill) for kill in kills))
        if self.upset is not None and self.chance.random() < 0.1:
            self.upset(self.chance)
        self.note(self.team.crowd.ended())
        self.team.quiet()

    def declare(self) -> None:
        """Other objects, other titles, other exports: what is new never has a title that there was before."""
        chosen = self.chance.sample(NAMES, self.chance.randint(3, len(NAMES)))
        kept = {name for name in self.titles if self.chance.random() < 0.5}
        self.titles = {name: self.titles[name] if name in kept else f"{name}-{self.number}" for name in sorted(chosen)}
        self.exports = {
            name: self.exports[name]
            if name in self.exports and self.chance.random() < 0.5
            else f"{name}_at_{self.number}"
            for name in ("e1", "e2")
        }
        self.team.declare(self.titles, self.exports)

    def server_is_slow(self) -> None:
        self.team.server.faults.clear()
        for operation in MUTATIONS:
            self.team.server.fail(operation, "slow", seconds=self.chance.choice([0, 0.01, 0.05]), times=10**9)

    def note(self, all_: list[Ended]) -> None:
        """Whoever was not killed says what happened; 7 is what is in doubt, or what was left of an export."""
        for ended in all_:
            self.codes[ended.code] += 1
            assert ended.code in (KILLED, 0, 5, 7), f"round {self.number} {ended}"
            assert ended.code != 5 or "hint: " in ended.err, f"round {self.number} {ended}"

    def converge(self) -> None:
        """One apply makes it right; before that, a person says what became of exports that nobody can look up."""
        self.team.settle = "0"
        for rescue in (self.team.folder / "one" / ".reconciler").glob("rescue-*.json"):
            taken = self.team.run("state", "import-rescue", str(rescue), "--lock-timeout", "60")
            assert taken.code in (0, 5), str(taken)
            rescue.unlink()
        ended = self.answered()
        if ended.code == 7:
            self.team.say_what_was_exported()
            ended = self.team.apply()
        assert ended.code == 0, f"round {self.number} {ended}"
        assert self.team.live() == Counter(self.titles.values()), f"round {self.number} {ended}"
        assert max(self.team.server.made.values()) == 1, (self.number, self.team.server.made)
        assert self.team.exported() == Counter(self.team.exported().keys()), self.number
        assert set(self.exports.values()) <= self.team.exported().keys(), self.number
        files = self.team.files()
        assert len(files) <= len(self.team.exported()), files
        assert not [file for file in files if file.suffix != ".xlsx" or not file.stat().st_size], files

    def answered(self) -> Ended:
        """Apply, once the server of the log has recovered from what was done to it."""
        until = time.monotonic() + 60
        while True:
            ended = self.team.apply("--lock-timeout", "60")
            if ended.code != 5 or self.upset is None or time.monotonic() > until:
                return ended
            assert "hint: " in ended.err, f"round {self.number} {ended}"
            self.codes[ended.code] += 1
            time.sleep(0.5)

    def archive(self) -> None:
        """Put the log into a file, killed over it or not; whatever comes of it, the log is as good as before."""
        file = self.team.folder / f"archive-{self.number}.jsonl"
        kill = self.chance.uniform(0, 0.3) if self.chance.random() < 0.5 else None
        (ended,) = self.team.crowd(self.team.task("state", "archive", str(file), kill=kill))
        assert ended.code in (KILLED, 0), str(ended)
        self.codes[ended.code] += 1


def crash_or_cut(server: Unruly) -> Callable[[random.Random], None]:
    def upset(chance: random.Random) -> None:
        time.sleep(chance.uniform(0, 0.4))
        if chance.random() < 0.5:
            server.crash()
        else:
            with server.cut():
                time.sleep(chance.uniform(0.1, 1))

    return upset


@contextmanager
def soaking(backend: str, folder: Path) -> Iterator[Soak]:
    chance = random.Random(f"{SEED} {backend}")
    if backend in SERVED:
        with unruly(backend, folder) as server, team(folder, server.place) as all_:
            yield Soak(all_, crash_or_cut(server), chance)
    else:
        with place(backend, folder) as where, team(folder, where) as all_:
            yield Soak(all_, None, chance)


@pytest.mark.parametrize("backend", ["sqlite", "git", *SERVED])
def test_nothing_is_lost_or_doubled_however_it_is_killed(backend: str, tmp_path: Path) -> None:
    with soaking(backend, tmp_path) as soak:
        begun = time.monotonic()
        for number in range(1, ROUNDS + 1):
            soak.round()
            if number % 10 == 0:
                soak.archive()
            if number % 20 == 0 or number == ROUNDS:
                soak.team.server.faults.clear()
                soak.team.settled(list(soak.titles.values()))
                pace = (time.monotonic() - begun) / number
                print(f"seed {SEED}, round {number}: {dict(soak.codes)}, {pace:.2f} s each", flush=True)  # noqa: T201 - a long soak is watched with -s
