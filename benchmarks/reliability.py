"""How reliable is it? Attacks, damaged files, kills and repeated runs, counted, and written into docs/reliability.md.

``python benchmarks/reliability.py [--share 0.1] [--workers 2] [--only KIND ...]``: with the whole share a million damaged files, a thousand kills
and every protocol run twice, in about an hour. Files are changed at random and, where atheris is installed
(``pip install atheris``), by what reaches new code. What is done stays in benchmarks/results/; ``--only`` replaces these kinds.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tomli_w
from _measure import RESULTS, write

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cortex_sim import load  # noqa: E402
from cortex_sim.cards import catalogue  # noqa: E402
from cortex_sim.errors import CardError, CortexSimError  # noqa: E402
from tests import kills  # noqa: E402
from tests.cards.test_attacks import ATTACKS  # noqa: E402
from tests.mutations import damaged  # noqa: E402
from tests.test_damaged_files import read_damaged  # noqa: E402

PAGE = ROOT / "docs/reliability.md"
SLOW = 5.0  # s of computing
PIECE, LONGEST = 5_000, 3600  # files of a process, which ends after so many s at the latest
CARDS, ATTACKED = "cards", "attacks"
FILES = {  # damaged ones, a million in all
    CARDS: 200_000, "averages.npz": 120_000, "packed.npz": 100_000, "spikes.npz": 100_000, "members.npz": 30_000, "averages.mat": 30_000,
    "packed.mat": 30_000, "rows.mat": 30_000, "seven.mat": 12_000, "spikes.csv": 80_000, "rates.nc": 15_000, "spikes.nc": 15_000,
    "spikes.nwb": 6_000, "spikes.zarr": 2_000, "weights.safetensors": 100_000, "space.toml": 100_000,
}  # fmt: skip
GUIDED = {CARDS: 15_000, "averages.npz": 5_000, "averages.mat": 5_000, "spikes.csv": 2_500, "weights.safetensors": 2_500}
KILLED = {"run": 700, "study": 300}
HEAD = """# Reliability

Attempts to make this code run a stranger's program, lose a result, or fail with an error that is not its own. Written by
`python benchmarks/reliability.py`; shorter versions are in `make test`, longer ones in `make test-all`.

## Attacks and damaged files

Changed at random: bytes and lines lost, doubled, exchanged, and what breaks readers put in. Guided: changes by atheris, which keeps those that reach
new code. An ending is *other* if a payload ran, an exception was not our own, the file was not named, or the process crashed or did not end.

| tried | times | read | refused, with the file and the place | other | over {slow:g} s of computing |
|---|---|---|---|---|---|
"""
KILLS = """
## Kills

SIGKILL at a random instant, then the same command with `--resume`, until it finishes; its numbers are compared with those of an undisturbed one.

| killed | kills | finished | lost, different, half written or left over |
|---|---|---|---|
"""
RERUNS = """
## Runs repeated

`cortex-sim rerun` of a smoke run of every protocol that needs no recording, in a process of its own: are all results the same to the bit?

| repeated | identical | different |
|---|---|---|
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


def cards(count: int, seed: int, folder: Path) -> Counter[str]:
    """Shipped cards with random damage."""
    rng, ends, path = np.random.default_rng(seed), Counter[str](), folder / "card.toml"
    texts = [file.read_bytes() for file in catalogue.models().values()]
    for _ in range(count):
        data = damaged(texts[rng.integers(len(texts))], rng)
        path.write_bytes(data)
        began = time.process_time()
        try:
            load(str(path))
            ends["read"] += 1
        except CortexSimError:
            ends["refused"] += 1
        except Exception as problem:
            ends[f"{type(problem).__name__}: {problem}"] += 1
        ends["slow"] += time.process_time() - began > SLOW
    return ends


def rerun(name: str, folder: Path) -> Counter[str]:
    """A smoke run of a protocol and its repetition."""
    for command in (["run", name, "--smoke", "--out", "run"], ["rerun", "run"]):
        made = subprocess.run([sys.executable, "-m", "cortex_sim", *command], cwd=folder, capture_output=True, text=True, check=False)
        if made.returncode:
            return Counter({"different": 1, f"{name}: {made.stdout[-300:]}{made.stderr[-300:]}": 0})
    return Counter(identical=1)


