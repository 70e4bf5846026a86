"""The log for people: who did what and when, what came of it, and the state as it was at an instant.

Belongs here: reading the log once from its beginning (`reading`), telling it by run (`story`, `teller`), where what
was told waits to be shown (`shelf`), what is asked for (`query`), and the use cases (`tell`, `past`).
Does not belong here: what entries mean (`state.fold`), how it is shown (`render`).  Nothing here writes to a log.
"""
