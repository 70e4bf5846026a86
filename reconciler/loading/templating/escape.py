"""Text that looks like a template, written so that it stays text."""

from __future__ import annotations

import re
from typing import Final

from reconciler.loading.templating.templates import has_template
from reconciler.model.values import JSON

_SPECIAL: Final = re.compile(r"\{+[%#]?|\r+")
_END: Final = re.compile(r"\{%[-+]?\s*endraw")


def escaped(value: JSON) -> JSON:
    """Return a copy of a JSON value that templates render to the value itself; keys are no templates.

    Templates have limits on how much text they take; what is beyond those can be escaped, but not be loaded.
    """
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return _escaped(value) if isinstance(value, str) and has_template(value) else value


def _escaped(text: str) -> str:
    if "\r" not in text and not _END.search(text):
        return f"{{% raw %}}{text}{{% endraw %}}"
    # Every brace, for one in front of an expression would become part of it.
    return _SPECIAL.sub(lambda found: "{{ '" + found[0].replace("\r", "\\r") + "' }}", text)
