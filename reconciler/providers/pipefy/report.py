"""The kind `pipefy/v1 Report`: limits, normal form, and what a live report says of a spec."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from reconciler.model.diagnostic import Violation
from reconciler.model.lint import Rule
from reconciler.model.naming import Named, Names
from reconciler.model.values import JSON, JSONObject, Path, Reference
from reconciler.model.versions import Former
from reconciler.providers.naming import is_name
from reconciler.providers.pipefy import filters, names
from reconciler.providers.pipefy.rules import REPORT_RULES
from reconciler.providers.values import blank, compact, repeated, tidy, unsendable, warning

if TYPE_CHECKING:
    from pydantic import BaseModel

LARGEST_ID: Final = 2_147_483_647
"""Ids travel as GraphQL integers, which have 32 bits."""

UPDATE_ONLY: Final = ("color",)
"""Fields a create is not known to take ('Create Organization Report' shows none of them)."""

_NO_PIPES: Final = "a report needs at least one pipe"
_COLORS: Final = ("red", "blue", "green")


class ReportKind:
    """A saved organization report; see `reconciler.model.ports.Kind` for what each method promises."""

    api_version = "pipefy/v1"
    kind = "Report"
    provider = "pipefy"
    title = "name"
    former: Sequence[Former] = ()
    rules: Sequence[Rule] = REPORT_RULES

    def model(self) -> type[BaseModel]:
        from reconciler.providers.pipefy.models import Report

        return Report

    def check(self, spec: JSONObject) -> Sequence[Violation]:
        found = [*unsendable(spec), *check_ids(spec), *check_names(spec, "fields")]
        if not str(spec.get("name") or "").strip():
            found.append(blank(("name",), "name"))
        found.extend(names.check(spec, _NO_PIPES))
        if not names.given(spec):
            place: Path = ("pipeIds",) if "pipeIds" in spec else ()
            found.append(Violation(place, "no-pipes", _NO_PIPES, "add pipeIds or pipes"))
        if spec.get("filter") is not None:
            found.extend(filters.check(spec["filter"], ("filter",)))
        return found

    def named(self, spec: JSONObject) -> Sequence[Named]:
        return tuple(names.named(spec))

    def resolved(self, spec: JSONObject, known: Names) -> JSONObject:
        return names.resolved(spec, known)

    def normalise(self, spec: JSONObject) -> JSONObject:
        return compact(
            {
                "name": spec["name"],
                "pipeIds": normal_pipes(spec),
                "fields": spec.get("fields"),
                "filter": filters.normalise(spec.get("filter")),
                "color": spec.get("color"),
            }
        )

    def creation(self, spec: JSONObject) -> JSONObject:
        return {key: value for key, value in spec.items() if key not in UPDATE_ONLY}

    def content(self, spec: JSONObject) -> JSONObject:
        return spec

    def references(self, spec: JSONObject) -> Sequence[Reference]:
        return ()

    def widens(self, before: JSONObject, after: JSONObject) -> Sequence[str]:
        return ("the filter is removed",) if "filter" in before and "filter" not in after else ()

    def organization(self, spec: JSONObject) -> str:
        return organization(spec)

    def mentions(self, spec: JSONObject) -> Mapping[str, Collection[str]]:
        return {"pipe": set(map(str, names.ids(spec))), "report": set()}


def read(node: JSONObject, spec: JSONObject) -> tuple[JSONObject, bool]:
    """What a live report holds, in the form of a normalised spec, and whether all of it is sure.

    Fields that `spec` (normalised) leaves alone are left out.  A colour is read back as a hexadecimal code,
    and a filter often in another shape: what cannot be compared is taken for what `spec` says.
    """
    found, sure = filters.read(node.get("filter"), spec.get("filter"))
    content = {"name": node.get("name") or "", "pipeIds": normal_ids(repo["id"] for repo in node.get("repos") or ())}
    if "fields" in spec:
        fields = node.get("fields")
        content["fields"] = tidy(fields) if isinstance(fields, list) else []
    if "color" in spec:
        color = str(node.get("color")).lower()
        comparable = color in _COLORS
        content["color"] = color if comparable else spec["color"]
        sure = sure and comparable
    return compact({**content, "filter": found}), sure


def organization(spec: JSONObject) -> str:
    """The organization a declared spec names, as text; empty when it names none."""
    named = spec.get("organizationId")
    return "" if named is None else str(normal_id(named))


def normal_id(value: JSON) -> JSON:
    """An id as a number; what is none stays as it is."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20 else value


def no_name(value: JSON) -> JSON:
    """Raise ValueError, with what to write, for a pipe's name that stands where its id belongs."""
    if isinstance(value, str) and any(map(str.isalpha, value)):
        raise ValueError(f"{value[:40]} is not a number", f"a pipe's name goes into pipes: [{{name: {value[:40]}}}]")
    return value


def normal_ids(values: Collection[JSON] | Iterator[JSON]) -> list[JSON]:
    """Ids as numbers, each once, in order."""
    return sorted({normal_id(value) for value in values}, key=lambda value: (isinstance(value, str), value))


def normal_pipes(spec: JSONObject) -> list[JSON]:
    """The pipes of a declared or normalised spec, each once: numbers, then names."""
    return [*normal_ids(names.ids(spec)), *names.left(spec)]


def check_ids(spec: JSONObject) -> Iterator[Violation]:
    """Ids must be positive numbers of at most 32 bits."""
    places: list[tuple[Path, JSON]] = [((key,), spec.get(key)) for key in ("organizationId", "organizationReportId")]
    places += [(("pipeIds", index), pipe) for index, pipe in enumerate(spec.get("pipeIds") or ()) if not is_name(pipe)]
    for path, value in places:
        number = normal_id(value)
        if number is not None and not (isinstance(number, int) and 0 < number <= LARGEST_ID):
            yield Violation(
                path, "id-range", f"{value} is not an id: the service takes numbers from 1 to {LARGEST_ID:,}"
            )


def check_names(spec: JSONObject, key: str) -> Iterator[Violation]:
    """Column names must not be blank, and are of no use twice."""
    names = spec.get(key) or []
    for index, name in enumerate(names):
        if not name.strip():
            yield blank((key, index), "the column name")
    for index in repeated(names):
        yield warning((key, index), "repeated-column", f"column {names[index]!r} is listed twice")
