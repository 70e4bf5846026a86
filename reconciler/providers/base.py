"""What the providers of all services have in common: everything but their documents and shapes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from reconciler.model.errors import Broken, CredentialError, ReconcilerError, Unavailable
from reconciler.model.naming import Name, Named, Resolution
from reconciler.model.outcome import (
    Cause,
    Done,
    Doubtful,
    ExportStatus,
    Observed,
    Outcome,
    Refused,
    Request,
    Settlement,
)
from reconciler.model.plan import Action, Step
from reconciler.model.recorded import Doubt, Resource
from reconciler.model.values import JSON, Address, JSONObject, Path, Secret, lookup, path_text
from reconciler.providers import settling
from reconciler.providers.settling import Live
from reconciler.providers.values import changed_fields

if TYPE_CHECKING:
    from reconciler.transport.answer import Answer
    from reconciler.transport.client import Reader


@dataclass(frozen=True, slots=True)
class Operation:
    """A mutation this program knows; `result` leads to what it answers."""

    document: str
    action: Action
    result: Path


class ServiceProvider(ABC):
    """Implements `reconciler.model.ports.Provider`; a service adds its documents and shapes.

    `missing` are the codes that mean that an object is not there, or not visible to us.
    """

    operations: ClassVar[Mapping[str, Operation]]
    missing: ClassVar[frozenset[str]]

    def __init__(self, client: Reader) -> None:
        self._client = client

    @abstractmethod
    async def prepare(self) -> None:
        """Whatever the first request needs.  Raises Unavailable or CredentialError."""

    @abstractmethod
    def message(self, step: Step, fields: Collection[str], ids: Mapping[Address, str]) -> tuple[str, JSONObject]:
        """Document and variables of a step; `fields` are those an update changes."""

    @abstractmethod
    def named(self, spec: JSONObject) -> Iterable[Named]:
        """The names in a normalised spec that nobody has looked up."""

    @abstractmethod
    async def look_up(self, wanted: Collection[Name]) -> Mapping[Name, Resolution]:
        """What some names lead to, once everything is prepared; at least one is asked for."""

    @abstractmethod
    def input(self, after: JSONObject, fields: Collection[str]) -> JSONObject:
        """What is sent for some fields of a normalised spec: those that are not there any more are cleared,
        those that are no longer managed are left out."""

    @abstractmethod
    async def list_all(self) -> list[Live]:
        """Every live object we can see, each once.  Raises Unavailable or CredentialError."""

    @abstractmethod
    async def find(self, object_id: str) -> Live | None:
        """One live object, None when it is not there.  Raises Unavailable or CredentialError."""

    @abstractmethod
    def live(self, node: JSONObject) -> Live:
        """A live object as the service gave it."""

    @abstractmethod
    def read(self, live: Live, spec: JSONObject) -> tuple[JSONObject, bool]:
        """Its content in the form of a normalised spec, and whether that is sure."""

    def node(self, node: JSON) -> Live:
        """`live`, but raises Unavailable for what is no such object."""
        try:
            return self.live(node)
        except _SHAPE as error:
            raise Unavailable(
                "the service sent a report that cannot be read", "this may be a new version of it"
            ) from error

    def content(self, live: Live, spec: JSONObject) -> tuple[JSONObject, bool]:
        """`read`, but raises Unavailable for what is no such object."""
        try:
            return self.read(live, spec)
        except _SHAPE as error:
            message = f"the service sent report {live.id} in a form that cannot be read"
            raise Unavailable(message, "this may be a new version of it") from error

    def request(self, step: Step, ids: Mapping[Address, str]) -> Request | None:
        """See the port.  Raises LookupError when an id it needs is not known yet."""
        for left in self.named(step.after or {}):
            raise LookupError(f"{path_text(left.path)} of {step.address} is a name that has not been looked up")
        if step.action not in (_RUN if step.address.is_export else _KEEP):
            return None
        fields = changed_fields(step)
        if step.action is Action.UPDATE and not self.input(step.after or {}, fields):
            return None
        document, variables = self.message(step, fields, ids)
        return Request(step.address, document, variables, step.id or ids.get(step.address), step.after)

    async def perform(self, request: Request) -> Outcome:
        from reconciler.transport.client import Client

        operation = self.operations[request.document]
        if not isinstance(self._client, Client):
            raise Broken("a reading command tried to send a mutation", "this is a bug: nothing was sent")
        try:
            await self.prepare()
        except CredentialError as error:
            return Refused(Cause.CREDENTIALS, "CREDENTIALS", error.message)
        except ReconcilerError as error:
            return Refused(Cause.UNSENT, "UNSENT", error.message)
        outcome = await self._client.mutate(request.document, request.variables)
        if isinstance(outcome, Doubtful):
            return outcome
        if isinstance(outcome, Refused):
            gone = outcome.code in self.missing and operation.action in (Action.UPDATE, Action.DELETE)
            return replace(outcome, cause=Cause.GONE) if gone else outcome
        return self._done(request, operation, outcome)

    def _done(self, request: Request, operation: Operation, answer: Answer) -> Outcome:
        result = lookup(answer.data, operation.result)
        if operation.action is Action.DELETE:
            return Done(request.id) if result is True else Doubtful("the service did not confirm the deletion")
        if not isinstance(result, dict) or not isinstance(result.get("id"), str) or not result["id"]:
            return Doubtful(f"the answer names no object: {answer.complaint or 'it holds no id'}")
        notes = (f"the service also reported: {answer.complaint}",) if answer.errors else ()
        if operation.action is Action.EXPORT or answer.errors or request.after is None:
            return Done(result["id"], notes=notes)
        try:
            live = self.node(result)
            content, _ = self.content(live, request.after)
        except Unavailable as error:
            return Done(result["id"], notes=(error.message,))
        return Done(live.id, content, live.version, _differences(request.after, content))

    async def observe(self, resources: Sequence[Resource]) -> Mapping[Address, Observed | None]:
        found = await self._fetch({resource.id for resource in resources})
        observed: dict[Address, Observed | None] = {}
        for resource in resources:
            live = found.get(resource.id)
            observed[resource.address] = (
                None if live is None else Observed(live.id, self.content(live, resource.spec)[0], live.version)
            )
        return observed

    async def resolve(self, names: Collection[Name]) -> Mapping[Name, Resolution]:
        if not names:
            return {}
        await self.prepare()
        return await self.look_up(names)

    async def settle(self, doubts: Sequence[Doubt], resources: Collection[Resource]) -> Mapping[str, Settlement]:
        sent = [doubt for doubt in doubts if not settling.is_record_only(doubt) and doubt.action is not Action.EXPORT]
        creates = any(doubt.action is Action.CREATE for doubt in sent)
        live = await self._fetch({doubt.id for doubt in sent if doubt.id}, everything=creates)
        return settling.settle(doubts, live, resources, self.content, self._client.offset)

    async def export_status(self, export_id: str) -> ExportStatus:
        raise Broken(f"this service has no exports to ask about ({export_id})", "this is a bug")

    def download(self, url: Secret) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._client.download(url)

    async def _fetch(self, ids: Collection[str], *, everything: bool = False) -> dict[str, Live]:
        """Live objects by id; with `everything`, all others too."""
        if not ids and not everything:
            return {}
        await self.prepare()
        live: dict[str, Live] = {}
        if everything or len(ids) > 1:
            live = {found.id: found for found in await self.list_all()}
        # A list that moved while it was read may have lost one: only a direct question says it is gone.
        for missing in sorted(set(ids) - live.keys()):
            if (found := await self.find(missing)) is not None:
                live[found.id] = found
        return live


_KEEP = (Action.CREATE, Action.UPDATE, Action.DELETE)
_RUN = (Action.EXPORT,)
_SHAPE = (AttributeError, KeyError, TypeError, ValueError)


def _differences(asked: JSONObject, kept: JSONObject) -> tuple[str, ...]:
    fields = [key for key in sorted({*asked, *kept}) if asked.get(key) != kept.get(key)]
    return (f"the service kept something else than asked for in {', '.join(fields)}",) if fields else ()
