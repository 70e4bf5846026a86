"""What Blue permits and people seldom mean."""

from __future__ import annotations

from typing import Final

from reconciler.model.lint import Rule

EVERY_WORKSPACE: Final = Rule(
    "every-workspace",
    "An empty list of workspaces means all of them.",
    "Blue reads `projectIds: []` as every workspace the report's creator can reach ('Create a Report', the projectIds "
    "convention). A list that is empty by mistake, of a template for instance, so widens the report to the whole "
    "organization. Name the workspaces, or leave the key out and say why: see implicit-every-workspace.",
)
IMPLICIT_WORKSPACES: Final = Rule(
    "implicit-every-workspace",
    "A data source names no workspaces, so it reaches all of them.",
    "Without projectIds, or with null, a data source covers every workspace the report's creator can reach, those made "
    "later included ('Create a Report', the projectIds convention). A forgotten key looks just the same. Name the "
    "workspaces; where all of them are meant, say so in the manifest: "
    "`lint: {ignore: {implicit-every-workspace: <why>}}`.",
)
DIFFERING_FILTERS: Final = Rule(
    "differing-filters",
    "The data sources of a report filter differently, which an export of it does not.",
    "The report shows each source through its own filter. An export merges the filters of all sources into one, in "
    "which the first source to set a key wins, and lays that over all workspaces ('Export a Report'): it holds "
    "other records than the report shows. Give all sources the same filter, or make a report of each; where "
    "nobody exports the report, opt out and say so.",
)
REPEATED_ORDER: Final = Rule(
    "repeated-order",
    "Two data sources have the same order.",
    "`order` is the position of a source; what Blue makes of ties is not documented. They keep the order of the list "
    "here. Leave `order` out: the list is the order.",
)
FIELD_WITHOUT_TYPE: Final = Rule(
    "field-without-type",
    "A condition on a custom field has no type, so Blue drops it.",
    "Entries of `fields` need a `type`; one without is left out silently, and the filter lets more records through "
    "than it says ('List Records'). Add `type: CUSTOM_FIELD`.",
)
UNKNOWN_FIELD_TYPE: Final = Rule(
    "unknown-field-type",
    "A condition has a type that Blue's pages do not agree on.",
    "'List Records' names CUSTOM_FIELD, TIME_IN_LIST, RELATIVE_DUEDATE and FIELD. A condition of another type may be "
    "dropped silently, as one without a type is. Use one of these.",
)
UNKNOWN_FILTER_KEY: Final = Rule(
    "unknown-filter-key",
    "A filter has a key that the records filter does not have.",
    "Nothing checks a filter when it is written: a mistyped key restricts nothing, and the report shows more than it "
    "should. The keys are those of the records filter ('List Records'; its type is TodosFilter), without companyIds; "
    "inside `groups` they are slightly others.",
)
FILTER_VALUE_TYPE: Final = Rule(
    "filter-value-type",
    "A key of a filter has a value of a sort that it does not take.",
    "Nothing checks a filter when it is written, and what a value of another sort restricts is not documented: a text "
    'such as "false" or no (which is a text in YAML 1.2) instead of true or false, a date that is none, one text '
    "instead of a list. What a key takes is what the type of the records filter says ('List Records'; TodosFilter).",
)
FILTER_BESIDE_GROUPS: Final = Rule(
    "filter-beside-groups",
    "A filter has keys beside its groups, which are ignored.",
    "When a filter has `groups`, only those count ('List Records'): a condition beside them restricts nothing. Move it "
    "into every group.",
)
UNKNOWN_FILTER_OPERATOR: Final = Rule(
    "unknown-filter-operator",
    "A filter has an operator that Blue does not know.",
    "Conditions compare by IS, NOT, EQ, NE, IN, NIN, GT, GTE, LT, LTE, CONTAINS or NOT_CONTAINS, and are joined by AND "
    "or OR ('List Records'). Nothing checks that when a filter is written, so a wrong word shows only in a report "
    "that is wrong or cannot be read.",
)
DESCRIPTION_LENGTH: Final = Rule(
    "description-length",
    "Whether the description is too long depends on how characters are counted.",
    "Blue allows 10,000 characters and does not say of what ('Create a Report'). This text fits in UTF-16 code units, "
    "as the service's own language counts, but not in bytes of UTF-8; letters beyond ASCII take two to four of those. "
    "Shorten it to be sure.",
)

RULES: Final = (
    EVERY_WORKSPACE,
    IMPLICIT_WORKSPACES,
    DIFFERING_FILTERS,
    REPEATED_ORDER,
    FIELD_WITHOUT_TYPE,
    UNKNOWN_FIELD_TYPE,
    UNKNOWN_FILTER_KEY,
    FILTER_VALUE_TYPE,
    FILTER_BESIDE_GROUPS,
    UNKNOWN_FILTER_OPERATOR,
    DESCRIPTION_LENGTH,
)
