"""Two small services with the quirks that matter to loading: unions, aliases, limits, references."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field
from samples import PROJECT

from reconciler.loading.load import Loaded, load
from reconciler.model.diagnostic import Violation
from reconciler.model.lint import Rule
from reconciler.model.naming import Named, Names
from reconciler.model.ports import Kind
from reconciler.model.values import Address, JSONObject, Reference
from reconciler.model.versions import Former


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class DataSource(Strict):
    name: str
    source_type: Literal["TODOS", "NOTES"] = Field("TODOS", alias="sourceType")
    project_ids: list[str] | None = Field(None, alias="projectIds")
    filters: dict[str, Any] | None = None


class BlueReport(Strict):
    title: Annotated[str, Field(min_length=1)]
    description: str | None = None
    data_sources: Annotated[list[DataSource], Field(alias="dataSources", min_length=1)]
    config: dict[str, Any] | None = None


class Schedule(Strict):
    cron: str
    timezone: str = "UTC"


class Ref(Strict):
    ref: str


class Condition(Strict):
    field: str
    operator: Literal["equals", "contains"]
    value: str | int


class Group(Strict):
    operator: Literal["and", "or"]
    queries: list[Group | Condition]


class PipefyExport(Strict):
    organization_id: int | str | None = Field(None, alias="organizationId")
    pipe_ids: list[int | str] = Field(alias="pipeIds")
    columns: list[str] | None = None
    filter: Group | None = None
    schedule: str | Schedule | None = None
    report: Ref | str | None = None
    runOnCreate: bool = False  # noqa: N815 - a model without an alias, on purpose


@dataclass(frozen=True)
class FakeKind:
    """The port with one model and one limit."""

    api_version: str
    kind: str
    spec: type[BaseModel]
    title: str = ""
    former: Sequence[Former] = ()
    rules: Sequence[Rule] = ()

    @property
    def provider(self) -> str:
        return self.api_version.split("/")[0]

    def model(self) -> type[BaseModel]:
        return self.spec

    def check(self, spec: JSONObject) -> Sequence[Violation]:
        found = []
        if len(spec.get("description") or "") > 100:
            found.append(Violation(("description",), "limit", "description is too long", "shorten it"))
        if len(spec.get("dataSources") or []) > 3:
            found.append(Violation(("dataSources",), "limit", "too many data sources"))
        return found

    def named(self, spec: JSONObject) -> Sequence[Named]:
        return ()

    def resolved(self, spec: JSONObject, names: Names) -> JSONObject:
        return spec

    def normalise(self, spec: JSONObject) -> JSONObject:
        return spec

    def creation(self, spec: JSONObject) -> JSONObject:
        return spec

    def content(self, spec: JSONObject) -> JSONObject:
        return spec

    def references(self, spec: JSONObject) -> Sequence[Reference]:
        report = spec.get("report")
        if not isinstance(report, dict):
            return ()
        try:
            return (Reference(("report",), Address.parse(report["ref"])),)
        except ValueError:
            return ()

    def widens(self, before: JSONObject, after: JSONObject) -> Sequence[str]:
        return ()

    def organization(self, spec: JSONObject) -> str:
        return str(spec.get("organizationId") or "")

    def mentions(self, spec: JSONObject) -> Mapping[str, Collection[str]]:
        return {}


KINDS: Sequence[Kind] = (
    FakeKind("blue/v1", "Report", BlueReport),
    FakeKind("pipefy/v1", "Report", PipefyExport),
    FakeKind("pipefy/v1", "Export", PipefyExport),
)


@dataclass(frozen=True)
class Workshop:
    """A manifests folder that a test fills and loads."""

    folder: Path

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def load(self, environment: str = "default", **options: Any) -> Loaded:
        return load(self.folder, environment, KINDS, **options)


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "manifests"
    folder.mkdir()
    made = Workshop(folder)
    made.write({"reconciler.yaml": PROJECT})
    return made


@pytest.fixture(scope="session")
def fresh_workshop(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Workshop]:
    """For properties, which need a folder per example."""

    def make() -> Workshop:
        made = Workshop(tmp_path_factory.mktemp("manifests"))
        made.write({"reconciler.yaml": PROJECT})
        return made

    return make


@pytest.fixture
def kinds() -> Sequence[Kind]:
    return KINDS
