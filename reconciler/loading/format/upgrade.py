"""Manifests of former versions rewritten as current ones: names are replaced where they stand, all else stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from reconciler.loading.format.proof import difference
from reconciler.loading.format.scan import Unsafe, marks, pieces
from reconciler.loading.kinds import Kinds
from reconciler.loading.single import note
from reconciler.loading.text.marked import Document, Node, documents
from reconciler.loading.text.sources import Findings, Source
from reconciler.loading.versions import conversion

_SCHEMA_HEADER: Final = re.compile(r"yaml-language-server:[ \t]*\$schema=\S*")


def upgraded(source: Source, kinds: Kinds, findings: Findings) -> str:
    """Return a text that is valid YAML with every document in the current version of its kind.

    Comments and layout stay, but for schema headers that name a former version.  What the result says is what the
    loader makes of the former version.  What stands in the way goes to the findings, and the text stays.
    Raises Unsafe, with the reason, when an alias or a merge makes one name mean two things.
    """
    errors = findings.errors
    edits: dict[tuple[int, int], str] = {}
    schemas: dict[str, str] = {}
    found = list(documents(source))
    for document in found:
        _upgrade(document, kinds, findings, edits, schemas)
    if findings.errors > errors or not edits:
        return source.text
    text = _with_schemas(_edited(source.text, edits), schemas)
    had = [(what, _with_schemas(words, schemas)) for what, words in marks(pieces(source.text))]
    reason = difference([document.data for document in found], had, text)
    if reason:
        raise Unsafe(f"{reason}: a name it has to replace is used in another sense too")
    return text


def _upgrade(
    document: Document,
    kinds: Kinds,
    findings: Findings,
    edits: dict[tuple[int, int], str],
    schemas: dict[str, str],
) -> None:
    data = document.data
    if not isinstance(data, dict):
        return
    version, name = data.get("apiVersion"), data.get("kind")
    if not isinstance(version, str) or not isinstance(name, str):
        return
    kind, former = kinds.find(version, name)
    if kind is None or former is None:
        return
    done = conversion(data, document.root, former)
    note(findings, document, done.violations)
    for renamed in done.renamed:
        _edit(document.source.text, renamed.key, renamed.former, str(renamed.path[-1]), edits)
    data["apiVersion"] = kind.api_version
    _edit(document.source.text, document.root.children["apiVersion"][1], version, kind.api_version, edits)
    prefix = f"{kind.provider}.{kind.kind.lower()}."
    schemas[prefix + version.partition("/")[2]] = prefix + kind.api_version.partition("/")[2]


def _edit(text: str, node: Node, old: str, new: str, edits: dict[tuple[int, int], str]) -> None:
    """Note that a scalar has to be replaced; its anchor and its quotes stay."""
    start, end = node.start_mark.index, node.end_mark.index
    within = text[start:end].rfind(old)
    if within >= 0:
        edits[start + within, start + within + len(old)] = new


def _edited(text: str, edits: Mapping[tuple[int, int], str]) -> str:
    parts, done = [], 0
    for (start, end), written in sorted(edits.items()):
        parts += [text[done:start], written]
        done = end
    return "".join([*parts, text[done:]])


def _with_schemas(text: str, schemas: Mapping[str, str]) -> str:
    """Give the headers for editors the current schemas."""

    def renamed(header: re.Match[str]) -> str:
        words = header[0]
        for old, new in schemas.items():
            words = re.sub(rf"{re.escape(old)}(?!\w)", new, words)
        return words

    return _SCHEMA_HEADER.sub(renamed, text)
