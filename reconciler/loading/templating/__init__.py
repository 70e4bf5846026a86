"""Templates in scalars: a cut-down, sandboxed Jinja2 whose work is bounded.

Belongs here: what a template may say, its filters, and how a value comes out of it.
Does not belong here: files, YAML, manifests.  `loading.manifests` calls `templates.Templates`.
"""
