"""From a former version of a kind to the current one."""

from __future__ import annotations

from reconciler.loading.text.marked import Node
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSONObject
from reconciler.model.versions import Former


def convert(data: JSONObject, node: Node, former: Former) -> list[Violation]:
    """Rename the fields of a document's data and of its places, in place; return what stands in the way."""
    return []
