"""The plan as canonical JSON (`reconciler.plan/1`), sealed with a digest and signed on request."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import replace
from datetime import datetime
from typing import NoReturn

from reconciler.model.canonical import canonical, digest
from reconciler.model.errors import PlanRefused
from reconciler.model.manifest import Lifecycle, OnRemove
from reconciler.model.plan import Action, Change, Drift, Pending, Plan, Step, Target
from reconciler.model.values import JSON, Address, JSONObject, Secret, parse_path, path_text
from reconciler.planning.diff import same

FORMAT = "reconciler.plan/1"

_FORMAT = re.compile(r"reconciler\.plan/[1-9][0-9]{0,5}")
_HOW = "make a new one with `reconciler plan --out FILE`"
_EXACT_DIGITS = 15


def to_json(plan: Plan) -> JSONObject:
    """Return a plan as plain JSON in the format that `plan --format json` promises."""
    return {
        "format": FORMAT,
        "digest": plan.digest,
        "created": plan.created,
        "expires": plan.expires,
        "tool": plan.tool,
        "environment": plan.environment,
        "targets": {
            provider: {"endpoint": target.endpoint, "organization": target.organization}
            for provider, target in sorted(plan.targets.items())
        },
        "base": {"lineage": plan.lineage, "position": plan.position},
        "source": {
            "tree": plan.tree,
            "commit": plan.commit,
            **({"rollback_to": plan.rollback_to} if plan.rollback_to is not None else {}),
        },
        "steps": [step_json(step) for step in plan.steps],
        "drift": [
            {
                "address": str(drift.address),
                "id": drift.id,
                "missing": drift.missing,
                "changes": [_change_json(change) for change in drift.changes],
            }
            for drift in plan.drift
        ],
        "pending": [
            {"address": str(run.address), "occurrence": run.occurrence, "export_id": run.export_id}
            for run in plan.pending
        ],
        "in_doubt": [str(address) for address in plan.in_doubt],
        "unchanged": plan.unchanged,
        "summary": plan.summary,
    }


def step_json(step: Step) -> JSONObject:
    """Return one step as plain JSON."""
    return {
        "address": str(step.address),
        "action": step.action.value,
        "id": step.id,
        "reason": step.reason,
        "changes": [_change_json(change) for change in step.changes],
        "remote_digest": step.remote_digest,
        "occurrence": step.occurrence,
        "warnings": list(step.warnings),
        "after": step.after,
        "lifecycle": {"protect": step.lifecycle.protect, "onRemove": step.lifecycle.on_remove.value},
        "labels": dict(step.labels),
        "needs": [str(address) for address in step.needs],
    }


def from_json(document: JSONObject) -> Plan:
    """Read what `to_json` wrote; raises ValueError or KeyError for anything else.  The digest is not checked."""
    base, source = _object(document["base"]), _object(document["source"])
    targets = _object(document["targets"]).items()
    return Plan(
        created=_instant(document["created"]),
        expires=_instant(document["expires"]),
        tool=_text(document["tool"]),
        environment=_text(document["environment"]),
        targets={provider: _target(_object(target)) for provider, target in targets},
        lineage=_optional(base["lineage"]),
        position=_count(base["position"]),
        tree=_text(source["tree"]),
        commit=_optional(source["commit"]),
        steps=tuple(_step(_object(step)) for step in _list(document["steps"])),
        drift=tuple(_drift(_object(drift)) for drift in _list(document["drift"])),
        pending=tuple(_pending(_object(run)) for run in _list(document["pending"])),
        in_doubt=_addresses(document["in_doubt"]),
        unchanged=_count(document["unchanged"]),
        digest=_text(document["digest"]),
        rollback_to=_optional(source.get("rollback_to")),
    )


def seal(plan: Plan) -> Plan:
    """Return the plan with the digest of everything else in it; raises ValueError for what JSON cannot carry."""
    return replace(plan, digest=_digest(to_json(plan)))


def dump(plan: Plan, key: Secret | None) -> bytes:
    """Return the file of a sealed plan: canonical JSON and a line end, signed (HMAC-SHA256) with a key."""
    document = to_json(plan)
    if key:
        document["signature"] = _signature(document, key)
    return canonical(document) + b"\n"


def parse(data: bytes, key: Secret | None) -> Plan:
    """Read a plan file; `key` None or empty means that signatures are not asked for.

    Raises PlanRefused, and nothing else, when it is no plan file, has a newer format, was edited, or, with
    a key, is not signed with it.
    """
    try:
        document = _load(data)
        _check_format(document)
        signature = document.pop("signature", None)
        if _digest(document) != document.get("digest"):
            raise PlanRefused("the plan was edited: its content does not match its digest", _HOW)
        if key:
            _check_signature(document, signature, key)
        plan = from_json(document)
        if not same(to_json(plan), document):
            raise PlanRefused(
                "the plan holds what this version does not know; apply it with the version that made it", _HOW
            )
    except (ValueError, KeyError, RecursionError) as error:
        raise PlanRefused("this is not a plan file", _HOW) from error
    return plan


def _load(data: bytes) -> JSONObject:
    return _object(
        json.loads(data, object_pairs_hook=_unique, parse_int=_number, parse_constant=_no_number),
    )


def _unique(pairs: list[tuple[str, JSON]]) -> JSONObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _number(digits: str) -> int | float:
    # Canonical JSON writes a large float like an integer, and refuses to write such an integer.
    return int(digits) if len(digits) <= _EXACT_DIGITS else _shortest(float(digits))


def _shortest(number: float) -> int | float:
    return int(number) if abs(number) < 2**53 else number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _check_format(document: JSONObject) -> None:
    name = _text(document["format"])
    if name != FORMAT and _FORMAT.fullmatch(name):
        raise PlanRefused(f"the plan file has the format {name}; this version reads {FORMAT}", "update reconciler")
    if name != FORMAT:
        raise ValueError("another format")


def _check_signature(document: JSONObject, signature: JSON, key: Secret) -> None:
    if not isinstance(signature, str):
        raise PlanRefused("the plan is not signed, and RECONCILER_PLAN_KEY asks for it", _HOW)
    if not hmac.compare_digest(signature.encode(errors="replace"), _signature(document, key).encode()):
        raise PlanRefused("the plan's signature is wrong: it was signed with another key, or changed since", _HOW)


def _digest(document: JSONObject) -> str:
    return digest({name: value for name, value in document.items() if name != "digest"})


def _signature(document: JSONObject, key: Secret) -> str:
    return hmac.new(key.reveal().encode(errors="surrogateescape"), canonical(document), hashlib.sha256).hexdigest()


def _change_json(change: Change) -> JSONObject:
    return {"path": path_text(change.path), "before": change.before, "after": change.after}


def _step(step: JSONObject) -> Step:
    lifecycle = _object(step["lifecycle"])
    return Step(
        address=_address(step["address"]),
        action=Action(_text(step["action"])),
        reason=_text(step["reason"]),
        id=_optional(step["id"]),
        after=None if step["after"] is None else _object(step["after"]),
        changes=_changes(step["changes"]),
        lifecycle=Lifecycle(_switch(lifecycle["protect"]), OnRemove(_text(lifecycle["onRemove"]))),
        labels={key: _text(value) for key, value in _object(step["labels"]).items()},
        remote_digest=_optional(step["remote_digest"]),
        occurrence=None if step["occurrence"] is None else _instant(step["occurrence"]),
        needs=_addresses(step["needs"]),
        warnings=tuple(_text(warning) for warning in _list(step["warnings"])),
    )


def _drift(drift: JSONObject) -> Drift:
    return Drift(_address(drift["address"]), _text(drift["id"]), _switch(drift["missing"]), _changes(drift["changes"]))


def _pending(run: JSONObject) -> Pending:
    return Pending(_address(run["address"]), _optional(run["occurrence"]), _text(run["export_id"]))


def _target(target: JSONObject) -> Target:
    return Target(_text(target["endpoint"]), _text(target["organization"]))


def _changes(value: JSON) -> tuple[Change, ...]:
    changes = map(_object, _list(value))
    return tuple(Change(parse_path(_text(change["path"])), change["before"], change["after"]) for change in changes)


def _addresses(value: JSON) -> tuple[Address, ...]:
    return tuple(_address(item) for item in _list(value))


def _address(value: JSON) -> Address:
    return Address.parse(_text(value))


def _instant(value: JSON) -> str:
    text = _text(value)
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return text


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise ValueError("text is missing")
    return value


def _optional(value: JSON) -> str | None:
    return None if value is None else _text(value)


def _count(value: JSON) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a number is missing")
    return value


def _switch(value: JSON) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is missing")
    return value


def _list(value: JSON) -> list[JSON]:
    if not isinstance(value, list):
        raise ValueError("a list is missing")
    return value


def _object(value: JSON) -> JSONObject:
    if not isinstance(value, dict):
        raise ValueError("an object is missing")
    return value
