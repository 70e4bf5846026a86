"""The shapes of our own documents: manifests, the project file, environments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Metadata(_Shape):
    """A manifest's name and labels."""

    name: str
    labels: dict[str, str] = {}


class LifecycleShape(_Shape):
    """Rules that outlive the manifest."""

    protect: bool = False
    on_remove: Literal["delete", "detach"] = Field("delete", alias="onRemove")


_LIFECYCLE = LifecycleShape.model_validate({})


class LintShape(_Shape):
    """What a manifest asks not to be told: rule ids, each with the reason."""

    ignore: dict[str, str] = {}


_LINT = LintShape()


class Envelope(_Shape):
    """Everything of a manifest but the inside of its spec."""

    api_version: str = Field(alias="apiVersion")
    kind: str
    metadata: Metadata
    lifecycle: LifecycleShape = _LIFECYCLE
    lint: LintShape = _LINT
    for_each: Any = Field(None, alias="forEach")
    spec: dict[str, Any]


class Name(_Shape):
    """The metadata of the project file and of environments."""

    name: str


class ProviderShape(_Shape):
    """One service in the project file."""

    organization: str | int = ""
    endpoint: str = ""
    quota: Annotated[int, Field(ge=1)] | None = None


class SafetyShape(_Shape):
    """The valve for deletes."""

    max_deletes: Annotated[int, Field(ge=0)] = Field(10, alias="maxDeletes")
    max_delete_share: Annotated[float, Field(ge=0, le=1)] = Field(0.3, alias="maxDeleteShare")


class DefaultMetadata(_Shape):
    """The part of a manifest's metadata that can have defaults."""

    labels: dict[str, str] = {}


class DefaultsShape(_Shape):
    """What manifests of one kind have unless they say otherwise."""

    metadata: DefaultMetadata = DefaultMetadata()
    lifecycle: dict[str, Any] = {}
    spec: dict[str, Any] = {}


class ProjectLint(_Shape):
    """What the project makes of lint rules."""

    rules: dict[str, Literal["error", "warning", "off"]] = {}
    required_labels: list[str] = Field([], alias="requiredLabels")


class ProjectSpec(_Shape):
    """The project file's spec."""

    state: str = ""
    providers: dict[str, ProviderShape] = {}
    safety: SafetyShape = SafetyShape.model_validate({})
    variables: list[str] = []
    values_schema: dict[str, Any] | None = Field(None, alias="valuesSchema")
    defaults: dict[str, DefaultsShape] = {}
    lint: ProjectLint = ProjectLint.model_validate({})


class ProjectShape(_Shape):
    """The project file."""

    api_version: Literal["reconciler/v1"] = Field(alias="apiVersion")
    kind: Literal["Project"]
    metadata: Name
    spec: ProjectSpec = ProjectSpec.model_validate({})


class EnvironmentSpec(_Shape):
    """An environment's spec."""

    extends: str | None = None
    values: dict[str, Any] = {}
    defaults: dict[str, DefaultsShape] = {}


class EnvironmentShape(_Shape):
    """An environment file."""

    api_version: Literal["reconciler/v1"] = Field(alias="apiVersion")
    kind: Literal["Environment"]
    metadata: Name
    spec: EnvironmentSpec = EnvironmentSpec()
