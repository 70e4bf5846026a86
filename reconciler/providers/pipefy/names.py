"""Pipes by name ('Organizations').  Names need not be unique; a name that several pipes have leads to none."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from reconciler.model.diagnostic import Violation
from reconciler.model.errors import Unavailable
from reconciler.model.naming import Name, Named, Names, Resolution
from reconciler.model.values import JSON, JSONObject
from reconciler.providers import naming
from reconciler.providers.pipefy import documents

if TYPE_CHECKING:
    from reconciler.transport.client import Reader

PIPE: Final = ("pipefy", "pipe")
KEYS: Final = ("name",)


def named(spec: JSONObject) -> Iterator[Named]:
    """The names in a declared or normalised spec."""
    for field in ("pipes", "pipeIds"):
        if spec.get(field):
            yield from naming.named(spec[field], (field,), PIPE, KEYS)


def resolved(spec: JSONObject, names: Names) -> JSONObject:
    """The spec with the ids of these names in their places."""
    left, ids = naming.replaced(spec.get("pipes"), PIPE, KEYS, names)
    kept, more = naming.replaced(spec.get("pipeIds"), PIPE, KEYS, names)
    if not ids and not more:
        return spec
    rest = {key: value for key, value in spec.items() if key != "pipes"}
    return {**rest, "pipeIds": [*kept, *more, *ids], **({"pipes": left} if left else {})}


def given(spec: JSONObject) -> bool:
    """Whether a spec says which pipes it is about."""
    return spec.get("pipeIds") is not None or spec.get("pipes") is not None


def ids(spec: JSONObject) -> list[JSON]:
    """The pipes that a spec gives by id."""
    return [pipe for pipe in spec.get("pipeIds") or () if not naming.is_name(pipe)]


def left(spec: JSONObject) -> list[JSONObject]:
    """The pipes that a spec gives by name, each once, in order."""
    return naming.normal([*(spec.get("pipeIds") or ()), *(spec.get("pipes") or ())], KEYS)


def check(spec: JSONObject, empty: str) -> Iterator[Violation]:
    """Every name must say something, and so must every list; `empty` is what is wrong with one that does not."""
    yield from naming.check(spec.get("pipes"), ("pipes",), KEYS)
    for field in ("pipeIds", "pipes"):
        if spec.get(field) == []:
            yield Violation((field,), "no-pipes", empty, "name pipes or leave it out")


async def resolve(client: Reader, organization: int, names: Collection[Name]) -> dict[Name, Resolution]:
    """Look names up in the one list of pipes that the account can reach.

    Raises Unavailable or CredentialError.
    """
    answer = await client.query(documents.PIPES, {"id": str(organization)})
    try:
        pipes = (answer.data or {})["organization"]["pipes"] or ()
        named = [pipe for pipe in pipes if pipe and pipe["name"] is not None]
        known = naming.grouped(naming.known(pipe["id"], pipe["name"], pipe["name"]) for pipe in named)
    except (KeyError, TypeError, AttributeError) as error:
        raise Unavailable(
            f"Pipefy's list of pipes of organization {organization} cannot be read",
            "check PIPEFY_ORG_ID and the rights of the account",
        ) from error
    return {name: naming.match(name.value, known) for name in names}
