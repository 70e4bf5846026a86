"""What came of a request, in memory; the records written of it are in `entry`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from reconciler.model.canonical import digest
from reconciler.model.values import JSON, Address, JSONObject, Secret


@dataclass(frozen=True, slots=True)
class Request:
    """One GraphQL mutation, ready to be sent; `after` is the spec it was made from."""

    address: Address
    document: str
    variables: JSONObject
    id: str | None
    after: JSONObject | None

    @property
    def digest(self) -> str:
        """The digest that the intention records."""
        return digest({"document": self.document, "variables": self.variables})


class Cause(StrEnum):
    """Why nothing happened."""

    SERVICE = "service"  # the service said no
    CREDENTIALS = "credentials"  # it did not accept who we are
    UNSENT = "unsent"  # the request provably never left
    BUSY = "busy"  # told to wait longer than we are willing to
    CHANGED = "changed"  # the live object is not the one the plan was computed from
    GONE = "gone"  # the live object no longer exists (or cannot be seen)


@dataclass(frozen=True, slots=True)
class Done:
    """It happened.  `id` is the object's (or the export's); `content` the live content in the form
    of a normalised spec, None when the service did not say; `notes` are for people."""

    id: str | None
    content: JSON = None
    version: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """It did not happen."""

    cause: Cause
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Nobody knows yet."""

    reason: str


Outcome: TypeAlias = Done | Refused | Doubtful


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up found no trace of a doubtful mutation."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A look-up found what only a person can judge; `candidates` are ids of live objects."""

    reason: str
    candidates: tuple[str, ...] = ()


Settlement: TypeAlias = Done | Absent | Unclear


@dataclass(frozen=True, slots=True)
class Observed:
    """A live object: its content in the form of a normalised spec, and the service's change mark."""

    id: str
    content: JSONObject
    version: str | None = None


class ExportState(StrEnum):
    """What the service says of an export."""

    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ExportStatus:
    """An answer to "how far is it?"; `url` is signed and lives about an hour: a secret."""

    state: ExportState
    url: Secret | None = None
    finished_at: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file at its destination; `location` is a path relative to the working directory, or a URL."""

    location: str
    sha256: str
    bytes: int
