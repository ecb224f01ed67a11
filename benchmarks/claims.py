"""In how many of many seeds does each claim of a protocol hold? Runs protocols, and writes docs/claims.md.

``python benchmarks/claims.py [PROTOCOL ...] [--seeds 8] [--workers 2] [--recording FILE]``: whole runs, not smoke; what other protocols gave before
stays in benchmarks/results/claims.json. ``--finished RUN ...`` reads runs of one protocol that are there already, one a seed.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _measure import RESULTS, write
from scipy import stats

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/claims.md"
HEAD = """# Claims over seeds

A protocol prints its claims with their bounds, for one seed; a claim is worth what it is at other seeds. Here every claim of whole runs at seeds
0 to n - 1, written by `python benchmarks/claims.py`: the mean over seeds with its 95 % interval (Student's t), the smallest and the largest number
found, and in how many seeds the claim holds, with the least share of all seeds that this leaves possible (95 %, Clopper & Pearson). What fails at a
seed is no claim, and neither is what one seed says: it is a finding, kept here because it was expected. Bounds are those of today: some were moved
after these runs, and say so in their source. Some protocols take long because each claim is over several networks or circuits of its own; their
titles say over how many, and they were run at fewer seeds.

{summary}

"""
OVER = {  # what one run of a protocol claims over
    "gain_groups": "three pairs of movements in each", "architectures": "five networks of each kind in each",
    "long_sequences": "six networks in each", "muscles": "three networks of each kind in each",
    "recipes": "five circuits with five seeds in each", "discriminate": "seven classes with five seeds in each",
    "mechanism": "seven circuits and their students in each", "few_shot": "eight circuits in each",
}  # fmt: skip


def claims(protocol: str, seed: int, recording: Path | None) -> list[dict[str, Any]]:
    """Run a protocol, on a recording if it takes one, and return its claims."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cortex_sim", "run", protocol, "--seed", str(seed), "--out", "run"]
        command += ["--recording", str(recording.resolve())] if recording else []
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{protocol} at seed {seed}: {done.stderr[-2000:]}")
        found: list[dict[str, Any]] = json.loads((Path(folder) / "run/claims.json").read_text())
        return found


def rows(protocol: str, found: Sequence[Sequence[dict[str, Any]]], recording: Path | None) -> list[dict[str, object]]:
    """Return one row a claim; claims of a protocol come in the same order at every seed."""
    return [
        {
            "protocol": protocol, "recording": recording.name if recording else None, "claim": each[0]["text"],
            "low": [one["low"] for one in each], "high": [one["high"] for one in each],
            "source": each[0]["source"], "found": [one["found"] for one in each], "holds": [one["holds"] for one in each],
        }
        for each in zip(*found, strict=True)
    ]  # fmt: skip


def span(low: Sequence[float | None], high: Sequence[float | None]) -> str:
    """Return what lies between the smallest and the largest; None is no bound."""
    ends = ("" if None in low else f"{min(low):.4g}", "" if None in high else f"{max(high):.4g}")  # type: ignore[type-var]
    return " to ".join(ends) if all(ends) else f"at most {ends[1]}" if ends[1] else f"at least {ends[0]}" if ends[0] else "none"


def mean(found: Sequence[float]) -> str:
    """Return the mean with its 95 % interval, if there are seeds that differ."""
    if len(found) < 2 or not all(map(math.isfinite, found)) or len(set(found)) == 1:
        return ""
    spread = stats.t.ppf(0.975, len(found) - 1) * statistics.stdev(found) / math.sqrt(len(found))
    return f"{statistics.fmean(found):.4g} [{statistics.fmean(found) - spread:.4g}, {statistics.fmean(found) + spread:.4g}]"


def verdict(row: dict[str, Any]) -> str:
    """Return in how many seeds the claim holds, the share of all seeds that this leaves possible at least, and whether it is one."""
    held, count = sum(row["holds"]), len(row["holds"])
    said = f"{held} of {count}"
    if not is_claim(row):
        return f"{said}; no claim"
    return f"{said}, the same number at each" if len(set(row["found"])) == 1 else f"{said}; at least {stats.beta.ppf(0.05, held, 1):.0%}"


def is_claim(row: dict[str, Any]) -> bool:
    """Return whether it was tried at several seeds and held at all."""
    return len(row["holds"]) > 1 and all(row["holds"])


def summary(kept: Sequence[dict[str, Any]]) -> str:
    """Return how many are claims, and what is none."""
    fallen = [row for row in kept if not all(row["holds"])]
    once = {row["protocol"] for row in kept if len(row["holds"]) == 1}
    lines = [f"**{sum(map(is_claim, kept))} of {len(kept)} are claims.** {len(fallen)} fail at some seed:\n"]
    lines += [f"* `{row['protocol']}`, {row['claim']}: {sum(row['holds'])} of {len(row['holds'])}" for row in fallen]
    return "\n".join([*lines, f"\nTried at one seed: {', '.join(f'`{name}`' for name in sorted(once))}." if once else ""])


def page(kept: Sequence[dict[str, Any]]) -> str:
    """Return the page."""
    parts = [HEAD.format(summary=summary(kept))]
    for protocol in dict.fromkeys(row["protocol"] for row in kept):
        own = [row for row in kept if row["protocol"] == protocol]
        data = f" on {own[0]['recording']}" if own[0].get("recording") else ""
        count = len(own[0]["found"])
        over = f", {OVER[protocol]}" if protocol in OVER else ""
        parts.append(f"## `{protocol}`{data}, {count} seed{'s' * (count > 1)}{over}\n\n")
        parts.append("| claim | bounds | mean | found | holds in | source of the bounds |\n|---|---|---|---|---|---|\n")
        for row in own:
            bounds, found = span(row["low"], row["high"]), span(row["found"], row["found"]) if count > 1 else f"{row['found'][0]:.4g}"
            text, source = (row[part].replace("|", "\\|") for part in ("claim", "source"))
            parts.append(f"| {text} | {bounds} | {mean(row['found'])} | {found} | {verdict(row)} | {source} |\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def main() -> None:
    """Run protocols at many seeds and write what their claims come to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocols", nargs="*", default=["match", "rotations", "subspaces"])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1, help="runs at a time; each uses all cores where it can")
    parser.add_argument("--recording", type=Path, help="of protocols that take one")
    parser.add_argument("--finished", type=Path, nargs="+", help="folders of finished runs of the one protocol, in place of running it")
    parser.add_argument("--page", action="store_true", help="write the page alone, from what is kept")
    given = parser.parse_args()
    before = RESULTS / "claims.json"
    kept: list[dict[str, Any]] = json.loads(before.read_text())["rows"] if before.exists() else []
    if given.page:
        PAGE.write_text(page(kept))
        return
    for protocol in given.protocols:
        if given.finished:
            found = [json.loads((run / "claims.json").read_text()) for run in given.finished]
        else:
            with ThreadPoolExecutor(given.workers) as pool:
                found = list(pool.map(lambda seed, name=protocol: claims(name, seed, given.recording), range(given.seeds)))
        kept = sorted(
            [row for row in kept if row["protocol"] != protocol] + rows(protocol, found, given.recording), key=lambda row: str(row["protocol"])
        )
        write("claims", kept, quiet=True)
        PAGE.write_text(page(kept))
        for row in kept:
            if row["protocol"] == protocol and not all(row["holds"]):
                print(f"{protocol}: {row['claim']}: holds in {sum(row['holds'])} of {len(row['holds'])}: {row['found']}", flush=True)


if __name__ == "__main__":
    main()
