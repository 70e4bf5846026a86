"""The log moved to another place, or made anew from an exported one.

The old place keeps everything and ends with a marker; whoever writes there is told where the log goes on.  The marker
is written only when the new place holds every batch, read again, and only right behind the last of them: until then
the log goes on in the old place, from then on in the new one.  The lease under which it was moved came along, and is
given back there.  A run that did not come so far is finished by doing the same again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.app.clock import instant
from reconciler.app.state.exporting import More, behind, nothing, stepwise
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Archived, Entry, LeaseReleased, Migrated
from reconciler.model.errors import Conflict, StateError, Usage
from reconciler.model.manifest import Project
from reconciler.model.recorded import Lease, Recorded
from reconciler.model.values import JSONObject

if TYPE_CHECKING:
    from reconciler.model.ports import Backend
    from reconciler.state.log import Log

Note = Callable[[str], None]

_TOLD: Final = 1_000
"""Batches after which it is said how far it is."""


async def migrate(wiring: Wiring, url: str, *, old: str = "", note: Note) -> JSONObject:
    """Move the log to the place `url`, and return `reconciler.migration/1`.

    `old` is the name (`PROJECT/ENVIRONMENT`) of another log that becomes the one of this project and environment.
    What an earlier run has moved already is left as it is, and what is left to do is done.  Raises Usage when the place
    is the one the log is in, StateError when it holds anything but the beginning of this log, or does not take it.
    """
    from reconciler.state.log import Log

    here, project = _former(wiring, old)
    there = Wiring(replace(wiring.settings, state=url), wiring.note)
    name, former = there.log_name(wiring.project()), here.log_name(project)
    target = _place(url, known_elsewhere=not _is_file(here.state_url(project)))
    if name != former:
        target += f", log {name}"
    with ExitStack() as stack:
        # one handle for the log, which is written to while the other one reads
        backend, other = (stack.enter_context(closing(here.backend(project))) for _ in range(2))
        log = Log(backend, wiring.clock, note=note)
        await log.refresh()
        if log.recorded.lineage is None:
            raise nothing(here, project)
        copy = _Copy(other, stack.enter_context(closing(there.backend(wiring.project()))), target)
        if log.recorded.moved_to is None:
            run = await _move(here, log, copy, note)
        else:
            run = await _moved(log.recorded, copy)
        if _is_file(url) and not _is_file(here.state_url(project)):
            note(f"warning: {target} is a file of this machine; whoever used the log from another one cannot reach it")
        new = Log(copy.target, wiring.clock, note=note)
        released = LeaseReleased(run, instant(wiring.clock.wall()))
        await _free(new, lambda lease: released if lease.run == run else None)
        return _report(there, url, former, name, copy, new.recorded)


async def restore(wiring: Wiring, url: str, file: Path, *, note: Note) -> JSONObject:
    """Make a log of an exported one in the place `url`, which must hold nothing but a beginning of it, and return
    `reconciler.migration/1`.

    A marker that the log was moved is left out, and a lease that somebody held then is broken.  Raises StateError
    before anything is written when the file is damaged.
    """
    from reconciler.state.chain import Chain
    from reconciler.state.exported import ExportedLog
    from reconciler.state.log import Log
    from reconciler.state.watch import broken

    there = Wiring(replace(wiring.settings, state=url), wiring.note)
    exported = ExportedLog(file)
    await stepwise(behind(exported, Chain()))
    with closing(there.backend(wiring.project())) as target:
        copy = _Copy(exported, target, _place(url))
        await copy.catch_up(note)
        new, run = Log(target, wiring.clock, note=note), secrets.token_hex(8)
        reason = "the log was restored from a file"
        await _free(new, lambda lease: broken(lease, now=wiring.clock.wall(), by=run, reason=reason))
        name = there.log_name(wiring.project())
        return {**_report(there, url, exported.header.log, name, copy, new.recorded), "file": str(file)}


def _is_file(url: str) -> bool:
    return url.startswith("sqlite:")


def _place(url: str, *, known_elsewhere: bool = False) -> str:
    """Where a log goes, so that it is found from any folder, and by any machine if the log was known to others; never
    credentials."""
    from reconciler.state.backends import shown

    scheme, _, path = url.partition(":")
    if not path or not _is_file(url):
        return shown(url)
    return f"{scheme}:{os.path.realpath(path)}" + (f" on {socket.gethostname()}" if known_elsewhere else "")


def _former(wiring: Wiring, old: str) -> tuple[Wiring, Project]:
    """Where the log is that is moved: another one than this project's, if `old` names one."""
    project = wiring.project()
    if not old:
        return wiring, project
    name, slash, environment = old.partition("/")
    if not (name and slash and environment) or "/" in environment:
        raise Usage(f"{old!r} names no log", "write PROJECT/ENVIRONMENT")
    return Wiring(replace(wiring.settings, environment=environment), wiring.note), replace(project, name=name)


