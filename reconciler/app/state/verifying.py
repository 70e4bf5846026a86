"""The log checked from its beginning to its end: the chain of its batches, what they fold to, and its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.app.history.reading import links
from reconciler.app.state.exporting import nothing
from reconciler.app.state.reading import doubts
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Archived
from reconciler.model.errors import StateError, Unreachable
from reconciler.model.recorded import Recorded
from reconciler.model.values import JSONObject

if TYPE_CHECKING:
    from reconciler.model.ports import Backend
    from reconciler.state.chain import Chain, Link

_KEEP: Final = (
    "`state export FILE` keeps what is intact, up to position {end}. `state migrate URL --from FILE` makes a log"
    " of that, or of an older export, in another place."
)


def verify(wiring: Wiring, file: Path | None, archives: Sequence[Path]) -> tuple[JSONObject, StateError | None]:
    """Check the log of this project and environment, or an exported one, and that it continues the archives.

    Every batch is verified and folded anew.  Returns `reconciler.verification/1`, and the damage at which the check
    ended, None for a log that is sound.  A checkpoint that is not what the log says is a warning where a normal open
    goes round it, damage where it does not.  Raises Usage for a log that does not exist, Unreachable when the storage
    does not answer.
    """
    from reconciler.state.exported import ExportedLog

    with ExitStack() as stack:
        before = sorted(map(ExportedLog, archives), key=lambda archive: archive.header.first)
        last: Backend
        check, expected = _Check(), list[_Expected]()
        if file is None:
            project = wiring.project()
            name, last = wiring.log_name(project), stack.enter_context(closing(wiring.backend(project)))
            expected = _expected(last, check)
            if expected and expected[0].head is None:
                raise nothing(wiring, project)
        else:
            last = exported = ExportedLog(file)
            name = exported.header.log
        damage = _advised(check.run([*before, last], expected), check.chain.recorded.position)
    return check.report(name, file, archives, damage), damage


def _advised(damage: StateError | None, end: int) -> StateError | None:
    """What was found wrong, with what can be done about it: a log is saved up to its end, a file is copied again."""
    from reconciler.state.records import damaged

    if damage is None or not end or not damage.message.startswith("Position "):
        return damage
    if damage.hint in ("", damaged("").hint):
        return StateError(damage.message, _KEEP.format(end=end))
    return StateError(damage.message, f"{damage.hint} What comes before is intact, up to position {end}.")


@dataclass(slots=True)
class _Expected:
    """A state that the log should make at some position, and whether it did; None as long as nobody knows.

    `position` is the one in the storage.
    """

    recorded: Recorded
    head: str | None
    position: int
    right: bool | None = None

    def look(self, chain: Chain) -> None:
        """Compare, when the chain has come so far."""
        if self.right is None and chain.recorded.position == self.recorded.position:
            self.right = chain.head == self.head and chain.recorded == self.recorded


def _new_chain() -> Chain:
    from reconciler.state.chain import Chain

    return Chain()


@dataclass(slots=True)
class _Check:
    """What has been seen of a log so far."""

    chain: Chain = field(default_factory=_new_chain)
    batches: int = 0
    entries: int = 0
    bytes: int = 0
    first: int | None = None
    first_at: str | None = None
    last_at: str | None = None
    archived: int | None = None
    runs: set[str] = field(default_factory=set)
    checkpoint: JSONObject | None = None
    warnings: list[str] = field(default_factory=list)

    def run(self, backends: Sequence[Backend], expected: Sequence[_Expected]) -> StateError | None:
        """Walk the logs, one behind the other; returns the damage that was found."""
        seen: Link | None = None
        rest = iter(backends)
        try:
            for link in links(rest, self.chain):
                self._count(seen, expected)
                seen = link
            self._count(seen, expected)
        except Unreachable:
            raise
        except StateError as error:
            if seen is not None and seen.position <= self.chain.recorded.position:
                self._count(seen, expected)
            if expected and next(rest, None) is None:  # it is the log itself
                self.warnings.append(
                    f"the log can still be opened, through its checkpoint at position {expected[-1].position}; what is"
                    " damaged is the way there"
                )
            return error
        return self._judge(expected)

    def _count(self, link: Link | None, expected: Sequence[_Expected]) -> None:
        """Take down what a batch held, once it is folded."""
        for each in expected:
            each.look(self.chain)
        if link is None:
            return
        first, last = link.entries[0], link.entries[-1]
        self.batches += 1
        self.entries += len(link.entries)
        self.bytes += len(link.batch)
        self.first = self.first or link.position
        self.first_at = self.first_at or first.at
        self.last_at = last.at
        self.runs.update(entry.run for entry in link.entries)
        if isinstance(first, Archived):
            self.archived = first.position

    def _judge(self, expected: Sequence[_Expected]) -> StateError | None:
        if not expected:
            return None
        normal, *checkpoints = expected
        for each in checkpoints:
            state = {None: "unused", True: "good", False: "wrong"}[each.right]
            self.checkpoint = {"position": each.position, "state": state}
            if each.right is False:
                self._warn(each.position, "is not what the log says there")
        if normal.right:
            return None
        return StateError(f"Position {normal.position}: who opens the log gets another state than it makes there.")

    def _warn(self, position: int, what: str) -> None:
        self.warnings.append(
            f"the checkpoint at position {position} {what}; the next one replaces it, and until then the log is read"
            " from its beginning"
        )

    def unreadable(self, position: int) -> None:
        """Take down that the checkpoint there cannot be read."""
        self.checkpoint = {"position": position, "state": "damaged"}
        self._warn(position, "is damaged, or of another version")

    def report(self, log: str, file: Path | None, archives: Sequence[Path], damage: StateError | None) -> JSONObject:
        """Return `reconciler.verification/1`."""
        recorded = self.chain.recorded
        return {
            "format": "reconciler.verification/1",
            "log": log,
            "file": None if file is None else str(file),
            "archives": [str(archive) for archive in archives],
            "batches": self.batches,
            "entries": self.entries,
            "bytes": self.bytes,
            "first": self.first,
            "last": recorded.position if self.batches else None,
            "head": self.chain.head,
            "lineage": recorded.lineage,
            "archived_until": self.archived,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "runs": len(self.runs),
            "resources": len(recorded.resources),
            "exports": len(recorded.exports),
            "in_doubt": len(doubts(recorded)),
            "moved_to": recorded.moved_to,
            "checkpoint": self.checkpoint,
            "warnings": self.warnings,
            "damage": None if damage is None else {"message": damage.message, "hint": damage.hint},
        }


def _expected(backend: Backend, check: _Check) -> list[_Expected]:
    """What a normal open gives, and the checkpoint; nothing when the log cannot be opened."""
    from reconciler.state import snapshot
    from reconciler.state.chain import load

    try:
        found, normal = backend.read(0)[0], load(backend)
    except Unreachable:
        raise
    except StateError:
        return []  # the walk finds out where it is damaged
    expected = [_Expected(normal.recorded, normal.head, normal.end)]
    if found is not None:
        try:
            held = snapshot.load(found[1])
        except StateError:
            held = None
        if held is None or held.recorded.position - held.offset != found[0]:
            check.unreadable(found[0])
        else:
            expected.append(_Expected(held.recorded, held.head, found[0]))
    return expected
