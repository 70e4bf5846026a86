"""What the log folds to: the created state as it is known, without asking any service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.entry import Holder
from reconciler.model.manifest import Lifecycle
from reconciler.model.plan import Action
from reconciler.model.values import JSON, Address, JSONObject


@dataclass(frozen=True, slots=True)
class Resource:
    """A created object.  `spec` is the normalised spec it was given; `remote` what the service kept
    where that differs, else None."""

    address: Address
    id: str
    spec: JSONObject
    applied_at: str
    lifecycle: Lifecycle = Lifecycle()
    labels: Mapping[str, str] = field(default_factory=dict)
    remote: JSON = None
    version: str | None = None

    @property
    def content(self) -> JSON:
        """The live content as it was last seen."""
        return self.spec if self.remote is None else self.remote


@dataclass(frozen=True, slots=True)
class Doubt:
    """A mutation of which nobody knows whether it happened.

    `since` is the last instant at which the request could still have been on its way out;
    `reason` is empty when the run died before it could say.
    """

    operation: str
    run: str
    address: Address
    action: Action
    id: str | None
    after: JSONObject | None
    since: str
    intended_at: str
    lifecycle: Lifecycle = Lifecycle()
    labels: Mapping[str, str] = field(default_factory=dict)
    due_from: str | None = None
    reason: str = ""


class RunState(StrEnum):
    """How far an export run has come; `intended` with no living run, and `in_doubt`, mean unknown."""

    INTENDED = "intended"
    IN_DOUBT = "in_doubt"
    STARTED = "started"
    FINISHED = "finished"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ExportRun:
    """One run of an export.  `content` is the digest of what was exported."""

    operation: str
    run: str
    occurrence: str | None
    content: str
    intended_at: str
    state: RunState = RunState.INTENDED
    export_id: str | None = None
    started_at: str | None = None
    location: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    message: str = ""
    ran: bool = True

    @property
    def in_flight(self) -> bool:
        """Whether the service has it and its file is not yet here."""
        return self.state in (RunState.STARTED, RunState.FINISHED)

    @property
    def unknown(self) -> bool:
        """Whether nobody knows if the service ever got it."""
        return self.state in (RunState.INTENDED, RunState.IN_DOUBT)


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """An export that was declared once, and its last run.

    `due_from` is the instant its schedule counts from; `last_occurrence` the last scheduled
    instant that was handled, None before the first.  `previous_occurrence` is what that falls back to
    when the last run turns out never to have started.
    """

    address: Address
    spec: JSONObject
    due_from: str
    lifecycle: Lifecycle = Lifecycle()
    labels: Mapping[str, str] = field(default_factory=dict)
    last_occurrence: str | None = None
    run: ExportRun | None = None
    previous_occurrence: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may mutate, until when."""

    run: str
    holder: Holder
    since: str
    until: str


@dataclass(slots=True)
class Recorded:
    """The fold of a log.  Only the fold changes it; everybody else reads.

    `lineage` is the digest of the first batch, None for an empty log.  `position` is the last
    position folded; `changed` the last one that said anything about a resource or an export.
    `in_doubt` maps operations to intentions without an outcome, exports not among them (theirs is
    `ExportRun.unknown`).  `plans` are the digests of saved plans that were performed; `places` say
    where the objects of each provider are; `names` hold, by provider, `naming.Name.key` and the id it led to.
    `moved_to` is where the log goes on since it was migrated, None for one that is still written to.
    """

    lineage: str | None = None
    position: int = 0
    changed: int = 0
    resources: dict[Address, Resource] = field(default_factory=dict)
    exports: dict[Address, ExportRecord] = field(default_factory=dict)
    in_doubt: dict[str, Doubt] = field(default_factory=dict)
    plans: set[str] = field(default_factory=set)
    places: dict[str, str] = field(default_factory=dict)
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    lease: Lease | None = None
    moved_to: str | None = None
