"""Deliberate faults, one at a time, and whether a test notices: ``python -m tests.mutants [words of the name] [--jobs 2]``.

The faults stand in :mod:`tests.faults`. The package is copied for each, so that the working tree stays as it is. Prints what survived and the
share that was caught.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults import FAULTS, Fault

ROOT = Path(__file__).parents[1]
LIMIT = 300  # s, after which a fault counts as caught: the tests do not end
WANTED = 0.95
FAILED = (1, 2, 4)  # of pytest: a test failed, or what the fault left of the package could not be imported


def caught(fault: Fault, package: Path) -> bool:
    """Make the fault in a copy of the package, run its tests there, and say whether one failed."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "*.svg", "runs"))
        path = copy / "cortex_sim" / fault.file
        text = path.read_text(encoding="utf-8")
        if text.count(fault.right) < 1:
            raise SystemExit(f"{fault.name}: {fault.file} no longer holds {fault.right!r}; bring the list up to date.")
        path.write_text(text.replace(fault.right, fault.wrong, 1), encoding="utf-8")
        if absent := [test for test in fault.tests.split() if not (copy / test).exists()]:
            raise SystemExit(f"{fault.name}: {absent[0]} is not there; bring the list up to date.")
        tests = fault.tests.split()
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", "-p", "no:cacheprovider", *tests]
        try:
            run = subprocess.run(command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            return True
        return run.returncode in FAILED


def main() -> int:
    """Try the faults whose names hold all the words, and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="of the names of the faults to try; all if left out")
    parser.add_argument("--jobs", type=int, default=2, help="tried at a time")
    given = parser.parse_args()
    faults = [fault for fault in FAULTS if all(word in fault.name for word in given.words)]

    def tried(fault: Fault) -> bool:
        noticed = caught(fault, ROOT)
        print(f"{'caught' if noticed else 'SURVIVED'}: {fault.name}", file=sys.stderr, flush=True)
        return noticed

    with ThreadPoolExecutor(given.jobs) as pool:
        found = dict(zip((fault.name for fault in faults), pool.map(tried, faults), strict=True))
    for name in (name for name, noticed in found.items() if not noticed):
        print(f"survived: {name}")
    share = sum(found.values()) / max(len(found), 1)
    print(f"{sum(found.values())} of {len(found)} faults caught ({share:.0%})")
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