async def _move(here: Wiring, log: Log, copy: _Copy, note: Note) -> str:
    """Copy the log and end it with the marker, under a lease; returns the run that held it."""
    run = secrets.token_hex(8)
    ended = False

    def require(_: Recorded) -> None:
        log.permit()
        if log.head != copy.head:
            raise More

    await stepwise(copy.found.read())
    try:
        async with here.lease(log, run=run, command="state migrate", note=note):
            await stepwise(copy.found.read(run))
            if copy.found.met:
                raise Usage(f"the log is in {copy.place} already", "name another place")
            while not ended:
                await copy.catch_up(note)
                with suppress(More):
                    await log.record([Migrated(run, instant(here.clock.wall()), copy.place)], require)
                    ended = True
    except StateError:
        if not ended:  # else it is only that the lease ended together with the log
            raise
    return run


async def _moved(recorded: Recorded, copy: _Copy) -> str:
    """The run that moved the log there before, after a look whether it did; raises StateError when it is not there."""
    from reconciler.state import codec
    from reconciler.state.backends import WHOLE

    if recorded.moved_to != copy.place:
        raise StateError(f"The log was moved to {recorded.moved_to} already.", "Say --state for where it is now.")
    new = copy.found
    await stepwise(new.read())
    if new.lineage != recorded.lineage or new.position < recorded.position - 1:
        raise StateError(
            f"The log was moved to {copy.place}, but is not there any more.",
            "Find out who removed it. `state export` and `state migrate URL --from FILE` make a log of what is here.",
        )
    ((_, last),) = await asyncio.to_thread(lambda: deque(copy.source.read(WHOLE)[1], maxlen=1))
    return codec.unseal(codec.link(last), last)[-1].run


async def _free(log: Log, judge: Callable[[Lease], Entry | None]) -> None:
    """End the lease that came along with a log; somebody who has ended it already is right."""
    await log.refresh()
    lease = log.recorded.lease
    entry = None if lease is None else judge(lease)

    def require(recorded: Recorded) -> None:
        if recorded.lease != lease:
            raise More

    if entry is not None:
        with suppress(More):
            await log.record([entry], require)


def _report(there: Wiring, url: str, former: str, name: str, copy: _Copy, recorded: Recorded) -> JSONObject:
    from reconciler.state.backends import shown

    return {
        "format": "reconciler.migration/1",
        "from": former,
        "file": None,
        "to": _place(url),
        "log": name,
        "lineage": recorded.lineage,
        "position": recorded.position,
        "copied": {"batches": copy.batches, "bytes": copy.bytes},
        "moved_to": recorded.moved_to,
        "ended": copy.ended,
        "hidden": shown(url) != url,
        "sandbox": there.settings.sandbox,
    }


class _Found:
    """What a place holds: each batch verified to follow the one before it, not folded.

    `position` is the last one, counted from the first batch that ever was; `offset` how far it is ahead of that in the
    storage; `moved_to` where it goes on; `met` whether an entry of a certain run is among those that were read last.
    """

    def __init__(self, backend: Backend, place: str) -> None:
        self.position = self.offset = 0
        self.head: str | None = None
        self.lineage: str | None = None
        self.moved_to: str | None = None
        self.met = False
        self._backend = backend
        self._place = place

    def read(self, run: str = "") -> Iterator[None]:
        """Read what is new, batch by batch; raises StateError where it is damaged."""
        from reconciler.state import codec
        from reconciler.state.backends import replay

        self.met = False
        for at, batch in self._backend.read(replay(self.position - self.offset))[1]:
            try:
                entries = codec.unseal(codec.link(batch) if self.head is None else self.head, batch)
            except StateError as error:
                raise StateError(f"{self._place}, position {at}: {error.message}", error.hint) from error
            self.met = self.met or any(entry.run == run for entry in entries)
            if self.head is None:
                self._begin(at, batch, entries[0])
            if isinstance(entries[-1], Migrated):
                self.moved_to = entries[-1].target
            self.position = at + self.offset
            self.head = codec.sha256(batch)
            yield

    def _begin(self, at: int, batch: bytes, first: Entry) -> None:
        from reconciler.state import codec

        if codec.link(batch) is None:
            self.lineage = codec.sha256(batch)[:32]
        elif isinstance(first, Archived):
            self.offset = first.position + 1 - at
            self.lineage = first.state.get("lineage")


