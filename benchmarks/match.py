"""How long do `match`, and the comparison of many units in many conditions, take? Whole commands, with the circuit in the cache.

The comparison is of 1,000 units in 108 conditions of 100 bins, with 200 surrogates, in a process of its own.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _measure import write
from scipy.ndimage import gaussian_filter1d

UNITS, CONDITIONS, BINS, SURROGATES = 1000, 108, 100, 200


def sides() -> tuple[np.ndarray, np.ndarray]:
    """Two systems that share sixty smooth latent courses, with noise of their own."""
    rng = np.random.default_rng(0)
    latent = gaussian_filter1d(rng.normal(size=(CONDITIONS, BINS, 60)), 6, axis=1) * np.exp(-np.arange(60) / 10)
    a = latent @ rng.normal(size=(60, UNITS))
    a += 0.05 * a.std() * gaussian_filter1d(rng.normal(size=a.shape), 3, axis=1)
    b = latent @ rng.normal(size=(60, UNITS)) * 0.4 + a * 0.8
    return a, b + 0.05 * a.std() * gaussian_filter1d(rng.normal(size=b.shape), 3, axis=1)


def compared(what: str) -> None:
    """Compare, and print the seconds and the largest memory."""
    import cortex_sim as cs

    a, b = sides()
    began = time.perf_counter()
    if what == "compare":
        cs.compare(a, b, bin=0.01, nulls=SURROGATES)
    else:
        cs.measures.table(a, b, 0.01, name="b", split="all", nulls=SURROGATES)
    print(json.dumps([time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2]))


def main() -> None:
    """Run each command twice, and keep the second."""
    rows = []
    for name, words in {"match": [], "match --smoke": ["--smoke"], "match --students all": ["--students", "all"]}.items():
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", "cortex_sim", "run", "match", *words, "--out", "run"]
                began = time.perf_counter()
                subprocess.run(command, cwd=folder, check=True, capture_output=True)
                seconds, stages = time.perf_counter() - began, json.loads(Path(folder, "run", "run.json").read_text())["seconds"]
        rows.append({"command": name, "s": seconds} | {f"of it {stage} (s)": took for stage, took in stages.items()})
    for what in ("table", "compare"):
        done = subprocess.run([sys.executable, __file__, what], check=True, capture_output=True, text=True)
        seconds, memory = json.loads(done.stdout.splitlines()[-1])
        rows.append({"command": f"{what}, {UNITS} x {CONDITIONS} x {BINS}, {SURROGATES} surrogates", "s": seconds, "GB": memory})
    write("match", rows)


if __name__ == "__main__":
    compared(sys.argv[1]) if len(sys.argv) > 1 else main()
