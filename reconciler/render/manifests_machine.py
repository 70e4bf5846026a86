"""Manifests for machines, beside what was found wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.manifest import Manifest
from reconciler.model.values import JSONObject, path_text
from reconciler.render.diagnostics_machine import diagnostics_object
from reconciler.render.machine import json_text


def manifests_json(
    manifests: Iterable[tuple[Manifest, JSONObject]], diagnostics: Sequence[Diagnostic], *, resources: int
) -> str:
    """Return `reconciler.diagnostics/1` with `manifests`: each document with its origin and its defaults.

    `defaults` says of fields that are defaults where they come from, as `file:line`.
    """
    found = diagnostics_object(diagnostics, resources)
    return json_text({**found, "manifests": [_manifest(manifest, data) for manifest, data in manifests]})


def _manifest(manifest: Manifest, data: JSONObject) -> JSONObject:
    origin = manifest.origin
    return {
        **data,
        "origin": {
            "file": origin.file,
            "line": origin.line,
            "column": origin.column,
            "entry": manifest.entry or None,
        },
        "defaults": {path_text(path): f"{span.file}:{span.line}" for path, span in manifest.inherited.items()},
    }