class _Copy:
    """Brings a place up to what a log holds.

    `head` is the SHA-256 of the last batch that belongs there; `batches` and `bytes` count what was written; `ended`
    is where a marker that was left out says the log goes on.
    """

    def __init__(self, source: Backend, target: Backend, place: str) -> None:
        from reconciler.state.chain import Chain

        self.source = source
        self.target = target
        self.place = place
        self.found = _Found(target, place)
        self.head: str | None = None
        self.batches = self.bytes = 0
        self.ended: str | None = None
        self._chain = Chain()
        self._told = 0

    async def catch_up(self, note: Note) -> None:
        """Write what the log has more than the place, and read it again; raises StateError when they differ."""
        await stepwise(self.found.read())
        await stepwise(self._more(), lambda: self._tell(note))
        await stepwise(self.found.read())
        if self.found.head != self.head:
            raise self._other()
        self._keep_checkpoint()

    def _tell(self, note: Note) -> None:
        if self.batches - self._told >= _TOLD:
            self._told = self.batches
            note(f"copied {self.batches:,} batches")

    def _more(self) -> Iterator[None]:
        """Copy batch by batch, each verified before it is written."""
        from reconciler.state import codec

        known, tip, offset = self.found.position, self.found.head, self.found.offset
        before = self._chain.head
        for link in behind(self.source, self._chain):
            position = self._chain.recorded.position
            if isinstance(link.entries[-1], Migrated):
                self.ended = link.entries[-1].target
                return
            self.head = self._chain.head
            if position > known:
                if tip is None:
                    offset = position - 1
                elif tip != (before or codec.link(link.batch)):
                    raise self._other()
                self._append(position - offset, link.batch)
                tip = self.head
            before = self.head
            yield

    def _append(self, position: int, batch: bytes) -> None:
        from reconciler.state.backends import replay

        try:
            self.target.append(position, batch)
        except StateError as error:
            if next(iter(self.target.read(replay(position - 1))[1]), None) != (position, batch):
                if isinstance(error, Conflict):
                    raise self._other() from error
                raise type(error)(
                    error.message, f"{error.hint} Then do it again: it goes on where it stopped."
                ) from error
        self.batches += 1
        self.bytes += len(batch)

    def _other(self) -> StateError:
        found = self.found
        if found.moved_to is not None:
            return _used(self.place, found.moved_to)
        what = (
            "a copy of it that has gone on by itself"
            if found.lineage == self._chain.recorded.lineage
            else "another log"
        )
        return StateError(
            f"{self.place} holds something else than the beginning of this log: {what},"
            f" up to position {found.position}.",
            "Nothing of it was changed. Name another place, or find out who wrote there.",
        )

    def _keep_checkpoint(self) -> None:
        """The first to open the log in its new place need not read all of it."""
        from reconciler.state import snapshot

        if self.batches and self.ended is None and self.head is not None:
            offset = self.found.offset
            with suppress(StateError):  # it only saves time
                self.target.checkpoint(
                    self.found.position - offset, snapshot.dump(self._chain.recorded, self.head, offset)
                )


def _used(place: str, moved_to: str) -> StateError:
    """The error for a place that a log was moved away from."""
    scheme = place.partition(":")[0]
    way = {
        "sqlite": "a file of another name",
        "git": (
            "another remote; or, if nobody needs what is kept there, remove it: `git ls-remote REMOTE"
            " refs/reconciler/PROJECT/ENV 'refs/reconciler-checkpoint/PROJECT/ENV/*'` shows each REF of it, and"
            " `git push REMOTE :REF` removes one"
        ),
    }.get(scheme, "another bucket, prefix or database")
    return StateError(
        f"A log was moved from there to {moved_to}, and {place} keeps it up to then: a place is used once, so that"
        " whoever still has it set is told where the log went.",
        f"Nothing of it was changed. Name {way}.",
    )
