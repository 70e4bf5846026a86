"""Kinds, fields and lint rules, explained out of their own schemas."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from reconciler.app.schema import plain, words
from reconciler.app.schema.walk import resolved
from reconciler.app.wiring import Wiring
from reconciler.model.errors import Usage
from reconciler.model.lint import Rule
from reconciler.model.values import JSON, JSONObject

_OWN: Final = {
    "project": "The project file, reconciler.yaml: settings of all manifests.",
    "environment": "environments/<name>.yaml: the values and defaults of one environment.",
    "lint": "The lint rules.",
}


@dataclass(frozen=True, slots=True)
class _Topic:
    """Something that has fields: its name, how else it may be spelled, and what makes the schema of its documents."""

    name: str
    spellings: tuple[str, ...]
    schema: Callable[[], JSONObject]


def explain(wiring: Wiring, text: str) -> JSONObject:
    """Explain what `text` names: nothing (a list of everything), `lint`, a rule, or a kind or document of ours with
    the way to one of its fields.  Lists are walked with or without an index.

    The answer has `title`, `description` and, where there are any, `type`, `default`, `values`, `limits`,
    `documentation`, `entries` (what is inside, each with `name` and `description`) and `example` (a part of a
    document).  Raises Usage, naming what is known, for anything else.
    """
    asked = text.strip()
    rules = {rule.id: rule for rule in plain.rules(wiring.kinds)}
    if not asked:
        return _everything(wiring)
    if asked == "lint":
        return _lint(rules)
    if asked in rules:
        return _rule(rules[asked])
    topics = _topics(wiring, list(rules.values()))
    for topic in topics:
        way = _way(asked, topic)
        if way is not None:
            return _field(topic, way)
    raise Usage(f"there is nothing called {asked!r} to explain", _near(asked, [topic.name for topic in topics], rules))


def completions(wiring: Wiring, text: str) -> list[str]:
    """What a half-typed topic may become: the name of one, or of a field inside what is there already."""
    rules = plain.rules(wiring.kinds)
    topics = _topics(wiring, rules)
    before, dot, _ = text.rpartition(".")
    if not dot:
        return [*(topic.name for topic in topics), "lint", *(rule.id for rule in rules)]
    for topic in topics:
        way = _way(before, topic)
        if way is not None:
            return [f"{before}.{entry['name']}" for entry in _field(topic, way).get("entries", ())]
    return []


def _everything(wiring: Wiring) -> JSONObject:
    kinds = [(f"{kind.provider}/{kind.kind.lower()}", plain.spec(kind)["description"]) for kind in wiring.kinds]
    return {
        "title": "",
        "description": "`explain NAME` tells more of one of these, `explain NAME.FIELD` of a field, `explain RULE` of "
        "a lint rule.",
        "entries": [{"name": name, "description": what} for name, what in (*kinds, *_OWN.items())],
    }


def _lint(rules: Mapping[str, Rule]) -> JSONObject:
    return {
        "title": "lint",
        "description": "What is permitted but seldom meant. The project file says how bad a rule is, or turns it "
        "off, in spec.lint.rules; a manifest opts out in lint.ignore, and says why.",
        "entries": [
            {"name": rule.id, "type": rule.severity.value, "description": rule.summary} for rule in rules.values()
        ],
    }


def _rule(rule: Rule) -> JSONObject:
    return {
        "title": rule.id,
        "type": f"lint rule, {rule.severity.value}",
        "description": f"{rule.summary}\n\n{rule.why}",
        "example": {"lint": {"ignore": {rule.id: "why it does not matter here"}}},
    }


def _topics(wiring: Wiring, rules: Sequence[Rule]) -> list[_Topic]:
    """Everything that has fields; former versions come last."""
    found, former_ones = [], []
    for kind in wiring.kinds:
        word = kind.kind.lower()
        name = f"{kind.provider}/{word}"
        spellings = (name, f"{kind.provider}.{word}", *_spelled(kind.api_version, word))
        found.append(_Topic(name, spellings, partial(plain.manifest, kind, rules)))
        for former in kind.former:
            spellings = _spelled(former.api_version, word)
            former_ones.append(_Topic(spellings[0], spellings, partial(plain.manifest, kind, rules, former)))
    found.append(_Topic("project", ("project",), partial(plain.project, wiring.kinds, rules)))
    found.append(_Topic("environment", ("environment",), partial(plain.environment, wiring.kinds)))
    return found + former_ones


def _spelled(api_version: str, word: str) -> tuple[str, ...]:
    return tuple(f"{api_version}{between}{word}" for between in "/ .")


def _way(text: str, topic: _Topic) -> list[str] | None:
    """The fields that a text names behind a topic; None when it does not begin with that."""
    for spelling in topic.spellings:
        rest = text[len(spelling) :]
        if text.lower().startswith(spelling) and rest[:1] in ("", ".", "["):
            return [step for step in re.sub(r"\[[0-9]*\]", "", rest).split(".") if step]
    return None


def _field(topic: _Topic, way: Sequence[str]) -> JSONObject:
    at = topic.schema()
    definitions = at["$defs"]
    spec = resolved(at["properties"]["spec"], definitions)
    if way and (way[0] in spec["properties"] or way[0] not in at["properties"]):
        way = ["spec", *way]
    steps: list[tuple[str, JSONObject]] = []
    for step in way:
        holder = words.inside(at, definitions)
        found = words.field(holder, step, definitions)
        if found is None:
            where = _title(topic, [name for name, _ in steps])
            known = [str(each) for each in holder.get("properties", ())]
            raise Usage(f"{where} has no field {step!r}", _near(step, known) if known else "it has no fields")
        steps.append((step, holder))
        at = found
    made = {"title": _title(topic, way), **words.described(at, definitions)}
    if steps:
        name, holder = steps[-1]
        made["type"] += ", required" if name in holder.get("required", ()) else ", optional"
        made["entries"] = words.fields(words.inside(at, definitions), definitions)
    else:
        beside = [each for each in words.fields(at, definitions) if each["name"] not in ("apiVersion", "kind", "spec")]
        made["entries"] = words.fields(spec, definitions) + beside
    made["documentation"] = spec.get("documentation")
    made["example"] = _example(at, steps, definitions)
    return {key: what for key, what in made.items() if what not in (None, [])}


def _title(topic: _Topic, way: Sequence[str]) -> str:
    return ".".join([topic.name, *(way[1:] if way[:1] == ["spec"] else way)])


def _example(at: JSONObject, steps: Sequence[tuple[str, JSONObject]], definitions: words.Definitions) -> JSON:
    """An example of a field, inside of what it stands in, with what else is needed there; at the top only the way."""
    value = words.example(at, definitions)
    if value is None:
        return None
    for depth in range(len(steps) - 1, -1, -1):
        name, holder = steps[depth]
        value = {name: value}
        if depth > 1:
            value = words.completed(value, holder, definitions)
            if _listed(steps[depth - 1], definitions):
                value = [value]
    return value


def _listed(step: tuple[str, JSONObject], definitions: words.Definitions) -> bool:
    """Whether what a field holds is a list."""
    name, holder = step
    return "array" in (words.field(holder, name, definitions) or {}).get("type", ())


def _near(word: str, known: Sequence[str], rules: Mapping[str, Rule] | None = None) -> str:
    from reconciler.loading.text.sources import did_you_mean

    near = did_you_mean(word, [*known, "lint", *(rules or ())])
    listed = f"known: {', '.join(known)}"
    return f"{near} {listed}" if near.startswith("did") else listed
