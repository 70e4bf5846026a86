"""Secrets are taken out of every text before anybody can read it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from reconciler.model.values import Secret

_SIGNED: Final = re.compile(r"(?i)\b((?:[\w-]*(?:signature|token|secret|credential)|sig)=)[^&\s\"'<>#]+")
_BEARER: Final = re.compile(r"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}")
_LONGEST: Final = 500
_SHORTEST_SECRET: Final = 4  # taking out shorter ones would only garble the message


class Redactor:
    """Knows every secret of one connection; `clean` is the only way from a service's words to a message."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._texts: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret) -> None:
        """Learn one more secret, with the spellings it has in addresses and headers."""
        whole = secret.reveal()
        for text in {whole, whole.rpartition(" ")[2]}:  # a header's scheme is no part of the secret
            if len(text) >= _SHORTEST_SECRET:
                spellings = {text, quote(text, safe=""), base64.b64encode(text.encode()).decode()}
                self._texts = sorted({*self._texts, *spellings}, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """Return `text` on one line, without secrets and signatures, cut to a readable length."""
        for secret in self._texts:
            text = text.replace(secret, "***")
        text = _BEARER.sub(r"\1***", _SIGNED.sub(r"\1***", text))
        text = " ".join(text.split())
        return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
