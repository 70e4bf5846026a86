"""Documents as JSON Schemas, without templates: what is permitted once they are rendered."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from reconciler.app.schema.former import renamed
from reconciler.app.schema.walk import inner, prefixed
from reconciler.model.lint import Rule
from reconciler.model.ports import Kind
from reconciler.model.values import JSON, JSONObject
from reconciler.model.versions import Former
from reconciler.providers.schemas import NOT_BLANK

if TYPE_CHECKING:
    from pydantic import BaseModel


_REASON: Final = "why it does not matter here"
_SETTINGS: Final = {"blue": [{"organization": "acme"}], "pipefy": [{"organization": 300123456}]}


def rules(kinds: Sequence[Kind]) -> Sequence[Rule]:
    """Every lint rule there is, by id."""
    from reconciler.loading.linting.rules import registry

    return list(registry(kinds).values())


def stores() -> str:
    """Where this version can keep a state, in a sentence or two."""
    from reconciler.state.backends import BACKENDS

    schemes = ", ".join(f"{scheme}:" for scheme in BACKENDS)
    file = (
        " A sqlite: file needs a disk that outlives the run: in a pipeline that of a self-hosted runner, and there a "
        "path outside of the checkout, which is cleaned."
    )
    return f"This version knows state URLs that begin with {schemes}.{file if 'sqlite' in BACKENDS else ''}"


def spec(kind: Kind) -> JSONObject:
    """The schema of a kind's spec, with `$defs`."""
    return _of(kind.model())


def without(spec: JSONObject, fields: Collection[str]) -> JSONObject:
    """A spec in which these fields need not be there, because they have defaults; what others demand of them
    cannot be told then."""
    if not fields:
        return spec
    rules = [rule for rule in spec.get("allOf", ()) if not any(f'"{name}"' in json.dumps(rule) for name in fields)]
    required = [name for name in spec.get("required", ()) if name not in fields]
    made = {key: what for key, what in spec.items() if key not in ("allOf", "required")}
    return {**made, **({"allOf": rules} if rules else {}), **({"required": required} if required else {})}


def manifest(kind: Kind, rules: Sequence[Rule], former: Former | None = None) -> JSONObject:
    """The schema of a manifest of one kind, or of a former version of it, with `$defs`."""
    made = envelope(rules)
    inside = spec(kind) if former is None else renamed(spec(kind), former)
    definitions = {**made.pop("$defs"), **inside.pop("$defs", {})}
    fields = made["properties"]
    fields["apiVersion"]["const"] = kind.api_version if former is None else former.api_version
    fields["kind"]["const"] = kind.kind
    fields["spec"] = inside
    return {**made, "description": inside["description"], "$defs": definitions}


def envelope(rules: Iterable[Rule]) -> JSONObject:
    """The schema of a manifest of any kind, with `$defs`."""
    from reconciler.loading.shapes import Envelope

    made = _of(Envelope)
    made["$defs"]["LintShape"]["properties"]["ignore"] |= _each(
        (rule.id, {"type": "string", **NOT_BLANK, "description": rule.summary, "examples": [_REASON]}) for rule in rules
    )
    return made


def project(kinds: Sequence[Kind], rules: Sequence[Rule]) -> JSONObject:
    """The schema of the project file, with `$defs`."""
    from reconciler.loading.shapes import ProjectShape

    made = _of(ProjectShape)
    providers = sorted({kind.provider for kind in kinds})
    fields = made["$defs"]["ProjectSpec"]["properties"]
    fields["state"]["description"] += f" {stores()}"
    fields["providers"] |= _each(
        (name, {"$ref": "#/$defs/ProviderShape", "examples": _SETTINGS.get(name, [])}) for name in providers
    )
    words = made["$defs"]["ProjectLint"]["properties"]["rules"]
    words |= _each(
        (rule.id, {**words["additionalProperties"], "description": rule.summary, "examples": ["off"]}) for rule in rules
    )
    return _with_defaults(made, fields, kinds)


def environment(kinds: Sequence[Kind]) -> JSONObject:
    """The schema of an environment, with `$defs`."""
    from reconciler.loading.shapes import EnvironmentShape

    made = _of(EnvironmentShape)
    return _with_defaults(made, made["$defs"]["EnvironmentSpec"]["properties"], kinds)


def _with_defaults(made: JSONObject, fields: JSONObject, kinds: Sequence[Kind]) -> JSONObject:
    """Say of the defaults of each kind what its manifests may say: any part of it, each field whole."""
    from reconciler.loading.shapes import LifecycleShape

    shape = made["$defs"].pop("DefaultsShape")
    named = []
    for kind in kinds:
        name = f"{kind.provider}/{kind.kind.lower()}"
        part = prefixed(spec(kind), f"{name.replace('/', '.')}.")
        for key, what in part.pop("$defs", {}).items():
            made["$defs"][f"{name.replace('/', '.')}.{key}"] = what
        part = without(part, part["properties"])
        own = {**shape["properties"], "lifecycle": _of(LifecycleShape), "spec": part}
        named.append((name, {**shape, "properties": own}))
    fields["defaults"] |= _each(named)
    return made


def _each(named: Iterable[tuple[str, JSONObject]]) -> JSONObject:
    return {"properties": dict(named), "additionalProperties": False}


def _of(model: type[BaseModel]) -> JSONObject:
    return _tidied(_generated(model))


@lru_cache(maxsize=32)
def _generated(model: type[BaseModel]) -> JSONObject:
    from pydantic.json_schema import GenerateJsonSchema

    class AsWritten(GenerateJsonSchema):
        """Keeps examples in the order in which people write them."""

        def sort(self, value: JSON, parent_key: str | None = None) -> JSON:
            return value

    return model.model_json_schema(by_alias=True, schema_generator=AsWritten)


def _tidied(schema: JSONObject) -> JSONObject:
    """Leave out what is no news, and say "or null" in the shortest way."""
    made = {key: what for key, what in schema.items() if key != "title"}
    if made.get("default", "") in (None, "") or isinstance(made["default"], list | dict):
        made.pop("default", None)
    choices: list[Any] = made.get("anyOf", [])
    plain = [each for each in choices if each.get("type") != "null"]
    if len(plain) == 1 < len(choices) and isinstance(plain[0].get("type"), str):
        del made["anyOf"]
        made = {**plain[0], **made, "type": [plain[0]["type"], "null"]}
        if "const" in made:
            made["enum"] = [made.pop("const")]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return inner(made, _tidied)
