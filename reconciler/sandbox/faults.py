"""Injected failures as data, kept in the store: a running server and other processes see them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Final

from reconciler.model.errors import Usage
from reconciler.model.values import JSONObject
from reconciler.sandbox.store import Store

_COLLECTION = "fault"
_SERVICES: Final = ("blue", "pipefy")
KINDS: Final = {
    "drop_before": "the connection is closed and nothing is executed",
    "drop_after": "the request is executed and committed, then the connection is closed",
    "status": "an HTTP status instead of an execution: status=429;retry-after=3",
    "status_after": "executed and committed, then an HTTP status: status_after=502",
    "graphql_error": "a GraphQL error instead of an execution: graphql_error=CODE;message",
    "delay": "the answer comes so many seconds later: delay=0.5",
    "hang": "no answer, and nothing is executed",
    "hang_after": "executed and committed, and no answer",
    "partial": "executed and committed, yet the answer has an error and no data for the operation",
    "html": "a login page with status 200 instead of an execution",
    "garbage": "executed and committed, then half an answer",
}
_TEXT = re.compile(
    r"(?P<service>[a-z]+):(?P<operation>\*|[A-Za-z_]+):(?P<kind>[a-z_]+)(?:=(?P<argument>.*?))?"
    r"(?:@(?P<first>[1-9]\d{0,8}))?(?:\*(?P<times>[1-9]\d{0,8}|always))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One injected failure.

    `operation` is a root field, `token` (the token endpoint), `file` (downloads) or `*` (any).
    It strikes at the `first`-th matching request and the `times - 1` after it; `times` 0 is always.
    """

    service: str
    operation: str
    kind: str
    argument: str = ""
    first: int = 1
    times: int = 1

    def __str__(self) -> str:
        text = f"{self.service}:{self.operation}:{self.kind}"
        text += f"={self.argument}" if self.argument else ""
        text += f"@{self.first}" if self.first > 1 else ""
        return text + ("" if self.times == 1 else f"*{self.times or 'always'}")


class Dropped(ConnectionError):
    """The connection is to be lost; under a server the socket is closed, in process the caller gets this."""


def parse(text: str) -> Fault:
    """Read `SERVICE:OPERATION:KIND[=ARGUMENT][@FIRST][*TIMES]`; raises Usage for anything else."""
    match = _TEXT.fullmatch(text)
    if match is None or match["service"] not in _SERVICES or match["kind"] not in KINDS:
        raise Usage(
            f"{text!r} is not a fault; write SERVICE:OPERATION:KIND[=ARGUMENT][@FIRST][*TIMES]",
            hint=f"services: {', '.join(_SERVICES)}; kinds: {', '.join(KINDS)}",
        )
    times = match["times"] or "1"
    argument = match["argument"] or ""
    if not _argument_fits(match["kind"], argument):
        raise Usage(f"{text!r}: {match['kind']} means {KINDS[match['kind']]}")
    return Fault(
        match["service"],
        match["operation"],
        match["kind"],
        argument,
        int(match["first"] or 1),
        0 if times == "always" else int(times),
    )


def _argument_fits(kind: str, argument: str) -> bool:
    if kind in ("status", "status_after"):
        return re.fullmatch(r"[2-5]\d\d(;retry-after=\d+)?", argument) is not None
    if kind == "delay":
        return re.fullmatch(r"\d{1,6}(\.\d{1,6})?", argument) is not None
    return kind == "graphql_error" or not argument


def add(store: Store, fault: Fault) -> None:
    """Arm a fault; its count of matching requests starts at none."""
    with store.transaction():
        key = str(store.next("fault"))
        store.put(_COLLECTION, key, {**asdict(fault), "key": key, "seen": 0})


def pending(store: Store) -> list[Fault]:
    """Return the faults that will still strike, in the order they were armed, as they were armed."""
    return [_fault(doc) for doc in store.all(_COLLECTION)]


def clear(store: Store) -> None:
    """Disarm everything."""
    with store.transaction():
        for key in _keys(store):
            store.delete(_COLLECTION, key)


def take(store: Store, service: str, operations: Collection[str]) -> list[Fault]:
    """Count one request against every fault that matches it, and return those that strike now."""
    if not store.all(_COLLECTION):
        return []
    striking = []
    with store.transaction():
        for key in _keys(store):
            doc = store.get(_COLLECTION, key) or {}
            fault = _fault(doc)
            if fault.service != service or fault.operation not in ("*", *operations):
                continue
            doc["seen"] += 1
            if doc["seen"] >= fault.first:
                striking.append(fault)
            if fault.times and doc["seen"] >= fault.first + fault.times - 1:
                store.delete(_COLLECTION, key)
            else:
                store.put(_COLLECTION, key, doc)
    return striking


def _keys(store: Store) -> list[str]:
    return [str(doc["key"]) for doc in store.all(_COLLECTION)]


def _fault(doc: JSONObject) -> Fault:
    return Fault(**{name: doc[name] for name in Fault.__slots__})
