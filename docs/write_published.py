"""Write docs/published.md from runs: `cortex-sim reproduce --out FOLDER && python docs/write_published.py FOLDER [FOLDER ...]`.

Rows that the page has already and the folders do not hold stay as they are: after a run of one paper alone, its rows are added or written anew.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).with_name("published.md")
HEAD = """# Published results beside ours

Written by `python docs/write_published.py FOLDER` from the rows of `cortex-sim reproduce` ({versions}); [reproduce.md](reproduce.md) says what
the columns mean. {counts} The last column is the time of the whole protocol, which its rows share.

"""


def rows(text: str) -> tuple[list[str], dict[tuple[str, ...], str]]:
    """Return the two lines at the head of a table, and its rows by paper and what is compared."""
    lines = [line for line in text.splitlines(keepends=True) if line.startswith("|")]
    return lines[:2], {tuple(cells(line)[:2]): line for line in lines[2:]}


def cells(line: str) -> list[str]:
    """Return the cells of a row."""
    return [cell.strip() for cell in line.strip().removeprefix("| ").removesuffix(" |").split(" | ")]


def main(folders: Sequence[Path]) -> None:
    """Write the page, from the rows of one run or of several, and those that stand on it."""
    head, kept = rows(PAGE.read_text(encoding="utf-8"))
    for folder in folders:
        head, found = rows((folder / "rows.md").read_text(encoding="utf-8"))
        kept |= found
    run = json.loads((folders[0] / "run.json").read_text(encoding="utf-8"))
    told = [cells(line)[5].split(":")[0] for line in kept.values()]
    count = {word: told.count(word) for word in ("holds", "does not hold", "not tested")}
    counts = f"{count['holds']} of {count['holds'] + count['does not hold']} tested rows hold; {count['not tested']} are not tested."
    versions = ", ".join(f"{name} {run['versions'][name]}" for name in ("cortex-sim", "brian2", "torch", "numpy") if name in run["versions"])
    PAGE.write_text(HEAD.format(versions=versions, counts=counts) + "".join([*head, *kept.values()]), encoding="utf-8")


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])
