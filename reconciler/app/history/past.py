"""The state as it was at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.app.clock import instant
from reconciler.app.history.reading import links, opened
from reconciler.app.state.reading import parse_address
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Archived, Entry
from reconciler.model.errors import Usage
from reconciler.model.recorded import Recorded
from reconciler.model.values import JSONObject


@dataclass(frozen=True, slots=True)
class Past:
    """A state, and where in the log it stands: `asked at position last next`, instants as they are recorded.

    `last` is when the last batch says it was written, `next` when the one behind it does; None without one.
    """

    recorded: Recorded
    about: JSONObject


def as_of(wiring: Wiring, moment: datetime, archives: Sequence[Path] = ()) -> Past:
    """Fold the log up to an instant: every batch before the first one that holds an entry later than that.

    Batches are in the order in which they were written, whatever the clocks of their writers said.  Where clocks
    disagree nothing is folded that stands behind an entry later than the instant: `next` then shows how much later.
    An instant that is still to come gives the state now, one before the first entry the empty state.  Raises Usage
    for an instant before an archive with which the log begins.
    """
    from reconciler.state.chain import Chain

    chain = Chain()
    last, later = None, None
    with opened(wiring, archives) as backends:
        for link in links(backends, chain):
            latest = max(link.entries, key=lambda entry: datetime.fromisoformat(entry.at))
            if datetime.fromisoformat(latest.at) > moment:
                _refuse_archived(link.entries[0], chain.head, moment)
                later = latest.at
                break
            last = latest.at
    return Past(
        chain.recorded,
        {"asked": instant(moment), "position": chain.recorded.position, "last": last, "next": later},
    )


def resource(past: Past, text: str) -> JSONObject:
    """Everything that was recorded of one address then, which may be nothing; raises Usage for what is no address."""
    from reconciler.render.state import describe

    return describe(past.recorded, parse_address(text))


def _refuse_archived(first: Entry, head: str | None, moment: datetime) -> None:
    if head is None and isinstance(first, Archived):
        raise Usage(
            f"the log begins at {first.at} with an archive of everything up to position {first.position};"
            f" nothing before that is known here, and {instant(moment)} is before it",
            "say --archive FILE, with the file that `state archive` made then",
        )
