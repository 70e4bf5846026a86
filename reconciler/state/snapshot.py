"""Checkpoints: a state written down, so that a replay is short.  Format `reconciler.checkpoint/3`.

    {"format":"reconciler.checkpoint/3","sum":S,"state":{...}}

`sum` is the hexadecimal SHA-256 of the bytes of `state`, which holds `head` (the SHA-256 of the last batch that was
folded), `offset` (how far positions are ahead of those of the storage, see `chain`), and what `encode` returns.
A checkpoint only saves time: whoever cannot read one replays the log.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from reconciler.model.recorded import Doubt, ExportRecord, Lease, Recorded, Resource
from reconciler.model.values import JSONObject
from reconciler.state import records
from reconciler.state.codec import compact, parse, sha256
from reconciler.state.records import damaged

FORMAT: Final = "reconciler.checkpoint/3"


class Snapshot(NamedTuple):
    """What a checkpoint holds."""

    recorded: Recorded
    head: str
    offset: int


def dump(recorded: Recorded, head: str, offset: int = 0) -> bytes:
    """Return the checkpoint of a state whose last batch has the SHA-256 `head`."""
    state = compact({"head": head, "offset": offset, **encode(recorded)})
    return _head(state) + state + b"}"


def load(data: bytes) -> Snapshot:
    """Return what `dump` was given; raises StateError unless every byte is as it was written."""
    state = data[len(_head(b"")) : -1]
    if data != _head(state) + state + b"}":
        raise damaged("a checkpoint is not as it was written")
    found = parse(state)
    return Snapshot(decode(found), found["head"], found["offset"])


def encode(recorded: Recorded) -> JSONObject:
    """Return a state as JSON: `lineage`, `position`, `changed`, `resources`, `exports`, `in_doubt`, `plans`, `places`,
    `names`, `lease` and `moved_to`, as in `model.recorded`."""
    return {
        "lineage": recorded.lineage,
        "position": recorded.position,
        "changed": recorded.changed,
        "resources": [records.encode(resource) for resource in recorded.resources.values()],
        "exports": [records.encode(export) for export in recorded.exports.values()],
        "in_doubt": [records.encode(doubt) for doubt in recorded.in_doubt.values()],
        "plans": sorted(recorded.plans),
        "places": recorded.places,
        "names": recorded.names,
        "lease": None if recorded.lease is None else records.encode(recorded.lease),
        "moved_to": recorded.moved_to,
    }


def decode(state: JSONObject) -> Recorded:
    """Return the state that `encode` wrote, also that of an earlier version, which knew fewer fields."""
    resources = [records.decode(Resource, item) for item in state["resources"]]
    exports = [records.decode(ExportRecord, item) for item in state["exports"]]
    doubts = [records.decode(Doubt, item) for item in state["in_doubt"]]
    return Recorded(
        lineage=state["lineage"],
        position=state["position"],
        changed=state["changed"],
        resources={resource.address: resource for resource in resources},
        exports={export.address: export for export in exports},
        in_doubt={doubt.operation: doubt for doubt in doubts},
        plans=set(state["plans"]),
        places=dict(state["places"]),
        names={provider: dict(found) for provider, found in state["names"].items()},
        lease=None if state["lease"] is None else records.decode(Lease, state["lease"]),
        moved_to=state.get("moved_to"),
    )


def _head(state: bytes) -> bytes:
    return f'{{"format":"{FORMAT}","sum":"{sha256(state)}","state":'.encode("ascii")
