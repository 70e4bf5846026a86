"""The log that this version adds to the corpus: `python tests/support/todays_log.py` writes it.

It holds every type of entry with every field, and is the same each time.  What a released version has written stays in
the corpus for ever: a new version adds files of its own.
"""

from __future__ import annotations

from pathlib import Path

from reconciler import __version__
from reconciler.model.entry import (
    Applied,
    Archived,
    Doubted,
    Entry,
    ExportDelivered,
    ExportFailed,
    ExportFinished,
    ExportIntended,
    ExportSkipped,
    ExportStarted,
    Forgotten,
    Holder,
    Imported,
    Intended,
    LeaseBroken,
    LeaseReleased,
    LeaseRenewed,
    LeaseTaken,
    Migrated,
    Moved,
    Rejected,
    Resolved,
    RunFinished,
    RunStarted,
    Settled,
)
from reconciler.model.manifest import Lifecycle, OnRemove
from reconciler.model.plan import Action
from reconciler.model.values import Address
from reconciler.state import codec, snapshot
from reconciler.state.chain import Chain

CORPUS = Path(__file__).resolve().parents[1] / "state" / "corpus"
NAME = f"{__version__}.log"
ARCHIVED = f"{__version__}-archived.log"

ANN = Holder("ann", "machine", "boot/space/7/99", "apply", "https://ci.example/7")
BOB = Holder("bob", "other", "", "state settle")
PLACES = {"blue": "blue.example, organization acme", "pipefy": "pipefy.example, organization 300123456"}
KEPT = Lifecycle(protect=True, on_remove=OnRemove.DETACH)
LABELS = {"owner": "revops", "größe": "żółć 🐙"}
SPEC = {"title": "Sales é 🐙\u2028", "dataSources": [{"filters": {"done": False, "n": 1.5, "deep": [None, {"": []}]}}]}
SALES, COSTS, LEADS, CARDS = (Address.parse(f"blue/report/{name}") for name in ("sales", "costs", "leads", "cards"))
WEEKLY, ONCE, LATE = (Address.parse(f"pipefy/export/{name}") for name in ("weekly", "once", "late"))
NOON = "2026-11-23T12:00:00Z"
DIGEST = "sha256:" + "ab" * 32


def at(second: int) -> str:
    return f"2026-11-23T06:00:{second:02}Z"


def intended(operation: str, address: Address, action: Action = Action.CREATE, id_: str | None = None) -> Intended:
    after = None if action is Action.DELETE else SPEC
    return Intended("r1", operation, at(2), address, action, id_, after, DIGEST, KEPT, LABELS)


def export(operation: str, address: Address, occurrence: str | None, run: str = "r1") -> ExportIntended:
    return ExportIntended(
        run, operation, at(2), address, occurrence, DIGEST, {"pipeIds": ["1"]}, DIGEST, KEPT, LABELS, at(0)
    )


FIRST: list[list[Entry]] = [
    [
        LeaseTaken("r1", at(0), ANN, at(59)),
        RunStarted("r1", at(0), ANN, "reconciler 0", "0123abc", DIGEST, PLACES),
        Resolved("r1", at(1), "blue", {"workspace:slug:sales": "77", "user:email:ann": "8"}),
    ],
    [intended("o1", SALES), intended("o2", COSTS), intended("o3", LEADS), intended("o4", CARDS)],
    [
        Applied("r1", "o1", at(3), "id1", {"title": "Sales"}, at(3)),
        Rejected("r1", "o2", at(3), "FORBIDDEN", "no"),
        Doubted("r1", "o3", at(3), "timed out"),
        Doubted("r1", "o4", at(3), "timed out"),
        LeaseRenewed("r1", at(4), "2026-11-23T06:01:04Z"),
    ],
    [Intended("r1", "o5", at(5), WEEKLY, Action.CREATE, None, {"pipeIds": ["1"]}, "", due_from=at(0))],
    [Applied("r1", "o5", at(5)), export("x1", WEEKLY, at(6)), export("x2", ONCE, None), export("x3", LATE, None)],
    [ExportStarted("r1", "x1", at(7), "901"), ExportStarted("r1", "x2", at(7), "902"), Doubted("r1", "x3", at(7), "?")],
    [ExportFinished("r1", "x1", at(8), at(8)), ExportFinished("r1", "x2", at(8))],
    [ExportDelivered(*("r1", name, at(9), f"exports/{name}.xlsx"), "cd" * 32, 12) for name in ("x1", "x2")],
    [RunFinished("r1", at(10), 7, {"applied": 1, "rejected": 1, "doubted": 2})],
    [
        LeaseBroken("r1", "2026-11-23T06:02:00Z", "r2", "by bob on other: its process was gone"),
        LeaseTaken("r2", "2026-11-23T06:02:00Z", BOB, "2026-11-23T06:03:00Z"),
    ],
    [
        Settled("r2", "o3", at(11), applied=True, how="lookup", id="id3", remote={"title": "Leads"}, version=at(3)),
        Settled("r2", "o4", at(11), applied=False, how="person"),
        Settled("r2", "x3", at(11), applied=True, how="person", id="903"),
    ],
    [
        Imported("r2", at(12), COSTS, "id2", SPEC, KEPT, LABELS, {"title": "Costs"}, at(3)),
        Moved("r2", at(12), COSTS, CARDS),
        intended("o6", LEADS, Action.DELETE, "id3"),
    ],
    [Applied("r2", "o6", at(13)), Forgotten("r2", at(13), LATE), ExportSkipped("r2", at(13), WEEKLY, NOON, "by hand")],
    [export("x4", WEEKLY, "2026-11-23T13:00:00Z", "r2"), intended("o7", SALES, Action.UPDATE, "id1")],
    [
        ExportFailed("r2", "x4", at(14), ran=False, code="BUSY", message="later"),
        Intended("r2", "o8", at(14), ONCE, Action.UPDATE, None, {"pipeIds": ["2"]}, "", due_from=at(14)),
        Doubted("r2", "o7", at(14), "connection lost"),
    ],
]
"""From the first batch to the one before the archive, with something in every table."""

SECOND: list[list[Entry]] = [
    [Applied("r2", "o8", at(15)), Settled("r2", "o7", at(15), applied=True, how="lookup", id="id1", version=at(14))],
    [LeaseReleased("r2", at(16))],
    [Migrated("r3", at(17), "postgresql://db.example/state")],
]
"""What comes after it."""


def batches() -> tuple[list[bytes], int]:
    """The log, and how many of its batches come before the archive."""
    chain, made = Chain(), list[bytes]()

    def add(entries: list[Entry]) -> None:
        batch = codec.seal(chain.head, map(codec.encode, entries))
        chain.follow(chain.end + 1, batch)
        made.append(batch)

    for entries in FIRST:
        add(entries)
    assert chain.head is not None
    state = snapshot.encode(chain.recorded)
    add([Archived("r2", at(14), chain.recorded.position, chain.head, state)])
    for entries in SECOND:
        add(entries)
    return made, len(FIRST)


def files() -> dict[str, bytes]:
    """The files of this version: the log, and the same log without what was archived."""
    made, before = batches()
    return {
        NAME: b"".join(batch + b"\n" for batch in made),
        ARCHIVED: b"".join(batch + b"\n" for batch in made[before:]),
    }


if __name__ == "__main__":
    for name, data in files().items():
        (CORPUS / name).write_bytes(data)
