"""Makes the fakes beside the tests importable, from any working directory."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
