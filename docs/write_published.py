"""Write docs/published.md from runs: `cortex-sim reproduce --out FOLDER && python docs/write_published.py FOLDER [FOLDER ...]`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

HEAD = """# Published results beside ours

Written by `python docs/write_published.py FOLDER` from the rows of `cortex-sim reproduce` ({versions}); [reproduce.md](reproduce.md) says what
the columns mean. {counts} The last column is the time of the whole protocol, which its rows share.

"""


def main(folders: Sequence[Path]) -> None:
    """Write the page, from the rows of one run or of several."""
    rows = [row for folder in folders for row in json.loads((folder / "rows.json").read_text(encoding="utf-8"))]
    tables = [(folder / "rows.md").read_text(encoding="utf-8").splitlines(keepends=True) for folder in folders]
    run = json.loads((folders[0] / "run.json").read_text(encoding="utf-8"))
    count = {word: sum(row["holds"] == word for row in rows) for word in ("holds", "does not hold", "not tested")}
    counts = f"{count['holds']} of {count['holds'] + count['does not hold']} tested rows hold; {count['not tested']} are not tested."
    versions = ", ".join(f"{name} {run['versions'][name]}" for name in ("cortex-sim", "brian2", "torch", "numpy") if name in run["versions"])
    table = "".join([*tables[0], *(line for lines in tables[1:] for line in lines[2:])])
    Path(__file__).with_name("published.md").write_text(HEAD.format(versions=versions, counts=counts) + table, encoding="utf-8")


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])
