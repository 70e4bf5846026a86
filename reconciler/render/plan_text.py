"""A plan for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from reconciler.model.plan import Action, Change, Drift, Plan, Step
from reconciler.model.values import Path, path_text
from reconciler.render.escape import plain
from reconciler.render.values import difference, leaves, shorten
from reconciler.render.words import paint

_LOOKS: Final = {
    Action.DELETE: ("-", "red"),
    Action.FORGET: ("x", "magenta"),
    Action.MOVE: (">", "cyan"),
    Action.ADOPT: ("=", "cyan"),
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.EXPORT: (">", "cyan"),
}

_PARTS: Final = 60
"""Lines that one new field takes at most."""


def plan_text(plan: Plan, *, warnings: Sequence[str] = (), color: bool = False) -> str:
    """Return a plan as lines that are never wrapped: where it goes, what it does, the counts last.

    `warnings` are sentences about the whole plan, such as what the safety rails say.
    """
    steps = list(step_lines(plan, color=color))
    blocks = [list(_header(plan)), steps, *notes(plan, warnings, color=color), [counts(plan)]]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines) + "\n"


def step_lines(plan: Plan, *, color: bool = False) -> Iterator[str]:
    """One line per step, what changes and what to mind indented below it."""
    for step in plan.steps:
        symbol, style = _LOOKS[step.action]
        yield paint(f"{symbol} {step.action.value} {plain(str(step.address))}", style, color=color) + _about(step)
        yield from _changes(step.changes, new=all(change.before is None for change in step.changes))
        for warning in step.warnings:
            yield paint(f"    ! {plain(warning)}", "yellow", color=color)


def notes(plan: Plan, warnings: Iterable[str], *, color: bool = False) -> Iterator[list[str]]:
    """What is not a step: drift, exports under way, doubts and warnings, each with its heading."""
    sections = (
        (
            "Drift: changed in the service since it was last seen",
            [line for item in plan.drift for line in _drift(item)],
        ),
        (
            "In flight: exports that the next apply picks up",
            [
                f"  {plain(str(run.address))} (export {plain(run.export_id)}"
                + (f", scheduled for {plain(run.occurrence)})" if run.occurrence else ")")
                for run in plan.pending
            ],
        ),
        (
            "In doubt: left alone until it is known what happened to them",
            [f"  {plain(str(address))}" for address in plan.in_doubt],
        ),
        ("Warnings", [f"  ! {plain(warning)}" for warning in warnings]),
    )
    for title, lines in sections:
        if lines:
            yield [paint(f"{title}:", "bold", color=color), *lines]


def counts(plan: Plan) -> str:
    """The one line at the end."""
    summary = plan.summary
    parts = [f"{summary[action.value]:,} to {action.value}" for action in Action if summary[action.value]]
    return f"Plan: {', '.join(parts) or 'nothing to do'}; {plan.unchanged:,} unchanged."


def _header(plan: Plan) -> Iterator[str]:
    log = f"log position {plan.position}" if plan.lineage else "no log yet"
    yield f"Plan for the environment {plain(plan.environment)}, made {plain(plan.created)}, {log}"
    if plan.rollback_to is not None:
        yield f"  from what run {plain(plan.rollback_to)} left behind, not from the manifests"
    for provider, target in sorted(plan.targets.items()):
        yield f"  {plain(provider)}: {plain(target.endpoint)}, organization {plain(target.organization) or '(none)'}"


def _about(step: Step) -> str:
    identity = f" (id {plain(step.id)})" if step.id else ""
    return f"{identity}: {plain(step.reason)}"


def _changes(changes: Iterable[Change], *, new: bool = False) -> Iterator[str]:
    """What changes, a line each; something new is spelled out part by part, without saying that it was not there."""
    for change in changes:
        if not new:
            yield f"    {_label(change.path)}: {difference(change)}"
            continue
        parts = list(leaves(change.path, change.after))
        yield from (f"    {_label(path)}: {shorten(value)}" for path, value in parts[:_PARTS])
        if len(parts) > _PARTS:
            yield f"    ... and {len(parts) - _PARTS:,} more parts of {_label(change.path)}"


@lru_cache(maxsize=1024)  # the same fields in every resource
def _label(path: Path) -> str:
    return plain(path_text(path)) or "(all)"


def _drift(drift: Drift) -> Iterator[str]:
    gone = ": gone" if drift.missing else ""
    yield f"  {plain(str(drift.address))} (id {plain(drift.id)}){gone}"
    yield from _changes(drift.changes)
