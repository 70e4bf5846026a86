"""The difference between what is declared and what is recorded, as a plan.

Belongs here: the diff of two specs, the rules that turn it into ordered steps, the valve for
deletes, the plan's file format and the checks of whether a saved plan may still be performed.
Does not belong here: reading files, clocks or services, computing schedules (`Due` comes in),
showing a plan to people, performing it.
Only `app` calls this room.  Everything in it is a pure function of its arguments.
"""
