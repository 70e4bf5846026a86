"""Checkpoints: a state written down, so that a replay is short.  Format `reconciler.checkpoint/3`.

    {"format":"reconciler.checkpoint/3","sum":S,"body":{"head":H,"state":{...},"offset":N}}

`sum` is the hexadecimal SHA-256 of the bytes of `body`; `head` that of the last batch that was folded; `state` is what
`encode` returns; `offset` is how far positions are ahead of those of the storage (see `chain`), left out when it is 0.
A checkpoint only saves time: whoever cannot read one, or finds an older format, replays the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from reconciler.model.recorded import Doubt, ExportRecord, Lease, Recorded, Resource
from reconciler.model.values import JSON, JSONObject
from reconciler.state import records
from reconciler.state.codec import compact, parse, sha256
from reconciler.state.records import damaged

FORMAT: Final = "reconciler.checkpoint/3"


class Snapshot(NamedTuple):
    """What a checkpoint holds."""

    recorded: Recorded
    head: str
    offset: int


@dataclass(frozen=True, slots=True)
class _Body:
    head: str
    state: JSONObject
    offset: int = 0


def dump(recorded: Recorded, head: str, offset: int = 0) -> bytes:
    """Return the checkpoint of a state whose last batch has the SHA-256 `head`."""
    body = compact(records.encode(_Body(head, encode(recorded), offset)))
    return _head(body) + body + b"}"


def load(data: bytes) -> Snapshot:
    """Return what `dump` was given; raises StateError unless every byte is as it was written."""
    start = len(_head(b""))
    body = memoryview(data)[start:-1]  # it may be large: no copy of it
    if data[:start] != _head(body) or data[start + len(body) :] != b"}":
        raise damaged("a checkpoint is not as it was written")
    try:
        found = records.decode(_Body, parse(str(body, "ascii")))
    except ValueError as error:
        raise damaged("a checkpoint is not JSON") from error
    return Snapshot(decode(found.state), found.head, found.offset)


@dataclass(frozen=True, slots=True)
class State:
    """`model.recorded.Recorded` as it is written: tables as lists of what they hold."""

    lineage: str | None
    position: int
    changed: int
    resources: list[Resource]
    exports: list[ExportRecord]
    in_doubt: list[Doubt]
    plans: list[str]
    places: Mapping[str, str]
    names: dict[str, dict[str, str]]
    lease: Lease | None
    moved_to: str | None = None


def encode(recorded: Recorded) -> JSONObject:
    """Return a state as JSON: the fields of `model.recorded.Recorded`, tables as lists of what they hold, `plans` in
    the order of the alphabet."""
    return records.encode(
        State(
            lineage=recorded.lineage,
            position=recorded.position,
            changed=recorded.changed,
            resources=list(recorded.resources.values()),
            exports=list(recorded.exports.values()),
            in_doubt=list(recorded.in_doubt.values()),
            plans=sorted(recorded.plans),
            places=recorded.places,
            names=recorded.names,
            lease=recorded.lease,
            moved_to=recorded.moved_to,
        )
    )


def decode(data: JSON) -> Recorded:
    """Return the state that `encode` wrote; raises StateError for anything else."""
    state = records.decode(State, data)
    return Recorded(
        lineage=state.lineage,
        position=state.position,
        changed=state.changed,
        resources={resource.address: resource for resource in state.resources},
        exports={export.address: export for export in state.exports},
        in_doubt={doubt.operation: doubt for doubt in state.in_doubt},
        plans=set(state.plans),
        places=dict(state.places),
        names=state.names,
        lease=state.lease,
        moved_to=state.moved_to,
    )


def _head(body: bytes | memoryview) -> bytes:
    return f'{{"format":"{FORMAT}","sum":"{sha256(body)}","body":'.encode("ascii")
