"""What live objects prove about mutations of which nobody knows whether they happened.

Pure: doubts and live objects in, one settlement for each doubt out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from reconciler.model.canonical import canonical
from reconciler.model.outcome import Absent, Done, Settlement, Unclear
from reconciler.model.plan import Action
from reconciler.model.recorded import Doubt, Resource
from reconciler.model.values import JSONObject
from reconciler.providers.values import parse_instant

TOLERANCE: Final = timedelta(seconds=10)
"""How far the two clocks may be apart although their difference has been measured."""

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_TELLING: Final = 20  # characters of a title that say enough to recognise one that was cut


@dataclass(frozen=True, slots=True)
class Live:
    """An object as the service lists it.  `version` is its mark of the last change."""

    id: str
    title: str
    created: datetime | None
    version: str | None
    node: JSONObject


Read: TypeAlias = Callable[[Live, JSONObject], tuple[JSONObject, bool]]
"""The content of a live object in the form of a given normalised spec, and whether it is sure."""


def is_record_only(doubt: Doubt) -> bool:
    """Whether nothing was sent for it: an export without a run has no live object."""
    return doubt.action in (Action.FORGET, Action.MOVE, Action.ADOPT) or (
        doubt.address.is_export and doubt.action is not Action.EXPORT
    )


def settle(
    doubts: Sequence[Doubt],
    live: Mapping[str, Live],
    resources: Collection[Resource],
    read: Read,
    offset: timedelta,
) -> dict[str, Settlement]:
    """Settle doubts by looking at every live object of their kind, by id.

    Two creates of equal content cannot be told apart, so they share what is found: as many objects as
    doubts, or fewer, made since the first intention, are adopted in the order they were made.  More of
    them, only older ones, or one of much the same title with other content are left to a person: a service
    may keep a title otherwise than it was sent.  `resources` are what is recorded, without the doubts; `offset`
    is how far the service's clock is ahead of ours.
    """
    before = {resource.address: resource for resource in resources}
    taken = {resource.id for resource in resources}
    settled: dict[str, Settlement] = {}
    creates: dict[bytes, list[Doubt]] = {}
    for doubt in doubts:
        if is_record_only(doubt):
            settled[doubt.operation] = Absent()
        elif doubt.action is Action.CREATE and doubt.after is not None:
            creates.setdefault(canonical(doubt.after), []).append(doubt)
        elif doubt.action is Action.EXPORT:
            settled[doubt.operation] = Unclear("the service does not tell whether an export was started")
        elif doubt.id is None:
            settled[doubt.operation] = Unclear("it is not known which object it was about")
        else:
            settled[doubt.operation] = _settle_known(doubt, live.get(doubt.id), before.get(doubt.address), read)
    free: dict[str, list[Live]] = {}
    for found in live.values():
        if found.id not in taken:
            free.setdefault(_gist(found.title)[:_TELLING], []).append(found)
    groups = [_Group(same, free, read) for same in creates.values()]
    matched = {found.id for group in groups for found in group.equal}
    for group in groups:
        settled.update(group.settle(offset, matched))
    return settled


def _gist(title: str) -> str:
    """A title without what a service might change of it: blanks, case, compatibility forms."""
    return " ".join(unicodedata.normalize("NFKC", title).casefold().split())


def _alike(one: str, other: str) -> bool:
    """Whether two titles may be the same one, perhaps cut."""
    one, other = sorted((_gist(one), _gist(other)), key=len)
    return one == other or (len(one) >= _TELLING and other.startswith(one))


def _settle_known(doubt: Doubt, found: Live | None, before: Resource | None, read: Read) -> Settlement:
    """An update or a delete of an object whose id is known; repeating either does no harm.

    An update that asked for something that cannot be compared has happened when all else is as asked, and the object
    has changed since it was recorded: a service does all of an update or nothing.
    """
    if doubt.action is Action.DELETE or doubt.after is None:
        return Done(doubt.id) if found is None else Absent()
    if found is None:
        return Absent()
    content, sure = read(found, doubt.after)
    happened = content == doubt.after and (sure or (before is not None and _has_changed(found, before, read)))
    return Done(found.id, content, found.version) if happened else Absent()


def _has_changed(found: Live, before: Resource, read: Read) -> bool:
    """Whether a live object is certainly not what was recorded of it."""
    if before.version is not None and found.version is not None and found.version != before.version:
        return True
    content = before.content
    return isinstance(content, dict) and read(found, content)[0] != content


class _Group:
    """Doubtful creates of equal content, and the free live objects of much the same title."""

    def __init__(self, doubts: Sequence[Doubt], free: Mapping[str, Sequence[Live]], read: Read) -> None:
        self.doubts = sorted(doubts, key=lambda doubt: (doubt.intended_at, doubt.operation))
        after: JSONObject = self.doubts[0].after or {}
        title = str(after.get("title", after.get("name")))
        namesakes = [found for found in free.get(_gist(title)[:_TELLING], ()) if _alike(found.title, title)]
        self.contents = {found.id: read(found, after)[0] for found in namesakes}
        self.equal = [found for found in namesakes if self.contents[found.id] == after]
        self.others = [found for found in namesakes if self.contents[found.id] != after]

    def settle(self, offset: timedelta, matched: Collection[str]) -> dict[str, Settlement]:
        """`matched` are the ids that some group's content equals."""
        first = parse_instant(self.doubts[0].intended_at) or _EARLIEST
        since = first + offset - TOLERANCE if first > _EARLIEST else first
        equal = sorted(self.equal, key=lambda found: (found.created or _EARLIEST, found.id))
        made = [found for found in equal if found.created is not None and found.created >= since]
        twins = [found for found in self.others if found.id not in matched and (found.created or since) >= since]
        reason = ""
        if len(made) < len(self.doubts) and len(made) < len(equal):
            reason = "an equal object that is not managed here was there before"
        elif len(made) > len(self.doubts):
            reason = "there are more equal objects than were asked for"
        elif twins and len(made) < len(self.doubts):
            reason = "an object of much the same title was made since, with other content"
        if reason:
            candidates = tuple(found.id for found in (*equal, *twins))
            return {doubt.operation: Unclear(reason, candidates) for doubt in self.doubts}
        settled: dict[str, Settlement] = {doubt.operation: Absent() for doubt in self.doubts}
        older = ", ".join(found.id for found in equal if found not in made)
        notes = (f"an equal object that is not managed here was there before: {older}",) if older else ()
        for doubt, found in zip(self.doubts, made, strict=False):
            settled[doubt.operation] = Done(found.id, self.contents[found.id], found.version, notes)
        return settled
