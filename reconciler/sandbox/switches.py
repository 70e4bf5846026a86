"""Behaviour switches: what the services' documentation leaves open, each with a reasoned default."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from reconciler.model.errors import Usage
from reconciler.sandbox.store import Store

_COLLECTION = "switch"


@dataclass(frozen=True, slots=True)
class Switch:
    """One open question.  `values` names the allowed spellings; `parse` reads one, raising ValueError."""

    name: str
    service: str
    values: tuple[str, ...]
    default: str
    doc: str
    parse: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """How exports go: seconds queued, seconds processing, and how it ends: `done`, `fail` or `stuck`."""

    outcome: str
    queued: float
    processing: float


@dataclass(frozen=True, slots=True)
class Throttle:
    """`requests` within `window` seconds are served; one more blocks the token for `block` seconds."""

    requests: int
    window: float
    block: float


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 10**9:
        raise ValueError(text)
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 0 < value <= 10**9:
        raise ValueError(text)
    return value


def _count_or_off(text: str) -> int | None:
    return None if text == "off" else _count(text)


def _throttle(text: str) -> Throttle | None:
    if text == "off":
        return None
    requests, window, block = text.split("/")
    return Throttle(_count(requests), _seconds(window), _seconds(block))


def _export_plan(text: str) -> ExportPlan:
    outcome, _, delays = text.rpartition(":")
    if text in ("fail", "stuck"):
        outcome, delays = text, _DELAYS
    if outcome not in ("", "done", "fail", "stuck"):
        raise ValueError(text)
    queued, processing = delays.split("/")
    return ExportPlan(outcome or "done", _seconds(queued), _seconds(processing))


def _zone(text: str) -> str:
    from zoneinfo import ZoneInfo

    return ZoneInfo(text).key


_DELAYS = "0.15/0.35"
_PLANS = f"{_DELAYS}|fail|stuck|[OUTCOME:]QUEUED/PROCESSING"


def _choice(service: str, name: str, values: str, doc: str) -> Switch:
    allowed = tuple(values.split("|"))

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(text)
        return text

    return Switch(name, service, allowed, allowed[0], doc, parse)


def _number(name: str, values: str, doc: str, parse: Callable[[str], Any]) -> Switch:
    allowed = tuple(values.split("|"))
    return Switch(name, "pipefy", allowed, allowed[0], doc, parse)


def _pipefy() -> Iterable[Switch]:
    def choice(name: str, values: str, doc: str) -> Switch:
        return _choice("pipefy", name, values, doc)

    yield _number("quota_per_pipe", "50|25|NUMBER|off", "pipe exports in 24 h; pages say 50 and 25", _count_or_off)
    yield _number("quota_organization", "off|NUMBER", "organization exports in 24 h; none is documented", _count_or_off)
    yield choice("quota_error", "code|message_only", "whether a used-up quota carries USAGE_LIMIT_EXCEEDED")
    yield choice("quota_refused", "ignored|extends", "whether a refused request makes the 24 h wait start again")
    yield choice("missing_code", "PERMISSION_DENIED|RESOURCE_NOT_FOUND", "code for what is missing or forbidden")
    yield choice("pipe_access", "error|skip", "a pipe the token cannot reach in an export's pipeIds")
    yield choice("service_account_pipes", "all|none", "a new service account sees no pipes until it is added")
    yield choice("empty_pipe_ids", "all|error", "pipeIds: [] in an export; unsettled, as if left out by default")
    yield choice("filter_values", "any|strings_only", "types of filter values; pages show Any, the toolkit strings")
    yield choice("filter_case", "insensitive|sensitive", "case in contains")
    yield choice("filter_empty_group", "all|none", "what a group without conditions matches")
    yield choice("filter_open_operators", "refuse|interpret", "`period` and `unknown`, whose meaning no page gives")
    yield choice("filter_readback", "as_sent|uppercase|flat", "how a saved filter reads; pages show all three")
    yield _number("filter_depth", "10|NUMBER|off", "nesting of filter groups; no limit is documented", _count_or_off)
    yield _number("date_zone", "UTC|ZONE", "IANA zone in which a date in a filter begins", _zone)
    yield choice("precedence", "explicit|saved_report", "which wins when an export names a report and gives its own")
    yield choice("report_columns", "all|saved", "no columns but a report: all fields (its own first), or only its own")
    yield choice("unknown_column", "drop|empty|error", "a column that does not exist")
    yield choice("headers", "names|labels", "header texts; clients match columns by name (inferred), so names first")
    yield choice("multi_values", "json|comma", 'cells with several values; clients have seen ["a","b"]')
    yield choice("file_date", "ymd|dmy", "order of the date in the file's name, said to follow the locale")
    yield choice("file_kind", "xlsx|csv|html_error", "what the file's address serves")
    yield _number("file_ready_delay", "0|SECONDS", "how long after done the address still answers 404", _seconds)
    yield _number("url_ttl", "3600|SECONDS", "life of a signed address; typically one hour", _seconds)
    yield choice("url_expired", "403|404", "status of an expired or damaged address")
    yield _number("export_plan", _PLANS, "seconds, and the end", _export_plan)
    yield choice("finished_at_on_failure", "set|null", "finishedAt of a failed export")
    yield choice("failure_mail", "off|on", "whether a failed export is mailed; only readiness is documented")
    yield choice("export_visibility", "organization|requester", "who may ask about an export")
    yield choice("card_count", "null|number|error", "cardCount on pipeReports; sources say it fails or is null")
    yield choice("null_clears", "clear|ignore", "an explicit null in updateOrganizationReport and updatePipeReport")
    yield choice("color_readback", "hex|word", "colours go in as words; examples show hex coming out")
    yield _number("page_cap", "50|NUMBER", "largest page of organizationReports, larger ones are cut silently", _count)
    yield _number("token_ttl", "300|SECONDS", "life of a token; accounts choose 300 s to 30 days", _seconds)
    yield _number("throttle", "off|500/30/300|REQUESTS/WINDOW/BLOCK", "requests per seconds, then 429", _throttle)
    yield choice("retry_after", "sent|absent", "whether a 429 says how long to wait")
    yield choice("error_envelope", "extensions|details", "pages disagree about the shape of errors")
    yield choice("failed_data", "present|missing", "whether an answer without any data still has the key")
    yield _number("depth", "15|NUMBER|off", "largest query depth", _count_or_off)
    yield _number("complexity", "50000|NUMBER|off", "largest query complexity", _count_or_off)


def _blue() -> Iterable[Switch]:
    def choice(name: str, values: str, doc: str) -> Switch:
        return _choice("blue", name, values, doc)

    yield choice("plain_errors", "verbatim|masked", "whether errors without a code keep their message")
    yield choice("slug_project_ids", "reject|resolve", "workspace slugs in a source's projectIds")
    yield choice("unknown_project", "backfill_error|accept", "unknown or unreachable workspaces in projectIds")
    yield choice("org_header", "id_or_slug|id_only", "what the organization header may hold")
    yield choice("admin_view", "supported|validation_error", "whether ReportFilter has adminView")
    yield choice("emails", "visible|blank", "e-mail addresses as a caller without the right sees them")
    yield choice("rate_window", "off|minute|second", "the three-layer limit; pages print it per minute and per second")
    yield choice("rate_plan", "scale|starter|starter_plus|growth|growth_plus|enterprise", "plan whose limits apply")
    yield choice("rate_pro", "off|on", "the Pro add-on doubles the limits")
    yield choice("export_access", "any_member|member_and_plan", "who may export a report")
    yield choice("plan_gate", "off|missing_feature|PRO_REQUIRED|FORBIDDEN", "an organization without Reports")
    yield choice("null_clears_blue", "clear|ignore", "an explicit null in updateReport")
    yield choice("duplicate_titles", "accept|reject", "two reports with one title")
    yield choice("bad_token_status", "200|401", "HTTP status for a token that is not accepted")
    yield choice("filters_omitted", "null|empty_object", "how filters that were left out read back")
    yield choice("refresh_touches", "off|on", "whether a refresh moves updatedAt")
    yield choice("noop_touches", "on|off", "whether an update without a change moves updatedAt")
    yield choice("export_empty_error", "caller|silent", "who is told that an export has no workspaces")
    yield choice("export_throttle", "on|off", "one export in 50 seconds")


SWITCHES: dict[str, Switch] = {switch.name: switch for switch in (*_pipefy(), *_blue())}


class Switches:
    """The settings in force, kept in the store so that every process sees them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, name: str) -> Any:
        """Return the parsed value in force: text for a choice, else what the switch's `parse` gives."""
        switch = SWITCHES[name]
        kept = self._store.get(_COLLECTION, name)
        return switch.parse(kept["value"] if kept else switch.default)

    def text(self, name: str) -> str:
        """Return the value in force as it would be written."""
        kept = self._store.get(_COLLECTION, name)
        return str(kept["value"]) if kept else SWITCHES[name].default

    def set(self, name: str, text: str) -> None:
        """Set a switch; raises Usage for a name or a value that does not exist."""
        switch = SWITCHES.get(name)
        if switch is None:
            raise Usage(f"there is no switch {name!r}", hint=_nearest(name, SWITCHES))
        try:
            switch.parse(text)
        except (ValueError, LookupError) as error:
            hint = _nearest(text, switch.values) or f"{name}: {switch.doc}"
            raise Usage(f"{name} cannot be {text!r}; it is one of {', '.join(switch.values)}", hint=hint) from error
        self._store.put(_COLLECTION, name, {"value": text})


def _nearest(text: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(text, list(known), n=1)
    return f"did you mean {found[0]!r}?" if found else ""
