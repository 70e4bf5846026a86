"""The words and the limits of filters, in the documented form and in expressions."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

Operator: TypeAlias = Literal[
    "eq",
    "not_eq",
    "contains",
    "not_contains",
    "gt",
    "gte",
    "lt",
    "lte",
    "exists",
    "not_exists",
    "unknown",
    "period",
]
OPERATORS: Final[tuple[str, ...]] = get_args(Operator)
MEANT: Final = {
    **dict.fromkeys(("=", "==", "===", "equals", "equal", "is"), "eq"),
    **dict.fromkeys(("neq", "ne", "!=", "!==", "<>", "not", "is_not", "noteq", "not_equal", "not_equals"), "not_eq"),
    **dict.fromkeys((">", "after"), "gt"),
    **dict.fromkeys((">=", "=>", "ge"), "gte"),
    **dict.fromkeys(("<", "before"), "lt"),
    **dict.fromkeys(("<=", "=<", "le"), "lte"),
    **dict.fromkeys(("~", "like", "ilike", "includes", "has", "matches"), "contains"),
    **dict.fromkeys(("!~", "not_like", "excludes"), "not_contains"),
}
"""Operators of other languages, and what they are in the documented form."""
Type: TypeAlias = Literal["email", "number", "string", "group_select", "select", "date", "boolean"]
TYPES: Final[tuple[str, ...]] = get_args(Type)
DEEPEST: Final = 10
"""Levels of groups, the outermost one included; and levels of parentheses."""
LONGEST: Final = 20_000
"""Characters of an expression."""

SUMMARY: Final = (
    "a short expression: conditions joined by `and`, which binds tighter, and `or`, grouped by ( ). A condition is a "
    "field with `=`, `!=`, `>`, `>=`, `<` or `<=` and a value, `in (a, b)`, `contains a`, `contains (a, b)` or "
    "`exists`, the last four also after `not`. What has blanks or signs is quoted: 'in progress'. A field may say its "
    "type: due_date:date."
)
"""The grammar of expressions for people, in a few lines; `expression` has all of it."""
EXAMPLES: Final = (
    "status in (in_progress, review) and priority = high",
    "due_date:date <= 2026-01-31 and (assignee not exists or labels contains (urgent, 'needs help'))",
)
