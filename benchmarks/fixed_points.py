"""How long do 256 searches for fixed points of a 64-unit network take: of one that holds three bits, and of a chaotic one that has few?"""

import numpy as np
from _measure import alternate, write

from cortex_sim import load
from cortex_sim.analysis._fixed_points import fixed_points

UNITS, SEARCHES, STRENGTH, GAIN = 64, 256, 2.5, 1.8


def main():
    rng = np.random.default_rng(0)
    patterns = np.where(np.arange(UNITS)[:, None] >> np.arange(3) & 1, 1.0, -1.0)
    weights = {"three bits": STRENGTH * patterns @ patterns.T / UNITS, "chaotic": GAIN * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)}
    networks = {name: load("sompolinsky_1988").with_arrays({"J": J}, units=UNITS) for name, J in weights.items()}
    visited = {"three bits": 2 * rng.uniform(-1, 1, (1000, 3)) @ patterns.T, "chaotic": 1.5 * rng.standard_normal((1000, UNITS))}
    runs = {name: lambda name=name: fixed_points(networks[name], visited[name], searches=SEARCHES, seed=0) for name in networks}
    rows = []
    for name, value in alternate(runs, 5).items():
        found = runs[name]()
        fixed = found.fixed
        rows.append({
            "network": name, "s": value, "fixed points": len(fixed), "stable": sum(not point.unstable for point in fixed),
            "largest speed there, 1/s": max(point.speed for point in fixed), "searches that ended there": sum(point.found for point in fixed),
        })  # fmt: skip
    write("fixed_points", rows)


main()
