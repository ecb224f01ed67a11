"""Write the pictures of gallery.md: `python docs/write_gallery.py` runs its blocks in one session, and saves what each calls `figure`."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

DOCS = Path(__file__).parent
BLOCK = re.compile(r"```python\n(.*?)```(?:\s*!\[[^\]]+\]\((gallery/\w+\.png)\))?", re.DOTALL)
DOTS, INKS = 90, 96  # an inch; colours of a picture, which keep it small


def drawn(page: str) -> Iterator[tuple[str, Any]]:
    """Yield the file and the figure of each block of a page that has a picture; blocks run in order, in one session."""
    session: dict[str, Any] = {}
    for code, picture in BLOCK.findall(page):
        session.pop("figure", None)
        exec(compile(code, "gallery.md", "exec"), session)  # noqa: S102 - blocks of a page of this repository
        if picture:
            yield picture, session["figure"]


def main() -> None:
    """Write the pictures, and print their sizes."""
    (DOCS / "gallery").mkdir(exist_ok=True)
    for name, figure in drawn((DOCS / "gallery.md").read_text(encoding="utf-8")):
        written = io.BytesIO()
        figure.savefig(written, dpi=DOTS, facecolor="white")
        Image.open(written).convert("RGB").quantize(INKS).save(DOCS / name, optimize=True)
        print(f"{name}: {(DOCS / name).stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
