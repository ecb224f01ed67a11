"""Deliberate faults, one at a time, and whether a test notices: ``python -m tests.mutants [words of the name] [--jobs 2]``.

The faults stand in :mod:`tests.faults`. The package is copied for each, so that the working tree stays as it is. Prints what survived and the
share that was caught. Of a run of all, the result is kept in benchmarks/results/faults.json and docs/faults.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults import FAULTS, Fault

ROOT = Path(__file__).parents[1]
LIMIT = 300  # s, after which a fault counts as caught: the tests do not end
WANTED = 0.95
KEPT, PAGE = ROOT / "benchmarks/results/faults.json", ROOT / "docs/faults.md"
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


def page(found: Mapping[str, bool]) -> str:
    """Return what a run of all faults found, as a page."""
    by = {fault.name: fault for fault in FAULTS}
    folders = sorted({by[name].file.partition("/")[0] for name in found})
    rows = [(folder, [caught for name, caught in found.items() if by[name].file.startswith(folder + "/")]) for folder in folders]
    lost = [by[name] for name, noticed in found.items() if not noticed]
    return "\n".join([
        "# Deliberate faults", "",
        "Tests are tried too: `python -m tests.mutants` makes one fault at a time in a copy of the package (a penalty chosen on the test set, a",
        "null without the data among its draws, a start that forgets a mask) and asks whether the tests beside it fail. At least 95 % should.", "",
        f"**{sum(found.values())} of {len(found)} are caught ({sum(found.values()) / len(found):.1%}).** Survivors are named below.", "",
        "| folder | faults | caught |", "|---|---|---|", *(f"| `{folder}` | {len(all_)} | {sum(all_)} |" for folder, all_ in rows), "",
        "| survivor | file | why it is none, or is left |", "|---|---|---|",
        *(f"| {fault.name} | `{fault.file}` | {fault.argued or 'no test notices yet'} |" for fault in lost), "",
    ])  # fmt: skip


def main() -> int:
    """Try the faults whose names hold all the words, and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="of the names of the faults to try; all if left out")
    parser.add_argument("--jobs", type=int, default=2, help="tried at a time")
    parser.add_argument("--page", action="store_true", help="write the page alone, from what is kept")
    given = parser.parse_args()
    if given.page:
        PAGE.write_text(page(json.loads(KEPT.read_text(encoding="utf-8"))), encoding="utf-8")
        return 0
    faults = [fault for fault in FAULTS if all(word in fault.name for word in given.words)]

    def tried(fault: Fault) -> bool:
        noticed = caught(fault, ROOT)
        print(f"{'caught' if noticed else 'SURVIVED'}: {fault.name}", file=sys.stderr, flush=True)
        return noticed

    with ThreadPoolExecutor(given.jobs) as pool:
        found = dict(zip((fault.name for fault in faults), pool.map(tried, faults), strict=True))
    if not given.words:
        KEPT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        PAGE.write_text(page(found), encoding="utf-8")
    for name in (name for name, noticed in found.items() if not noticed):
        print(f"survived: {name}")
    share = sum(found.values()) / max(len(found), 1)
    print(f"{sum(found.values())} of {len(found)} faults caught ({share:.1%})")
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
