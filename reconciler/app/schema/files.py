"""Schemas put together for editors and validators, a file each."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.app.schema import plain, templates
from reconciler.app.schema.former import renamed
from reconciler.app.schema.walk import prefixed
from reconciler.app.wiring import Wiring
from reconciler.model.errors import Broken
from reconciler.model.lint import Rule
from reconciler.model.ports import Kind
from reconciler.model.values import JSONObject

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
END: Final = ".schema.json"


class _Version(NamedTuple):
    """One version of a kind; `spec` is the schema of its spec, `definitions` what that refers to."""

    kind: Kind
    api_version: str
    name: str
    spec: JSONObject
    definitions: dict[str, JSONObject]


def schemas(wiring: Wiring) -> dict[str, JSONObject]:
    """Return a schema per version of a kind, by name (`blue.report.v1`), `manifest` for a document of any of them,
    `project` and `environment`.

    A template may stand wherever a value may, so a text that has one satisfies everything
    inside a manifest and inside defaults.  What the project has defaults for need not be there.
    """
    defaulted = wiring.defaulted()
    rules = plain.rules(wiring.kinds)
    versions = [each for kind in wiring.kinds for each in _versions(kind, defaulted)]
    found = {each.name: _one(each, rules) for each in versions}
    found["manifest"] = _any(versions, rules)
    found["project"] = _own(plain.project(wiring.kinds, rules), "ProjectSpec")
    found["environment"] = _own(plain.environment(wiring.kinds), "EnvironmentSpec")
    return {name: {"$schema": DIALECT, "title": name, **schema} for name, schema in found.items()}


def write(found: Mapping[str, JSONObject], folder: Path) -> list[Path]:
    """Write one `<name>.schema.json` per schema; return the files.  Raises Broken if the folder is not writable."""
    files = []
    for name, text in texts(found).items():
        file = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Broken(f"cannot write {file}: {error.strerror}") from error
        files.append(file)
    return files


def texts(found: Mapping[str, JSONObject]) -> dict[str, str]:
    """Return the files of schemas, by name."""
    return {name + END: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in found.items()}


def _versions(kind: Kind, defaulted: Mapping[str, Collection[str]]) -> Iterator[_Version]:
    current = plain.without(plain.spec(kind), defaulted.get(f"{kind.provider}/{kind.kind.lower()}", ()))
    yield _version(kind, kind.api_version, current)
    for former in kind.former:
        yield _version(kind, former.api_version, renamed(current, former))


def _version(kind: Kind, api_version: str, spec: JSONObject) -> _Version:
    name = f"{kind.provider}.{kind.kind.lower()}.{api_version.partition('/')[2]}"
    made = prefixed(spec, f"{name}.")
    definitions = {f"{name}.{key}": templates.inside(what) for key, what in made.pop("$defs", {}).items()}
    if documentation := made.pop("documentation", ""):
        made["description"] += f"\n\nDocumentation: {documentation}"
    return _Version(kind, api_version, name, templates.inside(made), definitions)


def _one(version: _Version, rules: Sequence[Rule]) -> JSONObject:
    """The schema of documents of one version."""
    made = _envelope(rules)
    fields = made["properties"]
    fields["apiVersion"]["const"] = version.api_version
    fields["kind"]["const"] = version.kind.kind
    fields["spec"] = {"$ref": f"#/$defs/{version.name}"}
    made["description"] = version.spec["description"]
    made["$defs"] |= {**version.definitions, version.name: templates.around(version.spec)}
    return made


def _any(versions: Sequence[_Version], rules: Sequence[Rule]) -> JSONObject:
    """The schema of documents of any version: what it says of itself decides what it must be, so that
    editors find fault with the right kind only."""
    made = _envelope(rules)
    made["properties"]["apiVersion"]["enum"] = list(dict.fromkeys(each.api_version for each in versions))
    made["properties"]["kind"]["enum"] = list(dict.fromkeys(each.kind.kind for each in versions))
    made["allOf"] = [
        {
            "if": _saying(apiVersion=api_version),
            "then": {
                "properties": {
                    "kind": {"enum": [each.kind.kind for each in versions if each.api_version == api_version]}
                }
            },
        }
        for api_version in made["properties"]["apiVersion"]["enum"]
    ]
    for each in versions:
        then: JSONObject = {"spec": {"$ref": f"#/$defs/{each.name}"}}
        if each.api_version != each.kind.api_version:
            then["apiVersion"] = {"deprecationMessage": _deprecation(each)}
        said = _saying(apiVersion=each.api_version, kind=each.kind.kind)
        made["allOf"].append({"if": said, "then": {"properties": then}})
        made["$defs"] |= {**each.definitions, each.name: templates.around(each.spec)}
    return made


def _saying(**words: str) -> JSONObject:
    """A schema of documents that say just this; as patterns, for while one types, editors take the beginning of
    a constant for all of it."""
    return {"properties": {name: {"pattern": f"^{word}$"} for name, word in words.items()}, "required": list(words)}


def _deprecation(version: _Version) -> str:
    return f"{version.api_version} is a former version; `reconciler fmt --upgrade` makes it {version.kind.api_version}."


def _envelope(rules: Sequence[Rule]) -> JSONObject:
    """What documents of all kinds have in common; templates may stand in all of it but what says how to read it."""
    made = plain.envelope(rules)
    definitions, fields = made.pop("$defs"), made["properties"]
    fixed = {"apiVersion", "kind", "lint"}
    made["properties"] = {name: what if name in fixed else templates.around(what) for name, what in fields.items()}
    made["$defs"] = {
        name: what if name == "LintShape" else templates.inside(what) for name, what in definitions.items()
    }
    return made


def _own(made: JSONObject, spec: str) -> JSONObject:
    """The schema of a document of our own; only defaults are rendered."""
    fields = made["$defs"][spec]["properties"]
    fields["defaults"] = templates.inside(fields["defaults"])
    for name, what in made["$defs"].items():
        if "." in name:
            made["$defs"][name] = templates.inside(what)
    return made