def piece(kind: str, count: int, seed: int) -> dict[str, object]:
    """What a process of its own is asked to do."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == ATTACKED:
            return dict(attacks(folder))
        if kind == CARDS:
            return dict(cards(count, seed, folder))
        if kind in KILLED:
            found = kills.main(kind, folder, count, seed)
            return {"kills": found["kills"], "finished": found["finished"], "wrong": len(found["wrong"]), "said": found["wrong"]}
        if kind in catalogue.protocols():
            return dict(rerun(kind, folder))
        return dict(read_damaged(kind, count, seed, folder))


def done_by(command: list[str]) -> tuple[Counter[str], str]:
    """Counts that a process printed, and why it broke off if it did."""
    try:
        with tempfile.TemporaryDirectory() as folder:  # what a process that breaks off leaves behind goes with it
            how = {"cwd": ROOT, "env": os.environ | {"TMPDIR": folder}, "timeout": LONGEST}
            made = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, **how)
    except subprocess.TimeoutExpired:
        return Counter(other=1), f"{command}: did not end in {LONGEST} s"
    if "_guided" in command[1]:
        count = re.search(r"number_of_executed_units: (\d+)", made.stderr)
        return Counter(tried=int(count[1]) if count else 0, other=int(made.returncode != 0)), made.stderr[-3000:] if made.returncode else ""
    if made.returncode:
        return Counter(other=1), f"{command}: {made.returncode}\n{made.stderr[-3000:]}"
    counts = json.loads(made.stdout.splitlines()[-1])
    said = counts.pop("said", [])
    return Counter(counts), "\n".join(said)


def pieces(kinds: list[str], share: float) -> list[tuple[str, list[str]]]:
    """Names of rows and the commands that count for them; the first of every row first, so that a table that is broken off has all of them."""
    here, made = [sys.executable, __file__], []
    for row, kind, whole in asked(kinds):
        count, size = max(1, round(whole * share)), PIECE if kind not in KILLED else 100
        script = [sys.executable, str(Path(__file__).with_name("_guided.py")), kind] if row.endswith("guided") else [*here, "--piece", kind]
        for number, first in enumerate(range(0, count, size)):
            made.append((number, row, [*script, str(min(size, count - first)), str(number + 1)]))
    return [(row, command) for _, row, command in sorted(made, key=lambda job: job[0])]


def asked(kinds: list[str]) -> list[tuple[str, str, int]]:
    """Rows, what is tried in them, and how often."""
    rows = [(f"killed: {kind}", kind, count) for kind, count in KILLED.items()] + [("attacks on cards", ATTACKED, 1)]
    rows += [(f"damaged {kind}", kind, count) for kind, count in FILES.items() if kind != "spikes.zarr" or importlib.util.find_spec("hdmf_zarr")]
    if importlib.util.find_spec("atheris"):
        rows += [(f"damaged {kind}, guided", kind, count) for kind, count in GUIDED.items()]
    rows += [("repeated runs", name, 1) for name in catalogue.protocols() if name != "match_recording"]
    chosen = {"kills": "killed:", "attacks": "attacks", "files": "damaged", "reruns": "repeated"}
    return [row for row in rows if any(row[0].startswith(chosen[kind]) for kind in kinds)]


def page(rows: list[dict[str, object]]) -> str:
    """The tables of the page."""
    known = {str(row["tried"]): row for row in rows}
    text = HEAD.format(slow=SLOW)
    for name, row in known.items():
        if name.startswith(("attacks", "damaged")):
            number = {key: f"{row[key]:,}" if key in row else "" for key in ("times", "read", "refused", "other", "slow")}
            text += f"| {name} | {' | '.join(number.values())} |\n"
    text += KILLS + "".join(f"| {name.split(': ')[1]} | {row['kills']:,} | {row['finished']:,} | {row['wrong']} |\n"
                            for name, row in known.items() if name.startswith("killed"))  # fmt: skip
    if row := known.get("repeated runs"):
        text += RERUNS + f"| {row['times']} | {row['identical']} | {row['different']} |\n"
    return text


def row_of(name: str, ends: Counter[str]) -> dict[str, object]:
    if name.startswith("killed"):
        return {"tried": name} | {key: ends[key] for key in ("kills", "finished")} | {"wrong": ends["wrong"] + ends["other"]}
    if name.startswith("repeated"):
        return {"tried": name, "times": ends.total(), "identical": ends["identical"], "different": ends.total() - ends["identical"]}
    if name.endswith("guided"):
        return {"tried": name, "times": ends["tried"], "other": ends["other"]}
    read, refused, slow = (ends.pop(end, 0) for end in ("read", "refused", "slow"))
    return {"tried": name, "times": read + refused + ends.total(), "read": read, "refused": refused, "other": ends.total(), "slow": slow}


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--share", type=float, default=1.0, help="of the full numbers")
    given.add_argument("--workers", type=int, default=2, help="processes at a time")
    given.add_argument("--only", nargs="+", choices=["kills", "attacks", "files", "reruns"], default=["kills", "attacks", "files", "reruns"])
    given.add_argument("--piece", nargs=3, metavar=("KIND", "COUNT", "SEED"), help=argparse.SUPPRESS)
    wanted = given.parse_args()
    if wanted.piece:
        kind, count, seed = wanted.piece
        print(json.dumps(piece(kind, int(count), int(seed))))
        return
    jobs, ends, began, kept = pieces(wanted.only, wanted.share), {}, time.monotonic(), RESULTS / "reliability.json"
    known = {row["tried"]: row for row in json.loads(kept.read_text())["rows"]} if kept.exists() else {}
    with ThreadPoolExecutor(wanted.workers) as pool:
        for number, ((name, _), (counts, said)) in enumerate(zip(jobs, pool.map(done_by, [command for _, command in jobs]), strict=True), 1):
            ends[name] = ends.get(name, Counter()) + counts
            print(f"{number} of {len(jobs)}, {time.monotonic() - began:.0f} s: {name} {dict(counts)} {said}", flush=True)
            known[name] = row_of(name, ends[name].copy())
            write("reliability", list(known.values()), quiet=True)
            PAGE.write_text(page(list(known.values())), encoding="utf-8")


if __name__ == "__main__":
    main()
