"""Genuine logs, written batch by batch: what the tests of damage and of whole logs are about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from reconciler.model.entry import Applied, Archived, Entry, Intended
from reconciler.model.plan import Action
from reconciler.model.ports import Backend
from reconciler.model.values import Address
from reconciler.state import codec, snapshot
from reconciler.state.chain import Chain

AT = "2026-11-23T06:00:00Z"


class RealClock:
    """Time as it is; a Clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wall(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def intended(operation: str, title: str = "żółć 🐙 \u2028") -> Intended:
    """The intention to create a report of its own."""
    address = Address("blue", "report", operation)
    return Intended("run", operation, AT, address, Action.CREATE, None, {"title": title}, "digest")


def applied(operation: str) -> Applied:
    """The end of that intention."""
    return Applied("run", operation, AT, id=f"id-{operation}")


def put(chain: Chain, backend: Backend, entries: Iterable[Entry]) -> bytes:
    """Append one batch to a log and to its chain, and return it."""
    said = list(entries)
    batch = codec.seal(chain.head, map(codec.encode, said))
    backend.append(chain.end + 1, batch)
    chain.take(batch, said)
    return batch


def grown(backend: Backend, batches: int, name: str = "made") -> Chain:
    """A log of so many small batches: each creates a report."""
    chain = Chain()
    for number in range(batches):
        operation = f"{name}-{number}"
        put(chain, backend, [intended(operation), applied(operation)])
    return chain


def archive(chain: Chain, backend: Backend) -> None:
    """Let the log begin with a batch that holds the state so far, as `state archive` does."""
    assert chain.head is not None
    put(chain, backend, [Archived("run", AT, chain.recorded.position, chain.head, snapshot.encode(chain.recorded))])
    backend.trim(chain.end)


def checkpoint(chain: Chain, backend: Backend) -> bytes:
    """Write the checkpoint of a log as it is now, and return it."""
    assert chain.head is not None
    made = snapshot.dump(chain.recorded, chain.head, chain.offset)
    backend.checkpoint(chain.end, made)
    return made
