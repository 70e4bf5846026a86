"""Who calls and what they reach: bearer tokens, the token endpoint, throttling, organizations and pipes.

Pages 'Service Accounts', 'Unauthorized Error', 'Personal Access Token'.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, unquote

from starlette.responses import Response

from reconciler.model.values import JSONObject
from reconciler.sandbox import world_pipefy
from reconciler.sandbox.context import Context, ServiceError
from reconciler.sandbox.exchange import reply

_UNAUTHORIZED = {"errors": [{"title": "Unauthorized", "detail": "You are not authorized to access this page"}]}
_GRANT = "client_credentials"


def admit(context: Context) -> Response | None:
    """Find out who calls; returns the refusal for a token that is missing, unknown, expired or throttled."""
    scheme, _, token = context.headers.get("authorization", "").partition(" ")
    known = context.store.get("pipefy_token", token.strip()) if scheme.lower() == "bearer" else None
    now = context.clock().timestamp()
    if known is None or (known["expiresAt"] is not None and known["expiresAt"] <= now):
        return reply(_UNAUTHORIZED, 401)
    context.memo["caller"] = context.store.get("pipefy_user", known["userId"])
    return _throttled(context, known["id"], now)


def _throttled(context: Context, token: str, now: float) -> Response | None:
    limit = context.switches.get("throttle")
    if limit is None:
        return None
    with context.store.transaction():
        doc = context.store.get("pipefy_rate", token) or {"times": [], "until": 0.0}
        times = [moment for moment in doc["times"] if moment > now - limit.window]
        until = doc["until"]
        if until <= now:
            times, until = (times, 0.0) if len(times) < limit.requests else ([], now + limit.block)
        if until <= now:
            times.append(now)
        context.store.put("pipefy_rate", token, {"times": times, "until": until})
    if until <= now:
        return None
    sent = context.switches.get("retry_after") == "sent"
    headers = {"Retry-After": str(int(until - now) + 1)} if sent else {}
    return reply({"errors": [{"message": "Too many requests"}]}, 429, headers)


def issue_token(context: Context, raw: bytes) -> Response:
    """Answer a client credentials request: a JSON or form body, or HTTP Basic for the client."""
    sent = _credentials(context.headers, raw)
    client = context.store.get("pipefy_client", sent.get("client_id", ""))
    if client is None or not secrets.compare_digest(client["secret"].encode(), sent.get("client_secret", "").encode()):
        return reply({"error": "invalid_client"}, 401)
    if sent.get("grant_type") != _GRANT:
        return reply({"error": "unsupported_grant_type"}, 400)
    life, now = int(context.switches.get("token_ttl")), context.clock().timestamp()
    token = f"sandbox-access-{secrets.token_hex(16)}"
    doc = {"id": token, "userId": client["userId"], "expiresAt": now + life}
    context.store.put("pipefy_token", token, doc)
    return reply({"access_token": token, "token_type": "Bearer", "expires_in": life, "created_at": int(now)})


def _credentials(headers: Mapping[str, str], raw: bytes) -> dict[str, str]:
    try:
        if headers.get("content-type", "").startswith("application/json"):
            body = json.loads(raw)
            sent = {key: value for key, value in body.items() if isinstance(value, str)}
        else:
            sent = {key: values[-1] for key, values in parse_qs(raw.decode()).items()}
        scheme, _, basic = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            client, _, secret = base64.b64decode(basic, validate=True).decode().partition(":")
            sent |= {"client_id": unquote(client), "client_secret": unquote(secret)}
    except (ValueError, AttributeError, RecursionError):
        return {}
    return sent


def caller(context: Context) -> JSONObject:
    """Return the calling user's document."""
    user: JSONObject = context.memo["caller"]
    return user


def denied(context: Context, what: str, key: object) -> ServiceError:
    """Return the refusal for something missing or out of reach, which look the same."""
    code = context.switches.get("missing_code")
    found = "Permission denied" if code == "PERMISSION_DENIED" else f"{what} not found with id: {key}"
    return ServiceError(code, found)


def organization(context: Context, key: object) -> JSONObject:
    """Return an organization the caller is in; raises ServiceError otherwise."""
    doc = context.store.get("pipefy_organization", str(key))
    if doc is None or doc["id"] not in caller(context)["roles"]:
        raise denied(context, "Organization", key)
    return doc


def reachable(context: Context, organization_id: str | None = None) -> list[JSONObject]:
    """Return the pipes the caller can reach, of one organization or of all."""
    user = caller(context)
    if user["id"] == world_pipefy.SERVICE_ACCOUNT_ID and context.switches.get("service_account_pipes") == "none":
        return []
    return [
        pipe
        for pipe in context.store.all("pipefy_pipe")
        if user["id"] in pipe["memberIds"] and organization_id in (None, pipe["organizationId"])
    ]


def pipes(context: Context, organization_id: str, keys: Iterable[object]) -> list[JSONObject]:
    """Return the named pipes, in the order named, each once; out of reach: refused or skipped, by switch."""
    within = {pipe["id"]: pipe for pipe in reachable(context, organization_id)}
    found = {}
    for key in map(str, keys):
        if key in within:
            found[key] = within[key]
        elif context.switches.get("pipe_access") == "error":
            raise denied(context, "Pipe", key)
    return list(found.values())


def pipe(context: Context, key: object, by: str = "id") -> JSONObject:
    """Return one pipe by `id` or `uuid`; raises ServiceError when it is out of reach."""
    for doc in reachable(context):
        if doc[by] == str(key):
            return doc
    raise denied(context, "Pipe", key)
