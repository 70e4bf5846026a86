"""Diagnostics out of documents, and files that hold one document of a shape of ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar, cast

from pydantic import BaseModel

from reconciler.loading.layers import Layered
from reconciler.loading.templating.templates import has_template
from reconciler.loading.text.files import Folder
from reconciler.loading.text.marked import Document, documents
from reconciler.loading.text.sources import Findings
from reconciler.loading.wording import points_at_key, validate
from reconciler.model.diagnostic import Violation
from reconciler.model.values import Address, Path, Span, lookup

Shape = TypeVar("Shape", bound=BaseModel)

_DOCUMENT_KEYS: Final = ("apiVersion", "kind", "metadata", "spec")
_DOCUMENT_ENDS: Final = ", or start a new document with a line `---` above"


def note_problems(findings: Findings, document: Document, *, one_of_many: bool = False) -> None:
    """Note what is wrong with a document as YAML; of a line with a template that is not quoted, that only.

    `one_of_many` says that its file may have several documents.
    """
    keys = {problem.span.line for problem in document.problems if problem.code == "yaml-key"}
    for problem in document.problems:
        if problem.code == "yaml-syntax" and problem.span.line in keys:
            continue
        hint = problem.hint
        if one_of_many and problem.code == "yaml-duplicate-key" and problem.span.column == 1:
            key = document.source.line(problem.span.line).partition(":")[0].strip()
            hint = f"{hint}{_DOCUMENT_ENDS}" if key in _DOCUMENT_KEYS else hint
        findings.add(problem.code, problem.message, source=document.source, span=problem.span, hint=hint)


def note(
    findings: Findings, where: Document | Layered, violations: Iterable[Violation], address: Address | None = None
) -> None:
    """Note violations whose paths start at the document's root, each at its place, be it in another document."""
    for violation in violations:
        document, path = where.locate(violation.path) if isinstance(where, Layered) else (where, violation.path)
        findings.add(
            violation.code,
            violation.message,
            source=document.source,
            span=_span(document, path, violation),
            hint=violation.hint,
            address=address,
            severity=violation.severity,
        )


def _span(document: Document, path: Path, violation: Violation) -> Span:
    """The place of a violation: a part of a text is shown where nothing was made from that text."""
    if violation.within is not None:
        text = lookup(document.data, path)
        if isinstance(text, str) and not has_template(text):
            return document.span_within(path, violation.within)
    return document.span(path, key=points_at_key(violation))


def read_single(folder: Folder, name: str, shape: type[Shape]) -> tuple[Shape | None, Document | None]:
    """Read a file that must hold exactly one document of a shape; says what is wrong.

    The document is there whenever there is YAML to point at.
    """
    source = folder.read(name)
    if source is None:
        return None, None
    errors = folder.findings.errors
    found: list[Document] = []
    for document in documents(source):
        note_problems(folder.findings, document)
        found.append(document)
        if len(found) == 2:
            where = document.span(())
            folder.findings.add(
                "one-document", "this file holds one document only", source=source, span=where, hint="remove the others"
            )
            break
    if not found:
        folder.refuse(name, "empty-file", "the file is empty", f"write apiVersion, kind and metadata into {name}")
        return None, None
    if folder.findings.errors > errors:
        return None, found[0]
    parsed, violations = validate(shape, found[0].data)
    note(folder.findings, found[0], violations)
    return cast("Shape | None", parsed), found[0]
