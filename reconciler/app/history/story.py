"""A log told by run: what each of them did, and what came of it, whenever that was found out."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from reconciler.app.history.query import Wanted
from reconciler.app.history.shelf import Shelf
from reconciler.model.values import JSON, Address, JSONObject

Told: TypeAlias = tuple[JSONObject, Iterator[JSONObject]]
"""What is known of a run, and what it did, in order."""

_ABOUT: Final[Mapping[str, JSON]] = {
    **dict.fromkeys(("command", "user", "host", "ci", "tool", "commit", "plan", "started_at", "ended_at", "seconds")),
    "state": "unknown",
    "exit_code": None,
    "counts": {},
}
"""What is known of a run; `state` is finished (only then there is an exit code), running (it holds the lease),
released (it gave the lease back and said nothing more), moved (it ended the log, which goes on elsewhere), broken (the
lease was taken away) or unknown."""

_LIVE: Final = 1_000
"""Runs that never said they were over and are still listened to; a later word of another one stands for itself."""


@dataclass(slots=True, eq=False)
class Block:
    """A run while its entries come in.  `slots` are where its items are kept, -1 for those that are still open.

    It went on from its earliest instant to `last`, its latest: clocks may be set while it runs, and others speak of it.
    """

    place: int
    about: JSONObject
    last: str
    slots: array[int] = field(default_factory=lambda: array("q"))
    open: int = 0

    def spoke(self, at: str) -> None:
        """Something is said of this instant."""
        if at != self.last:
            self.about["started_at"] = min(self.about["started_at"], at, key=datetime.fromisoformat)
            self.last = max(self.last, at, key=datetime.fromisoformat)


@dataclass(slots=True, eq=False)
class Item:
    """Something that a run did; `address` is what it concerns now, wherever that was moved since."""

    block: Block
    slot: int
    about: JSONObject
    address: Address | None = None


class Story:
    """Takes runs and what they do in the order of the log, and gives them back whole.

    What is over is put on a shelf: memory grows with what is open at a time, not with the log.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._shelf = Shelf()
        self._places = array("q")
        self._live: dict[str, Block] = {}
        self._unwanted: str | None = None

    def block(self, run: str, at: str, position: int) -> Block | None:
        """The run of this name, as a new one unless it is being listened to; None for one that nobody wants."""
        found = self._live.get(run)
        if found is None:
            if run == self._unwanted:  # entries of a run mostly follow one another
                return None
            if run not in {name for name, _ in self.wanted.latest}:
                self.wanted.latest.append((run, at))
            if not self.wanted.run(run):
                self._unwanted = run
                return None
            found = self._begin(run, at, position)
        return found

    def add(self, block: Block | None, type_: str, at: str, *addresses: Address, **about: object) -> Item | None:
        """Open something that a run did; None when it is not wanted."""
        if block is None or not self.wanted.about(addresses):
            return None
        first = addresses[0] if addresses else None
        said = {"type": type_, "at": at, **({"address": str(first)} if first else {}), **about}
        item = Item(block, len(block.slots), said, first)
        block.slots.append(-1)
        block.open += 1
        return item

    def close(self, item: Item | None) -> None:
        """Nothing more will be known of it."""
        if item is not None:
            item.block.slots[item.slot] = self._shelf.put(item.about)
            item.block.open -= 1
            self.leave(item.block)

    def leave(self, block: Block) -> None:
        """Put a run away unless something of it is open or it may still do something."""
        over = not block.open and block.about["state"] == "finished"
        if over and self._live.get(block.about["run"]) is block:
            self._away(block)

    def end(self, now: datetime) -> None:
        """The log is over; everything must be closed."""
        for block in list(self._live.values()):
            until = block.about.pop("until", "")
            if block.about["state"] == "running" and datetime.fromisoformat(until) <= now:
                block.about["state"] = "unknown"
            self._away(block)

    def told(self) -> Iterator[Told]:
        """The runs that were wanted, newest first unless asked otherwise; raises Usage for what met nothing."""
        return self._told(self.wanted.check())

    def _told(self, names: frozenset[str]) -> Iterator[Told]:
        query = self.wanted.query
        chosen = array("q")
        for place in reversed(self._places):
            if query.limit is not None and len(chosen) == query.limit:
                break
            if place >= 0 and (not names or self._shelf.get(place)[0]["run"] in names):
                chosen.append(place)
        for place in reversed(chosen) if query.reverse else chosen:
            about, slots = self._shelf.get(place)
            yield about, (self._shelf.get(slot) for slot in slots)

    def _begin(self, run: str, at: str, position: int) -> Block:
        if len(self._live) >= _LIVE:
            idle = next((block for block in self._live.values() if not block.open), None)
            if idle is not None:
                idle.about.pop("until", None)
                self._away(idle)
        about = {"run": run, "position": position, **_ABOUT, "started_at": at}
        block = self._live[run] = Block(len(self._places), about, at)
        self._places.append(-1)
        return block

    def _away(self, block: Block) -> None:
        about = block.about
        del self._live[about["run"]]
        about["ended_at"] = block.last
        lasted = datetime.fromisoformat(block.last) - datetime.fromisoformat(about["started_at"])
        about["seconds"] = int(lasted.total_seconds())
        about.pop("until", None)
        mentioned = block.slots or not self.wanted.query.addresses
        if mentioned and self.wanted.during(about["started_at"], block.last):
            self._places[block.place] = self._shelf.put([about, block.slots.tolist()])

    def shut(self) -> None:
        """Let go of the shelf."""
        self._shelf.close()
