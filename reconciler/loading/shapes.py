"""The shapes of our own documents: manifests, the project file, environments."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from reconciler.model.values import NAME, JSONObject

_NAME: JSONObject = {
    "pattern": f"^(?:{NAME.pattern})$",
    "patternErrorMessage": "A name is lower case letters, digits, `.`, `_` and `-`, a letter or digit at both ends.",
}
_ITSELF = "What this is called: lower case, digits, `.`, `_` and `-`, at most 128 characters."
_LABELS = "Marks for people and for --select; each value is a text."


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self  # a default is copied for every document, and nobody changes one


class Metadata(_Shape):
    """A manifest's name and labels."""

    name: str = Field(
        description="The identity of the resource, unique per kind and never sent to the service: lower case, digits, "
        "`.`, `_` and `-`, at most 128 characters. Another name is another resource.",
        examples=["sales-emea"],
        json_schema_extra=_NAME,
    )
    labels: dict[str, str] = Field({}, description=_LABELS, examples=[{"owner": "revops"}])


class LifecycleShape(_Shape):
    """Rules that outlive the manifest."""

    protect: bool = Field(
        default=False,
        description="Refuse to delete the live object. Recorded: it outlives this block and the manifest.",
        examples=[True],
    )
    on_remove: Literal["delete", "detach"] = Field(
        "delete",
        alias="onRemove",
        description="What happens to the live object once its manifest is gone: it is deleted, or left alone and "
        "forgotten.",
        examples=["detach"],
    )


_LIFECYCLE = LifecycleShape.model_validate({})


_REASONS = {"duplicate-title": "the dashboard tells them apart by id"}


class LintShape(_Shape):
    """What a manifest asks not to be told: rule ids, each with the reason."""

    ignore: dict[str, str] = Field(
        {}, description="Ids of lint rules, each with the reason why it does not matter here.", examples=[_REASONS]
    )


_LINT = LintShape.model_validate({})


_ENTRIES = {"type": "array", "items": {"type": ["object", "string", "number", "boolean"]}}
_ForEach = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "object"}, _ENTRIES]})]


class Envelope(_Shape):
    """Everything of a manifest but the inside of its spec."""

    api_version: str = Field(alias="apiVersion", description="The service, and the version of the kind's schema.")
    kind: str = Field(description="What is declared.")
    metadata: Metadata = Field(
        description="Name and labels.", examples=[{"name": "sales-emea", "labels": {"owner": "revops"}}]
    )
    lifecycle: LifecycleShape = Field(
        _LIFECYCLE, description="Rules that outlive the manifest.", examples=[{"protect": True}]
    )
    lint: LintShape = Field(
        _LINT, description="Which lint rules do not matter here, and why.", examples=[{"ignore": _REASONS}]
    )
    for_each: _ForEach = Field(
        None,
        alias="forEach",
        description="Makes one resource per entry of a mapping or a list, with each.key and each.value in templates. "
        "The key of an entry of a list is its `key`, else the scalar itself, else its position.",
        examples=[{"emea": {"title": "EMEA"}, "apac": {"title": "APAC"}}],
    )
    spec: dict[str, Any] = Field(description="What the service is asked for, with the service's own field names.")


_Word = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"\S"})]
_Variable = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"})]


class Name(_Shape):
    """The metadata of the project file and of environments."""

    name: str = Field(description=_ITSELF, examples=["default"], json_schema_extra=_NAME)


class ProviderShape(_Shape):
    """One service in the project file."""

    organization: str | int = Field(
        "",
        description="The organization: an id, or for Blue a slug. The variable BLUE_ORG_ID or PIPEFY_ORG_ID wins.",
        examples=["acme"],
    )
    endpoint: str = Field(
        "",
        description="The address of its GraphQL API; empty: the official one. BLUE_API_URL or PIPEFY_API_URL wins.",
        examples=["https://blue.example/graphql"],
    )
    quota: Annotated[int, Field(ge=1)] | None = Field(
        None, description="How many exports of one thing the service runs in 24 hours; for lint.", examples=[50]
    )


class SafetyShape(_Shape):
    """The valve for deletes."""

    max_deletes: Annotated[int, Field(ge=0)] = Field(
        10,
        alias="maxDeletes",
        description="How many deletes one apply may have without --allow-deletes.",
        examples=[5],
    )
    max_delete_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.3,
        alias="maxDeleteShare",
        description="The share of what is recorded that one apply may delete without --allow-deletes; counts from ten "
        "resources on.",
        examples=[0.1],
    )


