"""How reliable is it? Attacks, damaged files and kills by the thousand, counted, and written into docs/reliability.md.

`python benchmarks/reliability.py [--cards N] [--files N]`; the table of the page was made with the numbers that it states.
"""

import argparse
import importlib.util
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import tomli_w
from _measure import write

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cortex_sim import load  # noqa: E402
from cortex_sim.cards import catalogue  # noqa: E402
from cortex_sim.errors import CardError, CortexSimError  # noqa: E402
from tests.cards.test_attacks import ATTACKS  # noqa: E402
from tests.mutations import damaged  # noqa: E402
from tests.test_damaged_files import KINDS, read_damaged  # noqa: E402

PAGE = ROOT / "docs/reliability.md"
SLOW = 10.0  # s
ZARR = importlib.util.find_spec("hdmf_zarr") is not None
HEAD = """# Reliability

Attempts to make this code run a stranger's program, lose a result, or fail with an error that is not its own. Written by
`python benchmarks/reliability.py`; shorter versions are in `make test`, longer ones in `make test-all`.

| tried | times | read | refused, with the file and the place | anything else | over {slow:g} s |
|---|---|---|---|---|---|
"""


def attacks(folder: Path) -> Counter[str]:
    """Payloads in every field of a card."""
    ends, path, mark = Counter[str](), folder / "card.toml", folder / "mark"
    for _, card, place in ATTACKS:
        path.write_text(tomli_w.dumps(card).replace("{mark}", str(mark)), encoding="utf-8", errors="surrogatepass")
        try:
            load(str(path))
            ends["read"] += 1
        except CardError as problem:
            ends["refused" if place in str(problem) else "other"] += 1
        except Exception:
            ends["other"] += 1
    ends["other"] += mark.exists()
    return ends


def cards(count: int, folder: Path) -> Counter[str]:
    """Shipped cards with random damage."""
    rng, ends, path = np.random.default_rng(0), Counter[str](), folder / "card.toml"
    texts = [file.read_bytes() for file in catalogue.models().values()]
    for _ in range(count):
        path.write_bytes(damaged(texts[rng.integers(len(texts))], rng))
        began = time.perf_counter()
        try:
            load(str(path))
            ends["read"] += 1
        except CortexSimError:
            ends["refused"] += 1
        except Exception:
            ends["other"] += 1
        ends["slow"] += time.perf_counter() - began > SLOW
    return ends


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--cards", type=int, default=100_000, help="damaged cards")
    given.add_argument("--files", type=int, default=2_000, help="damaged files of each kind")
    asked = given.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tried = {"attacks on cards": lambda: attacks(folder), "damaged cards": lambda: cards(asked.cards, folder)}
        tried |= {f"damaged {kind}": lambda kind=kind: read_damaged(kind, asked.files, 2, folder) for kind in KINDS if kind != "spikes.zarr" or ZARR}
        for what, run in tried.items():
            ends = run()
            read, refused, slow = (ends.pop(end, 0) for end in ("read", "refused", "slow"))
            other = ends.total()
            rows.append({"tried": what, "times": read + refused + other, "read": read, "refused": refused, "other": other, "slow": slow})
    write("reliability", rows)
    lines = (f"| {row['tried']} | {row['times']:,} | {row['read']:,} | {row['refused']:,} | {row['other']} | {row['slow']} |" for row in rows)
    PAGE.write_text(HEAD.format(slow=SLOW) + "\n".join(lines) + "\n", encoding="utf-8")


main()
