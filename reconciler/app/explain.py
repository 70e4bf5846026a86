"""Kinds, fields and lint rules, explained out of their own schemas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Final

from reconciler.app.schema import plain, words
from reconciler.app.schema.walk import resolved
from reconciler.app.wiring import Wiring
from reconciler.model.errors import Usage
from reconciler.model.lint import Rule
from reconciler.model.values import JSON, NAME, JSONObject

_OWN: Final = {
    "project": "The project file, reconciler.yaml: settings of all manifests.",
    "environment": "environments/<name>.yaml: the values and defaults of one environment.",
    "lint": "The lint rules.",
    "templates": "What templates may use: `{{ values.… }}` and the like.",
}
_SEEN: Final = {
    "values": "The values of the environment, with those of --set on top.",
    "each": "In a manifest with forEach: each.key and each.value of the entry.",
    "env": "The name of the environment.",
    "project": "The name of the project.",
    "variables": "The environment variables that the project file lists in spec.variables.",
    "range(n)": "The numbers from 0 to n - 1.",
    "{% if %}": "What stands up to {% endif %} only under a condition; {% elif %} and {% else %} as well.",
    "{% for %}": "What stands up to {% endfor %} for every entry of a list.",
    "{% raw %}": "What stands up to {% endraw %} as it is, braces and all.",
}
_CODE: Final = re.compile(r"[a-z]+(-[a-z]+)*")
_REPEATED: Final = ("defaults", "rules", "ignore")  # their insides are explained elsewhere


@dataclass(frozen=True, slots=True)
class _Topic:
    """Something that has fields: its name, how else it may be spelled, and what makes the schema of its documents."""

    name: str
    spellings: tuple[str, ...]
    schema: Callable[[], JSONObject]
    former: bool = False


def explain(wiring: Wiring, text: str) -> JSONObject:
    """Explain what `text` names: nothing (a list of everything), `lint`, `templates`, a rule, or a kind or document of
    ours with the way to one of its fields.  Lists are walked with or without an index, what nests in itself is
    explained once, and the name of a resource behind its kind is left out.  A provider, a kind alone or a field alone
    names everything that ends in it.

    The answer has `title`, `description` and, where there are any, `type`, `default`, `values`, `limits`,
    `documentation`, `entries` (what is inside, each with `name` and `description`) and `example` (a part of a
    document).  Raises Usage, naming what is known, for anything else.
    """
    asked = text.strip()
    rules = {rule.id: rule for rule in plain.rules(wiring.kinds)}
    pages: dict[str, Callable[[], JSONObject]] = {"": partial(_everything, wiring), "templates": _templates}
    pages["lint"] = partial(_lint, rules)
    pages |= {name: partial(_rule, rule) for name, rule in rules.items()}
    if asked in pages:
        return pages[asked]()
    topics = _topics(wiring, list(rules.values()))
    for topic in topics:
        way = _way(asked, topic)
        if way is not None:
            return _field(topic, way)
    called = _called(wiring, topics, asked)
    if len(called) == 1:
        return explain(wiring, called[0]["name"])
    if called:
        return {"title": "", "description": f"{asked} is several things:", "entries": called}
    close = get_close_matches(asked, rules, 1, 0.85)  # codes of errors are a little like ids of rules
    hint = _near(asked, [*(topic.name for topic in topics), "lint", "templates"], close)
    if not close and _CODE.fullmatch(asked):
        hint += "\nif it is the code of an error, the message beside it says what to do"
    raise Usage(f"there is nothing called {asked!r} to explain", hint)


def completions(wiring: Wiring, text: str) -> list[str]:
    """What a half-typed topic may become: the name of one, or of a field inside what is there already."""
    rules = plain.rules(wiring.kinds)
    topics = _topics(wiring, rules)
    before, dot, _ = text.rpartition(".")
    if not dot:
        return [*(topic.name for topic in topics), "lint", "templates", *(rule.id for rule in rules)]
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


def _templates() -> JSONObject:
    from reconciler.loading.templating.filters import FILTERS

    return {
        "title": "templates",
        "description": "Every text of a manifest's metadata, lifecycle, forEach and spec, and of defaults, may have "
        "expressions such as {{ values.x }}. An expression that is all of a text keeps its type: a number stays a "
        "number. What is not defined is an error; `| default(…)` says what stands in for it.\n\n"
        f"Filters: {', '.join(FILTERS)}.",
        "entries": [{"name": name, "description": what} for name, what in _SEEN.items()],
        "example": {"spec": {"title": "{{ each.value.title | default(each.key) | upper }}"}},
    }


def _called(wiring: Wiring, topics: Sequence[_Topic], asked: str) -> list[JSONObject]:
    """The kinds of a provider or of a name, and the fields of which this is the last part of the way, each with what
    it is."""
    word, found = asked.casefold(), []
    for kind in wiring.kinds:
        if word in (kind.provider, kind.kind.lower()):
            name = f"{kind.provider}/{kind.kind.lower()}"
            found.append({"name": name, "description": plain.spec(kind)["description"]})
    for topic in topics:
        if not topic.former:
            found += [each for each in _below(topic) if each["name"].casefold().endswith(f".{word}")]
    return found


def _below(topic: _Topic) -> Iterator[JSONObject]:
    """Every field of a topic."""
    made = topic.schema()
    definitions = made["$defs"]

    def walk(schema: JSONObject, way: list[str]) -> Iterator[JSONObject]:
        holder = words.inside(schema, definitions)
        for name, what in holder.get("properties", {}).items():
            further = [*way, name]
            said = resolved(what, definitions)
            if name not in way:
                told = said.get("description", "").split("\n")[0].split(". ")[0].rstrip(".")
                yield {"name": _title(topic, further), "description": f"{told}."}
                if name not in _REPEATED:
                    yield from walk(said, further)

    return walk(made, [])


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
            former_ones.append(
                _Topic(spellings[0], spellings, partial(plain.manifest, kind, rules, former), former=True)
            )
    found.append(_Topic("project", ("project",), partial(plain.project, wiring.kinds, rules)))
    found.append(_Topic("environment", ("environment",), partial(plain.environment, wiring.kinds)))
    return found + former_ones


def _spelled(api_version: str, word: str) -> tuple[str, ...]:
    return tuple(f"{api_version}{between}{word}" for between in "/ .")


def _way(text: str, topic: _Topic) -> list[str] | None:
    """The fields that a text names behind a topic; None when it does not begin with that."""
    for spelling in topic.spellings:
        rest = text[len(spelling) :]
        if not text.lower().startswith(spelling):
            continue
        if re.fullmatch(f"/{NAME.pattern}", rest):  # an address
            return []
        if rest[:1] in ("", ".", "["):
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
        if not steps or (step, holder.get("properties")) != (steps[-1][0], steps[-1][1].get("properties")):
            steps.append((step, holder))
        at = found
    made = {"title": _title(topic, [name for name, _ in steps]), **words.described(at, definitions)}
    if steps:
        name, holder = steps[-1]
        made["type"] += ", required" if name in holder.get("required", ()) else ", optional"
        made["entries"] = words.fields(words.inside(at, definitions), definitions)
    else:
        beside = [each for each in words.fields(at, definitions) if each["name"] not in ("apiVersion", "kind", "spec")]
        made["entries"] = words.fields(spec, definitions) + beside
    made["documentation"] = spec.get("documentation") if way[:1] in ([], ["spec"]) else None
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
            listed = _listed(steps[depth - 1], definitions)
            usual = holder.get("examples", [{}])[0] if listed else {}
            value = words.completed({**usual, **value}, holder, definitions)
            value = [value] if listed else value
    return value


def _listed(step: tuple[str, JSONObject], definitions: words.Definitions) -> bool:
    """Whether what a field holds is a list."""
    name, holder = step
    return "array" in (words.field(holder, name, definitions) or {}).get("type", ())


def _near(word: str, known: Sequence[str], further: Sequence[str] = ()) -> str:
    from reconciler.loading.text.sources import did_you_mean

    near = did_you_mean(word, [*known, *further])
    listed = f"known: {', '.join(known)}"
    return f"{near} {listed}" if near.startswith("did") else listed
