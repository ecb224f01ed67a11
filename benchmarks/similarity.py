"""How fast are the measures of similarity? The table of scores of one pair, and DSA with 32 restarts beside dsa-metric, where that is installed."""

import importlib.util

import numpy as np
from _measure import alternate, write

from cortex_sim import load
from cortex_sim.analysis._preparation import delayed_reaches
from cortex_sim.comparison import _dsa as dsa
from cortex_sim.comparison._measures import MEASURES
from cortex_sim.comparison._table import table

CONDITIONS, NULLS, RANKS = 27, 200, (6, 12, 20)


def main():
    circuit = load("hennequin_2014")
    (side,) = delayed_reaches(circuit, (CONDITIONS,), seed=0)
    rates, rng = side.trials.rate, np.random.default_rng(0)
    copy = rates + 0.1 * rates.std() * rng.standard_normal((CONDITIONS, rates.shape[1], 1)) @ rng.standard_normal((1, circuit.units))
    runs = {f"table of {len(MEASURES)} measures, {NULLS} surrogates each": lambda: table(rates, copy, 0.01, name="copy", split="all", nulls=NULLS)}
    seconds = alternate(runs, 2)
    pairs = {rank: [dsa.delay_operator(x, delays=3, rank=rank) for x in (rates, copy)] for rank in RANKS}
    runs = {f"DSA, rank {rank}, 32 restarts": lambda pair=pair: dsa.procrustes_distance(*pair) for rank, pair in pairs.items()}
    if importlib.util.find_spec("DSA"):
        from DSA.simdist import SimilarityTransformDist

        for rank, pair in pairs.items():
            search = SimilarityTransformDist(score_method="euclidean", iters=1500, lr=5e-3, device="cpu", verbose=False)
            runs[f"dsa-metric, rank {rank}, one start"] = lambda search=search, pair=pair: search.fit_score(*pair)
    seconds |= alternate(runs, 3)
    write("similarity", [{"what": name, "s": value} for name, value in seconds.items()])


main()
