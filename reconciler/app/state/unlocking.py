"""The lease taken away from whoever holds it, by command."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import closing

from reconciler.app.wiring import Wiring
from reconciler.model.errors import Conflict
from reconciler.model.recorded import Lease, Recorded
from reconciler.model.values import JSONObject


async def unlock(wiring: Wiring, confirm: Callable[[str], bool]) -> Lease | None:
    """Break the lease that is held, and return it; None when nobody holds one.

    `confirm` gets a sentence on whom that evicts, and says whether to go on.  From then on the holder sends nothing
    more, and what it had intended is in doubt.  Raises Declined when `confirm` says no, and Conflict when another
    run has taken the lease meanwhile.
    """
    from reconciler.app.apply import Declined
    from reconciler.state.holder import this_holder
    from reconciler.state.log import Log
    from reconciler.state.watch import broken, facts

    with closing(wiring.backend(wiring.project())) as backend:
        log = Log(backend, wiring.clock, note=wiring.note)
        await log.refresh()
        lease = log.recorded.lease
        if log.recorded.moved_to is not None:
            wiring.note(f"this log was moved to {log.recorded.moved_to}, and goes on there; say --state for that place")
        if lease is None:
            return None
        if not confirm(facts(lease)):
            raise Declined("not confirmed; nobody was evicted")

        def still_held(recorded: Recorded) -> None:
            if recorded.lease is None:
                raise _Released
            if recorded.lease.run != lease.run:
                raise Conflict(
                    f"Run {lease.run} no longer holds the state. {facts(recorded.lease)}",
                    "Nobody was evicted; look again.",
                )

        me = this_holder("state unlock")
        reason = f"by command of {me.user} on {me.host}"
        entry = broken(lease, now=wiring.clock.wall(), by=secrets.token_hex(8), reason=reason)
        try:
            await log.record([entry], still_held)
        except _Released:
            return None
        return lease


def to_json(lease: Lease) -> JSONObject:
    """Who held a lease."""
    holder = lease.holder
    return {
        "run": lease.run,
        "user": holder.user,
        "host": holder.host,
        "command": holder.command,
        "ci": holder.ci,
        "since": lease.since,
        "until": lease.until,
    }


class _Released(Exception):
    """The lease was given back meanwhile."""
