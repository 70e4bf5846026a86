"""Schedules: which occurrences of a cron expression in a time zone are due, were missed and come next.

Belongs here: pure arithmetic on instants.  Does not belong here: the clock, the log, and whether an
export that is due is started; callers hand the instants in and decide.
Only `app` calls this room.
"""
