"""A project beside the strict server, and what must hold after every run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import strict_server
from running import Program, Ran
from strict_server import Server

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: acme}
spec: {providers: {pipefy: {organization: 300123456}}}
"""
BLUE = """\
apiVersion: blue/v1
kind: Report
metadata: {name: NAME}
spec:
  title: Blue NAME
  description: d
  dataSources: [{name: one, projectIds: [project_2, project_1], filters: {done: false}}]
"""
FULL = BLUE + "  config: {layout: board}\n  reportUsers: [{userId: user_2, role: VIEWER}]\n"
SAVED = """\
apiVersion: pipefy/v1
kind: Report
metadata: {name: NAME}
spec:
  name: Saved NAME
  pipeIds: [301000001]
  fields: [title, status]
  filter: {operator: and, queries: [{field: status, operator: eq, value: open}]}
"""
EXPORT = """\
apiVersion: pipefy/v1
kind: Export
metadata: {name: NAME}
spec:
  pipeIds: [301000001]
  columns: [priority, title]
  deadline: 30m
"""
REFERRING = """\
apiVersion: pipefy/v1
kind: Export
metadata: {name: NAME}
spec:
  report: {ref: pipefy/report/OTHER}
"""

TERMINAL = {
    *("step.applied", "step.rejected", "step.doubted", "step.skipped"),
    *("export.accepted", "export.delivered", "export.failed"),
}
QUICK = ("--timeout", "0.6", "--poll-interval", "0.02", "--settle-delay", "0")


def named(template: str, name: str, other: str = "") -> str:
    return template.replace("NAME", name).replace("OTHER", other)


def bundle(*documents: str) -> str:
    return "---\n".join(documents)


@dataclass
class Strict:
    """The program, the server it talks to, and what was ever printed."""

    program: Program
    server: Server
    printed: list[str] = field(default_factory=list)
    doubted: int = 0

    def declare(self, *documents: str) -> None:
        self.program.write("manifests/reconciler.yaml", PROJECT)
        self.program.write("manifests/all.yaml", bundle(*documents))

    def run(self, *arguments: str, **variables: str) -> Ran:
        ran = self.program(*arguments, **variables)
        self.printed += [ran.out, ran.err]
        assert "\x1b" not in ran.out + ran.err
        return ran

    def plan(self, *arguments: str, **variables: str) -> Any:
        ran = self.run("plan", "--format", "json", *arguments, **variables)
        assert ran.code == 0, ran.err
        return ran.json

    def apply(self, *arguments: str, quick: tuple[str, ...] = QUICK, **variables: str) -> Ran:
        """Apply, and see that what it tells is true."""
        made = len(self.server.world.made)
        ran = self.run("apply", "--yes", "--format", "json", *quick, *arguments, **variables)
        self.truthful(ran, made)
        return ran

    def state(self) -> Any:
        return self.run("state", "list", "--format", "json").json

    def truthful(self, ran: Ran, made: int) -> None:
        events = ran.events
        for event in events:
            assert event["format"] == "reconciler.event/1"
            assert {"time", "type"} <= event.keys()
            assert ("address" in event) == (event["type"] not in ("run.started", "run.finished")), event
        assert [event["type"] for event in events].count("run.finished") == 1
        last = events[-1]
        assert last["type"] == "run.finished"
        assert last["exit_code"] == ran.code, (last, ran.code, ran.err)
        ended = Counter(
            (event["address"], event["action"])
            for event in events
            if event["type"] in TERMINAL and not event.get("earlier")
        )
        assert set(ended.values()) <= {1}
        assert sum(ended.values()) == sum(event["steps"] for event in events if event["type"] == "run.started")
        self._objects(events, made)
        if ran.code == 0:
            bad = {"step.rejected", "step.doubted", "step.skipped", "export.failed"}
            assert not bad & {event["type"] for event in events}

    def _objects(self, events: list[Any], made: int) -> None:
        live = self.server.world.blue.keys() | self.server.world.saved.keys()
        gone = {event["id"] for event in events if event["type"] == "step.applied" and event["action"] == "delete"}
        for event in events:
            if event["type"] == "step.applied" and event["action"] == "create" and "/export/" not in event["address"]:
                assert event["id"] in live, event
        assert not gone & live
        new = {made_id for _, made_id, _ in self.server.world.made[made:]}
        told = {event.get("id") or event.get("export_id") for event in events}
        earlier, self.doubted = self.doubted, sum(event["type"] == "step.doubted" for event in events)
        assert len(new - told) <= self.doubted + earlier, (new, told)

    def converged(self, *arguments: str, quick: tuple[str, ...] = QUICK, **variables: str) -> Ran:
        """With nothing in the way any more, one apply leaves exactly one object per manifest."""
        self.server.faults.clear()
        ran = self.apply(*arguments, quick=quick, **variables)
        assert ran.code == 0, ran.err
        self.settled(**variables)
        return ran

    def settled(self, **variables: str) -> None:
        """Nothing was made twice, and nothing is left to do."""
        self.single()
        left = self.run("plan", "--refresh", "--detailed-exitcode", **variables)
        assert left.code == 0, left.out
        assert self.server.violations == []

    def single(self) -> None:
        """Nothing was ever made twice."""
        assert {key: count for key, count in self.server.made.items() if count > 1} == {}

    def leaks(self) -> list[str]:
        texts = {"output": "\n".join(self.printed)}
        for file in self.program.folder.rglob("*"):
            if file.is_file():
                texts[str(file)] = file.read_bytes().decode("utf-8", "replace")
        return [where for where, text in texts.items() for secret in strict_server.SECRETS if secret in text]
