"""A text in its canonical form."""

from __future__ import annotations

from reconciler.loading.format.layout import laid_out
from reconciler.loading.format.lines import written
from reconciler.loading.format.proof import difference
from reconciler.loading.format.scan import Unsafe, marks, pieces
from reconciler.loading.text.marked import documents
from reconciler.loading.text.sources import Source


def formatted(source: Source) -> str:
    """Return the canonical form of a text that is valid YAML.  No effects.

    Its documents have the same data; its comments, anchors, aliases and tags are the same; formatting it
    again changes nothing.  Raises Unsafe, with the reason, when that cannot be promised.
    """
    found = pieces(source.text)
    result = written(laid_out(found))
    if result != source.text:
        data = [document.data for document in documents(source)]
        reason = difference(data, list(marks(found)), result, moved=True)
        if reason:
            raise Unsafe(reason)
    return result
