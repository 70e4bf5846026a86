"""Measures what reading manifests takes: `python tests/bench/loading.py [FOLDER] [--sizes 1000,10000] [--hostile]`.

Manifests of about 1 KB, 30 % with templates, one to a file and all in one file, against libyaml's event scan over the
same bytes in the same run.  Cold is the first run, warm one after it, with nothing changed.  Processor seconds, the
best of a few.  `--hostile` instead runs `validate` on everything in tests/support/hostile.py.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from run import PROGRAM, PROJECT, REPORT, SCAN, Cost, environment, measure, row

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

import hostile

VALUES = """apiVersion: reconciler/v1
kind: Environment
metadata: {name: default}
spec: {values: {region: EMEA, everywhere: PROJECT_OF_ALL, due: true}}
"""
TEMPLATES = {
    "title: Report number": "title: '{{ values.region }} report %(number)d' #",
    "project_of_all": "'{{ values.everywhere | lower }}'",
    "{hasDueDate: true}": "{hasDueDate: '{{ values.due }}'}",
}
ANNOTATED = PROJECT + "spec:\n  providers: {blue: {organization: acme}}\n  lint: {rules: {differing-filters: 'off'}}\n"


def manifest(number: int) -> str:
    """One report; three of ten have templates."""
    text = REPORT.replace("name: three\n", "name: three\n      projectIds: [project_of_all]\n")
    if number % 10 < 3:
        for plain, template in TEMPLATES.items():
            text = text.replace(plain, template)
    return text % {"number": number, "team": number % 7, "text": "x" * 500}


def project(folder: Path, count: int, *, whole: bool) -> int:
    """Make a project with so many reports, all of them in one file or one to a file; returns the bytes of text."""
    reports = folder / "manifests/blue"
    reports.mkdir(parents=True)
    (folder / "manifests/environments").mkdir()
    (folder / "manifests/environments/default.yaml").write_text(VALUES)
    (folder / "manifests/reconciler.yaml").write_text(ANNOTATED)
    if whole:
        (reports / "all.yaml").write_text("---\n".join(map(manifest, range(count))))
    else:
        for number in range(count):
            (reports / f"r{number}.yaml").write_text(manifest(number))
    return sum(file.stat().st_size for file in reports.iterdir())


def reading(work: Path, sizes: list[int]) -> None:
    """Validate, cold and warm, and with one file changed."""
    environ = environment("http://127.0.0.1:1", 0) | {"XDG_CACHE_HOME": str(work / "keys")}
    validate = (*PROGRAM, "validate")
    project(work / "ten", 10, whole=False)
    fixed = measure(validate, work / "ten", environ, 5).cpu
    for whole in (False, True):
        before: tuple[int, float] | None = None
        for size in sizes:
            folder = work / f"{size}-{whole}"
            text = project(folder, size, whole=whole)
            name = f"{size:,} in one file" if whole else f"{size:,}, one to a file"
            floor = measure((sys.executable, "-c", SCAN), folder, environ, 3)
            row(f"{name}: parser alone", f"{floor.cpu:.2f} s", f"{text / 1e6 / floor.cpu:.0f} MB/s", floor.memory)
            cold = min((_cold(folder, environ) for _ in range(3)), key=lambda cost: cost.cpu)
            ratio = f"{cold.cpu / floor.cpu:.2f} x parser"
            if before is not None:
                ratio += f", ^{math.log((cold.cpu - fixed) / before[1]) / math.log(size / before[0]):.2f}"
            before = (size, cold.cpu - fixed)
            row(f"{name}: cold", f"{cold.cpu:.2f} s", ratio, cold.memory)
            row(f"{name}: memory, cold", "", f"{cold.memory / text:.1f} x text")
            warm = measure(validate, folder, environ, 3)
            row(f"{name}: warm", f"{warm.cpu:.2f} s", f"{warm.cpu / cold.cpu:.2f} x cold", warm.memory)
            changed = next((folder / "manifests/blue").iterdir())
            changed.write_text(changed.read_text() + "# changed\n")
            again = measure(validate, folder, environ)
            row(f"{name}: one file changed", f"{again.cpu:.2f} s", f"{again.cpu / cold.cpu:.2f} x cold", again.memory)
            shutil.rmtree(folder)


def _cold(folder: Path, environ: Mapping[str, str]) -> Cost:
    shutil.rmtree(folder / ".reconciler", ignore_errors=True)
    return measure((*PROGRAM, "validate"), folder, environ)


def harm(work: Path) -> None:
    """Run `validate` on everything hostile: seconds by the clock, and memory."""
    for number, what in enumerate((*hostile.TEXTS, *hostile.FOLDERS)):
        folder = work / str(number)
        hostile.make(folder / "manifests", what)
        begun = time.monotonic()
        with (work / "said.txt").open("wb") as said:
            process = subprocess.Popen((*PROGRAM, "validate"), cwd=folder, stdout=said, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - begun
        row(what, f"{took:.2f} s", f"exit code {process.returncode}", used.ru_maxrss * 1024)
        shutil.rmtree(folder)


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--sizes", default="1000,10000", help="how many manifests to read, smallest first")
    parser.add_argument("--hostile", action="store_true", help="measure what is refused")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as work:
        row("what", "took", "ratio (^ growth)")
        if given.hostile:
            harm(Path(work))
        else:
            reading(Path(work), [int(size) for size in given.sizes.split(",") if size])


if __name__ == "__main__":
    main()
