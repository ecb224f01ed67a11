"""Write docs/published.md from a run: `cortex-sim reproduce --out FOLDER && python docs/write_published.py FOLDER`."""

import json
import sys
from pathlib import Path

HEAD = """# Published results beside ours

Written by `python docs/write_published.py FOLDER` from the rows of `cortex-sim reproduce` ({versions}); [reproduce.md](reproduce.md) says what
the columns mean. {counts} The last column is the time of the whole protocol, which its rows share.

"""


def main(folder: Path) -> None:
    """Write the page."""
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    count = {word: sum(row["holds"] == word for row in rows) for word in ("holds", "does not hold", "not tested")}
    counts = f"{count['holds']} of {count['holds'] + count['does not hold']} tested rows hold; {count['not tested']} are not tested."
    versions = ", ".join(f"{name} {run['versions'][name]}" for name in ("cortex-sim", "brian2", "torch", "numpy") if name in run["versions"])
    page = HEAD.format(versions=versions, counts=counts) + (folder / "rows.md").read_text(encoding="utf-8")
    Path(__file__).with_name("published.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
