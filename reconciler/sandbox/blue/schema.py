"""The SDL made executable: scalars that check, and resolvers bound to their fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from ariadne import ObjectType, ScalarType, load_schema_from_path, make_executable_schema
from graphql import GraphQLError, GraphQLResolveInfo, GraphQLSchema, assert_input_object_type

from reconciler.sandbox import exchange
from reconciler.sandbox.blue.resolvers import RESOLVERS, Resolver
from reconciler.sandbox.blue.session import current
from reconciler.sandbox.blue.values import Doc, instant, moment


@cache
def executable(*, admin_view: bool) -> GraphQLSchema:
    """Return the schema; without `admin_view` as the published one, whose ReportFilter lacks that field."""
    sdl = load_schema_from_path(str(Path(__file__).with_name("schema.graphql")))
    objects = [_bound(name, resolvers) for name, resolvers in RESOLVERS.items()]
    schema = make_executable_schema(sdl, *_SCALARS, *objects)
    if not admin_view:
        del assert_input_object_type(schema.type_map["ReportFilter"]).fields["adminView"]
    exchange.make_mutations_atomic(schema)
    return schema


def _bound(name: str, resolvers: dict[str, Resolver]) -> ObjectType:
    bound = ObjectType(name)
    for field, resolve in resolvers.items():
        bound.set_field(field, _called(resolve))
    return bound


def _called(resolve: Resolver) -> Callable[..., Any]:
    def resolved(parent: Any, info: GraphQLResolveInfo[Any], **given: Any) -> Any:
        return resolve(current(info.context), parent, given)

    return resolved


def _object(value: Any) -> Doc:
    if not isinstance(value, dict):
        raise GraphQLError("JSONObject cannot represent non-object value.", extensions={"code": "BAD_USER_INPUT"})
    return value


def _instant(value: Any) -> str:
    try:
        return instant(moment(value))
    except (TypeError, ValueError, OverflowError) as error:
        message = f"DateTime cannot represent {value!r}."
        raise GraphQLError(message, extensions={"code": "BAD_USER_INPUT"}) from error


_SCALARS = (
    ScalarType("JSONObject", serializer=_object, value_parser=_object),
    ScalarType("DateTime", serializer=lambda value: instant(moment(value)), value_parser=_instant),
)
