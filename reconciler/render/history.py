"""What happened, run by run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from reconciler.model.plan import Change
from reconciler.model.recorded import Recorded
from reconciler.model.values import JSONObject, parse_path, path_text
from reconciler.render.escape import plain
from reconciler.render.machine import json_text
from reconciler.render.state import resource_text, state_json, state_text
from reconciler.render.values import difference, leaves, shorten
from reconciler.render.words import count, paint

FORMAT: Final = "reconciler.history/1"

_LOOKS: Final = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "delete": ("-", "red"),
    "forget": ("x", "magenta"),
    "export": (">", "cyan"),
}
_OTHER: Final = ("=", "cyan")
_LINES: Final = 12
"""Lines that the changes of one step take, unless everything is asked for."""


def history_json(about: JSONObject, runs: Iterable[tuple[JSONObject, Iterable[JSONObject]]]) -> Iterator[str]:
    """Give one JSON document in pieces, a run on a line, so that a long one needs no memory; ASCII only."""
    head = json.dumps({"format": FORMAT, **about}, allow_nan=False)
    yield f'{head[:-1]}, "runs": ['
    for number, (run, items) in enumerate(runs):
        yield ("," if number else "") + "\n" + json.dumps(run, allow_nan=False)[:-1] + ', "items": ['
        for index, item in enumerate(items):
            yield (", " if index else "") + json.dumps(item, allow_nan=False)
        yield "]}"
    yield "\n]}\n"


def history_text(
    about: JSONObject,
    runs: Iterable[tuple[JSONObject, Iterable[JSONObject]]],
    *,
    color: bool = False,
    everything: bool = False,
) -> Iterator[str]:
    """Give a block of lines for each run, a line for each thing it did, what that changed below it.

    Long values are shortened, and long differences cut, unless `everything` is asked for; then leases are told too.
    """
    told = False
    for run, items in runs:
        if told:
            yield "\n"
        told = True
        yield "".join(f"{line}\n" for line in _head(run, color=color))
        for item in items:
            if item["type"] != "lease" or everything or item["broken"]:
                yield "".join(f"{line}\n" for line in _item(item, color=color, everything=everything))
    if not told:
        yield "No run that is recorded matches.\n" if about["position"] else "Nothing is recorded yet.\n"
    begins = about["begins"]
    if begins and begins["archived_at"]:
        where = f"position {begins['position']:,}, with the archive that run {plain(begins['archived_by'])} made"
        yield f"\nThe log begins at {where} at {plain(begins['archived_at'])}; --archive FILE shows what was before.\n"


def past_text(recorded: Recorded, about: JSONObject, resource: JSONObject | None = None) -> str:
    """Return the state, or one `resource` of it as `describe` gave it, as it was at an instant, for people."""
    asked = plain(about["asked"])
    if not about["position"]:
        later = f"; the first entry of the log is of {plain(about['next'])}" if about["next"] else ""
        return f"Nothing was recorded up to {asked}{later}.\n"
    later = f", the one behind it {plain(about['next'])}" if about["next"] else "; it is the last one"
    head = f"The state up to {asked}: position {about['position']:,}, written {plain(about['last'])}{later}.\n\n"
    if resource is not None and not any(resource[part] for part in ("recorded", "export", "in_doubt")):
        return f"{head}Nothing was recorded of {plain(resource['address'])}.\n"
    return head + (state_text(recorded) if resource is None else resource_text(resource))


def past_json(recorded: Recorded, about: JSONObject, resource: JSONObject | None = None) -> str:
    """Return `reconciler.state/1` or `reconciler.resource/1` with `as_of`: the instant asked for, and where that is."""
    shown = state_json(recorded) if resource is None else resource
    return json_text({**shown, "as_of": about})


def _head(run: JSONObject, *, color: bool) -> Iterator[str]:
    yield paint(f"run {plain(run['run'])}", "bold", color=color) + f"  {plain(run['command'] or '?')}: {_ended(run)}"
    lasted = "" if run["state"] == "unknown" else f", {count(run['seconds'], 'second')}"
    yield f"  When: {plain(run['started_at'])}{lasted}"
    if run["user"] is not None:
        ci = f", {plain(run['ci'])}" if run["ci"] else ""
        yield f"  Who:  {plain(run['user'])} on {plain(run['host'])}{ci}"
    known = (("commit", run["commit"]), ("plan", run["plan"]), ("with", run["tool"]))
    if what := ", ".join(f"{name} {plain(value)}" for name, value in known if value):
        yield f"  What: {what}"


def _ended(run: JSONObject) -> str:
    """How a run ended, as far as it is known."""
    if run["state"] == "finished":
        counts = ", ".join(f"{number:,} {plain(name)}" for name, number in run["counts"].items() if number)
        return f"exit code {run['exit_code']}" + (f" ({counts})" if counts else "")
    if run["state"] == "released":  # the commands of operators say nothing more
        return "ended before it performed a plan, or was broken off" if run["tool"] else "done"
    return {
        "running": "not finished; it holds the state",
        "moved": "done; the log was moved away",
        "broken": "NOT FINISHED; the state was taken from it",
    }.get(run["state"], "NOT FINISHED, as far as is known")


def _item(item: JSONObject, *, color: bool, everything: bool) -> Iterator[str]:
    action = item["action"] if item["type"] in ("step", "export") else item["type"].replace("_", " ")
    word, style = _LOOKS.get(action, _OTHER)
    told = _TELL[item["type"]](item)
    where = f" {plain(item['address'])}" if "address" in item else ""
    yield "    " + paint(f"{word} {plain(action)}{where}", style, color=color) + (f": {told}" if told else "")
    lines = _changes(item.get("changes", ()), item.get("action", ""))
    shown = list(lines if everything else islice(lines, _LINES + 1))
    if not everything and len(shown) > _LINES:
        shown[_LINES:] = ["... and more; -v shows everything"]
    yield from (f"        {line}" for line in shown)


def _changes(changes: Sequence[JSONObject], action: str) -> Iterator[str]:
    if action == "delete":
        return
    new = all(change["before"] is None for change in changes)
    for change in changes:
        path = parse_path(change["path"])
        if new:
            for part, value in leaves(path, change["after"]):
                yield f"{plain(path_text(part)) or '(all)'}: {shorten(value)}"
        else:
            yield f"{plain(change['path']) or '(all)'}: {difference(Change(path, change['before'], change['after']))}"


def _step(item: JSONObject) -> str:
    if item["state"] == "applied":
        done = ("applied" if item["sent"] else "recorded") + _id(item)
    elif item["state"] == "rejected":
        done = f"REJECTED: {plain(item['code'])}: {plain(item['message'])}"
    else:
        done = _doubt(item)
    return done + _settled(item)


def _doubt(item: JSONObject) -> str:
    return f"{'was in doubt' if item['settled'] else 'IN DOUBT'}: {plain(item['reason'] or 'no outcome was recorded')}"


def _export(item: JSONObject) -> str:
    said = {
        "delivered": f"delivered to {plain(item['location'] or '(nowhere)')}",
        "failed": f"FAILED{'' if item['ran'] else ', it never ran'}: {plain(item['code'] or '')}:"
        f" {plain(item['message'] or '')}".removesuffix(": : "),
        "in_doubt": _doubt(item),
        "intended": _doubt(item),
        "started": "started, its file is not here",
        "finished": "ready, its file is not here",
    }[item["state"]]
    parts = [
        said,
        f"{item['bytes']:,} bytes" if item["bytes"] is not None else "",
        f"sha256 {plain(item['sha256'])}" if item["sha256"] else "",
        f"export {plain(item['id'])}" if item["id"] else "",
        f"scheduled for {plain(item['occurrence'])}" if item["occurrence"] else "",
        f"of run {plain(item['of_run'])}" if item.get("of_run") else "",
    ]
    return ", ".join(filter(None, parts)) + _settled(item)


def _settled(item: JSONObject) -> str:
    """How what was in doubt was found out, later."""
    settled = item["settled"]
    if settled is None:
        return ""
    return f"; settled by run {plain(settled['run'])} at {plain(settled['at'])}: {_finding(settled)}"


def _finding(settled: JSONObject) -> str:
    if settled["how"] in ("import", "forget"):
        return f"imported{_id(settled)}" if settled["how"] == "import" else "forgotten"
    found = f"it had happened{_id(settled)}" if settled["applied"] else "it had not happened"
    return f"{found} ({'looked up' if settled['how'] == 'lookup' else 'a person said so'})"


def _id(item: JSONObject) -> str:
    return f", id {plain(item['id'])}" if item.get("id") else ""


def _lease(item: JSONObject) -> str:
    if item["broken"]:
        broken = item["broken"]
        return f"taken away by run {plain(broken['by'])} at {plain(broken['at'])}: {plain(broken['reason'])}"
    end = f"to {plain(item['released_at'])}" if item["released_at"] else f"until {plain(item['until'])}, not given back"
    return f"from {plain(item['at'])} {end}"


def _names(names: dict[str, str]) -> str:
    return ", ".join(f"{plain(name)} is {plain(id_)}" for name, id_ in names.items())


_TELL: Final[dict[str, Callable[[JSONObject], str]]] = {
    "step": _step,
    "export": _export,
    "settled": lambda item: f"the {plain(item['action'])} of run {plain(item['of_run'])}: {_finding(item)}",
    "imported": lambda item: _id(item).removeprefix(", "),
    "moved": lambda item: f"is {plain(item['target'])} now",
    "forgotten": lambda item: _id(item).removeprefix(", "),
    "skipped": lambda item: f"{plain(item['occurrence'])} was passed over: {plain(item['reason'])}",
    "resolved": lambda item: f"names of {plain(item['provider'])}: {_names(item['names'])}",
    "lease": _lease,
    "lease_broken": lambda item: f"of run {plain(item['of_run'])}: {plain(item['reason'])}",
    "migrated": lambda item: f"the log goes on at {plain(item['target'])}",
    "archived": lambda item: f"everything up to position {item['position']:,}",
}
