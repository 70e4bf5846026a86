"""Mails the emulators would have sent: shown on a page, never delivered."""

from __future__ import annotations

from datetime import datetime
from html import escape

from reconciler.model.values import JSONObject
from reconciler.sandbox.store import Store

_COLLECTION = "mail"


def send(store: Store, *, to: str, subject: str, body: str, moment: datetime, service: str, **more: object) -> None:
    """Put a mail into the outbox, to be seen from `moment` on; `more` are JSON values kept beside it."""
    mail = {"service": service, "to": to, "subject": subject, "body": body, "sentAt": moment.isoformat(), **more}
    store.put(_COLLECTION, str(store.next(_COLLECTION)), mail)


def sent(store: Store, now: datetime) -> list[JSONObject]:
    """Return the mails sent until now, as put: service, to, subject, body, sentAt and what else was kept."""
    return [mail for mail in store.all(_COLLECTION) if datetime.fromisoformat(mail["sentAt"]) <= now]


def page(store: Store, now: datetime) -> str:
    """Return the mails as an HTML page, everything escaped."""
    rows = "".join(
        f"<article><h2>{escape(str(mail['subject']))}</h2><p>{escape(str(mail['service']))} to "
        f"{escape(str(mail['to']))}, {escape(str(mail['sentAt']))}</p><pre>{escape(str(mail['body']))}</pre></article>"
        for mail in sent(store, now)
    )
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Outbox</title><h1>Sent mails</h1>'
    return head + (rows or "<p>None yet.</p>")
