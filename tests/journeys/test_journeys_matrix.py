"""The crash matrix: killed at any moment that leaves a trace, an apply is followed by one that makes everything right.

A moment is before or after an append to the log, or before or after a request to a service (`killing`).  The work
has every kind and every action: creates of one and of two steps, updates, deletes, what is detached, exports that run
once, by schedule, for new content, what is recorded only, and what is forgotten.  RECONCILER_MATRIX=1 visits every
moment on every backend; the default visits every one on SQLite's, and on the others some of each kind.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import killing
import pytest
from backend_urls import BACKENDS, place
from killer import Killer, Moment, Ran, killer
from killing import KINDS

from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches
from reconciler.state.backends import WHOLE, open_backend

FEW = 9  # of how many moments of a kind one is visited
EVERYTHING = bool(os.environ.get("RECONCILER_MATRIX"))
QUICK = ("--poll-interval", "0.01", "--concurrency", "2", "--settle-delay", "0")

BEFORE = """
apiVersion: blue/v1
kind: Report
metadata: {name: two-steps}
spec: {title: Two steps, dataSources: [{filters: {done: false}}], config: {layout: board}}
---
apiVersion: blue/v1
kind: Report
metadata: {name: deleted}
spec: {title: Deleted, dataSources: [{filters: {done: true}}]}
---
apiVersion: blue/v1
kind: Report
metadata: {name: detached}
lifecycle: {onRemove: detach}
spec: {title: Detached, dataSources: [{filters: {done: true}}]}
---
apiVersion: pipefy/v1
kind: Report
metadata: {name: saved}
spec: {name: Saved, pipeIds: [301000001], fields: [title], color: blue}
---
apiVersion: pipefy/v1
kind: Report
metadata: {name: gone}
spec: {name: Gone, pipeIds: [301000001], fields: [title]}
---
apiVersion: pipefy/v1
kind: Export
metadata: {name: once}
spec: {report: {ref: pipefy/report/saved}}
---
apiVersion: pipefy/v1
kind: Export
metadata: {name: nightly}
spec: {pipeIds: [301000001], columns: [title], schedule: "0 6 * * *", runOnCreate: true}
---
apiVersion: pipefy/v1
kind: Export
metadata: {name: yearly}
spec: {pipeIds: [301000001], columns: [title], schedule: "0 6 1 1 *"}
"""
AFTER = """
apiVersion: blue/v1
kind: Report
metadata: {name: two-steps}
spec: {title: Two steps more, dataSources: [{filters: {done: false}}], config: {layout: list}}
---
apiVersion: pipefy/v1
kind: Report
metadata: {name: saved}
lifecycle: {protect: true}
spec: {name: Saved again, pipeIds: [301000001], fields: [title], color: blue}
---
apiVersion: pipefy/v1
kind: Export
metadata: {name: once}
spec: {report: {ref: pipefy/report/saved}, columns: [title, status]}
---
apiVersion: pipefy/v1
kind: Export
metadata: {name: nightly}
spec: {pipeIds: [301000001], columns: [title], schedule: "0 7 * * *", runOnCreate: true}
---
apiVersion: blue/v1
kind: Report
metadata: {name: fresh}
spec: {title: Fresh, dataSources: [{filters: {done: true}}]}
"""


@dataclass(frozen=True)
class Phase:
    """What an apply has to do, and what then exists: objects by title, exports by address."""

    earlier: Sequence[str]
    manifests: str
    objects: frozenset[str]
    exports: int


PHASES = {
    "from nothing": Phase((), BEFORE, frozenset({"Two steps", "Deleted", "Detached", "Saved", "Gone"}), 2),
    "from something": Phase((BEFORE,), AFTER, frozenset({"Two steps more", "Detached", "Saved again", "Fresh"}), 3),
}


@dataclass
class Trial:
    """One project in one folder, with a log of its own in the storage that all trials share."""

    child: Killer
    folder: Path
    state: str

    def declare(self, text: str) -> None:
        folder = self.folder / "manifests"
        folder.mkdir(parents=True, exist_ok=True)
        project = f"apiVersion: reconciler/v1\nkind: Project\nmetadata: {{name: {self.folder.name}}}\n"
        (folder / "reconciler.yaml").write_text(project)
        (folder / "all.yaml").write_text(text)

    def __call__(self, *arguments: str, kill: Moment | None = None) -> Ran:
        ran = self.child([*arguments, "--sandbox", "--state", self.state], self.folder, kill)
        assert "Traceback" not in ran.err, ran.err
        return ran

    def apply(self, kill: Moment | None = None) -> Ran:
        return self("apply", "--yes", "--allow-deletes", "9", *QUICK, kill=kill)

    def sandbox(self) -> Store:
        file = self.folder / ".reconciler" / "sandbox.db"
        file.parent.mkdir(parents=True, exist_ok=True)
        return Store(file)

    def objects(self) -> Counter[str]:
        """How often each title exists in the services, but for what the invented world had."""
        with closing(self.sandbox()) as store:
            found = Counter(report["title"] for report in store.all("blue_report"))
            found.update(report["name"] for report in store.all("pipefy_report"))
        return found - WORLD

    def exports(self) -> list[str]:
        """The id of every export that was ever started."""
        with closing(self.sandbox()) as store:
            return [export["id"] for export in store.all("pipefy_export")]

    def log(self) -> str:
        with closing(open_backend(self.state, f"sandbox:{self.folder.name}/default")) as backend:
            return b"".join(batch for _, batch in backend.read(WHOLE)[1]).decode()

    def settle_exports(self) -> None:
        """Say of every export in doubt what a person finds out in Pipefy: which it started, if it did."""
        doubts = json.loads(self("state", "list", "--format", "json").out)["in_doubt"]
        assert doubts
        for doubt in doubts:
            assert doubt["action"] == "export", doubt
            log = self.log()
            unknown = [export for export in self.exports() if f'"export_id":"{export}"' not in log]
            verdict = unknown[0] if unknown else "absent"
            self("state", "settle", doubt["address"], "--as", verdict)

    def killed(self, phase: Phase, kill: Moment | None) -> Ran:
        """Apply, killed at a moment or never, see that the next apply makes it right, and return what the first did."""
        with closing(self.sandbox()) as store:
            Switches(store).set("export_plan", "0.02/0.03")  # fewer questions, which are all the same, and less waiting
        for text in phase.earlier:
            self.declare(text)
            assert self.apply().code == 0
        self.declare(phase.manifests)
        first = self.apply(kill=kill)
        at = first.last
        if first.code >= 0:
            assert first.code == 0, first.err
        again = self.apply()
        if again.code == 7:
            self.settle_exports()
            again = self.apply()
        assert again.code == 0, (at, again.err)
        assert self.objects() == dict.fromkeys(phase.objects, 1), at
        assert len(self.exports()) == phase.exports, at
        assert self("plan", "--detailed-exitcode").code == 0, at
        return first


def world() -> Counter[str]:
    """The titles that a new world has."""
    from reconciler.sandbox.world import seed

    with closing(Store(None)) as store:
        seed(store)
        found = Counter(report["title"] for report in store.all("blue_report"))
        found.update(report["name"] for report in store.all("pipefy_report"))
    return found


WORLD = world()


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_anywhere_the_next_apply_makes_it_right(
    backend: str, phase: Phase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = 1 if EVERYTHING or backend == "sqlite" else FEW
    with place(backend, tmp_path) as (state, variables), monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with killer(killing) as child:

            def trial(kill: Moment | None) -> Ran:
                return Trial(child, tmp_path / f"t{random.randrange(2**40)}", state).killed(phase, kill)

            whole = trial(None).moments
            for kind in KINDS:
                passed = sum(moment.startswith(kind) for moment in whole)  # not always as many: appends are grouped
                begin = random.randint(1, min(every, passed // 2))
                ended = [trial((kind, number)) for number in range(begin, passed + 1, every)]
                assert ended[0].code == -signal.SIGKILL, kind
                assert ended[0].last.startswith(kind), ended[0]
