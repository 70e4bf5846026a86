"""The values of one environment: its file, those it extends, and what the command line sets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from reconciler.loading.project import check_name
from reconciler.loading.shapes import EnvironmentShape
from reconciler.loading.single import note, read_single
from reconciler.loading.text.files import ENVIRONMENTS, Folder
from reconciler.loading.text.marked import MAX_DEPTH, Document
from reconciler.loading.text.scalars import UnsafeNumber, resolve
from reconciler.loading.text.sources import clipped
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, NAME, JSONObject

DEFAULT: Final = "default"


def read_values(folder: Folder, environment: str, overrides: Mapping[str, str]) -> JSONObject | None:
    """Return the values for templates; None, with diagnostics, when they cannot be told.

    Mappings of an environment are merged into those of the one it extends, key by key; anything
    else replaces.  `overrides` maps dotted keys to YAML 1.2 scalars and comes last.
    """
    errors = folder.findings.errors
    layers = _layers(folder, environment)
    values: JSONObject = {}
    for layer in reversed(layers):
        values = _merged(values, layer)
    for key, text in overrides.items():
        _override(folder, values, key, text)
    return values if folder.findings.errors == errors else None


def _layers(folder: Folder, environment: str) -> list[JSONObject]:
    """Return the values of an environment and of those it extends, nearest first."""
    layers: list[JSONObject] = []
    names: list[str] = []
    name: str | None = environment
    asked: Document | None = None
    while name is not None:
        if name in names:
            _refuse(folder, asked, f"environments extend in a circle: {' → '.join([*names, name])}", "break the circle")
            break
        names.append(name)
        file = f"{ENVIRONMENTS}/{name}.yaml"
        if not NAME.fullmatch(name) or not folder.has(file):
            if asked is not None or name != DEFAULT:
                _refuse(folder, asked, f"there is no environment {clipped(name)}", _existing(folder))
            break
        shape, asked = read_single(folder, file, EnvironmentShape)
        if shape is None or asked is None:
            break
        _check_name(folder, asked, shape.metadata.name, name)
        layers.append(shape.spec.values)
        name = shape.spec.extends
    return layers


def _refuse(folder: Folder, asked: Document | None, message: str, hint: str) -> None:
    """Note an error at the `extends` that asked, or nowhere when the command line did."""
    if asked is None:
        folder.findings.add("environment", message, hint=hint)
    else:
        note(folder.findings, asked, [Violation(("spec", "extends"), "environment", message, hint)])


def _check_name(folder: Folder, document: Document, name: str, expected: str) -> None:
    violation = check_name(name)
    if violation is None and name != expected:
        message = f"metadata.name is {name}, but the file is {expected}.yaml"
        violation = Violation(("metadata", "name"), "wrong-name", message, f"write {expected}, or rename the file")
    if violation is not None:
        note(folder.findings, document, [violation])


def _existing(folder: Folder) -> str:
    try:
        files = sorted(os.listdir(folder.path / ENVIRONMENTS))
    except OSError:
        files = []
    names = [file.removesuffix(".yaml") for file in files if file.endswith(".yaml") and file[0] != "."]
    return f"there are: {', '.join(names[:20])}" if names else f"there is no file in {folder.show(ENVIRONMENTS)}"


def _merged(below: JSONObject, above: JSONObject) -> JSONObject:
    merged = dict(below)
    for key, value in above.items():
        old = below.get(key)
        merged[key] = _merged(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return merged


def _override(folder: Folder, values: JSONObject, key: str, text: str) -> None:
    """Set one value, making the mappings on the way to it."""
    path = key.split(".")
    shown = clipped(f"--set {key}={text}")
    if not all(path) or len(path) > MAX_DEPTH:
        folder.findings.add("override", f"{shown}: {clipped(key)!r} is not a key", hint="write --set key=value")
        return
    try:
        value: JSON = resolve(text)
    except UnsafeNumber as error:
        folder.findings.add("override", f"{shown}: {error}", hint="quote it inside the value: --set key='\"…\"'")
        return
    inner: JSON = values
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            folder.findings.add("override", f"{shown}: {name} is no mapping in the environment")
            return
    inner[path[-1]] = _unquoted(text) if isinstance(value, str) else value


def _unquoted(text: str) -> str:
    quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text
