"""Files become marked YAML, rendered scalars, validated manifests; all diagnostics at once.

`load` goes through the rooms in this order: `text` (files, YAML with places), `environment` (values),
`templating`, the modules here (project, defaults, manifests, links), `linting`, `keeping` (the cache).
`format` gives files their canonical form.
Does not belong here: what a kind's fields mean (`providers`), how a diagnostic is shown (`render`),
network, state, clocks.  `app` calls `load`, `project`, `format.files`, and for schemas, `explain` and
`--expand` the shapes, defaults, lint rules, filters and escapes; nobody else calls it.
Every input is taken to be hostile: bounded time, memory and reach.
"""
