"""The limiter in front of GraphQL: three layers over a sliding window ('Rate Limits')."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.sandbox.blue.session import TOKEN_ID, TOKEN_SECRET, Session, header

_LIMITS = {
    "starter": (20, 40, 60),
    "starter_plus": (30, 60, 90),
    "growth": (50, 100, 150),
    "growth_plus": (100, 200, 300),
    "scale": (200, 400, 600),
    "enterprise": (1000, 2000, 3000),
}
_SECONDS = {"minute": 60, "second": 1}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tightest layer says: `retry_after` seconds until `reset` (unix seconds), None when let through."""

    limit: int
    remaining: int
    window: str
    retry_after: int | None = None
    reset: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        named = {"X-RateLimit-Limit": self.limit, "X-RateLimit-Remaining": self.remaining}
        if self.retry_after is not None and self.reset is not None:
            named |= {"X-RateLimit-Reset": self.reset, "Retry-After": self.retry_after}
        return {name: str(value) for name, value in named.items()}

    @property
    def body(self) -> dict[str, object]:
        """The body of a refusal, which is not shaped like GraphQL."""
        message = f"Too many requests. Limit: {self.limit} per {self.window}."
        return {"error": "RATE_LIMITED", "message": message, "retryAfter": self.retry_after}


def admit(session: Session, headers: Mapping[str, str]) -> Verdict | None:
    """Count one HTTP request; None while the limiter is off or knows nobody to count for.

    A request that is refused counts for no layer.
    """
    window = session.switches.get("rate_window")
    layers = _layers(session, headers) if window != "off" else {}
    if not layers:
        return None
    now, span = session.now.timestamp(), _SECONDS[window]
    with session.store.transaction():
        hits = {key: [each for each in _hits(session, key) if each > now - span] for key in layers}
        full = [key for key, limit in layers.items() if len(hits[key]) >= limit]
        if full:
            reset = max(hits[key][-layers[key]] + span for key in full)
            limit = min(layers[key] for key in full)
            return Verdict(limit, 0, window, max(math.ceil(reset - now), 1), math.ceil(reset))
        for key, seen in hits.items():
            session.store.put("blue_rate", key, {"hits": [*seen, now]})
    tightest = min(layers, key=lambda key: layers[key] - len(hits[key]))
    return Verdict(layers[tightest], layers[tightest] - len(hits[tightest]) - 1, window)


def _hits(session: Session, key: str) -> list[float]:
    kept = session.store.get("blue_rate", key)
    return list(kept["hits"]) if kept else []


def _layers(session: Session, headers: Mapping[str, str]) -> dict[str, int]:
    plan = session.switches.get("rate_plan")
    doubled = session.switches.get("rate_pro") == "on" and plan != "enterprise"
    per_key, per_user, per_company = (limit * (2 if doubled else 1) for limit in _LIMITS[plan])
    token = header(headers, TOKEN_ID)
    layers = {}
    if token and header(headers, TOKEN_SECRET):
        layers[f"key {token}"] = per_key
    if session.user:
        layers[f"user {session.user['id']}"] = per_user
    if session.company:
        layers[f"organization {session.company['id']}"] = per_company
    return layers
