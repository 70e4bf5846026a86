"""What people and machines are shown: plans, diagnostics, events and state, in every format.

Belongs here: one function per subject and format, from values to text, and the escaping of
whatever came from outside.  Does not belong here: deciding, counting or reading anything, choosing
where the text goes.  Only `app` and `cli` call this room.
This module is its registry: a renderer is named by subject and format, and loaded on first use.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from reconciler.model.errors import Usage

_RENDERERS: Final = {
    ("plan", "text"): "plan_text:plan_text",
    ("plan", "markdown"): "plan_markdown:plan_markdown",
    ("plan", "json"): "machine:json_text",
    ("diagnostics", "text"): "diagnostics_text:diagnostics_text",
    ("diagnostics", "json"): "diagnostics_machine:diagnostics_json",
    ("diagnostics", "sarif"): "diagnostics_machine:diagnostics_sarif",
    ("diagnostics", "github"): "diagnostics_machine:diagnostics_github",
    ("events", "text"): "events:event_text",
    ("events", "jsonl"): "events:event_jsonl",
    ("events", "summary"): "events:summary_text",
    ("events", "rich"): "live:Live",
    ("state", "text"): "state:state_text",
    ("state", "json"): "state:state_json_text",
    ("doubts", "text"): "state:doubts_text",
    ("history", "text"): "history:history_text",
    ("history", "json"): "history:history_json",
    ("past", "text"): "history:past_text",
    ("past", "json"): "history:past_json",
    ("edit", "text"): "state_edited:edit_text",
    ("edit", "json"): "machine:json_text",
    ("verification", "text"): "state_moved:verification_text",
    ("verification", "json"): "machine:json_text",
    ("exported", "text"): "state_moved:exported_text",
    ("exported", "json"): "machine:json_text",
    ("archive", "text"): "state_moved:archive_text",
    ("archive", "json"): "machine:json_text",
    ("migration", "text"): "state_moved:migration_text",
    ("migration", "json"): "machine:json_text",
    ("manifests", "text"): "manifests_yaml:manifests_yaml",
    ("manifests", "json"): "manifests_machine:manifests_json",
    ("resource", "text"): "state:resource_text",
    ("resource", "json"): "machine:json_text",
    ("explanation", "text"): "explanation:explanation_text",
    ("explanation", "json"): "machine:json_text",
}


def renderer(what: str, form: str, /) -> Callable[..., Any]:
    """Return the renderer of a subject in a format; its own docstring says what it takes and gives.

    Raises Usage, naming the formats there are, for one that does not exist.
    """
    try:
        module, name = _RENDERERS[(what, form)].split(":")
    except KeyError:
        known = [known for subject, known in _RENDERERS if subject == what]
        raise Usage(f"{what} cannot be shown as {form!r}", f"the formats are: {', '.join(known)}") from None
    found: Callable[..., Any] = getattr(import_module(f"reconciler.render.{module}"), name)
    return found
