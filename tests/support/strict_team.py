"""People who apply to the strict server, from folders of their own and with one log; and what must hold afterwards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import strict_server
from backend_urls import Place
from crowd import Crowd, Ended, Task, crowd
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
metadata: {{name: {name}}}
spec: {{title: {title}, dataSources: [{{filters: {{done: false}}}}], config: {{layout: board}}}}
"""
SAVED = """\
apiVersion: pipefy/v1
kind: Report
metadata: {{name: {name}}}
spec: {{name: {title}, pipeIds: [301000001], fields: [title]}}
"""
EXPORT = """\
apiVersion: pipefy/v1
kind: Export
metadata: {{name: {name}}}
spec: {{pipeIds: [301000001], columns: [title, {title}]{more}}}
"""
QUICK = ("--poll-interval", "0.02", "--timeout", "20")


@dataclass
class Team:
    """Everybody, what they talk to and where the log is."""

    folder: Path
    server: Server
    crowd: Crowd
    place: Place
    variables: dict[str, str]
    lease: float = 60.0
    settle: str = "0"
    told: list[str] = field(default_factory=list)

    def declare(
        self, titles: Mapping[str, str], exports: Mapping[str, str] | None = None, more: str = "", at: str = "one"
    ) -> Path:
        """Write the manifests of a folder: reports of both services in turn, and exports by one of their columns."""
        folder = self.folder / at
        (folder / "manifests").mkdir(parents=True, exist_ok=True)
        kinds = [BLUE, SAVED]
        reports = [kinds[int(name[1:]) % 2].format(name=name, title=title) for name, title in titles.items()]
        runs = [EXPORT.format(name=name, title=column, more=more) for name, column in (exports or {}).items()]
        for name, text in (("reconciler", PROJECT), ("all", "---\n".join([*reports, *runs]))):
            beside = folder / f"{name}.new"
            beside.write_text(text)
            beside.replace(folder / "manifests" / f"{name}.yaml")
        return folder

    def task(self, *arguments: str, at: str = "one", now: str = "", **when: Any) -> Task:
        """A command line to be run in a folder."""
        variables = {**self.variables, **self.place.environment, **({"RECONCILER_NOW": now} if now else {})}
        command = (*arguments, "--state", self.place.url)
        return Task(command, str(self.folder / at), variables, lease=self.lease, **when)

    def applying(self, *more: str, **how: Any) -> Task:
        """An apply of everything that is due, deletes included."""
        arguments = ("apply", "--yes", "--format", "json", "--allow-deletes", "99", "--settle-delay", self.settle)
        return self.task(*arguments, *QUICK, *more, **how)

    def run(self, *arguments: str, **how: Any) -> Ended:
        """Run one command line."""
        (ended,) = self.crowd(self.task(*arguments, **how))
        return ended

    def apply(self, *more: str, **how: Any) -> Ended:
        """Run one apply."""
        (ended,) = self.crowd(self.applying(*more, **how))
        return ended

    def quiet(self) -> None:
        """Wait until the server has done all that it was asked, also by those who are dead."""
        until = time.monotonic() + 30
        while self.server._open:
            assert time.monotonic() < until
            time.sleep(0.002)

    def live(self) -> Counter[str]:
        """How often each title is there now."""
        found = Counter(kept["title"] for kept in self.server.world.blue.values())
        found.update(kept["name"] for kept in self.server.world.saved.values())
        return found

    def exported(self) -> Counter[str]:
        """How often each export was ever started, by the column that tells them apart."""
        return Counter(kept["columns"][-1] for kept in list(self.server.world.exports.values()))

    def files(self) -> list[Path]:
        """Every file that was delivered to anybody; whoever is killed over one leaves a hidden part of it."""
        return [file for file in self.folder.glob("*/exports/*") if not file.name.startswith(".")]

    def say_what_was_exported(self, at: str = "one") -> None:
        """A person looks in Pipefy whether there is an export that the log knows nothing of, and says so."""
        for doubt in self.run("state", "list", "--format", "json", at=at).json["in_doubt"]:
            assert doubt["action"] == "export", doubt
            shown = self.run("state", "show", doubt["address"], "--format", "json", at=at).json["export"]
            log = self.run("state", "export", "-", at=at).out
            started = [
                kept["id"]
                for kept in self.server.world.exports.values()
                if kept["columns"] == shown["spec"]["columns"] and kept["id"] not in log
            ]
            assert len(started) <= 1, started
            said = self.run("state", "settle", doubt["address"], "--as", *(started or ["absent"]), at=at)
            assert said.code in (0, 7), said

    def settled(self, titles: Sequence[str], at: str = "one", now: str = "") -> None:
        """Exactly these objects are there, nothing is left to do, and the log is whole."""
        assert self.live() == Counter(titles)
        assert self.server.violations == []
        left, refreshed, verified = self.crowd(
            self.task("plan", "--detailed-exitcode", at=at, now=now),
            self.task("plan", "--detailed-exitcode", "--refresh", at=at, now=now),
            self.task("state", "verify", at=at),
        )
        assert (left.code, left.err) == (0, ""), left
        assert refreshed.code == 0, refreshed
        assert verified.code == 0, verified
        assert self.known(at) == sorted([*self.server.world.blue, *self.server.world.saved])

    def known(self, at: str = "one") -> list[str]:
        """The ids of all that is recorded."""
        listed = self.run("state", "list", "--format", "json", at=at).json
        return sorted(resource["id"] for resource in listed["resources"])

    def history(self, at: str = "one") -> dict[str, Any]:
        """The runs that the log tells of, by name."""
        told = self.run("history", "--format", "json", at=at).json["runs"]
        assert len({run["run"] for run in told}) == len(told)
        return {run["run"]: run for run in told}


def begun(ended: Ended) -> list[dict[str, Any]]:
    """How each run that an apply began was told: with its exit code, None for one that was killed."""
    found: dict[str, Any] = {}
    for event in ended.events:
        if event["type"] == "run.started":
            found[event["run"]] = {"run": event["run"], "exit_code": None}
        elif event["type"] == "run.finished" and event["run"] in found:
            found[event["run"]]["exit_code"] = event["exit_code"]
    return list(found.values())


@contextmanager
def team(folder: Path, place: Place) -> Iterator[Team]:
    """A new one, there as long as the context."""
    with strict_server.serving() as server, crowd() as many:
        variables = {
            "HOME": str(folder),
            "BLUE_API_URL": f"{server.url}/blue/graphql",
            "BLUE_TOKEN_ID": strict_server.TOKEN_ID,
            "BLUE_TOKEN_SECRET": strict_server.TOKEN_SECRET,
            "BLUE_ORG_ID": strict_server.COMPANY_SLUG,
            "PIPEFY_API_URL": f"{server.url}/graphql",
            "PIPEFY_TOKEN": strict_server.PIPEFY_TOKEN,
            "RECONCILER_TRUSTED_HOSTS": f"127.0.0.1:{server.port}",
        }
        yield Team(folder, server, many, place, variables)
