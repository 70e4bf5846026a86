"""What a reply is: an answer to judge, being turned away, or nothing usable."""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from reconciler.model.outcome import Cause, Doubtful, Refused
from reconciler.model.values import JSON, JSONObject
from reconciler.transport.exchange import Reply
from reconciler.transport.pace import told_to_wait
from reconciler.transport.redact import Redactor


@dataclass(frozen=True, slots=True)
class Codes:
    """What a service's GraphQL error codes mean.

    `refused`: the mutation did nothing.  `credentials`: it did not accept who we are.  `uncoded_refuses`:
    an error without a code means that nothing was done, also once execution had begun.
    """

    refused: AbstractSet[str]
    credentials: AbstractSet[str]
    uncoded_refuses: bool
    busy: AbstractSet[str] = frozenset({"RATE_LIMITED"})


@dataclass(frozen=True, slots=True)
class GraphError:
    """One GraphQL error, free of secrets; `code` is empty when the service gave none."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A GraphQL answer; `data` is None when it held none.  `executed` is False for a request error: the
    answer has no entry `data` at all, which says that execution never began."""

    data: JSONObject | None
    errors: tuple[GraphError, ...] = ()
    executed: bool = True

    @property
    def complaint(self) -> str:
        """The errors as one sentence."""
        return "; ".join(f"{error.message} ({error.code})" if error.code else error.message for error in self.errors)


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Not executed: too many requests; `told` is how many seconds to wait, if it says."""

    told: float | None
    message: str


@dataclass(frozen=True, slots=True)
class Denied:
    """Not executed: the credentials are missing, wrong or expired."""

    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not executed, for another reason than the credentials."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing usable; whether it was executed is unknown, unless it was never `sent`.  `again` says
    whether a read may get better by itself, `told` how many seconds to wait before that."""

    reason: str
    sent: bool = True
    again: bool = True
    told: float | None = None


Verdict: TypeAlias = Answer | TurnedAway | Denied | Rejected | Lost

_NO_MESSAGE: Final = "no reason given"


def judge(reply: Reply, codes: Codes, redactor: Redactor, now: datetime) -> Verdict:
    """Say what one reply proves; no effects."""
    body = read_json(reply)
    answer = read_answer(body, redactor)
    if answer is not None and _something(answer.data):
        return answer if reply.status < 300 else Lost(f"answered {reply.status} with data")
    told = told_to_wait(reply.headers, body, now)
    complaint = _complaint(reply, body, answer, redactor)
    found = {error.code for error in answer.errors} if answer and reply.status < 500 else set()
    if reply.status == 429 or (found and found <= codes.busy):
        return TurnedAway(told, complaint)
    if reply.status in (401, 403) or (found and found <= codes.credentials):
        return Denied(complaint)
    if reply.status < 300 and answer is not None:
        return answer
    if 400 <= reply.status < 500 and reply.status != 408:
        code = next((error.code for error in answer.errors if error.code), "") if answer else ""
        return Rejected(code or f"HTTP_{reply.status}", complaint)
    return Lost(complaint, again=not 300 <= reply.status < 400, told=told)


def refusal(answer: Answer, codes: Codes) -> Refused | Doubtful | None:
    """What the errors of an answer say about its mutation; None when its data tell, not its errors."""
    if _something(answer.data):
        return None
    if not answer.errors:
        return Doubtful("the answer holds neither data nor errors")
    for error in answer.errors:
        uncoded = codes.uncoded_refuses or not answer.executed
        certain = error.code in codes.refused if error.code else uncoded
        if not certain:
            return Doubtful(f"the service reported {answer.complaint}, which does not say whether it was done")
    return Refused(Cause.SERVICE, answer.errors[0].code, answer.complaint)


def read_json(reply: Reply) -> JSON:
    """Read a body as JSON, with `?` for lone surrogates; None when it is not JSON."""
    try:
        value = json.loads(reply.body, parse_constant=_refuse)
        if b"\\ud" in reply.body.lower():
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value


def read_answer(body: JSON, redactor: Redactor) -> Answer | None:
    """Read the envelopes services use: `data` and `errors`, or a single `error`; None for anything else."""
    if not isinstance(body, dict) or not body.keys() & {"data", "errors", "error"}:
        return None
    data, errors = body.get("data"), body.get("errors")
    if "error" in body and not errors:
        single = body["error"]
        errors = [single if isinstance(single, dict) else {"message": body.get("message") or single, "code": single}]
    if not isinstance(data, dict | None) or not isinstance(errors, list | None):
        return None
    return Answer(data, tuple(_error(error, redactor) for error in errors or ()), executed="data" in body)


def _error(error: JSON, redactor: Redactor) -> GraphError:
    if not isinstance(error, dict):
        return GraphError("", redactor.clean(str(error)))
    code = ""
    for place in (error.get("extensions"), error.get("details"), error):
        if not code and isinstance(place, dict) and isinstance(place.get("code"), str):
            code = place["code"]
    parts = (error.get("message"), error.get("title"), error.get("detail"))
    message = ": ".join(part for part in parts if isinstance(part, str) and part)
    return GraphError(redactor.clean(code), redactor.clean(message or _NO_MESSAGE))


def _complaint(reply: Reply, body: JSON, answer: Answer | None, redactor: Redactor) -> str:
    """One sentence on a reply that is no plain answer."""
    if answer is not None and answer.errors:
        return answer.complaint if reply.status == 200 else f"answered {reply.status}: {answer.complaint}"
    if 300 <= reply.status < 400:
        return f"answered {reply.status}, a redirect, which is never followed"
    kind = reply.headers.get("content-type", "").partition(";")[0].strip() or "no content type"
    what = "unknown JSON" if body is not None else f"something that is not JSON ({redactor.clean(kind)})"
    return f"answered {reply.status} with {what}"


def _something(data: JSONObject | None) -> bool:
    return data is not None and any(value is not None for value in data.values())


def _refuse(constant: str) -> JSON:
    raise ValueError(f"{constant} is not JSON")
