"""A plan as a comment on a code review."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from reconciler.model.plan import Plan
from reconciler.render.escape import plain
from reconciler.render.plan_text import counts, notes, step_lines

_LIMIT: Final = 60_000
"""Code review services refuse comments of more than 65,536 characters."""

_OPEN_UP_TO: Final = 40


def plan_markdown(plan: Plan, *, warnings: Sequence[str] = ()) -> str:
    """Return a plan as Markdown of bounded length: counts, then everything in code blocks.

    Whatever came from outside stands inside a code block that it cannot end, where no name is a link, an
    image, a mention or HTML.
    """
    steps = list(step_lines(plan))
    rest = [line for section in notes(plan, warnings) for line in section]
    parts = [f"### {counts(plan)}", f"Environment {_code(plan.environment)}, made {_code(plan.created)}"]
    if rest:
        parts.append(_block("text", _within(rest, _LIMIT // 3)))
    if steps:
        state = " open" if len(steps) <= _OPEN_UP_TO else ""
        block = _block("diff", _within(steps, _LIMIT // 2))
        parts.append(f"<details{state}><summary>Steps</summary>\n\n{block}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def _code(text: str) -> str:
    """A code span that its text cannot end."""
    shown = plain(text)
    fence = _fence(shown, 1)
    return f"{fence} {shown} {fence}" if "`" in shown else f"{fence}{shown or ' '}{fence}"


def _block(language: str, lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    fence = _fence(text, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def _fence(text: str, shortest: int) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(shortest, longest + 1)


def _within(lines: Sequence[str], limit: int) -> list[str]:
    """As many whole lines as fit, and how many do not."""
    kept: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > limit:
            return [*kept, f"... and {len(lines) - len(kept):,} more lines; `reconciler plan` shows them all"]
        kept.append(line)
    return kept
