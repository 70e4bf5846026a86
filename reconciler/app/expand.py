"""Manifests written out: defaults merged, templates rendered, one document for each resource."""

from __future__ import annotations

from reconciler.app.wiring import Wiring
from reconciler.model.manifest import Desired, Manifest
from reconciler.model.values import JSONObject


def expand(wiring: Wiring, desired: Desired, *, loadable: bool) -> list[tuple[Manifest, JSONObject]]:
    """Return every manifest, by address, with a document that declares the same and needs no values.

    With `loadable`, text that looks like a template is escaped, so that loading the document gives the text again.
    """
    if not loadable:
        return [(manifest, _document(wiring, manifest)) for manifest in desired.manifests]
    from reconciler.loading.templating.escape import escaped

    return [(manifest, escaped(_document(wiring, manifest))) for manifest in desired.manifests]


def _document(wiring: Wiring, manifest: Manifest) -> JSONObject:
    """The lifecycle is always there, for the defaults of a project must not change it again."""
    labels = {"labels": dict(manifest.labels)} if manifest.labels else {}
    lint = {"lint": {"ignore": dict(manifest.ignored)}} if manifest.ignored else {}
    return {
        "apiVersion": manifest.api_version,
        "kind": wiring.kind(manifest.address).kind,
        "metadata": {"name": manifest.address.name, **labels},
        "lifecycle": {"protect": manifest.lifecycle.protect, "onRemove": manifest.lifecycle.on_remove.value},
        **lint,
        "spec": manifest.spec,
    }
