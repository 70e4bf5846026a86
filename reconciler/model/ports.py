"""The Protocols that rooms hand to each other; `app` decides who stands behind each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

from reconciler.model.diagnostic import Violation
from reconciler.model.entry import Entry
from reconciler.model.lint import Rule
from reconciler.model.naming import Name, Named, Names, Resolution
from reconciler.model.outcome import (
    Delivered,
    ExportStatus,
    Observed,
    Outcome,
    Request,
    Settlement,
)
from reconciler.model.plan import Step
from reconciler.model.recorded import Doubt, Recorded, Resource
from reconciler.model.values import Address, JSONObject, Reference, Secret
from reconciler.model.versions import Former

if TYPE_CHECKING:
    from pydantic import BaseModel


class Clock(Protocol):
    """Time.  `now` is what schedules and plans go by and may be pretended (RECONCILER_NOW);
    `wall` is the real one, for the log and the lease.  Both are aware datetimes in UTC."""

    def now(self) -> datetime: ...

    def wall(self) -> datetime: ...

    async def sleep(self, seconds: float) -> None: ...


class Kind(Protocol):
    """Everything about one kind's spec that needs no network.

    Specs are plain JSON.  `normalise` is idempotent, gives equal results for all spellings of the
    same meaning, and leaves out absent (None) keys; all other methods that take a normalised spec say so.
    """

    @property
    def api_version(self) -> str:
        """For example `blue/v1`."""
        ...

    @property
    def kind(self) -> str:
        """For example `Report`; lower case in addresses."""
        ...

    @property
    def provider(self) -> str:
        """For example `blue`."""
        ...

    @property
    def title(self) -> str:
        """The field of the spec that people know the object by; empty when there is none."""
        ...

    @property
    def former(self) -> Sequence[Former]:
        """The versions of its schema before the current one that are still understood."""
        ...

    @property
    def rules(self) -> Sequence[Rule]:
        """The lint rules that `check` may report; the code of every warning is the id of one."""
        ...

    def model(self) -> type[BaseModel]:
        """The pydantic model of the declared spec; strict, unknown fields refused."""
        ...

    def check(self, spec: JSONObject) -> Sequence[Violation]:
        """Every documented limit and rule the model cannot say, and lint; for declared and normalised specs."""
        ...

    def named(self, spec: JSONObject) -> Sequence[Named]:
        """The names in a declared or normalised spec that stand where ids could."""
        ...

    def resolved(self, spec: JSONObject, names: Names) -> JSONObject:
        """The declared spec with the ids of these names in their places; names that are not among them stay."""
        ...

    def normalise(self, spec: JSONObject) -> JSONObject:
        """The canonical form; the same function for what is desired, recorded and observed."""
        ...

    def creation(self, spec: JSONObject) -> JSONObject:
        """The part of a normalised spec that a create can carry; the rest needs an update after it."""
        ...

    def content(self, spec: JSONObject) -> JSONObject:
        """The part of a normalised export spec that decides about the file (no schedule, no switches)."""
        ...

    def references(self, spec: JSONObject) -> Sequence[Reference]:
        """The references of a declared or normalised spec; what is no valid address is left to `check`."""
        ...

    def widens(self, before: JSONObject, after: JSONObject) -> Sequence[str]:
        """One sentence for each way in which the normalised `after` reaches further than `before`."""
        ...

    def organization(self, spec: JSONObject) -> str:
        """The organization a declared spec names itself, empty when it names none."""
        ...

    def mentions(self, spec: JSONObject) -> Mapping[str, Collection[str]]:
        """The ids of other things of the service that a normalised spec names, by sort:
        `workspace` and `user` for Blue, `pipe` and `report` for Pipefy."""
        ...


class Provider(Protocol):
    """One service.  No method raises for what a network or a service can do, except where said."""

    def request(self, step: Step, ids: Mapping[Address, str]) -> Request | None:
        """The mutation of a step, with references resolved through `ids`; None when nothing needs
        to be sent and the step is only recorded.  No effects.  Raises LookupError, with a sentence for
        people, when the object or a reference has no id yet."""
        ...

    async def perform(self, request: Request) -> Outcome:
        """Send a mutation, once; again only when it provably had not arrived.  For an export,
        `Done.id` is the id of the export.  Raises Locked, with nothing sent, when it may not leave any more."""
        ...

    async def observe(self, resources: Sequence[Resource]) -> Mapping[Address, Observed | None]:
        """Read live objects, None for those that are not there.  Raises Unavailable or CredentialError."""
        ...

    async def resolve(self, names: Collection[Name]) -> Mapping[Name, Resolution]:
        """Look names up; every one of them is in the answer.  Raises Unavailable or CredentialError."""
        ...

    async def settle(self, doubts: Sequence[Doubt], resources: Collection[Resource]) -> Mapping[str, Settlement]:
        """Look for traces of doubtful mutations, by operation; `resources` are what is recorded of this service
        without them.  Nothing else may be in flight.  Raises Unavailable or CredentialError."""
        ...

    async def export_status(self, export_id: str) -> ExportStatus:
        """Ask how far an export is.  Raises Unavailable or CredentialError."""
        ...

    def download(self, url: Secret) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes of a finished export's file, streamed, without credentials.
        Raises LinkExpired (ask for a new link), Unavailable, or Undeliverable when its host is not trusted."""
        ...


class LinkExpired(Exception):
    """The file's address is no longer (or not yet) served; a fresh status gives a fresh one."""


class Deliverer(Protocol):
    """Puts a file where it belongs, whole or not at all."""

    async def __call__(self, address: Address, stamp: str, chunks: AsyncIterator[bytes]) -> Delivered:
        """Store the file of one run; `stamp` tells it from other runs.  Raises Undeliverable."""
        ...


class Undeliverable(Exception):
    """The file is not what it should be, or there is no place for it; the sentence says which."""


Require: TypeAlias = Callable[[Recorded], None]
"""A precondition on the state right before an append; raises to keep the entries out."""


class Journal(Protocol):
    """The log as a run sees it: write first, act later."""

    @property
    def recorded(self) -> Recorded:
        """The state up to the last append or refresh; the same object, updated in place."""
        ...

    async def record(self, entries: Iterable[Entry], require: Require | None = None) -> None:
        """Make entries durable, in one batch with those of other callers, in order.

        On return they are durable and folded.  `require` is called on the state that the entries
        would follow, again after every conflict.  Raises whatever `require` raises, Locked
        when the lease this journal holds is gone, StateError when the outcome of a write is bad.
        """
        ...


class Backend(Protocol):
    """Storage for one log: numbered batches of bytes, and snapshots to shorten a replay.

    Every method raises StateError, saying what to do, for what its storage refuses, and Unreachable for what
    waiting may cure: then nobody knows whether it happened, and whoever asked reads before going on.
    """

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        """The newest checkpoint behind `after` (or None), and every batch behind that, in order.

        A negative `after` leaves the checkpoint out, for whoever does not trust it: `~N` is every batch behind N.
        """
        ...

    def append(self, position: int, batch: bytes) -> None:
        """Claim `position` durably; raises Conflict if it is taken or not the next."""
        ...

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        """Keep a snapshot of the fold up to `position`; older ones may be dropped."""
        ...

    def trim(self, position: int) -> None:
        """Drop every batch before `position`: that one holds the state which they made.

        Positions stay as they are.  Trying again, or from an earlier position, changes nothing.
        """
        ...

    def close(self) -> None:
        """Release what is held; the log stays."""
        ...