class DefaultMetadata(_Shape):
    """The part of a manifest's metadata that can have defaults."""

    labels: dict[str, str] = Field({}, description=_LABELS, examples=[{"owner": "revops"}])


class DefaultsShape(_Shape):
    """What manifests of one kind have unless they say otherwise."""

    metadata: DefaultMetadata = Field(
        DefaultMetadata.model_validate({}), description="Labels.", examples=[{"labels": {"owner": "revops"}}]
    )
    lifecycle: dict[str, Any] = Field({}, description="Rules that outlive a manifest.", examples=[{"protect": True}])
    spec: dict[str, Any] = Field({}, description="Fields of the spec, each taken whole where a manifest has none.")


_DEFAULTS = (
    "What manifests of a kind have unless they say otherwise, by provider and kind. The nearest wins, field by field: "
    "the manifest, the environment, the environment it extends, the project file."
)
_SOME_DEFAULTS = {"blue/report": {"metadata": {"labels": {"owner": "revops"}}}}


_SEVERITIES = {"duplicate-title": "error", "same-minute-exports": "off"}


class ProjectLint(_Shape):
    """What the project makes of lint rules."""

    rules: dict[str, Literal["error", "warning", "off"]] = Field(
        {},
        description="Ids of lint rules, each with how bad it is to break it: error, warning or off.",
        examples=[_SEVERITIES],
    )
    required_labels: list[_Word] = Field(
        [],
        alias="requiredLabels",
        description="Labels that every manifest must have.",
        examples=[["owner"]],
        json_schema_extra={"uniqueItems": True},
    )


class ProjectSpec(_Shape):
    """The project file's spec."""

    state: str = Field(
        "",
        description="Where the log is kept; empty means sqlite:.reconciler/state.db. --state and RECONCILER_STATE win.",
        examples=["sqlite:.reconciler/state.db"],
    )
    providers: dict[str, ProviderShape] = Field(
        {}, description="Settings of each service.", examples=[{"blue": {"organization": "acme"}}]
    )
    safety: SafetyShape = Field(
        SafetyShape.model_validate({}), description="The valve for deletes.", examples=[{"maxDeletes": 5}]
    )
    variables: list[_Variable] = Field(
        [],
        description="Names of environment variables that templates may read.",
        examples=[["GITHUB_REF_NAME"]],
        json_schema_extra={"uniqueItems": True},
    )
    values_schema: dict[str, Any] | None = Field(
        None,
        alias="valuesSchema",
        description="A JSON Schema that the values of every environment must satisfy; omitted: anything goes.",
        examples=[{"type": "object", "properties": {"workspaces": {"type": "object"}}}],
    )
    defaults: dict[str, DefaultsShape] = Field({}, description=_DEFAULTS, examples=[_SOME_DEFAULTS])
    lint: ProjectLint = Field(
        ProjectLint.model_validate({}),
        description="What the project makes of lint rules.",
        examples=[{"rules": _SEVERITIES}],
    )


class ProjectShape(_Shape):
    """The project file, reconciler.yaml: settings of all manifests of a folder."""

    api_version: Literal["reconciler/v1"] = Field(alias="apiVersion", description="The version of this document.")
    kind: Literal["Project"] = Field(description="What this document is.")
    metadata: Name = Field(description="The project's name; state is kept under it.", examples=[{"name": "acme"}])
    spec: ProjectSpec = Field(ProjectSpec.model_validate({}), description="Settings of the project.")


class EnvironmentSpec(_Shape):
    """An environment's spec."""

    extends: str | None = Field(
        None,
        description="The environment whose values and defaults lie beneath those given here; omitted: none.",
        examples=["default"],
        json_schema_extra=_NAME,
    )
    values: dict[str, Any] = Field(
        {},
        description="What templates see as values.…; mappings are merged into those of the environment it extends.",
        examples=[{"workspaces": {"emea": "cmws000000000000salesemea"}}],
    )
    defaults: dict[str, DefaultsShape] = Field({}, description=_DEFAULTS, examples=[_SOME_DEFAULTS])


class EnvironmentShape(_Shape):
    """An environment: the values and defaults that manifests are given."""

    api_version: Literal["reconciler/v1"] = Field(alias="apiVersion", description="The version of this document.")
    kind: Literal["Environment"] = Field(description="What this document is.")
    metadata: Name = Field(description="The environment's name, as in its file's.", examples=[{"name": "default"}])
    spec: EnvironmentSpec = Field(EnvironmentSpec.model_validate({}), description="Values and defaults.")
