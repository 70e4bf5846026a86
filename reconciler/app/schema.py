"""JSON Schemas of manifests, for editors and validators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from reconciler.app.wiring import Wiring
from reconciler.model.errors import Broken
from reconciler.model.ports import Kind
from reconciler.model.values import JSON, NAME, JSONObject

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TEMPLATE: JSONObject = {"type": "string", "pattern": r"\{[{%]"}

_METADATA: JSONObject = {
    "type": "object",
    "properties": {
        "name": {
            "description": "The identity of the resource, unique per kind; never sent to the service.",
            "anyOf": [{"type": "string", "pattern": f"^(?:{NAME.pattern})$"}, _TEMPLATE],
        },
        "labels": {
            "description": "Free marks for people and for --select.",
            "type": "object",
            "additionalProperties": {"type": "string"},
        },
    },
    "required": ["name"],
    "additionalProperties": False,
}

_LIFECYCLE: JSONObject = {
    "type": "object",
    "properties": {
        "protect": {
            "description": "Refuse to delete the live object; recorded, so that it outlives this block.",
            "type": "boolean",
        },
        "onRemove": {
            "description": "What happens to the live object once its manifest is gone.",
            "enum": ["delete", "detach"],
        },
    },
    "additionalProperties": False,
}

_FOR_EACH: JSONObject = {
    "description": "One resource per entry, with each.key and each.value.",
    "anyOf": [{"type": "object"}, {"type": "array"}, _TEMPLATE],
}


def schemas(wiring: Wiring) -> dict[str, JSONObject]:
    """Return a schema per kind, by name (`blue.report.v1`), and `manifest` for a document of any kind.

    A template may stand wherever a value may, so a string that holds one satisfies everything
    inside `spec`.
    """
    each = {_name(kind): _document(kind) for kind in wiring.kinds}
    found = {name: {"$schema": DIALECT, "title": name, **schema} for name, schema in each.items()}
    definitions = {inner: what for schema in each.values() for inner, what in schema["$defs"].items()}
    definitions |= {
        name: {key: what for key, what in schema.items() if key != "$defs"} for name, schema in each.items()
    }
    found["manifest"] = {
        "$schema": DIALECT,
        "title": "manifest",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"enum": sorted({kind.api_version for kind in wiring.kinds})},
            "kind": {"enum": sorted({kind.kind for kind in wiring.kinds})},
        },
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in each],
        "$defs": definitions,
    }
    return found


def write(found: Mapping[str, JSONObject], folder: Path) -> list[Path]:
    """Write one `<name>.schema.json` per schema; return the files.  Raises Broken if the folder is not writable."""
    files = []
    for name, schema in found.items():
        file = folder / f"{name}.schema.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise Broken(f"cannot write {file}: {error.strerror}") from error
        files.append(file)
    return files


def _name(kind: Kind) -> str:
    return f"{kind.provider}.{kind.kind.lower()}.{kind.api_version.partition('/')[2]}"


def _document(kind: Kind) -> JSONObject:
    """The schema of one document; what its spec defines on the side has names that no other kind uses."""
    spec = kind.model().model_json_schema(by_alias=True)
    prefix = f"{_name(kind)}."
    definitions = {f"{prefix}{name}": _templated(what, prefix) for name, what in spec.pop("$defs", {}).items()}
    return {
        "description": spec.pop("description", ""),
        "type": "object",
        "properties": {
            "apiVersion": {"const": kind.api_version},
            "kind": {"const": kind.kind},
            "metadata": _METADATA,
            "lifecycle": _LIFECYCLE,
            "forEach": _FOR_EACH,
            "spec": _templated(spec, prefix),
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _templated(schema: JSONObject, prefix: str) -> JSONObject:
    """The schema of an object in which every value may be a template instead."""
    made: JSONObject = _renamed(schema, prefix)
    for name, inner in made.get("properties", {}).items():
        made["properties"][name] = _or_template(inner)
    return made


def _or_template(schema: JSONObject) -> JSONObject:
    said: JSONObject = {key: schema[key] for key in ("title", "description", "default", "examples") if key in schema}
    rest: JSONObject = {key: what for key, what in schema.items() if key not in said}
    for one in (rest, *rest.get("anyOf", ())):
        if isinstance(one.get("items"), dict):
            one["items"] = _or_template(one["items"])
    return {**said, "anyOf": [rest, _TEMPLATE]}


def _renamed(value: JSON, prefix: str) -> JSON:
    if isinstance(value, dict):
        return {
            key: what.replace("#/$defs/", f"#/$defs/{prefix}", 1) if key == "$ref" else _renamed(what, prefix)
            for key, what in value.items()
        }
    if isinstance(value, list):
        return [_renamed(what, prefix) for what in value]
    return value
