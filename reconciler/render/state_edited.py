"""What an operator changed in the recorded state."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.values import JSONObject
from reconciler.render.escape import plain


def edit_text(document: JSONObject) -> str:
    """Return `reconciler.edit/1` as sentences, one a line: what was changed, and what to do or to know about it."""
    lines = [line for change in document["changes"] for line in _change(change)]
    lines += [f"warning: {warning}" for warning in document["warnings"]]
    return "".join(f"{plain(line)}\n" for line in lines)


def _change(change: JSONObject) -> Iterator[str]:
    address, target, id_ = change["address"], change["to"], change["id"]
    if target is not None:
        yield f"{address} is {target} now; nothing was sent" + (f", its object keeps the id {id_}" if id_ else "")
    elif id_:
        yield f"{address} is forgotten; its object stays in the service, with the id {id_}"
    else:
        yield f"{address} is forgotten; nothing was sent"
    for doubt in change["in_doubt"]:
        said = f"  in doubt there, since {doubt['since']}: {doubt['action']} ({doubt['operation']})"
        yield said if target else f"{said}; if it happened, what it made is left to you"
    run = change["run"]
    if run is not None and run["state"] in ("intended", "in_doubt", "started", "finished"):
        known = f" {run['export_id']}" if run["export_id"] else ""
        said = f"  its export{known} ({run['operation']}) is {run['state'].replace('_', ' ')}"
        yield f"{said}, and comes along" if target else f"{said}; its file will not be fetched"
