"""JSON for machines."""

from __future__ import annotations

import json

from reconciler.model.values import JSON


def json_text(document: JSON) -> str:
    """Return a document as indented JSON with a line end; ASCII only, so it is safe on a terminal too."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
