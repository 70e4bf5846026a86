"""The services: one folder each, and the registry that finds them by name.

Belongs here: spec models and their limits, one normal form per kind, GraphQL documents, what a live
object says of a spec, and how doubts about a service's objects are settled.
Does not belong here: HTTP (that is `transport`), files, plans, the log, schedules (a check is handed in).
`app` calls `kinds`, `target`, `place`, `id_field` and `connect`; a service's module is loaded on first use.
To add a service, write its folder and name its module in `_SERVICES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from reconciler.model.plan import Target
    from reconciler.model.ports import Clock, Kind, Provider
    from reconciler.transport.exchange import App, Permit

_SERVICES: Final = MappingProxyType(
    {"blue": "reconciler.providers.blue.service", "pipefy": "reconciler.providers.pipefy.service"}
)


def kinds(check_schedule: Callable[[str, str], str]) -> tuple[Kind, ...]:
    """Every kind of every service.  `check_schedule(cron, timezone)` returns "" or what is wrong with them."""
    return tuple(kind for name in _SERVICES for kind in _service(name).kinds(check_schedule))


def target(name: str, *, environ: Mapping[str, str], organization: str, endpoint: str) -> Target:
    """Where the steps of a provider would be sent; needs no credentials.

    The environment wins over `organization` and `endpoint` (empty when the project file says nothing),
    and those over the official endpoint.  Raises LookupError for a name nobody registered.
    """
    found: Target = _service(name).target(environ, organization, endpoint)
    return found


def place(name: str, target: Target) -> str:
    """Where a target keeps its objects, in words: the same for all addresses of the same place.

    The service's own hosts are one place, and so are all loopback addresses; ports come and go there.  A
    target without an organization is the beginning of those with one.
    """
    host = (urlsplit(target.endpoint).hostname or "").rstrip(".")
    if host in _service(name).HOSTS:
        where = "the official service"
    elif host == "::1" or host.startswith("127.") or host == "localhost" or host.endswith(".localhost"):
        where = "a server on this machine"
    else:
        where = host
    return f"{where}, organization {target.organization}" if target.organization else where


def id_field(name: str, sort: str) -> str:
    """The field in which manifests give the id of such a thing, where they may also name it."""
    found: str = _service(name).ID_FIELDS[sort]
    return found


def connect(
    name: str,
    *,
    environ: Mapping[str, str],
    organization: str,
    endpoint: str,
    clock: Clock,
    timeout: float,
    concurrency: int,
    app: App | None = None,
    read_only: bool = False,
    permit: Permit | None = None,
) -> AbstractAsyncContextManager[Provider]:
    """Connect to a service; nothing is sent before the first call of a method.

    `timeout` bounds each request in seconds, `concurrency` the requests in flight.  With `app`, an ASGI
    application, everything is answered in this process.  A `read_only` provider holds a client that
    cannot send a mutation; `permit` is asked right before one leaves, and what it raises, Locked, is raised by
    `perform`.  Raises CredentialError at once, naming every missing variable, or the host that is not trusted;
    LookupError for a name nobody registered.
    """
    service = _service(name)
    opened: AbstractAsyncContextManager[Provider] = service.connect(
        service.target(environ, organization, endpoint),
        environ=environ,
        clock=clock,
        timeout=timeout,
        concurrency=concurrency,
        app=app,
        read_only=read_only,
        permit=permit or _always,
    )
    return opened


def _always() -> None:
    """Nobody is asked."""


def _service(name: str) -> ModuleType:
    if name not in _SERVICES:
        raise LookupError(f"there is no provider {name!r}; there are {', '.join(sorted(_SERVICES))}")
    return import_module(_SERVICES[name])
