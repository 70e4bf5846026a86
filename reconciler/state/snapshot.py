"""Checkpoints: a state written down, so that a replay is short.  Format `reconciler.checkpoint/2`.

    {"format":"reconciler.checkpoint/2","sum":S,"state":{...}}

`sum` is the hexadecimal SHA-256 of the bytes of `state`, whose fields are `head` (the SHA-256 of the
last batch that was folded), `lineage`, `position`, `changed`, `resources`, `exports`, `in_doubt`, `plans`,
`places`, `names` and `lease`, as in `model.recorded`.  A checkpoint only saves time: whoever cannot read one
replays the log.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.recorded import Doubt, ExportRecord, Lease, Recorded, Resource
from reconciler.state import records
from reconciler.state.codec import compact, parse, sha256
from reconciler.state.records import damaged

FORMAT: Final = "reconciler.checkpoint/2"


def dump(recorded: Recorded, head: str) -> bytes:
    """Return the checkpoint of a state whose last batch has the SHA-256 `head`."""
    state = compact(
        {
            "head": head,
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
        }
    )
    return _head(state) + state + b"}"


def load(data: bytes) -> tuple[Recorded, str]:
    """Return what `dump` was given; raises StateError unless every byte is as it was written."""
    state = data[len(_head(b"")) : -1]
    if data != _head(state) + state + b"}":
        raise damaged("a checkpoint is not as it was written")
    found = parse(state)
    resources = [records.decode(Resource, item) for item in found["resources"]]
    exports = [records.decode(ExportRecord, item) for item in found["exports"]]
    doubts = [records.decode(Doubt, item) for item in found["in_doubt"]]
    recorded = Recorded(
        lineage=found["lineage"],
        position=found["position"],
        changed=found["changed"],
        resources={resource.address: resource for resource in resources},
        exports={export.address: export for export in exports},
        in_doubt={doubt.operation: doubt for doubt in doubts},
        plans=set(found["plans"]),
        places=found["places"],
        names=found["names"],
        lease=None if found["lease"] is None else records.decode(Lease, found["lease"]),
    )
    return recorded, found["head"]


def _head(state: bytes) -> bytes:
    return f'{{"format":"{FORMAT}","sum":"{sha256(state)}","state":'.encode("ascii")
