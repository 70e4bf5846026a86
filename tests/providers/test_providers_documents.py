"""Every document fits the published types, and reads never mutate."""

from __future__ import annotations

from importlib import resources

import pytest
from graphql import OperationDefinitionNode, OperationType, build_schema, parse, validate

from reconciler.providers.blue import documents as blue
from reconciler.providers.blue.provider import BlueProvider
from reconciler.providers.pipefy import documents as pipefy
from reconciler.providers.pipefy import grammar, models
from reconciler.providers.pipefy.provider import PipefyProvider

DOCUMENTS = [
    (service, name)
    for service, module in (("blue", blue), ("pipefy", pipefy))
    for name in sorted(vars(module))
    if name.isupper() and not name.startswith("_")
]


@pytest.mark.parametrize(("service", "name"), DOCUMENTS)
def test_documents_are_valid(service: str, name: str) -> None:
    module = {"blue": blue, "pipefy": pipefy}[service]
    schema = build_schema(
        resources.files(f"reconciler.sandbox.{service}").joinpath("schema.graphql").read_text("utf-8")
    )
    document = parse(getattr(module, name))
    assert validate(schema, document) == []
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    mutations = {*BlueProvider.operations, *PipefyProvider.operations}
    assert (operation.operation is OperationType.MUTATION) == (getattr(module, name) in mutations)


def test_the_model_and_the_rules_know_the_same_words() -> None:
    query = models.FilterQuery.model_json_schema()["properties"]
    assert tuple(query["operator"]["enum"]) == grammar.OPERATORS
    assert tuple(query["type"]["anyOf"][0]["enum"]) == grammar.TYPES
