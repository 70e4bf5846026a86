"""Performs a plan: writes an intention down, sends it, writes down what came of it.

Belongs here: the order and concurrency of steps, the check before a change, waiting for exports
and recovery of what is in doubt.
Does not belong here: what a request looks like (`providers`), how the log is kept (`state`), where
a file goes (`delivery`), whether a plan may be performed at all (`planning`, `app`).
Only `app` may call: `run.run` for a plan, `settle.settle` before one is made.  No libraries, no I/O
except through the ports it is handed; time and chance are handed in too.
"""
