"""JSON Schemas of everything people write: manifests, the project file, environments.

Belongs here: `plain` documents as they are once templates are rendered, which `explain` reads out; `former`
versions of kinds; what `templates` may stand for; and `files`, which puts schemas together for editors.
Does not belong here: what a field means or permits; that is said once, by the models of providers and loading.
Everything is said in words that draft-07 and 2020-12 share, because editors know one or the other.
"""
