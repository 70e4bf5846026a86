"""The history: every run that was asked for, whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reconciler.app.history.query import Query, Wanted
from reconciler.app.history.reading import absent, links, opened
from reconciler.app.history.story import Story, Told
from reconciler.app.history.teller import Teller
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Archived
from reconciler.model.values import JSONObject


@dataclass(frozen=True, slots=True)
class History:
    """What the log begins and ends with, and its runs; each of them is read when it is asked for."""

    about: JSONObject
    runs: Iterator[Told]


@contextmanager
def history(wiring: Wiring, query: Query, archives: Sequence[Path] = ()) -> Iterator[History]:
    """Walk the log once, and give what was asked for while the context is open.

    Memory grows with what is open at a time, not with the log: what was told waits on a disk.  Raises Usage for a part
    of the query that meets nothing; StateError for a damaged log.  A log that does not exist is noted.
    """
    from reconciler.state.chain import Chain

    wanted = Wanted(query)
    chain, story, begins = Chain(), Story(wanted), None
    teller = Teller(story)
    try:
        with opened(wiring, archives) as backends:
            for link in links(backends, chain, partial(absent, wiring)):
                if begins is None:
                    begins = _beginning(link.position, link.entries[0])
                    wanted.beginning = _before(link.entries[0])
                with chain.fold.trial():
                    for entry in link.entries:
                        teller.hear(link.position, entry, chain.fold)
                        chain.fold.add([entry])
        teller.end()
        story.end(wiring.clock.wall())
        recorded = chain.recorded
        yield History({"lineage": recorded.lineage, "position": recorded.position, "begins": begins}, story.told())
    finally:
        story.shut()


def _beginning(position: int, first: object) -> JSONObject:
    """Where a log begins; `archived_at` is None where that is its very beginning."""
    archived = first if isinstance(first, Archived) else None
    return {"position": position, "archived_at": archived and archived.at, "archived_by": archived and archived.run}


def _before(first: object) -> str:
    """What comes before a log that begins like this, for whoever looks for something older."""
    if not isinstance(first, Archived):
        return ""
    return (
        f"; it begins with the archive that run {first.run} made at {first.at} of everything up to position"
        f" {first.position}, and what was before is shown with --archive FILE"
    )
