"""What people declare: manifests, and the project file they live under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.lint import Lint
from reconciler.model.naming import Place
from reconciler.model.values import Address, JSONObject, Path, Reference, Span


class OnRemove(StrEnum):
    """What happens to the live object once its manifest is gone."""

    DELETE = "delete"
    DETACH = "detach"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Rules for one resource that stay in force after its manifest is gone."""

    protect: bool = False
    on_remove: OnRemove = OnRemove.DELETE


@dataclass(frozen=True, slots=True)
class Manifest:
    """One desired resource, rendered and validated.

    `spec` is the declared spec with defaults merged and templates rendered, plain JSON, not yet normalised.
    `origin` is the place of its document's `metadata.name`; `entry` the key of the forEach entry it was made for.
    `inherited` says where a field came from that is a default: by paths from the document.
    `places` says where the names stand that have to be looked up, by paths from the spec.  `ignored` are the
    lint rules that its document opts out of, with reasons.
    """

    address: Address
    api_version: str
    spec: JSONObject
    origin: Span
    labels: Mapping[str, str] = field(default_factory=dict)
    lifecycle: Lifecycle = Lifecycle()
    references: tuple[Reference, ...] = ()
    entry: str = ""
    inherited: Mapping[Path, Span] = field(default_factory=dict)
    places: Mapping[Path, Place] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What the project file says of one service; empty means not said.  `quota` is how many exports of one
    thing the service runs in 24 hours, 0 when the file says nothing."""

    organization: str = ""
    endpoint: str = ""
    quota: int = 0


@dataclass(frozen=True, slots=True)
class Safety:
    """The valve for deletes: more than `max_deletes`, or more than `max_delete_share` of at least ten, is refused."""

    max_deletes: int = 10
    max_delete_share: float = 0.3


@dataclass(frozen=True, slots=True)
class Project:
    """The project file; `state` is a state URL or empty for the default."""

    name: str
    state: str = ""
    providers: Mapping[str, ProviderSettings] = field(default_factory=dict)
    safety: Safety = Safety()
    lint: Lint = Lint()


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything a manifests folder declares for one environment; free of errors.

    `tree` is the digest of the names and bytes of every file that was read.
    """

    project: Project
    environment: str
    manifests: tuple[Manifest, ...]
    tree: str
    warnings: tuple[Diagnostic, ...] = ()
