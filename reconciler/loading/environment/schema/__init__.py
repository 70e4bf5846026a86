"""The schema a project declares for its values, and values checked against it.

Belongs here: the part of JSON Schema (draft 2020-12) that a project file may use, its patterns, and
what a value breaks of it, in our words.  Both the schema and the values are taken to be hostile:
nothing outside the schema is reached, and every check takes bounded time.
Does not belong here: files and places in them; `values` knows those and is the only caller.
"""
