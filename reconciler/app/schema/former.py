"""Former versions of a kind's spec: the same fields, some under other names."""

from __future__ import annotations

from copy import deepcopy

from reconciler.app.schema.walk import resolved
from reconciler.model.values import JSONObject
from reconciler.model.versions import EACH, Former


def renamed(spec: JSONObject, former: Former) -> JSONObject:
    """Return the schema of a spec, with `$defs`, as a former version has it: each renamed field under its former
    name or its current one, never both."""
    made = deepcopy(spec)
    for rename in sorted(former.renames, key=lambda each: len(each.path)):
        holder = made
        for step in rename.path[1:-1]:
            below = holder["items"] if step == EACH else holder["properties"][step]
            holder = _itself(below, made["$defs"])
        _rename(holder, rename.name, rename.path[-1])
    return {**made, "deprecated": True}


def _itself(schema: JSONObject, definitions: JSONObject) -> JSONObject:
    """The schema or definition that says what properties or items there are, to be changed in place."""
    target = resolved(schema, definitions)
    return next((each for each in definitions.values() if each.get("properties") is target.get("properties")), schema)


def _rename(holder: JSONObject, name: str, former: str) -> None:
    fields = holder["properties"]

    def named(what: JSONObject) -> JSONObject:
        return {former if key == name else key: each for key, each in what.items()}

    holder["properties"] = {**named(fields), name: fields[name]}
    if "examples" in holder:
        holder["examples"] = [named(each) for each in holder["examples"]]
    holder.setdefault("allOf", []).append({"not": {"required": [former, name]}})
    if name in holder.get("required", ()):
        holder["required"] = [key for key in holder["required"] if key != name]
        holder["allOf"].append({"anyOf": [{"required": [former]}, {"required": [name]}]})
