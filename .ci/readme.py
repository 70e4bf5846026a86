"""Print a command of the README: the shell block that follows a marker comment.

python3 .ci/readme.py main     the command that runs the main job
python3 .ci/readme.py test     the command that passes the tests
"""

import re
import sys
from pathlib import Path

which = sys.argv[1]
readme = Path(__file__).resolve().parent.parent.joinpath("README.md").read_text(encoding="utf-8")
found = re.search(rf"<!-- command: {which} -->\s*```sh\n(.*?)```", readme, re.DOTALL)
if found is None:
    sys.exit(f"README.md has no command marked {which}")
sys.stdout.write(found[1])
