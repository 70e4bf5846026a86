"""The environment variables that a project file lets templates read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.loading.templating.templates import Variables
from reconciler.loading.text.sources import clipped
from reconciler.model.diagnostic import Violation
from reconciler.model.values import Path

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIALS: Final = frozenset({"BLUE_TOKEN_ID", "PIPEFY_CLIENT_ID", "RECONCILER_STATE", "RECONCILER_PLAN_KEY"})
"""Credentials, and the state URL, which may hold a password; all others of the contract look like what they are."""
_SECRET: Final = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|COOKIE|PRIVATE")
_SECRET_WORD: Final = re.compile(r"(?:(?:API|SSH|GPG|ACCESS)?KEY|O?AUTH|SESSION|CERT|CERTIFICATE|DSN|JWT|PASS|PWD)S?")
_WORD_STARTS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_URL_WITH_PASSWORD: Final = re.compile(r"://[^/?#\s]*:[^/?#\s]*@")
_NO_SECRETS: Final = "templates must not be able to read credentials"


def check_variables(names: Sequence[str], path: Path) -> Iterator[Violation]:
    """Yield what is wrong with the names of a list that stands at `path`.

    A branch may edit the project file, so nothing that looks like a credential can be listed.
    """
    seen: set[str] = set()
    for index, name in enumerate(names):
        here = (*path, index)
        if not _NAME.fullmatch(name):
            message = f"{clipped(name)!r} is not the name of an environment variable"
            yield Violation(here, "wrong-name", message, "use letters, digits and `_`, with no digit first")
        elif _looks_secret(name):
            hint = "a manifest must not be able to read credentials; give the variable another name if it is none"
            yield Violation(here, "secret-variable", f"{clipped(name)} looks like a credential", hint)
        elif name in seen:
            yield Violation(here, "repeated", f"{clipped(name)} is listed twice", "remove one of them")
        seen.add(name)


def variables_of(names: Sequence[str], environ: Mapping[str, str]) -> Variables:
    """Return the variables of these names as far as they are set and fit for templates; all are text."""
    given: dict[str, str] = {}
    withheld: dict[str, tuple[str, str]] = {}
    for name in names:
        text = environ.get(name)
        if _looks_secret(name):
            # Its list is wrong, and said to be; but what else is wrong must not show what it holds.
            withheld[name] = (f"{clipped(name)} looks like a credential", _NO_SECRETS)
        elif text is None:
            hint = f"set it, or give a default: {{{{ variables.{name} | default('…') }}}}"
            withheld[name] = (f"the environment variable {name} is not set", hint)
        elif _URL_WITH_PASSWORD.search(text):
            withheld[name] = (f"the environment variable {name} holds a URL with a password", _NO_SECRETS)
        elif not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            withheld[name] = (f"the environment variable {name} is not UTF-8", "set it anew")
        else:
            given[name] = text
    return Variables(given, withheld)


def _looks_secret(name: str) -> bool:
    words = _WORD_STARTS.sub("_", name).upper().split("_")
    return (
        name.upper() in _CREDENTIALS
        or _SECRET.search(name.upper()) is not None
        or any(_SECRET_WORD.fullmatch(word.rstrip("0123456789")) for word in words)
    )
