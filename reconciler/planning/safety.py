"""The valve for deletes: disproportion and protected resources are refused."""

from __future__ import annotations

from reconciler.model.errors import RailRefused
from reconciler.model.manifest import Safety
from reconciler.model.plan import Action, Plan
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address

_SHARE_COUNTS_FROM = 10
_SHOWN = 10


def refuse(plan: Plan, recorded: Recorded, safety: Safety, allow_deletes: int | None) -> None:
    """Raise RailRefused when a plan deletes something protected, or more than it may.

    `allow_deletes` is the number a person has allowed, which then is the limit; None leaves the project's.
    Protection gives way to nothing but a change of the manifest.
    """
    protected, many = _protected(plan, recorded), _too_many(plan, recorded, safety, allow_deletes)
    if protected:
        raise RailRefused(
            "; ".join(filter(None, (protected, many))),
            "declare them again with lifecycle.protect: false, apply that, and remove them then",
        )
    if many:
        raise RailRefused(many, f"if that is meant, say --allow-deletes {len(_deletes(plan))}")


def warnings(plan: Plan, recorded: Recorded, safety: Safety, allow_deletes: int | None = None) -> tuple[str, ...]:
    """Return the sentences for which `refuse` would refuse the plan, to be shown beside it."""
    found = _protected(plan, recorded), _too_many(plan, recorded, safety, allow_deletes)
    return tuple(sentence for sentence in found if sentence)


def _deletes(plan: Plan) -> list[Address]:
    return [step.address for step in plan.steps if step.action is Action.DELETE]


def _protected(plan: Plan, recorded: Recorded) -> str:
    rules = {address: resource.lifecycle for address, resource in recorded.resources.items()}
    found = [
        step.address
        for step in plan.steps
        if step.action is Action.DELETE and rules.get(step.address, step.lifecycle).protect
    ]
    return f"the plan deletes what is protected: {_names(found)}" if found else ""


def _too_many(plan: Plan, recorded: Recorded, safety: Safety, allow_deletes: int | None) -> str:
    deletes, total = _deletes(plan), len(recorded.resources)
    what = f"the plan deletes {len(deletes)} of {total} recorded resources ({_names(deletes)})"
    if allow_deletes is not None:
        return f"{what}; --allow-deletes allows {allow_deletes}" if len(deletes) > allow_deletes else ""
    if len(deletes) > safety.max_deletes:
        return f"{what}; at most {safety.max_deletes} at once are allowed"
    if total >= _SHARE_COUNTS_FROM and len(deletes) > safety.max_delete_share * total:
        return f"{what}; at most {safety.max_delete_share:.0%} at once are allowed"
    return ""


def _names(addresses: list[Address]) -> str:
    more = len(addresses) - _SHOWN
    return ", ".join(map(str, addresses[:_SHOWN])) + (f" and {more} more" if more > 0 else "")
