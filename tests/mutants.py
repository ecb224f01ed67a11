"""Deliberate faults, one at a time, and whether a test notices: ``python -m tests.mutants [words of the name] [--jobs 2]``.

The faults stand in :mod:`tests.faults`. The package is copied for each, so that the working tree stays as it is. The tests are first run without a
fault, and must pass. A fault is caught if a test fails; one after which the package cannot be imported, or tests do not end, tells nothing
of the tests and is named. Prints what survived and the share that was caught. Of a run of all, the result is kept in
benchmarks/results/faults.json and docs/faults.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults import FAULTS, Fault

ROOT = Path(__file__).parents[1]
LIMIT = 300  # s, after which tests do not end
WANTED = 0.95
KEPT, PAGE = ROOT / "benchmarks/results/faults.json", ROOT / "docs/faults.md"
CAUGHT, SURVIVED, BROKEN, ENDLESS = "caught", "survived", "cannot be imported", "does not end"
OUTCOMES = {0: SURVIVED, 1: CAUGHT}  # by what pytest returns


def outcome(fault: Fault | None, tests: Sequence[str], package: Path, *, limit: float = LIMIT) -> str:
    """Make the fault, if any, in a copy of the package, run tests there, and say how they ended."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "*.svg", "runs"))
        if fault:
            path = copy / "cortex_sim" / fault.file
            text = path.read_text(encoding="utf-8")
            if text.count(fault.right) < 1:
                raise SystemExit(f"{fault.name}: {fault.file} no longer holds {fault.right!r}; bring the list up to date.")
            path.write_text(text.replace(fault.right, fault.wrong, 1), encoding="utf-8")
        if absent := [test for test in tests if not (copy / test).exists()]:
            raise SystemExit(f"{fault.name if fault else 'tests'}: {absent[0]} is not there; bring the list up to date.")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", "-p", "no:cacheprovider", *tests]
        try:
            run = subprocess.run(command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            return ENDLESS
        return OUTCOMES.get(run.returncode, BROKEN)


def check_sound(faults: Sequence[Fault], package: Path) -> None:
    """Run all tests that the faults name, without a fault; stop unless they pass."""
    tests = sorted({test for fault in faults for test in fault.tests.split()})
    if (found := outcome(None, tests, package, limit=LIMIT * len(tests))) != SURVIVED:
        raise SystemExit(f"Without a fault the tests fail too ({found}): nothing can be told. Run pytest {' '.join(tests)}")


def page(found: Mapping[str, str]) -> str:
    """Return what a run of all faults found, as a page."""
    by = {fault.name: fault for fault in FAULTS}
    folders = sorted({by[name].file.partition("/")[0] for name in found})
    rows = [(folder, [ended == CAUGHT for name, ended in found.items() if by[name].file.startswith(folder + "/")]) for folder in folders]
    lost, caught = [by[name] for name, ended in found.items() if ended != CAUGHT], list(found.values()).count(CAUGHT)
    return "\n".join([
        "# Deliberate faults", "",
        "Tests are tried too: `python -m tests.mutants` makes one fault at a time in a copy of the package (a penalty chosen on the test set, a",
        "null without the data among its draws, a start that forgets a mask) and asks whether the tests beside it fail. At least 95 % should.", "",
        f"**{caught} of {len(found)} are caught ({caught / len(found):.1%}): a test fails that passes without it.** The others are named below.", "",
        "| folder | faults | caught |", "|---|---|---|", *(f"| `{folder}` | {len(all_)} | {sum(all_)} |" for folder, all_ in rows), "",
        "| not caught | how it ended | file | why it is none, or is left |", "|---|---|---|---|",
        *(f"| {fault.name} | {found[fault.name]} | `{fault.file}` | {fault.argued or 'no test notices yet'} |" for fault in lost), "",
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

    check_sound(faults, ROOT)

    def tried(fault: Fault) -> str:
        ended = outcome(fault, fault.tests.split(), ROOT)
        print(f"{ended}: {fault.name}", file=sys.stderr, flush=True)
        return ended

    with ThreadPoolExecutor(given.jobs) as pool:
        found = dict(zip((fault.name for fault in faults), pool.map(tried, faults), strict=True))
    if not given.words:
        KEPT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        PAGE.write_text(page(found), encoding="utf-8")
    caught = list(found.values()).count(CAUGHT)
    for name, ended in found.items():
        if ended != CAUGHT:
            print(f"{ended}: {name}")
    print(f"{caught} of {len(found)} faults caught ({caught / max(len(found), 1):.1%})")
    return 0 if caught >= WANTED * len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
