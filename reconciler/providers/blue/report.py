"""The kind `blue/v1 Report`: limits, normal form, and what a live report says of a spec."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from reconciler.model.canonical import canonical
from reconciler.model.diagnostic import Violation
from reconciler.model.lint import Rule
from reconciler.model.naming import Named, Names
from reconciler.model.values import JSON, JSONObject, Reference
from reconciler.model.versions import EACH, Former, Rename
from reconciler.providers import naming
from reconciler.providers.blue import filters, names
from reconciler.providers.blue.rules import RULES
from reconciler.providers.values import blank, compact, repeated, tidy, unsendable, utf16_length, warning

if TYPE_CHECKING:
    from pydantic import BaseModel

MOST_SOURCES: Final = 50
LONGEST_DESCRIPTION: Final = 10_000
LARGEST_CONFIG: Final = 102_400

UPDATE_ONLY: Final = ("config", "reportUsers")
"""Fields a create cannot carry ('Create a Report')."""


class ReportKind:
    """A Blue report; see `reconciler.model.ports.Kind` for what each method promises."""

    api_version = "blue/v1"
    kind = "Report"
    provider = "blue"
    title = "title"
    former = (
        Former(
            "blue/v1alpha1",
            (
                Rename(("spec", "sources", EACH, "workspaceIds"), "projectIds"),
                Rename(("spec", "sources"), "dataSources"),
                Rename(("spec", "name"), "title"),
                Rename(("spec", "sharedWith"), "reportUsers"),
            ),
        ),
    )
    rules: Sequence[Rule] = RULES

    def model(self) -> type[BaseModel]:
        from reconciler.providers.blue.models import Report

        return Report

    def check(self, spec: JSONObject) -> Sequence[Violation]:
        found = [*unsendable(spec), *_check_texts(spec), *_check_sources(spec)]
        found.extend(names.check_users(spec.get("reportUsers") or ()))
        config = spec.get("config")
        if config and not any(violation.path[:1] == ("config",) for violation in found):
            found.extend(_check_config(config))
        return found

    def named(self, spec: JSONObject) -> Sequence[Named]:
        return tuple(names.named(spec))

    def resolved(self, spec: JSONObject, known: Names) -> JSONObject:
        return names.resolved(spec, known)

    def normalise(self, spec: JSONObject) -> JSONObject:
        users = spec.get("reportUsers")
        config = spec.get("config")
        return compact(
            {
                "title": spec["title"],
                "description": spec.get("description") or None,
                "dataSources": _normal_sources(spec.get("dataSources") or []),
                "config": None if config is None else tidy(config),
                "reportUsers": None if users is None else names.normal_users(users),
            }
        )

    def creation(self, spec: JSONObject) -> JSONObject:
        return {key: value for key, value in spec.items() if key not in UPDATE_ONLY or not value}

    def content(self, spec: JSONObject) -> JSONObject:
        return spec

    def references(self, spec: JSONObject) -> Sequence[Reference]:
        return ()

    def widens(self, before: JSONObject, after: JSONObject) -> Sequence[str]:
        return tuple(_widens(before["dataSources"], after["dataSources"]))

    def organization(self, spec: JSONObject) -> str:
        return ""

    def mentions(self, spec: JSONObject) -> Mapping[str, Collection[str]]:
        workspaces = {project for source in spec["dataSources"] for project in names.ids(source)}
        return {
            "workspace": workspaces,
            "user": {user["userId"] for user in spec.get("reportUsers", ()) if "userId" in user},
        }


def read(node: JSONObject, spec: JSONObject) -> JSONObject:
    """What a live report holds, in the form of a normalised spec.

    Fields that `spec` (normalised) leaves alone are left out, and `config` is reduced to the keys it names;
    where it names none, the live object is shown whole.
    """
    kept = {key: node.get(key) for key in ("title", "description", "dataSources")}
    kept["title"] = kept["title"] or ""
    if "config" in spec:
        kept["config"] = _named(node.get("config") or {}, spec["config"])
    if "reportUsers" in spec:
        kept["reportUsers"] = [
            {"userId": share["user"]["id"], "role": share["role"]} for share in node.get("reportUsers") or []
        ]
    return ReportKind().normalise(kept)


def _named(live: JSON, asked: JSON) -> JSON:
    """The part of a live value that was asked for; keys the application added beside it are left out."""
    if not (isinstance(live, dict) and isinstance(asked, dict) and asked):
        return live
    return {key: _named(value, asked[key]) for key, value in live.items() if key in asked}


def _normal_sources(sources: Sequence[JSONObject]) -> list[JSONObject]:
    def position(numbered: tuple[int, JSONObject]) -> int:
        index, source = numbered
        order: int | None = source.get("order")
        return index if order is None else order

    return [_normal_source(source) for _, source in sorted(enumerate(sources), key=position)]


def _normal_source(source: JSONObject) -> JSONObject:
    """Null, omitted and [] mean the same scope ('Create a Report', the projectIds convention)."""
    kind = source.get("sourceType")
    return compact(
        {
            "name": source.get("name") or None,
            "sourceType": None if kind == "TODOS" else kind,
            "projectIds": names.scope(source) or None,
            "filters": tidy(source.get("filters") or None),
        }
    )


def _check_texts(spec: JSONObject) -> Iterator[Violation]:
    if not str(spec.get("title") or "").strip():
        yield blank(("title",), "title")
    description = spec.get("description") or ""
    units = utf16_length(description)
    if units > LONGEST_DESCRIPTION:
        counted = f"{units:,} characters"
        if units != len(description):
            counted += f" as the service counts them (UTF-16 code units; {len(description):,} code points)"
        yield Violation(
            ("description",),
            "description-too-long",
            f"description has {counted}; at most {LONGEST_DESCRIPTION:,} are allowed",
            f"shorten it by {units - LONGEST_DESCRIPTION:,}",
        )
    elif (
        not description.isascii() and (size := len(description.encode("utf-8", "surrogatepass"))) > LONGEST_DESCRIPTION
    ):
        yield warning(
            ("description",),
            "description-length",
            f"description has {units:,} characters (UTF-16 code units) but {size:,} bytes in UTF-8; "
            f"of what the service allows {LONGEST_DESCRIPTION:,} is not documented",
            f"shorten it by {size - LONGEST_DESCRIPTION:,} bytes to be sure",
        )


def _check_sources(spec: JSONObject) -> Iterator[Violation]:
    sources = spec.get("dataSources") or []
    if len(sources) > MOST_SOURCES:
        yield Violation(
            ("dataSources",),
            "too-many-data-sources",
            f"{len(sources)} data sources; at most {MOST_SOURCES} are allowed",
            "split the report in two",
        )
    orders = [source.get("order") for source in sources]
    for index in repeated(orders):
        if orders[index] is not None:
            yield warning(
                ("dataSources", index, "order"),
                "repeated-order",
                f"order {orders[index]} stands on another data source too; these keep the order of the list",
            )
    for index, source in enumerate(sources):
        yield from _check_source(("dataSources", index), source)
    yield from filters.check_agreement(sources)


def _check_source(path: tuple[str | int, ...], source: JSONObject) -> Iterator[Violation]:
    yield from naming.check(source.get("projects"), (*path, "projects"), names.KEYS)
    for field in names.empty_scope(source):
        yield warning(
            (*path, field),
            "every-workspace",
            "an empty list means every workspace, not none",
            f"name the workspaces; where all are meant, leave {field} out and opt out of implicit-every-workspace",
        )
    if source.get("projectIds") is None and source.get("projects") is None:
        yield warning(
            (*path, "projectIds") if "projectIds" in source else path,
            "implicit-every-workspace",
            "a data source without workspaces reaches every one, also those made later",
            "name them in projectIds or projects",
        )
    for index, project in enumerate(source.get("projectIds") or ()):
        if not naming.is_name(project) and not project.strip():
            yield blank((*path, "projectIds", index), "the workspace id")
    given = source.get("filters")
    if given is not None and not isinstance(given, dict):
        yield Violation((*path, "filters"), "filters-not-object", "filters must be a mapping of filter keys")
    elif given:
        yield from filters.check(given, (*path, "filters"))


def _check_config(config: JSONObject) -> Iterator[Violation]:
    # Canonical JSON writes numbers and texts as the service's own language does, so it is as long.
    size = len(canonical(tidy(config)))
    if size > LARGEST_CONFIG:
        yield Violation(
            ("config",),
            "config-too-large",
            f"config is {size:,} bytes as JSON; at most {LARGEST_CONFIG:,} are allowed",
            f"remove {size - LARGEST_CONFIG:,} bytes",
        )


def _widens(before: Sequence[JSONObject], after: Sequence[JSONObject]) -> Iterator[str]:
    reached_all = any("projectIds" not in source for source in before)
    for index, source in enumerate(after):
        label = f"dataSources[{index}]" + (f" ({source['name']})" if "name" in source else "")
        earlier = _counterpart(before, index, source)
        if earlier is None:
            if "projectIds" not in source and not reached_all:
                yield f"{label} is new and reaches every workspace"
            continue
        if "projectIds" in earlier and "projectIds" not in source:
            count = len(earlier["projectIds"])
            yield f"{label} reaches every workspace instead of {count} {'workspace' if count == 1 else 'workspaces'}"
        if "filters" in earlier and "filters" not in source:
            yield f"{label} loses its filter"


def _counterpart(before: Sequence[JSONObject], index: int, source: JSONObject) -> JSONObject | None:
    """The earlier form of a source: the only one of its name, else the one in its place."""
    named = [earlier for earlier in before if "name" in source and earlier.get("name") == source["name"]]
    if len(named) == 1:
        return named[0]
    return before[index] if index < len(before) else None
