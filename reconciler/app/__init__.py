"""Use cases and the composition root: one module per thing a user can ask for.

Belongs here: reading settings, choosing who stands behind each port, handing the objects over, the order
of the big moves (load, settle, plan, ask, perform) and the exit code.
Does not belong here: parsing, diffing, sending, rendering, terminals; those are rooms below or above.
Only `cli` calls this room; it may import everything below it.
"""
