"""The valve for deletes, and for what is as good as one: disproportion and protected resources are refused."""

from __future__ import annotations

from reconciler.model.errors import RailRefused
from reconciler.model.manifest import Safety
from reconciler.model.plan import Action, Plan
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address

_SHARE_COUNTS_FROM = 10
_SHOWN = 10
_REPLACES = "replaces what is gone (or can no longer be seen):"


def refuse(plan: Plan, recorded: Recorded, safety: Safety, allow_deletes: int | None) -> None:
    """Raise RailRefused when a plan deletes something protected, or more than it may.

    To make again what is recorded, because its object is gone or can no longer be seen, counts like a delete.
    `allow_deletes` is the number a person has allowed, which then is the limit; None leaves the project's.
    Protection gives way to nothing but a change of the manifest.
    """
    protected, many = _protected(plan, recorded), _too_many(plan, recorded, safety, allow_deletes)
    if protected:
        raise RailRefused("; ".join(filter(None, (*protected.values(), many))), "; ".join(protected))
    if many:
        count = len(_deletes(plan)) + len(_replaced(plan, recorded))
        raise RailRefused(many, f"if that is meant, say --allow-deletes {count}")


def warnings(plan: Plan, recorded: Recorded, safety: Safety, allow_deletes: int | None = None) -> tuple[str, ...]:
    """Return the sentences for which `refuse` would refuse the plan, to be shown beside it."""
    found = *_protected(plan, recorded).values(), _too_many(plan, recorded, safety, allow_deletes)
    return tuple(sentence for sentence in found if sentence)


def _deletes(plan: Plan) -> list[Address]:
    return [step.address for step in plan.steps if step.action is Action.DELETE]


def _replaced(plan: Plan, recorded: Recorded) -> list[Address]:
    """What is recorded and made a second time: who may no longer see an object is told that it is gone, too."""
    created = {step.address for step in plan.steps if step.action is Action.CREATE}
    return [
        step.address
        for step in plan.steps
        if step.action is Action.FORGET and step.address in created and step.address in recorded.resources
    ]


def _protected(plan: Plan, recorded: Recorded) -> dict[str, str]:
    """By what can be done about it, what the plan does to something protected."""
    said = {step.address: step.lifecycle for step in plan.steps if step.action is Action.DELETE}
    rules = said | {address: resource.lifecycle for address, resource in recorded.resources.items()}
    deletes = [address for address in _deletes(plan) if rules[address].protect]
    replaced = [address for address in _replaced(plan, recorded) if rules[address].protect]
    found = {}
    if deletes:
        hint = "declare them again with lifecycle.protect: false, apply that, and remove them then"
        found[hint] = f"the plan deletes what is protected: {_names(deletes)}"
    if replaced:
        hint = (
            "if they are truly gone, declare them with lifecycle.protect: false and apply that without --refresh first"
        )
        found[hint] = f"the plan replaces what is gone (or can no longer be seen) but protected: {_names(replaced)}"
    return found


def _too_many(plan: Plan, recorded: Recorded, safety: Safety, allow_deletes: int | None) -> str:
    deletes, replaced, total = _deletes(plan), _replaced(plan, recorded), len(recorded.resources)
    lost = [*deletes, *replaced]
    verbs = [*(["deletes"] if deletes or not replaced else []), *([_REPLACES] if replaced else [])]
    what = f"the plan {', or '.join(verbs)} {len(lost)} of {total} recorded resources ({_names(lost)})"
    if allow_deletes is not None:
        return f"{what}; --allow-deletes allows {allow_deletes}" if len(lost) > allow_deletes else ""
    if len(lost) > safety.max_deletes:
        return f"{what}; at most {safety.max_deletes} at once are allowed"
    if total >= _SHARE_COUNTS_FROM and len(lost) > safety.max_delete_share * total:
        return f"{what}; at most {safety.max_delete_share:.0%} at once are allowed"
    return ""


def _names(addresses: list[Address]) -> str:
    more = len(addresses) - _SHOWN
    return ", ".join(map(str, addresses[:_SHOWN])) + (f" and {more} more" if more > 0 else "")
