"""The plan: what would be done, as data, in the order it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.manifest import Lifecycle
from reconciler.model.values import JSON, Address, JSONObject, Path


class Action(StrEnum):
    """What a step does; declared in the order steps are listed."""

    DELETE = "delete"
    FORGET = "forget"
    MOVE = "move"
    ADOPT = "adopt"
    CREATE = "create"
    UPDATE = "update"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; None on a side means absent there.  `path` leads into the normalised spec,
    or starts with "lifecycle" for rules that are recorded and never sent."""

    path: Path
    before: JSON
    after: JSON


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: at most one mutation.

    `id` is the live object's id, None when it has none yet (also for the update that follows a
    create in the same plan).  `after` is the normalised spec once the step is done (for the create of
    a kind with update-only fields: without those), None for delete and forget.
    `remote_digest` is the digest of the live content the step was computed from; None when the
    live object is not known yet.  `occurrence` is the scheduled instant (RFC 3339, UTC), None for
    an export that is due because of its content.  `needs` are the addresses whose steps in this
    plan must be applied first; an update that follows its own create needs nothing: steps of one
    address run in the listed order.
    """

    address: Address
    action: Action
    reason: str
    id: str | None = None
    after: JSONObject | None = None
    changes: tuple[Change, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    labels: Mapping[str, str] = field(default_factory=dict)
    remote_digest: str | None = None
    occurrence: str | None = None
    needs: tuple[Address, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """A live object that is not as it was recorded: `missing`, or changed from recorded to live."""

    address: Address
    id: str
    missing: bool
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """An export that was started earlier and not yet delivered; the next apply picks it up."""

    address: Address
    occurrence: str | None
    export_id: str


@dataclass(frozen=True, slots=True)
class Due:
    """Where an export's schedule stands; instants are RFC 3339 in UTC.

    `occurrence` is the last one that has passed and was not handled, None when none has; `missed`
    counts those before it that are passed over; `next` is the first one still to come.
    """

    occurrence: str | None
    missed: int
    next: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """The one place the steps of a provider may be sent to."""

    endpoint: str
    organization: str


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered list of steps and everything needed to know whether it may still be performed.

    `lineage` is None and `position` 0 when there was no log yet.  `created` and `expires` are
    RFC 3339 instants; `tree` is the digest of the manifests, `commit` the git commit or None.
    `in_doubt` lists addresses that are left alone until somebody knows what happened to them.
    `rollback_to` is the run whose outcome was planned from instead of manifests, None without one; then `tree` is a
    digest of what was recorded, and `commit` that of the run.  `digest` covers all the rest.
    """

    created: str
    expires: str
    tool: str
    environment: str
    targets: Mapping[str, Target]
    lineage: str | None
    position: int
    tree: str
    commit: str | None
    steps: tuple[Step, ...]
    drift: tuple[Drift, ...] = ()
    pending: tuple[Pending, ...] = ()
    in_doubt: tuple[Address, ...] = ()
    unchanged: int = 0
    digest: str = ""
    rollback_to: str | None = None

    @property
    def summary(self) -> dict[str, int]:
        """Number of steps by action, and of resources that stay as they are."""
        counts = {action.value: 0 for action in _SUMMARY}
        for step in self.steps:
            counts[step.action.value] += 1
        return {**counts, "unchanged": self.unchanged}


_SUMMARY = (
    Action.CREATE,
    Action.UPDATE,
    Action.DELETE,
    Action.ADOPT,
    Action.MOVE,
    Action.FORGET,
    Action.EXPORT,
)
