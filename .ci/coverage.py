"""Fail when the tests leave too much of a room unvisited; reads the JSON report of coverage.

Rooms in which a wrong branch loses or doubles an object have every branch visited.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

FLOOR = 92.0
FULL = ("model", "planning", "schedule", "engine", "state/fold.py")

report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
totals = defaultdict(lambda: [0, 0])
failures = []
for name, file in sorted(report["files"].items()):
    inside = name.replace("\\", "/").split("reconciler/", 1)[1]
    room = inside.split("/")[0]
    summary = file["summary"]
    covered = summary["covered_lines"] + summary["covered_branches"]
    possible = summary["num_statements"] + summary["num_branches"]
    totals[room][0] += covered
    totals[room][1] += possible
    if covered < possible and any(inside == full or inside.startswith(full + "/") for full in FULL):
        missing = file["missing_lines"], file["missing_branches"]
        failures.append(f"{name}: every branch must be visited; missing lines {missing[0]}, branches {missing[1]}")
for room, (covered, possible) in sorted(totals.items()):
    share = 100.0 * covered / possible if possible else 100.0
    print(f"{share:6.1f} %  {room}")
    if share < FLOOR:
        failures.append(f"{room}: {share:.1f} % is below the floor of {FLOOR} %")
measured = [name.replace("\\", "/").split("reconciler/", 1)[1] for name in report["files"]]
failures += [f"{full}: not measured" for full in FULL if not any(name.startswith(full) for name in measured)]
sys.exit("\n".join(failures) or 0)
