"""What operators do with the log: look at it, settle doubts, edit, unlock, check and move it.

Belongs here: one module per such use case; each that writes holds the lease while it does.
Does not belong here: what the log means (`state`), how it is shown (`render`).
"""
