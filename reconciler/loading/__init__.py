"""Files become marked YAML, rendered scalars, validated manifests; all diagnostics at once.

Belongs here: reading the manifests folder, YAML with places, templates, forEach, environments,
the project file, checks of the declared spec and of references between manifests.
Does not belong here: what a kind's fields mean (`providers`), how a diagnostic is shown
(`render`), network, state, clocks.  `app` calls `load.load`, `project.read_project` and `escape.escaped`, nobody
anything else.  Every input is taken to be hostile: bounded time, memory and reach.
"""
