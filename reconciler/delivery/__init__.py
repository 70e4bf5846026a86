"""Puts a finished export's file where it belongs, whole and verified, or not at all.

Belongs here: what makes a file acceptable (a spreadsheet or a CSV, never an error page), its name,
its digest, writing it safely to one sort of destination per module.
Does not belong here: fetching it (`providers`), trying again and recording it (`engine`).
Only `app` may build a destination; the engine sees the Deliverer port.
"""
