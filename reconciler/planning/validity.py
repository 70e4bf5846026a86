"""Whether a saved plan may still be performed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reconciler.model.errors import PlanRefused
from reconciler.model.plan import Plan, Target
from reconciler.model.recorded import Recorded

_AGAIN = "make a new one with `reconciler plan --out FILE`"


def verify(plan: Plan, *, recorded: Recorded, now: datetime, environment: str, targets: Mapping[str, Target]) -> None:
    """Raise PlanRefused with the first of the reasons not to perform a plan that was read from a file.

    In this order: it was used, it is for another environment, for another endpoint or organization,
    it has expired, it was made from another log, the log is shorter, the log has changed since.
    """
    if plan.digest in recorded.plans:
        raise PlanRefused("the plan was used: a run has performed it already", _AGAIN)
    if plan.environment != environment:
        raise PlanRefused(
            f"the plan is for the environment {plan.environment}, not {environment}", f"use --env {plan.environment}"
        )
    _check_targets(plan, targets)
    if now >= datetime.fromisoformat(plan.expires):
        raise PlanRefused(f"the plan expired at {plan.expires}", _AGAIN)
    if plan.lineage is not None and plan.lineage != recorded.lineage:
        raise PlanRefused("the plan was made from another log than this one", "use the --state it was made with")
    if recorded.position < plan.position:
        raise PlanRefused(
            f"the plan was made at position {plan.position} of the log, which now ends at {recorded.position}:"
            " an earlier state was put back",
            _AGAIN,
        )
    if recorded.changed > plan.position:
        raise PlanRefused(
            f"the plan is stale: it was made at position {plan.position} of the log, "
            f"and position {recorded.changed} changed what is recorded",
            _AGAIN,
        )


def _check_targets(plan: Plan, targets: Mapping[str, Target]) -> None:
    for provider in sorted({step.address.provider for step in plan.steps} | plan.targets.keys()):
        meant, here = plan.targets.get(provider), targets.get(provider)
        if meant is None or here is None:
            raise PlanRefused(
                f"the plan is for another target: {provider} is {'not configured' if meant else 'not in it'}", _AGAIN
            )
        if meant.endpoint != here.endpoint:
            raise PlanRefused(f"the plan is for the {provider} endpoint {meant.endpoint}, not {here.endpoint}", _AGAIN)
        if meant.organization != here.organization:
            raise PlanRefused(
                f"the plan is for the {provider} organization {meant.organization}, not {here.organization}", _AGAIN
            )
