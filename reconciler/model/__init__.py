"""Values and ports that every room shares.

Belongs here: immutable values (Address, Manifest, Step, Plan, Entry, Recorded, Diagnostic),
the error tree and the Protocols that rooms hand to each other.
Does not belong here: anything that reads a file, a clock, a network or a database; anything
only one room needs.  Everybody may import this room; it imports no other.
Import types by name (`from reconciler.model.plan import Step`), never from this package itself:
it stays empty so that a command loads only what it uses.
"""
