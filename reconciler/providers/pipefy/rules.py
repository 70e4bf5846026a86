"""What Pipefy permits and people seldom mean."""

from __future__ import annotations

from typing import Final

from reconciler.model.lint import Rule

REPEATED_COLUMN: Final = Rule(
    "repeated-column",
    "A column is listed twice.",
    "The second one adds nothing that the first does not show; most likely another column was meant. Remove it.",
)
UNDOCUMENTED_OPERATOR: Final = Rule(
    "undocumented-operator",
    "A filter compares by `period` or `unknown`, of which no page says what they do.",
    "'Export Organization Report' shows eq, not_eq, contains and their like; `period` and `unknown` stand in the list "
    "of operators, but neither their meaning nor the form of their values is documented. Compare dates by gte and lt.",
)
FILTER_LIST: Final = Rule(
    "filter-list",
    "A filter compares with a list by an operator for which none is documented.",
    "Lists are documented for contains only ('Export Organization Report'). What another operator makes of one is not "
    "known; write a group of conditions joined by `or`.",
)
FILTER_WITHOUT_VALUE: Final = Rule(
    "filter-without-value",
    "A condition compares with nothing.",
    "Every operator but exists and not_exists compares with a value ('Export Organization Report'). What a comparison "
    "without one lets through is not documented. Give it a value, or ask for exists or not_exists.",
)
EVERY_COLUMN: Final = Rule(
    "every-column",
    "An empty list of columns means all columns of the saved report.",
    "Without columns, an export that starts from a saved report holds all available fields ('Export Organization "
    "Report', column selection), and an empty list is no column list. List the columns, or leave the key out.",
)
EXPORT_WITHOUT_DEADLINE: Final = Rule(
    "export-without-deadline",
    "An export does not say how long its file is waited for.",
    "A file takes minutes, by size and filter ('Export Organization Report', processing time). Without a `deadline` a "
    "run waits for half an hour; then the export is left to the next run, and whoever needs the file learns it "
    "late. Write what is usual for this one, for example `deadline: 20m`.",
)

FILTER_RULES: Final = (UNDOCUMENTED_OPERATOR, FILTER_LIST, FILTER_WITHOUT_VALUE)
REPORT_RULES: Final = (REPEATED_COLUMN, *FILTER_RULES)
EXPORT_RULES: Final = (*REPORT_RULES, EVERY_COLUMN, EXPORT_WITHOUT_DEADLINE)
