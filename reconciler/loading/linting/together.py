"""Lint of all manifests together: labels, titles, schedules, headers, and opt-outs that nothing needed."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from reconciler.loading.linting.rules import Linter
from reconciler.loading.linting.schedules import Calendar, Schedules, shown
from reconciler.loading.manifests import Declared
from reconciler.loading.text.sources import LINE_BREAK, Source, clipped
from reconciler.model.diagnostic import Violation
from reconciler.model.values import Path, Span

if TYPE_CHECKING:
    from reconciler.model.ports import Kind

Note: TypeAlias = Callable[[Declared, Path, Violation], None]
"""Notes what is wrong with a resource, at the place that a path leads to from its document."""

_HEADER: Final = re.compile(r"^#[ \t]*yaml-language-server[ \t]*:.*?\$schema=(\S+)", re.MULTILINE)
_OWN: Final = frozenset({"manifest.schema.json", "project.schema.json", "environment.schema.json"})


class Together:
    """Checks of all declared resources by the rules of the linter, which remembers what opt-outs were of use."""

    def __init__(self, declared: Sequence[Declared], linter: Linter, note: Note) -> None:
        self._declared = [each for each in declared if each.sound]
        self._whole = len(self._declared) == len(declared)
        self._linter = linter
        self._note = note
        self._found: list[tuple[Declared, Violation]] = []
        self._schemas = _OWN | {_schema(kind) for kind in linter.kinds}

    def check(self, quotas: Mapping[str, int], calendar: Calendar | None) -> None:
        """Note everything; `quotas` are the project's own, by provider.  Without a calendar schedules go unsaid."""
        self._labels()
        self._titles()
        if calendar is not None:
            Schedules(self._declared, self._linter, self._say).check(quotas, calendar)
        self._headers()
        if self._whole:  # what is wrong with the others may be what an opt-out is for
            self._unused()
        # In the order of the files: to find a place, a file is read again, and only the last one is kept.
        order = {id(each): number for number, each in enumerate(self._declared)}
        for declared, violation in sorted(self._found, key=lambda found: order[id(found[0])]):
            self._note(declared, violation.path, violation)

    def _say(self, declared: Declared, violation: Violation) -> None:
        self._found.extend((declared, kept) for kept in self._linter.judge([violation], declared.ignored))

    def _labels(self) -> None:
        for label in self._linter.required_labels:
            for each in self._declared:
                if label in each.manifest.labels:
                    continue
                path = ("metadata", "labels" if each.manifest.labels else "name")
                message = f"the label {clipped(label)} is missing, which the project requires"
                self._say(each, Violation(path, "missing-label", message, f"add metadata.labels.{clipped(label)}"))

    def _titles(self) -> None:
        if self._linter.severity("duplicate-title") is None:
            return
        groups: defaultdict[tuple[str, str, str], list[Declared]] = defaultdict(list)
        for each in self._declared:
            title = each.manifest.spec.get(each.kind.title) if each.kind.title else None
            if isinstance(title, str):
                groups[each.kind.provider, each.kind.kind, title.strip()].append(each)
        for (_, _, title), group in groups.items():
            if len(group) == 1:
                continue
            first, *others = [
                each for each in group if not self._linter.need("duplicate-title", each.ignored)
            ] or group[:1]
            for each in others:
                message = f"the {each.kind.title} {clipped(title)!r} is also that of {shown(first)}"
                path = ("spec", each.kind.title)
                self._say(each, Violation(path, "duplicate-title", message, "say in it what differs"))

    def _headers(self) -> None:
        files: defaultdict[int, list[Declared]] = defaultdict(list)
        for each in self._declared:
            files[id(each.source)].append(each)
        for group in files.values():
            source = group[0].source
            headers = list(_headers(source)) if "yaml-language-server" in source.text else []
            ends = [*(place.line for place, _ in headers[1:]), math.inf]
            lines = [each.manifest.origin.line for each in group]  # as they stand in the file
            for (place, address), end in zip(headers, ends, strict=False):
                self._header(place, address, group[bisect_right(lines, place.line) : bisect_left(lines, end)])

    def _header(self, place: Span, address: str, below: Sequence[Declared]) -> None:
        """Judge a header by the documents up to the next one."""
        name = re.split("[?#]", address)[0].replace("\\", "/").rpartition("/")[2]
        if name not in self._schemas:
            return
        wrong = [each for each in below if name not in ("manifest.schema.json", _schema(each.kind))]
        if not wrong or self._linter.need("wrong-schema-header", *(each.ignored for each in wrong)):
            return
        declared = wrong[0]
        message = f"{name} is not the schema of {declared.kind.api_version} {declared.kind.kind}, which stands below"
        hint = (
            f"name {_schema(declared.kind)}" if len({each.kind for each in below}) == 1 else "name manifest.schema.json"
        )
        for kept in self._linter.judge([Violation((), "wrong-schema-header", message, hint)], {}):
            self._linter.findings.add(
                kept.code,
                kept.message,
                source=declared.source,
                span=place,
                hint=kept.hint,
                address=declared.manifest.address,
                severity=kept.severity,
            )

    def _unused(self) -> None:
        documents = {id(each.ignored): each for each in reversed(self._declared) if each.ignored}
        for each in documents.values():
            for violation in self._linter.unused(each.ignored):
                self._found.append((each, violation))


def _headers(source: Source) -> Iterator[tuple[Span, str]]:
    """Yield the headers of a file: the place of the schema's address, and that address."""
    line, before = 1, 0
    for found in _HEADER.finditer(source.text):
        line += len(LINE_BREAK.findall(source.text, before, found.start()))
        before = found.start()
        column = found.start(1) - before + 1
        yield Span(source.file, line, column, line, column + len(found[1])), found[1]


def _schema(kind: Kind) -> str:
    """The name of the file that holds the schema of a kind."""
    return f"{kind.provider}.{kind.kind.lower()}.{kind.api_version.partition('/')[2]}.schema.json"
