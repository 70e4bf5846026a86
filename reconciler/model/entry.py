"""What the log holds: one frozen record per thing that happened, in the order it happened.

`at` is always the real instant (RFC 3339, UTC), never a pretended one.  `run` names the run that
wrote the entry; `operation` joins an intention to its outcome.  The results that a provider hands
back in memory are in `outcome`; the state these entries fold to is in `recorded`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from reconciler.model.manifest import Lifecycle
from reconciler.model.plan import Action
from reconciler.model.values import JSON, Address, JSONObject


@dataclass(frozen=True, slots=True)
class Holder:
    """Who runs: shown to whoever waits.  `process` identifies a process on a machine, so that one
    that is provably gone can be told from one that is slow; empty when that cannot be known."""

    user: str
    host: str
    process: str
    command: str
    ci: str = ""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; `plan` is the digest of the saved plan it performs, None without one.

    `places` says where the objects of each provider are, as `providers.place` puts it.
    """

    run: str
    at: str
    holder: Holder
    tool: str
    commit: str | None = None
    plan: str | None = None
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run is over; `counts` is what its last event said."""

    run: str
    at: str
    exit_code: int
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeaseTaken:
    """The run may mutate until `until`."""

    run: str
    at: str
    holder: Holder
    until: str


@dataclass(frozen=True, slots=True)
class LeaseRenewed:
    """The same run may mutate until the new `until`."""

    run: str
    at: str
    until: str


@dataclass(frozen=True, slots=True)
class LeaseReleased:
    """The run gave the lease back."""

    run: str
    at: str


@dataclass(frozen=True, slots=True)
class LeaseBroken:
    """`by` took the lease of `run` away, because it was provably dead, expired or by command."""

    run: str
    at: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Intended:
    """A mutation is about to leave, or (request empty) something is about to be recorded only.

    `after` and `lifecycle` become the recorded ones once it is applied; `request` is the digest of what is
    sent.  `due_from` is the instant from which a schedule counts, None when it stays as it was.
    """

    run: str
    operation: str
    at: str
    address: Address
    action: Action
    id: str | None
    after: JSONObject | None
    request: str
    lifecycle: Lifecycle = Lifecycle()
    labels: Mapping[str, str] = field(default_factory=dict)
    due_from: str | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """The service did it.  `remote` is the live content where it differs from `after`, else None;
    `version` is the service's own mark of the last change (an instant), None without one."""

    run: str
    operation: str
    at: str
    id: str | None = None
    remote: JSON = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The service said no, or the request never left: nothing happened."""

    run: str
    operation: str
    at: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Doubted:
    """Nobody knows whether it happened; an intention with no outcome at all is the same."""

    run: str
    operation: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """A doubt is resolved: it had been applied (then as in Applied), or it had never happened.
    `how` is "lookup" or "person"."""

    run: str
    operation: str
    at: str
    applied: bool
    how: str
    id: str | None = None
    remote: JSON = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """A live object was adopted."""

    run: str
    at: str
    address: Address
    id: str
    after: JSONObject
    lifecycle: Lifecycle = Lifecycle()
    labels: Mapping[str, str] = field(default_factory=dict)
    remote: JSON = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A resource has a new address; nothing was sent."""

    run: str
    at: str
    source: Address
    target: Address


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A resource is no longer recorded; its live object, if any, stays."""

    run: str
    at: str
    address: Address


@dataclass(frozen=True, slots=True)
class ExportIntended:
    """An export is about to be started for an occurrence (None: for its content).

    `content` is the digest of what decides about the file; `after` the whole normalised spec.
    """

    run: str
    operation: str
    at: str
    address: Address
    occurrence: str | None
    content: str
    after: JSONObject
    request: str
    lifecycle: Lifecycle = Lifecycle()
    labels: Mapping[str, str] = field(default_factory=dict)
    due_from: str | None = None


@dataclass(frozen=True, slots=True)
class ExportStarted:
    """The service took the export and gave it an id."""

    run: str
    operation: str
    at: str
    export_id: str


@dataclass(frozen=True, slots=True)
class ExportFinished:
    """The service says the file is there; `finished_at` is its own word for when."""

    run: str
    operation: str
    at: str
    finished_at: str | None = None


@dataclass(frozen=True, slots=True)
class ExportDelivered:
    """The file is at its destination; `bytes` counts it, `sha256` is its hexadecimal digest."""

    run: str
    operation: str
    at: str
    location: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ExportFailed:
    """The export came to nothing.  `ran` is False when it provably never started: then the
    occurrence is still due."""

    run: str
    operation: str
    at: str
    ran: bool
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ExportSkipped:
    """An occurrence was passed over on purpose."""

    run: str
    at: str
    address: Address
    occurrence: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """Names of a provider's things were looked up; `names` maps `naming.Name.key` to the id it leads to.

    It says nothing of other names but those it disproves (`naming.disproved`), and holds until a later one, or
    until the objects are somewhere else.
    """

    run: str
    at: str
    provider: str
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Migrated:
    """Everything up to here was moved to another place, `target`, a state URL without credentials.
    Nothing follows."""

    run: str
    at: str
    target: str


@dataclass(frozen=True, slots=True)
class Archived:
    """Everything up to `position`, whose batch has the SHA-256 `head`, was put into a file and may be dropped.

    `state` is the fold of it, as `state.snapshot` writes it: from now on the log can begin here.  It is always
    the first entry of its batch.
    """

    run: str
    at: str
    position: int
    head: str
    state: JSONObject


Entry: TypeAlias = (
    RunStarted
    | RunFinished
    | LeaseTaken
    | LeaseRenewed
    | LeaseReleased
    | LeaseBroken
    | Intended
    | Applied
    | Rejected
    | Doubted
    | Settled
    | Imported
    | Moved
    | Forgotten
    | ExportIntended
    | ExportStarted
    | ExportFinished
    | ExportDelivered
    | ExportFailed
    | ExportSkipped
    | Resolved
    | Migrated
    | Archived
)
